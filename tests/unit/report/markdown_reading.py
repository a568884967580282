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
# What GitHub turns into a mention, a reference, an emoji or a link after parsing, in text outside of code.
ACTIVE = re.compile(
    r"@\w|#\d|GH-\d|://[^\s\u200b]|www\.|[\w.+-]+@\w"
    r"|:(?:[a-z][\w+-]*|[+-]1|100|1234):"
    r"|(?<![\w.+-])(?=[0-9]*[a-f])[0-9a-f]{7,40}(?![0-9a-z])",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"[\u200b-\u200f\u2060-\u2064\ufeff\u00ad]")
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


def autolinks(markdown: str) -> list[str]:
    """What cmark-gfm's extension for bare addresses makes links of: it looks at the source, not at text.

    Of `www.` it takes the source behind the dot as it is, entities and all, whatever they stand for.
    """
    found = []
    for line in outside_of_code(markdown):
        found += [
            one[0]
            for one in re.finditer(r"(?:^|(?<=[\s*_~(]))www\.[^\s<]", line)
            if "_" not in one[0]
        ]
        found += [one[0] for one in re.finditer(r"(?:https?|ftp)://[^\s<&]", line, re.IGNORECASE)]
    text = (one.content for one in tokens(markdown) if one.type == "text")
    for piece in text:
        found += re.findall(
            r"(?:mailto:|xmpp:)?[A-Za-z0-9.+_-]+@[A-Za-z0-9_-]+\.[A-Za-z0-9]", piece
        )
    return found


def outside_of_code(markdown: str) -> list[str]:
    """The lines of the source without code blocks, code spans, and the targets of our own links."""
    lines = markdown.split("\n")
    for token in blocks(markdown):
        if token.type == "fence" and token.map:
            lines[token.map[0] : token.map[1]] = [""] * (token.map[1] - token.map[0])
    return [re.sub(r"\]\([^()\s]*\)", "]", _without_spans(line)) for line in lines]


def _without_spans(line: str) -> str:
    """A line without its code spans, by the rules of CommonMark, 6.1: an escaped backtick opens none."""
    kept, at = "", 0
    while at < len(line):
        run = re.compile(r"`+").match(line, at)
        if line[at] == "\\":
            kept, at = kept + line[at : at + 2], at + 2
        elif run is None:
            kept, at = kept + line[at], at + 1
        else:
            end = re.compile(rf"(?<!`){run[0]}(?!`)").search(line, run.end())
            kept += "`" if end else run[0]
            at = end.end() if end else run.end()
    return kept


def seen(markdown: str) -> str:
    """What a reader sees of text outside of code, as somebody who copies it would paste it."""
    pieces = (token.content for token in tokens(markdown) if token.type == "text")
    return _HIDDEN.sub("", "\n".join(pieces))


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
