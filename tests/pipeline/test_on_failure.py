"""What becomes of the others when a job does not move: they go back, stay, or go on."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest

from deployer.plan.history import Ending
from tests.pipeline.stage import ROOT, Ended, Stage, path
from tests.pipeline.test_journal import entries
from tests.pipeline.test_trouble import any_moved


@pytest.fixture
def ready(stage: Stage) -> Stage:
    """Twenty jobs on two versions, of which the last can't be written; 1.5.0 to deploy."""
    stage.publish("1.2.0", "1.3.0", "1.4.0")
    jobs = [stage.job(path("1.3.0" if number % 2 else "1.4.0")) for number in range(20)]
    stage.workspace.deny(stage.workspace.options.user, jobs[-1], keep="CAN_VIEW")
    stage.build("1.5.0")
    return stage


def denied(stage: Stage) -> int:
    return max(stage.workspace.jobs())


def allow(stage: Stage) -> None:
    stage.workspace.deny(stage.workspace.options.user, denied(stage), keep="IS_OWNER")


def settings_of(stage: Stage) -> dict[int, Any]:
    return copy.deepcopy(stage.workspace.jobs())


def of_deployment(ended: Ended, part: str) -> set[int]:
    return {one["job_id"] for one in ended.document["deployment"][part]}


def on_new(stage: Stage) -> set[int]:
    return {job for job in stage.workspace.jobs() if stage.version_of(job) == ["1.5.0"]}


def test_by_default_all_jobs_are_as_they_were_when_one_did_not_move(ready: Stage) -> None:
    before = settings_of(ready)
    ended = ready.deploy()
    assert (ended.code, ended.document["outcome"]) == (1, "failed")
    assert ended.outputs["failure-reason"] == "jobs-not-moved"
    assert settings_of(ready) == before
    assert ended.moved == set()
    assert ended.outputs["jobs-updated"] == "0"
    assert of_deployment(ended, "failed") == {denied(ready)}
    back, pending = of_deployment(ended, "rolled_back"), of_deployment(ended, "pending")
    assert back | pending == set(before) - {denied(ready)}
    assert len(back) > 0
    assert "that had moved were moved back" in ended.document["failure"]["title"]
    assert "on-failure: continue" in ended.document["failure"]["remedy"]


def test_after_they_were_moved_back_nothing_was_removed_and_the_next_run_moves_all(
    ready: Stage,
) -> None:
    ready.deploy()
    assert ready.stored() == {"1.2.0", "1.3.0", "1.4.0", "1.5.0"}
    assert entries(ready)[0].ending is Ending.MOVED_BACK
    allow(ready)
    ended = ready.deploy()
    assert (ended.code, ended.moved) == (0, set(ready.workspace.jobs()))
    assert entries(ready)[0].carries == ()  # that one is over
    assert ended.outputs["removed-versions"] == "1.2.0"


def test_a_deployment_that_was_moved_back_is_not_undone_twice(ready: Stage) -> None:
    allow(ready)
    before = settings_of(ready)
    ready.deploy()
    ready.workspace.deny(ready.workspace.options.user, denied(ready), keep="CAN_VIEW")
    ready.build("1.6.0")
    assert ready.deploy().code == 1
    assert on_new(ready) == set(before)
    allow(ready)
    ended = ready.run("rollback", None, root=ROOT)  # at night somebody may try it all the same
    assert (ended.code, ended.document["outcome"]) == (0, "nothing-to-do")
    assert any("already" in one for one in ended.document["warnings"])
    assert on_new(ready) == set(before)
    assert ready.run("rollback", None, root=ROOT, to="1.4.0").code == 0
    assert settings_of(ready) == before


def test_stop_leaves_what_has_moved_and_begins_no_further_job(ready: Stage) -> None:
    first = min(ready.workspace.jobs())
    ready.workspace.deny(ready.workspace.options.user, first, keep="CAN_VIEW")
    ended = ready.deploy(on_failure="stop")
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "jobs-not-moved")
    moved, pending = ended.moved, of_deployment(ended, "pending")
    assert moved == on_new(ready)
    assert first in of_deployment(ended, "failed")
    assert len(pending) >= 20 - 2 * 8  # those that were under way beside it may end
    assert of_deployment(ended, "rolled_back") == set()
    assert ready.stored() == {"1.2.0", "1.3.0", "1.4.0", "1.5.0"}
    ready.workspace.deny(ready.workspace.options.user, first, keep="IS_OWNER")
    allow(ready)
    assert ready.deploy(on_failure="stop").moved == set(ready.workspace.jobs()) - moved


def test_continue_goes_on_with_the_others_and_the_run_fails_all_the_same(ready: Stage) -> None:
    ended = ready.deploy(on_failure="continue")
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "jobs-not-moved")
    assert ended.moved == on_new(ready) == set(ready.workspace.jobs()) - {denied(ready)}
    assert of_deployment(ended, "failed") == {denied(ready)}
    assert ready.stored() == {"1.2.0", "1.3.0", "1.4.0", "1.5.0"}
    assert "moved back" not in ended.document["failure"]["title"]


