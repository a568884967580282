"""Where in a string the path of a file stands: library values, dependency lines, submit parameters.

Owns the grammars of the strings that name libraries (facts A1 rows 1-11 and A4). Each function
returns what it found with exact character spans, so that a rewire can change those characters and
nothing else. Must not know about settings, libraries or policies.

Settings hold whole scripts and data in their parameters, so every pattern here takes time in
proportion to the text: no two neighbours can match the same blanks, and quantifiers are possessive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class SpanKind(StrEnum):
    """What a string, or the part of it between `start` and `end`, is."""

    FILE = "file"  # a path or URL that ends in a file name
    REQUIREMENT = "requirement"  # a name for a package index, with or without a version
    REQUIREMENTS_FILE = "requirements-file"
    OPTION = "option"  # an option of pip
    URL = "url"  # version control or an archive
    OTHER = "other"  # nothing of these; it is reported as it stands


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` of a string, and what they are.

    `hashed` says that a hash beside the path pins the file's bytes, so that another file name alone
    would make the line refuse to install.
    """

    start: int
    end: int
    kind: SpanKind
    hashed: bool = False

    def of(self, text: str) -> str:
        """The characters of this span in `text`."""
        return text[self.start : self.end]


_FILE_END = re.compile(r"\.(?:whl|egg|jar|zip|tar\.gz|py)", re.I)
_LIBRARY_END = re.compile(r"\.(?:whl|egg|jar)(?![\w-]|\.\w)", re.I)
# What may follow a path: extras, then a marker, a fragment, a comment or options of the line.
_AFTER_FILE = re.compile(
    r"\s*+(?:\[[^\[\]]*+\])?+\s*+(?P<rest>[;#].*+|(?<=\s)--.*+)?\Z", re.I | re.S
)
_HASH = re.compile(r"[#&](?:sha\d+|md5)=|--hash\b", re.I)
_COMMENT = re.compile(r"(?:^|\s)#")  # what pip takes for one: a # behind a blank
_QUOTED = re.compile(r"(?P<quote>[\"'])(?P<inner>.*?)(?P=quote)", re.S)
_OPTION = re.compile(r"--?[A-Za-z]")
_REQUIREMENTS = re.compile(r"(?:-r|--requirement)(?:\s*+=)?+\s*+(?P<path>\S.*)", re.S)
_DIRECT = re.compile(r"[A-Za-z0-9][\w.-]*+\s*+(?:\[[^\[\]]*+\]\s*+)?+@\s*+(?P<target>\S.*)", re.S)
_URL = re.compile(r"(?:git|hg|svn|bzr)\+\S|https?://\S", re.I)
_PATH_START = re.compile(r"/|\.{1,2}/|[A-Za-z][A-Za-z0-9+.-]*:/")


def library_value(text: str) -> Span:
    """The path in a `whl`, `jar` or `egg` value; the value without blanks when it is no such path."""
    low, high = _unquoted(text, 0, len(text))
    return _file_in(text, low, high) or Span(low, high, SpanKind.OTHER)


def dependency_line(text: str) -> Span | None:
    """What one line of an environment's `dependencies` names; None for a blank line or a comment."""
    comment = _COMMENT.search(text)
    return _line(text, 0, comment.start() if comment else len(text))


def _line(text: str, start: int, end: int) -> Span | None:
    low, high = _stripped(text, start, end)
    if low == high:
        return None
    if _OPTION.match(text, low, high):
        return _option(text, low, high)
    quoted = _QUOTED.match(text, low, high)
    if quoted is not None:
        inner = _line(text, *quoted.span("inner"))
        hashed = _HASH.search(text, quoted.end(), high) is not None
        return replace(inner, hashed=inner.hashed or hashed) if inner else None
    direct = _DIRECT.match(text, low, high)
    return _target(text, direct.start("target") if direct else low, high)


def _target(text: str, low: int, high: int) -> Span:
    if _URL.match(text, low, high):
        return Span(low, high, SpanKind.URL)
    file = _file_in(text, low, high)
    is_path = _PATH_START.match(text, low, high) is not None
    if file is not None and (is_path or _LIBRARY_END.search(file.of(text))):
        return file
    return Span(low, high, SpanKind.OTHER if is_path else SpanKind.REQUIREMENT)


