"""The runner's command language: escaping, so that no text can give the runner an order.

Owns what may stand in a workflow command, in a plain log line and in a command file. Pure: prints
and writes nothing. Rules: facts 16-18, "Commands and files", and the runner's `ActionCommand.cs`.
"""

from __future__ import annotations

import re

# The runner reads a line feed, a carriage return or both as the end of a line.
_LINE_END = re.compile(r"\r\n|\r|\n")
# The runner looks for `::` and `##[` with a comparison that skips characters without a width,
# so anything beyond printable ASCII may stand between and before the marks.
_SKIPPED = r"[^\x20-\x7e]*"
_COMMAND_MARK = re.compile(rf"^(?P<before>[^\x21-\x7e]*:){_SKIPPED}(?=:)")
_OLD_COMMAND_MARK = re.compile(rf"(?P<before>\#{_SKIPPED}\#){_SKIPPED}(?=\[)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def escape_data(text: str) -> str:
    """`text` as the data of a command: it can't end the command's line."""
    return _encodable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """`text` as the value of a command's property: it can't end the value either."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def properties(values: dict[str, str]) -> str:
    """`title=…,file=…` for the values that are not empty."""
    return ",".join(f"{name}={escape_property(value)}" for name, value in values.items() if value)


def log_lines(text: str) -> list[str]:
    """The lines of `text` for the log, each with a blank inside what would be a command.

    `::` counts at the start of a line, the old `##[` anywhere in it. The blank can be seen: a
    hidden character would be skipped by the runner's search.
    """
    return [_inert(line) for line in _LINE_END.split(_encodable(text))]


def key_value(name: str, value: str, delimiter: str) -> str:
    """One entry of a command file (`GITHUB_OUTPUT`, `GITHUB_STATE`), with its final line feed.

    Raises ValueError when `name` is no name or `value` holds `delimiter`: the entry could then
    end early and set other outputs.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of an output")
    if delimiter in value:
        raise ValueError(f"The value of {name!r} holds the delimiter that is to end it")
    return f"{name}<<{delimiter}\n{_encodable(value)}\n{delimiter}\n"


def _inert(line: str) -> str:
    harmless = _OLD_COMMAND_MARK.sub(r"\g<before> ", line)
    return _COMMAND_MARK.sub(r"\g<before> ", harmless)


def _encodable(text: str) -> str:
    """`text` without lone surrogates, which UTF-8 can't hold."""
    return text.encode("utf-8", "replace").decode()
