"""What a Markdown parser sees in rendered text: used to show that nothing became markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import chain

from markdown_it import MarkdownIt
from markdown_it.token import Token

OURS = re.compile(r"<br>|<details><summary>(<b>)?[^<>]*(</b>)?</summary>|</details>")
ZERO_WIDTH = "\u200b"
# What GitHub turns into a mention, a reference or a link after parsing, in text outside of code.
ACTIVE = re.compile(r"@\w|#\d|\bGH-\d|://[^\s\u200b]|\bwww\.\w|\b[\w.]+@\w", re.IGNORECASE)
_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def blocks(markdown: str) -> list[Token]:
    return _PARSER.parse(markdown)


def tokens(markdown: str) -> Iterator[Token]:
    """All tokens, block and inline."""
    found = blocks(markdown)
    return chain(found, chain.from_iterable(token.children or () for token in found))


def text_of(markdown: str) -> str:
    """What a reader sees, without zero-width spaces."""
    shown = "".join(
        token.content for token in tokens(markdown) if token.type in {"text", "code_inline"}
    )
    return shown.replace(ZERO_WIDTH, "")


def kinds(markdown: str) -> set[str]:
    return {token.type for token in tokens(markdown)}


def foreign_html(markdown: str) -> list[str]:
    """Pieces of HTML that are not among the few elements that the renderers write."""
    pieces = (token.content for token in tokens(markdown) if token.type.startswith("html_"))
    return [piece for piece in pieces if OURS.sub("", piece).strip()]


def active_text(markdown: str) -> list[str]:
    """Pieces of text outside of code that GitHub would make active."""
    found = list(tokens(markdown))
    pieces = [one.content for one in found if one.type == "text"]
    pieces += [html.unescape(one.content) for one in found if one.type == "html_block"]
    return [piece for piece in pieces if ACTIVE.search(piece)]


def link_targets(markdown: str) -> set[str]:
    return {str(token.attrs["href"]) for token in tokens(markdown) if token.type == "link_open"}


def table_widths(markdown: str) -> set[tuple[int, int]]:
    """For each table row: how many cells it has, and how many its table's head has."""
    widths: set[tuple[int, int]] = set()
    head = cells = 0
    in_head = False
    for token in blocks(markdown):
        if token.type == "thead_open":
            in_head = True
        elif token.type == "thead_close":
            in_head = False
        elif token.type == "tr_open":
            cells = 0
        elif token.type in {"th_open", "td_open"}:
            cells += 1
        elif token.type == "tr_close":
            head = cells if in_head else head
            widths.add((cells, head))
    return widths


def source_widths(markdown: str) -> set[int]:
    """How many cells cmark-gfm's scanner finds in each line that starts with a pipe.

    It takes a backslash with any punctuation behind it as one, unlike markdown-it, and it drops
    cells that are too many, so they are counted in the source.
    """
    escaped = re.compile(r"\\[!-/:-@\[-`{-~]")
    lines = (line for line in markdown.split("\n") if line.startswith("|"))
    return {escaped.sub("", line).count("|") - 1 for line in lines}
