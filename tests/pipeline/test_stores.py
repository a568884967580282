"""Where libraries live, through the whole story: DBFS only when it was chosen, and what is not there."""

from __future__ import annotations

import pytest

from sandbox.faults import Fault
from tests.pipeline.stage import ROOT, Ended, Stage, path

DBFS = "dbfs:/libs/released"
WRITES = ("POST", "PUT", "DELETE", "PATCH")


def writes(stage: Stage) -> list[str]:
    return [one.path for one in stage.workspace.calls() if one.method in WRITES]


@pytest.mark.parametrize("root", [DBFS, "/dbfs/libs/released/"])
def test_a_library_in_dbfs_is_deployed_when_that_was_chosen(stage: Stage, root: str) -> None:
    stage.publish("1.3.0", "1.4.0", root=DBFS)
    by_scheme = stage.job(path("1.4.0", root=DBFS))
    by_mount = stage.job(path("1.4.0", root="/dbfs/libs/released"))
    stage.build("1.5.0")
    ended = stage.deploy(root=root, allow_dbfs="true")
    assert (ended.code, ended.moved) == (0, {by_scheme, by_mount})
    assert stage.version_of(by_scheme) == stage.version_of(by_mount) == ["1.5.0"]
    # The new place is spelled as the old one was.
    libraries = stage.workspace.job(by_mount)["tasks"][0]["libraries"]
    assert libraries == [{"whl": path("1.5.0", root="/dbfs/libs/released")}]
    assert stage.files() == {path(each, root=DBFS) for each in ("1.4.0", "1.5.0")}
    assert any("Everybody may write to the root dbfs:/libs" in one for one in warnings(ended))
    again = stage.deploy(root=root, allow_dbfs="true")
    assert again.outputs["outcome"] == "nothing-to-do"
    back = stage.run("rollback", None, root=root, allow_dbfs="true")
    assert (back.code, back.moved) == (0, {by_scheme, by_mount})
    libraries = stage.workspace.job(by_mount)["tasks"][0]["libraries"]
    assert libraries == [{"whl": path("1.4.0", root="/dbfs/libs/released")}]


def warnings(ended: Ended) -> list[str]:
    return [str(one) for one in ended.document["warnings"]]


def test_a_plan_warns_of_dbfs_before_the_root_is_there(stage: Stage) -> None:
    stage.build("1.5.0")
    ended = stage.plan(root=DBFS, allow_dbfs="true")
    assert ended.code == 0
    assert any("does not exist yet" in one for one in warnings(ended))
    assert any("Everybody may write" in one for one in warnings(ended))
    assert writes(stage) == []


@pytest.mark.parametrize("mode", ["plan", "deploy", "cleanup"])
def test_dbfs_that_was_not_chosen_is_no_root(stage: Stage, mode: str) -> None:
    stage.build("1.5.0")
    ended = stage.run(mode, None, wheel="dist/*.whl", root=DBFS)
    assert (ended.code, ended.outputs["failure-reason"]) == (2, "root-not-allowed")
    assert "allow-dbfs: true" in ended.document["failure"]["remedy"]
    assert writes(stage) == []


def test_an_upload_elsewhere_asks_the_same_question(stage: Stage) -> None:
    stage.build("1.5.0")
    refused = stage.run("upload", None, wheel="dist/*.whl", folder=DBFS)
    assert refused.outputs["failure-reason"] == "root-not-allowed"
    ended = stage.run("upload", None, wheel="dist/*.whl", folder=DBFS, allow_dbfs="true")
    assert ended.code == 0
    assert set(stage.workspace.files()) == {path("1.5.0", root=DBFS)}


def test_a_workspace_without_dbfs_says_so(stage: Stage) -> None:
    stage.workspace.behave(dbfs="disabled")
    stage.build("1.5.0")
    ended = stage.deploy(root=DBFS, allow_dbfs="true")
    assert (ended.code, ended.outputs["failure-reason"]) == (2, "root-not-allowed")
    assert "turned off" in ended.document["failure"]["title"]
    assert "allow-dbfs" not in ended.document["failure"]["remedy"]


@pytest.mark.parametrize("mode", ["plan", "deploy"])
def test_a_volume_that_is_not_there_is_told_and_nothing_is_written(stage: Stage, mode: str) -> None:
    stage.build("1.5.0")
    job = stage.job(path("1.4.0"))
    ended = stage.run(mode, None, wheel="dist/*.whl", root="/Volumes/main/nowhere/released")
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "root-unavailable")
    assert "main/nowhere/released" in ended.document["failure"]["detail"]
    assert writes(stage) == []
    assert stage.version_of(job) == ["1.4.0"]


@pytest.mark.parametrize("status", [413, 507])
@pytest.mark.parametrize(
    ("full_for", "reason"), [("*/fs/files/*.whl", "upload-failed"), ("*/fs/files/*", "api-error")]
)
def test_a_full_volume_fails_the_first_write_and_no_job_moves(
    stage: Stage, status: int, full_for: str, reason: str
) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    stage.build("1.5.0")
    full = Fault(kind="status", method="PUT", path=full_for, times=0, status=status, error_code="")
    stage.workspace.set_faults([full])
    ended = stage.deploy()
    assert (ended.code, ended.outputs["failure-reason"]) == (1, reason)
    assert "no job was touched" in ended.document["failure"]["title"]
    assert stage.version_of(job) == ["1.4.0"]
    assert stage.stored() == {"1.4.0"}


def test_a_volume_that_may_only_be_read_is_told_with_the_right_that_is_missing(
    stage: Stage,
) -> None:
    stage.publish("1.4.0")
    stage.workspace.deny(stage.workspace.options.user, ROOT, keep="READ_VOLUME")
    stage.build("1.5.0")
    ended = stage.deploy()
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "permission-denied")
    assert "WRITE VOLUME" in ended.document["failure"]["remedy"]
    assert "no job was touched" in ended.document["failure"]["title"]
    assert stage.stored() == {"1.4.0"}
