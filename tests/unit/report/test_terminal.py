"""On a terminal nothing that others wrote can act."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from rich.console import Console

from deployer.contract import Mode
from deployer.report.model import Outcome, Report
from deployer.report.terminal import to_lines, to_renderable
from deployer.report.view import headline
from tests.unit.report import reports

STORIES = (
    reports.plan_of_three(),
    reports.deploy_with_everything(),
    reports.failed_with_two_problems(),
    reports.status_of_a_workspace(),
    reports.plan_with_jobs(200, 0),
)


def shown(report: Report, *, colour: bool = False) -> str:
    console = Console(
        file=io.StringIO(),
        width=200,
        force_terminal=colour,
        color_system="standard" if colour else None,
    )
    console.print(to_renderable(report, report_path="/r/report.json"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@settings(deadline=None, max_examples=40)
@given(reports.reports)
def test_no_control_character_reaches_the_terminal(report: Report) -> None:
    assert all(one.isprintable() or one == "\n" or ord(one) > 0x9F for one in shown(report))


@given(reports.reports)
def test_no_control_character_and_no_line_end_reaches_a_log_line(report: Report) -> None:
    for line in to_lines(report):
        assert len(line.splitlines()) <= 1
        assert "\x1b" not in line
        assert "\u202e" not in line


def test_markup_in_a_name_is_shown_and_not_obeyed() -> None:
    report = Report(
        Mode.PLAN, "", Outcome.SUCCEEDED, warnings=("[bold red]job[/] :tada: [link=x]y",)
    )
    assert "[bold red]job[/] :tada: [link=x]y" in shown(report)


@pytest.mark.parametrize("report", STORIES, ids=lambda report: report.outcome.value)
def test_the_headline_is_there_in_both_forms(report: Report) -> None:
    assert str(headline(report)) in shown(report)
    assert str(headline(report)) in to_lines(report)


def test_a_table_shows_what_moves_and_what_stays() -> None:
    table = shown(reports.deploy_with_everything())
    for part in ("nightly sales (11)", "did not move", "no permission to edit", "1.3.2", "⚠"):
        assert part in table


def test_a_long_table_ends_with_how_many_are_left_out() -> None:
    assert "… and 150 more" in shown(reports.plan_with_jobs(200, 0))
    assert (
        sum(line.startswith("would move:") for line in to_lines(reports.plan_with_jobs(200, 0)))
        == 200
    )


def test_lines_say_the_same_to_a_log() -> None:
    lines = to_lines(reports.deploy_with_everything(), report_path="/r/report.json")
    assert "moved: nightly sales (11), from 1.4.0, 1 place" in lines
    assert "full report: /r/report.json" in lines
    assert lines[0] == "lint: passed, 0.4 s: ruff found nothing"


def test_a_failure_is_told_with_its_remedy_in_both_forms() -> None:
    report = reports.failed_with_two_problems()
    for text in (shown(report), "\n".join(to_lines(report))):
        assert "Input `cleanup` is `ture`." in text
        assert "    cleanup: true" in text
        assert "Explained in docs/errors.md#no-library-file" in text
