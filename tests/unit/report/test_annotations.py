"""Annotations say what matters, within what the runner keeps."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given

from deployer.contract import Mode
from deployer.report.annotations import (
    LIMIT,
    MESSAGE_LIMIT,
    Annotation,
    Level,
    to_annotations,
)
from deployer.report.model import Check, CheckStatus, Finding, Outcome, Report
from tests.unit.report import reports


def failed_check(count: int) -> Report:
    findings = tuple(
        Finding(f"wrong {line}", "a.py", line, 2, "E1") for line in range(1, count + 1)
    )
    check = Check("lint", CheckStatus.FAILED, 1.0, "ruff found something", findings)
    return Report(Mode.CHECK, "", Outcome.FAILED, checks=(check,))


@given(reports.reports)
def test_the_runner_keeps_all_of_them_whole(report: Report) -> None:
    found = to_annotations(report)
    assert all(count <= LIMIT for count in Counter(one.level for one in found).values())
    assert all(len(one.message) <= MESSAGE_LIMIT for one in found)
    assert all(one.file or (one.line is None and one.column is None) for one in found)
    assert all(one.line is not None or one.column is None for one in found)


def test_a_finding_stands_at_its_line() -> None:
    assert to_annotations(failed_check(1)) == (
        Annotation(Level.ERROR, "wrong 1", "lint: E1", "a.py", 1, 2),
    )


def test_ten_findings_are_shown_and_of_eleven_the_last_two_are_counted() -> None:
    assert [one.message for one in to_annotations(failed_check(10))][-1] == "wrong 10"
    eleven = to_annotations(failed_check(11))
    assert len(eleven) == 10
    assert eleven[-2].message == "wrong 9"
    assert eleven[-1] == Annotation(Level.ERROR, "and 2 more, see the summary")


def test_each_problem_is_an_error_with_its_remedy() -> None:
    first, second = to_annotations(reports.failed_with_two_problems())
    assert first.level is Level.ERROR
    assert first.title == "Input `cleanup` is `ture`."
    assert "cleanup: true" in first.message
    assert second.title == "No file matches `dist/*.whl`."


def test_a_success_is_a_notice_and_what_did_not_move_is_a_warning() -> None:
    found = to_annotations(reports.deploy_with_everything())
    by_level = {level: [one for one in found if one.level is level] for level in Level}
    assert not by_level[Level.ERROR]
    assert [one.message for one in by_level[Level.NOTICE]] == [
        "retail-metrics 1.5.0: 2 jobs moved, 1 did not, 7 stay"
    ]
    messages = [one.message for one in by_level[Level.WARNING]]
    assert any("weekly report (13) did not move" in message for message in messages)
    assert any("Everybody may write" in message for message in messages)


def test_a_long_message_is_cut() -> None:
    report = replace(reports.plan_of_three(), warnings=("x" * 10_000,))
    [warning] = [one for one in to_annotations(report) if one.level is Level.WARNING]
    assert len(warning.message) == MESSAGE_LIMIT
    assert warning.message.endswith("…")
