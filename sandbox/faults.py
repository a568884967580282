"""Calls that go wrong on purpose, and the documented rate limits.

Owns: which call fails how, and the token buckets of facts B5. Must not touch the state of the
workspace: the server asks before it handles a call and acts on the answer.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from time import monotonic
from typing import Any, Literal, get_args

FaultKind = Literal[
    "status",
    "html",
    "timeout",
    "timeout-after",
    "reset-before",
    "reset-after",
    "truncate",
    "kill-before",
    "kill-after",
]
NOT_APPLIED: tuple[FaultKind, ...] = ("status", "html", "timeout", "reset-before", "kill-before")
"""The kinds that strike before the call does anything."""
_KILLS = ("kill-before", "kill-after")
_ERROR_STATUS = range(400, 600)
_OK = 200


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which calls go wrong.

    Attributes:
        kind: ``status`` answers ``status`` with a JSON error and does not apply the call;
            ``html`` answers ``status`` with a proxy's HTML page; ``timeout`` says nothing for
            ``seconds`` and then resets; ``timeout-after`` applies the call before that;
            ``reset-before`` resets the connection (TCP RST) and does not apply the call;
            ``reset-after`` applies it and then resets, so that the client can't know; ``truncate``
            applies it and sends half of the answer; ``kill-before`` and ``kill-after`` are such
            resets at which the process ``pid`` is killed (SIGKILL), before or after the call is
            applied.
        method: the HTTP method, or ``*``.
        path: a glob over the request path without query; ``*`` matches slashes too.
        nth: the first matching call that fails, counted from 1.
        times: how many matching calls fail in a row; 0 means all that follow.
        status: the status of ``status`` and ``html``; 200 for ``html`` is a login page, as a proxy shows it.
        error_code: the error code of ``status``.
        message: the message of ``status``.
        retry_after: a Retry-After header, as text, for ``status`` and ``html``.
        seconds: how long ``timeout`` and ``timeout-after`` stay silent.
        pid: the process on this machine that ``kill-before`` and ``kill-after`` kill; 0 for others.
    """

    kind: FaultKind
    method: str = "*"
    path: str = "*"
    nth: int = 1
    times: int = 1
    status: int = 503
    error_code: str = "TEMPORARILY_UNAVAILABLE"
    message: str = "The service is temporarily unavailable. Please try again later."
    retry_after: str = ""
    seconds: float = 3600.0
    pid: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"A fault's kind is one of {get_args(FaultKind)}, not {self.kind!r}.")
        if self.status not in _ERROR_STATUS and (self.kind, self.status) != ("html", _OK):
            raise ValueError(f"A fault's status lies in 400..599, not {self.status!r}.")
        if self.nth < 1 or self.times < 0:
            raise ValueError("A fault's nth counts from 1, and times is not negative.")
        if self.kind in _KILLS and self.pid <= 1:
            raise ValueError(f"A fault that kills needs the pid of a process, not {self.pid!r}.")
        if self.kind in _KILLS and self.pid == os.getpid():
            raise ValueError(f"The pid {self.pid} is the sandbox's own; it can't kill itself.")
        if self.kind not in _KILLS and self.pid:
            raise ValueError(f"A fault of the kind {self.kind!r} kills no process; it has no pid.")

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, as a faults file has it."""
        return asdict(self)


def fault_from(value: object) -> Fault:
    """A fault from its JSON form.

    Raises:
        ValueError: not an object, an unknown field, or a value out of range.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"A fault is a JSON object, not {value!r}.")  # noqa: TRY004 - bad input
    types: dict[str, tuple[type, ...]] = {
        each.name: {"int": (int,), "float": (int, float)}.get(str(each.type), (str,))
        for each in fields(Fault)
    }
    unknown = sorted(set(value) - set(types))
    if unknown:
        raise ValueError(f"A fault has no field {unknown[0]!r}; it has {', '.join(sorted(types))}.")
    if "kind" not in value:
        raise ValueError("A fault needs a kind.")
    for name, given in value.items():
        if not isinstance(given, types[name]) or isinstance(given, bool):
            raise ValueError(f"A fault's {name} can't be {given!r}.")  # noqa: TRY004 - bad input
    return Fault(**value)