def _option(text: str, low: int, high: int) -> Span:
    requirements = _REQUIREMENTS.match(text, low, high)
    if requirements is None:
        return Span(low, high, SpanKind.OPTION)
    start, end = _unquoted(text, requirements.start("path"), high)
    return Span(start, end, SpanKind.REQUIREMENTS_FILE)


@dataclass(frozen=True)
class SubmitFile:
    """One file that a spark-submit parameter names: which parameter, which option, and where."""

    parameter: int
    option: str  # "--py-files", "--jars", …, or "" for the application itself
    span: Span


_SUBMIT_LISTS = {"--py-files", "--jars", "--files", "--archives"}
_SUBMIT_FLAGS = {"--verbose", "-v", "--supervise", "--help", "-h", "--version"}
_SUBMIT_OPTION = re.compile(r"\s*+(?P<option>--?[\w-]++)(?:\s*+=)?+\s*+")
_ITEM = re.compile(r"[^,]+")
_NEXT_OPTION = re.compile(r"\s--?[A-Za-z]")


def submit_files(parameters: Sequence[object]) -> Iterator[SubmitFile]:
    """The files that spark-submit parameters name; what comes after the application is its own.

    An option's value may be the next parameter, follow `=`, or be glued to it with a blank in one
    string; comma lists are split (facts A1 row 10). A string that holds more than one option yields
    nothing: where its paths end is not certain.
    """
    waiting = ""  # the option whose value comes next
    for index, parameter in enumerate(parameters):
        if not isinstance(parameter, str):
            continue
        option = _SUBMIT_OPTION.match(parameter)
        if waiting:
            yield from _listed(index, waiting, parameter, 0)
            waiting = ""
        elif option is None:
            yield SubmitFile(index, "", library_value(parameter))
            return
        elif option.end() < len(parameter):
            yield from _listed(index, option["option"], parameter, option.end())
        elif option["option"] not in _SUBMIT_FLAGS:
            waiting = option["option"]


def _listed(index: int, option: str, parameter: str, start: int) -> Iterator[SubmitFile]:
    """The files of the comma list that starts at `start`, if `option` takes one."""
    low, high = _unquoted(parameter, start, len(parameter))
    if option not in _SUBMIT_LISTS or _NEXT_OPTION.search(parameter, low, high):
        return
    for found in _ITEM.finditer(parameter, low, high):
        at, end = _unquoted(parameter, *found.span())
        if at < end:
            yield SubmitFile(index, option, Span(at, end, SpanKind.FILE))


# A word of free text; a variable counts as one letter of it, although it holds braces.
_WORD = re.compile(r"(?:\{\{[^{}]*+\}\}|\$\{[^{}]*+\}|[^\s\"'<>|,;=()\[\]{}])++")
# What stands before the next path of a class path or of a URL that goes on behind a file.
_BETWEEN = re.compile(r"(?:[:!?&#]|/[^:]*+:)*+")


def mentions(text: str) -> Iterator[Span]:
    """Paths of library files anywhere in free text, such as a Spark setting or a parameter."""
    for word in _WORD.finditer(text):
        start = word.start()
        for suffix in _LIBRARY_END.finditer(text, *word.span()):
            between = _BETWEEN.match(text, start, suffix.start())
            start = between.end() if between else start
            if start < suffix.start() and text[suffix.start() - 1] != "/":
                yield Span(start, suffix.end(), SpanKind.FILE)
            start = suffix.end()


def _file_in(text: str, low: int, high: int) -> Span | None:
    """The path at `low` that what follows it shows to be complete; the first such end counts."""
    for suffix in _FILE_END.finditer(text, low + 1, high):
        after = _AFTER_FILE.match(text, suffix.end(), high)
        if after is not None:
            hashed = _HASH.search(after["rest"] or "") is not None
            return Span(low, suffix.end(), SpanKind.FILE, hashed)
    return None


def _stripped(text: str, low: int, high: int) -> tuple[int, int]:
    """Start and end of `text[low:high]` without the blanks around it."""
    part = text[low:high]
    start = low + len(part) - len(part.lstrip())
    return start, max(start, low + len(part.rstrip()))


def _unquoted(text: str, low: int, high: int) -> tuple[int, int]:
    """Start and end of `text[low:high]` without the blanks and one pair of quotes around it."""
    low, high = _stripped(text, low, high)
    if high - low > 1 and text[low] in "\"'" and text[low] == text[high - 1]:
        return low + 1, high - 1
    return low, high
