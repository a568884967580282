"""Text that others wrote, made visible: the first step of every renderer.

Owns which characters may reach a reader as they are. Must not know any sink: escaping for
Markdown, terminals and workflow commands follows in their own modules.
"""

from __future__ import annotations

import re
import unicodedata

_BLANKS = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_LINE_ENDS = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co"})
_ZERO_WIDTH_JOINER = "\u200d"  # holds emoji together, and turns nothing around


def visible(text: str) -> str:
    """`text` on one line, with control, bidi and other hidden characters spelled out.

    A job name could otherwise hide what it is called (a right-to-left override) or drive a
    terminal (an escape sequence). Line ends and tabs become one space.
    """
    one_line = _BLANKS.sub(" ", text)
    if one_line.isascii() and one_line.isprintable():
        return one_line
    return "".join(_shown(character) for character in one_line)


def visible_lines(text: str) -> list[str]:
    """The lines of `text`, each as `visible` makes it, without blanks at their ends."""
    return [visible(line.replace("\t", "    ")).rstrip() for line in _LINE_ENDS.split(text)]


def cut(text: str, limit: int) -> str:
    """`text`, shortened to `limit` characters with an ellipsis where it is longer."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _shown(character: str) -> str:
    if character == _ZERO_WIDTH_JOINER or unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 (the last 4-digit code)
