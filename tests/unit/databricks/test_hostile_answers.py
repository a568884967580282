"""Single answers that are made to hurt: each costs little, leads nowhere else and shows no secret."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.deployment.ports import AlreadyExists, NotFound, Refused, Unavailable
from deployer.platforms.databricks import client as clients
from deployer.platforms.databricks import folder_store, transport
from deployer.platforms.databricks.answers import Answer, error_words, problem, unread
from deployer.platforms.databricks.clock import date_of, read_date
from deployer.platforms.databricks.documents import DEEPEST, number, parsed, quoted
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.multipart import expiry
from deployer.platforms.databricks.oauth import TokenRefused, ask, token_endpoint
from deployer.platforms.databricks.presigned import address_in
from deployer.platforms.databricks.retry import retry_after
from deployer.platforms.databricks.secrecy import Secrecy
from deployer.platforms.databricks.transport import Broken, Call, Transport
from deployer.redaction import Redactor
from deployer.session import at_most
from tests.contract.hostile_api import ROOT, TOKEN, HostileApi, workspace_of
from tests.contract.scripted_server import Reply, serving


class Saying(HostileApi):
    """Answers each address with what `say` says."""

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__()
        self._say = say

    def answer(self, url: str) -> tuple[int, dict[str, str], bytes]:
        said = self._say(url)
        if isinstance(said, tuple):
            return said
        return 200, {}, said if isinstance(said, bytes) else json.dumps(said).encode()


# --- JSON


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "NaN",
        "[Infinity]",
        '{"a": -Infinity}',
        "1e999",
        "9" * 5_000,
        "\ufeff[]",
    ],
)
def test_what_could_not_be_sent_back_is_no_json(content: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parsed(content)


def test_json_may_be_as_deep_as_any_settings_and_not_deeper() -> None:
    deep: Any = "x"
    for _ in range(DEEPEST - 1):
        deep = {"a": deep} if isinstance(deep, list) else [deep]
    assert parsed(json.dumps(deep)) == deep
    with pytest.raises(ValueError, match="too deep"):
        parsed("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))


leaves = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5)


@given(st.recursive(leaves, lambda one: st.lists(one, max_size=3), max_leaves=8))
def test_all_other_json_is_read_as_it_is(document: Any) -> None:
    assert parsed(json.dumps(document)) == document


@pytest.mark.parametrize(
    ("value", "is_number"),
    [("7", True), (7, True), (2**63 - 1, True), (-(2**63), True), (2**63, False), (10**400, False),
     ("9" * 5_000, False), ("9" * 20, False), (True, False), (1.5, False), ("-1", False), (None, False),
     ("²", False)],
)  # fmt: skip
def test_a_number_is_one_that_the_api_has(value: object, *, is_number: bool) -> None:
    assert (number(value) is not None) == is_number


# --- errors and their words


def test_the_words_of_an_error_are_cleaned_before_they_are_cut() -> None:
    redactor = Redactor.of([TOKEN])
    for before in range(480, 510):
        for body in (
            json.dumps(
                {"message": "m" * before + TOKEN, "error_code": "c" * (before - 400) + TOKEN}
            ),
            "<html>" + "m" * before + TOKEN + "</html>",
        ):
            told = " ".join(error_words(body.encode(), redactor.clean))
            assert not any(TOKEN[:length] in told for length in range(4, len(TOKEN)))


@pytest.mark.parametrize("piece", [b"<", b"<script", b"<style ", b"</", b"<a ", b"{", b"\xff"])
def test_no_error_page_takes_long_to_read(piece: bytes) -> None:
    # A pattern that goes back and forth would run into the time limit of the suite.
    code, message = error_words(piece * 200_000)
    assert len(code) + len(message) < 1_000


def test_that_something_exists_already_is_no_answer_to_a_read() -> None:
    answer = Answer(409, code="RESOURCE_ALREADY_EXISTS", message="It exists.")
    assert isinstance(problem(answer, "POST /x"), AlreadyExists)
    assert isinstance(unread(answer, "GET /x"), Refused)
    api = Saying(lambda _: (409, {}, b'{"error_code": "RESOURCE_ALREADY_EXISTS"}'))
    with workspace_of(api) as workspace, pytest.raises(Refused):
        list(workspace.jobs.all_jobs())


# --- sizes, redirects, pages and folders without end


def test_an_answer_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 1_000)
    read: list[int] = []

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            read.append(1)
            yield b" " * 100

    whole = at_most(1_000)(chunks())
    assert 1_000 < len(whole) <= 1_100
    assert len(read) == 11
    api = Saying(lambda _: {"a": "x" * 2_000})
    with (
        workspace_of(api) as workspace,
        pytest.raises(Unavailable, match="larger than 1,000 bytes"),
    ):
        workspace.jobs.job(7)


@pytest.mark.parametrize(
    "where", ["https://[", "//[x", "http://\udcff", "/" + "x" * 30_000, "https://a:b@c/d?e"]
)
def test_where_a_redirect_leads_is_told_and_not_looked_at(where: str) -> None:
    api = Saying(lambda _: (302, {"Location": where}, b"x" * 100))
    with workspace_of(api) as workspace, pytest.raises(Refused) as caught:
        list(workspace.jobs.all_jobs())
    assert "a:b@c?e" not in str(caught.value)
    assert len(str(caught.value)) < 1_000
    assert len(api.asked) == 1


def test_pages_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MOST_PAGES", 20)
    api = Saying(lambda _: {"jobs": [], "next_page_token": f"t{len(api.asked)}"})
    with workspace_of(api) as workspace, pytest.raises(Unavailable, match="more than 20 pages"):
        list(workspace.jobs.all_jobs())
    assert len(api.asked) == 20


@pytest.mark.parametrize("root", [ROOT, "/Workspace/libs/released", "dbfs:/libs/released"])
def test_folders_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.setattr(folder_store, "MOST_FOLDERS", 20)
    plain = root.removeprefix("dbfs:")
    api = Saying(lambda _: deeper(api, plain))
    with workspace_of(api) as workspace, pytest.raises(Refused, match="more than 20 folders"):
        workspace.store(root, allow_dbfs=True).files()


def deeper(api: HostileApi, root: str) -> object:
    """A listing that names one folder more than was asked for before."""
    path = root + "/x" * len(api.asked)
    entry = {"path": path, "is_directory": True, "is_dir": True, "object_type": "DIRECTORY"}
    return {"contents": [entry], "objects": [entry], "files": [entry]}


ELSEWHERE = [
    "{root}/../x-1.0-py3-none-any.whl", "{root}", "{root}/..", "{root}/.", "{root}x/x-1.0-py3-none-any.whl",
    "/Volumes/main/other/x/x-1.0-py3-none-any.whl", "", "/", "x-1.0-py3-none-any.whl", "/etc/passwd",
    "{root}/sub/x-1.0-py3-none-any.whl", "{root}/%2e%2e/x-1.0-py3-none-any.whl", "\0", "{root}/sub/..",
]  # fmt: skip


@pytest.mark.parametrize("named", ELSEWHERE)
@pytest.mark.parametrize("root", [ROOT, "/Workspace/libs/released", "dbfs:/libs/released"])
def test_a_listing_names_nothing_but_what_lies_in_its_folder(root: str, named: str) -> None:
    path = named.format(root=root.removeprefix("dbfs:"))
    entry = {"path": path, "file_size": 1, "size": 1, "object_type": "FILE", "last_modified": 1}
    api = Saying(lambda _: {"contents": [entry], "objects": [entry], "files": [entry]})
    with workspace_of(api) as workspace:
        assert workspace.store(root, allow_dbfs=True).files() == ()


@pytest.mark.parametrize("root", [ROOT, "/Workspace/libs/released", "dbfs:/libs/released"])
def test_a_folder_that_lists_itself_is_read_once(root: str) -> None:
    plain = root.removeprefix("dbfs:")
    paths = [plain, f"{plain}/", f"{plain}/.", f"{plain}//", plain.rpartition("/")[0], "/"]
    entries = [
        {"path": one, "is_directory": True, "is_dir": True, "object_type": "DIRECTORY"}
        for one in paths
    ]
    api = Saying(lambda _: {"contents": entries, "objects": entries, "files": entries})
    with workspace_of(api) as workspace:
        assert workspace.store(root, allow_dbfs=True).files() == ()
    assert len(api.asked) == 1


# --- paths


@pytest.mark.parametrize(
    "path",
    [
        "/Volumes/../../../../api/2.0/token/list",
        "/Volumes/a/b/c/./d",
        "/Volumes/a/b/c/..",
        "/Volumes/\ud800/x",
    ],
)
def test_a_path_in_a_job_never_leads_to_another_call(path: str) -> None:
    api = Saying(lambda _: b"tokens")
    with workspace_of(api) as workspace, suppress(NotFound, Refused):
        workspace.usage.read_text(path)
    assert all("/api/2.0/fs/files/Volumes/" in one for one in api.asked)
    assert not any("token" in one for one in api.asked)


@given(st.text(max_size=30))
def test_a_path_in_an_address_stays_one_part_of_it(path: str) -> None:
    assert not set("?#&; \r\n\0\\") & set(quoted(path))
    assert "/" not in quoted(path, safe="")


# --- dates and waits

dates = st.one_of(
    st.text(max_size=40),
    st.from_regex(
        r"\A(Mon|X)?,? ?\d{1,3} (Jan|Feb|x) \d{1,6} \d{1,3}:\d{1,3}(:\d{1,3})? ?[+-]?\d{0,12}\Z"
    ),
)


@given(dates)
def test_any_date_is_a_time_or_none(text: str) -> None:
    read = read_date(text)
    assert read is None or read.tzinfo is UTC
    seconds = date_of({"Date": text})
    assert seconds is None or 0 <= seconds < 2**36
    assert expiry({"Date": text}).endswith("Z")
    pause = retry_after({"Retry-After": text}, datetime.now(UTC))
    assert pause is None or pause >= 0


# --- token services and storages


@pytest.mark.parametrize(
    "url", ["https://[", "http://elsewhere.example/t", "", "javascript:x", 7, None, "https://"]
)
def test_no_token_is_asked_for_at_an_address_that_is_none(url: object) -> None:
    with serving(lambda _: Reply(200, json.dumps({"token_endpoint": url}).encode())) as server:
        try:
            assert token_endpoint(server.url) == "https://"
        except TokenRefused:
            return
        assert url == "https://"


@pytest.mark.parametrize(
    "document",
    [
        {"url": "https://s.example/k", "headers": [{"name": "A\r\nB", "value": "x"}]},
        {
            "url": "https://s.example/k",
            "headers": [{"name": "A", "value": "x\r\nAuthorization: y"}],
        },
        {"url": "https://s.example/k", "headers": [{"name": "", "value": "x"}]},
        {"url": "https://s.example/k", "headers": [{"name": "A", "value": "\u2028"}]},
        {"url": "https://s.example/k\r\nx"},
        {"url": "https://s.example/\u202e"},
        {"url": "https://u:p@s.example/k"},
        {"url": "https://["},
        {"url": "file:///etc/passwd"},
        {"url": 7, "headers": 7},
    ],
)
def test_a_storage_address_that_carries_more_than_an_address_is_refused(document: Any) -> None:
    with pytest.raises(Refused, match="can't be used"):
        address_in(document)


def test_what_a_token_endpoint_echoes_is_cleaned_and_its_token_is_learned() -> None:
    redactor = Redactor.of(["client-secret-of-ours"])

    def learn(secret: str) -> None:
        redactor.learn(secret)

    secrecy = Secrecy(learn, redactor.clean)
    said = {"error": "invalid_client", "error_description": "m" * 480 + "client-secret-of-ours"}
    replies = iter(
        [
            Reply(401, json.dumps(said).encode()),
            Reply(200, b'{"access_token": "fresh-one", "expires_in": 60}'),
        ]
    )
    with serving(lambda _: next(replies)) as server:
        with pytest.raises(TokenRefused) as caught:
            ask(server.url, {}, ("id", "client-secret-of-ours"), secrecy)
        assert "client-s" not in caught.value.said
        ask(server.url, {}, ("id", "client-secret-of-ours"), secrecy)
    assert redactor.clean("fresh-one") == "***"


def test_each_credential_is_learned_before_it_is_sent() -> None:
    learned: list[str] = []
    with serving(lambda seen: Reply(200 if learned == [TOKEN] else 500, b"{}")) as server:
        one = Transport(
            server.url,
            lambda: {"Authorization": f"Bearer {TOKEN}"},
            {},
            None,
            Secrecy(learned.append),
        )
        assert one.attempt(Call("GET", "/api", Family.OTHER)).ok
    assert learned == [TOKEN]


# --- what is no HTTP at all


@contextmanager
def blurting(said: bytes) -> Iterator[str]:
    """A server that says these bytes to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(65_536)
                    caller.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\x00\xff",
        b"::add-mask::x\r\n\r\n",
        OK,
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        OK + b"Content-Length: x\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        OK + b"X: y\r\n" * 500 + b"\r\n",
        OK + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        OK + b"odd header\r\n::add-mask::x\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 99999 \r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://[\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_an_attempt_that_failed(said: bytes) -> None:
    with blurting(said) as url, suppress(Broken):
        Transport(url, dict, {}).attempt(Call("GET", "/api", Family.OTHER))
