"""A deployment as a whole: what moves, what stays, what goes, and what a second run does."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Literal

import pytest

from sandbox.faults import Fault, FaultKind
from tests.pipeline.stage import NAME, ROOT, Stage, on_stage, path


def test_jobs_on_the_same_major_move_and_others_stay(stage: Stage) -> None:
    stage.publish("1.4.0", "2.0.0")
    older = stage.job(path("1.4.0"))
    other = stage.job(path("2.0.0"))
    newer = stage.job(path("1.6.0"))
    elsewhere = stage.job(path("1.4.0", "/Workspace/Shared/elsewhere"))
    without = stage.job()
    stage.build("1.5.0")
    ended = stage.deploy()
    assert ended.code == 0
    assert ended.moved == {older}
    assert ended.reasons == {other: "another-major", newer: "newer", elsewhere: "outside-root"}
    assert stage.version_of(older) == ["1.5.0"]
    assert stage.version_of(other) == ["2.0.0"]
    assert stage.workspace.job(without)["tasks"][0]["libraries"] == []


def test_nothing_of_a_moved_job_changes_but_the_reference(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(
        path("1.4.0"), schedule={"quartz_cron_expression": "0 0 2 * * ?"}, tags={"a": "b"}
    )
    before = copy.deepcopy(stage.workspace.job(job))
    stage.build("1.5.0")
    assert stage.deploy().moved == {job}
    after = json.dumps(stage.workspace.job(job))
    assert after.replace(path("1.5.0"), path("1.4.0")) == json.dumps(before)


def test_a_plan_writes_nothing(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    before = stage.workspace.snapshot()
    stage.build("1.5.0")
    ended = stage.plan()
    assert ended.code == 0
    assert ended.planned == {job}
    assert {call.method for call in stage.workspace.calls()} <= {"GET", "HEAD"}
    assert stage.workspace.snapshot() == before


def test_a_second_run_has_nothing_to_do(stage: Stage) -> None:
    stage.publish("1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    assert stage.deploy().document["outcome"] == "succeeded"
    stage.workspace.forget_calls()
    again = stage.deploy()
    assert (again.code, again.document["outcome"]) == (0, "nothing-to-do")
    assert {call.method for call in stage.workspace.calls()} <= {"GET", "HEAD"}


def test_the_same_version_with_the_same_bytes_goes_on_to_the_jobs(stage: Stage) -> None:
    stage.publish("1.4.0", "1.5.0")  # a run before us uploaded 1.5.0 and died
    job = stage.job(path("1.4.0"))
    stage.build("1.5.0")
    ended = stage.deploy()
    assert ended.moved == {job}
    assert stage.uploads() == []


def test_the_same_version_with_other_bytes_is_refused_and_no_job_is_touched(stage: Stage) -> None:
    stage.publish("1.4.0", "1.5.0")
    job = stage.job(path("1.4.0"))
    published = stage.workspace.file(path("1.5.0"))
    stage.build("1.5.0", files={"retail_metrics/__init__.py": "OTHER = 1\n"})
    ended = stage.deploy()
    assert ended.code == 3
    assert ended.document["failure"]["reason"] == "version-exists"
    assert "1.5.1" in ended.document["failure"]["remedy"]
    assert stage.version_of(job) == ["1.4.0"]
    assert stage.workspace.file(path("1.5.0")) == published


def test_unused_old_versions_of_the_major_go_and_used_ones_stay(stage: Stage) -> None:
    stage.publish("0.9.0", "1.3.0", "1.4.0", "1.4.1", "1.6.0", "2.0.0")
    stage.job(path("1.4.0"))
    stage.job(path("1.3.0"), tags={"spark-deploy.pin": "1.3"})
    stage.build("1.5.0")
    ended = stage.deploy()
    assert stage.stored() == {"0.9.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "2.0.0"}
    assert ended.outputs["removed-versions"] == "1.4.1"
    stage.build("1.5.1")
    ended = stage.deploy()  # from here on no rollback of the last deployment needs 1.4.0
    assert stage.stored() == {"0.9.0", "1.3.0", "1.5.0", "1.5.1", "1.6.0", "2.0.0"}
    assert ended.outputs["removed-versions"] == "1.4.0"


def test_cleanup_false_removes_nothing_and_lists_what_it_would(stage: Stage) -> None:
    stage.publish("1.2.0", "1.3.0", "1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    ended = stage.deploy(cleanup="false")
    assert stage.stored() == {"1.2.0", "1.3.0", "1.4.0", "1.5.0"}
    decisions = {one["version"]: one["decision"] for one in ended.document["versions"]}
    assert decisions == {
        "1.2.0": "list-only",
        "1.3.0": "list-only",
        "1.4.0": "keep",  # for a rollback
        "1.5.0": "current",
    }


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("clusters", {"cluster_id": "c1", "libraries": [{"whl": path("1.3.0")}]}),
        ("policies", {"policy_id": "p1", "name": "p", "libraries": [{"whl": path("1.3.0")}]}),
        ("pipelines", {"pipeline_id": "l1", "environment": {"dependencies": [path("1.3.0")]}}),
    ],
)
def test_what_a_cluster_a_policy_or_a_pipeline_uses_stays(
    stage: Stage, kind: Literal["clusters", "policies", "pipelines"], document: dict[str, object]
) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.workspace.put(kind, document)
    stage.build("1.5.0")
    stage.deploy()
    assert stage.stored() == {"1.3.0", "1.5.0"}


def test_what_an_active_run_may_still_load_stays_until_it_ends(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    run = stage.workspace.hold_run(job)
    stage.build("1.5.0")
    assert stage.deploy().moved == {job}
    stage.build("1.5.1")
    ended = stage.deploy()
    assert ended.moved == {job}
    assert stage.stored() == {"1.4.0", "1.5.0", "1.5.1"}
    (kept,) = (one["reasons"] for one in ended.document["versions"] if one["version"] == "1.4.0")
    assert len(kept) == 1
    assert f"run {run}" in kept[0]
    stage.workspace.finish_run(run)
    assert stage.run("cleanup", root=ROOT).code == 0
    assert stage.stored() == {"1.5.0", "1.5.1"}


def test_what_a_requirements_file_of_another_job_names_stays(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.workspace.put_file("/Workspace/Shared/requirements.txt", f"{path('1.3.0')}\n".encode())
    stage.serverless("-r /Workspace/Shared/requirements.txt", name="by requirements")
    stage.build("1.5.0")
    ended = stage.deploy()
    assert stage.stored() == {"1.3.0", "1.5.0"}
    (kept,) = (one for one in ended.document["versions"] if one["version"] == "1.3.0")
    assert "by requirements" in kept["reasons"][0]


def test_keep_and_min_age_hold_old_versions_back(stage: Stage) -> None:
    stage.publish("1.1.0", "1.2.0", "1.3.0")
    stage.build("1.5.0")
    stage.deploy(min_age="7d")
    assert stage.stored() == {"1.1.0", "1.2.0", "1.3.0", "1.5.0"}
    stage.deploy(keep="2")
    assert stage.stored() == {"1.2.0", "1.3.0", "1.5.0"}


def test_a_job_that_may_not_be_edited_is_named_and_the_others_move(tmp_path: Path) -> None:
    with on_stage(tmp_path) as stage:
        stage.publish("1.3.0", "1.4.0")
        mine, theirs = stage.job(path("1.4.0")), stage.job(path("1.4.0"), name="theirs")
        stage.token = stage.workspace.add_user("deployer@example.com")
        stage.workspace.grant("deployer@example.com", mine, "CAN_MANAGE")
        stage.workspace.grant("deployer@example.com", theirs, "CAN_VIEW")
        stage.workspace.grant("deployer@example.com", ROOT, "WRITE_VOLUME")
        stage.build("1.5.0")
        ended = stage.deploy()
        assert ended.code == 0
        assert ended.moved == {mine}
        assert ended.reasons == {theirs: "no-permission"}
        assert "theirs" in ended.summary
        stored = {"1.3.0", "1.4.0", "1.5.0"}  # who can't see all jobs removes nothing
        assert stage.stored() == stored


def test_a_refused_write_fails_that_job_only_where_others_go_on_and_nothing_is_removed(
    stage: Stage,
) -> None:
    stage.publish("1.3.0", "1.4.0")
    jobs = [stage.job(path("1.4.0")) for _ in range(4)]
    stage.workspace.deny(stage.workspace.options.user, jobs[1], keep="CAN_VIEW")
    stage.build("1.5.0")
    ended = stage.deploy(on_failure="continue")
    assert ended.code == 1
    assert ended.document["failure"]["reason"] == "jobs-not-moved"
    assert ended.moved == {jobs[0], jobs[2], jobs[3]}
    assert [one["job_id"] for one in ended.document["deployment"]["failed"]] == [jobs[1]]
    assert stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}


def test_a_job_that_was_deleted_after_the_plan_is_told_and_does_not_fail_the_run(
    stage: Stage,
) -> None:
    stage.publish("1.4.0")
    gone, there = stage.job(path("1.4.0")), stage.job(path("1.4.0"))
    stage.build("1.5.0")
    report = stage.deploy_with(lambda: stage.workspace.delete_job(gone))
    assert report.outcome == "succeeded"
    assert report.deployment is not None
    assert [one.job_id for one in report.deployment.drifted] == [gone]
    assert stage.version_of(there) == ["1.5.0"]


def test_a_reference_that_was_edited_after_the_plan_stays_as_it_was_edited(stage: Stage) -> None:
    stage.publish("1.4.0", "1.4.1")
    edited, there = stage.job(path("1.4.0")), stage.job(path("1.4.0"))
    stage.build("1.5.0")

    def edit() -> None:
        settings = copy.deepcopy(stage.workspace.job(edited))
        settings["tasks"][0]["libraries"][0]["whl"] = path("1.4.1")
        stage.workspace.set_job(edited, settings)

    report = stage.deploy_with(edit, on_failure="continue")
    assert report.outcome == "failed"
    assert stage.version_of(edited) == ["1.4.1"]
    assert stage.version_of(there) == ["1.5.0"]
    assert "1.4.1" in stage.stored()


def test_a_reference_that_was_edited_after_the_plan_takes_the_others_back_by_default(
    stage: Stage,
) -> None:
    stage.publish("1.4.0", "1.4.1")
    edited, there = stage.job(path("1.4.0")), stage.job(path("1.4.0"))
    stage.build("1.5.0")

    def edit() -> None:
        settings = copy.deepcopy(stage.workspace.job(edited))
        settings["tasks"][0]["libraries"][0]["whl"] = path("1.4.1")
        stage.workspace.set_job(edited, settings)

    report = stage.deploy_with(edit)
    assert report.outcome == "failed"
    assert report.deployment is not None
    assert [one.job_id for one in report.deployment.drifted] == [edited]
    assert report.deployment.applied == ()
    assert stage.version_of(edited) == ["1.4.1"]
    assert stage.version_of(there) == ["1.4.0"]
    assert {"1.4.0", "1.4.1"} <= stage.stored()


def test_another_edit_of_the_same_task_after_the_plan_survives_the_move(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    stage.build("1.5.0")

    def edit() -> None:
        settings = copy.deepcopy(stage.workspace.job(job))
        settings["tasks"][0]["libraries"].append({"pypi": {"package": "added"}})
        settings["schedule"] = {"quartz_cron_expression": "0 0 3 * * ?"}
        stage.workspace.set_job(job, settings)

    stage.deploy_with(edit)
    libraries = stage.workspace.job(job)["tasks"][0]["libraries"]
    assert libraries == [{"whl": path("1.5.0")}, {"pypi": {"package": "added"}}]
    assert stage.workspace.job(job)["schedule"] == {"quartz_cron_expression": "0 0 3 * * ?"}


def test_an_approved_digest_is_applied_and_any_other_plan_is_refused(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    stage.build("1.5.0")
    approved = stage.plan().outputs["plan-digest"]
    late = stage.job(path("1.4.0"), name="came after the approval")
    refused = stage.deploy(expected_plan_digest=approved)
    assert (refused.code, refused.document["outcome"]) == (3, "refused")
    assert refused.document["failure"]["reason"] == "plan-changed"
    assert stage.version_of(job) == ["1.4.0"]
    stage.workspace.delete_job(late)
    assert stage.deploy(expected_plan_digest=approved).moved == {job}


@pytest.mark.parametrize("rules", [{"keep": "2"}, {"cleanup": "false"}])
def test_an_approval_allows_no_removal_that_the_plan_did_not_name(
    stage: Stage, rules: dict[str, str]
) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    approved = stage.plan(**rules).outputs["plan-digest"]
    deployed = stage.deploy(expected_plan_digest=approved)
    assert (deployed.code, deployed.document["deployment"]["removed"]) == (0, [])
    kept = {one["version"]: one["reasons"] for one in deployed.document["versions"]}
    assert kept["1.3.0"] == ["the plan did not name it for removal"]
    assert stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}


def test_an_approval_allows_the_removals_that_the_plan_named(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    approved = stage.plan().outputs["plan-digest"]
    deployed = stage.deploy(expected_plan_digest=approved)
    assert [one["version"] for one in deployed.document["deployment"]["removed"]] == ["1.3.0"]
    assert stage.stored() == {"1.4.0", "1.5.0"}


@pytest.mark.parametrize("digest", ["missing", "0" * 63])
def test_a_text_that_is_no_digest_is_no_approval(stage: Stage, digest: str) -> None:
    stage.build("1.5.0")
    ended = stage.deploy(expected_plan_digest=digest)
    assert (ended.code, ended.document["failure"]["reason"]) == (2, "invalid-input")


def test_an_age_without_a_unit_is_refused_because_it_may_mean_days(stage: Stage) -> None:
    stage.build("1.5.0")
    ended = stage.deploy(min_age="7")
    assert (ended.code, ended.document["failure"]["reason"]) == (2, "invalid-input")
    assert "such as `12h`" in ended.document["failure"]["remedy"]


def test_a_library_that_no_job_names_is_told(stage: Stage) -> None:
    stage.build("1.5.0")
    assert any(one.startswith("No job names") for one in stage.plan().document["warnings"])


@pytest.mark.parametrize("behaviour", ["merge", "replace"])
def test_environments_are_right_whether_the_server_merges_or_replaces_them(
    tmp_path: Path, behaviour: str
) -> None:
    with on_stage(tmp_path) as stage:
        stage.workspace.behave(environments=behaviour)
        stage.publish("1.4.0")
        environments = [
            {"environment_key": key, "spec": {"dependencies": [line]}}
            for key, line in (
                ("a", f"{path('1.4.0')}[train]"),
                ("b", "numpy"),
                ("c", path("2.0.0")),
            )
        ]
        job = stage.workspace.add_job({"name": "j", "tasks": [], "environments": environments})
        stage.build("1.5.0")
        assert stage.deploy().moved == {job}
        after = [e["spec"]["dependencies"][0] for e in stage.workspace.job(job)["environments"]]
        assert after == [f"{path('1.5.0')}[train]", "numpy", path("2.0.0")]


@pytest.mark.parametrize("status", [400, 404])
def test_a_missing_job_is_recognised_under_both_status_codes(tmp_path: Path, status: int) -> None:
    with on_stage(tmp_path) as stage:
        stage.workspace.behave(missing_job=status)
        stage.publish("1.4.0")
        gone = stage.job(path("1.4.0"))
        stage.build("1.5.0")
        report = stage.deploy_with(lambda: stage.workspace.delete_job(gone))
        assert report.deployment is not None
        assert [one.job_id for one in report.deployment.drifted] == [gone]


def test_a_job_with_a_thousand_tasks_moves_in_every_one(stage: Stage) -> None:
    stage.publish("1.4.0")
    tasks = [
        {"task_key": f"t{number:04}", "libraries": [{"whl": path("1.4.0")}]}
        for number in range(1000)
    ]
    job = stage.workspace.add_job({"name": "wide", "tasks": tasks})
    stage.build("1.5.0")
    assert stage.deploy().moved == {job}
    after = {t["libraries"][0]["whl"] for t in stage.workspace.job(job)["tasks"]}
    assert after == {path("1.5.0")}
    assert len(stage.workspace.job(job)["tasks"]) == 1000


def test_all_pages_of_a_workspace_are_read(stage: Stage) -> None:
    stage.publish("1.4.0")
    jobs = {stage.job(path("1.4.0")) for _ in range(230)}
    stage.build("1.5.0")
    ended = stage.plan()
    assert ended.planned == jobs
    assert len(stage.workspace.calls("GET", "/jobs/list")) == 3


def test_a_workspace_without_jobs_gets_the_library_all_the_same(stage: Stage) -> None:
    stage.build("1.5.0")
    ended = stage.deploy()
    assert (ended.code, ended.document["outcome"]) == (0, "succeeded")
    assert stage.stored() == {"1.5.0"}


def test_a_reference_whose_file_is_missing_moves_all_the_same(stage: Stage) -> None:
    job = stage.job(path("1.4.0"))
    stage.build("1.5.0")
    assert stage.deploy().moved == {job}


def test_two_versions_in_one_job_both_move(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    job = stage.job(path("1.3.0"), path("1.4.0"), path("1.4.0"))
    stage.build("1.5.0")
    assert stage.deploy().moved == {job}
    assert stage.version_of(job) == ["1.5.0"] * 3


def test_bundle_jobs_stay_unless_the_environment_moves_them(stage: Stage) -> None:
    stage.publish("1.4.0")
    deployment = {"kind": "BUNDLE", "metadata_file_path": "/Workspace/x/metadata.json"}
    bundle = stage.job(path("1.4.0"), deployment=deployment)
    system = stage.job(path("1.4.0"), deployment={"kind": "SYSTEM_MANAGED"})
    stage.build("1.5.0")
    assert stage.deploy().reasons == {bundle: "owned-by-bundle", system: "system-managed"}
    moved = stage.deploy(owned="move")
    assert moved.moved == {bundle}
    assert moved.reasons == {system: "system-managed"}


def test_a_workspace_folder_is_a_root_too_and_its_aliases_are_the_same_folder(stage: Stage) -> None:
    root = "/Workspace/Users/deployer@example.com/released"
    stage.publish("1.4.0", root=root)
    job = stage.job(path("1.4.0", root.removeprefix("/Workspace")))
    stage.build("1.5.0")
    assert stage.deploy(root=root).moved == {job}
    after = stage.workspace.job(job)["tasks"][0]["libraries"][0]["whl"]
    assert after == path("1.5.0", root.removeprefix("/Workspace"))
    assert f"{root}/{NAME}-1.5.0-py3-none-any.whl" in stage.workspace.files()


def test_a_root_that_is_missing_is_announced_by_the_plan_and_made_by_the_deployment(
    stage: Stage,
) -> None:
    root = f"{ROOT}/new/folder"
    job = stage.job(path("1.4.0", root))
    stage.build("1.5.0")
    planned = stage.plan(root=root)
    assert any("does not exist yet" in one for one in planned.document["warnings"])
    assert stage.deploy(root=root).moved == {job}
    assert path("1.5.0", root) in stage.workspace.files()


def test_a_root_that_everybody_may_write_gets_a_warning(stage: Stage) -> None:
    root = "/Workspace/Shared/libraries"
    stage.workspace.make_folder(root)
    stage.build("1.5.0")
    assert any("Everybody may write" in one for one in stage.plan(root=root).document["warnings"])


UPLOAD, UPDATE = ("PUT", "*/fs/files/*.whl"), ("POST", "*/jobs/update")
BREAKS: tuple[tuple[FaultKind, tuple[str, str]], ...] = (
    ("reset-before", UPLOAD),
    ("reset-after", UPLOAD),
    ("html", UPLOAD),
    ("reset-before", UPDATE),
    ("reset-after", UPDATE),
    ("truncate", UPDATE),  # an upload's answer has no body that could be cut
    ("html", UPDATE),
)


@pytest.mark.parametrize(("kind", "where"), BREAKS)
def test_a_call_that_breaks_is_repeated_and_the_run_ends_as_if_it_had_not(
    stage: Stage, kind: FaultKind, where: tuple[str, str]
) -> None:
    stage.publish("1.3.0", "1.4.0")
    job = stage.job(path("1.4.0"))
    method, pattern = where
    stage.workspace.set_faults([Fault(kind=kind, method=method, path=pattern)])
    stage.build("1.5.0")
    ended = stage.deploy()
    assert ended.code == 0
    assert ended.moved == {job}
    assert stage.stored() == {"1.4.0", "1.5.0"}
    assert ended.document["api"]["retries"] >= 1
