"""The counterpart of `@actions/core` for a container action: log, commands, outputs, summary.

Owns every order that this program gives the runner. ghapi prints the commands; it neither escapes
nor knows the command files, so `commands` escapes first and the files are written here. Must not
read the environment: the paths of the command files and standard output are given. Outside
GitHub it must not be used for masks, which would print the secret.
"""

from __future__ import annotations

import importlib
import io
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TextIO

from deployer.gh.commands import escape_data, key_value, log_lines, properties

SUMMARY_LIMIT = 1024 * 1024  # bytes per step; the runner drops a longer summary (fact 20)
SHORTEST_MASK = 4  # characters; a shorter mask would black out ordinary words and outputs
_CUT_NOTE = "\n\n_The summary ends here: there is no room for more._\n"


@dataclass(frozen=True)
class CommandFiles:
    """The files that the runner reads when the step has ended; None outside GitHub."""

    output: Path | None = None
    summary: Path | None = None
    state: Path | None = None


class Actions:
    """The runner, as this program speaks to it. Safe to use from several threads."""

    def __init__(self, files: CommandFiles, stdout: TextIO) -> None:
        self._files = files
        self._stdout = stdout
        self._lock = threading.RLock()
        self._stopped = False
        self._waiting: list[str] = []

    def info(self, message: str) -> None:
        """Print `message` as plain log lines, whatever it holds."""
        with self._lock:
            self._write("".join(f"{line}\n" for line in log_lines(message)))

    def debug(self, message: str) -> None:
        """Print a line that shows only in a run with debug logging."""
        self._command(lambda: _ghapi().actions_debug(escape_data(message)))

    def notice(self, message: str, **place: str | int | None) -> None:
        """Add a notice; `place` as for `error`."""
        details = _place(place)
        command = f"notice {details}" if details else "notice"
        self._order(f"::{command}::{escape_data(message)}\n")  # ghapi has no notice

    def warning(self, message: str, **place: str | int | None) -> None:
        """Add a warning; `place` as for `error`."""
        self._command(lambda: _ghapi().actions_warn(escape_data(message), _place(place)))

    def error(self, message: str, **place: str | int | None) -> None:
        """Add an error annotation.

        Args:
            message: What happened; may have several lines. The runner cuts it at 4,096
                characters and keeps 10 annotations of each kind (fact 21).
            place: `title`, `file`, `line` and `col`, `endLine` and `endColumn`.
        """
        self._command(lambda: _ghapi().actions_error(escape_data(message), _place(place)))

    def mask(self, secret: str) -> bool:
        """Have the runner black out `secret` in the log; call it before anything can print it.

        A secret of several lines is masked whole and line by line. Where one of its lines is too
        short (the braces of a JSON key), only the others are masked, or every brace would vanish.
        Returns False for a secret with no line of `SHORTEST_MASK` characters: it is not masked.
        """
        lines = [line for line in secret.splitlines() if line.strip()]
        long_enough = [line for line in lines if len(line.strip()) >= SHORTEST_MASK]
        masked = [secret] if lines and long_enough == lines else long_enough
        for part in masked:
            self._mask(escape_data(part.strip("\r\n")))
        return bool(masked)

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold the log lines inside under `title`; the group ends on an error too."""
        # ghapi's context manager leaves the group open on an error, so each half is called alone.
        group = _ghapi().actions_group(escape_data(" ".join(title.split())))
        self._command(group.__enter__)
        try:
            yield
        finally:
            self._command(lambda: group.__exit__(None, None, None))

    @contextmanager
    def stop_commands(self) -> Iterator[Callable[[str], None]]:
        """Give a function that prints untrusted text while the runner obeys no command.

        The token that ends the pause is random, and it stands on a line of its own whatever the
        text ended with. Orders of this program that fall into the pause are given after it.
        Pauses don't nest: an inner one writes into the outer one.
        """
        with self._lock:
            outermost = not self._stopped
            self._stopped = True
        writer = _LineEnds(self._write)
        token = secrets.token_hex(16)
        if outermost:
            self._write(f"::stop-commands::{token}\n")
        try:
            yield writer.write
        finally:
            with self._lock:
                writer.finish()
                if outermost:
                    self._write(f"::{token}::\n")
                    self._stopped = False
                    self._write("".join(self._waiting))
                    self._waiting.clear()

    def set_output(self, name: str, value: str) -> None:
        """Set an output of the step. Raises ValueError on a name that is none, OSError."""
        self._set(self._files.output, name, value)

    def save_state(self, name: str, value: str) -> None:
        """Keep a value for the action's post step. Raises as `set_output` does."""
        self._set(self._files.state, name, value)

    def summary_room(self) -> int:
        """How many bytes the step's summary can still take."""
        path = self._files.summary
        taken = path.stat().st_size if path and path.exists() else 0
        return max(0, SUMMARY_LIMIT - taken)

    def append_summary(self, markdown: str) -> None:
        """Add `markdown` to the job summary, cut after a whole line where room ends. Raises OSError.

        A summary above the limit would be dropped whole; give `summary_room` to the renderer.
        """
        path = self._files.summary
        if path is None:
            return
        written = markdown.encode("utf-8", "replace")
        room = self.summary_room()
        if len(written) > room:
            end = written.rfind(b"\n", 0, max(0, room - len(_CUT_NOTE.encode()))) + 1
            written = written[:end] + _CUT_NOTE.encode() if end else b""
        with path.open("ab") as file:
            file.write(written)

    def _mask(self, escaped: str) -> None:
        self._command(lambda: _ghapi().actions_mask(escaped))

    def _set(self, path: Path | None, name: str, value: str) -> None:
        entry = key_value(name, value, f"deploy_{secrets.token_hex(16)}")
        if path is None:
            return
        with self._lock, path.open("ab+") as file:
            if file.tell() and not _ends_line(file):
                entry = f"\n{entry}"
            file.write(entry.encode())

    def _command(self, print_it: Callable[[], object]) -> None:
        """Give the runner what `print_it` prints: ghapi writes to `sys.stdout`, this to ours."""
        with self._lock:
            printed = io.StringIO()
            with redirect_stdout(printed):
                print_it()
            self._order(printed.getvalue())

    def _order(self, line: str) -> None:
        with self._lock:
            if self._stopped:
                self._waiting.append(line)
            else:
                self._write(line)

    def _write(self, text: str) -> None:
        with self._lock:
            self._stdout.write(text)
            self._stdout.flush()


