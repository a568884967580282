"""Every call, every fault: one cell is one call that goes wrong in one way, and all that follows.

A cell begins in a fresh workspace. The first run meets the fault; then the same is asked again without any,
and again, and at last the way back. After every single write the guard looks at all jobs and files. A cell
converged when the guard saw nothing, the first run told the truth, and the second ended where an
undisturbed run ends.

Owns which calls there are (recorded from undisturbed runs), which faults, and what a cell is. Faults that
mean the same for a read are played once: a read changes nothing, so there is no before and after.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from deployer.deployment.claims import Holder
from deployer.report.model import Report
from sandbox.calls import CallRecord
from sandbox.faults import Fault, FaultKind
from tests.reliability.guard import Guard
from tests.reliability.processes import started
from tests.reliability.scenario import (
    NEW,
    NEXT_ATTEMPT,
    STRANGER,
    THIS_RUN,
    Ground,
    Scene,
    State,
    comparable,
    file_name,
    on_this_machine,
    scene,
    small_parts,
)

READS = frozenset({"GET", "HEAD"})
_TRIES = 3
"""How often a cell is begun anew because a call that depends on the moment was not made."""
# Times, sessions of uploads, signs of life, and the length of a lease in the name of an intent.
_VARIES = re.compile(
    r"\d{8}T\d{6}Z|(?<=^/storage/)[^/]+|(?<=/\d{8}\.alive-)[0-9a-f]+|(?<=\.intent-.{16}-)\d+(?=\.)"
)
_SILENCE_S, _PATIENCE_S = 0.6, 0.3
"""How long a call that times out says nothing, and how long the program waits for bytes, in seconds."""
_LASTING_BUDGET_S = 0.15
_SLOW_S = 0.7
"""How long a slow call takes: longer than half of the shortest lease, within which a holder must be heard."""


# ── Faults ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Trouble:
    """One way in which a call goes wrong.

    `lasting` means that all further calls of the same kind do, too, until the program gives up. With
    `of_writes` it is another fault than its sibling only for a call that changes something.
    """

    name: str
    kind: FaultKind
    status: int = 503
    retry_after: str = ""
    lasting: bool = False
    of_writes: bool = False

    @property
    def kills(self) -> bool:
        """Whether the program is killed."""
        return self.kind.startswith("kill")

    @property
    def times_out(self) -> bool:
        """Whether nothing is said for a while."""
        return self.kind.startswith("timeout")

    def strikes(self, point: Point) -> bool:
        """Whether it can happen to this call, as another fault than those before."""
        if self.kind == "truncate" and not point.has_body:
            return False  # nothing to cut off
        return not (self.of_writes and point.is_read)

    def fault(self, point: Point, pid: int = 0) -> Fault:
        """The fault at that call, for a program in the process `pid`."""
        return Fault(
            kind=self.kind,
            method=point.method,
            path=point.path,
            nth=point.nth,
            times=0 if self.lasting else 1,
            status=self.status,
            error_code=_CODES.get(self.status, ""),
            retry_after=self.retry_after,
            seconds=_SILENCE_S,
            pid=pid if self.kills else 0,
        )


_CODES = {
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
TROUBLES: Mapping[str, Trouble] = {
    one.name: one
    for one in (
        Trouble("429", "status", 429),
        Trouble("429, Retry-After", "status", 429, retry_after="1"),
        Trouble("500", "status", 500),
        Trouble("502", "status", 502),
        Trouble("503", "status", 503),
        Trouble("504", "status", 504),
        Trouble("HTML for 502", "html", 502),
        Trouble("HTML for 200", "html", 200),
        Trouble("half an answer", "truncate"),
        Trouble("reset before", "reset-before"),
        Trouble("reset after", "reset-after", of_writes=True),
        Trouble("timeout before", "timeout"),
        Trouble("timeout after", "timeout-after", of_writes=True),
        Trouble("SIGKILL before", "kill-before"),
        Trouble("SIGKILL after", "kill-after", of_writes=True),
        Trouble("503 for good", "status", 503, lasting=True),
        Trouble("reset before for good", "reset-before", lasting=True),
        Trouble("reset after for good", "reset-after", lasting=True, of_writes=True),
    )
}


# ── Calls ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Point:
    """One call of an undisturbed run: the nth with this method and path.

    `path` is a glob: what differs from run to run, such as a time, is a star.
    """

    method: str
    path: str
    nth: int
    has_body: bool = True

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.method in READS

    def __str__(self) -> str:
        return f"{self.method} {self.path} #{self.nth}"


def points_in(recordings: Sequence[Sequence[CallRecord]]) -> tuple[Point, ...]:
    """The calls that all recordings have; several, because a few calls depend on the moment."""
    counted = [Counter(_kind(call) for call in calls) for calls in recordings]
    seen: Counter[tuple[str, str]] = Counter()
    found: list[Point] = []
    for call in recordings[0]:
        kind = _kind(call)
        seen[kind] += 1
        if all(seen[kind] <= each[kind] for each in counted):
            has_body = call.method != "HEAD" and call.status != 204
            found.append(Point(*kind, seen[kind], has_body))
    return tuple(found)


def _kind(call: CallRecord) -> tuple[str, str]:
    return call.method, _VARIES.sub("*", call.path)


# ── Cases ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class Case:
    """What is done in each cell: `inputs` on the state `before`, which leads to `after`.

    `back` are the inputs of the way back, which leads to the jobs of `before`. `behaviour` are points of
    the sandbox's `Behaviour` that are set. `large` is the wheel of the new version where it goes up in parts.
    `lease` is how long locks of the first run last, where that is the same in all cells. With `slow`, a
    write of the library and one of a job take so long that locks are renewed meanwhile.
    """

    name: str
    ground: Ground
    inputs: Mapping[str, str]
    before: State
    after: State
    back: Mapping[str, str]
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    large: bytes = b""
    lease: str = ""
    slow: bool = False

    @property
    def locks_first(self) -> bool:
        """Whether it takes its locks before it knows whether there is anything to do: a rollback does."""
        return self.inputs["mode"] == "rollback"


@contextmanager
def _fresh(case: Case) -> Iterator[Scene]:
    """The workspace at the beginning of a cell."""
    with (
        small_parts() if case.large else nullcontext(),
        scene(case.ground, case.before) as one,
    ):
        one.workspace.behave(**case.behaviour)
        if case.large:
            one.build(NEW, case.large)
        with one.workspace.before(_Slow()) if case.slow else nullcontext():
            yield one


class _Slow:
    """Called before each call: the first upload and the first write of a job take their time."""

    def __init__(self) -> None:
        self._left = {f"/{file_name(NEW)}", "/jobs/update"}
        self._one = threading.Lock()

    def __call__(self, method: str, path: str) -> None:
        """Wait, if it is such a call."""
        with self._one:
            found = next(
                (end for end in self._left if path.endswith(end) and method not in READS), ""
            )
            self._left.discard(found)
        if found:
            time.sleep(_SLOW_S)


@cache
def points_of(case: Case) -> tuple[Point, ...]:
    """The calls of an undisturbed run. Raises AssertionError if it did not end as the case says."""
    recordings = []
    for _ in range(2):
        with _fresh(case) as one:
            inputs = {**case.inputs, **({"lock-expiry": case.lease} if case.lease else {})}
            report = one.run(one.ask(inputs, who=THIS_RUN, in_parts=bool(case.large)))
            assert report.outcome == "succeeded", (report.failure, one.log.getvalue())
            assert one.state().difference(case.after) == ""
            recordings.append(one.workspace.calls())
    found = points_in(recordings)
    assert found, "an undisturbed run was recorded, and it made no calls"
    return found


# ── Cells ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Cell:
    """What became of one cell. `problem` says why it did not converge; `healed` that the first run did."""

    problem: str
    healed: bool
    runs: int


@dataclass(frozen=True)
class Takeover:
    """By whom the second run is, and how long a lock of the first one lasts without a sign of life."""

    first: Holder | None
    second: Holder | None
    lease: str


_WAITS = Takeover(THIS_RUN, STRANGER, "1s")
_SAME_RUN = Takeover(THIS_RUN, NEXT_ATTEMPT, "30s")
_SAME_MACHINE = Takeover(None, None, "30s")  # the process that died, and this one
_GIVEN_BACK = Takeover(THIS_RUN, STRANGER, "3s")


def _takeover(trouble: Trouble, number: int, *, waits: bool) -> Takeover:
    """How a lock that was left is taken over: it is waited for, or taken at once, in one of two ways."""
    if not (trouble.kills or trouble.lasting):
        return _GIVEN_BACK
    if waits:
        return _WAITS
    return _SAME_MACHINE if trouble.kills and number % 2 else _SAME_RUN


def play(
    case: Case,
    point: Point,
    trouble: Trouble,
    *,
    number: int = 0,
    waits: bool = False,
    to_the_end: bool = True,
) -> Cell:
    """One cell. `number` and `waits` say how a lock is taken over that the first run left.

    `to_the_end` adds the third run, unless the second one had nothing to do already, and the way back.
    """
    takeover = _takeover(trouble, number, waits=waits)
    for _ in range(_TRIES):
        with _fresh(case) as one:
            cell = _played(case, point, trouble, takeover, one, to_the_end)
        if cell is not None:
            return cell
    return Cell(f"{point}: it was not made", healed=False, runs=0)


def _played(
    case: Case, point: Point, trouble: Trouble, takeover: Takeover, one: Scene, to_the_end: bool
) -> Cell | None:
    """The cell in this workspace; None when the fault did not strike."""
    workspace = one.workspace
    guard = Guard.between(workspace, case.ground, case.before, case.after)
    with workspace.watch(guard):
        report, met = _first(case, point, trouble, takeover, one)
        if not met:
            return None
        told = _problem_of_first(case, report, one.state())
        told += _problem_of_second(case, takeover, one)
        if to_the_end and not told:
            who = takeover.second or on_this_machine()
            told += _problem_of_third(case, who, one) if _written(case, one) else []
            told += _problem_of_way_back(case, who, one)
    try:
        workspace.raise_watched()
    except Exception as broken:  # noqa: BLE001 - what a watcher found is what the cell reports
        told.append(f"{broken}")
    healed = report is not None and report.outcome == "succeeded"
    problem = f"{point}: {'; '.join(told)}\n{one.log.getvalue()[-3000:]}" if told else ""
    return Cell(problem, healed, one.runs)


def _first(
    case: Case, point: Point, trouble: Trouble, takeover: Takeover, one: Scene
) -> tuple[Report | None, bool]:
    """The report of the run that meets the fault, None when it was killed; and whether it met it."""
    inputs = {**case.inputs, "lock-expiry": case.lease or takeover.lease}
    ask = one.ask(inputs, who=takeover.first, in_parts=bool(case.large))
    if trouble.lasting:
        ask = replace(ask, budget_s=_LASTING_BUDGET_S)
    if trouble.times_out and not case.slow:  # else the slow calls would time out, too
        ask = replace(ask, read_timeout_s=_PATIENCE_S)
    report: Report | None
    if trouble.kills:
        with started(ask) as run:
            one.workspace.set_faults([trouble.fault(point, run.pid)])
            run.go()
            report = run.report()
        # What was on its way may arrive much later; that is the subject of test_takeovers.
        one.workspace.wait_until_alone()
    else:
        one.workspace.set_faults([trouble.fault(point)])
        report = one.run(ask)
    faults = one.workspace._workspace.faults
    met = faults._seen[0] >= point.nth  # the log of calls has a call that is silent only later
    one.workspace.set_faults([])
    return report, met


def _problem_of_first(case: Case, report: Report | None, now: State) -> list[str]:
    """What is wrong with what the first run said of itself; who was killed says nothing."""
    if report is None:
        return []
    if report.outcome in {"succeeded", "nothing-to-do"}:
        different = _with_kept(case.after, report, now).difference(now)
        return [f"the first run said {report.outcome}, but: {different}"] if different else []
    assert report.failure is not None
    if report.failure.reason == "internal":
        return [f"the first run met a bug: {report.failure.title}"]
    return _lies(case, report, now)


def _with_kept(after: State, report: Report, now: State) -> State:
    """The state with the old files that the report says it keeps: what could not all be read keeps them."""
    told = (
        {one.path for one in report.versions if one.decision == "keep"}
        if report.warnings
        else set()
    )
    kept = {path: content for path, content in now.published.items() if path in told}
    return replace(after, files={**after.files, **kept})


def _lies(case: Case, report: Report, now: State) -> list[str]:
    """What the report of a failed run says of jobs that is not so."""
    here, after = comparable(now.jobs), comparable(case.after.jobs)
    changing = {job for job, text in comparable(case.before.jobs).items() if after[job] != text}
    there = {job for job in changing if here[job] == after[job]}
    done = report.deployment
    if done is None:
        return [f"jobs {sorted(there)} moved, and no report tells so"] if there else []
    moved = {one.job_id for one in done.applied}
    stayed = {one.job_id for one in (*done.rolled_back, *done.pending)}
    open_ = {one.job_id for one in (*done.failed, *done.drifted)}
    told = [
        (moved - there, "are told to have moved, and did not"),
        (stayed & there, "are told not to have moved, and did"),
        (there - moved - open_, "moved, and no report tells so"),
    ]
    return [f"jobs {sorted(jobs)} {what}" for jobs, what in told if jobs]


def _problem_of_second(case: Case, takeover: Takeover, one: Scene) -> list[str]:
    """The same again without a fault must end where an undisturbed run ends."""
    who = takeover.second or on_this_machine()
    one.workspace.forget_calls()
    report = one.run(one.ask(case.inputs, who=who, in_parts=bool(case.large)))
    if report.outcome not in {"succeeded", "nothing-to-do"}:
        return [f"the second run {report.outcome}: {report.failure}"]
    different = one.state().difference(case.after)
    return [f"after the second run: {different}"] if different else []


def _problem_of_third(case: Case, who: Holder, one: Scene) -> list[str]:
    """Then there is nothing to do, and nothing is written."""
    one.workspace.forget_calls()
    report = one.run(one.ask(case.inputs, who=who))
    wrote = _written(case, one)
    told = [f"the third run wrote {wrote}"] if wrote else []
    return told if report.outcome == "nothing-to-do" else [*told, f"the third run {report.outcome}"]


def _written(case: Case, one: Scene) -> list[str]:
    """What was written since calls were last forgotten; who locks first may write to its locks."""
    return [
        f"{call.method} {call.path}"
        for call in one.workspace.calls()
        # A call that was silent is only told now; it is the first run's.
        if call.method not in READS and not call.fault
        if not (case.locks_first and "/locks/" in call.path)
    ]


def _problem_of_way_back(case: Case, who: Holder, one: Scene) -> list[str]:
    """The way back leads to settings that are equal JSON to those before."""
    report = one.run(one.ask(case.back, who=who))
    if report.outcome != "succeeded":
        return [f"the way back {report.outcome}: {report.failure}"]
    now, before = comparable(one.workspace.jobs()), comparable(case.before.jobs)
    different = sorted(job for job in before if now[job] != before[job])
    return [f"the way back left jobs {different} as they were not before"] if different else []
