"""GitHub Markdown from text that others wrote: nothing in it can become markup.

Owns escaping for summaries and comments. Job names, paths, versions and API messages are
untrusted: they must not make links, images, HTML, headings, table cells, mentions or references.

GitHub looks for mentions, references and bare addresses after parsing, in text outside of code,
so a backslash or an entity does not stop them. A zero-width space does, behind `@`, `#`, `GH-` and `www`,
within `://`, `:emoji:` and what looks like a commit. It is written as an entity so that the source shows it.
In code no character is changed, so that paths can be copied.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from deployer.report.untrusted import visible, visible_lines

_ZERO_WIDTH = "&#8203;"
_SHORTEST_COMMIT = 7  # digits
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"}
# What GitHub makes active needs no end of a word before it: `_www.` is a link, too, whatever stands behind
# the dot (fact 39), and browsers leave what has no width out of an address. Commits are 7 to 40 digits of
# hexadecimal that are a word of their own; numbers, and the ends of versions and of deployments' ids, stay
# as they are, because people copy them.
_MARKUP = re.compile(
    r"(?P<active>@|\#|:(?=//)|:(?=(?:[a-z][\w+-]*|[+-]1|100|1234)(?::|$))|GH-(?=\d)|www(?=\.))"
    r"|(?<![\w.+-])(?P<commit>(?=[0-9]*[a-f])[0-9a-f]{7,40})(?![0-9a-z])"
    r"|(?P<mark>[\\`*_{}\[\]()~!&<>|$])",
    re.IGNORECASE,
)
_AT_LINE_START = re.compile(r"([-+=]|\d+[.)](?=\s|$))")
_BACKTICKS = re.compile(r"`+")
_QUOTED = re.compile(r"`(\s*[^`\s][^`]*)`")
_PAGE = re.compile(r"https?://[\w.-]+(?::\d+)?(?:/[\w.%~@+-]+)*/?", re.A)
_HOST = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?")
_INDENT = "  "


def text(untrusted: str) -> str:
    """`untrusted` as literal text on one line: for prose, table cells and link labels."""
    escaped = _MARKUP.sub(_escape, visible(untrusted).strip())
    start = _AT_LINE_START.match(escaped)
    if not start:
        return escaped
    end = start.end() - 1  # only the last character of `12.` makes a list
    return f"{escaped[:end]}\\{escaped[end:]}"


def sentence(untrusted: str) -> str:
    """Like `text`, but parts between backticks become code: for messages, outside of tables.

    Messages quote inputs with backticks. It is safe for any text: a stray backtick only moves
    the limits of what is shown as code, and both sides are escaped.
    """
    return _sentence(untrusted, code)


def sentence_cell(untrusted: str) -> str:
    """`sentence` for a table cell."""
    return _sentence(untrusted, code_cell)


def code(untrusted: str) -> str:
    """`untrusted` as inline code, outside of tables. Empty text shows as two quotes."""
    shown = visible(untrusted).strip() or '""'
    longest = max((len(run) for run in _BACKTICKS.findall(shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def code_cell(untrusted: str) -> str:
    """`untrusted` as inline code in a table cell, where a bare pipe would end the cell.

    Parsers disagree on a backslash before an escaped pipe, so a zero-width space parts them.
    """
    return code(untrusted).replace("\\|", "\\\u200b|").replace("|", "\\|")


def code_block(untrusted: str, language: str = "") -> str:
    """`untrusted` as a fenced block whose fence is longer than any inside, with a final newline."""
    body = "\n".join(visible_lines(untrusted))
    longest = max((len(run) for run in _BACKTICKS.findall(body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}\n"


def prose(untrusted: str) -> str:
    """A message of several lines as Markdown; lines indented by two spaces are YAML to paste.

    Blank lines part paragraphs, other lines stay lines. Ends with a newline unless empty.
    """
    blocks: list[str] = []
    lines = [line.replace("\t", "    ") for line in untrusted.splitlines()]
    for indented, group in groupby(_with_kind(lines), key=lambda pair: pair[0]):
        chunk = [line for _, line in group]
        if indented:
            blocks.append(code_block(textwrap.dedent("\n".join(chunk)).strip("\n"), "yaml"))
        else:
            blocks.extend(_paragraphs(chunk))
    return "\n".join(blocks)


def html(untrusted: str) -> str:
    """`untrusted` inside our own HTML elements, where Markdown's escapes are not read."""
    return _MARKUP.sub(_as_entity, visible(untrusted).strip())


def row(cells: Iterable[str]) -> str:
    """One table row of cells that are Markdown already, with its newline."""
    return f"| {' | '.join(cells)} |\n"


def table_head(*titles: str) -> str:
    """The two lines that open a table."""
    return row(titles) + row("---" for _ in titles)


def link(label: str, url: str) -> str:
    """The Markdown `label` as a link to `url` (made by `job_url`); the label alone without one."""
    return f"[{label}]({url})" if url else label


def page(url: str) -> str:
    """`url` as a link to itself; as code when it is no plain address."""
    return f"<{url}>" if _PAGE.fullmatch(url) else code(url)


def job_url(host: str, job_id: int) -> str:
    """Where the workspace shows the job; empty when `host` is not a plain address."""
    base = host.rstrip("/")
    return f"{base}/jobs/{job_id}" if _HOST.fullmatch(base) else ""


def _escape(found: re.Match[str]) -> str:
    if found["commit"]:
        return _parted(found["commit"])
    active = found["active"]
    if active is not None:
        return ("\\#" if active == "#" else active) + _ZERO_WIDTH
    mark = found["mark"]
    return _ENTITIES.get(mark, f"\\{mark}")


def _parted(commit: str) -> str:
    """What looks like a commit, in pieces that are too short for one."""
    return _ZERO_WIDTH.join(textwrap.wrap(commit, _SHORTEST_COMMIT - 1))


def _as_entity(found: re.Match[str]) -> str:
    if found["commit"]:
        return _parted(found["commit"])
    active = found["active"]
    return f"&#{ord(found['mark'])};" if active is None else active + _ZERO_WIDTH


def _sentence(untrusted: str, quote: Callable[[str], str]) -> str:
    shown = visible(untrusted).strip()
    written = ""
    end = 0
    for quoted in _QUOTED.finditer(shown):
        written += _glued(shown[end : quoted.start()])
        # Without a blank, two codes in a row would merge their fences into one longer fence.
        written += (" " if written.endswith("`") else "") + quote(quoted[1])
        end = quoted.end()
    return written + _glued(shown[end:])


def _glued(untrusted: str) -> str:
    """`text`, with the blanks at both ends that part it from its neighbours."""
    if not untrusted.strip():
        return " " if untrusted else ""
    lead = " " if untrusted[0] == " " else ""
    trail = " " if untrusted[-1] == " " else ""
    return f"{lead}{text(untrusted)}{trail}"


def _with_kind(lines: list[str]) -> Iterator[tuple[bool, str]]:
    """Each line with whether it is indented; a blank line goes with the line before it."""
    indented = False
    for line in lines:
        if line.strip():
            indented = line.startswith(_INDENT)
        yield indented, line


def _paragraphs(lines: list[str]) -> Iterator[str]:
    for filled, group in groupby(lines, key=lambda line: bool(line.strip())):
        if filled:
            yield "<br>\n".join(sentence(line) for line in group) + "\n"
