"""Moving back after a failure: what had moved goes back, and what became of each job is told honestly."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deployer.deployment.apply import Applied, State
from deployer.deployment.moving_back import all_back, move_back
from deployer.deployment.ports import Unavailable
from deployer.jobs.places import JsonObject
from deployer.plan.model import Plan
from deployer.plan.planner import make_plan
from deployer.plan.undo import UndoOrder
from tests.fake_workspace import FakeWorkspace
from tests.job_settings import ROOT, job_with, jobs_with, order, wheel

OLD, NEW, OTHER = (f"{ROOT}/{wheel(one)}" for one in ("1.2.0", "1.4.0", "1.3.0"))
ORDER = order()
FILES = frozenset({OLD, NEW, OTHER})


def moved(*states: State) -> tuple[FakeWorkspace, Plan, tuple[Applied, ...]]:
    """One job for each state, on the new version if it has moved, and what the deployment says of it."""
    before = [job_with(OLD, timeout_seconds=7) for _ in states]
    plan = make_plan(ORDER, jobs_with(before))
    workspace = FakeWorkspace()
    for settings, rewire, state in zip(before, plan.rewires, states, strict=True):
        there = rewire.applied_to(settings) if state is State.WRITTEN else settings
        workspace.add_job(there, rewire.job_id)
    done = tuple(
        Applied(rewire, state, "it broke" if state is State.FAILED else "")
        for rewire, state in zip(plan.rewires, states, strict=True)
    )
    return workspace, plan, done


def back(
    workspace: FakeWorkspace,
    applied: tuple[Applied, ...],
    *,
    files: frozenset[str] = FILES,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Applied, ...]:
    where = UndoOrder(ORDER.library.distribution, ROOT, files, ORDER.library.version)
    told: list[Applied] = []
    done = move_back(workspace, where, applied, stopped=stopped, on_done=told.append)
    assert [one.rewire.job_id for one in done] == [one.rewire.job_id for one in applied]
    return done


def states(applied: tuple[Applied, ...]) -> list[State]:
    return [one.state for one in applied]


def test_what_had_moved_stands_again_as_equal_json() -> None:
    workspace, _, applied = moved(State.WRITTEN, State.DENIED, State.WRITTEN, State.PENDING)
    done = back(workspace, applied)
    assert states(done) == [State.MOVED_BACK, State.DENIED, State.MOVED_BACK, State.PENDING]
    assert all(one == job_with(OLD, timeout_seconds=7) for one in workspace.settings.values())
    assert all_back(done)
    assert sorted(workspace.written) == [("update", 1), ("update", 3)]


def test_a_write_that_failed_and_was_applied_all_the_same_is_taken_back_and_told() -> None:
    workspace, plan, applied = moved(State.FAILED)
    workspace.settings[1] = plan.rewires[0].applied_to(workspace.settings[1])
    (one,) = back(workspace, applied)
    assert (one.state, one.detail) == (State.FAILED, "it broke; it was moved back")
    assert workspace.settings[1] == job_with(OLD, timeout_seconds=7)
    assert all_back((one,))


def test_a_write_that_failed_and_was_not_applied_needs_nothing() -> None:
    workspace, _, applied = moved(State.FAILED)
    assert back(workspace, applied) == applied
    assert workspace.written == []


def test_what_somebody_changed_since_stays_and_does_not_count_as_back() -> None:
    workspace, _, applied = moved(State.WRITTEN)
    workspace.settings[1] = job_with(OTHER)
    (one,) = back(workspace, applied)
    assert one.state is State.STAYS
    assert "changed-since" in one.detail
    assert workspace.settings[1] == job_with(OTHER)
    assert not all_back((one,))


def test_no_job_goes_back_to_a_file_that_is_gone() -> None:
    workspace, _, applied = moved(State.WRITTEN)
    after = copy.deepcopy(workspace.settings[1])
    (one,) = back(workspace, applied, files=frozenset({NEW}))
    assert one.state is State.STAYS
    assert "file-gone" in one.detail
    assert workspace.settings[1] == after


def test_an_edit_beside_the_reference_is_kept() -> None:
    workspace, _, applied = moved(State.WRITTEN)
    workspace.settings[1]["schedule"] = {"quartz_cron_expression": "0 0 3 * * ?"}
    assert states(back(workspace, applied)) == [State.MOVED_BACK]
    assert workspace.settings[1]["schedule"] == {"quartz_cron_expression": "0 0 3 * * ?"}


def test_a_job_that_was_deleted_is_told_as_gone() -> None:
    workspace, _, applied = moved(State.WRITTEN)
    del workspace.settings[1]
    assert states(back(workspace, applied)) == [State.GONE]


@pytest.mark.parametrize("call", ["job", "update"])
def test_a_job_that_can_not_be_moved_back_is_told_and_stays(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    workspace, _, applied = moved(State.WRITTEN)

    def broken(*_: Any) -> JsonObject:
        raise Unavailable("the service is down")

    monkeypatch.setattr(workspace, call, broken)
    (one,) = back(workspace, applied)
    assert one.state is State.STAYS
    assert "could not be moved back: the service is down" in one.detail
    assert not all_back((one,))


def test_a_write_back_that_somebody_else_overwrote_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace, _, applied = moved(State.WRITTEN)
    monkeypatch.setattr(workspace, "update", lambda *_: None)
    assert states(back(workspace, applied)) == [State.STAYS]


def test_a_stop_leaves_the_rest_as_it_is_and_says_so() -> None:
    workspace, _, applied = moved(State.WRITTEN)
    (one,) = back(workspace, applied, stopped=lambda: True)
    assert (one.state, workspace.written) == (State.STAYS, [])
    assert "the run was stopped" in one.detail


def test_what_stood_there_before_we_wrote_is_nobody_s_to_take_back() -> None:
    workspace, _, applied = moved(State.WRITTEN)
    done = back(workspace, tuple(replace(one, state=State.ALREADY) for one in applied))
    assert (states(done), workspace.written) == ([State.ALREADY], [])
