"""The sender against real servers: what arrives, what is tried again, and that no address is ever told."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from deployer.notify import sender
from deployer.notify.sender import ATTEMPTS, Message, send
from tests.contract.scripted_server import Reply, Seen, serving
from tests.pipeline.secret_world import all_records

SECRET_PATH = "/services/T0zQ/B0zQ/zQsecretOfTheUrl"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(sender, "_TIMEOUT_S", (0.5, 0.5))


def message(url: str, body: bytes = b'{"a":1}') -> Message:
    return Message("Slack", url + SECRET_PATH, body, {"Content-Type": "application/json"})


def in_turn(*replies: Reply) -> Callable[[Seen], Reply]:
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_message_arrives_as_it_is(status: int) -> None:
    with serving(in_turn(Reply(status, b"ok"))) as server:
        assert send([message(server.url)]) == ()
    assert [(one.method, one.path, one.body) for one in server.seen] == [
        ("POST", SECRET_PATH, b'{"a":1}')
    ]
    headers = server.seen[0].headers
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_what_may_go_well_in_a_moment_is_tried_again(status: int) -> None:
    with serving(in_turn(Reply(status), Reply(200))) as server:
        assert send([message(server.url)]) == ()
    assert len(server.seen) == 2
    assert server.seen[0] == server.seen[1]


@pytest.mark.parametrize("status", [500, 429])
def test_trying_ends(status: int) -> None:
    with serving(in_turn(Reply(status))) as server:
        (said,) = send([message(server.url)])
    assert len(server.seen) == ATTEMPTS
    assert said.startswith(f"Slack was not notified: the answer was HTTP {status}")


def test_a_receiver_that_wants_to_be_left_alone_for_long_is() -> None:
    with serving(in_turn(Reply(429, headers={"Retry-After": "3600"}))) as server:
        (said,) = send([message(server.url)], budget_s=20)
    assert len(server.seen) == 1
    assert "429" in said


@pytest.mark.parametrize(
    "retry_after", ["0", "-1", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 40]
)
def test_any_retry_after_is_understood(retry_after: str) -> None:
    with serving(in_turn(Reply(429, headers={"Retry-After": retry_after}), Reply(200))) as server:
        assert send([message(server.url)]) == ()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 418])
def test_a_refusal_is_told_and_not_tried_again(status: int) -> None:
    with serving(in_turn(Reply(status, b"zQ what it says"))) as server:
        (said,) = send([message(server.url)])
    assert len(server.seen) == 1
    assert f"HTTP {status}" in said
    assert "zQ" not in said


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    with (
        serving(in_turn(Reply(200))) as other,
        serving(lambda _: Reply(status, headers={"Location": f"{other.url}/zQ"})) as server,
    ):
        (said,) = send([message(server.url)])
        assert other.seen == []
    assert len(server.seen) == 1
    assert "redirects are not followed" in said


@contextmanager
def rude(behave: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that does something else than to answer, until the test is over."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=behave, args=(connection, over), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        thread.join()
        listener.close()


def hangs(connection: socket.socket, over: threading.Event) -> None:
    over.wait()
    connection.close()


def drips(connection: socket.socket, over: threading.Event) -> None:
    with connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.05):
            try:
                connection.sendall(b"X-More: and more\r\n")
            except OSError:
                return


def resets(connection: socket.socket, _: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def babbles(connection: socket.socket, _: threading.Event) -> None:
    with connection:
        connection.sendall(b"zQ this is no HTTP\r\n\r\n")


@pytest.mark.parametrize("behave", [hangs, drips, resets, babbles], ids=lambda one: one.__name__)
def test_a_receiver_of_bad_manners_costs_a_sentence_and_no_more(
    behave: Callable[[socket.socket, threading.Event], None],
) -> None:
    with rude(behave) as url, all_records() as records:
        (said,) = send([message(url)], budget_s=1.5)
    assert said.startswith("Slack was not notified: ")
    for text in (said, *records):
        assert "zQ" not in text


def test_one_receiver_does_not_stop_another() -> None:
    with rude(hangs) as url, serving(in_turn(Reply(200))) as server:
        (said,) = send([message(url), message(server.url)], budget_s=1.5)
    assert len(server.seen) == 1
    assert "no answer in time" in said


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/zQ",
        "ftp://hooks.example/zQ",
        "hooks.example/zQ",
        "https://",
        "https://[zQ",
        "https://a.example:zQ/",
        "zQ",
        "https://zQ\u2100.example/",
        "https://" + "zQ" * 500 + ".example/",
        "file:///zQ",
    ],
)
def test_an_address_that_is_not_posted_to_is_not_told(url: str) -> None:
    with all_records() as records:
        (said,) = send([Message("Teams", url, b"{}")], budget_s=10)
    assert said.startswith("Teams was not notified: its address")
    for text in (said, *records):
        assert "zQ" not in text


def test_nothing_is_logged_of_what_is_sent() -> None:
    with serving(in_turn(Reply(500), Reply(200))) as server, all_records() as records:
        logging.getLogger("urllib3").debug("heard")
        assert send([message(server.url)]) == ()
    assert "heard" in records
    assert not [one for one in records if "zQ" in one or server.url.partition("://")[2] in one]


def test_nothing_shows_what_it_holds() -> None:
    shown = repr(message("https://hooks.example", b"zQ"))
    assert "zQ" not in shown
    assert "Slack" in shown
