"""The embedded workspace takes large files as the official SDK sends them: facts B5 and C."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from queue import Queue
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import AlreadyExists
from databricks.sdk.errors.base import DatabricksError

from sandbox.faults import Fault, FaultKind
from sandbox.options import MIB
from sandbox.server import Sandbox
from tests.workspace import call, connections, sdk_client, workspace

__all__ = ["workspace"]

VOLUME = "/Volumes/main/default/libs"
PATH = f"{VOLUME}/big.whl"
BIG = b"".join(number.to_bytes(4) * (MIB // 4) for number in range(60)) + b"the end"
FS = "/api/2.0/fs"
PART = b"p" * (5 * MIB)


@pytest.fixture
def volume(workspace: Sandbox) -> Sandbox:
    workspace.add_volume("main.default.libs")
    return workspace


@contextmanager
def client(sandbox: Sandbox) -> Iterator[WorkspaceClient]:
    """The official client, its connections to the storage closed too."""
    with sdk_client(sandbox, retry_timeout_seconds=5) as found, ExitStack() as closing:
        closing.callback(lambda: found.files._cloud_provider_session().close())
        found.files._cloud_provider_session().trust_env = False
        yield found


def initiate(sandbox: Sandbox, *, overwrite: str = "false") -> str:
    query = {"action": "initiate-upload", "overwrite": overwrite}
    answer = call(sandbox, "POST", f"{FS}/files{PATH}", params=query).json()
    (session,) = answer.values()
    return str(session["session_token"])


def soon(**later: int) -> str:
    return (datetime.now(UTC) + timedelta(**(later or {"hours": 1}))).strftime("%Y-%m-%dT%H:%M:%SZ")


def address(sandbox: Sandbox, kind: str, token: str, **more: object) -> dict[str, Any]:
    """The answer to a request for addresses; `kind` is the field that holds them."""
    body = {"path": PATH, "session_token": token, "expire_time": soon(), **more}
    answer = call(sandbox, "POST", f"{FS}/create-{kind.replace('_', '-')}", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()[kind]
    return found[0] if isinstance(found, list) else found  # type: ignore[no-any-return]


def part_address(sandbox: Sandbox, token: str, number: int, **more: object) -> dict[str, Any]:
    more = {"start_part_number": number, "count": 1, **more}
    return address(sandbox, "upload_part_urls", token, **more)


def to_storage(
    method: str, where: dict[str, Any], data: bytes = b"", **headers: str
) -> requests.Response:
    """A request without a credential, with the headers that the address asks for."""
    given = {each["name"]: each["value"] for each in where["headers"]} | headers
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, where["url"], data=data, headers=given, timeout=30)


def complete(sandbox: Sandbox, token: str, *parts: tuple[int, str]) -> requests.Response:
    query = {"action": "complete-upload", "upload_type": "multipart", "session_token": token}
    body = {"parts": [{"part_number": number, "etag": etag} for number, etag in parts]}
    return call(sandbox, "POST", f"{FS}/files{PATH}", params=query, json=body)


class TestTheOfficialClient:
    @pytest.mark.parametrize("way", ["multipart", "resumable", "disabled"])
    @pytest.mark.parametrize("parallel", [True, False])
    def test_it_uploads_sixty_megabytes(self, volume: Sandbox, way: str, *, parallel: bool) -> None:
        volume.behave(large_uploads=way)
        with client(volume) as found:
            found.files.upload(PATH, io.BytesIO(BIG), overwrite=False, use_parallel=parallel)
        assert hashlib.sha256(volume.file(PATH)).digest() == hashlib.sha256(BIG).digest()

    def test_it_keeps_to_the_limits(self, volume: Sandbox) -> None:
        volume.set_limits("documented")
        with client(volume) as found:
            found.files.upload(PATH, io.BytesIO(BIG), overwrite=False)
        assert {one.status for one in volume.calls()} == {200}

    def test_it_understands_that_an_address_expired(self, volume: Sandbox) -> None:
        volume.behave(address_life_s=0)
        with client(volume) as found, pytest.raises(ValueError, match="expired after 3 retries"):
            found.files.upload(PATH, io.BytesIO(BIG), overwrite=False)
        assert [one.status for one in volume.calls("PUT")] == [403] * 4

    def test_it_is_told_that_a_file_is_there(self, volume: Sandbox) -> None:
        for way in ("multipart", "resumable"):
            volume.behave(large_uploads=way)
            volume.put_file(PATH, b"first")
            with client(volume) as found, pytest.raises(AlreadyExists):
                found.files.upload(PATH, io.BytesIO(BIG), overwrite=False)
            assert volume.file(PATH) == b"first"
            with client(volume) as found:
                found.files.upload(PATH, io.BytesIO(BIG), overwrite=True)
            assert len(volume.file(PATH)) == len(BIG)

    def test_it_aborts_when_a_later_part_fails(self, volume: Sandbox) -> None:
        with client(volume) as found:
            volume.set_faults(
                [Fault(kind="status", path="/storage/*", method="PUT", nth=4, times=0, status=400)]
            )
            with pytest.raises((DatabricksError, ValueError)):
                found.files.upload(PATH, io.BytesIO(BIG), overwrite=False)
        assert PATH not in volume.files()
        assert volume.uploads_under_way() == 0


class TestParts:
    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_a_status_in_place_of_a_part_reaches_the_client_whole(
        self, volume: Sandbox, status: int
    ) -> None:
        volume.set_faults(
            [Fault(kind="status", path="/storage/*", status=status, retry_after="3", times=2)]
        )
        where = part_address(volume, initiate(volume), 1)
        given = {each["name"]: each["value"] for each in where["headers"]}
        with requests.Session() as session:
            session.trust_env = False
            answers = [
                session.put(where["url"], data=PART * 4, headers=given, timeout=30)
                for _ in range(3)
            ]
            assert connections(session, volume) == 1
        assert [each.status_code for each in answers] == [status, status, 200]
        assert answers[0].headers["Retry-After"] == "3"
        assert answers[0].headers["Content-Type"].startswith("application/xml")
        assert "<Code>TEMPORARILY_UNAVAILABLE</Code>" in answers[0].text

    @pytest.mark.parametrize(("kind", "kept"), [("reset-before", False), ("timeout-after", True)])
    def test_a_part_without_an_answer_is_kept_or_not_as_asked(
        self, volume: Sandbox, kind: FaultKind, *, kept: bool
    ) -> None:
        volume.set_faults([Fault(kind=kind, path="/storage/*", seconds=0)])
        token = initiate(volume)
        with pytest.raises(requests.ConnectionError):
            to_storage("PUT", part_address(volume, token, 1), b"one")
        tag = f'"{hashlib.md5(b"one").hexdigest()}"'
        assert (complete(volume, token, (1, tag)).status_code == 200) is kept

    def test_a_file_appears_only_when_it_is_complete(self, volume: Sandbox) -> None:
        token = initiate(volume)
        tags = []
        for number, data in ((2, b"two"), (1, PART)):
            answer = to_storage("PUT", part_address(volume, token, number), data)
            assert answer.status_code == 200
            tags.append((number, answer.headers["ETag"]))
        assert PATH not in volume.files()
        assert complete(volume, token, *sorted(tags)).status_code == 200
        assert volume.file(PATH) == PART + b"two"
        assert complete(volume, token, *sorted(tags)).status_code == 404

    def test_a_part_that_is_sent_again_replaces_itself(self, volume: Sandbox) -> None:
        token = initiate(volume)
        where = part_address(volume, token, 1)
        old = to_storage("PUT", where, b"old").headers["ETag"]
        new = to_storage("PUT", where, b"new").headers["ETag"]
        assert complete(volume, token, (1, old)).status_code == 400
        assert complete(volume, token, (1, new)).status_code == 200
        assert volume.file(PATH) == b"new"

    @pytest.mark.parametrize(
        "wrong", ["no parts", "unknown part", "another tag", "wrong order", "twice", "small part"]
    )
    def test_a_wrong_list_of_parts_is_refused(self, volume: Sandbox, wrong: str) -> None:
        token = initiate(volume)
        first = PART[1:] if wrong == "small part" else PART
        one = to_storage("PUT", part_address(volume, token, 1), first).headers["ETag"]
        two = to_storage("PUT", part_address(volume, token, 2), b"2").headers["ETag"]
        parts = {
            "no parts": [],
            "unknown part": [(1, one), (2, two), (3, two)],
            "another tag": [(1, one), (2, one)],
            "wrong order": [(2, two), (1, one)],
            "twice": [(1, one), (1, one)],
            "small part": [(1, one), (2, two)],
        }[wrong]
        assert complete(volume, token, *parts).status_code == 400
        assert PATH not in volume.files()

    def test_an_upload_can_be_aborted(self, volume: Sandbox) -> None:
        token = initiate(volume)
        where = part_address(volume, token, 1)
        tag = to_storage("PUT", where, PART).headers["ETag"]
        assert to_storage("DELETE", address(volume, "abort_upload_url", token)).status_code == 204
        assert volume.uploads_under_way() == 0
        assert to_storage("PUT", where, PART).status_code == 404
        assert complete(volume, token, (1, tag)).status_code == 404

    def test_a_session_belongs_to_its_user_and_its_path(self, volume: Sandbox) -> None:
        token = initiate(volume)
        other = volume.add_user("other@example.com")
        volume.grant("other@example.com", VOLUME, "WRITE_VOLUME")
        body = {"session_token": token, "start_part_number": 1, "count": 1, "expire_time": soon()}
        url = f"{FS}/create-upload-part-urls"
        theirs = call(volume, "POST", url, json={**body, "path": PATH}, token=other)
        elsewhere = call(volume, "POST", url, json={**body, "path": f"{VOLUME}/other"})
        assert (theirs.status_code, elsewhere.status_code) == (404, 404)

    def test_writing_needs_the_privilege(self, volume: Sandbox) -> None:
        reader = volume.add_user("reader@example.com")
        volume.grant("reader@example.com", VOLUME, "READ_VOLUME")
        query = {"action": "initiate-upload"}
        answer = call(volume, "POST", f"{FS}/files{PATH}", params=query, token=reader)
        assert answer.status_code == 403


class TestAddresses:
    def test_the_storage_wants_no_token_and_the_signed_headers(self, volume: Sandbox) -> None:
        where = part_address(volume, initiate(volume), 1)
        assert (
            to_storage("PUT", where, b"x", Authorization=f"Bearer {volume.token}").status_code
            == 400
        )
        assert to_storage("PUT", {**where, "headers": []}, b"x").status_code == 403
        assert to_storage("PUT", where, b"x").status_code == 200

    def test_an_address_is_good_for_one_thing_and_can_not_be_changed(self, volume: Sandbox) -> None:
        token = initiate(volume)
        where = part_address(volume, token, 1)
        for changed in (
            where["url"].replace(f"{token}/1", f"{token}/2"),
            where["url"].replace("signature=", "signature=0"),
            where["url"].replace("expires=", "expires=9"),
            where["url"].split("?")[0],
            where["url"].replace("expires=", "expires=x"),
        ):
            assert to_storage("PUT", {**where, "url": changed}, b"x").status_code == 403
        url = where["url"].replace(f"{token}/1", token)
        assert to_storage("DELETE", {**where, "url": url}).status_code == 403

    def test_an_address_expires_when_it_was_asked_to(self, volume: Sandbox) -> None:
        where = part_address(volume, initiate(volume), 1, expire_time=soon(seconds=-1))
        answer = to_storage("PUT", where, b"x")
        assert answer.status_code == 403
        assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in answer.text

    @pytest.mark.parametrize("count", [0, 101])
    def test_addresses_come_in_bounded_numbers(self, volume: Sandbox, count: int) -> None:
        body = {"path": PATH, "session_token": initiate(volume), "expire_time": soon()}
        more = {"start_part_number": 1, "count": count}
        url = f"{FS}/create-upload-part-urls"
        assert call(volume, "POST", url, json={**body, **more}).status_code == 400
        many = call(volume, "POST", url, json={**body, "start_part_number": 3, "count": 2})
        assert [each["part_number"] for each in many.json()["upload_part_urls"]] == [3, 4]


class TestResumable:
    def test_the_storage_says_how_far_it_is(self, volume: Sandbox) -> None:
        volume.behave(large_uploads="resumable")
        where = address(volume, "resumable_upload_url", initiate(volume))
        unit = 256 * 1024
        content = bytes(range(256)) * 1024 + b"tail"

        def send(start: int, end: int, data: bytes) -> requests.Response:
            headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
            return to_storage("PUT", where, data, **headers)

        asked = to_storage("PUT", where, b"", **{"Content-Range": "bytes */*"})
        assert (asked.status_code, asked.headers.get("Range")) == (308, None)
        assert send(0, 100, content[:100]).status_code == 400
        first = send(0, unit, content[:unit])
        assert (first.status_code, first.headers["Range"]) == (308, f"bytes=0-{unit - 1}")
        again = send(0, unit, content[:unit])
        assert (again.status_code, again.headers["Range"]) == (308, f"bytes=0-{unit - 1}")
        assert PATH not in volume.files()
        for _ in range(2):  # a completed upload says so again
            assert send(unit, len(content), content[unit:]).status_code == 200
        assert volume.file(PATH) == content

    def test_an_upload_can_be_cancelled(self, volume: Sandbox) -> None:
        volume.behave(large_uploads="resumable")
        where = address(volume, "resumable_upload_url", initiate(volume))
        assert to_storage("DELETE", where).status_code == 499
        assert volume.uploads_under_way() == 0


def test_the_files_api_answers_ten_at_once(volume: Sandbox) -> None:
    volume.set_limits("documented")
    head = f"{FS}/directories{VOLUME}"
    assert call(volume, "HEAD", head).status_code == 200
    arrived: Queue[str] = Queue()
    with ExitStack() as closing:
        closing.enter_context(volume.before(lambda _, path: arrived.put(path)))
        begun = [closing.enter_context(half_sent(volume, number)) for number in range(10)]
        assert len({arrived.get(timeout=30) for _ in begun}) == 10
        assert call(volume, "HEAD", head).status_code == 429
        for connection in begun:
            connection.send(b"rest!")
        assert {connection.getresponse().status for connection in begun} == {204}
    assert call(volume, "HEAD", head).status_code == 200


@contextmanager
def half_sent(sandbox: Sandbox, number: int) -> Iterator[HTTPConnection]:
    """A connection on which the upload of a small file has begun, and half of it was sent."""
    connection = HTTPConnection(sandbox.url.removeprefix("http://"), timeout=30)
    connection.putrequest("PUT", f"{FS}/files{VOLUME}/{number}")
    connection.putheader("Authorization", f"Bearer {sandbox.token}")
    connection.putheader("Content-Length", "10")
    connection.endheaders(b"half,")
    try:
        yield connection
    finally:
        connection.close()
