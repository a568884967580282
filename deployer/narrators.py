"""Where the running commentary goes: the runner's log, or a terminal.

Owns the adapters of `narrator.Narrator`, and the way there for what libraries log: on its own it would
go to standard error as it is, where the runner looks for commands. Every text passes the redactor first,
and then the escaping of its sink.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from deployer.gh.core import Actions
from deployer.narrator import Narrator
from deployer.redaction import Redactor
from deployer.report.untrusted import visible_lines

TELL_PROGRESS_EVERY_S = 5.0
_OURS = "deployer"


class ActionsNarrator:
    """Tells the story in the runner's log: groups, plain lines, debug lines."""

    def __init__(self, actions: Actions, redactor: Redactor, *, debug: bool) -> None:
        self._actions = actions
        self._redactor = redactor
        self._debug = debug
        self._told_at = 0.0

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """A log group."""
        with self._actions.group(self._shown(title)):
            yield

    def info(self, text: str) -> None:
        """A plain line."""
        self._actions.info(self._shown(text))

    def debug(self, text: str) -> None:
        """A debug line, which the runner shows in debug runs; a plain one at level `debug`."""
        tell = self._actions.info if self._debug else self._actions.debug
        tell(self._shown(text))

    def progress(self, what: str, done: int, total: int | None) -> None:
        """A line every few seconds: a log keeps what a terminal overwrites."""
        now = time.monotonic()
        if now - self._told_at >= TELL_PROGRESS_EVERY_S:
            self._told_at = now
            self._actions.info(_progress(what, done, total))

    @contextmanager
    def untrusted(self) -> Iterator[Callable[[str], None]]:
        """Lines for which the runner obeys no command."""
        with self._actions.stop_commands() as write:
            yield lambda text: write(self._shown(text) + "\n")

    def _shown(self, text: str) -> str:
        return "\n".join(visible_lines(self._redactor.clean(text).rstrip("\n")))


class TerminalNarrator:
    """Tells the story on standard error; standard output is the report's."""

    def __init__(self, stream: TextIO, redactor: Redactor, *, debug: bool) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._redactor = redactor
        self._debug = debug
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """A heading, and a bar below it while there is progress."""
        self._say(title, style="bold")
        try:
            yield
        finally:
            if self._bars is not None:
                self._bars.stop()
            self._bars = None
            self._tasks.clear()

    def info(self, text: str) -> None:
        """Lines below their heading."""
        self._say(text, lead="  ")

    def debug(self, text: str) -> None:
        """Dim lines, at level `debug`."""
        if self._debug:
            self._say(text, lead="  ", style="dim")

    def progress(self, what: str, done: int, total: int | None) -> None:
        """A bar on a terminal; nothing elsewhere."""
        if not self._console.is_terminal:
            return
        if self._bars is None:
            columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn())
            self._bars = Progress(*columns, console=self._console, transient=True)
            self._bars.start()
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done)

    @contextmanager
    def untrusted(self) -> Iterator[Callable[[str], None]]:
        """Lines without terminal escapes."""
        yield lambda text: self._say(text, lead="  │ ", style="dim")

    def _say(self, text: str, *, lead: str = "", style: str = "") -> None:
        for line in visible_lines(self._redactor.clean(text).rstrip("\n")):
            self._console.print(Text(f"{lead}{line}", style=style))


@contextmanager
def telling_logs(narrator: Narrator) -> Iterator[None]:
    """Have the narrator tell what is logged while the block runs; Python's warnings count as logged, too.

    Ours is told at its level, warnings of others to whoever looks for a cause.
    """
    handler, ours, everything = _ToNarrator(narrator), logging.getLogger(_OURS), logging.getLogger()
    level = ours.level
    ours.setLevel(logging.DEBUG)
    everything.addHandler(handler)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        everything.removeHandler(handler)
        ours.setLevel(level)


class _ToNarrator(logging.Handler):
    """Hands each record on as one text."""

    def __init__(self, narrator: Narrator) -> None:
        super().__init__()
        self._narrator = narrator

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the message; a traceback that comes with it would show what its exceptions hold."""
        is_ours = record.name.partition(".")[0] == _OURS
        if not is_ours and record.levelno < logging.WARNING:
            return
        tell = (
            self._narrator.info
            if is_ours and record.levelno > logging.DEBUG
            else self._narrator.debug
        )
        try:
            said = record.getMessage()
        except Exception:  # noqa: BLE001 - a record whose arguments don't fit must not end the run
            said = str(record.msg)
        tell(said if is_ours else f"{record.name}: {said}")


def _progress(what: str, done: int, total: int | None) -> str:
    return f"{done:,} {what}" if total is None else f"{done:,} of {total:,} {what}"
