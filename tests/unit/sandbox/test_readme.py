"""The README's table names every switch, and no other; its faults are real ones."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import sandbox
from sandbox.faults import FaultKind, faults_from
from sandbox.options import Behaviour

README = (Path(sandbox.__file__).parent / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_switch_stands_in_the_table() -> None:
    rows = [line for line in section("What it plays").splitlines() if line.startswith("| ")]
    named = {name for row in rows[1:] for name in re.findall(r"`(\w+)`", row.split("|")[-2])}
    assert named == {each.name for each in fields(Behaviour)}


def test_every_row_names_its_source() -> None:
    rows = [line for line in section("What it plays").splitlines() if line.startswith("| ")]
    assert [row for row in rows if not row.split("|")[3].strip()] == []


def test_the_example_faults_can_be_used_and_all_kinds_are_explained() -> None:
    text = section("Faults")
    example = text.split("```json\n")[1].split("```")[0]
    assert len(faults_from(json.loads(example))) == 2
    assert set(re.findall(r"(?m)^\| `([\w-]+)` \|", text)) == set(get_args(FaultKind))
