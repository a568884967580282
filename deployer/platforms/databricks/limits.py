"""Token buckets that keep us below the documented rate limits of a workspace.

Owns which calls share a limit and how long each has to wait for its turn. Must not call the API.

The rates are ours, below the documented ones (facts B5, "Resource limits" in the Databricks docs),
because other tools share the workspace. The burst is what is left between the two: in any window of
one second a bucket then lets no more calls through than the documented limit.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Rate:
    """`per_second` calls on average, where the service allows `documented`."""

    per_second: float
    documented: float

    @property
    def burst(self) -> int:
        """How many calls may go out at once after a pause."""
        return max(1, math.floor(self.documented - self.per_second))


class Family(Enum):
    """Calls that share one limit."""

    JOBS_READ = "jobs/get, jobs/list"
    JOBS_UPDATE = "jobs/update"
    JOBS_RESET = "jobs/reset"
    RUNS_READ = "jobs/runs/get, jobs/runs/list"
    IMPORT = "workspace import"
    LIST = "workspace list, get-status"
    EXPORT = "workspace export"
    DELETE = "workspace delete"
    FILES = "Files API"
    DBFS = "DBFS API"
    STORAGE = "cloud storage"
    OTHER = "others"


RATES: Mapping[Family, Rate] = {
    Family.JOBS_READ: Rate(15, 20),
    Family.JOBS_UPDATE: Rate(8, 10),
    Family.JOBS_RESET: Rate(15, 20),
    Family.RUNS_READ: Rate(80, 100),
    Family.IMPORT: Rate(25, 30),
    Family.LIST: Rate(40, 50),
    Family.EXPORT: Rate(50, 60),
    Family.DELETE: Rate(1.5, 2),
    Family.FILES: Rate(80, 100),
    Family.DBFS: Rate(25, 30),
    # Not the workspace's: a bucket of S3 takes thousands. We send a few large parts.
    Family.STORAGE: Rate(100, 200),
    # No limit is documented, 20 is a guess; the Terraform provider keeps to 15 (facts B5).
    Family.OTHER: Rate(15, 20),
}


class TokenBucket:
    """One limit, shared by threads. Waiting callers are served in the order in which they came."""

    def __init__(
        self,
        rate: Rate,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / rate.per_second
        self._tolerance = (rate.burst - 1) * self._interval
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._due = clock()  # when the next call is due if all calls were evenly spaced

    def acquire(self) -> float:
        """Wait for a turn; the seconds waited."""
        with self._lock:
            now = self._clock()
            due = max(self._due, now)
            self._due = due + self._interval
        wait = max(0.0, due - self._tolerance - now)
        if wait:
            self._sleep(wait)
        return wait

    def pause(self, seconds: float) -> None:
        """Let nobody through for `seconds`: the server told one of us to slow down."""
        with self._lock:
            self._due = max(self._due, self._clock() + seconds + self._tolerance)


class Limits:
    """A bucket for each family."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._buckets = {
            family: TokenBucket(rate, clock=clock, sleep=sleep) for family, rate in RATES.items()
        }

    def bucket(self, family: Family) -> TokenBucket:
        """The bucket that the calls of `family` share."""
        return self._buckets[family]
