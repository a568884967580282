"""The library as a value. Owns no parsing: see `wheel`, `versions`, `names`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import NormalizedName
from packaging.version import Version


class Kind(StrEnum):
    """What kind of file a library is; kinds never replace each other (design.md, rule 1)."""

    WHEEL = "wheel"
    JAR = "jar"
    EGG = "egg"


@dataclass(frozen=True)
class EntryPoint:
    """One entry point of the wheel's metadata."""

    group: str
    name: str
    value: str


@dataclass(frozen=True)
class Library:
    """One library file, as its content (not its name) says it is."""

    kind: Kind
    name: NormalizedName  # PEP 503
    display_name: str  # as METADATA spells it
    version: Version  # PEP 440
    file_name: str
    sha256: str
    size: int  # bytes
    tags: frozenset[Tag] = frozenset()
    requires_python: SpecifierSet | None = None
    requires: tuple[str, ...] = ()  # Requires-Dist lines, verbatim
    entry_points: tuple[EntryPoint, ...] = ()
    top_level: tuple[str, ...] = ()  # importable packages and modules at the top of the wheel
