"""The workspace's time, for ages of files and the validity of tokens.

Owns the difference between this machine's clock and the workspace's. It is read once, from the Date
header (RFC 9110, 6.6.1) of the first answer, and kept by a monotonic clock: a clock of this machine that is
wrong, or is set while we run, makes no difference.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

_BEYOND_S = 2.0**36  # the year 4147, from which on sums of times would need care


class ServerClock:
    """The workspace's clock; this machine's until an answer with a Date was heard.

    Args:
        monotonic: seconds that never jump.
        local: this machine's seconds since the epoch.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        local: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._local = local
        self._ahead_of_monotonic: float | None = None

    def hear(self, headers: Mapping[str, str]) -> None:
        """Set the clock by the Date of an answer that just came; one that can't be read is ignored."""
        told = date_of(headers)
        if told is not None:
            self._ahead_of_monotonic = told - self._monotonic()

    def now_s(self) -> float:
        """Seconds since the epoch, right to about a second."""
        if self._ahead_of_monotonic is None:
            return self._local()
        return self._ahead_of_monotonic + self._monotonic()

    def now_ms(self) -> int:
        """The same in milliseconds."""
        return int(self.now_s() * 1000)

    def ahead_s(self) -> float:
        """By how many seconds the workspace's clock is ahead of this machine's; negative: behind."""
        return self.now_s() - self._local()


def date_of(headers: Mapping[str, str]) -> float | None:
    """The Date of an answer in seconds since the epoch; None when there is none to reckon with."""
    told = read_date(headers.get("Date", ""))
    seconds = told.timestamp() if told else -1.0
    return seconds if 0 <= seconds < _BEYOND_S else None


def read_date(text: str) -> datetime | None:
    """The date that a header names, in UTC where it names no zone; None where it is none."""
    try:
        told = email.utils.parsedate_to_datetime(text)
        return told.replace(tzinfo=told.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
