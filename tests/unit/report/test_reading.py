"""A report read back from bytes that anybody may have written."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.report import reading
from deployer.report.comment import LIMIT, Around, to_comment
from deployer.report.document import to_document, to_json
from deployer.report.model import Report
from deployer.report.reading import MOST, Unreadable, read_report
from tests.unit.report import reports
from tests.unit.report.test_document import STORIES

many = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def bytes_of(document: object) -> bytes:
    return json.dumps(document).encode()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a document but the whole."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in entries:
        yield (*path, key)
        if isinstance(one, dict | list):
            yield from places(one, (*path, key))


def holder(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


@many
@given(reports.reports)
def test_what_is_written_reads_back_as_the_same_document(report: Report) -> None:
    assert to_document(read_report(to_json(report).encode())) == to_document(report)


@many
@given(st.binary(max_size=400))
def test_any_bytes_are_a_report_or_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable):
        read_report(content)


@many
@given(st.data(), st.sampled_from(STORIES), JSON)
def test_any_value_anywhere_is_taken_whole_or_not_at_all(
    data: st.DataObject, story: Report, value: object
) -> None:
    document = copy.deepcopy(to_document(story))
    path = data.draw(st.sampled_from(list(places(document))))
    holder(document, path)[path[-1]] = value
    with suppress(Unreadable):
        report = read_report(bytes_of(document))
        assert len(to_comment(report, Around(claimed=True)).encode()) <= LIMIT


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.mode.value)
def test_what_is_missing_is_no_report(story: Report) -> None:
    document = to_document(story)
    later = {"owner", "runs", "why", "release_url", "comment_url"}
    free = {"gates", "counts"}
    for path in places(document):
        changed = copy.deepcopy(document)
        if not isinstance(path[-1], str) or path[-1] in later or free & set(path):
            continue
        if path[0] == "timings" and len(path) > 1:
            continue
        del holder(changed, path)[path[-1]]
        with pytest.raises(Unreadable):
            read_report(bytes_of(changed))


def test_what_a_newer_version_writes_besides_is_ignored() -> None:
    story = reports.plan_of_three()
    document = {**to_document(story), "schema_version": "1.7", "more": ["x"] * 9}
    assert to_document(read_report(bytes_of(document))) == to_document(story)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), "2.0"),
        (("schema_version",), "1"),
        (("schema_version",), "1.0\n"),
        (("mode",), "destroy"),
        (("mode",), ["plan"]),
        (("outcome",), "fine"),
        (("environment",), None),
        (("environment",), "x" * 20_001),
        (("warnings",), ["x"] * 50_001),
        (("warnings",), [1]),
        (("plan", "untouched", 0, "reason"), "because"),
        (("plan", "untouched", 0, "reason"), "__class__"),
        (("plan", "changes", 0, "kind"), "delete"),
        (("plan", "changes", 1, "job_id"), -1),
        (("plan", "changes", 1, "job_id"), 2**63),
        (("plan", "changes", 1, "job_id"), True),
        (("plan", "changes", 1, "job_id"), 1.0),
        (("plan", "changes", 1, "references"), {"0": {}}),
        (("timings", "plan"), -1),
        (("timings", "plan"), 10**400),
        (("timings", "plan"), True),
        (("api",), None),
    ],
)
def test_what_is_of_no_closed_list_or_out_of_bounds_is_refused(
    path: tuple[Any, ...], value: object
) -> None:
    document: Any = copy.deepcopy(to_document(reports.plan_of_three()))
    holder(document, path)[path[-1]] = value
    with pytest.raises(Unreadable):
        read_report(bytes_of(document))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe{}",
        b'{"schema_version": NaN}',
        b'{"schema_version": ' + b"[" * 100_000,
        b'{"timings": ' + b"9" * 5_000 + b"}",
        b" " * (MOST + 1),
        b"PK\x03\x04",
    ],
    ids=["empty", "null", "list", "utf-16", "nan", "deep", "long number", "large", "zip"],
)
def test_what_is_no_document_is_refused_in_few_words(content: bytes) -> None:
    with pytest.raises(Unreadable) as refused:
        read_report(content)
    assert len(str(refused.value)) < 100


def test_a_refusal_repeats_nothing_of_the_document() -> None:
    document: Any = copy.deepcopy(to_document(reports.plan_of_three()))
    document["mode"] = "::error::injected"
    with pytest.raises(Unreadable) as refused:
        read_report(bytes_of(document))
    assert "injected" not in str(refused.value)


def test_a_document_of_20000_jobs_is_within_the_bound() -> None:
    report = reports.with_circumstances(reports.plan_with_jobs(moving=20_000, staying=5_000))
    content = to_json(report).encode()
    assert len(content) <= reading.MOST
    assert to_document(read_report(content)) == to_document(report)


# ── What a claim may not do ──────────────────────────────────────────────────────────────────────


def test_a_claim_says_so_and_brings_no_links_and_no_advice_of_its_own() -> None:
    around = Around("https://github.com/octo/library/actions/runs/1", "", claimed=True)
    for story in STORIES:
        told = to_comment(story, around)
        assert "it may say anything" in told
        assert "/jobs/" not in told
        assert "expected-plan-digest" not in told
    failed = reports.failed_and_moved_back()
    assert "on-failure: continue" in to_comment(failed, replace(around, claimed=False))
    assert "on-failure: continue" not in to_comment(failed, around)
