"""Outputs have the declared names, and the shortened report stays a valid document."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.contract import OUTPUTS
from deployer.report.document import to_document
from deployer.report.model import Report
from deployer.report.outputs import BUDGET, shortened_json, to_outputs
from tests.unit.report import reports
from tests.unit.report.test_document import validator


def outputs(report: Report) -> dict[str, str]:
    return to_outputs(
        report,
        report_path="/r/report.json",
        wheel_path="dist/x.whl",
        run_url="https://example.com/runs/7",
    )


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(reports.reports)
def test_the_outputs_are_those_of_the_contract(report: Report) -> None:
    found = outputs(report)
    assert list(found) == [one.name for one in OUTPUTS]
    validator.validate(json.loads(found["report"]))


def test_a_deployment_says_what_it_did() -> None:
    found = outputs(reports.deploy_with_everything())
    del found["report"]
    assert found == {
        "outcome": "succeeded",
        "failure-reason": "",
        "version": "1.5.0",
        "previous-version": "1.4.0",
        "sha256": reports.SHA,
        "wheel-path": "dist/x.whl",
        "remote-path": reports.path("1.5.0"),
        "plan-digest": reports.DIGEST,
        "jobs-updated": "2",
        "jobs-untouched": "7",
        "removed-versions": "1.3.2",
        "deployment-id": "000012-20261121T080000Z-1f2e3d4c",
        "comment-url": "",
        "release-url": "",
        "environment-url": "https://example.com/runs/7",
        "report-path": "/r/report.json",
    }


def test_a_plan_counts_the_jobs_that_would_move() -> None:
    found = outputs(reports.plan_of_three())
    assert (found["jobs-updated"], found["jobs-untouched"]) == ("3", "1")
    assert found["removed-versions"] == ""


def test_a_failure_has_its_reason() -> None:
    found = outputs(reports.failed_with_two_problems())
    assert (found["outcome"], found["failure-reason"]) == ("failed", "invalid-input")
    assert found["version"] == found["plan-digest"] == ""


def test_a_small_report_is_whole() -> None:
    report = reports.deploy_with_everything()
    assert json.loads(outputs(report)["report"]) == to_document(report)


def test_a_report_of_two_thousand_jobs_is_shortened_with_counts() -> None:
    report = reports.plan_with_jobs(2_000, 1_500)
    written = outputs(report)["report"]
    document: Any = json.loads(written)
    validator.validate(document)
    assert 0.95 * BUDGET < units(written) <= BUDGET
    kept = len(document["plan"]["changes"])
    assert document["truncated"]["plan.changes"] == 2_002 - kept
    assert document["truncated"]["plan.untouched"] == 1_500 - len(document["plan"]["untouched"])
    assert document["plan"]["counts"]["rewires"] == 2_000
    assert document["plan"]["changes"] == to_document(report)["plan"]["changes"][:kept]  # type: ignore[index]


@settings(deadline=None)
@given(reports.reports, st.integers(4_000, 20_000))
def test_any_report_fits_into_any_sensible_budget(report: Report, budget: int) -> None:
    written = shortened_json(to_document(report), budget)
    assert units(written) <= budget
    validator.validate(json.loads(written))


def test_every_entry_left_out_is_counted_also_a_single_one() -> None:
    long = "x" * 500
    document: dict[str, object] = {"three": [long] * 3, "two": {"within": [long] * 2}}
    shortened = json.loads(shortened_json(document, 1_700 + 500))
    assert [len(shortened["three"]), len(shortened["two"]["within"])] == [2, 2]
    assert shortened["truncated"] == {"three": 1}


def test_long_texts_are_cut_where_leaving_out_entries_is_not_enough() -> None:
    report = replace(reports.plan_of_three(), environment="x" * 300_000)
    document = json.loads(outputs(report)["report"])
    validator.validate(document)
    assert len(document["environment"]) == 4_000


def test_a_budget_that_holds_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        shortened_json(to_document(reports.plan_of_three()), 10)
