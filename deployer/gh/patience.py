"""How long to wait before GitHub is asked again, and when not to ask again.

Owns the rule (facts, "Contract facts" 33): Retry-After counts; else, when no request is left, the time of the
reset; else a secondary limit wants at least a minute, and twice as long each time. All waits of one run
together are bounded. Waiting itself is given, so that it can be cut short and no test waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

LIMITED = frozenset({403, 429})
TROUBLE = frozenset({500, 502, 503, 504})
TRIES = 4
_SECONDARY_S = 60.0
_RESET_SLACK_S = 1.0  # the clocks of GitHub and of this machine differ
_LONGEST_NUMBER = 10  # digits; more is no time
_BETWEEN_WRITES_S = 1.0  # as GitHub's best practices ask


@dataclass(frozen=True)
class No:
    """An answer that says no. Names of `headers` are lower case; status 0 is a lost connection."""

    status: int
    headers: Mapping[str, str]
    message: str
    codes: frozenset[str] = frozenset()  # what GitHub calls each error of a list


def is_limit(no: No) -> bool:
    """Whether it is a limit, and not a permission that is missing."""
    return no.status in LIMITED and (
        no.status == 429  # noqa: PLR2004 - Too Many Requests
        or "retry-after" in no.headers
        or no.headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in no.message.lower()
    )


def wait_s(no: No, attempt: int, now_s: float) -> float | None:
    """Seconds until the next try; None when another would not help. `attempt` counts from 0."""
    if is_limit(no):
        asked = _number(no.headers.get("retry-after", ""))
        if asked is not None:
            return float(asked)
        reset = _number(no.headers.get("x-ratelimit-reset", ""))
        if no.headers.get("x-ratelimit-remaining") == "0" and reset is not None:
            return max(reset - now_s, 0.0) + _RESET_SLACK_S
        return _SECONDARY_S * 2.0**attempt
    if no.status in TROUBLE or no.status == 0:
        return 2.0**attempt
    return None


@dataclass
class Patience:
    """What is left of it in one run. `budget_s` bounds all waits together."""

    sleep: Callable[[float], None]
    now: Callable[[], float]
    budget_s: float = 180.0
    _last_write: float = 0.0

    def wait(self, no: No, attempt: int) -> bool:
        """Wait as long as `no` asks for; False, at once, when that would be too long or in vain."""
        asked = wait_s(no, attempt, self.now())
        if asked is None or attempt + 1 >= TRIES or asked > self.budget_s:
            return False
        self.budget_s -= asked
        self.sleep(asked)
        return True

    def before_write(self) -> None:
        """Keep a second between writes."""
        since = self.now() - self._last_write
        if 0 <= since < _BETWEEN_WRITES_S:
            self.sleep(_BETWEEN_WRITES_S - since)
        self._last_write = self.now()


def _number(text: str) -> int | None:
    text = text.strip()
    return (
        int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else None
    )
