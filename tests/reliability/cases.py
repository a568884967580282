"""What the matrix plays: which cases, on which calls, with which faults; all of it, or the fast slice.

Owns the choice. What a case is and how a cell is played stands in `matrix`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from tests.reliability.matrix import TROUBLES, Case, Point
from tests.reliability.scenario import (
    DBFS,
    FOLDER,
    NEW,
    PART,
    VOLUME,
    Ground,
    before_the_deployment,
    deployed,
    deploys,
    rolls_back,
    scene,
    untouched,
    wheel,
)

Picks = Callable[[Point], bool]
MOST = tuple(TROUBLES)
DIFFERENT = tuple(name for name in MOST if name not in {"429, Retry-After", "500", "502", "504"})
"""Without what differs in a number only, which the client that all calls go through treats alike."""
TELLING = ("503", "HTML for 200", "reset after", "SIGKILL before", "SIGKILL after", "503 for good")
"""One fault of each sort: for slices, which play what the whole matrix played elsewhere."""
LOSING = ("timeout before", "timeout after", "503 for good")
"""What keeps a sign of life from being given in time."""
DEADLY = ("reset after", "SIGKILL after", "reset before for good")
"""What leaves the most behind: a lost answer, a killed run, and a run that gives up."""


def _deployment(ground: Ground, **inputs: str) -> Case:
    before = before_the_deployment(ground)
    after = deployed(before, ground)
    return Case("", ground, deploys(NEW, **inputs), before, after, rolls_back())


def _rollback() -> Case:
    """Back to before the deployment, whose files stay."""
    before = before_the_deployment(VOLUME)
    with scene(VOLUME, before) as one:
        assert one.run(one.ask(deploys(NEW))).outcome == "succeeded"
        there = one.state()
    back = replace(there, jobs=before.jobs)
    return Case("", VOLUME, rolls_back(), there, back, deploys(NEW))


def _first() -> Case:
    """The first deployment to a root: folders are made, and nothing is removed."""
    before = untouched(VOLUME)
    return Case(
        "", VOLUME, deploys(NEW), before, deployed(before, VOLUME, removed=()), rolls_back()
    )


def _played_the_other_way() -> Case:
    behaviour = {"environments": "replace", "missing_job": 404}
    return replace(_deployment(VOLUME), behaviour=behaviour)


def _in_parts() -> Case:
    case, large = _deployment(VOLUME), wheel(NEW, size=3 * PART)
    files = {**case.after.files, VOLUME.path(NEW): large}
    return replace(case, after=replace(case.after, files=files), large=large)


def _slow() -> Case:
    """A deployment during which locks are renewed."""
    return replace(_deployment(VOLUME), lease="1s", slow=True)


_CASES: Mapping[str, Callable[[], Case]] = {
    "deploy to a volume": lambda: _deployment(VOLUME),
    "roll back": _rollback,
    "deploy to a folder": lambda: _deployment(FOLDER),
    "deploy to DBFS": lambda: _deployment(DBFS),
    "first deployment": _first,
    "on-failure: stop": lambda: _deployment(VOLUME, on_failure="stop"),
    "on-failure: continue": lambda: _deployment(VOLUME, on_failure="continue"),
    "environments replaced, 404": _played_the_other_way,
    "a large file in parts": _in_parts,
    "locks that are renewed": _slow,
}


@cache
def case_named(name: str) -> Case:
    """A case; made once, because its states are made by real deployments."""
    return replace(_CASES[name](), name=name)


@dataclass(frozen=True)
class Slice:
    """Faults at some calls of a case."""

    case: str
    troubles: tuple[str, ...] = MOST
    picks: Picks = lambda point: True
    sampled: int = 1
    """Of the reads that are picked, each of that number is played."""

    def points(self, points: tuple[Point, ...]) -> Iterator[tuple[int, Point]]:
        """The calls of it, each with its number among all."""
        reads = 0
        for number, point in enumerate(points):
            if not self.picks(point):
                continue
            reads += point.is_read
            if not point.is_read or reads % self.sampled == 0:
                yield number, point


def _writes(point: Point) -> bool:
    return not point.is_read


def _of_jobs(point: Point) -> bool:
    return "/jobs/" in point.path


def _of_upload(point: Point) -> bool:
    own = "/.spark-deploy/" in point.path
    return not own and (
        "/fs/files" in point.path or "/fs/create" in point.path or "/storage/" in point.path
    )


def _of_renewal(point: Point) -> bool:
    """The first signs of life of each lock; how many more there are depends on the moment."""
    return ".alive-" in point.path and point.nth <= 2


def _of_first_sign(point: Point) -> bool:
    return _of_renewal(point) and point.nth == 1 and point.method != "DELETE"


ALL = (
    Slice("deploy to a volume"),
    Slice("roll back", MOST, sampled=2),
    Slice("deploy to a folder", TELLING, sampled=3),
    Slice("deploy to DBFS", (*DEADLY, "HTML for 200"), sampled=6),
    Slice("first deployment", TELLING, sampled=4),
    Slice("on-failure: stop", DIFFERENT, _of_jobs),
    Slice("on-failure: continue", DIFFERENT, _of_jobs),
    Slice("environments replaced, 404", TELLING, _of_jobs),
    Slice("a large file in parts", DIFFERENT, _of_upload),
    Slice("locks that are renewed", DEADLY, _of_renewal, sampled=2),
    Slice("locks that are renewed", LOSING, _of_first_sign),
)
FAST = (
    Slice("deploy to a volume", DEADLY, _writes),
    Slice("deploy to a volume", ("503", "SIGKILL before"), lambda point: point.is_read, sampled=6),
    Slice("roll back", ("SIGKILL after",), _writes),
    Slice("on-failure: stop", ("503 for good",), _of_jobs),
    Slice("a large file in parts", ("reset after",), _of_upload),
    Slice("locks that are renewed", ("503 for good",), _of_first_sign),
)
