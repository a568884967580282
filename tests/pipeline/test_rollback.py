"""Going back: jobs name again what they named before, and what somebody changed since stays."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from deployer.plan.history import Action, Ending, Entry
from tests.earlier import journal_in
from tests.pipeline.stage import NAME, ROOT, Ended, Stage, path
from tests.pipeline.test_trouble import any_moved


def rollback(stage: Stage, **inputs: str) -> Ended:
    return stage.run("rollback", None, **{"root": ROOT, **inputs})


def settings_of(stage: Stage) -> dict[int, Any]:
    """The settings of all jobs, as they are now."""
    return copy.deepcopy(stage.workspace.jobs())


def edited(stage: Stage, job: int, version: str) -> None:
    """Somebody else names another version in the first library of a job."""
    settings = copy.deepcopy(stage.workspace.job(job))
    settings["tasks"][0]["libraries"][0]["whl"] = path(version)
    stage.workspace.set_job(job, settings)


def entries_of(stage: Stage) -> tuple[Entry, ...]:
    """What the journal tells of the one library in the root, newest first."""
    journal = journal_in(stage.workspace, ROOT)
    (library,) = journal.libraries()
    return journal.history(library, deep=True).entries


@pytest.fixture
def deployed(stage: Stage) -> Stage:
    """1.5.0 came over jobs on 1.3.0 and 1.4.0, and one of another MAJOR."""
    stage.publish("1.3.0", "1.4.0", "2.0.0")
    stage.job(path("1.3.0"), name="on 1.3.0")
    stage.job(path("1.4.0"), path("1.3.0"), name="on both")
    stage.serverless(f"{path('1.4.0')}[train] ; python_version >= '3.10'  # ours", "numpy")
    stage.job(path("2.0.0"), name="on 2.0.0")
    stage.build("1.5.0")
    return stage


# ── To the state before ──────────────────────────────────────────────────────────────────────────


def test_after_a_rollback_all_settings_are_equal_json_to_those_before(deployed: Stage) -> None:
    before = settings_of(deployed)
    moved = deployed.deploy().moved
    assert settings_of(deployed) != before
    ended = rollback(deployed, to="previous")
    assert (ended.code, ended.document["outcome"]) == (0, "succeeded")
    assert ended.moved == moved
    assert settings_of(deployed) == before
    assert ended.document["back_to"] == "previous"
    assert ended.outputs["jobs-updated"] == "3"
    assert (ended.outputs["version"], ended.outputs["previous-version"]) == ("1.4.0", "1.5.0")
    assert ended.outputs["remote-path"] == path("1.4.0")
    assert "3 jobs moved back" in ended.summary.splitlines()[0]


def test_a_rollback_needs_no_library_file_and_previous_is_what_it_goes_back_to(
    deployed: Stage,
) -> None:
    before = settings_of(deployed)
    deployed.deploy()
    for one in (deployed.folder / "dist").iterdir():
        one.unlink()
    deployed.workspace.forget_calls()
    assert rollback(deployed).code == 0
    assert settings_of(deployed) == before
    assert deployed.uploads() == []


def test_a_rollback_removes_and_uploads_nothing(deployed: Stage) -> None:
    deployed.publish("1.2.0")
    deployed.deploy(cleanup="false")
    files = deployed.files()
    assert rollback(deployed).code == 0
    assert deployed.files() == files


def test_everything_but_the_references_that_somebody_edited_since_survives_the_rollback(
    deployed: Stage,
) -> None:
    deployed.deploy()
    job = deployed.serverless(f"{path('1.5.0')}", name="came later")
    settings = settings_of(deployed)
    first = min(settings)
    settings[first]["tasks"][0]["libraries"].append({"pypi": {"package": "added"}})
    settings[first]["schedule"] = {"quartz_cron_expression": "0 0 3 * * ?"}
    deployed.workspace.set_job(first, settings[first])
    assert first in rollback(deployed).moved
    after = deployed.workspace.job(first)
    assert after["tasks"][0]["libraries"] == [
        {"whl": path("1.3.0")},
        {"pypi": {"package": "added"}},
    ]
    assert after["schedule"] == {"quartz_cron_expression": "0 0 3 * * ?"}
    assert deployed.workspace.job(job) == settings[job]  # no deployment moved it


def test_a_reference_that_changed_since_stays_and_is_told(stage: Stage) -> None:
    stage.publish("1.4.0", "1.6.0")
    changed, untouched = stage.job(path("1.4.0")), stage.job(path("1.4.0"))
    stage.build("1.5.0")
    stage.deploy()
    edited(stage, changed, "1.6.0")
    ended = rollback(stage)
    assert (ended.code, ended.document["outcome"]) == (0, "succeeded")
    assert ended.moved == {untouched}
    assert ended.reasons == {changed: "changed-since"}
    (told,) = ended.document["plan"]["untouched"]
    assert (told["value"], path("1.5.0") in told["note"]) == (path("1.6.0"), True)
    assert stage.version_of(changed) == ["1.6.0"]
    assert stage.version_of(untouched) == ["1.4.0"]


def test_a_job_that_changed_in_one_place_goes_back_in_the_others(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0", "1.6.0")
    job = stage.job(path("1.4.0"), path("1.3.0"))
    stage.build("1.5.0")
    stage.deploy()
    edited(stage, job, "1.6.0")
    ended = rollback(stage)
    assert (ended.code, ended.moved, ended.reasons) == (0, {job}, {job: "changed-since"})
    assert stage.version_of(job) == ["1.6.0", "1.3.0"]


def test_a_task_that_was_deleted_since_is_told_and_comes_not_back(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    stage.build("1.5.0")
    stage.deploy()
    stage.workspace.set_job(job, {"name": "a job", "tasks": [{"task_key": "other"}]})
    ended = rollback(stage)
    assert (ended.code, ended.document["outcome"]) == (0, "nothing-to-do")
    assert ended.reasons == {job: "changed-since"}
    assert ended.document["plan"]["untouched"][0]["note"] == "the place is gone"
    assert [task["task_key"] for task in stage.workspace.job(job)["tasks"]] == ["other"]


def test_a_job_that_was_deleted_since_is_told_and_the_others_go_back(stage: Stage) -> None:
    stage.publish("1.4.0")
    gone, there = stage.job(path("1.4.0"), name="the deleted"), stage.job(path("1.4.0"))
    stage.build("1.5.0")
    stage.deploy()
    stage.workspace.delete_job(gone)
    ended = rollback(stage)
    assert (ended.code, ended.moved) == (0, {there})
    assert f"Job {gone} (the deleted) is not there any more." in ended.document["warnings"]


def test_no_job_is_pointed_at_an_old_file_that_is_gone(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    stuck, free = stage.job(path("1.3.0")), stage.job(path("1.4.0"))
    stage.build("1.5.0")
    stage.deploy()
    stage.workspace.delete_file(path("1.3.0"))
    ended = rollback(stage)
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "jobs-not-moved")
    assert ended.reasons == {stuck: "file-gone"}
    assert "the old file back" in ended.document["failure"]["remedy"]
    assert stage.version_of(stuck) == ["1.5.0"]
    assert stage.version_of(free) == ["1.4.0"]  # the night is not lost for everybody
    stage.put("1.3.0")
    ended = rollback(stage)
    assert (ended.code, ended.moved) == (0, {stuck})
    assert stage.version_of(stuck) == ["1.3.0"]


def test_a_job_that_can_not_be_written_keeps_no_other_from_going_back(stage: Stage) -> None:
    stage.publish("1.4.0")
    denied, free = stage.job(path("1.4.0")), stage.job(path("1.4.0"))
    stage.build("1.5.0")
    stage.deploy()
    user = stage.workspace.options.user
    stage.workspace.deny(user, denied, keep="CAN_VIEW")
    ended = rollback(stage)
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "jobs-not-moved")
    assert ended.moved == {free}
    assert [one["job_id"] for one in ended.document["deployment"]["failed"]] == [denied]
    stage.workspace.deny(user, denied, keep="IS_OWNER")
    ended = rollback(stage)  # the same command finishes it
    assert (ended.code, ended.moved) == (0, {denied})
    assert stage.version_of(denied) == stage.version_of(free) == ["1.4.0"]


# ── How far ──────────────────────────────────────────────────────────────────────────────────────


def test_the_same_rollback_twice_has_nothing_to_do_the_second_time(stage: Stage) -> None:
    stage.publish("1.3.0")
    job = stage.job(path("1.3.0"))
    for version in ("1.4.0", "1.5.0"):
        stage.build(version)
        stage.deploy()
    assert rollback(stage).moved == {job}
    entries = entries_of(stage)
    again = rollback(stage)
    assert (again.code, again.document["outcome"]) == (0, "nothing-to-do")
    assert again.outputs["deployment-id"] == ""
    assert any("name a version" in one for one in again.document["warnings"])
    assert stage.version_of(job) == ["1.4.0"]  # and not one further
    assert entries_of(stage) == entries


@pytest.fixture
def three(stage: Stage) -> Stage:
    """1.3.0, then 1.4.0, 1.5.0 and 1.6.0 were deployed, and each version kept."""
    stage.publish("1.3.0")
    stage.job(path("1.3.0"))
    for version in ("1.4.0", "1.5.0", "1.6.0"):
        stage.build(version)
        stage.deploy(keep="9")
    return stage


def test_a_rollback_goes_to_the_state_right_after_a_version(three: Stage) -> None:
    (job,) = three.workspace.jobs()
    assert rollback(three, to="1.4.0").moved == {job}
    assert three.version_of(job) == ["1.4.0"]


def test_a_rollback_goes_to_the_state_right_after_a_deployment(three: Stage) -> None:
    (job,) = three.workspace.jobs()
    three.build("1.7.0")
    deployment = three.deploy(keep="9").outputs["deployment-id"]
    three.build("1.8.0")
    three.deploy(keep="9")
    ended = rollback(three, to=deployment)
    assert (ended.moved, ended.document["back_to"]) == ({job}, deployment)
    assert three.version_of(job) == ["1.7.0"]


def test_a_version_from_before_the_journal_is_the_state_before_the_deployment_that_left_it(
    three: Stage,
) -> None:
    (job,) = three.workspace.jobs()
    assert rollback(three, to="1.3.0").moved == {job}
    assert three.version_of(job) == ["1.3.0"]


def test_after_a_rollback_previous_is_the_state_before_the_next_deployment(three: Stage) -> None:
    (job,) = three.workspace.jobs()
    rollback(three)
    assert three.version_of(job) == ["1.5.0"]
    three.build("1.6.1")
    three.deploy(keep="9")
    assert rollback(three).moved == {job}
    assert three.version_of(job) == ["1.5.0"]
    assert rollback(three, to="1.4.0").moved == {job}
    assert three.version_of(job) == ["1.4.0"]


def test_a_rollback_is_journaled_and_the_same_version_can_be_deployed_again(
    deployed: Stage,
) -> None:
    before = settings_of(deployed)
    first = deployed.deploy()
    ended = rollback(deployed)
    newest = entries_of(deployed)[0]
    assert (newest.action, newest.ending) == (Action.ROLLBACK, Ending.SUCCEEDED)
    assert (newest.id, newest.undoes) == (
        ended.outputs["deployment-id"],
        (first.outputs["deployment-id"],),
    )
    assert deployed.deploy().moved == first.moved
    assert rollback(deployed).moved == first.moved
    assert settings_of(deployed) == before


@pytest.mark.parametrize("to", ["9.9.9", "000099-20260102T030405Z-00000001", "yesterday"])
def test_what_the_journal_does_not_know_is_refused_with_what_it_knows(
    three: Stage, to: str
) -> None:
    (job,) = three.workspace.jobs()
    ended = rollback(three, to=to)
    assert (ended.code, ended.outputs["failure-reason"]) == (2, "unknown-deployment")
    detail = ended.document["failure"]["detail"]
    assert all(f"- {version}, deployment" in detail for version in ("1.4.0", "1.5.0", "1.6.0"))
    assert three.version_of(job) == ["1.6.0"]


def test_a_root_without_a_journal_has_nothing_to_go_back_to(stage: Stage) -> None:
    stage.put("1.4.0")
    job = stage.job(path("1.4.0"))
    ended = rollback(stage)
    assert (ended.code, ended.outputs["failure-reason"]) == (2, "unknown-deployment")
    assert stage.version_of(job) == ["1.4.0"]
    assert {call.method for call in stage.workspace.calls()} <= {"GET", "HEAD"}


# ── Which library ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def two(stage: Stage) -> Stage:
    """Two libraries in one root; both were deployed over a job of their own, and over one of both."""
    for name in (NAME, "other"):
        stage.publish("1.4.0", name=name)
        stage.job(path("1.4.0", name=name), name=f"of {name}")
    stage.job(path("1.4.0"), path("1.4.0", name="other"), name="of both")
    for name in (NAME, "other"):
        stage.build("1.5.0", name=name)
        assert len(stage.deploy().moved) == 2
    return stage


def test_where_a_root_has_several_libraries_the_rollback_asks_which(two: Stage) -> None:
    before = settings_of(two)
    ended = rollback(two)
    assert (ended.code, ended.outputs["failure-reason"]) == (2, "invalid-input")
    failure = ended.document["failure"]
    assert "other (wheel), retail-metrics (wheel)" in failure["title"]
    assert "library: other" in failure["remedy"]
    assert settings_of(two) == before


@pytest.mark.parametrize("spelled", ["retail_metrics", "retail-metrics", "Retail.Metrics"])
def test_a_rollback_of_one_library_leaves_the_other_alone(two: Stage, spelled: str) -> None:
    mine, theirs, both = sorted(two.workspace.jobs())
    assert rollback(two, library=spelled).moved == {mine, both}
    assert two.version_of(mine) == ["1.4.0"]
    assert two.version_of(both) == ["1.4.0", "1.5.0"]
    assert two.version_of(theirs) == ["1.5.0"]


def test_a_library_that_was_never_deployed_is_told_with_those_that_were(two: Stage) -> None:
    ended = rollback(two, library="retail")
    assert (ended.code, ended.outputs["failure-reason"]) == (2, "unknown-deployment")
    assert "retail-metrics" in ended.document["failure"]["detail"]


# ── Plan and approval ────────────────────────────────────────────────────────────────────────────


def test_a_plan_with_to_shows_the_rollback_and_writes_nothing(deployed: Stage) -> None:
    moved = deployed.deploy().moved
    before = deployed.workspace.snapshot()
    deployed.workspace.forget_calls()
    planned = deployed.run("plan", None, root=ROOT, to="previous")
    assert (planned.code, planned.planned) == (0, moved)
    assert {call.method for call in deployed.workspace.calls()} <= {"GET", "HEAD"}
    assert deployed.workspace.snapshot() == before
    assert "3 jobs would move back" in planned.summary.splitlines()[0]
    assert "mode: rollback\n" in planned.summary
    digest = planned.outputs["plan-digest"]
    ended = rollback(deployed, to="previous", expected_plan_digest=digest)
    assert (ended.code, ended.moved) == (0, moved)


def test_a_plan_of_a_rollback_that_has_nothing_to_do_says_so(deployed: Stage) -> None:
    deployed.deploy()
    rollback(deployed)
    planned = deployed.run("plan", None, root=ROOT, to="previous")
    assert (planned.code, planned.document["outcome"]) == (0, "nothing-to-do")


def test_a_rollback_that_is_not_the_approved_one_is_refused(stage: Stage) -> None:
    stage.publish("1.4.0", "1.6.0")
    jobs = [stage.job(path("1.4.0")) for _ in range(2)]
    stage.build("1.5.0")
    stage.deploy()
    approved = stage.run("plan", None, root=ROOT, to="previous").outputs["plan-digest"]
    edited(stage, jobs[0], "1.6.0")
    ended = rollback(stage, expected_plan_digest=approved)
    assert (ended.code, ended.outputs["failure-reason"]) == (3, "plan-changed")
    assert stage.version_of(jobs[1]) == ["1.5.0"]


def test_to_means_nothing_for_a_deployment(stage: Stage) -> None:
    stage.build("1.5.0")
    ended = stage.deploy(to="previous")
    assert (ended.code, ended.outputs["failure-reason"]) == (2, "invalid-input")


# ── After runs that broke ────────────────────────────────────────────────────────────────────────


def test_a_rollback_after_a_run_that_stopped_halfway_and_one_that_finished_restores_all(
    stage: Stage,
) -> None:
    stage.publish("1.3.0", "1.4.0")
    jobs = [stage.job(path("1.4.0" if number % 2 else "1.3.0")) for number in range(20)]
    before = settings_of(stage)
    stage.build("1.5.0")
    stage.deploy_with(lambda: None, stopped=lambda: any_moved(stage, jobs))
    halfway = {job for job in jobs if stage.version_of(job) == ["1.5.0"]}
    assert 0 < len(halfway) < len(jobs)
    assert stage.deploy().moved == set(jobs) - halfway
    ended = rollback(stage)
    assert (ended.code, ended.moved) == (0, set(jobs))
    assert settings_of(stage) == before


def stopped_halfway(stage: Stage) -> tuple[list[int], dict[int, Any]]:
    """Jobs of which a deployment of 1.5.0 moved some, and all settings before it."""
    stage.publish("1.4.0")
    jobs = [stage.job(path("1.4.0")) for _ in range(20)]
    before = settings_of(stage)
    stage.build("1.5.0")
    stage.deploy_with(lambda: None, stopped=lambda: any_moved(stage, jobs))
    return jobs, before


def test_a_rollback_right_after_a_run_that_stopped_halfway_takes_back_its_half(
    stage: Stage,
) -> None:
    jobs, before = stopped_halfway(stage)
    halfway = {job for job in jobs if stage.version_of(job) == ["1.5.0"]}
    ended = rollback(stage)
    assert (ended.code, ended.moved) == (0, halfway)
    assert settings_of(stage) == before


def test_a_deployment_that_moved_nothing_does_not_part_the_halves_of_another(stage: Stage) -> None:
    jobs, before = stopped_halfway(stage)
    half = settings_of(stage)
    stage.build("1.3.9")
    assert stage.deploy().code == 0
    assert settings_of(stage) == half
    stage.build("1.5.0")
    assert stage.deploy().code == 0
    ended = rollback(stage)
    assert (ended.code, ended.moved) == (0, set(jobs))
    assert settings_of(stage) == before


def test_what_somebody_set_to_the_very_string_of_an_unfinished_deployment_goes_back_with_it(
    stage: Stage,
) -> None:
    # Nobody can tell it from a write of that deployment that arrived late.
    jobs, before = stopped_halfway(stage)
    by_hand = next(job for job in jobs if stage.version_of(job) == ["1.4.0"])
    edited(stage, by_hand, "1.5.0")
    assert by_hand in rollback(stage).moved
    assert settings_of(stage) == before


def test_a_newer_version_over_half_a_deployment_is_taken_back_step_by_step(stage: Stage) -> None:
    stage.publish("1.4.0")
    jobs = [stage.job(path("1.4.0")) for _ in range(20)]
    before = settings_of(stage)
    stage.build("1.5.0")
    stage.deploy_with(lambda: None, stopped=lambda: any_moved(stage, jobs))
    half = settings_of(stage)
    stage.build("1.6.0")
    assert stage.deploy().moved == set(jobs)
    assert rollback(stage).moved == set(jobs)
    assert settings_of(stage) == half
    assert rollback(stage, to="1.4.0").code == 0
    assert settings_of(stage) == before


def test_a_rollback_over_half_a_deployment_and_a_whole_one_takes_every_job_back(
    stage: Stage,
) -> None:
    stage.publish("1.3.0")
    jobs = [stage.job(path("1.3.0")) for _ in range(20)]
    before = settings_of(stage)
    stage.build("1.4.0")
    stage.deploy(keep="9")
    stage.build("1.5.0")
    stage.deploy_with(lambda: None, stopped=lambda: any_moved(stage, jobs))
    assert {"1.4.0", "1.5.0"} == {version for job in jobs for version in stage.version_of(job)}
    ended = rollback(stage, to="1.3.0")
    assert (ended.code, ended.moved, ended.reasons) == (0, set(jobs), {})
    assert settings_of(stage) == before


@pytest.mark.parametrize("to", ["1.3.0", "1.4.0", "1.5.0"])
def test_after_half_a_rollback_every_goal_is_still_reached_by_all_jobs(
    stage: Stage, to: str
) -> None:
    stage.publish("1.3.0")
    jobs = [stage.job(path("1.3.0")) for _ in range(3)]
    for version in ("1.4.0", "1.5.0"):
        stage.build(version)
        stage.deploy(keep="9")
    user = stage.workspace.options.user
    stage.workspace.deny(user, jobs[0], keep="CAN_VIEW")
    assert rollback(stage).code == 1
    assert [stage.version_of(job) for job in jobs] == [["1.5.0"], ["1.4.0"], ["1.4.0"]]
    stage.workspace.deny(user, jobs[0], keep="IS_OWNER")
    assert rollback(stage, to=to).code == 0
    assert [stage.version_of(job) for job in jobs] == [[to]] * 3


def test_clusters_are_not_rolled_back_and_told(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    cluster = {"cluster_id": "c1", "cluster_name": "shared", "libraries": [{"whl": path("1.4.0")}]}
    stage.workspace.put("clusters", cluster)
    stage.build("1.5.0")
    stage.deploy(clusters="restart")
    libraries = stage.workspace.cluster("c1")["library_statuses"]
    ended = rollback(stage)
    assert ended.moved == {job}
    assert stage.workspace.cluster("c1")["library_statuses"] == libraries
    assert "a rollback moves jobs only" in json.dumps(ended.document["warnings"])
    assert "(c1)" in json.dumps(ended.document["warnings"])