class _LineEnds:
    """Passes text on and ends the last line, so that what follows starts a new one."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write_on = write
        self._open = False

    def write(self, text: str) -> None:
        """Pass `text` on, without lone surrogates."""
        if text:
            self._write_on(text.encode("utf-8", "replace").decode())
            self._open = not text.endswith("\n")

    def finish(self) -> None:
        """End the line that is still open."""
        if self._open:
            self._write_on("\n")
            self._open = False


def _place(place: dict[str, str | int | None]) -> str:
    return properties({name: str(value) for name, value in place.items() if value is not None})


def _ends_line(file: io.BufferedRandom | io.BufferedIOBase) -> bool:
    file.seek(-1, io.SEEK_END)
    return file.read(1) == b"\n"


@cache
def _ghapi() -> ModuleType:
    """`ghapi.actions`, imported without its traces.

    Its import reads `CONTEXT_*` as JSON, which may be anything, and sets `CONTEXT_GITHUB`,
    `CONTEXT_NEEDS` and `GITHUB_REPOSITORY=octocat/Hello-World` where they are unset: a later
    reader of the environment would believe them. So it is imported into a clean environment,
    which is put back afterwards.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith("CONTEXT_"):
            del os.environ[name]
    try:
        return importlib.import_module("ghapi.actions")
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
