"""Records in trouble: exactly one creator of a name, never half of one, and few calls in the usual case."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployer.deployment.ports import AlreadyExists, Denied, LockLost, Records
from deployer.platforms.databricks.connect import connect
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.workspace import DatabricksWorkspace
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.contract.workspace_suite import DBFS, FOLDER, OWN, VOLUME, task
from tests.workspace import workspace

__all__ = ["workspace"]

CREATES = ("*/import-file/*", "*/fs/files/*", "*/dbfs/move")
CONTENT = b'{"owner": "run 7"}'


@pytest.fixture
def found(workspace: Sandbox) -> Iterator[DatabricksWorkspace]:
    with connect(
        host=workspace.url,
        token=workspace.token,
        environ={},
        policy=RetryPolicy(budget_s=20),
        sleep=lambda _: None,
    ) as adapter:
        yield adapter


@pytest.fixture(params=[FOLDER, VOLUME, DBFS])
def records(
    workspace: Sandbox, found: DatabricksWorkspace, request: pytest.FixtureRequest
) -> Records:
    """In a folder that is there already."""
    workspace.add_volume("main.libs.released")
    folder = f"{request.param}/{OWN}"
    workspace.put_file(f"{folder}/0.json", b"{}")
    return found.records(folder, allow_dbfs=True)


def on_creates(kind: str, **more: object) -> list[Fault]:
    return [
        Fault(kind=kind, path=path, method="POST" if "fs/files" not in path else "PUT", **more)  # type: ignore[arg-type]
        for path in CREATES
    ]


@pytest.mark.parametrize("kind", ["reset-after", "reset-before", "truncate", "status", "html"])
def test_a_create_in_doubt_that_was_ours_is_a_success(
    workspace: Sandbox, records: Records, kind: str
) -> None:
    workspace.set_faults(on_creates(kind))
    records.create("1.json", CONTENT)
    assert workspace.file(f"{records.folder}/1.json") == CONTENT
    with pytest.raises(AlreadyExists):
        records.create("1.json", CONTENT)


@pytest.mark.parametrize("kind", ["reset-after", "reset-before"])
@pytest.mark.parametrize(
    "theirs", [b'{"owner": "run 8"}', CONTENT[:-1], b""], ids=["same size", "half", "empty"]
)
def test_a_create_in_doubt_never_takes_anothers_record_for_ours(
    workspace: Sandbox, records: Records, kind: str, theirs: bytes
) -> None:
    path = f"{records.folder}/1.json"
    workspace.put_file(path, theirs)
    workspace.set_faults(on_creates(kind))
    with pytest.raises(AlreadyExists):
        records.create("1.json", CONTENT)
    assert workspace.file(path) == theirs


def test_a_create_without_doubt_does_not_take_an_equal_record_for_ours(
    workspace: Sandbox, records: Records
) -> None:
    workspace.put_file(f"{records.folder}/1.json", CONTENT)
    workspace.set_faults(on_creates("status", status=429))
    with pytest.raises(AlreadyExists):
        records.create("1.json", CONTENT)


def test_a_create_in_a_folder_that_is_there_is_one_upload_and_one_look_at_its_size(
    workspace: Sandbox, found: DatabricksWorkspace
) -> None:
    for root, upload, look in (
        (FOLDER, ("POST", "import-file"), ("GET", "get-status")),
        (VOLUME, ("PUT", "files"), ("HEAD", "files")),
    ):
        workspace.put_file(f"{root}/{OWN}/0.json", b"{}")
        workspace.forget_calls()
        found.records(f"{root}/{OWN}").create("1.json", CONTENT)
        calls = [(call.method, call.path) for call in workspace.calls()]
        assert [method for method, _ in calls] == [upload[0], look[0]]
        assert all(word in path for (_, path), (_, word) in zip(calls, (upload, look), strict=True))


def test_the_folder_is_made_in_spite_of_trouble(
    workspace: Sandbox, found: DatabricksWorkspace
) -> None:
    workspace.add_volume("main.libs.released")
    for root in (FOLDER, VOLUME, DBFS):
        workspace.set_faults(
            [
                Fault(kind="reset-after", path="*/mkdirs", method="POST"),
                Fault(kind="reset-after", path="*/fs/directories/*", method="PUT"),
                *on_creates("reset-after", nth=2),
            ]
        )
        records = found.records(f"{root}/{OWN}", allow_dbfs=True)
        records.create("1.json", CONTENT)
        assert records.read("1.json") == CONTENT


@pytest.mark.parametrize("kind", ["truncate", "reset-after", "html"])
def test_a_record_is_read_whole_or_not_at_all(
    workspace: Sandbox, records: Records, kind: str
) -> None:
    content = CONTENT * 5000
    records.create("1.json", content)
    workspace.set_faults(
        [
            Fault(kind=kind, method="GET", path=path, times=2)  # type: ignore[arg-type]
            for path in ("*/workspace/export", "*/fs/files/*", "*/dbfs/read")
        ]
    )
    assert records.read("1.json") == content


def test_a_delete_whose_answer_was_lost_is_a_success(workspace: Sandbox, records: Records) -> None:
    records.create("1.json", CONTENT)
    workspace.set_faults(
        [
            Fault(kind="reset-after", method="POST", path="*/delete"),
            Fault(kind="reset-after", method="DELETE", path="*/fs/files/*"),
        ]
    )
    records.delete("1.json")
    assert records.read("1.json") is None


def test_more_records_than_fit_on_a_page_are_all_listed(
    workspace: Sandbox, records: Records
) -> None:
    for number in range(1, 1005):
        workspace.put_file(f"{records.folder}/{number}.json", b"{}")
    assert len(records.listed()) == 1005


@pytest.mark.parametrize("root", [FOLDER, VOLUME])
def test_a_create_without_the_right_is_denied(workspace: Sandbox, root: str) -> None:
    workspace.put_file(f"{root}/{OWN}/0.json", b"{}")
    token = workspace.add_user("viewer@example.com")
    reading = "READ_VOLUME" if root == VOLUME else "CAN_VIEW"
    workspace.grant("viewer@example.com", root, reading)
    with connect(host=workspace.url, token=token, environ={}, sleep=lambda _: None) as viewer:
        with pytest.raises(Denied):
            viewer.records(f"{root}/{OWN}").create("1.json", CONTENT)
        with pytest.raises(Denied):
            viewer.records(f"{root}/{OWN}/below").create("1.json", CONTENT)
    assert list(workspace.files()) == [f"{root}/{OWN}/0.json"]


def test_the_fence_is_asked_before_each_attempt_over_http(
    workspace: Sandbox, found: DatabricksWorkspace
) -> None:
    job_id = workspace.add_job({"name": "n", "tasks": [task("a")]})
    seen: list[int] = []

    def fence() -> None:
        seen.append(len(workspace.calls("POST", "/jobs/update")))

    workspace.set_faults([Fault(kind="status", path="*/jobs/update", times=2, status=503)])
    found.fenced_by(fence).jobs.update(job_id, {"name": "moved"})
    assert seen == [0, 1, 2]
    assert workspace.job(job_id)["name"] == "moved"


def test_a_lock_that_is_lost_while_an_answer_is_lost_leaves_a_doubt(
    workspace: Sandbox, found: DatabricksWorkspace
) -> None:
    job_id = workspace.add_job({"name": "n", "tasks": [task("a")]})

    def fence() -> None:
        if workspace.job(job_id)["name"] == "moved":
            raise LockLost

    workspace.set_faults([Fault(kind="reset-after", path="*/jobs/update")])
    with pytest.raises(LockLost) as raised:
        found.fenced_by(fence).jobs.update(job_id, {"name": "moved"})
    assert raised.value.doubtful is True
    assert len(workspace.calls("POST", "/jobs/update")) == 1
