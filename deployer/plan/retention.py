"""Retention: which old versions stay, and why.

Owns rule 7 of design.md as a pure function of facts that others gathered. A version goes only when
every reason to keep it is absent; whatever is not known keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.version import Version

from deployer.library.model import Library
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


def versions_of(library: Library, files: Iterable[tuple[str, int]]) -> tuple[Stored, ...]:
    """The files (path, modified_ms) that certainly are versions of `library`, oldest version first.

    Another kind, another name, or a name that can be read in two ways is none of them.
    """
    found = []
    for path, modified_ms in files:
        parsed = parse_file_name(path.rsplit("/", 1)[-1])
        if parsed is None or parsed.kind is not library.kind:
            continue
        ours = [one for one in parsed.candidates if one.name == library.name]
        if len(ours) == 1 and ours[0].version is not None:
            found.append(Stored(path, ours[0].version, modified_ms))
    return tuple(sorted(found, key=lambda one: (one.version, one.path)))


def decide(
    library: Library, stored: Sequence[Stored], users: Users, keeping: Keeping
) -> tuple[Verdict, ...]:
    """One verdict for each stored file, in the given order."""
    unused = [one for one in stored if not _firm_reasons(library, one, users)]
    newest = sorted(unused, key=lambda one: one.version, reverse=True)[: keeping.keep]
    return tuple(_verdict(library, one, users, keeping, newest) for one in stored)


def _verdict(
    library: Library, one: Stored, users: Users, keeping: Keeping, newest: Sequence[Stored]
) -> Verdict:
    reasons = list(_firm_reasons(library, one, users))
    if one in newest:
        reasons.append(f"one of the newest {keeping.keep} that are kept")
    if keeping.now_ms - one.modified_ms < keeping.min_age_ms:
        reasons.append("younger than min-age")
    if not reasons:
        reasons += users.blind
    return Verdict(one, tuple(reasons), current=one.version == library.version)


def _firm_reasons(library: Library, one: Stored, users: Users) -> Iterable[str]:
    if one.version == library.version:
        return ["the version of this run"]
    if one.version > library.version:
        return ["newer than the version of this run"]
    if major_line(one.version) != major_line(library.version):
        return ["another major"]
    return [f"used by {user}" for user in users.by_file.get(one.file_name, ())]
