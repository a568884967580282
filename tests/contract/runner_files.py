"""The runner's side of the contract: what actions/runner makes of a log and of command files.

A port, for tests, of the meaning of the runner's `ActionCommand`, `ActionCommandManager`, `OutputManager`
and `FileCommandManager` (facts 16-18), compared with their source. Where .NET's culture-sensitive search is
looser than an exact one (it skips characters without a width), the port can be told to be as loose as
possible. A blank is whatever Python takes for one, which is a few characters more than .NET does.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

COMMANDS = frozenset(
    {
        "stop-commands",
        "set-env",
        "set-output",
        "save-state",
        "add-mask",
        "add-path",
        "add-matcher",
        "remove-matcher",
        "warning",
        "error",
        "notice",
        "debug",
        "group",
        "endgroup",
        "echo",
    }
)
SUMMARY_LIMIT = 1024 * 1024
_DATA = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_PROPERTY = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
_OLD = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%"))


class FileRefused(Exception):
    """The runner fails the step, because it can't read a command file."""


@dataclass(frozen=True)
class Command:
    """One command as the runner understood it."""

    name: str
    data: str
    properties: dict[str, str]


@dataclass
class Runner:
    """Reads a step's output line by line, as the runner does."""

    loose: bool = False
    commands: list[Command] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    stop_token: str | None = None

    def read(self, output: str) -> Runner:
        for line in read_lines(output):
            self._line(line)
        return self

    def named(self, name: str) -> list[Command]:
        return [command for command in self.commands if command.name == name]

    def _line(self, line: str) -> None:
        known = COMMANDS | ({self.stop_token} if self.stop_token else set())
        command = parse_line(line, frozenset(known), loose=self.loose)
        if command is None:
            self.lines.append(line)
        elif self.stop_token is not None:
            if command.name.lower() == self.stop_token.lower():
                self.stop_token = None
            else:
                self.lines.append(line)
        elif command.name.lower() == "stop-commands":
            self.stop_token = command.data
            self.commands.append(command)
        else:
            self.commands.append(command)


def read_lines(output: str) -> list[str]:
    """The lines of a stream: LF, CR and CR LF end one, and nothing else does (`StreamReader.ReadLine`).

    A byte order mark at the beginning of the stream is no part of it.
    """
    lines = re.split(r"\r\n|\r|\n", output.removeprefix("\ufeff"))
    return lines[:-1] if lines and not lines[-1] else lines


def parse_line(
    line: str, known: frozenset[str] = COMMANDS, *, loose: bool = False
) -> Command | None:
    """The command in `line`, in the form of today or in the old one; None for plain text."""
    if loose:
        line = "".join(one for one in line if unicodedata.category(one)[0] not in "CM")
    return _parse_today(line, known) or _parse_old(line, known)


def _parse_today(line: str, known: frozenset[str]) -> Command | None:
    trimmed = line.lstrip()
    if not trimmed.startswith("::"):
        return None
    end = trimmed.find("::", 2)
    if end < 0:
        return None
    name, _, rest = trimmed[2:end].partition(" ")
    if not _is_known(name, known):
        return None
    properties = _properties(rest.strip(), ",", _PROPERTY)
    return Command(name, _unescape(trimmed[end + 2 :], _DATA), properties)


def _parse_old(line: str, known: frozenset[str]) -> Command | None:
    start = line.find("##[")
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    name, _, rest = line[start + 3 : end].partition(" ")
    if not _is_known(name, known):
        return None
    return Command(name, _unescape(line[end + 1 :], _OLD), _properties(rest, ";", _OLD))


def _is_known(name: str, known: frozenset[str]) -> bool:
    return name.lower() in {one.lower() for one in known}


def _properties(text: str, separator: str, table: tuple[tuple[str, str], ...]) -> dict[str, str]:
    # `Split('=', 2, RemoveEmptyEntries)`: signs before the name and before the value count as nothing.
    pairs = (part.lstrip("=").partition("=") for part in text.split(separator))
    return {name: _unescape(value, table) for name, _, rest in pairs if (value := rest.lstrip("="))}


def _unescape(text: str, table: tuple[tuple[str, str], ...]) -> str:
    for escape, character in table:
        text = text.replace(escape, character)
    return text


def read_key_values(path: Path) -> dict[str, str]:
    """What the runner reads from `GITHUB_OUTPUT`, `GITHUB_STATE` or `GITHUB_ENV`."""
    return parse_key_values(path.read_bytes().decode("utf-8-sig", "replace"))


def parse_key_values(text: str) -> dict[str, str]:
    """The entries of a command file; the last of one name wins. Raises FileRefused."""
    found: dict[str, str] = {}
    lines = _Lines(text)
    while (line := lines.next()) is not None:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
            if not name:
                raise FileRefused(f"Invalid format {line!r}. Name must not be empty")
            found[name] = value
        elif heredoc >= 0:
            name, _, delimiter = line.partition("<<")
            if not name or not delimiter:
                raise FileRefused(f"Invalid format {line!r}. Name and delimiter must not be empty")
            found[name] = _heredoc(lines, delimiter)
        else:
            raise FileRefused(f"Invalid format {line!r}")
    return found


def read_summary(path: Path) -> str:
    """The step summary; raises FileRefused above the limit, where the runner drops it."""
    content = path.read_bytes()
    if len(content) > SUMMARY_LIMIT:
        raise FileRefused(f"The summary has {len(content)} bytes")
    return content.decode()


def _heredoc(lines: _Lines, delimiter: str) -> str:
    value: list[str] = []
    while True:
        line = lines.next()
        if line == delimiter:
            return "\n".join(value)
        if line is None or not lines.ended_by_line_feed:
            raise FileRefused(f"Invalid value. Matching delimiter not found {delimiter!r}")
        value.append(line)


class _Lines:
    """Reads lines that only a line feed ends, as the runner does on Linux."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._index = 0
        self.ended_by_line_feed = False

    def next(self) -> str | None:
        if self._index >= len(self._text):
            return None
        end = self._text.find("\n", self._index)
        self.ended_by_line_feed = end >= 0
        stop = end if end >= 0 else len(self._text)
        line = self._text[self._index : stop]
        self._index = stop + 1
        return line
