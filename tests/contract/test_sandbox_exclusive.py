"""Exclusive creates of the embedded workspace under each value of ``exclusive_create``: facts C."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from functools import partial

import pytest
import requests

from sandbox.server import Sandbox
from tests.workspace import call

WORKSPACE_LOCK = "/Workspace/Shared/lock"
VOLUME_LOCK = "/Volumes/main/default/libs/lock"
DBFS_LOCK = "dbfs:/a/lock"
FS, DBFS = "/api/2.0/fs", "/api/2.0/dbfs"

Create = Callable[[Sandbox, bytes], Callable[[], requests.Response]]
"""Makes everything ready to create the file with this content; what it returns does it, in one call."""


def import_file(sandbox: Sandbox, content: bytes) -> Callable[[], requests.Response]:
    path = f"/api/2.0/workspace-files/import-file{WORKSPACE_LOCK}"
    return partial(call, sandbox, "POST", path, params={"overwrite": "false"}, data=content)


def workspace_import(sandbox: Sandbox, content: bytes) -> Callable[[], requests.Response]:
    body = {"path": WORKSPACE_LOCK, "content": encoded(content), "format": "RAW"}
    return partial(call, sandbox, "POST", "/api/2.0/workspace/import", json=body)


def put_to_volume(sandbox: Sandbox, content: bytes) -> Callable[[], requests.Response]:
    query = {"overwrite": "false"}
    return partial(call, sandbox, "PUT", f"{FS}/files{VOLUME_LOCK}", params=query, data=content)


def upload_in_parts(sandbox: Sandbox, content: bytes) -> Callable[[], requests.Response]:
    target = f"{FS}/files{VOLUME_LOCK}"
    begin = {"action": "initiate-upload", "overwrite": "false"}
    begun = call(sandbox, "POST", target, params=begin).json()
    token = begun["multipart_upload"]["session_token"]
    wanted = {
        "path": VOLUME_LOCK,
        "session_token": token,
        "start_part_number": 1,
        "count": 1,
        "expire_time": "2100-01-01T00:00:00Z",
    }
    answer = call(sandbox, "POST", f"{FS}/create-upload-part-urls", json=wanted).json()
    (where,) = answer["upload_part_urls"]
    headers = {each["name"]: each["value"] for each in where["headers"]}
    with requests.Session() as session:
        session.trust_env = False
        tag = session.put(where["url"], data=content, headers=headers, timeout=30).headers["ETag"]
    query = {"action": "complete-upload", "upload_type": "multipart", "session_token": token}
    parts = {"parts": [{"part_number": 1, "etag": tag}]}
    return partial(call, sandbox, "POST", target, params=query, json=parts)


def put_to_dbfs(sandbox: Sandbox, content: bytes) -> Callable[[], requests.Response]:
    body = {"path": "/a/lock", "contents": encoded(content)}
    return partial(call, sandbox, "POST", f"{DBFS}/put", json=body)


def move_in_dbfs(sandbox: Sandbox, content: bytes) -> Callable[[], requests.Response]:
    aside = f"/a/aside-{content.decode()}"
    body = {"path": aside, "contents": encoded(content), "overwrite": True}
    assert call(sandbox, "POST", f"{DBFS}/put", json=body).ok
    move = {"source_path": aside, "destination_path": "/a/lock"}
    return partial(call, sandbox, "POST", f"{DBFS}/move", json=move)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


EACH_WAY = pytest.mark.parametrize(
    ("create", "file"),
    [
        (import_file, WORKSPACE_LOCK),
        (workspace_import, WORKSPACE_LOCK),
        (put_to_volume, VOLUME_LOCK),
        (upload_in_parts, VOLUME_LOCK),
        (put_to_dbfs, DBFS_LOCK),
        (move_in_dbfs, DBFS_LOCK),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)


@pytest.fixture(autouse=True)
def volume(workspace: Sandbox) -> None:
    workspace.add_volume("main.default.libs")


def at_once(sandbox: Sandbox, create: Create, *contents: bytes) -> dict[bytes, bool]:
    """Which of several creates succeeded that were sent together, by content."""
    steps = {content: create(sandbox, content) for content in contents}
    together = threading.Barrier(len(steps))
    succeeded: dict[bytes, bool] = {}

    def send(content: bytes) -> None:
        together.wait(timeout=60)
        succeeded[content] = steps[content]().ok

    threads = [threading.Thread(target=send, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return succeeded


@EACH_WAY
def test_of_atomic_creates_at_once_exactly_one_succeeds(
    workspace: Sandbox, create: Create, file: str
) -> None:
    succeeded = at_once(workspace, create, b"one", b"two", b"three")
    (winner,) = [content for content, done in succeeded.items() if done]
    assert workspace.file(file) == winner


@EACH_WAY
def test_racy_creates_in_one_gap_all_succeed_and_the_last_one_wins(
    workspace: Sandbox, create: Create, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.behave(exclusive_create="racy")
    # Nobody leaves the gap before both are in it.
    in_the_gap = threading.Barrier(2, timeout=60)
    monkeypatch.setattr(workspace._workspace, "gap", in_the_gap.wait)
    assert at_once(workspace, create, b"one", b"two") == {b"one": True, b"two": True}
    assert workspace.file(file) in (b"one", b"two")
    assert [path for path in workspace.files() if "aside" in path] == []


def test_the_gap_of_a_racy_create_is_as_long_as_it_says(workspace: Sandbox) -> None:
    workspace.behave(exclusive_create="racy", create_gap_ms=1000)
    assert all(at_once(workspace, import_file, b"one", b"two").values())


@EACH_WAY
def test_a_racy_create_writes_over_what_came_in_its_gap(
    workspace: Sandbox, create: Create, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.behave(exclusive_create="racy")

    def somebody_else() -> None:
        # Another thread, so that a lock that were held in the gap would show.
        other = threading.Thread(target=workspace.put_file, args=(file, b"theirs"))
        other.start()
        other.join(timeout=20)
        assert not other.is_alive()

    monkeypatch.setattr(workspace._workspace, "gap", somebody_else)
    assert create(workspace, b"ours")().ok
    assert workspace.file(file) == b"ours"


@EACH_WAY
@pytest.mark.parametrize("style", ["atomic", "racy"])
def test_a_create_that_begins_after_another_ended_is_refused(
    workspace: Sandbox, create: Create, file: str, style: str
) -> None:
    workspace.behave(exclusive_create=style)
    assert create(workspace, b"one")().ok
    refused = create(workspace, b"two")()
    assert "ALREADY_EXISTS" in refused.json()["error_code"]
    assert workspace.file(file) == b"one"


@EACH_WAY
def test_when_exclusive_is_ignored_the_last_writer_always_wins(
    workspace: Sandbox, create: Create, file: str
) -> None:
    workspace.behave(exclusive_create="ignored")
    assert create(workspace, b"one")().ok
    assert create(workspace, b"two")().ok
    assert workspace.file(file) == b"two"


def test_a_folder_is_in_the_way_of_every_create(workspace: Sandbox) -> None:
    for style in ("atomic", "racy", "ignored"):
        workspace.behave(exclusive_create=style)
        call(workspace, "POST", f"{DBFS}/mkdirs", json={"path": "/a/lock"})
        call(workspace, "PUT", f"{FS}/directories{VOLUME_LOCK}")
        workspace.make_folder(WORKSPACE_LOCK)
        for create in (import_file, put_to_volume, put_to_dbfs):
            assert not create(workspace, b"x")().ok
        assert workspace.files() == {}


def test_a_file_is_never_moved_onto_itself(workspace: Sandbox) -> None:
    workspace.behave(exclusive_create="ignored")
    assert put_to_dbfs(workspace, b"x")().ok
    move = {"source_path": "/a/lock", "destination_path": "/a/lock"}
    assert not call(workspace, "POST", f"{DBFS}/move", json=move).ok
    assert workspace.file(DBFS_LOCK) == b"x"
