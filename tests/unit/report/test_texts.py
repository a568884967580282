"""Every text of a report can be changed in one place, and nothing else changes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from deployer.report.document import to_document, to_json
from deployer.report.model import Report
from deployer.report.texts import CLOSED, with_texts
from tests.unit.report import reports


def texts_in(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Every text of a document, with the key under which it stands."""
    if isinstance(value, dict):
        return [one for key, part in value.items() for one in texts_in(part, key)]
    if isinstance(value, list):
        return [one for part in value for one in texts_in(part, name)]
    return [(name, value)] if isinstance(value, str) else []


@given(reports.reports)
def test_every_text_that_others_write_is_changed_and_no_other(report: Report) -> None:
    changed = with_texts(report, lambda text: f"<{text}>")
    ours = CLOSED | {"schema_version", "mode", "status", "decision"}
    before, after = texts_in(to_document(report)), texts_in(to_document(changed))
    for (name, text), (other, new) in zip(before, after, strict=True):
        assert name == other
        kept = name in ours or text in {"upload", "rewire", "cluster", "remove"}
        assert new == (text if kept else f"<{text}>"), name
    assert set(changed.timings) == {f"<{name}>" for name in report.timings}


@given(reports.reports)
def test_a_change_that_changes_nothing_gives_the_same_report(report: Report) -> None:
    assert with_texts(report, str) == report
    assert json.loads(to_json(with_texts(report, str))) == json.loads(to_json(report))
