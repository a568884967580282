"""The calls that come in: what is remembered of each, and who looks on in the same process.

Owns: ``CallRecord``, the callbacks around calls, and what these raised. Must not hold a lock while a
callback runs: it uses the levers, and may wait for other calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from sandbox.store import StoreClosedError


@dataclass(frozen=True)
class CallRecord:
    """One call that came in.

    Attributes:
        method: the HTTP method.
        path: the path without query, percent-decoded.
        query: the query arguments.
        status: the answer's status, 0 where the connection was reset instead.
        user: who called, empty without a valid token.
        fault: the kind of the fault that struck, or empty.
        body: the JSON body of a call that was handled and had one, else None.
        milliseconds: how long the answer took.
    """

    method: str
    path: str
    query: dict[str, str]
    status: int
    user: str
    fault: str
    body: Any
    milliseconds: float


Before = Callable[[str, str], object]
"""Called with method and path."""
After = Callable[[CallRecord], object]
_Callbacks = dict[object, Callable[..., object]]


class Watch:
    """A callback that is in force until ``end``, or until the end of a ``with`` block."""

    def __init__(self, end: Callable[[], None]) -> None:
        self.end = end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Watchers:
    """All callbacks of one workspace; they run in the threads that serve the calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: _Callbacks = {}
        self._after: _Callbacks = {}
        self._raised: list[BaseException] = []

    def before(self, callback: Before) -> Watch:
        """Have a callback called before each call that is handled."""
        return self._add(self._before, callback)

    def after(self, callback: After) -> Watch:
        """Have a callback called after each call that changed something."""
        return self._add(self._after, callback)

    def _add(self, callbacks: _Callbacks, callback: Callable[..., object]) -> Watch:
        key = object()

        def end() -> None:
            with self._lock:
                callbacks.pop(key, None)

        with self._lock:
            callbacks[key] = callback
        return Watch(end)

    def tell_before(self, method: str, path: str) -> None:
        """Say that a call is about to be applied."""
        self._tell(self._before, method, path)

    def tell_after(self, record: CallRecord) -> None:
        """Say that a call was applied."""
        self._tell(self._after, record)

    def _tell(self, callbacks: _Callbacks, *facts: object) -> None:
        with self._lock:
            told = list(callbacks.values())
        for callback in told:
            try:
                callback(*facts)
            except StoreClosedError:
                # The sandbox stopped in the middle of it; there is no state left to judge.
                return
            except BaseException as error:  # noqa: BLE001 - pytest's own failures are no Exceptions
                with self._lock:
                    self._raised.append(error)

    def raise_first(self) -> None:
        """Raise what a callback raised first, and forget all of it; nothing when none did."""
        with self._lock:
            raised, self._raised = self._raised, []
        if not raised:
            return
        first, *more = raised
        for other in more:
            first.add_note(f"Later a callback raised {type(other).__name__}: {other}")
        raise first
