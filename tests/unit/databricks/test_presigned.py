"""Signed addresses: who has one may write, so none of them shows anywhere."""

from __future__ import annotations

import io
import logging
import threading
import traceback

import pytest

from deployer.deployment.ports import Refused, Unavailable
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.presigned import EXPIRED, Address, Storage, address_in
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.transport import Transport
from tests.contract.scripted_server import Reply, Seen, Server, serving

SECRET = "signature=c2VjcmV0"


def storage() -> Storage:
    workspace = Transport("https://w.example.com", lambda: {"Authorization": "Bearer dapi-1"}, {})
    client = Client(workspace, policy=RetryPolicy(budget_s=0.0), sleep=lambda _: None)
    return Storage(client)


def address(server: Server) -> Address:
    given: JsonObject = {
        "url": f"{server.url}/bucket/a.whl?{SECRET}&x=%2Fa%20b",
        "headers": [{"name": "x-ms-blob-type", "value": "BlockBlob"}],
    }
    return address_in(given)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://storage.example.com/a?s=1",
        "ftp://127.0.0.1/a",
        "https://",
        "https://user:word@storage.example.com/a",
        "https://[::1/a",
        "/api/2.0/fs/files",
        7,
        None,
    ],
)
def test_an_address_that_is_not_safe_is_none(url: object) -> None:
    with pytest.raises(Refused) as caught:
        address_in({"url": url})
    assert str(url) not in str(caught.value) or not url


@pytest.mark.parametrize(
    "url", ["https://s.example.com/a?b=c", "http://127.0.0.1:1/a", "http://localhost/a"]
)
def test_https_is_safe_and_so_is_this_machine(url: str) -> None:
    found = address_in({"url": url, "headers": [{"name": "a", "value": "b"}, "junk"]})
    assert (found.url, found.headers) == (url, {"a": "b"})
    assert url not in repr(found)


def test_no_credential_goes_to_the_storage_and_the_address_goes_as_it_is() -> None:
    with serving(lambda _: Reply(headers={"ETag": '"1"'})) as server:
        answer = storage().send("PUT", address(server), "PUT of part 1", content=io.BytesIO(b"abc"))
    (seen,) = server.seen
    assert answer.headers["ETag"] == '"1"'
    assert seen.path == f"/bucket/a.whl?{SECRET}&x=%2Fa%20b"
    assert seen.body == b"abc"
    assert seen.headers["x-ms-blob-type"] == "BlockBlob"
    assert seen.headers["Content-Length"] == "3"
    assert "dapi-1" not in str(seen.headers)
    assert {"Authorization", "Cookie"}.isdisjoint(seen.headers)


QUOTES_THE_ADDRESS = f"<html>While retrieving https://s/bucket/a.whl?{SECRET}</html>".encode()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message>", EXPIRED),
        (
            403,
            b"<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code><Message>Server failed to"
            b" authenticate the request.</Message><AuthenticationErrorDetail>Signature not valid in"
            b" the specified time frame: Start [a] - Expiry [b]</AuthenticationErrorDetail></Error>",
            EXPIRED,
        ),
        (403, b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>", "AccessDenied"),
        (
            403,
            f"<Error><Code>SignatureDoesNotMatch</Code><SignatureProvided>{SECRET}".encode(),
            "SignatureDoesNotMatch",
        ),
        (404, b"<Error><Code>NoSuchUpload</Code></Error>", "NoSuchUpload"),
        (401, QUOTES_THE_ADDRESS, ""),
        (400, QUOTES_THE_ADDRESS, ""),
        (507, b"", ""),
    ],
)
def test_of_a_refusal_only_its_code_is_kept(status: int, body: bytes, message: str) -> None:
    with serving(lambda _: Reply(status, body)) as server:
        answer = storage().send("PUT", address(server), "PUT of part 1")
    assert not answer.ok
    assert answer.message == message
    assert SECRET not in repr(answer)


def test_a_redirect_is_not_followed() -> None:
    elsewhere = {"Location": f"https://elsewhere.example.com/?{SECRET}"}
    with serving(lambda _: Reply(307, headers=elsewhere)) as server:
        answer = storage().send("PUT", address(server), "PUT of part 1")
    assert (answer.ok, answer.message, len(server.seen)) == (False, "", 1)


def test_a_web_page_is_no_success() -> None:
    with (
        serving(lambda _: Reply(200, b" <!doctype html><title>Log in</title>")) as server,
        pytest.raises(Unavailable, match="web page"),
    ):
        storage().send("PUT", address(server), "PUT of part 1")


def test_the_resumable_308_is_an_answer() -> None:
    with serving(lambda _: Reply(308, headers={"Range": "bytes=0-9"})) as server:
        answer = storage().send("PUT", address(server), "PUT of bytes 0 to 9")
    assert (answer.status, answer.headers["Range"]) == (308, "bytes=0-9")


def test_neither_logs_nor_messages_nor_tracebacks_show_an_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: Seen) -> Reply:
        return Reply(503, QUOTES_THE_ADDRESS)

    caplog.set_level(logging.DEBUG)
    told = ""
    with serving(broken) as server:
        there = address(server)
        try:
            storage().send("PUT", there, "PUT of part 1 of 2")
        except Unavailable:
            told += traceback.format_exc()
        no_tls = Address(there.url.replace("http:", "https:"), {})
        try:
            storage().send("PUT", no_tls, "PUT of part 3 of 3")
        except Unavailable:
            told += traceback.format_exc()
    gone = storage()
    try:
        gone.send("PUT", there, "PUT of part 2 of 2")  # nobody listens there any more
    except Unavailable:
        told += traceback.format_exc()
    assert "PUT of part 1 of 2 failed after 1 attempt" in told
    assert "PUT of part 2 of 2 failed after 1 attempt" in told
    assert "does not speak TLS" in told
    for text in (told, caplog.text):
        assert SECRET not in text
        assert "/bucket" not in text


def test_other_calls_are_logged_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(lambda _: Reply(200, b"{}")) as server:
        storage().send("PUT", address(server), "PUT of part 1")
        Client(Transport(server.url, dict, {})).get("/api/2.0/anything", Family.OTHER)
    assert "/api/2.0/anything" in caplog.text
    assert SECRET not in caplog.text


def test_the_storage_gets_no_more_patience_than_the_workspace_when_one_is_given() -> None:
    done = threading.Event()

    def silent(_: Seen) -> Reply:
        done.wait(60)
        return Reply()

    workspace = Transport("https://w.example.com", dict, {}, 0.05)
    client = Client(workspace, policy=RetryPolicy(budget_s=0.0), sleep=lambda _: None)
    with serving(silent) as server:
        try:
            with pytest.raises(Unavailable, match=r"no answer within 0\.05 s"):
                Storage(client).send("PUT", address(server), "PUT of part 1")
        finally:
            done.set()
