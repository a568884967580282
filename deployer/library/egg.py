"""An egg's bytes as a `Library`: the old format of setuptools, which runtimes before 14.0 load.

Owns the reading and the validation of an egg (setuptools, "The internal structure of Python eggs").
All that is wrong with a file is told at once. Given bytes; must not unpack, import or run anything.
"""

from __future__ import annotations

from typing import BinaryIO

from packaging.metadata import RawMetadata, parse_email
from packaging.utils import NormalizedName
from packaging.version import Version

from deployer.library.archive import LIMITS, Limits
from deployer.library.model import Kind, Library
from deployer.library.names import ParsedName
from deployer.library.reading import FileReading
from deployer.library.wheel import top_level

_INFO = "EGG-INFO"
_NAMING = (
    "An egg is called NAME-VERSION-PYTHON.egg, such as my_lib-1.2.0-py3.10.egg. Build it again from "
    "its source, and upload that file unchanged. Better build a wheel: runtimes from 14.0 on load no "
    "eggs."
)


def read_egg(file_name: str, stream: BinaryIO, *, limits: Limits = LIMITS) -> Library:
    """Read and verify the egg in `stream`, a seekable binary stream.

    Every member must be readable; the file name must agree with PKG-INFO.

    Raises:
        DeployError: INVALID_LIBRARY, with one problem for each thing that is wrong.
    """
    return _EggReading(Kind.EGG, file_name, stream, limits).library()


class _EggReading(FileReading):
    """One egg being read."""

    def library(self) -> Library:
        parsed, why = self.named()
        if parsed is None:
            self.add("has a file name that is no egg's", detail=why, remedy=_NAMING)
        self.open()
        self.add_faults(self.archive.clashes())
        raw, name, version = self._metadata()
        requires_python = self.requires_python(raw.get("requires_python"))
        if parsed is not None and name is not None and version is not None:
            self._compare_names(parsed, name, version)
        entry_points = self.entry_points(f"{_INFO}/entry_points.txt")
        self.add_faults(self.archive.damaged())
        if self.faulty or name is None or version is None:
            raise self.error()
        return Library(
            kind=Kind.EGG,
            name=name,
            display_name=raw["name"],
            version=version,
            file_name=self.file_name,
            sha256=self.sha256,
            size=self.size,
            requires_python=requires_python,
            entry_points=entry_points,
            top_level=top_level(self.archive.files),
        )

    def _metadata(self) -> tuple[RawMetadata, NormalizedName | None, Version | None]:
        content = self.read(f"{_INFO}/PKG-INFO")
        if content is None:
            return {}, None, None
        raw, _ = parse_email(content)
        return raw, *self.identity("PKG-INFO", raw.get("name", ""), raw.get("version", ""))

    def _compare_names(self, parsed: ParsedName, name: NormalizedName, version: Version) -> None:
        if (name, version) in {(one.name, one.version) for one in parsed.readings}:
            return
        first = parsed.readings[0]
        self.add(
            f"is {name} {version} by its PKG-INFO, but the file name says {first.name} {first.version}",
            detail="The content decides which library this is, and jobs name it by its file name.",
        )
