"""Applying: moving each job of a plan, one at a time as the job sees it, several in parallel.

Owns the read, the comparison with the plan and the write of each job, forward and back. Must not decide
what moves, and must not believe a write: `verify` reads back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum

from deployer.deployment.ports import (
    Denied,
    Interrupted,
    Jobs,
    NotFound,
    Refused,
    Unavailable,
)
from deployer.deployment.write import Endpoint, smallest_write
from deployer.jobs.inventory import read_job
from deployer.jobs.places import JsonObject, PlaceGone
from deployer.plan.model import Rewire
from deployer.plan.planner import Order, make_plan

PARALLEL_JOBS = 8  # the update limit is 10 a second and workspace (facts B5); the limiter paces


class State(StrEnum):
    """What became of one rewire."""

    WRITTEN = "written"
    ALREADY = "already"  # it stood there before we wrote: a run before us, or another person
    DRIFTED = "drifted"
    GONE = "gone"  # deleted by somebody else: there is nothing left to move
    DENIED = "denied"
    FAILED = "failed"
    UNANSWERED = "unanswered"  # the write was sent, and the run was stopped before its answer came
    PENDING = "pending"  # never begun, because the run was stopped
    MOVED_BACK = "moved-back"  # it was moved, and stands again as it was before
    STAYS = "stays"  # it was moved, and should have been moved back, but was not


_UNANSWERED = (
    "its write was sent, and the run was cancelled before the answer came: it names the old or the "
    "new version, and both are there"
)


@dataclass(frozen=True)
class Applied:
    """One rewire and what became of it, with a sentence where it did not go as planned."""

    rewire: Rewire
    state: State
    detail: str = ""


FAILING = frozenset({State.DENIED, State.FAILED, State.DRIFTED})
"""The states of a job that did not move as planned; one that was deleted is none of them."""


@dataclass(frozen=True)
class Ready:
    """What may be written to a job as it is now, with a sentence on what may not."""

    rewire: Rewire
    note: str = ""


Readiness = Callable[[JsonObject, Rewire], Ready | Applied]
"""Compares a job as it is now with its rewire: what may be written, or what became of it without."""


def apply_rewires(
    jobs: Jobs,
    rewires: Iterable[Rewire],
    *,
    ready: Readiness,
    stopped: Callable[[], bool],
    on_done: Callable[[Applied], None],
    on_state: Callable[[Applied], None] = lambda applied: None,
) -> tuple[Applied, ...]:
    """Move each job; in the order of `rewires`. One job's failure does not stop the others.

    `stopped` is asked before each job: a stop leaves the rest pending and never breaks off inside a
    job. `on_done` is called from the caller's thread, in order. `on_state` is told at once what
    becomes of a job, from several threads: before its write is sent, that it is unanswered; and then
    what came of it. Whoever has to end the run in between knows where it stood.
    """

    def move(rewire: Rewire) -> Applied:
        if stopped():
            return Applied(rewire, State.PENDING)
        applied = _move(jobs, ready, rewire, on_state)
        on_state(applied)
        return applied

    results: list[Applied] = []
    with ThreadPoolExecutor(PARALLEL_JOBS, thread_name_prefix="rewire") as pool:
        for applied in pool.map(move, rewires):
            on_done(applied)
            results.append(applied)
    return tuple(results)


def _move(
    jobs: Jobs, ready: Readiness, rewire: Rewire, on_state: Callable[[Applied], None]
) -> Applied:
    try:
        now = jobs.job(rewire.job_id)
        if not now.complete:
            return Applied(rewire, State.DENIED, "not all of the job can be read")
        found = ready(now.settings, rewire)
        if isinstance(found, Applied):
            return found
        write = smallest_write(now.settings, found.rewire)
        send = jobs.update if write.endpoint is Endpoint.UPDATE else jobs.reset
        on_state(Applied(rewire, State.UNANSWERED, _UNANSWERED))
        send(rewire.job_id, write.settings)
    except Interrupted as interrupted:
        sent = Applied(rewire, State.UNANSWERED, _UNANSWERED)
        return sent if interrupted.doubtful else Applied(rewire, State.PENDING)
    except NotFound:
        return Applied(rewire, State.GONE, "the job was deleted after the plan was made")
    except Denied as error:
        return Applied(rewire, State.DENIED, f"no permission to edit the job: {error}")
    except (Refused, Unavailable) as error:
        return Applied(rewire, State.FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - what became of the other jobs must still be told
        return Applied(rewire, State.FAILED, f"a bug of spark-deploy: {error!r}")
    return Applied(found.rewire, State.WRITTEN, found.note)


def still_planned(order: Order) -> Readiness:
    """For a deployment: a job is ready if planning it as it is now gives the very same rewire."""

    def ready(now: JsonObject, rewire: Rewire) -> Ready | Applied:
        return _difference(now, order, rewire) or Ready(rewire)

    return ready


def _difference(now: JsonObject, order: Order, rewire: Rewire) -> Applied | None:
    """What stands in the way of writing: the job is there already, or it is not what was planned."""
    fresh = make_plan(order, [read_job(rewire.job_id, now)]).rewires
    if not fresh and _stands(now, rewire):
        return Applied(rewire, State.ALREADY)
    planned = {(change.place, change.before, change.after) for change in rewire.changes}
    found = {(c.place, c.before, c.after) for one in fresh for c in one.changes}
    if found != planned:
        return Applied(rewire, State.DRIFTED, "its references changed after the plan was made")
    return None


def _stands(settings: JsonObject, rewire: Rewire) -> bool:
    """Whether every place of the rewire holds its new string."""
    try:
        return all(change.place.read(settings) == change.after for change in rewire.changes)
    except PlaceGone:
        return False


def unverified(applied: Iterable[Applied]) -> tuple[Applied, ...]:
    """`applied` of a run that was stopped before it read back, which each written job says."""
    note = "written, but not read back, because the run was cancelled"
    return tuple(
        replace(one, detail=note) if one.state is State.WRITTEN else one for one in applied
    )


def verify(
    applied: Iterable[Applied], settings: Callable[[int], JsonObject | None]
) -> tuple[Applied, ...]:
    """`applied` with every written job compared with what the workspace says now.

    `settings` gives a job's settings from one pass over all jobs: None when the job is not there, {}
    when it is and does not name the library. A job where our version did not win is a failure
    (design.md, rule 4); one whose write seemed to fail and did not is none.
    """
    return tuple(_verified(one, settings(one.rewire.job_id)) for one in applied)


def _verified(applied: Applied, settings: JsonObject | None) -> Applied:
    if applied.state is State.FAILED and settings is not None and _stands(settings, applied.rewire):
        detail = "the answer to the write got lost, but the write took place"
        return Applied(applied.rewire, State.WRITTEN, detail)
    if applied.state not in {State.WRITTEN, State.ALREADY}:
        return applied
    if settings is None:
        return Applied(applied.rewire, State.GONE, "the job was deleted after it was moved")
    if not _stands(settings, applied.rewire):
        detail = "read back, it does not name what was written: someone else wrote the job, too"
        return Applied(applied.rewire, State.FAILED, detail)
    return applied
