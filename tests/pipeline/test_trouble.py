"""Bad input and trouble: each gets a clear error with a remedy, and nothing is lost."""

from __future__ import annotations

import socket

import pytest

from tests.pipeline.stage import ROOT, Ended, Stage, path

TOKEN = "dapi-a-secret-that-must-not-show"


def failure(ended: Ended) -> tuple[int, str]:
    """Exit code and reason; every failure has a remedy."""
    assert ended.document["failure"]["title"]
    for problem in ended.document["failure"]["problems"] or [ended.document["failure"]]:
        assert problem["remedy"], problem
    return ended.code, ended.document["failure"]["reason"]


def test_no_file_for_the_pattern_lists_what_is_there(stage: Stage) -> None:
    stage.build("1.5.0")
    ended = stage.deploy(wheel="dist/nothing-*.whl")
    assert failure(ended) == (2, "no-library-file")
    assert "retail_metrics-1.5.0" in ended.document["failure"]["detail"]


def test_several_files_for_the_pattern_are_listed(stage: Stage) -> None:
    first = stage.build("1.5.0")
    (first.parent / "other-1.0-py3-none-any.whl").write_bytes(b"")
    ended = stage.deploy()
    assert failure(ended) == (2, "several-library-files")
    assert "other-1.0" in ended.document["failure"]["detail"]


def test_a_file_that_is_no_zip_is_refused_before_anything_is_sent(stage: Stage) -> None:
    stage.build("1.5.0").write_bytes(b"not a zip")
    assert failure(stage.deploy()) == (2, "invalid-library")
    assert {call.method for call in stage.workspace.calls()} <= {"GET", "HEAD"}


def test_a_name_that_disagrees_with_the_metadata_is_refused(stage: Stage) -> None:
    wheel = stage.build("1.5.0")
    wheel.rename(wheel.with_name("retail_metrics-1.6.0-py3-none-any.whl"))
    assert failure(stage.deploy()) == (2, "invalid-library")


def test_all_wrong_inputs_are_told_at_once_with_the_nearest_name(stage: Stage) -> None:
    ended = stage.run("deploy", cleanup="ture", policy="same-mayor", min_age="soon", keep="-1")
    assert failure(ended)[0] == 2
    titles = " ".join(one["title"] for one in ended.document["failure"]["problems"])
    for word in (
        "`cleanup`",
        "`true`",
        "`policy`",
        "`same-major`",
        "`min-age`",
        "`keep`",
        "`root`",
    ):
        assert word in titles, word


def test_problems_of_the_file_and_of_the_workspace_are_told_together(stage: Stage) -> None:
    stage.token = "unknown"
    ended = stage.deploy(wheel="nothing.whl")
    reasons = {one["reason"] for one in ended.document["failure"]["problems"]}
    assert reasons == {"no-library-file", "authentication-failed"}


def test_a_wrong_token_is_an_authentication_failure_that_does_not_show_it(stage: Stage) -> None:
    stage.token = TOKEN
    stage.build("1.5.0")
    ended = stage.deploy()
    assert failure(ended) == (1, "authentication-failed")
    assert TOKEN not in str(ended.document) + ended.summary + ended.printed + str(ended.outputs)


def test_a_dead_host_is_named(stage: Stage) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stage.build("1.5.0")
    ended = stage.deploy(databricks_host=f"http://127.0.0.1:{port}")
    assert failure(ended) == (1, "host-unreachable")
    assert str(port) in str(ended.document["failure"])


def test_a_host_without_https_gets_no_credential(stage: Stage) -> None:
    stage.build("1.5.0")
    assert failure(stage.deploy(databricks_host="http://workspace.example.com")) == (
        2,
        "invalid-input",
    )


@pytest.mark.parametrize(
    "root",
    ["dbfs:/libs", "s3://bucket/libs", "relative", "/", "/Volumes/main", "/Volumes/a/b/c/../d"],
)
def test_a_root_that_can_not_be_one_is_refused(stage: Stage, root: str) -> None:
    stage.build("1.5.0")
    assert failure(stage.deploy(root=root)) == (2, "root-not-allowed")


def test_a_missing_volume_is_named(stage: Stage) -> None:
    stage.build("1.5.0")
    for ended in (
        stage.plan(root="/Volumes/main/libraries/nowhere"),
        stage.deploy(root="/Volumes/main/libraries/nowhere"),
    ):
        assert failure(ended) == (1, "root-unavailable")
        assert "nowhere" in str(ended.document["failure"])


def test_no_right_to_write_the_root_touches_no_job(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    stage.token = stage.workspace.add_user("deployer@example.com")
    stage.workspace.grant("deployer@example.com", job, "CAN_MANAGE")
    stage.workspace.grant("deployer@example.com", ROOT, "READ_VOLUME")
    stage.build("1.5.0")
    assert failure(stage.deploy()) == (1, "permission-denied")
    assert stage.version_of(job) == ["1.4.0"]


def test_a_bug_of_ours_is_still_a_report(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("deployer.planning.make_plan", broken)
    stage.build("1.5.0")
    ended = stage.deploy()
    assert failure(ended) == (70, "internal")
    assert "ZeroDivisionError" in ended.document["failure"]["title"]


def test_a_run_that_is_cancelled_stops_between_two_jobs_and_says_what_is_pending(
    stage: Stage,
) -> None:
    stage.publish("1.3.0", "1.4.0")
    jobs = [stage.job(path("1.4.0")) for _ in range(20)]
    stage.build("1.5.0")
    report = stage.deploy_with(lambda: None, stopped=lambda: any_moved(stage, jobs))
    assert report.outcome == "cancelled"
    assert report.deployment is not None
    done = {one.job_id for one in report.deployment.applied}
    assert done | {one.job_id for one in report.deployment.pending} == set(jobs)
    assert done == {job for job in jobs if stage.version_of(job) == ["1.5.0"]}
    assert 0 < len(done) < 20
    assert stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}
    assert stage.deploy().moved == set(jobs) - done  # a second run finishes the work
    assert stage.stored() == {"1.4.0", "1.5.0"}


def any_moved(stage: Stage, jobs: list[int]) -> bool:
    """Whether the rewiring has begun."""
    return any(stage.version_of(job) == ["1.5.0"] for job in jobs)


def test_a_run_that_is_cancelled_before_the_upload_changes_nothing(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    stage.build("1.5.0")
    report = stage.deploy_with(lambda: None, stopped=lambda: True)
    assert report.outcome == "cancelled"
    assert stage.version_of(job) == ["1.4.0"]
    assert stage.stored() == {"1.4.0"}
