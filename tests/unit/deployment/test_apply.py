"""Applying and verifying: drift, denial, failure, a stop; one job never hurts another."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from typing import Any

import pytest

from deployer.deployment.apply import Applied, State, apply_rewires, still_planned, verify
from deployer.deployment.ports import JobDocument, NotFound, Refused, Unavailable
from deployer.jobs.places import JsonObject
from deployer.plan.model import Plan
from deployer.plan.planner import make_plan
from tests.fake_workspace import FakeWorkspace
from tests.job_settings import ROOT, Settings, job_with, jobs_with, order, wheel

OLD = f"{ROOT}/{wheel('1.2.0')}"
NEW = f"{ROOT}/{wheel('1.4.0')}"
ORDER = order()


def workspace_with(*all_settings: Settings) -> tuple[FakeWorkspace, Plan]:
    """A workspace whose jobs 1, 2, 3 … have these settings, and the plan for them."""
    workspace = FakeWorkspace()
    for job_id, each in enumerate(all_settings, start=1):
        workspace.add_job(each, job_id)
    return workspace, make_plan(ORDER, jobs_with(all_settings))


def applied(workspace: FakeWorkspace, plan: Plan, *, after: int = 99) -> tuple[Applied, ...]:
    """Apply the plan; a stop comes when `after` jobs have been begun."""
    begun = itertools.count(1)  # `next` is atomic, unlike counting in the threads
    told: list[Applied] = []
    done = apply_rewires(
        workspace.jobs,
        plan.rewires,
        ready=still_planned(ORDER),
        stopped=lambda: next(begun) > after,
        on_done=told.append,
    )
    assert tuple(told) == done
    assert [each.rewire for each in done] == list(plan.rewires)
    return done


def states(*args: Any, **more: Any) -> list[State]:
    return [each.state for each in applied(*args, **more)]


def libraries(workspace: FakeWorkspace, job_id: int = 1) -> list[str]:
    tasks: Any = workspace.settings[job_id]["tasks"]
    return [library["whl"] for task in tasks for library in task["libraries"]]


def test_each_job_is_written_once_and_nothing_else_of_it_changes() -> None:
    workspace, plan = workspace_with(job_with(OLD), job_with(OLD, timeout_seconds=7), job_with(NEW))
    assert states(workspace, plan) == [State.WRITTEN, State.WRITTEN]
    assert sorted(workspace.written) == [("update", 1), ("update", 2)]
    assert workspace.settings[2] == job_with(NEW, timeout_seconds=7)


def test_a_second_run_writes_nothing() -> None:
    workspace, plan = workspace_with(job_with(OLD))
    assert states(workspace, plan) == [State.WRITTEN]
    assert states(workspace, plan) == [State.ALREADY]
    assert workspace.written == [("update", 1)]


def test_an_edit_beside_the_references_is_kept() -> None:
    workspace, plan = workspace_with(job_with(OLD))
    workspace.settings[1]["schedule"] = {"quartz_cron_expression": "0 0 3 * * ?"}
    tasks: Any = workspace.settings[1]["tasks"]
    tasks[0]["max_retries"] = 3
    assert states(workspace, plan) == [State.WRITTEN]
    assert workspace.settings[1]["schedule"] == {"quartz_cron_expression": "0 0 3 * * ?"}
    assert workspace.settings[1]["tasks"] == [
        {"task_key": "main", "libraries": [{"whl": NEW}], "max_retries": 3}
    ]


def test_tasks_in_another_order_are_no_drift() -> None:
    settings = job_with(OLD)
    settings["tasks"].append({"task_key": "second", "libraries": [{"whl": OLD}]})
    workspace, plan = workspace_with(settings)
    tasks: Any = workspace.settings[1]["tasks"]
    tasks.reverse()
    assert states(workspace, plan) == [State.WRITTEN]
    assert libraries(workspace) == [NEW, NEW]


OTHER_TASK = {"task_key": "late", "libraries": [{"whl": OLD}]}
DRIFTED: list[Settings] = [
    job_with(f"{ROOT}/{wheel('1.3.0')}"),
    job_with(f"{OLD} "),
    job_with(),
    job_with(f"{ROOT}/{wheel('2.0.0')}"),
    job_with("/else/x-1.0.whl", OLD),
    job_with(OLD, OLD),
    {**job_with(OLD), "tasks": [*job_with(OLD)["tasks"], OTHER_TASK]},
    {**job_with(NEW), "tasks": [*job_with(NEW)["tasks"], OTHER_TASK]},
    job_with(OLD, deployment={"kind": "BUNDLE"}),
    job_with(OLD, tags={"spark-deploy.pin": "1.2"}),
    {},
]


@pytest.mark.parametrize("now", DRIFTED)
def test_a_job_whose_references_changed_after_the_plan_is_left_alone(now: Settings) -> None:
    workspace, plan = workspace_with(job_with(OLD), job_with(OLD))
    workspace.settings[1] = copy.deepcopy(now)
    assert states(workspace, plan) == [State.DRIFTED, State.WRITTEN]
    assert workspace.settings[1] == now
    assert workspace.written == [("update", 2)]


def test_a_job_that_was_deleted_is_gone_and_no_failure() -> None:
    workspace, plan = workspace_with(job_with(OLD), job_with(OLD))
    del workspace.settings[1]
    assert states(workspace, plan) == [State.GONE, State.WRITTEN]


def test_a_job_that_is_deleted_between_its_read_and_its_write_is_gone() -> None:
    workspace, plan = workspace_with(job_with(OLD), job_with(OLD))

    def deleted(_job_id: int) -> None:
        workspace.settings.pop(1, None)

    workspace.before_write = deleted
    assert states(workspace, plan) == [State.GONE, State.WRITTEN]


def test_a_job_that_may_not_be_edited_or_read_is_denied_and_the_others_move() -> None:
    workspace, plan = workspace_with(job_with(OLD), job_with(OLD), job_with(OLD))
    workspace.may_view_only.add(1)
    workspace.unreadable.add(2)
    done = applied(workspace, plan)
    assert [each.state for each in done] == [State.DENIED, State.DENIED, State.WRITTEN]
    assert "does not have" in done[0].detail
    assert libraries(workspace, 1) == [OLD]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Refused("Invalid cluster."), State.FAILED),
        (Unavailable("503"), State.FAILED),
        (NotFound("gone"), State.GONE),
        (ZeroDivisionError("of ours"), State.FAILED),
    ],
)
def test_the_failure_of_one_job_stops_no_other(error: Exception, state: State) -> None:
    workspace, plan = workspace_with(*[job_with(OLD)] * 20)

    def before_write(job_id: int) -> None:
        if job_id == 5:
            raise error

    workspace.before_write = before_write
    done = applied(workspace, plan)
    assert [each.state for each in done].count(State.WRITTEN) == 19
    assert done[4].state is state
    assert done[4].detail


def test_a_stop_leaves_the_rest_pending_and_breaks_off_inside_no_job() -> None:
    workspace, plan = workspace_with(*[job_with(OLD)] * 30)
    done = applied(workspace, plan, after=10)
    by_state = [each.state for each in done]
    assert by_state.count(State.WRITTEN) == 10
    assert by_state.count(State.PENDING) == 20
    assert len(workspace.written) == 10


def test_a_job_that_can_only_be_read_in_part_is_never_written() -> None:
    class Partial(FakeWorkspace):
        def job(self, job_id: int) -> JobDocument:
            return replace(super().job(job_id), complete=False)

    workspace = Partial()
    workspace.add_job(job_with(OLD), 1)
    plan = make_plan(ORDER, jobs_with([job_with(OLD)]))
    assert states(workspace, plan) == [State.DENIED]
    assert workspace.written == []


def test_no_rewires_need_no_workspace() -> None:
    workspace, plan = workspace_with()
    assert applied(workspace, plan) == ()


# ── Verifying ────────────────────────────────────────────────────────────────────────────────────


def verified(state: State, now: JsonObject | None) -> Applied:
    _, plan = workspace_with(job_with(OLD))
    (one,) = verify([Applied(plan.rewires[0], state, "said")], {1: now}.get)
    return one


def test_a_job_that_holds_our_version_is_verified() -> None:
    assert verified(State.WRITTEN, job_with(NEW)).state is State.WRITTEN
    assert verified(State.ALREADY, job_with(NEW)).state is State.ALREADY


@pytest.mark.parametrize("state", [State.WRITTEN, State.ALREADY])
@pytest.mark.parametrize("now", [job_with(OLD), job_with("/else/x.whl"), job_with(), {}])
def test_a_job_where_our_version_did_not_win_failed(state: State, now: Settings) -> None:
    one = verified(state, now)
    assert one.state is State.FAILED
    assert "someone else" in one.detail


def test_a_write_whose_answer_got_lost_counts_when_our_version_stands_there() -> None:
    assert verified(State.FAILED, job_with(NEW)).state is State.WRITTEN
    assert verified(State.DENIED, job_with(NEW)).state is State.DENIED


def test_a_job_that_was_deleted_after_its_write_is_gone() -> None:
    assert verified(State.WRITTEN, None).state is State.GONE


@pytest.mark.parametrize(
    "state", [State.DRIFTED, State.GONE, State.DENIED, State.FAILED, State.PENDING]
)
def test_what_was_not_written_is_not_verified(state: State) -> None:
    one = verified(state, job_with(OLD))
    assert (one.state, one.detail) == (state, "said")
