"""Large uploads with a workspace and a storage that answer by a script: what no sandbox plays."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from deployer.deployment.ports import Refused, Unavailable
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.multipart import expiry, send_large
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.transport import Transport
from tests.contract.scripted_server import Reply, Seen, serving

PATH = "/Volumes/main/libs/released/ü a.whl"
SIZE = 25 * 1024 * 1024  # three parts
TOKEN = "session-1"


@dataclass
class Service:
    """A workspace and its storage; tests replace single answers."""

    begun: Reply = field(
        default_factory=lambda: reply({"multipart_upload": {"session_token": TOKEN}})
    )
    part: Callable[[int], Reply] = lambda number: Reply(headers={"ETag": f'"{number}"'})
    url: str = ""
    address: str = ""
    asked: list[dict[str, object]] = field(default_factory=list)
    completed: list[dict[str, object]] = field(default_factory=list)
    aborted: int = 0

    def __call__(self, seen: Seen) -> Reply:
        path, query = urlsplit(seen.path).path, parse_qs(urlsplit(seen.path).query)
        if path.startswith("/storage/"):
            assert "Authorization" not in seen.headers
            self.aborted += seen.method == "DELETE"
            return Reply(204) if seen.method == "DELETE" else self.part(int(path.split("/")[-1]))
        assert seen.headers["Authorization"] == "Bearer dapi-1"
        if query.get("action") == ["initiate-upload"]:
            assert query["overwrite"] == ["false"]
            return self.begun
        body = json.loads(seen.body)
        if query.get("action") == ["complete-upload"]:
            self.completed.append(body)
            return reply({})
        self.asked.append(body)
        if path.endswith("/create-abort-upload-url"):
            return reply({"abort_upload_url": {"url": f"{self.url}/storage/abort", "headers": []}})
        number = body["start_part_number"]
        url = self.address or f"{self.url}/storage/part/{number}"
        return reply({"upload_part_urls": [{"url": url, "part_number": number, "headers": []}]})


def reply(document: dict[str, object]) -> Reply:
    return Reply(body=json.dumps(document).encode())


def send(service: Service) -> Answer | None:
    with serving(service) as server:
        service.url = server.url
        transport = Transport(server.url, lambda: {"Authorization": "Bearer dapi-1"}, {})
        client = Client(transport, policy=RetryPolicy(budget_s=0.3), sleep=lambda _: None)
        try:
            return send_large(client, PATH, io.BytesIO(bytes(SIZE)), SIZE)
        finally:
            client.close()


def test_the_parts_are_completed_in_order_with_their_tags() -> None:
    service = Service()
    answer = send(service)
    assert answer is not None
    assert answer.ok
    parts = [{"part_number": number, "etag": f'"{number}"'} for number in (1, 2, 3)]
    assert service.completed == [{"parts": parts}]
    assert service.aborted == 0
    assert {each["path"] for each in service.asked} == {PATH}


def test_addresses_expire_by_the_clock_of_the_service_or_else_by_ours() -> None:
    assert expiry({"Date": "Sat, 21 Nov 2026 23:30:00 GMT"}) == "2026-11-22T00:30:00Z"
    assert expiry({"Date": "Sat, 21 Nov 2026 23:30:00 +0200"}) == "2026-11-21T22:30:00Z"
    for headers in ({}, {"Date": "yesterday"}, {"Date": ""}):
        datetime.strptime(expiry(headers), "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007 - only its form
    service = Service()
    send(service)
    assert len({each["expire_time"] for each in service.asked}) == 1


def test_a_storage_without_tags_is_azure() -> None:
    service = Service(part=lambda _: Reply(201))
    answer = send(service)
    assert answer is not None
    assert answer.ok
    assert [each["etag"] for each in service.completed[0]["parts"]] == [""] * 3  # type: ignore[attr-defined]


def test_a_first_part_that_meets_a_web_page_leaves_it_to_one_put() -> None:
    service = Service(part=lambda _: Reply(200, b"<html>Log in to the wireless network</html>"))
    assert send(service) is None
    assert service.aborted == 1
    assert service.completed == []


def test_a_later_part_that_meets_a_web_page_is_no_success() -> None:
    page = Reply(200, b"<html>Log in</html>")
    service = Service(part=lambda number: page if number == 3 else Reply(headers={"ETag": "1"}))
    with pytest.raises(Unavailable, match=r"part 3 of 3.*web page"):
        send(service)
    assert service.aborted == 1
    assert service.completed == []


@pytest.mark.parametrize("address", ["http://storage.example.com/x?s=1", "nonsense", "ftp://a/b"])
def test_nothing_is_sent_to_an_address_that_is_not_safe(address: str) -> None:
    service = Service(address=address)
    assert send(service) is None
    assert service.completed == []


def test_an_address_that_always_expires_is_given_up() -> None:
    expired = Reply(
        403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    )
    service = Service(part=lambda number: expired if number == 2 else Reply(headers={"ETag": "1"}))
    with pytest.raises(Refused, match=r"part 2 of 3.*403 RequestExpired"):
        send(service)
    assert len([each for each in service.asked if each.get("start_part_number") == 2]) == 4
    assert service.aborted == 1


def error(status: int, code: str, message: str = "No.") -> Reply:
    return Reply(status, json.dumps({"error_code": code, "message": message}).encode())


@pytest.mark.parametrize(
    "begun",
    [
        error(404, "ENDPOINT_NOT_FOUND"),
        Reply(404, b"<html>No such page</html>"),
        error(400, "INVALID_PARAMETER_VALUE", "Unknown action"),
        error(405, ""),
        error(501, "NOT_IMPLEMENTED"),
        error(403, "PERMISSION_DENIED", "The API is not enabled for this workspace."),
        reply({}),
        reply({"multipart_upload": {}}),
        reply({"some_other_upload": {"session_token": "x"}}),
    ],
)
def test_a_service_that_knows_no_parts_gets_one_put(begun: Reply) -> None:
    service = Service(begun=begun)
    assert send(service) is None
    assert service.asked == []


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (error(404, "NOT_FOUND", "Volume 'a.b.c' does not exist."), 404),
        (error(403, "PERMISSION_DENIED", "You have no WRITE VOLUME."), 403),
        (error(409, "ALREADY_EXISTS"), 409),
        (error(413, "REQUEST_TOO_LARGE"), 413),
        (error(507, ""), 507),
    ],
)
def test_a_no_to_the_upload_is_the_answer(begun: Reply, status: int) -> None:
    answer = send(Service(begun=begun))
    assert answer is not None
    assert (answer.status, answer.doubtful) == (status, False)