def faults_from(value: object) -> tuple[Fault, ...]:
    """Faults from their JSON form.

    Raises:
        ValueError: not a list of faults.
    """
    if not isinstance(value, list):
        raise ValueError("faults are a JSON list")  # noqa: TRY004 - bad input, not a wrong call
    return tuple(fault_from(each) for each in value)


def read_faults(file: Path) -> tuple[Fault, ...]:
    """The faults of a JSON file that holds a list of them.

    Raises:
        ValueError: the file can't be read, is not JSON, or holds something else; names the file.
    """
    try:
        return faults_from(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ValueError(f"The faults file {file} can't be used: {error}") from error


class Faults:
    """The faults in force, with a count of the calls that matched each."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._seen: list[int] = []
        self.put(faults)

    def put(self, faults: Sequence[Fault]) -> None:
        """Replace all faults; counting starts anew."""
        with self._lock:
            self._faults = list(faults)
            self._seen = [0] * len(faults)

    def current(self) -> tuple[Fault, ...]:
        """The faults in force, spent ones too."""
        with self._lock:
            return tuple(self._faults)

    def strike(self, method: str, path: str) -> Fault | None:
        """Count this call; the first fault whose turn it is, or None."""
        struck = None
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.method not in ("*", method) or not fnmatchcase(path, fault.path):
                    continue
                self._seen[index] += 1
                turn = self._seen[index] - fault.nth
                if struck is None and turn >= 0 and (fault.times == 0 or turn < fault.times):
                    struck = fault
        return struck


_FAMILIES: tuple[tuple[str, str, float], ...] = (
    # method, path glob, calls per second: facts B5
    ("POST", "/api/2.?/jobs/create", 20),
    ("GET", "/api/2.?/jobs/get", 20),
    ("GET", "/api/2.?/jobs/list", 20),
    ("POST", "/api/2.?/jobs/reset", 20),
    ("POST", "/api/2.?/jobs/run-now", 20),
    ("POST", "/api/2.?/jobs/update", 10),
    ("POST", "/api/2.?/jobs/delete", 10),
    ("GET", "/api/2.?/jobs/runs/get", 100),
    ("POST", "/api/2.0/workspace/import", 30),
    ("POST", "/api/2.0/workspace-files/import-file/*", 30),
    ("GET", "/api/2.0/workspace/list", 50),
    ("GET", "/api/2.0/workspace/export", 60),
    ("POST", "/api/2.0/workspace/delete", 2),
    ("*", "/api/2.0/fs/*", 100),
    ("*", "/api/2.0/dbfs/*", 30),
)
_AT_ONCE = ("/api/2.0/fs/*", 10)  # path glob, calls under way: facts B5
# 2.1 and 2.2 share a bucket, and so do the two imports.
_BUCKET_NAMES = {"/api/2.0/workspace-files/import-file/*": "/api/2.0/workspace/import"}


class RateLimits:
    """One token bucket per endpoint family; each holds one second of calls (facts B5).

    The documentation gives the rates and neither the size of the bucket nor the answer; 429 is what
    clients saw.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}
        self._under_way = 0
        self.refused = 0

    def admit(self, method: str, path: str) -> bool:
        """Take a token for this call; False when the bucket of its family is empty."""
        for verb, glob, rate in _FAMILIES:
            if verb in ("*", method) and fnmatchcase(path, glob):
                return self._take(_BUCKET_NAMES.get(glob, glob), rate)
        return True

    def enter(self, path: str) -> bool:
        """Begin a call; False when as many of its kind are under way as may be."""
        glob, most = _AT_ONCE
        if not fnmatchcase(path, glob):
            return True
        with self._lock:
            admitted = self._under_way < most
            self._under_way += admitted
            self.refused += not admitted
        return admitted

    def leave(self, path: str) -> None:
        """End a call that was let in by ``enter``."""
        if fnmatchcase(path, _AT_ONCE[0]):
            with self._lock:
                self._under_way -= 1

    def _take(self, name: str, rate: float) -> bool:
        now = self._clock()
        with self._lock:
            tokens, since = self._buckets.get(name, (rate, now))
            tokens = min(rate, tokens + (now - since) * rate)
            admitted = tokens >= 1
            self._buckets[name] = (tokens - 1 if admitted else tokens, now)
            self.refused += not admitted
        return admitted
