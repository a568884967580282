"""One library file being read: what the readers of wheels, jars and eggs have in common.

Owns hashing the file, opening it as an archive, and collecting its problems, so that all of them
are told at once. Must not know what any member means: `wheel`, `jar` and `egg` do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import BinaryIO

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from deployer.errors import DeployError, FailureReason, Problem
from deployer.library.archive import CHUNK, Archive, Fault, Limits, UnsoundArchiveError, shown
from deployer.library.entry_points import parse_entry_points
from deployer.library.model import EntryPoint, Kind
from deployer.library.names import NameProblem, ParsedName, normalized, parse_file_name
from deployer.library.versions import parse_version

_MOST = 25  # problems that are told; a file with more has one cause
_LONGEST = 500  # characters of a problem's title; what others wrote is quoted in it
_LONGEST_DETAIL = 2_000
_SET_VERSION = "Set a version such as 1.2.0 or 1.2.0rc1 (PEP 440) in the project and build again."
_WHY = {
    NameProblem.NO_VERSION: "It has no version.",
    NameProblem.INVALID_VERSION: "Its version can't be ordered.",
    NameProblem.AMBIGUOUS: "None of its readings has a version that can be ordered.",
    NameProblem.MANGLED: "It is one that an upload dialog made: a UUID, the name, and a hash.",
    NameProblem.PLACEHOLDER: "It holds a placeholder that nobody filled in.",
    NameProblem.WILDCARD: "It holds an asterisk.",
    NameProblem.EMPTY_NAME: "It has no name in front of the version.",
    NameProblem.INVALID_NAME: "It has characters that no library name has.",
}


class FileReading:
    """A file, its archive, and what is wrong with it so far."""

    archive: Archive

    def __init__(self, kind: Kind, file_name: str, stream: BinaryIO, limits: Limits) -> None:
        """Hash the seekable `stream` whole; `open` reads its directory."""
        self.file_name = file_name
        self._kind = kind
        self.sha256, self.size = _hash(stream)
        self._stream = stream
        self._limits = limits
        self._problems: list[Problem] = []
        self._more = 0
        self._build_again = (
            f"Build the {kind.value} again from its source, and upload that file unchanged."
        )

    def add(self, what: str, *, detail: str = "", remedy: str | None = None) -> None:
        """A problem; `what` is the end of a sentence about the file."""
        if len(self._problems) >= _MOST:
            self._more += 1
            return
        title = f"{shown([self.file_name])} {_cut(what, _LONGEST)}."
        advice = self._build_again if remedy is None else remedy
        told = _cut(detail, _LONGEST_DETAIL)
        self._problems.append(Problem(FailureReason.INVALID_LIBRARY, title, told, advice))

    def add_faults(self, faults: Iterable[Fault]) -> None:
        """Each fault as a problem."""
        for fault in faults:
            self.add(fault.what, detail=shown(fault.members))

    @property
    def faulty(self) -> bool:
        """Whether there is any problem."""
        return bool(self._problems)

    def error(self) -> DeployError:
        """The error with what was found so far: the first problems, and how many more there are."""
        first, *others = self._problems
        if self._more:
            title = f"{shown([self.file_name])} has {self._more:,} more problems."
            others.append(Problem(FailureReason.INVALID_LIBRARY, title, "", self._build_again))
        return DeployError(first, *others)

    def has_too_many(self, what: str, count: int) -> bool:
        """Whether there are more of `what` than any library has; then that is a problem."""
        most = self._limits.lines
        if count > most:
            self.add(f"has {count:,} {what}; at most {most:,} are read")
        return count > most

    def named(self) -> tuple[ParsedName | None, str]:
        """What the file name states; or None, and a sentence that says why it is nothing certain.

        With several readings the content has to say which is right.
        """
        parsed = parse_file_name(self.file_name)
        if parsed is None or parsed.kind is not self._kind:
            return None, f"It does not end in .{self._kind.value}."
        if parsed.problem is not None and not parsed.readings:
            return None, _WHY[parsed.problem]
        return parsed, ""

    def open(self) -> None:
        """Set `archive`, and note what makes it unsafe.

        Raises:
            DeployError: It can't be read at all, so nothing more can be said about it.
        """
        if not self.size:
            self.add("is empty")
            raise self.error()
        try:
            self.archive = Archive(self._stream, self.size, self._limits)
        except UnsoundArchiveError as error:
            self.add(str(error))
            raise self.error() from None
        self.add_faults(self.archive.faults())

    def read(self, path: str, *, is_list: bool = False) -> bytes | None:
        """A metadata file, which may list all files; None, with a problem, when it can't be read."""
        if path not in self.archive.files:
            self.add(f"has no {path.rpartition('/')[2]}", detail=f"Expected {shown([path])}.")
            return None
        try:
            return self.archive.read(path, is_list=is_list)
        except UnsoundArchiveError as error:
            self.add(str(error))
            return None

    def optional(self, path: str) -> bytes | None:
        """As `read`, but a file that is not there is no problem."""
        return self.read(path) if path in self.archive.files else None

    # What Python's distributions state, in METADATA or PKG-INFO

    def identity(
        self, source: str, name: str, version: str
    ) -> tuple[NormalizedName | None, Version | None]:
        """The name and version that the file `source` states; None, with a problem, where invalid."""
        found_name, found_version = normalized(name), parse_version(version)
        if found_name is None:
            self.add(f"has no valid name in {source}", detail=f"It says {name!r}.")
        if found_version is None:
            self.add(
                f"has no version of PEP 440 in {source}",
                detail=f"It says {version!r}.",
                remedy=_SET_VERSION,
            )
        return found_name, found_version

    def requires_python(self, stated: str | None) -> SpecifierSet | None:
        """Requires-Python; pip refuses a file where it can't be read."""
        try:
            return SpecifierSet(stated) if stated is not None else None
        except (InvalidSpecifier, ValueError):
            self.add(f"has Requires-Python {stated!r}, which is no range of versions")
            return None

    def entry_points(self, path: str) -> tuple[EntryPoint, ...]:
        """The entry points that the file at `path` lists; () when there is no such file."""
        content = self.optional(path)
        try:
            return parse_entry_points(content.decode()) if content else ()
        except ValueError as error:
            self.add("has an entry_points.txt that can't be read", detail=str(error))
            return ()


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _hash(stream: BinaryIO) -> tuple[str, int]:
    """SHA-256 and size in bytes of the whole stream, read in chunks."""
    stream.seek(0)
    hasher, size = hashlib.sha256(), 0
    while chunk := stream.read(CHUNK):
        hasher.update(chunk)
        size += len(chunk)
    return hasher.hexdigest(), size
