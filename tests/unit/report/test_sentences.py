"""apparate's users find the sentences that they know."""

from __future__ import annotations

from dataclasses import replace

from deployer.contract import Mode
from deployer.errors import FailureReason
from deployer.report.model import Failure, Outcome, Report
from deployer.report.sentences import apparate_sentences
from tests.unit.report import reports


def test_a_deployment_says_four_of_the_five_sentences() -> None:
    assert apparate_sentences(reports.deploy_with_everything()) == (
        "new library retail-metrics-1.5.0 loaded to Databricks",
        "current major version of library used by jobs: nightly sales, hourly stock, weekly report",
        "updated jobs: nightly sales, hourly stock",
        "removed old versions: retail-metrics-1.3.2",
    )


def test_a_plan_says_only_what_is_true_before_anything_changed() -> None:
    assert apparate_sentences(reports.plan_of_three()) == (
        "current major version of library used by jobs: nightly sales, hourly stock, weekly report",
    )


def test_a_file_that_is_there_already_is_told_with_the_fifth_sentence() -> None:
    base = reports.plan_of_three()
    assert base.plan is not None
    report = replace(base, plan=replace(base.plan, upload=None))
    [first, *_] = apparate_sentences(report)
    assert first.startswith("This version (1.5.0) already exists: the same file")


def test_another_file_under_the_same_version_is_told_with_the_fifth_sentence() -> None:
    failure = Failure(FailureReason.VERSION_EXISTS.value, "t", "d", "r")
    report = Report(Mode.DEPLOY, "", Outcome.REFUSED, failure=failure, library=reports.LIBRARY)
    [only] = apparate_sentences(report)
    assert only.startswith("This version (1.5.0) already exists: with other content")


def test_a_sentence_with_very_many_jobs_counts_the_rest() -> None:
    [sentence] = apparate_sentences(reports.plan_with_jobs(2_000, 0))
    assert sentence.endswith("team 9: job 49 and 1,950 more")


def test_a_run_without_a_library_says_none() -> None:
    assert apparate_sentences(reports.failed_with_two_problems()) == ()