@pytest.mark.parametrize("policy", ["rollback", "stop", "continue"])
def test_a_job_that_was_deleted_is_no_failure_under_any_policy(stage: Stage, policy: str) -> None:
    stage.publish("1.4.0")
    gone, there = stage.job(path("1.4.0")), stage.job(path("1.4.0"))
    stage.build("1.5.0")
    report = stage.deploy_with(lambda: stage.workspace.delete_job(gone), on_failure=policy)
    assert report.outcome == "succeeded"
    assert stage.version_of(there) == ["1.5.0"]


def test_who_may_not_edit_a_job_knows_before_and_moves_the_others(stage: Stage) -> None:
    stage.publish("1.4.0")
    mine, theirs = stage.job(path("1.4.0")), stage.job(path("1.4.0"))
    stage.token = stage.workspace.add_user("deployer@example.com")
    stage.workspace.grant("deployer@example.com", mine, "CAN_MANAGE")
    stage.workspace.grant("deployer@example.com", theirs, "CAN_VIEW")
    stage.workspace.grant("deployer@example.com", ROOT, "WRITE_VOLUME")
    stage.build("1.5.0")
    ended = stage.deploy()
    assert (ended.code, ended.moved, ended.reasons) == (0, {mine}, {theirs: "no-permission"})


def test_a_job_that_somebody_edited_after_it_moved_stays_and_is_told(ready: Stage) -> None:
    """Between its move and its way back: then it is theirs."""
    edited: list[int] = []
    alone = threading.Lock()  # several jobs move at once, and one of them is edited

    def somebody_edits(call: Any) -> None:
        with alone:
            if edited or not call.path.endswith("/jobs/update"):
                return
            job = min(on_new(ready))
            edited.append(job)
            settings = copy.deepcopy(ready.workspace.job(job))
            settings["tasks"][0]["libraries"][0]["whl"] = path("1.4.9")
            ready.workspace.set_job(job, settings)

    with ready.workspace.watch(somebody_edits):
        ended = ready.deploy()
    ready.workspace.raise_watched()
    (job,) = edited
    assert ended.code == 1
    assert ready.version_of(job) == ["1.4.9"]
    assert on_new(ready) == set()
    assert {job, denied(ready)} <= of_deployment(ended, "failed")
    (told,) = (
        one["detail"] for one in ended.document["deployment"]["failed"] if one["job_id"] == job
    )
    assert "it was moved, and stays as it is: changed-since" in told


def test_a_job_that_can_t_be_moved_back_is_told_and_runnable(ready: Stage) -> None:
    stuck: list[int] = []
    alone = threading.Lock()

    def somebody_denies(call: Any) -> None:
        with alone:
            if stuck or not call.path.endswith("/jobs/update"):
                return
            job = min(on_new(ready))
            stuck.append(job)
            ready.workspace.deny(ready.workspace.options.user, job, keep="CAN_VIEW")

    with ready.workspace.watch(somebody_denies):
        ended = ready.deploy()
    ready.workspace.raise_watched()
    (job,) = stuck
    assert ended.code == 1
    assert on_new(ready) == {job}
    assert {job, denied(ready)} <= of_deployment(ended, "failed")
    assert "1 could not be moved back" in ended.document["failure"]["title"]
    assert path("1.5.0") in ready.workspace.files()
    assert entries(ready)[0].ending is Ending.FAILED
    ready.workspace.deny(ready.workspace.options.user, job, keep="IS_OWNER")
    assert ready.run("rollback", None, root=ROOT).moved == {job}  # it still can be taken back


def test_what_an_unfinished_run_had_moved_goes_back_with_the_rest(ready: Stage) -> None:
    before = settings_of(ready)
    jobs = sorted(before)
    ready.deploy_with(lambda: None, stopped=lambda: any_moved(ready, jobs))
    assert on_new(ready)
    ended = ready.deploy()
    assert ended.code == 1
    assert settings_of(ready) == before


def test_a_cancelled_run_moves_nothing_back_and_the_next_one_finishes(ready: Stage) -> None:
    allow(ready)
    jobs = sorted(ready.workspace.jobs())
    report = ready.deploy_with(lambda: None, stopped=lambda: any_moved(ready, jobs))
    assert report.outcome == "cancelled"
    moved = on_new(ready)
    assert moved
    assert report.deployment is not None
    assert report.deployment.rolled_back == ()
    assert ready.deploy().moved == set(jobs) - moved


def test_an_unknown_policy_names_the_nearest(ready: Stage) -> None:
    ended = ready.deploy(on_failure="rolback")
    assert ended.code == 2
    assert "did you mean `rollback`?" in ended.document["failure"]["title"]
