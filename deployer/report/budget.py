"""Fitting a text into a byte budget without cutting anything in two.

Owns the sharing of bytes between sections: heads and tails always stay, rows go from the end of
the longest sections. GitHub drops a step summary above 1 MiB whole (fact 20), so the limit is
never passed. Must not know what the text says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A head, rows that may be left out from the end, and a tail. Each holds its own newlines.

    The rows of a `detail` get only the bytes that all other rows leave.
    """

    head: str
    rows: tuple[str, ...] = ()
    tail: str = ""
    detail: bool = False


def fit(sections: Sequence[Section], budget: int, left_out: Callable[[int], str]) -> str:
    """The sections as one text of at most `budget` bytes in UTF-8.

    `left_out(n)` is the text that stands for n rows that had to go. Short sections keep all their
    rows; the long ones share what is left evenly. Where even heads and tails are too much, whole
    sections go from the end, each counted as its rows, or as one.
    """
    kept = list(sections)
    ending = ""
    gone = 0
    while kept and _fixed(kept, left_out) + _size(ending) > budget:
        gone += max(1, len(kept.pop().rows))
        ending = left_out(gone)
    room = budget - _fixed(kept, left_out) - _size(ending)
    shares = _shares(kept, room)
    parts = [_cut(section, share, left_out) for section, share in zip(kept, shares, strict=True)]
    return "".join((*parts, ending)) if kept else ""


def _fixed(sections: Sequence[Section], left_out: Callable[[int], str]) -> int:
    """The bytes of all heads and tails, with a line for left-out rows wherever there are rows."""
    return sum(
        _size(section.head)
        + _size(section.tail)
        + (_size(left_out(len(section.rows))) if section.rows else 0)
        for section in sections
    )


def _shares(sections: Sequence[Section], room: int) -> list[int]:
    """How many bytes the rows of each section get of `room`: small ones all, others equal parts."""
    sizes = [_size("".join(section.rows)) for section in sections]
    shares = [0] * len(sections)
    for detail in (False, True):
        waiting = [index for index, section in enumerate(sections) if section.detail is detail]
        for done, index in enumerate(sorted(waiting, key=lambda one: sizes[one])):
            shares[index] = min(sizes[index], room // (len(waiting) - done))
            room -= shares[index]
    return shares


def _cut(section: Section, share: int, left_out: Callable[[int], str]) -> str:
    kept: list[str] = []
    for row in section.rows:
        share -= _size(row)
        if share < 0:
            break
        kept.append(row)
    missing = len(section.rows) - len(kept)
    more = left_out(missing) if missing else ""
    return f"{section.head}{''.join(kept)}{more}{section.tail}"


def _size(text: str) -> int:
    return len(text.encode())
