"""Uploads to DBFS: exclusive and never half, although no single call of its API is both."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

import pytest

from deployer.deployment.ports import AlreadyExists, NotFound, Refused, Unavailable
from deployer.errors import DeployError
from deployer.platforms.databricks.connect import connect
from deployer.platforms.databricks.dbfs import BLOCK
from deployer.platforms.databricks.folder_store import FolderStore
from deployer.platforms.databricks.retry import RetryPolicy
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.contract.workspace_suite import DBFS
from tests.workspace import workspace

__all__ = ["workspace"]

PATH = f"{DBFS}/a.whl"
SMALL = b"PK a small wheel"
BIG = b"".join(number.to_bytes(4) * (BLOCK // 4) for number in range(3)) + b"the end"
"""Four blocks, each of which is another."""
BOTH = pytest.mark.parametrize("content", [SMALL, BIG], ids=["small", "big"])


@pytest.fixture
def store(workspace: Sandbox) -> Iterator[FolderStore]:
    with connect(
        host=workspace.url,
        token=workspace.token,
        environ={},
        policy=RetryPolicy(budget_s=20),
        sleep=lambda _: None,
    ) as found:
        there = found.store(DBFS, allow_dbfs=True)
        there.create_root()
        yield there


def send(store: FolderStore, content: bytes) -> None:
    store.upload(PATH, io.BytesIO(content), len(content))


def fails(verb: str, *, kind: str = "reset-after", nth: int = 1, **more: object) -> Fault:
    method = "GET" if verb in ("read", "list", "get-status") else "POST"
    path = f"/api/2.0/dbfs/{verb}"
    return Fault(kind=kind, method=method, path=path, nth=nth, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_a_file_of_any_size_arrives_and_leaves_nothing_beside_it(
    workspace: Sandbox, store: FolderStore, size: int
) -> None:
    stream = io.BytesIO(b"before" + bytes(size))
    stream.seek(6)
    store.upload(PATH, stream, size)
    assert workspace.files() == {PATH: size}
    assert store.sha256(PATH) == hashlib.sha256(bytes(size)).hexdigest()


def test_the_limits_of_the_api_are_kept(workspace: Sandbox) -> None:
    workspace.set_limits("documented")
    with connect(host=workspace.url, token=workspace.token, environ={}) as found:
        there = found.store(DBFS, allow_dbfs=True)
        there.create_root()
        send(there, BIG * 3)
        there.sha256(PATH)
    assert {call.status for call in workspace.calls()} <= {200, 404}


@BOTH
def test_the_file_is_never_half_at_its_path(
    workspace: Sandbox, store: FolderStore, content: bytes
) -> None:
    send(store, content)
    for call in workspace.calls("POST"):
        if call.path.endswith(("/create", "/put")):
            assert call.body["path"].startswith("/libs/released/.spark-deploy/")


@BOTH
def test_an_upload_never_replaces_a_file_and_leaves_nothing(
    workspace: Sandbox, store: FolderStore, content: bytes
) -> None:
    workspace.put_file(PATH, b"theirs")
    with pytest.raises(AlreadyExists):
        send(store, content)
    assert workspace.files() == {PATH: 6}


@pytest.mark.parametrize(
    "fault",
    [
        fails("create"),
        fails("add-block", nth=2),
        fails("add-block", kind="reset-before", nth=2),
        fails("add-block", kind="status", nth=3, status=404, error_code="RESOURCE_DOES_NOT_EXIST"),
        fails("add-block", kind="truncate", nth=2),
        fails("close"),
        fails("close", kind="status", status=404, error_code="RESOURCE_DOES_NOT_EXIST"),
        fails("move"),
        fails("move", kind="status", status=503),
        fails("get-status", kind="status", status=500, nth=2),
    ],
    ids=lambda fault: f"{fault.path.rsplit('/')[-1]}-{fault.kind}-{fault.status}",
)
def test_trouble_in_the_middle_ends_in_the_whole_file(
    workspace: Sandbox, store: FolderStore, fault: Fault
) -> None:
    workspace.set_faults([fault])
    send(store, BIG)
    assert workspace.file(PATH) == BIG
    assert workspace.files() == {PATH: len(BIG)}


def test_a_stream_that_always_breaks_off_gives_up_and_leaves_nothing(
    workspace: Sandbox, store: FolderStore
) -> None:
    lost = fails(
        "add-block", kind="status", nth=2, times=0, status=404, error_code="RESOURCE_DOES_NOT_EXIST"
    )
    workspace.set_faults([lost])
    with pytest.raises(Unavailable, match="3 times"):
        send(store, BIG)
    assert workspace.files() == {}


@pytest.mark.parametrize("verb", ["put", "add-block", "move"])
def test_a_refusal_is_told_and_leaves_nothing(
    workspace: Sandbox, store: FolderStore, verb: str
) -> None:
    refusal = fails(
        verb,
        kind="status",
        times=0,
        status=400,
        error_code="MAX_BLOCK_SIZE_EXCEEDED",
        message="Too large.",
    )
    workspace.set_faults([refusal])
    with pytest.raises(Refused, match="Too large"):
        send(store, SMALL if verb == "put" else BIG)
    assert workspace.files() == {}


def test_an_exception_while_content_is_read_leaves_nothing(
    workspace: Sandbox, store: FolderStore
) -> None:
    class CancelledRun(Exception):
        pass

    class Content(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 2 * BLOCK:
                raise CancelledRun
            return super().read(size)

    with pytest.raises(CancelledRun):
        store.upload(PATH, Content(BIG), len(BIG))
    assert workspace.files() == {}


def test_a_move_in_doubt_does_not_make_a_strangers_file_ours(
    workspace: Sandbox, store: FolderStore
) -> None:
    theirs = BIG[:-1] + b"D"
    workspace.put_file(PATH, theirs)
    workspace.set_faults([fails("move", kind="reset-before")])
    with pytest.raises(AlreadyExists):
        send(store, BIG)
    assert workspace.files() == {PATH: len(theirs)}
    assert workspace.file(PATH) == theirs


def test_a_hash_is_right_although_answers_get_lost(workspace: Sandbox, store: FolderStore) -> None:
    workspace.put_file(PATH, BIG)
    workspace.set_faults([fails("read", nth=2), fails("read", kind="truncate", nth=4)])
    assert store.sha256(PATH) == hashlib.sha256(BIG).hexdigest()


def test_a_root_that_is_a_file_is_said_so(workspace: Sandbox, store: FolderStore) -> None:
    workspace.delete_file(DBFS)
    workspace.put_file(DBFS, b"a file")
    assert not store.exists()
    with pytest.raises(Refused, match="not a folder"):
        store.create_root()
    with pytest.raises(NotFound):
        send(store, SMALL)


def test_a_workspace_without_dbfs_is_told_with_better_places(
    workspace: Sandbox, store: FolderStore
) -> None:
    workspace.behave(dbfs="disabled")
    with pytest.raises(DeployError, match="turned off") as caught:
        store.exists()
    assert "/Volumes/" in caught.value.problem.remedy
