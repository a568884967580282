"""The gate: a deployment does what was approved, or nothing.

Owns the comparison of an approval with the plan of now, and the reading of the approved plan's report, so
that a refusal shows what differs. The digest alone decides; the report is for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from deployer.approval import Approval, approval_of, parse_approval
from deployer.errors import FailureReason, fail
from deployer.plan.difference import ApprovedPlan, approved_plan, differences
from deployer.plan.history import History
from deployer.plan.model import Plan
from deployer.settings import Settings

_LARGEST = 100 * 1024 * 1024  # bytes of a report; 10,000 jobs have some 20 MB


def approved(
    settings: Settings, folder: Path, plan: Plan, history: History, removals: Iterable[str] = ()
) -> Approval:
    """What may be done: what was approved, or all of the plan where no approval is asked for.

    Whoever re-runs a workflow whose approved plan was carried out finds it done, not refused. Raises
    DeployError (PLAN_CHANGED; INVALID_INPUT for an approved plan that is none).
    """
    kept, named = _kept(settings, folder)
    expected = settings.approval or named
    if expected is None:
        return approval_of(plan.digest, removals)
    if expected.digest == plan.digest or _is_done(expected, plan, history):
        return expected
    told = f"Approved: {expected.digest}. Now: {plan.digest}."
    same = kept is not None and named is not None and named.digest == expected.digest
    found = differences(kept, plan) if kept and same else ()
    lines = "".join(f"\n- {one}" for one in found)
    raise fail(
        FailureReason.PLAN_CHANGED,
        "The plan is not the one that was approved; nothing was changed.",
        detail=f"{told}\nWhat differs:{lines}" if lines else told,
        remedy="Read the new plan in the report, and approve its digest."
        + ("" if kept else _HOW_TO_SEE),
    )


def _is_done(expected: Approval, plan: Plan, history: History) -> bool:
    """Whether the last thing that was done is what was approved, and nothing is left to change."""
    last = history.entries[0] if history.entries else None
    done = last is not None and last.finished and last.digest == expected.digest
    return done and not plan.changes


_HOW_TO_SEE = (
    " To see what differs, keep the `report.json` of the plan and give it:\n\n  with:\n    "
    "approved-plan: plan/report.json"
)


def _kept(settings: Settings, folder: Path) -> tuple[ApprovedPlan | None, Approval | None]:
    """The plan in the report that `approved-plan` names, and its approval; None without one."""
    if not settings.approved_plan:
        return None, None
    path = folder / settings.approved_plan
    try:
        with path.open("rb") as content:
            found = approved_plan(json.loads(content.read(_LARGEST)))
    except (OSError, ValueError, RecursionError) as error:
        raise _no_plan(settings.approved_plan, str(error)) from error
    named = parse_approval(found.digest) if found is not None else None
    if found is None or named is None:
        raise _no_plan(settings.approved_plan, "it holds no plan")
    return found, named


def _no_plan(path: str, why: str) -> Exception:
    return fail(
        FailureReason.INVALID_INPUT,
        f"The input `approved-plan` names {path}, which is no report of a plan.",
        detail=why,
        remedy="Give the `report.json` that the approved plan wrote (its output `report-path`).",
    )
