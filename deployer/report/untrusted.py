"""Text that others wrote, made visible: the first step of every renderer.

Owns which characters may reach a reader as they are. Must not know any sink: escaping for
Markdown, terminals and workflow commands follows in their own modules.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_BLANKS = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_LINE_ENDS = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
# Unicode's categories Cc, Cf, Cs, Co, Zl and Zp, and letters and marks that are drawn as nothing
# ("Default_Ignorable_Code_Point"). Written out, for a search is many times quicker; a test compares.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
_PICTURE = re.compile("[\u2190-\u2bff\U0001f000-\U0001faff]")
_IN_COLOUR, _JOINER, _BOX = "\ufe0f", "\u200d", "\u20e3"


def visible(text: str) -> str:
    """`text` on one line, with control, bidi and other hidden characters spelled out.

    A job name could otherwise hide what it is called (a right-to-left override) or drive a
    terminal (an escape sequence). Line ends and tabs become one space.
    """
    one_line = _BLANKS.sub(" ", text)
    if one_line.isascii() and one_line.isprintable():
        return one_line
    return _HIDDEN.sub(
        lambda found: found[0] if _in_picture(found) else _spelled(found[0]), one_line
    )


def without_hidden(text: str, spelled: Callable[[str], str]) -> str:
    """`text` with what `spelled` makes of each hidden character; none is spared."""
    return _HIDDEN.sub(lambda found: spelled(found[0]), text)


def visible_lines(text: str) -> list[str]:
    """The lines of `text`, each as `visible` makes it, without blanks at their ends."""
    return [visible(line.replace("\t", "    ")).rstrip() for line in _LINE_ENDS.split(text)]


def cut(text: str, limit: int) -> str:
    """`text`, shortened to `limit` characters with an ellipsis where it is longer."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def units(text: str) -> int:
    """How long `text` is in UTF-16 code units, by which GitHub counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _in_picture(found: re.Match[str]) -> bool:
    """Whether a hidden character holds an emoji together.

    It stands between two pictures, or asks for one to be drawn in colour, or for a digit in a box.
    """
    text, at = found.string, found.start()
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if found[0] == _JOINER:
        if before == _IN_COLOUR:
            before = text[at - 2 : at - 1]
        return bool(_PICTURE.match(before) and _PICTURE.match(after))
    if found[0] == _IN_COLOUR:
        return bool(_PICTURE.match(before)) or (before in {*"0123456789#*"} and after == _BOX)
    return False


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 (the last 4-digit code)
