"""Where in a string the path of a file stands: library values, dependency lines, submit parameters.

Owns the grammars of the strings that name libraries (facts A1 rows 1-11 and A4). Each function
returns what it found with exact character spans, so that a rewire can change those characters and
nothing else. Must not know about settings, libraries or policies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

LIBRARY_SUFFIX = r"\.(?:whl|egg|jar)"
FILE_SUFFIX = r"\.(?:whl|egg|jar|zip|tar\.gz|py)"


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


_REST = r"(?P<rest>\s*(?:\[[^\]]*\])?\s*(?:[;#].*|\s--.*)?)$"
_FILE = re.compile(rf"(?P<path>\S.*?{FILE_SUFFIX})(?P<fragment>#[^\s\]]*)?{_REST}", re.I | re.S)
_QUOTED = re.compile(r"(?P<quote>[\"'])(?P<inner>.*?)(?P=quote)", re.S)
_OPTION = re.compile(r"--?[A-Za-z]")
_REQUIREMENTS = re.compile(r"(?:-r|--requirement)(?:\s*=\s*|\s*)(?P<path>\S.*?)(?:\s+#.*)?$", re.S)
_DIRECT = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*@\s*(?P<target>\S.*)$", re.S)
_URL = re.compile(r"(?:git|hg|svn|bzr)\+\S+|https?://\S+", re.I)
_PATH_START = re.compile(r"/|\.{1,2}/|[A-Za-z][A-Za-z0-9+.-]*:/")


def library_value(text: str) -> Span:
    """The path in a `whl`, `jar` or `egg` value; the value without blanks when it is no such path."""
    inner_start, inner_end = _unquoted(text)
    found = _FILE.match(text[inner_start:inner_end])
    if found is None:
        return Span(inner_start, inner_end, SpanKind.OTHER)
    return _file_span(found, inner_start)


def dependency_line(text: str) -> Span | None:
    """What one line of an environment's `dependencies` names; None for a blank line or a comment."""
    start = len(text) - len(text.lstrip())
    line = text[start:]
    if not line or line.startswith("#"):
        return None
    if _OPTION.match(line):
        return _option(line, start)
    quoted = _QUOTED.match(line)
    if quoted is not None:
        inner = dependency_line(quoted["inner"])
        return _shifted(inner, start + quoted.start("inner")) if inner else None
    direct = _DIRECT.match(line)
    if direct is not None:
        return _target(direct["target"], start + direct.start("target"))
    return _target(line, start)


def _target(line: str, start: int) -> Span:
    end = start + len(line.rstrip())
    if _URL.match(line):
        return Span(start, end, SpanKind.URL)
    found = _FILE.match(line)
    if found is not None and (_PATH_START.match(line) or _ends_in_library(found["path"])):
        return _file_span(found, start)
    if _PATH_START.match(line):
        return Span(start, end, SpanKind.OTHER)
    return Span(start, end, SpanKind.REQUIREMENT)


def _option(line: str, start: int) -> Span:
    end = start + len(line.rstrip())
    requirements = _REQUIREMENTS.match(line)
    if requirements is None:
        return Span(start, end, SpanKind.OPTION)
    path_start = start + requirements.start("path")
    low, high = _unquoted(requirements["path"])
    return Span(path_start + low, path_start + high, SpanKind.REQUIREMENTS_FILE)


@dataclass(frozen=True)
class SubmitFile:
    """One file that a spark-submit parameter names: which parameter, which option, and where."""

    parameter: int
    option: str  # "--py-files", "--jars", …, or "" for the application itself
    span: Span


_SUBMIT_LISTS = {"--py-files", "--jars", "--files", "--archives"}
_SUBMIT_FLAGS = {"--verbose", "-v", "--supervise", "--help", "-h", "--version"}


def submit_files(parameters: Sequence[object]) -> Iterator[SubmitFile]:
    """The files that spark-submit parameters name; what comes after the application is its own.

    An option's value may be the next parameter, follow `=`, or be glued to it with a blank in one
    string; comma lists are split (facts A1 row 10).
    """
    waiting = ""  # the option whose value comes next
    for index, parameter in enumerate(parameters):
        if not isinstance(parameter, str):
            continue
        if waiting:
            yield from _values(index, waiting, parameter, 0)
            waiting = ""
        elif parameter.lstrip().startswith("-"):
            option, value_at = _split_option(parameter)
            if value_at is not None:
                yield from _values(index, option, parameter, value_at)
            elif option not in _SUBMIT_FLAGS:
                waiting = option
        else:
            yield SubmitFile(index, "", library_value(parameter))
            return


def _split_option(parameter: str) -> tuple[str, int | None]:
    found = re.match(r"\s*(?P<option>--?[\w-]+)(?:\s*=\s*|\s+)?", parameter)
    if found is None:
        return parameter, None
    value_at = found.end() if found.end() < len(parameter) else None
    return found["option"], value_at


def _values(index: int, option: str, parameter: str, start: int) -> Iterator[SubmitFile]:
    if option not in _SUBMIT_LISTS:
        return
    for found in re.finditer(r"[^,]+", parameter[start:]):
        low, high = _unquoted(found.group())
        if low < high:
            at = start + found.start()
            yield SubmitFile(index, option, Span(at + low, at + high, SpanKind.FILE))


_MENTION = re.compile(
    rf"[^\s\"'<>|,;=()\[\]{{}}]*[^\s\"'<>|,;=()\[\]{{}}/]{LIBRARY_SUFFIX}(?![\w.-])", re.I
)


def mentions(text: str) -> Iterator[Span]:
    """Paths of library files anywhere in free text, such as a Spark setting or a parameter."""
    for found in _MENTION.finditer(text):
        yield Span(found.start(), found.end(), SpanKind.FILE)


def _ends_in_library(path: str) -> bool:
    return re.search(rf"{LIBRARY_SUFFIX}$", path, re.I) is not None


def _file_span(found: re.Match[str], shift: int) -> Span:
    hashed = bool(found["fragment"]) or "--hash" in found["rest"]
    return Span(shift + found.start("path"), shift + found.end("path"), SpanKind.FILE, hashed)


def _shifted(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by, span.kind, span.hashed)


def _unquoted(text: str) -> tuple[int, int]:
    """Start and end of `text` without the blanks and one pair of quotes around it."""
    low = len(text) - len(text.lstrip())
    high = max(low, len(text.rstrip()))
    if text[low:high][:1] in {'"', "'"} and high - low > 1 and text[low] == text[high - 1]:
        low, high = low + 1, high - 1
    return low, high
