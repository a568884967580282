"""The library as a value. Owns no parsing: see `wheel`, `jar`, `egg`, `versions`, `names`."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(frozen=True, order=True)
class Distribution:
    """What all versions of one library have in common: only these may replace each other.

    The classifier of a jar belongs to it: the `sources` of a library are no version of its code.
    """

    name: NormalizedName  # PEP 503; of a jar the artifact with its Scala suffix
    kind: Kind
    classifier: str = ""  # lower case


@dataclass(frozen=True)
class EntryPoint:
    """One entry point of the metadata of a wheel or an egg."""

    group: str
    name: str
    value: str


@dataclass(frozen=True)
class Library:
    """One library file, as its content (not its name) says it is."""

    kind: Kind
    name: NormalizedName  # PEP 503; of a jar the artifact with its Scala suffix
    display_name: str  # as METADATA or PKG-INFO spells it; of a jar as the file name does
    version: Version  # PEP 440
    file_name: str
    sha256: str
    size: int  # bytes
    tags: frozenset[Tag] = frozenset()
    requires_python: SpecifierSet | None = None
    requires: tuple[str, ...] = ()  # Requires-Dist lines, verbatim
    entry_points: tuple[EntryPoint, ...] = ()
    top_level: tuple[str, ...] = ()  # importable packages and modules at the top
    classifier: str = ""  # of a jar, lower case: "assembly" of app-1.0-assembly.jar
    scala: str = ""  # of a jar: "2.12" of glow_2.12-1.0.jar; "" when it does not say
    main_class: str = ""  # of a jar: what its manifest names, as a dotted name
    # All classes of a jar by dotted name, as many as archive.Limits.members at most.
    classes: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def distribution(self) -> Distribution:
        """What this library has in common with its other versions."""
        return Distribution(self.name, self.kind, self.classifier)
