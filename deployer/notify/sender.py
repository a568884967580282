"""Sends messages to addresses that are secrets: a few times, for a bounded time, and to nobody else.

Owns the calls. Must not let an address, or what was answered, into any text: exceptions of requests and
debug lines of urllib3 quote addresses, so neither is ever shown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import requests
import requests.auth

from deployer.session import Session, is_loopback, unlogged

ATTEMPTS = 3
BUDGET_S = 30.0
"""Seconds for all messages together, with all waiting."""
_TIMEOUT_S = (5.0, 10.0)  # to connect, and between two bytes of an answer
_FIRST_PAUSE_S = 1.0
_TOO_MANY = 429
_HINTS = {
    400: "the message was refused",
    401: "it wants a login",
    403: "the address is not allowed to post, or not any more",
    404: "there is nothing at this address (any more)",
    410: "there is nothing at this address any more",
    413: "the message is too large",
    429: "too many messages were sent there",
}


@dataclass(frozen=True)
class Message:
    """One message on its way. `receiver` is how people call where it goes, such as `Slack`."""

    receiver: str
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def send(messages: Sequence[Message], budget_s: float = BUDGET_S) -> tuple[str, ...]:
    """Send all `messages` at once; one sentence for each that did not arrive. Never raises.

    Takes `budget_s` seconds at most: whatever does not answer by then is left to itself.
    """
    ends = time.monotonic() + budget_s
    started = [_Sending(message, ends) for message in messages]
    for one in started:
        one.thread.start()
    for one in started:
        one.thread.join(max(0.0, ends - time.monotonic()))
    return tuple(said for one in started if (said := one.told()))


class _NotSent(Exception):
    """Why a message did not arrive, in words that hold nothing of the address or the answer."""


class _Again(_NotSent):
    """The same may go well in a moment; `wait_s` is how long the receiver wants to be left alone."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class _Sending:
    """One message with the thread that sends it: a receiver may hang at any byte."""

    def __init__(self, message: Message, ends: float) -> None:
        self._message, self._ends = message, ends
        self._failure: str | None = "there was no answer in time"
        self.thread = threading.Thread(target=self._run, daemon=True)

    def told(self) -> str:
        """What to tell of it; empty when it arrived."""
        failure = self._failure
        return f"{self._message.receiver} was not notified: {failure}." if failure else ""

    def _run(self) -> None:
        try:
            with unlogged():
                self._attempts(_checked(self._message.url))
            self._failure = None
        except _NotSent as error:
            self._failure = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it says may quote the address
            self._failure = f"its address or the connection can't be used ({type(error).__name__})"

    def _attempts(self, address: SplitResult) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._post(address)
            except _Again as again:
                wait = max(again.wait_s, _FIRST_PAUSE_S * 2**attempt)
                is_last = attempt + 1 == ATTEMPTS
                if is_last or time.monotonic() + wait > self._ends:
                    raise
                time.sleep(wait)
            else:
                return

    def _post(self, address: SplitResult) -> None:
        with Session() as session, _in_our_words():
            # A proxy is for what is not on this machine.
            session.trust_env = not is_loopback(address.hostname or "")
            answer = session.post(
                self._message.url,
                data=self._message.body,
                headers=self._message.headers,
                auth=_NoLogin(),
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                stream=True,  # what is answered is never read
            )
            answer.close()
        _judge(answer.status_code, answer.headers.get("Retry-After", ""))


class _NoLogin(requests.auth.AuthBase):
    """Adds nothing: without it requests would look into ~/.netrc for a login."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def _checked(url: str) -> SplitResult:
    """The parts of `url`. Raises _NotSent for one that messages are not sent to."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _NotSent("its address is no URL") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise _NotSent("its address is no URL that begins with https://")
    if parts.scheme == "http" and not is_loopback(host):
        raise _NotSent("its address has to begin with https://")
    return parts


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except requests.exceptions.SSLError:
        raise _NotSent("its certificate is not trusted") from None
    except requests.exceptions.ReadTimeout:
        # It may have arrived: a second one would be one too many.
        raise _NotSent("there was no answer in time") from None
    except (requests.ConnectionError, requests.Timeout):
        raise _Again("it can't be reached, or ended the connection") from None


def _judge(status: int, retry_after: str) -> None:
    """Raise _NotSent or _Again for what `status` says, unless the message was taken."""
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's successes
        return
    hint = _HINTS.get(status, "")
    said = f"the answer was HTTP {status}" + (f", {hint}" if hint else "")
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's redirects
        raise _NotSent(f"{said}, and redirects are not followed")
    if status == _TOO_MANY or status >= 500:  # noqa: PLR2004 - HTTP's errors of servers
        raise _Again(said, _seconds(retry_after))
    raise _NotSent(said)


def _seconds(retry_after: str) -> float:
    """What `Retry-After` asks for in seconds; 0 for a date, or nonsense."""
    text = retry_after.strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0.0  # noqa: PLR2004


Send = Callable[[Sequence[Message], float], tuple[str, ...]]
