"""Facts that are cited are written down, and facts that are written down are cited."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FACTS = (REPOSITORY / "docs/facts.md").read_text(encoding="utf-8")
SEARCHED = ("deployer", "sandbox", "tests", "tools", "docs", "examples")
KINDS = {".py", ".md", ".yml", ".toml"}

# "B3", "A1 row 10", "A1 rows 1-11", "A1 (15 to 17)", "16", "3.1", and ranges such as "B1 to B4".
_KEY = r"(?:[A-G]\d?|\d+(?:\.\d+)?)\b"
_ROWS = r"(?: (?:rows? |\()\d+(?:(?:-| to )\d+)?\)?)"
_ONE = rf"{_KEY}(?:{_ROWS}|(?:-| to ){_KEY})?"
CITATION = re.compile(
    rf'\b[Ff]acts?,? (?:"Contract facts" )?({_ONE}(?:(?:,| and|, and) {_ONE})*)(?:, "([^"]+)")?'
)
PART = re.compile(rf"({_KEY})(?:({_ROWS})|(?:-| to )({_KEY}))?")
LINE_BREAK = re.compile(r"\s*\n\s*(?:#+ )?")
HEADING = re.compile(r"^### (?:Contract fact )?(\S+) · .+$", re.M)
HOW_KNOWN = re.compile(r"\*\*(?:Measured|Documented|Source|Issue|Unverified)\*\*")


def _entries() -> list[tuple[str, str]]:
    parts = HEADING.split(re.split(r"^## .+$", FACTS, maxsplit=1, flags=re.M)[1])
    return list(zip(parts[1::2], parts[2::2], strict=True))


ENTRIES = dict(_entries())
ROWS = {int(row) for row in re.findall(r"^\| (\d+) \|", ENTRIES["A1"], re.M)}


def _numbers(text: str) -> list[int]:
    first, *last = (int(number) for number in re.findall(r"\d+", text))
    return list(range(first, (last[0] if last else first) + 1))


def cited(text: str) -> Iterator[tuple[str, str]]:
    """Each fact that `text` cites as (key, ""), each row as (key, row), each label as (key, label)."""
    for numbers, label in CITATION.findall(LINE_BREAK.sub(" ", text)):
        for key, rows, last in PART.findall(numbers):
            letter = key[0] if key[0].isalpha() else ""
            several = _numbers(f"{key} {last}") if last else []
            for each in [f"{letter}{number}" for number in several] or [key]:
                yield each, ""
                if label:
                    yield each, label
            yield from ((key, str(row)) for row in (_numbers(rows) if rows else ()))


def _everything_cited() -> dict[tuple[str, str], set[str]]:
    """Where each fact, row or label is cited."""
    files = [path for folder in SEARCHED for path in (REPOSITORY / folder).rglob("*")]
    found = defaultdict(set)
    for path in (*files, *REPOSITORY.glob("*")):
        where = path.relative_to(REPOSITORY).as_posix()
        ours = where in {"docs/facts.md", "tests/contract/test_facts.py"}
        if path.suffix in KINDS and path.is_file() and not ours:
            for one in cited(path.read_text(encoding="utf-8")):
                found[one].add(where)
    return dict(found)


CITED = _everything_cited()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("merged by key (facts B3).", {("B3", "")}),
        ("facts B4, C |", {("B4", ""), ("C", "")}),
        ("facts C, Files API docs", {("C", "")}),
        ("Facts B4, B7 and D, the SCIM docs", {("B4", ""), ("B7", ""), ("D", "")}),
        ("facts B1 to B3 and the docs", {("B1", ""), ("B2", ""), ("B3", "")}),
        ("facts 16-18", {("16", ""), ("17", ""), ("18", "")}),
        ("# in tests (facts\n    # 3.1). They", {("3.1", "")}),
        ("facts A1 row 4", {("A1", ""), ("A1", "4")}),
        ("facts A1 rows 1-2 and A4", {("A1", ""), ("A1", "1"), ("A1", "2"), ("A4", "")}),
        ("facts A1 (15 to 16) and", {("A1", ""), ("A1", "15"), ("A1", "16")}),
        ("facts A1 (23), B3", {("A1", ""), ("A1", "23"), ("B3", "")}),
        ('facts B3, "typed round trip"', {("B3", ""), ("B3", "typed round trip")}),
        ('facts, "Contract facts" 7', {("7", "")}),
        ('facts, "Contract facts" 6 and 11)', {("6", ""), ("11", "")}),
        ("the same facts give the same plan", set()),
        ("facts (all of them) about 3 jobs", set()),
    ],
)
def test_citations_are_read_in_every_form(text: str, expected: set[tuple[str, str]]) -> None:
    assert set(cited(text)) == expected


def test_every_fact_is_written_down_once() -> None:
    keys = [key for key, _ in _entries()]
    assert len(keys) == len(set(keys))
    assert len(ROWS) == max(ROWS)


@pytest.mark.parametrize("key", sorted({key for key, _ in CITED}))
def test_a_fact_that_is_cited_is_written_down(key: str) -> None:
    assert key in ENTRIES, f"cited in {sorted(CITED[key, ''])}"


def test_rows_and_labels_that_are_cited_are_in_the_entry() -> None:
    """A label is a part of the entry, or the heading above it."""
    headings = " ".join(re.findall(r"^## .+$", FACTS, re.M))
    for (key, detail), where in CITED.items():
        if detail.isdecimal():
            assert key == "A1", where
            assert int(detail) in ROWS, where
        elif detail:
            assert detail.lower() in f"{ENTRIES[key]} {headings}".lower(), where


@pytest.mark.parametrize("key", ENTRIES)
def test_a_fact_that_is_written_down_is_cited(key: str) -> None:
    assert (key, "") in CITED


@pytest.mark.parametrize("key", ENTRIES)
def test_a_fact_says_how_it_is_known(key: str) -> None:
    assert HOW_KNOWN.search(ENTRIES[key])
