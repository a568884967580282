"""When a call is tried again, and after how long.

Owns the pure rules of retrying (design.md rule 9). Must not call, sleep or read a clock.

Every call of this adapter is safe to repeat: reads; `jobs/update` and `jobs/reset` with the same
body; making a folder that is there; deleting what is gone; and exclusive uploads, whose repetition
the store resolves. So does the store of DBFS with blocks, which a repetition may write twice. So one
rule serves all of them. The SDK's own retries are not used: they leave
out 500, 502 and 504 and read only one of the two forms of Retry-After (facts B7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from deployer.platforms.databricks.clock import read_date

TOO_MANY_REQUESTS = 429
RETRIED_STATUSES = frozenset({TOO_MANY_REQUESTS, 500, 502, 503, 504})
# Codes and words of overload that also come with other statuses (facts B4, B7).
RETRIED_CODES = frozenset({"REQUEST_LIMIT_EXCEEDED", "TEMPORARILY_UNAVAILABLE"})
_OVERLOAD = "RPC token bucket limit has been exceeded"


@dataclass(frozen=True)
class RetryPolicy:
    """How long to go on with one call.

    Attributes:
        budget_s: seconds from the first attempt after which no further one starts.
        base_s: upper bound of the first pause; it doubles with each attempt.
        cap_s: upper bound of any pause that the server did not ask for.
        garbled: attempts at an answer that is no JSON; a login page does not turn into JSON.
    """

    budget_s: float = 300.0
    base_s: float = 1.0
    cap_s: float = 30.0
    garbled: int = 3

    def pause(
        self, attempt: int, retry_after_s: float | None, uniform: Callable[[float, float], float]
    ) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1).

        Full jitter, so that many clients that failed together don't return together. What the
        server asks for is the least, and the jitter comes on top.
        """
        # 2**31 s is beyond any cap; the bound keeps the power small.
        bound = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 31))
        if retry_after_s is None:
            return uniform(0.0, bound)
        return retry_after_s + uniform(0.0, min(1.0, bound))


def is_transient(status: int, code: str, message: str) -> bool:
    """Whether the same request may succeed later."""
    return status in RETRIED_STATUSES or code in RETRIED_CODES or _OVERLOAD in message


def is_doubtful(status: int) -> bool:
    """Whether a request that failed like this may have been carried out all the same."""
    return status != TOO_MANY_REQUESTS


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that `Retry-After` asks for, as a number or a date (RFC 9110, 10.2.3).

    None when it is missing or unreadable; never negative.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal() and value.isascii():
        return float(value)
    when = read_date(value)
    return None if when is None else max(0.0, (when - now).total_seconds())
