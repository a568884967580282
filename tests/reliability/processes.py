"""Runs in processes of their own, which can be killed at any instant.

    with started(ask) as run:                # it waits for `go`, so that a fault can be given its `pid`
        run.go()
        report = run.report()                # None when it was killed

The processes are forked from a server that has loaded the program and has no threads, so that one costs
some ten milliseconds. Owns their life and how their report comes back.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from deployer.report.model import Report
from tests.reliability.scenario import Ask, perform

_LONGEST_S = 90.0
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["pytest", __name__])


@dataclass(frozen=True)
class Run:
    """One run in a process of its own."""

    process: ForkServerProcess
    answers: Connection

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process.pid is not None
        return self.process.pid

    def go(self) -> None:
        """Let it begin."""
        self.answers.send(None)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self.process.kill()

    def report(self) -> Report | None:
        """Its report, or None when it was killed; any other end is an error."""
        found: Report | None = None
        try:
            if self.answers.poll(_LONGEST_S):
                found = self.answers.recv()
        except (EOFError, ConnectionResetError):
            pass
        self.process.join(_LONGEST_S)
        code = self.process.exitcode
        if code == -signal.SIGKILL:
            return None
        assert code == 0, f"a run ended with code {code}"
        assert found is not None, "a run ended without a report"
        return found


@contextmanager
def started(ask: Ask) -> Iterator[Run]:
    """A process that will do what is asked; it is killed at the end of the block if it still runs."""
    mine, theirs = _context.Pipe()
    process = _context.Process(target=_perform, args=(ask, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Run(process, mine)
    finally:
        process.kill()
        process.join()
        process.close()
        mine.close()


def _perform(ask: Ask, answers: Connection) -> None:
    answers.recv()
    answers.send(perform(ask))
