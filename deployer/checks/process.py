"""Runs one command of a check: bounded in time, in memory, and in what it leaves behind.

Owns the life of the process group, and that another user's processes end with it. Must not interpret
what a command prints, and must not choose its environment: callers pass it whole.
"""

from __future__ import annotations

import codecs
import io
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from deployer.checks.user import ProjectUser
from deployer.errors import DeployError, FailureReason, fail

OnLine = Callable[[str], None]
"""Takes one line of output, without its end; the text is untrusted and may hold anything."""

TAIL_LINES = 50
LONGEST_LINE = 10_000  # characters
_LONGEST_TAIL = 20_000  # characters
_CUT = " … (line cut)"
_CHUNK = 65_536  # bytes
_POLL_S = 0.2
_DRAIN_S = 2.0


@dataclass(frozen=True)
class Completed:
    """How a command ended. `exit_code` is None when the time limit ended it, -N for signal N."""

    exit_code: int | None
    seconds: float
    tail: str  # the last `TAIL_LINES` lines

    @property
    def timed_out(self) -> bool:
        """Whether the time limit ended it."""
        return self.exit_code is None


class Deadline:
    """A time limit that several commands share."""

    def __init__(self, seconds: float) -> None:
        self._start = time.monotonic()
        self._end = self._start + seconds

    def left_s(self) -> float:
        """Seconds until the limit; never negative."""
        return max(0.0, self._end - time.monotonic())

    def used_s(self) -> float:
        """Seconds since the limit was set."""
        return time.monotonic() - self._start


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    on_line: OnLine,
    stopped: Callable[[], bool] = lambda: False,
    user: ProjectUser | None = None,
) -> Completed:
    """Run `argv` in a session of its own and pass its output on, line by line, as it comes.

    Standard output and standard error are one stream; standard input is empty. Whatever the
    command started in its process group is killed when it ends, when the time is up, when `stopped`
    says that the run was cancelled, and when `on_line` raises. With a `user` it runs as that one, and
    all that runs as that one is killed then.

    Raises:
        OSError: the command can't be started.
        DeployError: CANCELLED, ISOLATION_UNAVAILABLE.
    """
    if stopped():
        raise _cancelled()
    deadline = Deadline(timeout_s)
    lines = _Lines(on_line)
    with (
        _pipe(user) as (ours, theirs),
        subprocess.Popen(
            [str(part) for part in (user.command(argv) if user else argv)],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o022,  # file modes go into a wheel, so they must not depend on the caller
        ) as process,
    ):
        theirs.close()  # the output ends when nobody else has it open
        end = partial(_end, process, user)
        try:
            ended = _follow(process, ours, deadline, lines, stopped=stopped, end=end)
        finally:
            end()
    lines.end()
    return Completed(process.returncode if ended else None, deadline.used_s(), lines.tail())


@contextmanager
def _pipe(user: ProjectUser | None) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Both ends of a pipe for the output of a command of `user`."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as ours, os.fdopen(writing, "wb") as theirs:
        # Whoever writes may read as well: what was there to read can be gone when we read it.
        os.set_blocking(reading, False)
        if user:  # it may open /dev/stdout by its name
            os.fchown(writing, user.uid, user.gid)
        yield ours, theirs


def _cancelled() -> DeployError:
    return fail(
        FailureReason.CANCELLED,
        "The run was cancelled during the checks.",
        detail="What the checks had started was ended. Nothing was changed.",
        remedy="Run it again.",
    )


def _follow(
    process: subprocess.Popen[bytes],
    stream: IO[bytes],
    deadline: Deadline,
    lines: _Lines,
    *,
    stopped: Callable[[], bool],
    end: Callable[[], None],
) -> bool:
    """Read until the process ended and its output is read; False when the time is up first."""
    drain: Deadline | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while deadline.left_s() > 0:
            if stopped():
                raise _cancelled()
            if drain is None and process.poll() is not None:
                # It ended, but something it started may hold the pipe: that ends now, too.
                end()
                drain = Deadline(_DRAIN_S)
            if drain and drain.left_s() == 0:
                return True  # what could not be ended may keep the pipe: nobody waits for it
            if selector.select(min(_POLL_S, deadline.left_s())):
                try:
                    chunk = os.read(stream.fileno(), _CHUNK)
                except BlockingIOError:
                    continue
                if not chunk:
                    return _wait(process, deadline)
                lines.feed(chunk)
    return False


def _wait(process: subprocess.Popen[bytes], deadline: Deadline) -> bool:
    try:
        process.wait(deadline.left_s())
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes], user: ProjectUser | None) -> None:
    """Kill what is left of the group, whose id is that of its first process, and of the user."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if user:
        user.end_all()


class _Lines:
    """Bytes in, bounded lines out; keeps the last ones."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        # \r and \r\n end a line as well: a progress bar is not one endless line.
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8")("replace"), translate=True
        )
        self._line = ""
        self._cut = False

    def feed(self, chunk: bytes) -> None:
        self._take(self._decoder.decode(chunk))

    def end(self) -> None:
        self._take(self._decoder.decode(b"", final=True))
        if self._line:
            self._take("\n")

    def tail(self) -> str:
        return "\n".join(self._tail)[-_LONGEST_TAIL:]

    def _take(self, text: str) -> None:
        *ended, rest = text.split("\n")
        for part in ended:
            self._extend(part)
            line = self._line + _CUT if self._cut else self._line
            self._line, self._cut = "", False
            self._tail.append(line)
            self._on_line(line)
        self._extend(rest)

    def _extend(self, part: str) -> None:
        room = LONGEST_LINE - len(self._line)
        self._cut = self._cut or len(part) > room
        self._line += part[:room]
