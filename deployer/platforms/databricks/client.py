"""Calls that keep to the limits and survive trouble.

Owns the loop around one call: its turn in the rate limit, retries, the count of what was done, and
the exceptions that callers see. Must not know what the calls mean.
"""

from __future__ import annotations

import copy
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from deployer.deployment.ports import Interrupted, Unavailable
from deployer.errors import DeployError
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks import answers, retry
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.documents import text
from deployer.platforms.databricks.limits import Family, Limits
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.transport import Broken, Call, Query, Transport

log = logging.getLogger(__name__)

MOST_PAGES = 10_000
"""A hundred times as many as the largest workspace has, and ten minutes at our own pace."""
_READS = frozenset({"GET", "HEAD"})


class Garbled(Unavailable):
    """What answers there does not speak the API: a web page, or broken JSON, again and again."""


class Client:
    """The API of one workspace; threads may share it.

    Args:
        transport: sends single attempts.
        policy: when to retry.
        limits: whose turn it is.
        clock: monotonic seconds.
        sleep: waits that many seconds; raises Interrupted when the run is to stop.
        proceed: raises Interrupted when the run is to stop; asked before each read. A write that
            is due goes out: its caller decided on it, and cleaning up needs writes, too.
            `fence` of `beside` is what can hold writes back.
        uniform: a random number between two others.
        now: the time of day, for dates in Retry-After.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        policy: RetryPolicy | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        proceed: Callable[[], None] = lambda: None,
        uniform: Callable[[float, float], float] = random.uniform,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._transport = transport
        self._policy = policy or RetryPolicy()
        self._limits = limits or Limits(clock=clock, sleep=sleep)
        self._clock = clock
        self._sleep = sleep
        self._proceed = proceed
        self._fence: Callable[[], None] = lambda: None
        self._uniform = uniform
        self._now = now
        self._lock = threading.Lock()
        self._tally = [(0, 0, 0.0)]  # in a list, because clients beside each other share it

    @property
    def host(self) -> str:
        """The address of the workspace."""
        return self._transport.host

    def learn(self, secret: str) -> None:
        """Tell whoever redacts of a secret that came up."""
        self._transport.secrecy.learn(secret)

    def tally(self) -> tuple[int, int, float]:
        """Attempts made, retries among them, and seconds waited."""
        with self._lock:
            return self._tally[0]

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    @property
    def read_timeout_s(self) -> float | None:
        """How long every call waits for bytes of its answer; None where each call has its own time."""
        return self._transport.read_timeout_s

    def beside(
        self,
        transport: Transport | None = None,
        policy: RetryPolicy | None = None,
        fence: Callable[[], None] | None = None,
        most_s: float | None = None,
    ) -> Client:
        """One for another server, or of another patience, that stops and counts with this one.

        `most_s` is how many seconds a call may take at most, if the policy gives more.
        `fence` is asked before each attempt of each call that is no read; what it raises ends the call.
        """
        other = copy.copy(self)
        other._transport = transport or self._transport  # noqa: SLF001 - a copy of ourselves
        chosen = policy or self._policy
        if most_s is not None:
            chosen = replace(chosen, budget_s=min(chosen.budget_s, most_s))
        other._policy = chosen  # noqa: SLF001
        other._fence = fence or self._fence  # noqa: SLF001
        return other

    def get(self, path: str, family: Family, query: Query | None = None) -> JsonObject:
        """The JSON object at `path`. Raises as `json` does."""
        return self.json(Call("GET", path, family, query=query or {}))

    def post(self, path: str, family: Family, body: JsonObject) -> JsonObject:
        """The JSON object that a POST of `body` gives. Raises as `json` does."""
        return self.json(Call("POST", path, family, body=body))

    def json(self, call: Call) -> JsonObject:
        """The JSON object that `call` gives; an empty one for an empty answer.

        Raises:
            NotFound, Denied, AlreadyExists, Refused: the API said no.
            Unavailable, DeployError: as `send`.
        """
        answer = self.send(call)
        if not answer.ok:
            explained = answers.unread if call.method in _READS else answers.problem
            raise explained(answer, call.what)
        return answer.document

    def pages(self, path: str, family: Family, query: Query) -> Iterator[JsonObject]:
        """The answers to a GET, page after page, for as long as they name a next one.

        Raises:
            Unavailable: the pages go round in circles, or have no end. Others as `json`.
        """
        token = ""
        seen = {token}
        while len(seen) <= MOST_PAGES:
            page = self.get(path, family, {**query, "page_token": token} if token else query)
            yield page
            token = text(page.get("next_page_token"))
            if not token:
                return
            if token in seen:
                raise Unavailable(f"GET {path} names the same page twice; its list can't be read.")
            seen.add(token)
        raise Unavailable(f"GET {path} has more than {MOST_PAGES:,} pages; its list can't be read.")

    def send(self, call: Call) -> Answer:
        """The answer to `call`, whether it is a yes or a no, after retries.

        Raises:
            Unavailable: every attempt failed until the budget was spent.
            Interrupted: the run is to stop, and this call would have had to wait; or LockLost, as
                the fence says.
            DeployError: the credential is turned down, or TLS fails.
        """
        start = self._clock()
        position = call.content.tell() if call.content else 0
        attempt, doubtful = 1, False
        if call.method in _READS:
            self._proceed()
        while True:
            with _told_whether(call, doubtful=doubtful):
                waited = self._limits.bucket(call.family).acquire()
                if call.method not in _READS:
                    self._fence()  # last of all: a turn may have been long in coming
            self._count(attempt, waited)
            if call.content:
                call.content.seek(position)
            failure: Answer | Broken
            try:
                failure = self._transport.attempt(call)
            except Broken as broken:
                failure = broken
            if isinstance(failure, Answer):
                if not retry.is_transient(failure.status, failure.code, failure.message):
                    return self._accepted(replace(failure, doubtful=doubtful))
                doubtful = doubtful or retry.is_doubtful(failure.status)
            else:
                doubtful = True
            with _told_whether(call, doubtful=doubtful):
                self._wait_or_give_up(call, failure, attempt, self._clock() - start)
            attempt += 1

    def _accepted(self, answer: Answer) -> Answer:
        if answers.is_unauthenticated(answer):
            raise answers.authentication_failed(self.host, answer.message)
        return answer

    def _wait_or_give_up(
        self, call: Call, failure: Answer | Broken, attempt: int, spent_s: float
    ) -> None:
        """Wait before the next attempt, or raise what the last one stands for."""
        asked = None
        if isinstance(failure, Answer):
            asked = retry.retry_after(failure.headers, self._now())
            why = " ".join(filter(None, (str(failure.status), failure.code, failure.message)))
        else:
            why = failure.why
        pause = self._policy.pause(attempt, asked, self._uniform)
        garbled = isinstance(failure, Broken) and failure.garbled
        spent = spent_s + pause > self._policy.budget_s
        if spent or (garbled and attempt >= self._policy.garbled):
            raise self._given_up(call, failure, why, attempt, spent_s)
        log.log(
            logging.INFO if pause >= 1 else logging.DEBUG,
            "%s failed (%s). Attempt %d follows in %.1f s.",
            call.what,
            why,
            attempt + 1,
            pause,
        )
        if isinstance(failure, Answer) and failure.status == retry.TOO_MANY_REQUESTS:
            # Who shares the limit waits as well, instead of being turned down in its turn.
            self._limits.bucket(call.family).pause(pause)
        self._sleep(pause)
        self._count(0, pause)

    def _given_up(
        self, call: Call, failure: Answer | Broken, why: str, attempt: int, spent_s: float
    ) -> DeployError | Unavailable:
        if isinstance(failure, Broken) and failure.final is not None:
            return failure.final
        times = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        kind = Garbled if isinstance(failure, Broken) and failure.garbled else Unavailable
        return kind(f"{call.what} failed after {times} in {spent_s:.0f} s: {why}")

    def _count(self, attempt: int, waited: float) -> None:
        """Add an attempt (0 for none) and seconds of waiting."""
        with self._lock:
            calls, retries, seconds = self._tally[0]
            self._tally[0] = (
                calls + (attempt > 0),
                retries + (attempt > 1),
                seconds + waited,
            )


@contextmanager
def _told_whether(call: Call, *, doubtful: bool) -> Iterator[None]:
    """Let an Interrupted from inside say whether `call` may have been carried out by then."""
    try:
        yield
    except Interrupted as stop:
        stop.doubtful = doubtful and call.method not in _READS
        raise
