"""Retention: which old versions stay, and why.

Owns rule 7 of design.md as a pure function of facts that others gathered. A version goes only when
every reason to keep it is absent; whatever is not known keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from packaging.version import Version

from deployer.library.model import Kind
from deployer.library.names import parse_file_name
from deployer.library.versions import major_line


@dataclass(frozen=True)
class Stored:
    """One file of the library in the root. `modified_ms` is the server's time, epoch milliseconds."""

    path: str
    version: Version
    modified_ms: int

    @property
    def file_name(self) -> str:
        """The base name, which documents mention."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Keeping:
    """What the configuration says about old versions. Times are milliseconds."""

    keep: int = 0
    min_age_ms: int = 0
    now_ms: int = 0


@dataclass(frozen=True)
class Users:
    """Who uses which file name, and what could not be seen.

    `blind` are sentences on what could not be seen: any of them keeps everything.
    """

    by_file: Mapping[str, Sequence[str]] = field(default_factory=dict)
    blind: Sequence[str] = ()


@dataclass(frozen=True)
class Verdict:
    """What becomes of one stored file: it goes if there is no reason to keep it."""

    stored: Stored
    reasons: tuple[str, ...]
    current: bool = False

    @property
    def goes(self) -> bool:
        """Whether nothing keeps the file."""
        return not self.reasons


def versions_of(name: str, kind: Kind, files: Iterable[tuple[str, int]]) -> tuple[Stored, ...]:
    """The files (path, modified_ms) that certainly are versions of that library, oldest first.

    `name` is normalised (PEP 503).

    Another kind, another name, or a name that can be read in two ways is none of them.
    """
    found = []
    for path, modified_ms in files:
        parsed = parse_file_name(path.rsplit("/", 1)[-1])
        if parsed is None or parsed.kind is not kind:
            continue
        ours = [one for one in parsed.candidates if one.name == name]
        if len(ours) == 1 and ours[0].version is not None:
            found.append(Stored(path, ours[0].version, modified_ms))
    return tuple(sorted(found, key=lambda one: (one.version, one.path)))


def lines_of(
    files: Iterable[tuple[str, int]], wanted: tuple[str, Kind, Version] | None
) -> tuple[tuple[Version, tuple[Stored, ...]], ...]:
    """The libraries among `files`, each with the version that counts as current and its files.

    With `wanted` only that library, with that version as the current one. Otherwise each MAJOR of
    each library, whose newest version is the current one.
    """
    listed = list(files)
    if wanted is not None:
        name, kind, current = wanted
        return ((current, versions_of(name, kind, listed)),)
    parsed = [found for path, _ in listed if (found := parse_file_name(path.rsplit("/", 1)[-1]))]
    certain = {(one.certain.name, one.kind) for one in parsed if one.certain}
    lines: list[tuple[Version, tuple[Stored, ...]]] = []
    for name, kind in sorted(certain):
        for _, line in groupby(
            versions_of(name, kind, listed), lambda one: major_line(one.version)
        ):
            stored = tuple(line)
            lines.append((stored[-1].version, stored))
    return tuple(lines)


def decide(
    current: Version, stored: Sequence[Stored], users: Users, keeping: Keeping
) -> tuple[Verdict, ...]:
    """One verdict for each stored file of one library, in the given order.

    Only versions older than `current`, on its MAJOR, can go.
    """
    unused = [one for one in stored if not _firm_reasons(current, one, users)]
    newest = sorted(unused, key=lambda one: one.version, reverse=True)[: keeping.keep]
    return tuple(_verdict(current, one, users, keeping, newest) for one in stored)


def _verdict(
    current: Version, one: Stored, users: Users, keeping: Keeping, newest: Sequence[Stored]
) -> Verdict:
    reasons = _firm_reasons(current, one, users)
    if one in newest:
        reasons.append(f"one of the newest {keeping.keep} that are kept")
    if keeping.now_ms - one.modified_ms < keeping.min_age_ms:
        reasons.append("younger than min-age")
    if not reasons:
        reasons += users.blind
    return Verdict(one, tuple(reasons), current=one.version == current)


def _firm_reasons(current: Version, one: Stored, users: Users) -> list[str]:
    if one.version == current:
        return ["the version of this run"]
    if major_line(one.version) != major_line(current):
        return ["another major"]
    if one.version > current:
        return ["newer than the version of this run"]
    return [f"used by {user}" for user in users.by_file.get(one.file_name, ())]
