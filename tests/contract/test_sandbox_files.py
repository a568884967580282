"""The embedded workspace plays workspace files and volumes: facts A2, B4, C and D."""

import base64
import hashlib
import io
import threading
from urllib.parse import quote

import pytest
import requests
from databricks.sdk.errors import AlreadyExists, NotFound, PermissionDenied
from databricks.sdk.service.catalog import VolumeType
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, ObjectType

from sandbox.options import MIB, Behaviour
from sandbox.server import Sandbox
from tests.workspace import call, running_workspace, sdk_client

IMPORT = "/api/2.0/workspace-files/import-file"
WHEEL = "/Workspace/Shared/libs/pkg-1.0.0+local.1-py3-none-any.whl"
VOLUME = "/Volumes/main/default/libs"


def put(
    workspace: Sandbox,
    path: str,
    content: bytes = b"bytes",
    *,
    overwrite: bool = False,
    token: str | None = None,
) -> requests.Response:
    return call(
        workspace,
        "POST",
        f"{IMPORT}/{quote(path.lstrip('/'), safe='')}",
        params={"overwrite": str(overwrite).lower()},
        data=content,
        token=token,
    )


def told(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def status(workspace: Sandbox, path: str) -> requests.Response:
    return call(workspace, "GET", "/api/2.0/workspace/get-status", params={"path": path})


class TestImportFile:
    def test_it_writes_what_get_status_then_measures(self, workspace: Sandbox) -> None:
        workspace.make_folder("/Workspace/Shared/libs")
        assert put(workspace, WHEEL, b"12345").status_code == 200
        with sdk_client(workspace) as client:
            info = client.workspace.get_status(WHEEL)
            assert (info.size, info.object_type, info.path) == (5, ObjectType.FILE, WHEEL)
            assert info.object_id
            assert info.modified_at
            assert client.workspace.download(WHEEL).read() == b"12345"

    def test_slashes_in_the_address_may_be_escaped_or_not(self, workspace: Sandbox) -> None:
        for path in ("Workspace%2FShared%2Fa.txt", "Workspace/Shared/b.txt", "/Shared/c.txt"):
            assert call(workspace, "POST", f"{IMPORT}/{path}", data=b"x").status_code == 200
        assert list(workspace.files()) == [f"/Workspace/Shared/{name}.txt" for name in "abc"]

    def test_a_missing_folder_is_404_until_it_is_made(self, workspace: Sandbox) -> None:
        assert told(put(workspace, WHEEL)) == (404, "RESOURCE_DOES_NOT_EXIST")
        with sdk_client(workspace) as client:
            client.workspace.mkdirs("/Workspace/Shared/libs")
        assert put(workspace, WHEEL).status_code == 200

    def test_an_existing_file_is_409_unless_overwritten(self, workspace: Sandbox) -> None:
        workspace.put_file(WHEEL, b"old")
        before = status(workspace, WHEEL).json()
        assert put(workspace, WHEEL, b"new").status_code == 409
        assert workspace.file(WHEEL) == b"old"
        assert put(workspace, WHEEL, b"newer", overwrite=True).status_code == 200
        assert workspace.file(WHEEL) == b"newer"
        assert status(workspace, WHEEL).json()["object_id"] == before["object_id"]

    def test_of_many_exclusive_creates_one_wins(self, workspace: Sandbox) -> None:
        results: list[int] = []

        def create(number: int) -> None:
            results.append(put(workspace, "/Shared/lock", str(number).encode()).status_code)

        threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == [200] + [409] * 7

    def test_the_naive_switch_lets_the_last_writer_win(self, workspace: Sandbox) -> None:
        workspace.behave(exclusive_create="ignored", parents="created")
        assert put(workspace, WHEEL, b"one").status_code == 200
        assert put(workspace, WHEEL, b"two").status_code == 200
        assert workspace.file(WHEEL) == b"two"

    def test_a_notebook_in_the_way_is_400_without_a_code(self, workspace: Sandbox) -> None:
        workspace.put_notebook("/Shared/etl")
        answer = put(workspace, "/Shared/etl", overwrite=True)
        assert answer.status_code == 400
        assert "error_code" not in answer.json()
        assert answer.json()["message"] == "Path (/Shared/etl) already exists."

    def test_without_write_permission_it_is_403(self, workspace: Sandbox) -> None:
        token = workspace.add_user("guest@example.com")
        workspace.make_folder("/Workspace/Deploy/libs")
        workspace.grant("guest@example.com", "/Workspace/Deploy", "CAN_READ")
        path = "/Workspace/Deploy/libs/x.whl"
        assert told(put(workspace, path, token=token)) == (403, "PERMISSION_DENIED")
        workspace.grant("guest@example.com", "/Workspace/Deploy", "CAN_MANAGE")
        assert put(workspace, path, token=token).status_code == 200

    def test_the_size_limit_is_kept(self) -> None:
        behaviour = Behaviour(import_file_limit=2 * MIB)
        with running_workspace(behaviour=behaviour) as workspace:
            assert put(workspace, "/Shared/a", b"x" * 2 * MIB).status_code == 200
            answer = put(workspace, "/Shared/b", b"x" * (2 * MIB + 1))
            assert told(answer) == (400, "MAX_NOTEBOOK_SIZE_EXCEEDED")
            assert list(workspace.files()) == ["/Workspace/Shared/a"]

    def test_a_file_of_many_pieces_comes_back_whole(self, workspace: Sandbox) -> None:
        content = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 400
        put(workspace, "/Shared/big", content)
        assert workspace.file("/Shared/big") == content

    def test_a_body_without_length_arrives_too(self, workspace: Sandbox) -> None:
        parts = (b"x" * 700_000 for _ in range(3))
        answer = call(workspace, "POST", f"{IMPORT}/Shared/chunked", data=parts)
        assert answer.status_code == 200
        assert workspace.files() == {"/Workspace/Shared/chunked": 2_100_000}


class TestImportAndExport:
    def import_(self, workspace: Sandbox, **fields: object) -> requests.Response:
        body = {"content": base64.b64encode(b"text").decode(), **fields}
        return call(workspace, "POST", "/api/2.0/workspace/import", json=body)

    def test_the_official_client_uploads_a_form(self, workspace: Sandbox) -> None:
        with sdk_client(workspace) as client:
            client.workspace.upload("/Shared/a.whl", io.BytesIO(b"abc"), format=ImportFormat.AUTO)
        assert workspace.file("/Shared/a.whl") == b"abc"

    def test_more_than_ten_megabytes_are_refused_both_ways(self, workspace: Sandbox) -> None:
        big = base64.b64encode(b"x" * (10 * MIB + 1)).decode()
        answer = self.import_(workspace, path="/Shared/a", format="AUTO", content=big)
        assert told(answer) == (400, "MAX_NOTEBOOK_SIZE_EXCEEDED")
        workspace.put_file("/Shared/b", b"x" * (10 * MIB + 1))
        answer = call(workspace, "GET", "/api/2.0/workspace/export", params={"path": "/Shared/b"})
        assert told(answer) == (400, "MAX_NOTEBOOK_SIZE_EXCEEDED")

    def test_the_format_defaults_to_source_which_is_not_for_wheels(
        self, workspace: Sandbox
    ) -> None:
        assert told(self.import_(workspace, path="/Shared/a.whl")) == (
            400,
            "INVALID_PARAMETER_VALUE",
        )

    def test_a_notebook_loses_its_suffix(self, workspace: Sandbox) -> None:
        source = base64.b64encode(b"# Databricks notebook source\nprint(1)").decode()
        self.import_(workspace, path="/Shared/etl.py", format="AUTO", content=source)
        info = status(workspace, "/Shared/etl").json()
        assert (info["object_type"], info["language"]) == ("NOTEBOOK", "PYTHON")
        assert "size" not in info

    def test_an_existing_path_is_400_here(self, workspace: Sandbox) -> None:
        workspace.put_file("/Shared/a", b"x")
        answer = self.import_(workspace, path="/Shared/a", format="AUTO")
        assert told(answer) == (400, "RESOURCE_ALREADY_EXISTS")

    def test_content_that_is_no_base64_is_refused(self, workspace: Sandbox) -> None:
        answer = self.import_(workspace, path="/Shared/a", format="AUTO", content="%%%")
        assert told(answer) == (400, "INVALID_PARAMETER_VALUE")

    def test_export_gives_base64(self, workspace: Sandbox) -> None:
        workspace.put_file("/Shared/a.txt", b"abc")
        answer = call(
            workspace, "GET", "/api/2.0/workspace/export", params={"path": "/Shared/a.txt"}
        )
        assert base64.b64decode(answer.json()["content"]) == b"abc"

    @pytest.mark.parametrize("form", [None, ExportFormat.SOURCE, ExportFormat.AUTO])
    def test_a_notebook_is_exported_as_its_source(
        self, workspace: Sandbox, form: ExportFormat | None
    ) -> None:
        source = b"# Databricks notebook source\n# MAGIC %pip install x\n"
        workspace.put_notebook("/Users/a@b.c/etl", source)
        with sdk_client(workspace) as client:
            answer = client.workspace.export("/Users/a@b.c/etl", format=form)
        assert answer.content is not None
        assert base64.b64decode(answer.content) == source

    def test_a_format_that_is_not_played_is_refused(self, workspace: Sandbox) -> None:
        workspace.put_notebook("/Shared/etl")
        query = {"path": "/Shared/etl", "format": "HTML"}
        answer = call(workspace, "GET", "/api/2.0/workspace/export", params=query)
        assert told(answer) == (400, "INVALID_PARAMETER_VALUE")


class TestFolders:
    def test_spellings_of_one_path_name_one_object(self, workspace: Sandbox) -> None:
        workspace.put_file("/Users/a@b.c/x.whl", b"x")
        spellings = ("/Users/a@b.c/x.whl", "/Workspace/Users/a@b.c/x.whl", "//Users//a@b.c/x.whl")
        ids = {status(workspace, path).json()["object_id"] for path in spellings}
        assert len(ids) == 1
        workspace.behave(path_aliases=False)
        assert status(workspace, "/Users/a@b.c/x.whl").status_code == 404

    @pytest.mark.parametrize("prefix", ["", "/Workspace"])
    def test_list_answers_in_the_spelling_of_the_question(
        self, workspace: Sandbox, prefix: str
    ) -> None:
        workspace.put_file("/Shared/libs/b.whl", b"x")
        workspace.put_file("/Shared/libs/a/c.whl", b"x")
        with sdk_client(workspace) as client:
            found = list(client.workspace.list(f"{prefix}/Shared/libs"))
        assert [(each.path, each.object_type) for each in found] == [
            (f"{prefix}/Shared/libs/a", ObjectType.DIRECTORY),
            (f"{prefix}/Shared/libs/b.whl", ObjectType.FILE),
        ]

    def test_an_empty_folder_lists_as_an_empty_object(self, workspace: Sandbox) -> None:
        answer = call(workspace, "GET", "/api/2.0/workspace/list", params={"path": "/Shared"})
        assert answer.json() == {}

    def test_what_may_not_be_read_looks_missing(self, workspace: Sandbox) -> None:
        token = workspace.add_user("guest@example.com")
        workspace.put_file("/Workspace/Secret/x.whl", b"x")
        for path in ("/Workspace/Secret", "/Workspace/Nothing"):
            answer = call(
                workspace, "GET", "/api/2.0/workspace/list", params={"path": path}, token=token
            )
            assert told(answer) == (404, "RESOURCE_DOES_NOT_EXIST")
            assert answer.json()["message"] == f"Path ({path}) doesn't exist."

    def test_everybody_writes_to_shared_and_to_the_own_home(self, workspace: Sandbox) -> None:
        token = workspace.add_user("guest@example.com")
        for path in ("/Shared/x", "/Users/guest@example.com/x"):
            assert put(workspace, path, token=token).status_code == 200
        assert put(workspace, "/Users/admin@example.com/x", token=token).status_code == 403

    def test_a_folder_with_content_is_deleted_only_recursively(self, workspace: Sandbox) -> None:
        workspace.put_file("/Shared/libs/a.whl", b"x")
        workspace.put_file("/Shared/libs2/a.whl", b"x")
        answer = call(workspace, "POST", "/api/2.0/workspace/delete", json={"path": "/Shared/libs"})
        assert told(answer) == (400, "DIRECTORY_NOT_EMPTY")
        with sdk_client(workspace) as client:
            client.workspace.delete("/Shared/libs", recursive=True)
            with pytest.raises(NotFound):
                client.workspace.delete("/Shared/libs/a.whl")
        assert list(workspace.files()) == ["/Workspace/Shared/libs2/a.whl"]

    def test_the_naive_switch_deletes_a_full_folder(self, workspace: Sandbox) -> None:
        workspace.put_file("/Shared/libs/a.whl", b"x")
        workspace.behave(delete_guard=False)
        body = {"path": "/Shared/libs"}
        assert call(workspace, "POST", "/api/2.0/workspace/delete", json=body).status_code == 200
        assert workspace.files() == {}

    def test_a_file_on_the_way_stops_mkdirs(self, workspace: Sandbox) -> None:
        workspace.put_file("/Shared/libs", b"x")
        answer = call(
            workspace, "POST", "/api/2.0/workspace/mkdirs", json={"path": "/Shared/libs/a"}
        )
        assert told(answer) == (400, "RESOURCE_ALREADY_EXISTS")

    def test_names_with_wildcards_are_names(self, workspace: Sandbox) -> None:
        for name in ("100%", "a*", "a_b", "axb"):
            workspace.put_file(f"/Shared/{name}/f", b"x")
        workspace.delete_file("/Shared/a*")
        workspace.delete_file("/Shared/a_b")
        assert list(workspace.files()) == ["/Workspace/Shared/100%/f", "/Workspace/Shared/axb/f"]


class TestVolumes:
    def test_the_official_client_uploads_lists_reads_and_deletes(self, workspace: Sandbox) -> None:
        path = f"{VOLUME}/spark/pkg-1.0.0+a.whl"
        with sdk_client(workspace) as client:
            client.volumes.create("main", "default", "libs", VolumeType.MANAGED)
            assert client.volumes.read("main.default.libs").full_name == "main.default.libs"
            with pytest.raises(NotFound):
                client.files.upload(path, io.BytesIO(b"x"))
            client.files.create_directory(f"{VOLUME}/spark")
            client.files.upload(path, io.BytesIO(b"12345"))
            assert client.files.get_metadata(path).content_length == 5
            found = list(client.files.list_directory_contents(f"{VOLUME}/spark"))
            assert [(each.path, each.file_size) for each in found] == [(path, 5)]
            downloaded = client.files.download(path).contents
            assert downloaded is not None
            with downloaded:
                assert downloaded.read() == b"12345"
            client.files.delete(path)
            client.files.delete_directory(f"{VOLUME}/spark")
            with pytest.raises(NotFound):
                client.files.get_directory_metadata(f"{VOLUME}/spark")

    def test_overwrite_false_refuses_and_the_client_has_to_say_it(self, workspace: Sandbox) -> None:
        path = f"{VOLUME}/x.whl"
        workspace.put_file(path, b"old")
        with sdk_client(workspace) as client:
            with pytest.raises(AlreadyExists):
                client.files.upload(path, io.BytesIO(b"new"), overwrite=False)
            assert workspace.file(path) == b"old"
            client.files.upload(path, io.BytesIO(b"new"))
        assert workspace.file(path) == b"new"

    def test_the_volume_has_to_exist(self, workspace: Sandbox) -> None:
        answer = call(workspace, "PUT", f"/api/2.0/fs/files{VOLUME}/x", data=b"x")
        assert told(answer) == (404, "NOT_FOUND")
        assert "Volume 'main.default.libs' does not exist." in answer.json()["message"]

    def test_a_directory_with_content_is_not_deleted(self, workspace: Sandbox) -> None:
        workspace.put_file(f"{VOLUME}/a/x", b"x")
        answer = call(workspace, "DELETE", f"/api/2.0/fs/directories{VOLUME}/a")
        assert answer.status_code == 400
        (detail,) = answer.json()["details"]
        assert detail["reason"] == "FILES_API_DIRECTORY_IS_NOT_EMPTY"

    def test_a_directory_is_listed_page_by_page(self, workspace: Sandbox) -> None:
        for number in range(7):
            workspace.put_file(f"{VOLUME}/f{number}", b"x")
        with sdk_client(workspace) as client:
            found = list(client.files.list_directory_contents(VOLUME, page_size=3))
        assert [each.name for each in found] == [f"f{number}" for number in range(7)]
        assert len(workspace.calls("GET", VOLUME)) == 3

    def test_reading_and_writing_need_privileges(self, workspace: Sandbox) -> None:
        token = workspace.add_user("guest@example.com")
        workspace.put_file(f"{VOLUME}/x", b"x")
        with sdk_client(workspace, token) as client:
            with pytest.raises(PermissionDenied, match="READ VOLUME"):
                client.files.download(f"{VOLUME}/x")
            workspace.grant("guest@example.com", VOLUME, "READ_VOLUME")
            assert client.files.get_metadata(f"{VOLUME}/x").content_length == 1
            with pytest.raises(PermissionDenied, match="WRITE VOLUME"):
                client.files.delete(f"{VOLUME}/x")
            workspace.grant("guest@example.com", VOLUME, "WRITE_VOLUME")
            client.files.delete(f"{VOLUME}/x")

    def test_part_of_a_file_can_be_read(self, workspace: Sandbox) -> None:
        content = bytes(range(256)) * 8192
        workspace.put_file(f"{VOLUME}/x", content)
        path = f"/api/2.0/fs/files{VOLUME}/x"
        answer = call(workspace, "GET", path, headers={"Range": "bytes=1048570-1048580"})
        assert (answer.status_code, answer.content) == (206, content[1048570:1048581])
        answer = call(workspace, "GET", path, headers={"Range": "bytes=2097150-"})
        assert answer.content == content[-2:]
        assert call(workspace, "GET", path, headers={"Range": "bytes=9999999-"}).status_code == 416

    def test_the_size_limit_is_kept(self) -> None:
        with running_workspace(behaviour=Behaviour(volume_limit=10)) as workspace:
            workspace.add_volume("main.default.libs")
            path = f"/api/2.0/fs/files{VOLUME}/x"
            assert call(workspace, "PUT", path, data=b"x" * 11).status_code == 413
            assert call(workspace, "PUT", path, data=b"x" * 10).status_code == 204

    def test_a_workspace_without_large_uploads_knows_no_such_call(self, workspace: Sandbox) -> None:
        workspace.add_volume("main.default.libs")
        workspace.behave(large_uploads="missing")
        path = f"/api/2.0/fs/files{VOLUME}/x?action=initiate-upload"
        assert told(call(workspace, "POST", path)) == (404, "ENDPOINT_NOT_FOUND")

    def test_a_volume_is_made_once(self, workspace: Sandbox) -> None:
        body = {"catalog_name": "main", "schema_name": "default", "name": "libs"}
        path = "/api/2.1/unity-catalog/volumes"
        assert call(workspace, "POST", path, json=body).status_code == 200
        assert told(call(workspace, "POST", path, json=body)) == (409, "ALREADY_EXISTS")
        listed = call(workspace, "GET", path, params={"catalog_name": "main", "schema_name": "x"})
        assert listed.json() == {"volumes": []}

    def test_who_may_write_can_be_asked(self, workspace: Sandbox) -> None:
        workspace.add_volume("main.default.libs")
        workspace.grant("users", VOLUME, "WRITE_VOLUME")
        path = "/api/2.1/unity-catalog/permissions/volume/main.default.libs"
        found = call(workspace, "GET", path).json()["privilege_assignments"]
        assert {"principal": "users", "privileges": ["WRITE_VOLUME"]} in found
