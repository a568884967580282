"""The embedded workspace plays DBFS as the official SDK uses it: facts B5 and C."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
import requests
from databricks.sdk.errors import (
    BadRequest,
    NotFound,
    PermissionDenied,
    ResourceAlreadyExists,
)
from databricks.sdk.errors.base import DatabricksError

from sandbox.options import MIB
from sandbox.server import Sandbox
from tests.workspace import call, running_workspace, sdk_client, workspace

__all__ = ["workspace"]

API = "/api/2.0/dbfs"
BIG = bytes(range(256)) * 10_000 + b"the end"


def post(workspace: Sandbox, verb: str, **body: object) -> requests.Response:
    return call(workspace, "POST", f"{API}/{verb}", json=body)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_the_official_client_writes_and_reads_any_size(workspace: Sandbox) -> None:
    for content in (b"", b"small", BIG, bytes(3 * MIB)):
        with sdk_client(workspace) as client:
            client.dbfs.upload("/libs/x.whl", io.BytesIO(content), overwrite=True)
            assert client.dbfs.get_status("/libs/x.whl").file_size == len(content)
            with client.dbfs.download("/libs/x.whl") as stream:
                assert stream.read() == content
        assert workspace.file("dbfs:/libs/x.whl") == content
        assert workspace.file("/dbfs/libs/x.whl") == content


def test_a_put_takes_one_megabyte_in_json_and_any_size_as_a_form(workspace: Sandbox) -> None:
    assert post(workspace, "put", path="/a", contents=b64(bytes(MIB))).status_code == 200
    answer = post(workspace, "put", path="/b", contents=b64(bytes(MIB + 1)))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MAX_BLOCK_SIZE_EXCEEDED")
    form = call(
        workspace, "POST", f"{API}/put", data={"path": "/b"}, files={"contents": io.BytesIO(BIG)}
    )
    assert form.status_code == 200
    assert workspace.files() == {"dbfs:/a": MIB, "dbfs:/b": len(BIG)}


def test_what_is_there_is_kept_unless_it_is_overwritten(workspace: Sandbox) -> None:
    with sdk_client(workspace) as client:
        client.dbfs.put("/libs/x", contents=b64(b"old"))
        for write in (
            lambda: client.dbfs.put("/libs/x", contents=b64(b"new")),
            lambda: client.dbfs.create("/libs/x"),
            lambda: client.dbfs.mkdirs("/libs/x/below"),
        ):
            with pytest.raises(ResourceAlreadyExists):
                write()
        assert workspace.file("dbfs:/libs/x") == b"old"
        client.dbfs.put("/libs/x", contents=b64(b"new"), overwrite=True)
        assert workspace.file("dbfs:/libs/x") == b"new"
        with pytest.raises(ResourceAlreadyExists):
            client.dbfs.put("/libs", contents=b64(b"a folder is never overwritten"), overwrite=True)


def test_a_file_can_be_seen_while_it_is_written(workspace: Sandbox) -> None:
    with sdk_client(workspace) as client:
        handle = client.dbfs.create("/x").handle
        assert handle is not None
        client.dbfs.add_block(handle, b64(b"half"))
        assert workspace.file("dbfs:/x") == b"half"
        with pytest.raises(BadRequest, match="1 MB"):
            client.dbfs.add_block(handle, b64(bytes(MIB + 1)))
        client.dbfs.close(handle)
    assert post(workspace, "add-block", handle=handle, data=b64(b"late")).status_code == 404
    assert post(workspace, "close", handle=handle).status_code == 404
    assert workspace.file("dbfs:/x") == b"half"


def test_blocks_of_any_size_follow_each_other(workspace: Sandbox) -> None:
    sizes = (1, MIB - 1, 1, MIB, 7, 500_000, MIB)
    blocks = [bytes([number]) * size for number, size in enumerate(sizes)]
    handle = post(workspace, "create", path="/x").json()["handle"]
    for block in blocks:
        assert post(workspace, "add-block", handle=handle, data=b64(block)).status_code == 200
    post(workspace, "close", handle=handle)
    assert workspace.file("dbfs:/x") == b"".join(blocks)


def test_reading_is_bounded_and_ends_with_the_file(workspace: Sandbox) -> None:
    workspace.put_file("dbfs:/x", BIG)

    def read(**query: object) -> requests.Response:
        return call(workspace, "GET", f"{API}/read", params={"path": "/x", **query})

    for offset, length in ((0, 10), (MIB - 3, 7), (len(BIG) - 4, MIB), (len(BIG), 5)):
        found = read(offset=offset, length=length).json()
        data = base64.b64decode(found["data"])
        assert data == BIG[offset : offset + length]
        assert found["bytes_read"] == len(data)
    assert read().json()["bytes_read"] == 512 * 1024
    too_much = read(offset=0, length=MIB + 1)
    assert (too_much.status_code, too_much.json()["error_code"]) == (400, "MAX_READ_SIZE_EXCEEDED")
    assert read(offset=-1).json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_move_never_lands_on_something(workspace: Sandbox) -> None:
    workspace.put_file("dbfs:/a/x", b"x")
    workspace.put_file("dbfs:/b/y", b"y")
    with sdk_client(workspace) as client:
        with pytest.raises(ResourceAlreadyExists):
            client.dbfs.move("/a/x", "/b/y")
        with pytest.raises(NotFound):
            client.dbfs.move("/a/none", "/b/z")
        client.dbfs.move("/a/x", "/b/z")
        assert [each.path for each in client.dbfs.list("/b")] == ["/b/y", "/b/z"]
    assert workspace.file("dbfs:/b/z") == b"x"
    assert "dbfs:/a/x" not in workspace.files()


def test_folders_are_listed_and_deleted(workspace: Sandbox) -> None:
    workspace.put_file("dbfs:/libs/old/x", b"x")
    with sdk_client(workspace) as client:
        client.dbfs.mkdirs("/libs/new")
        found = {each.path: each.is_dir for each in client.dbfs.list("/libs")}
        assert found == {"/libs/old": True, "/libs/new": True}
        assert [each.path for each in client.dbfs.list("/")] == ["/libs"]
        assert [each.file_size for each in client.dbfs.list("/libs/old/x")] == [1]
        with pytest.raises(NotFound):
            list(client.dbfs.list("/nowhere"))
        with pytest.raises(DatabricksError, match="content"):
            client.api_client.do("POST", f"{API}/delete", body={"path": "/libs"})
        client.dbfs.delete("/libs", recursive=True)
    assert workspace.files() == {}


def test_everybody_may_write_and_nobody_where_it_is_turned_off(workspace: Sandbox) -> None:
    token = workspace.add_user("guest@example.com")
    with sdk_client(workspace, token) as client:
        client.dbfs.put("/libs/x", contents=b64(b"x"))
    workspace.behave(dbfs="disabled")
    with sdk_client(workspace) as client, pytest.raises(PermissionDenied, match="DBFS root"):
        client.dbfs.get_status("/libs/x")


def test_volumes_and_the_workspace_have_apis_of_their_own(workspace: Sandbox) -> None:
    workspace.put_file("/Volumes/main/default/libs/x", b"x")
    workspace.put_file("dbfs:/libs/x", b"x")
    query = {"path": "dbfs:/Volumes/main/default/libs/x"}
    assert call(workspace, "GET", f"{API}/get-status", params=query).status_code == 400
    for path in ("dbfs:/libs/x", "/dbfs/libs/x"):
        answer = call(workspace, "GET", "/api/2.0/workspace/get-status", params={"path": path})
        assert answer.status_code == 400


def test_files_in_dbfs_can_be_seeded_and_survive_a_restart(tmp_path: Path) -> None:
    (tmp_path / "seed/files/dbfs/libs").mkdir(parents=True)
    (tmp_path / "seed/files/dbfs/libs/x.whl").write_bytes(b"x")
    for seed in (tmp_path / "seed", None):
        with running_workspace(state=tmp_path / "state", seed=seed) as found:
            assert found.file("dbfs:/libs/x.whl") == b"x"
