"""Runs one program with a limit: its whole process group ends with it, whatever happens.

Owns starting, watching and killing. Must not know what the program is for.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

OUTPUT_LIMIT_BYTES = 1024 * 1024
"""How much of a program's output is kept: its last bytes, which hold the error."""

_LOOK_S = 0.1
_DRAIN_S = 2.0
_CHUNK_BYTES = 65_536


class Stop(StrEnum):
    """Why a program was killed before it ended by itself."""

    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code (negative: the signal), and its output, both streams.

    `stop` is set when we killed it.
    """

    code: int
    output: str
    stop: Stop | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the program ended by itself and reported success."""
        return self.code == 0 and self.stop is None


def run(
    command: Sequence[str | Path],
    *,
    environ: Mapping[str, str],
    folder: Path,
    limit_s: float,
    cancelled: threading.Event,
) -> Ended:
    """Run `command` in `folder` with exactly `environ`, for at most `limit_s` seconds.

    The program gets no standard input and a process group of its own, which is killed when the
    program ended, when the time is up, and when `cancelled` is set.

    Raises:
        OSError: the program can't be started.
    """
    deadline = time.monotonic() + limit_s
    with subprocess.Popen(
        command,
        bufsize=0,
        cwd=folder,
        env=dict(environ),
        start_new_session=True,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        tail = _Tail(process)
        stop: Stop | None = None
        try:
            while stop is None and process.poll() is None:
                tail.read(_LOOK_S)
                if cancelled.is_set():
                    stop = Stop.CANCELLED
                elif time.monotonic() > deadline:
                    stop = Stop.TIMEOUT
        finally:
            # Also after a normal end: a JVM or a worker may outlive the program that started it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        tail.drain()
        return Ended(process.wait(), tail.text(), stop)


class _Tail:
    """The last bytes that a process wrote."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            raise ValueError("the process has no pipe to read")
        self._pipe = process.stdout
        self._open = True
        self._kept = bytearray()

    def read(self, wait_s: float) -> None:
        """Take what there is to read, waiting up to `wait_s` seconds for it."""
        if not self._open:
            time.sleep(wait_s)
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            if not selector.select(wait_s):
                return
        chunk = os.read(self._pipe.fileno(), _CHUNK_BYTES)
        self._open = bool(chunk)
        self._kept += chunk
        del self._kept[:-OUTPUT_LIMIT_BYTES]

    def drain(self) -> None:
        """Read to the end; a process that left the group may hold the pipe, so with a bound."""
        until = time.monotonic() + _DRAIN_S
        while self._open and time.monotonic() < until:
            self.read(_LOOK_S)

    def text(self) -> str:
        """What was kept, as text; bytes that are not UTF-8 show as replacement characters."""
        return self._kept.decode("utf-8", errors="replace")
