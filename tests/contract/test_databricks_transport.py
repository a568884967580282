"""One attempt over real sockets: what counts as an answer, and what messages never show."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
import requests

from deployer.errors import DeployError, FailureReason
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.transport import Broken, Call, Transport, without_configuration
from tests.contract.scripted_server import Reply, serving

READ = Call("GET", "/api/2.2/jobs/list", Family.JOBS_READ, query={"limit": 100})
TOKEN = "dapi-very-secret-1234567890"


def bearer() -> Mapping[str, str]:
    return {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def transport_to(host: str) -> Iterator[Transport]:
    transport = Transport(host, bearer, {"User-Agent": "spark-deploy-action/0"})
    try:
        yield transport
    finally:
        transport.close()


@contextmanager
def answering(reply: Reply) -> Iterator[Transport]:
    with serving(lambda _: reply) as server, transport_to(server.url) as transport:
        yield transport


def test_a_call_arrives_with_query_credentials_and_user_agent() -> None:
    with (
        serving(lambda _: Reply(body=b'{"jobs": []}')) as server,
        transport_to(server.url) as transport,
    ):
        assert transport.attempt(READ).document == {"jobs": []}
    (seen,) = server.seen
    assert seen.path == "/api/2.2/jobs/list?limit=100"
    assert seen.headers["Authorization"] == f"Bearer {TOKEN}"
    assert seen.headers["User-Agent"] == "spark-deploy-action/0"


def test_quoted_slashes_in_a_path_stay_quoted() -> None:
    path = "/api/2.0/workspace-files/import-file/Workspace%2Flibs%2Fa%20b%25.whl"
    with serving(lambda _: Reply()) as server, transport_to(server.url) as transport:
        transport.attempt(Call("POST", path, Family.IMPORT, query={"overwrite": "false"}))
    assert server.seen[0].path == f"{path}?overwrite=false"


def test_settings_arrive_as_the_json_that_they_are() -> None:
    settings: dict[str, object] = {"a": [1, 2.5, None, True, "ü\u2028\ud83d"], "b": {}, "c": []}
    with serving(lambda _: Reply(body=b"{}")) as server, transport_to(server.url) as transport:
        transport.attempt(Call("POST", "/x", Family.JOBS_UPDATE, body=settings))
    assert json.loads(server.seen[0].body) == settings


def test_an_empty_answer_is_an_empty_object() -> None:
    with answering(Reply(204)) as transport:
        answer = transport.attempt(READ)
    assert (answer.ok, answer.document) == (True, {})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>Sign in</html>", "it answered with a web page"),
        (b'{"jobs": [', "its JSON is broken or cut off"),
        (b"[]", "it answered with JSON that is no object"),
        (b"\xff\xfe", "its JSON is broken or cut off"),
    ],
)
def test_a_success_without_json_is_no_answer(body: bytes, why: str) -> None:
    with answering(Reply(body=body)) as transport, pytest.raises(Broken, match=why) as caught:
        transport.attempt(READ)
    assert caught.value.garbled


def test_an_answer_that_breaks_off_is_no_answer() -> None:
    with (
        answering(Reply(body=b'{"jobs": []}', announced=500)) as transport,
        pytest.raises(Broken, match="the answer broke off") as caught,
    ):
        transport.attempt(READ)
    assert not caught.value.garbled


def test_bytes_are_given_as_they_are_where_no_json_is_expected() -> None:
    with answering(Reply(body=b"<PK>")) as transport:
        answer = transport.attempt(Call("GET", "/f", Family.FILES, is_json=False))
    assert answer.body == b"<PK>"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_login_page_is_no_file_and_no_sign_that_something_was_done(method: str) -> None:
    page = Reply(body=b"<html>Sign in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with answering(page) as transport, pytest.raises(Broken, match="web page") as caught:
        transport.attempt(Call(method, "/f", Family.FILES, is_json=False))
    assert caught.value.garbled


def test_an_empty_answer_is_no_page_whatever_type_it_says() -> None:
    with answering(Reply(204, headers={"Content-Type": "text/html"})) as transport:
        assert transport.attempt(Call("DELETE", "/f", Family.FILES, is_json=False)).ok


def test_a_compressed_answer_is_unpacked() -> None:
    packed = Reply(body=gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"})
    with answering(packed) as transport:
        assert transport.attempt(READ).document == {"a": 1}


def test_sizes_are_asked_for_without_compression() -> None:
    with serving(lambda _: Reply()) as server, transport_to(server.url) as transport:
        transport.attempt(Call("HEAD", "/f", Family.FILES, is_json=False))
    assert server.seen[0].headers["Accept-Encoding"] == "identity"


def test_a_download_is_read_in_chunks_by_whoever_asks() -> None:
    content = bytes(range(256)) * 20_000

    def digest(chunks: Iterator[bytes]) -> bytes:
        found = hashlib.sha256()
        sizes = []
        for chunk in chunks:
            found.update(chunk)
            sizes.append(len(chunk))
        assert max(sizes) < len(content)
        return found.digest()

    with answering(Reply(body=content)) as transport:
        answer = transport.attempt(Call("GET", "/f", Family.FILES, read=digest, is_json=False))
    assert answer.body == hashlib.sha256(content).digest()


def test_an_error_of_the_api_is_an_answer_with_its_words() -> None:
    body = json.dumps({"error_code": "PERMISSION_DENIED", "message": "not yours"}).encode()
    with answering(Reply(403, body)) as transport:
        answer = transport.attempt(READ)
    assert (answer.status, answer.code, answer.message) == (403, "PERMISSION_DENIED", "not yours")


def test_a_token_that_the_server_quotes_is_not_shown() -> None:
    body = json.dumps({"message": f"The token {TOKEN} is not valid"}).encode()
    with answering(Reply(401, body)) as transport:
        assert transport.attempt(READ).message == "The token *** is not valid"


def test_a_redirect_is_not_followed() -> None:
    elsewhere = {"Location": "https://login.example.com/?state=secret"}
    with answering(Reply(302, headers=elsewhere)) as transport:
        answer = transport.attempt(READ)
    assert not answer.ok
    assert answer.message == "The answer is a redirect to https://login.example.com/."


def test_cookies_are_not_kept() -> None:
    reply = Reply(body=b"{}", headers={"Set-Cookie": "session=1; Path=/"})
    with serving(lambda _: reply) as server, transport_to(server.url) as transport:
        transport.attempt(READ)
        transport.attempt(READ)
    assert "Cookie" not in server.seen[1].headers


def test_a_refused_connection_is_said_to_be_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with (
        transport_to(f"http://127.0.0.1:{port}") as transport,
        pytest.raises(Broken, match="the connection is refused"),
    ):
        transport.attempt(READ)


def test_a_name_that_does_not_resolve_is_said_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with (
        transport_to("https://no-such-workspace.invalid") as transport,
        pytest.raises(Broken, match="the name does not resolve"),
    ):
        transport.attempt(READ)


def test_a_server_that_says_nothing_is_waited_for_only_so_long() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        call = Call("GET", "/", Family.OTHER, read_timeout_s=0.05)
        with (
            transport_to(address) as transport,
            pytest.raises(Broken, match="no answer within"),
        ):
            transport.attempt(call)


def test_a_port_without_tls_is_told_at_once() -> None:
    with serving(lambda _: Reply()) as server:
        address = server.url.replace("http://", "https://")
        with transport_to(address) as transport, pytest.raises(DeployError) as caught:
            transport.attempt(READ)
    assert caught.value.reason is FailureReason.HOST_UNREACHABLE
    assert "does not speak TLS" in str(caught.value)


def test_a_token_with_a_line_break_is_refused_without_showing_it() -> None:
    with serving(lambda _: Reply()) as server:
        transport = Transport(server.url, lambda: {"Authorization": f"Bearer {TOKEN}\n"}, {})
        with pytest.raises(DeployError) as caught:
            transport.attempt(READ)
        transport.close()
    assert caught.value.reason is FailureReason.AUTHENTICATION_FAILED
    assert TOKEN not in str(caught.value)
    assert server.seen == []


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (ValueError("invalid_client: no such client. Config: host=x, client_id=y"), True),
        (Exception("Cannot get a token"), True),
        (requests.ConnectionError("no route"), False),
        (TimeoutError("Timed out after 0:00:01"), False),
    ],
)
def test_a_token_that_can_not_be_had_is_tried_again_before_it_is_final(
    error: Exception, *, final: bool
) -> None:
    def fail() -> Mapping[str, str]:
        raise error

    transport = Transport("https://w.example.com", fail, {})
    with pytest.raises(Broken) as caught:
        transport.attempt(READ)
    transport.close()
    assert (caught.value.final is not None) is final
    if caught.value.final is not None:
        assert caught.value.final.reason is FailureReason.AUTHENTICATION_FAILED
        assert "client_id=y" not in str(caught.value.final)


def test_loopback_is_reached_without_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with answering(Reply(body=b'{"a": 1}')) as transport:
        assert transport.attempt(READ).document == {"a": 1}


def test_a_machine_with_a_netrc_still_uses_our_credential(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(lambda _: Reply(body=b"{}")) as server, transport_to(server.url) as transport:
        transport._session.trust_env = True
        transport.attempt(READ)
    assert server.seen[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_the_configuration_that_the_sdk_appends_is_cut_off() -> None:
    said = "invalid_client: wrong. Config: host=https://x, token=***. Env: DATABRICKS_TOKEN"
    assert without_configuration(said) == "invalid_client: wrong."
    assert without_configuration("plain. Env: X") == "plain."


def test_a_connection_that_is_hung_up_is_no_answer() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(1024)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with transport_to(address) as transport, pytest.raises(Broken, match="connection broke"):
            transport.attempt(READ)
        thread.join()
