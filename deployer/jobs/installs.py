"""What a text has installed: requirements files, environment files, init scripts and notebooks.

Owns the reading of such texts, line by line: which of their lines name a library, and which other
files they include (pip docs, "Requirements File Format"). Each line is read by the same grammars as a
job's settings. Must not open files, and must not judge what it finds.

Notebooks can be long, so texts are searched for what matters before any line is looked at closely.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployer.jobs.leads import Lead, LeadKind, text_lead
from deployer.jobs.references import Reference, Site, references

_LISTS = frozenset({LeadKind.REQUIREMENTS, LeadKind.BASE_ENVIRONMENT})
_INCLUDE = re.compile(
    r"(?:^|\s)(?:-r|-c|--requirement|--constraint)(?:\s*+=\s*+|\s++|(?=[/.\w]))"
    r"(?:\"(?P<double>[^\"]++)\"|'(?P<single>[^']++)'|(?P<bare>[^\s\"']++))"
)
_REMARK = re.compile(r"(?:^|\s)#.*", re.S)
_LIBRARY_FILE = re.compile(r"\.(?:whl|egg|jar)(?![\w-])", re.I)
_MATTERS = re.compile(r"\.(?:whl|egg|jar)\b|\bpip3?\b|installPyPI", re.I)
_PIP = re.compile(r"\bpip3?[\"',\s]++install\b(?P<rest>.*)", re.S)
_NEXT_COMMAND = re.compile(r"&&|\|\||\s\|\s")
_WORD = re.compile(r"[^\s\"'()]+")
_INSTALL_PYPI = re.compile(
    r"installPyPI\(\s*+[\"'](?P<name>[^\"']+)[\"'](?:\s*+,\s*+(?:version\s*+=\s*+)?[\"'](?P<version>[^\"']+)[\"'])?"
)
# How a notebook in source form marks a line of another language, in each of its own languages.
_MAGIC = re.compile(r"\s*+(?:#|--|//)\s?MAGIC\b ?")
_SCRIPT_BLOCK = re.compile(r"^# /// script\n(?P<inside>(?:#.*\n)*?)# ///\s*$", re.M)
_QUOTED = re.compile(r"\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'")
_COMMENT = re.compile(r"\s*+(?:#|--|//)")


@dataclass(frozen=True)
class Line:
    """One logical line: `number` of its first physical line, from 1; continued lines are joined."""

    number: int
    text: str


def named_in(kind: LeadKind, text: str) -> Iterator[tuple[Line, Reference]]:
    """The libraries that `text` names, each with its line; whatever is commented out is none."""
    yield from _of_list(tuple(_requirement_lines(kind, text)))
    if kind not in _LISTS:
        for line in _script_lines(text):
            yield from ((line, one) for one in _of_command(line.text))


def included_by(lead: Lead, text: str) -> frozenset[Lead]:
    """The requirements and constraints files that `text`, found at `lead`, has read in turn.

    A relative path starts at the file that names it; in an init script, whose folder is no matter, it
    is left out.
    """
    folder = "" if lead.kind is LeadKind.INIT_SCRIPT else lead.target.rpartition("/")[0]
    lines = [_REMARK.sub("", line.text) for line in _requirement_lines(lead.kind, text)]
    if lead.kind not in _LISTS:
        found = (_PIP.search(line.text) for line in _script_lines(text))
        lines += [one["rest"] for one in found if one]
    paths = (
        one["double"] or one["single"] or one["bare"]
        for line in lines
        for one in _INCLUDE.finditer(line)
    )
    leads = (text_lead(LeadKind.REQUIREMENTS, _resolved(path, folder)) for path in paths)
    return frozenset(one for one in leads if one is not None)


# ── Lists of requirements ────────────────────────────────────────────────────────────────────────


def _requirement_lines(kind: LeadKind, text: str) -> Iterator[Line]:
    """The lines that are requirements.

    All of a requirements file, items of lists in an environment file (YAML), and the dependencies that a
    notebook states at its top.
    """
    if kind is LeadKind.NOTEBOOK:
        yield from _stated_at_top(text)
        return
    if kind is LeadKind.BASE_ENVIRONMENT:
        yield from _yaml_scalars(text)
    elif kind in _LISTS:
        for line in _joined(text.splitlines()):
            yield Line(line.number, line.text.strip())


def _stated_at_top(text: str) -> Iterator[Line]:
    """The dependencies in the block `# /// script` of a notebook in source form (facts A1 row 18)."""
    block = _SCRIPT_BLOCK.search(text)
    if block is None:
        return
    first = text.count("\n", 0, block.start("inside")) + 1
    listed = False
    for number, line in enumerate(block["inside"].splitlines(), start=first):
        listed = listed or "dependencies" in line
        if listed:
            for one in _QUOTED.finditer(line):
                yield Line(number, one["double"] or one["single"] or "")
        listed = listed and not line.rstrip().endswith("]")


def _yaml_scalars(text: str) -> Iterator[Line]:
    """All scalars of an environment file, however its lists are written; the lines of what is no YAML.

    Events are read and nothing is built of them, so anchors can't explode.
    """
    import yaml  # noqa: PLC0415 - few runs meet such a file

    found: list[Line] = []
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.ScalarEvent):
                mark = event.start_mark
                found.append(Line(mark.line + 1 if mark else 1, event.value.strip()))
    except (yaml.YAMLError, RecursionError):
        lines = _joined(text.splitlines())
        found = [Line(line.number, line.text.strip().removeprefix("- ")) for line in lines]
    yield from found


def _of_list(lines: Sequence[Line]) -> Iterator[tuple[Line, Reference]]:
    for position, reference in _of_lines([line.text for line in lines]):
        yield lines[position], reference


def _of_lines(lines: Sequence[str]) -> Iterator[tuple[int, Reference]]:
    """The references of dependency lines, each with the position of its line."""
    settings: Mapping[str, object] = {"environments": [{"spec": {"dependencies": list(lines)}}]}
    for one in references(settings):
        position = one.place.steps[-1]
        if one.site is not Site.TEXT and isinstance(position, int):
            yield position, one


# ── Commands ─────────────────────────────────────────────────────────────────────────────────────


def _script_lines(text: str) -> Iterator[Line]:
    """The lines of a script or notebook that may matter, without what is commented out."""
    if _MATTERS.search(text):
        for line in _joined([_without_magic(line) for line in text.splitlines()]):
            if _MATTERS.search(line.text) and not _COMMENT.match(line.text):
                yield line


def _without_magic(line: str) -> str:
    magic = _MAGIC.match(line)
    return line[magic.end() :] if magic else line


def _of_command(text: str) -> Iterator[Reference]:
    if _LIBRARY_FILE.search(text):
        yield from references({"text": text})
    words = [_trimmed(word) for word in _pip_words(text)]
    words += [
        f"{one['name']}=={one['version']}" if one["version"] else one["name"]
        for one in _INSTALL_PYPI.finditer(text)
    ]
    for _, one in _of_lines(words):
        if one.coordinate is not None:  # files are found above, wherever they stand
            yield one


def _pip_words(text: str) -> Iterator[str]:
    command = _PIP.search(text)
    if command:
        rest = _NEXT_COMMAND.split(command["rest"], maxsplit=1)[0]
        yield from (word for word in _WORD.findall(rest) if not word.startswith("-"))


def _trimmed(word: str) -> str:
    """A word of a command without what a list in Python leaves around it: `["a", "b==1"]`."""
    trimmed = word.strip(",;").removeprefix("[")
    return trimmed if "[" in trimmed else trimmed.rstrip("],;")


# ── Lines and paths ──────────────────────────────────────────────────────────────────────────────


def _joined(lines: Sequence[str]) -> Iterator[Line]:
    """Logical lines: one that ends in a backslash goes on in the next."""
    start, parts = 1, list[str]()
    for number, line in enumerate(lines, start=1):
        if not parts:
            start = number
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        yield Line(start, " ".join((*parts, line)) if parts else line)
        parts = []
    if parts:
        yield Line(start, " ".join(parts))


def _resolved(path: str, folder: str) -> str:
    """`path` as seen from `folder`; as it stands when it is absolute or there is no folder."""
    if not folder or path.startswith("/") or ":" in path:
        return path
    parts = folder.split("/")
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)
