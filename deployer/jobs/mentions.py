"""What any document mentions: names of library files, and folders whose files it may search.

This is what removal trusts, so it reads every string, keys too, however deep and however spelled, and
errs on the side of a mention too many. Must not decide what is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import unquote

from deployer.jobs import spans
from deployer.jobs.paths import canonical, is_inside

_NO_FILE_NAME = re.compile(r"[^\w.+!~%@-]")
_ESCAPED_BLANK = re.compile(r"\\[nrt]")  # a line break in a script that is JSON inside a string
_WORD = re.compile(r"[^\s\"'<>|,;=()\[\]{}#:!\\]++")
_SLASHES = re.compile(r"/++(?:\./++)*+")  # any number of slashes, and steps that go nowhere
_ENDING = re.compile(r"\.[A-Za-z]\w{0,9}$")  # of a file; `libs-1.0` may well be a folder
_LIBRARY = re.compile(r"\.(?:whl|egg|jar)", re.I)
_LONG = 2_000  # characters; notebooks have millions
_LIBRARY_ENDING = re.compile(r"\.(?:whl|egg|jar)$", re.I)


def file_names_in(document: object) -> frozenset[str]:
    """Base names of all library files that any string of `document` mentions."""
    names: set[str] = set()
    for text in _spellings(document):
        for part in _with_libraries(text):
            names.update(_NO_FILE_NAME.split(span.of(part))[-1] for span in spans.mentions(part))
    return frozenset(names)


def _with_libraries(text: str) -> Iterable[str]:
    """The parts of `text` to look at closely: of a long one, the lines that name a library file."""
    if len(text) < _LONG:
        return (text,)
    if not _LIBRARY.search(text):
        return ()
    return (line for line in text.splitlines() if _LIBRARY.search(line))


def searches_folder(document: object, root: str) -> bool:
    """Whether some string names `root` (canonical), a folder in it, or a pattern that reaches it.

    `--find-links <root>` or `<root>/lib-1.*.whl` may use any file there. False when `root` is empty.
    """
    if not root:
        return False
    at_root = _at(root)
    return any(
        any(_is_search(found["below"]) for found in at_root.finditer(_SLASHES.sub("/", text)))
        or ("*" in text and _reaches(text, root))
        for text in _spellings(document)
    )


@lru_cache(maxsize=8)
def _at(root: str) -> re.Pattern[str]:
    """Finds `root`, whatever stands before it, and what follows it in the same word."""
    path = re.escape(root.removeprefix("/Workspace"))
    below = r"(?P<below>(?:/[^\s\"'<>|,;=()\[\]{}#:!\\]*+)?)"
    return re.compile(rf"{path}(?![\w%-]|\.\w){below}", re.I)


def _is_search(below: str) -> bool:
    """Whether what follows the root is nothing, a pattern or a folder, and not one file."""
    return "*" in below or "?" in below or _ENDING.search(below.rstrip(".")) is None


def _reaches(text: str, root: str) -> bool:
    """Whether a pattern that starts above `root` may find library files in it."""
    for word in _WORD.findall(text):
        before, star, after = word.partition("*")
        if star and (_ENDING.search(after) is None or _LIBRARY_ENDING.search(after)):
            folder = canonical(before[before.find("/") :].rpartition("/")[0])
            if folder is not None and is_inside(root, folder):
                return True
    return False


def _spellings(document: object) -> Iterator[str]:
    """Every string of `document` as it stands, without percent-encoding and without escapes."""
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield from {node, unquote(node), _ESCAPED_BLANK.sub(" ", node)}
        elif isinstance(node, dict):
            waiting += [*node.keys(), *node.values()]
        elif isinstance(node, list):
            waiting += node
