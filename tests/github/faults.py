"""Trouble on purpose: which call meets it, and what it meets.

Owns the queue of faults. Must not answer anything itself.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from werkzeug.wrappers import Response

from tests.github.routing import json_response

_SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)
RESET = "reset"


@dataclass
class Fault:
    """What the next `times` calls of `method` to a path that `path` finds meet.

    With `applied` the call is carried out all the same, and only its answer is lost.
    """

    answer: Callable[[], Response] | None
    method: str = ""  # "" for any
    path: str = ""
    times: int = 1
    applied: bool = False

    @classmethod
    def status(cls, status: int, message: str = "", **where: object) -> Fault:
        """An answer with that status."""
        return cls(lambda: json_response({"message": message or "trouble"}, status), **where)  # type: ignore[arg-type]

    @classmethod
    def secondary_limit(
        cls, retry_after: int | None = None, *, status: int = 403, **where: object
    ) -> Fault:
        """The secondary rate limit, with or without Retry-After."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls(lambda: json_response({"message": _SECONDARY}, status, headers), **where)  # type: ignore[arg-type]

    @classmethod
    def primary_limit(cls, reset_in_s: int, **where: object) -> Fault:
        """No requests are left until the reset."""

        def answer() -> Response:
            headers = {
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(int(time.time()) + reset_in_s),
            }
            return json_response(
                {"message": "API rate limit exceeded for user ID 1."}, 403, headers
            )

        return cls(answer, **where)  # type: ignore[arg-type]

    @classmethod
    def reset(cls, **where: object) -> Fault:
        """The connection breaks instead of an answer."""
        return cls(None, **where)  # type: ignore[arg-type]


@dataclass
class Faults:
    """The faults that wait for their calls."""

    waiting: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that this call meets, used up by it."""
        with self._lock:
            for fault in self.waiting:
                if fault.times > 0 and fault.method in {"", method} and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None
