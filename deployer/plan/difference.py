"""The difference between an approved plan and the one of now, in sentences that a reviewer understands.

Owns the comparison by job and place. The approved plan comes from a report that somebody kept, so its
texts are data: they are compared and shown, never believed. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from deployer.plan.model import Plan

_SHOWN = 20  # sentences


@dataclass(frozen=True)
class ApprovedPlan:
    """What a kept report says of the plan that was approved.

    `jobs` maps a job's id to its name and to the strings before and after, by pointer.
    """

    digest: str
    path: str = ""
    sha256: str = ""
    jobs: Mapping[int, tuple[str, Mapping[str, tuple[str, str]]]] = field(default_factory=dict)


def approved_plan(document: object) -> ApprovedPlan | None:
    """The plan in a report document (docs/report.schema.json); None when there is none."""
    match document:
        case {"plan": {"digest": str() as digest, "changes": list() as changes}, **rest}:
            pass
        case _:
            return None
    library = rest.get("library")
    named = library if isinstance(library, dict) else {}
    jobs: dict[int, tuple[str, Mapping[str, tuple[str, str]]]] = {}
    for change in changes:
        match change:
            case {
                "kind": "rewire",
                "job_id": int() as job_id,
                "job_name": str() as name,
                "references": list() as references,
            }:
                jobs[job_id] = (name, dict(_strings(references)))
    return ApprovedPlan(
        digest, str(named.get("remote_path", "")), str(named.get("sha256", "")), jobs
    )


def _strings(references: Sequence[object]) -> Iterator[tuple[str, tuple[str, str]]]:
    for one in references:
        match one:
            case {"place": str() as place, "before": str() as before, "after": str() as after}:
                yield place, (before, after)


def differences(approved: ApprovedPlan, plan: Plan) -> tuple[str, ...]:
    """What is not as it was approved, one sentence each, the most important first; bounded."""
    found = [*_of_file(approved, plan), *_of_jobs(approved, plan)]
    more = len(found) - _SHOWN
    return (*found[:_SHOWN], f"and {more:,} more differences") if more > 0 else tuple(found)


def _of_file(approved: ApprovedPlan, plan: Plan) -> Iterator[str]:
    if approved.path and approved.path != plan.target.path:
        yield f"approved was {approved.path}, and now it is {plan.target.path}"
    if approved.sha256 and approved.sha256 != plan.target.sha256:
        yield (
            f"the file has other bytes: approved was SHA-256 {approved.sha256}, and now it is "
            f"{plan.target.sha256}"
        )


def _of_jobs(approved: ApprovedPlan, plan: Plan) -> Iterator[str]:
    now = {one.job_id: one for one in plan.rewires}
    for job_id in sorted(now.keys() - approved.jobs.keys()):
        yield f"job {job_id} ({now[job_id].job_name}) would move now, and was not in the plan"
    for job_id in sorted(approved.jobs.keys() - now.keys()):
        yield f"job {job_id} ({approved.jobs[job_id][0]}) was to move, and does not any more"
    for job_id in sorted(approved.jobs.keys() & now.keys()):
        rewire = now[job_id]
        # A pointer's position may change when somebody adds a task; the strings are what was approved.
        then = sorted(approved.jobs[job_id][1].values())
        today = sorted((one.before, one.after) for one in rewire.changes)
        for before, after in [pair for pair in today if pair not in then]:
            yield f"job {job_id} ({rewire.job_name}) now names {before}, which would become {after}"
        for before, _ in [pair for pair in then if pair not in today]:
            yield f"job {job_id} ({rewire.job_name}) named {before} when it was approved"
