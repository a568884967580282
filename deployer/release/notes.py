"""The text of a release: the section of its version in CHANGELOG.md, within GitHub's limit.

Owns finding the section (Keep a Changelog 1.1, and the headings that other tools write) and the cut. A
changelog is the project's own text and stays as it is; what was cut never ends inside a code block. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from packaging.version import Version

from deployer.release.agreement import named_version

LIMIT = 125_000  # characters of a release's body that GitHub takes
READ = 4 * 1024 * 1024  # bytes of a changelog that are read
_CUT = "\n\n_These notes were cut here: a release holds no more._\n"
_HEADING = re.compile(r" {0,3}(?P<marks>#{1,4})[ \t]+(?P<text>[^\n]*)")
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)")
_DEFINITION = re.compile(r" {0,3}\[(?P<label>[^\]\n]{1,200})\]:[ \t]*\S[^\n]*")
_WORD = re.compile(r"[^\s\[\](),:]+")
_WORDS = 3  # of a heading that may be the version: "Version 1.4.0", "retail-metrics 1.4.0"


def section(changelog: str, version: Version) -> str:
    """What `changelog` says of `version`, without its heading; "" when it has no section of it.

    Definitions of links that the section uses are kept: a changelog has them at its end.
    """
    lines = changelog[:READ].splitlines()
    start = level = 0
    found: list[str] | None = None
    for number, marks, text in _headings(lines):
        if found is None and _names(text, version):
            start, level = number + 1, marks
            found = lines[start:]
        elif found is not None and marks <= level:
            found = lines[start:number]
            break
    if found is None:
        return ""
    body = [line for line in found if not _DEFINITION.fullmatch(line)]
    text = "\n".join(body).strip()
    used = [line for line in _definitions(lines) if _uses(text, line)]
    return "\n\n".join(part for part in (text, "\n".join(used)) if part) if text else ""


def fitting(text: str, limit: int = LIMIT) -> str:
    """`text` as a release's body: without NUL and lone surrogates, cut after a whole line if it is too long.

    A code block that the cut opens up is closed, so that the note below is read as text.
    """
    clean = text.replace("\0", "").encode("utf-8", "replace").decode()
    if len(clean) <= limit:
        return clean
    room = limit - len(_CUT) - _LONGEST_FENCE - 1
    kept = clean[: max(room, 0)]
    kept = kept[: kept.rfind("\n") + 1] or kept
    fence = _open_fence(kept.splitlines())
    return kept.rstrip("\n") + (f"\n{fence}" if fence else "") + _CUT


_LONGEST_FENCE = 100  # characters; a longer one is no fence that anybody wrote


def _headings(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Line number, level and text of each heading that is in no code block."""
    fence = ""
    for number, line in enumerate(lines):
        fence, was = _after(fence, line), fence
        found = None if fence or was else _HEADING.fullmatch(line)
        if found:
            yield number, len(found["marks"]), found["text"]


def _after(fence: str, line: str) -> str:
    """The fence that is open after `line`, when `fence` was before it; "" for none."""
    found = _FENCE.fullmatch(line)
    if found is None or len(found["fence"]) > _LONGEST_FENCE:
        return fence
    if not fence:
        return "" if found["fence"][0] == "`" and "`" in found["info"] else found["fence"]
    closes = found["fence"].startswith(fence) and not found["info"].strip()
    return "" if closes else fence


def _open_fence(lines: Sequence[str]) -> str:
    fence = ""
    for line in lines:
        fence = _after(fence, line)
    return fence


def _names(heading: str, version: Version) -> bool:
    words = _WORD.findall(heading)[:_WORDS]
    return any(named_version(word) == version for word in words if any(map(str.isdigit, word)))


def _definitions(lines: Sequence[str]) -> Iterator[str]:
    fence = ""
    for line in lines:
        fence = _after(fence, line)
        if not fence and _DEFINITION.fullmatch(line):
            yield line


def _uses(text: str, definition: str) -> bool:
    found = _DEFINITION.fullmatch(definition)
    return found is not None and f"[{found['label'].lower()}]" in text.lower()
