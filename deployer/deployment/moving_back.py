"""Moving back: jobs that were moved get their old strings again, where nobody changed them since.

Owns what a job must look like before it is moved back, and what then became of the deployment's own
result. Must not decide which jobs: the failure policy or a rollback's plan does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from deployer.deployment.apply import (
    Applied,
    Readiness,
    Ready,
    State,
    apply_rewires,
    verify,
)
from deployer.deployment.ports import Denied, Jobs, NotFound, Refused, Unavailable
from deployer.jobs.places import JsonObject
from deployer.plan.history import Undo, UndoJob
from deployer.plan.model import Change, Rewire
from deployer.plan.undo import UndoOrder, judge_undo

# A write whose answer got lost may have been applied: reading the job tells.
_MAY_HAVE_MOVED = frozenset({State.WRITTEN, State.FAILED, State.UNANSWERED})


def still_undone(order: UndoOrder) -> Readiness:
    """For the way back: only strings that still stand as they were written, and whose files are there."""

    def ready(now: JsonObject, rewire: Rewire) -> Ready | Applied:
        strings = tuple(Undo(one.place, one.before, one.after) for one in rewire.changes)
        found = judge_undo(
            order, UndoJob(rewire.job_id, rewire.job_name, strings), rewire.job_name, now
        )
        why = "; ".join(dict.fromkeys(f"{one.reason.value}: {one.note}" for one in found.untouched))
        if found.rewire is not None:
            return Ready(found.rewire, f"a reference stays, {why}" if why else "")
        return Applied(rewire, State.DRIFTED, why) if why else Applied(rewire, State.ALREADY)

    return ready


def move_back(
    jobs: Jobs,
    order: UndoOrder,
    applied: Iterable[Applied],
    *,
    stopped: Callable[[], bool],
    on_done: Callable[[Applied], None],
) -> tuple[Applied, ...]:
    """Move back what may have been moved, read it back, and say of each job what became of it."""
    results = list(applied)
    moved = {
        one.rewire.job_id: position
        for position, one in enumerate(results)
        if one.state in _MAY_HAVE_MOVED
    }
    backward = [reversed_rewire(results[position].rewire) for position in moved.values()]
    back = apply_rewires(
        jobs, backward, ready=still_undone(order), stopped=stopped, on_done=on_done
    )
    for one in verify(back, lambda job_id: _now(jobs, job_id)):
        position = moved[one.rewire.job_id]
        results[position] = _became(results[position], one)
    return tuple(results)


def reversed_rewire(rewire: Rewire) -> Rewire:
    """The rewire that takes this one back."""
    changes = tuple(Change(one.place, one.pointer, one.after, one.before) for one in rewire.changes)
    return replace(rewire, changes=changes)


def _now(jobs: Jobs, job_id: int) -> JsonObject | None:
    """The job as it is now; one that can't be read counts as not moved back."""
    try:
        return jobs.job(job_id).settings
    except NotFound:
        return None
    except (Denied, Refused, Unavailable):
        return {}


def _became(forward: Applied, back: Applied) -> Applied:
    """What is told of a job: `forward` is what the deployment did, `back` what the way back did."""
    moved = forward.state is State.WRITTEN
    match back.state:
        case State.WRITTEN | State.ALREADY if moved:
            detail = back.detail or "it names again what it named before"
            return replace(forward, state=State.MOVED_BACK, detail=detail)
        case State.WRITTEN:
            return _told(forward, "it was moved back")
        case State.ALREADY:  # the write that failed had not been applied
            return forward
        case State.GONE:
            return replace(forward, state=State.GONE, detail=back.detail)
        case State.DRIFTED:
            why = f"it was moved, and stays as it is: {back.detail}"
        case State.PENDING:
            why = "it was moved, and not moved back, because the run was stopped"
        case _:
            why = f"it was moved, and could not be moved back: {back.detail}"
    return replace(forward, state=State.STAYS, detail=why)


def _told(applied: Applied, more: str) -> Applied:
    return replace(applied, detail="; ".join(filter(None, (applied.detail, more))))


def all_back(applied: Iterable[Applied]) -> bool:
    """Whether no job can stand on the new version any more."""
    standing = {State.WRITTEN, State.ALREADY, State.UNANSWERED, State.STAYS}
    return not any(one.state in standing for one in applied)
