"""Retention: which old versions stay, and why.

Owns rule 7 of design.md as a pure function of facts that others gathered. A version goes only when
every reason to keep it is absent; whatever is not known keeps it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from packaging.version import Version

from deployer.library.model import Distribution
from deployer.library.names import parse_file_name
from deployer.library.versions import major_line

MOST_USERS = 10  # of one file that are named; a version can have thousands


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
    """What the configuration says about old versions. Times are epoch milliseconds, or a span of them.

    `keep` is how many of the newest unused versions of a MAJOR stay; `min_age_ms` how long ago a newer
    version must have come (design.md, rule 7). `way_back` are the file names that the last deployment, or
    the one that is planned, replaced: a rollback needs them. `doubtful` are those that a deployment which
    came to no end names: a write of it may be carried out late.
    """

    keep: int = 0
    min_age_ms: int = 0
    now_ms: int = 0
    way_back: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()


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

    def kept_unless(self, allowed: bool, reason: str) -> Verdict:  # noqa: FBT001 - reads as a sentence
        """This verdict, with `reason` to stay where nothing else keeps the file and it may not go."""
        return replace(self, reasons=(reason,)) if self.goes and not allowed else self


def versions_of(distribution: Distribution, files: Iterable[tuple[str, int]]) -> tuple[Stored, ...]:
    """The files (path, modified_ms) that certainly are versions of that library, oldest first.

    Another kind, another name, another classifier, or a name that can be read in two ways is none of
    them.
    """
    return _by_distribution(files).get(distribution, ())


def _by_distribution(
    files: Iterable[tuple[str, int]],
) -> Mapping[Distribution, tuple[Stored, ...]]:
    """The files whose library and version are certain, oldest version first."""
    found: defaultdict[Distribution, list[Stored]] = defaultdict(list)
    for path, modified_ms in files:
        parsed = parse_file_name(path.rsplit("/", 1)[-1])
        one = parsed.certain if parsed is not None else None
        if parsed is not None and one is not None and one.version is not None:
            found[parsed.distribution(one)].append(Stored(path, one.version, modified_ms))
    return {
        distribution: tuple(sorted(versions, key=lambda one: (one.version, one.path)))
        for distribution, versions in found.items()
    }


@dataclass(frozen=True)
class Line:
    """Versions of one library that are judged together, oldest first, and the one that counts as current."""

    distribution: Distribution
    current: Version
    stored: tuple[Stored, ...]


def lines_of(
    files: Iterable[tuple[str, int]], wanted: tuple[Distribution, Version] | None
) -> tuple[Line, ...]:
    """The libraries among `files`, each with the version that counts as current and its files.

    With `wanted` only that library, with that version as the current one. Otherwise each MAJOR of
    each library, whose newest version is the current one.
    """
    if wanted is not None:
        distribution, current = wanted
        return (Line(distribution, current, versions_of(distribution, files)),)
    lines: list[Line] = []
    for distribution, versions in sorted(_by_distribution(files).items()):
        for _, line in groupby(versions, lambda one: major_line(one.version)):
            stored = tuple(line)
            lines.append(Line(distribution, stored[-1].version, stored))
    return tuple(lines)


def decide(
    current: Version, stored: Sequence[Stored], users: Users, keeping: Keeping
) -> tuple[Verdict, ...]:
    """One verdict for each stored file of one library, in the given order.

    Only versions older than `current`, on its MAJOR, can go.
    """
    unused = {one.version for one in stored if not _firm_reasons(current, one, users)}
    newest = frozenset(sorted(unused, reverse=True)[: keeping.keep])
    verdicts = []
    for one in stored:
        reasons = _firm_reasons(current, one, users)
        if one.file_name in keeping.way_back and one.version != current:
            reasons.append("a rollback of the last deployment needs it")
        if one.file_name in keeping.doubtful and one.version != current:
            reasons.append("a deployment that came to no end names it")
        if one.version in newest:
            reasons.append(f"one of the newest {keeping.keep} that are kept")
        if _just_replaced(one, stored, keeping):
            reasons.append("replaced by a newer version less than min-age ago")
        verdicts.append(Verdict(one, tuple(reasons or users.blind), current=one.version == current))
    return tuple(verdicts)


def _just_replaced(one: Stored, stored: Sequence[Stored], keeping: Keeping) -> bool:
    """Whether a newer version of its MAJOR came less than min-age ago, or is only about to come."""
    if not keeping.min_age_ms:
        return False
    line = major_line(one.version)
    newer = [
        other.modified_ms
        for other in stored
        if other.version > one.version and major_line(other.version) == line
    ]
    replaced_ms = max(one.modified_ms, min(newer, default=keeping.now_ms))
    return keeping.now_ms - replaced_ms < keeping.min_age_ms


def _firm_reasons(current: Version, one: Stored, users: Users) -> list[str]:
    if one.version == current:
        return ["the version of this run"]
    if major_line(one.version) != major_line(current):
        return ["another major"]
    if one.version > current:
        return ["newer than the version of this run"]
    found = users.by_file.get(one.file_name, ())
    more = len(found) - MOST_USERS
    told = [f"used by {user}" for user in found[:MOST_USERS]]
    return [*told, f"used by {more} more"] if more > 0 else told
