"""The adapter in trouble: the embedded workspace fails in every way it knows, and nothing is lost."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deployer.deployment.ports import AlreadyExists, Denied, NotFound, Unavailable
from deployer.errors import DeployError, FailureReason
from deployer.platforms.databricks.connect import connect
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.workspace import DatabricksWorkspace
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.contract.workspace_suite import FOLDER, VOLUME, task
from tests.workspace import workspace

__all__ = ["workspace"]

WHEEL = b"PK these are the bytes of a wheel"
ROOTS = pytest.mark.parametrize("root", [FOLDER, VOLUME])
UPLOADS = "*/import-file/*", "*/fs/files/*"


@contextmanager
def adapter(
    sandbox: Sandbox, token: str | None = None, policy: RetryPolicy | None = None
) -> Iterator[DatabricksWorkspace]:
    with connect(
        host=sandbox.url,
        token=token or sandbox.token,
        environ={},
        policy=policy,
        sleep=lambda _: None,
    ) as found:
        yield found


def faults_on_uploads(**fault: object) -> list[Fault]:
    return [Fault(path=path, **fault) for path in UPLOADS]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", path="*/jobs/*", times=3, status=503),
        Fault(kind="status", path="*/jobs/*", times=3, status=429, retry_after="1"),
        Fault(kind="status", path="*/jobs/*", times=3, status=500),
        Fault(kind="html", path="*/jobs/*", times=3, status=502),
        Fault(kind="reset-before", path="*/jobs/*", times=3),
        Fault(kind="reset-after", path="*/jobs/*", times=3),
        Fault(kind="truncate", path="*/jobs/*", times=3),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_reads_and_writes_of_jobs_survive_trouble(workspace: Sandbox, fault: Fault) -> None:
    job_id = workspace.add_job({"name": "n", "tasks": [task("a")]})
    with adapter(workspace) as found:
        workspace.set_faults([fault])
        assert [job.job_id for job in found.jobs.all_jobs()] == [job_id]
        workspace.set_faults([fault])
        found.jobs.update(job_id, {"name": "moved"})
        workspace.set_faults([fault])
        found.jobs.reset(job_id, {"name": "again", "tasks": [task("a")]})
        calls, retries, _ = found.calls()
    assert workspace.job(job_id)["name"] == "again"
    # A garbled answer counts as trouble too; all of the nine were retried.
    assert (calls, retries) == (12, 9)


@ROOTS
def test_an_upload_whose_answer_was_lost_is_a_success(workspace: Sandbox, root: str) -> None:
    workspace.add_volume("main.libs.released")
    with adapter(workspace) as found:
        store = found.store(root)
        store.create_root()
        workspace.set_faults(faults_on_uploads(kind="reset-after", method="*"))
        store.upload(f"{root}/a.whl", io.BytesIO(WHEEL), len(WHEEL))
    assert workspace.file(f"{root}/a.whl") == WHEEL


@ROOTS
def test_an_upload_that_did_not_arrive_is_sent_whole_again(workspace: Sandbox, root: str) -> None:
    workspace.add_volume("main.libs.released")
    content = bytes(range(256)) * 10_000
    with adapter(workspace) as found:
        store = found.store(root)
        store.create_root()
        workspace.set_faults(faults_on_uploads(kind="status", times=2))
        store.upload(f"{root}/a.whl", io.BytesIO(content), len(content))
    assert workspace.file(f"{root}/a.whl") == content


@ROOTS
@pytest.mark.parametrize(
    "theirs", [b"x" * len(WHEEL), b"another size"], ids=["same size", "another size"]
)
def test_a_file_of_somebody_else_is_never_taken_for_ours(
    workspace: Sandbox, root: str, theirs: bytes
) -> None:
    path = f"{root}/a.whl"
    workspace.put_file(path, theirs)
    with adapter(workspace) as found:
        workspace.set_faults(faults_on_uploads(kind="reset-before"))
        with pytest.raises(AlreadyExists):
            found.store(root).upload(path, io.BytesIO(WHEEL), len(WHEEL))
    assert workspace.file(path) == theirs


@ROOTS
def test_a_delete_whose_answer_was_lost_is_a_success(workspace: Sandbox, root: str) -> None:
    workspace.put_file(f"{root}/a.whl", WHEEL)
    with adapter(workspace) as found:
        workspace.set_faults(
            [
                Fault(kind="reset-after", path="*/workspace/delete"),
                Fault(kind="reset-after", path="*/fs/files/*", method="DELETE"),
            ]
        )
        found.store(root).delete(f"{root}/a.whl")
    assert f"{root}/a.whl" not in workspace.files()


@ROOTS
def test_a_hash_is_right_although_the_download_broke_off(workspace: Sandbox, root: str) -> None:
    content = bytes(range(256)) * 20_000
    workspace.put_file(f"{root}/a.whl", content)
    with adapter(workspace) as found:
        store = found.store(root)
        workspace.set_faults(
            [
                Fault(kind="truncate", path="*/workspace/export", times=2),
                Fault(kind="truncate", path="*/fs/files/*", method="GET", times=2),
            ]
        )
        assert store.sha256(f"{root}/a.whl") == hashlib.sha256(content).hexdigest()


def test_a_workspace_that_stays_broken_is_unavailable_within_the_budget(
    workspace: Sandbox,
) -> None:
    with adapter(workspace, policy=RetryPolicy(budget_s=0, base_s=0.01)) as found:
        workspace.set_faults([Fault(kind="status", times=0, message="The service is tired.")])
        with pytest.raises(Unavailable, match="The service is tired"):
            list(found.jobs.all_jobs())


def test_a_wrong_token_is_an_authentication_failure(workspace: Sandbox) -> None:
    with adapter(workspace, token="dapi-wrong") as found, pytest.raises(DeployError) as caught:
        found.identity()
    assert caught.value.reason is FailureReason.AUTHENTICATION_FAILED
    assert "dapi-wrong" not in str(caught.value)
    assert "Config:" not in str(caught.value)


def test_no_call_is_turned_down_when_the_workspace_keeps_its_limits(workspace: Sandbox) -> None:
    job_ids = [workspace.add_job({"name": f"j{i}", "tasks": [task("a")]}) for i in range(14)]
    workspace.set_limits("documented")
    with connect(host=workspace.url, token=workspace.token, environ={}) as found:
        for job_id in job_ids:
            found.jobs.job(job_id)
            found.jobs.job(job_id)
            found.jobs.update(job_id, {"name": "moved"})
    assert {call.status for call in workspace.calls()} == {200}


def test_a_job_that_is_listed_but_not_readable_is_marked(workspace: Sandbox) -> None:
    large = workspace.add_job({"name": "large", "tasks": [task(f"t{i:03}") for i in range(150)]})
    small = workspace.add_job({"name": "small", "tasks": [task("t")]})
    with adapter(workspace) as found:
        workspace.set_faults(
            [
                Fault(
                    kind="status",
                    path="*/jobs/get",
                    times=0,
                    status=403,
                    error_code="PERMISSION_DENIED",
                    message="You can't.",
                )
            ]
        )
        jobs = {job.job_id: job for job in found.jobs.all_jobs()}
    assert not jobs[large].complete
    assert jobs[large].settings["name"] == "large"
    assert jobs[small].complete


def test_a_job_that_goes_while_jobs_are_listed_is_left_out(workspace: Sandbox) -> None:
    workspace.add_job({"name": "large", "tasks": [task(f"t{i:03}") for i in range(150)]})
    small = workspace.add_job({"name": "small", "tasks": [task("t")]})
    with adapter(workspace) as found:
        gone = Fault(
            kind="status",
            path="*/jobs/get",
            times=0,
            status=400,
            error_code="INVALID_PARAMETER_VALUE",
            message="Job 1 does not exist.",
        )
        workspace.set_faults([gone])
        assert [job.job_id for job in found.jobs.all_jobs()] == [small]


def test_small_jobs_cost_no_call_of_their_own(workspace: Sandbox) -> None:
    for i in range(120):
        workspace.add_job({"name": f"j{i}", "tasks": [task("a")]})
    with adapter(workspace) as found:
        assert len(list(found.jobs.all_jobs())) == 120
    assert len(workspace.calls("GET", "/jobs/list")) == 2
    assert workspace.calls("GET", "/jobs/get") == []


@pytest.mark.parametrize("missing_job", [400, 404])
def test_a_missing_job_is_found_missing_under_both_of_its_statuses(
    workspace: Sandbox, missing_job: int
) -> None:
    workspace.behave(missing_job=missing_job)
    with adapter(workspace) as found:
        for call in (
            lambda: found.jobs.job(987654),
            lambda: found.jobs.update(987654, {}),
            lambda: found.jobs.reset(987654, {}),
        ):
            with pytest.raises(NotFound):
                call()


def test_a_level_on_the_job_or_through_a_group_lets_edit(workspace: Sandbox) -> None:
    names = ("owner", "manager", "runner", "member", "other")
    by_user, by_group, by_all = (workspace.add_job({"name": n, "tasks": []}) for n in "abc")
    tokens = {name: workspace.add_user(f"{name}@example.com") for name in names}
    tokens["member"] = workspace.add_user("member@example.com", groups=["releasers"])
    for name, level in (
        ("owner", "IS_OWNER"),
        ("manager", "CAN_MANAGE"),
        ("runner", "CAN_MANAGE_RUN"),
    ):
        workspace.grant(f"{name}@example.com", by_user, level)
    workspace.grant("releasers", by_group, "CAN_MANAGE")
    workspace.grant("users", by_all, "CAN_MANAGE")
    answers = {}
    for name, token in tokens.items():
        with adapter(workspace, token=token) as found:
            who = found.identity()
            answers[name] = [found.jobs.may_edit(job, who) for job in (by_user, by_group, by_all)]
    assert answers == {
        "owner": [True, None, True],
        "manager": [True, None, True],
        "runner": [False, None, True],
        "member": [None, True, True],
        "other": [None, None, True],
    }


def test_what_can_not_be_listed_is_denied_and_not_empty(workspace: Sandbox) -> None:
    with adapter(workspace) as found:
        for path, of in (
            ("*/jobs/runs/list", found.usage.active_runs),
            ("*/libraries/all-cluster-statuses", found.usage.other_users),
            ("*/clusters/list", found.usage.other_users),
            ("*/policies/clusters/list", found.usage.other_users),
            ("*/pipelines", found.usage.other_users),
        ):
            for status in (403, 404, 400):
                workspace.set_faults(
                    [Fault(kind="status", path=path, status=status, error_code="")]
                )
                with pytest.raises(Denied, match="can't be listed"):
                    list(of())


def test_runtimes_that_can_not_be_listed_are_unknown(workspace: Sandbox) -> None:
    workspace.put("clusters", {"cluster_id": "c", "spark_version": "15.4.x-scala2.12"})
    with adapter(workspace) as found:
        assert found.usage.runtimes() == {"c": "15.4.x-scala2.12"}
        workspace.set_faults(
            [Fault(kind="status", path="*/clusters/list", status=403, error_code="")]
        )
        assert found.usage.runtimes() == {}


def test_a_root_whose_rights_can_not_be_read_is_unknown(workspace: Sandbox) -> None:
    workspace.add_volume("main.libs.released")
    workspace.make_folder(FOLDER)
    with adapter(workspace) as found:
        for root in (FOLDER, VOLUME):
            workspace.set_faults(
                [
                    Fault(kind="status", path="*permissions/*", status=403, error_code=""),
                ]
            )
            assert found.store(root).open_to_all() is None


def test_a_root_that_is_to_be_made_in_an_open_folder_is_open(workspace: Sandbox) -> None:
    workspace.make_folder("/Workspace/libs")
    workspace.grant("users", "/Workspace/libs", "CAN_EDIT")
    with adapter(workspace) as found:
        assert found.store("/Workspace/libs/a/b").open_to_all() is True


def test_a_volume_that_may_only_be_read_denies_uploads(workspace: Sandbox) -> None:
    workspace.add_volume("main.libs.released")
    token = workspace.add_user("reader@example.com")
    workspace.grant("reader@example.com", VOLUME, "READ_VOLUME")
    with adapter(workspace, token=token) as found:
        store = found.store(VOLUME)
        assert store.exists()
        with pytest.raises(Denied):
            store.upload(f"{VOLUME}/a.whl", io.BytesIO(WHEEL), len(WHEEL))
