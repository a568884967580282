"""The comment: what it tells, that it fits, and that nothing in it becomes markup."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deployer.contract import Mode
from deployer.report.comment import LIMIT, Around, to_comment
from deployer.report.model import Outcome, Report
from deployer.report.texts import with_texts
from tests.unit.report import reports
from tests.unit.report.markdown_reading import (
    active_text,
    autolinks,
    foreign_html,
    kinds,
    link_targets,
    source_widths,
    table_widths,
    text_of,
)
from tests.unit.report.test_hostile_reports import harmless, hidden, structure

RUN = "https://github.com/octo/library/actions/runs/77"
AROUND = Around(RUN, "5f0c" * 10)
many = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)


# ── What it tells ────────────────────────────────────────────────────────────────────────────────


def test_it_says_whom_a_plan_reaches() -> None:
    told = text_of(to_comment(reports.with_circumstances(reports.plan_of_three()), AROUND))
    assert "3 jobs would move · 3 owners" in told
    assert "1 runs continuously · 1 runs by schedule or trigger · 1 paused" in told
    assert "1 old version would be removed (1.3.2)" in told


def test_what_is_not_known_of_jobs_has_no_column() -> None:
    told = to_comment(reports.plan_of_three(), AROUND)
    assert "Owner" not in told
    assert "Runs" not in told


def test_it_links_the_run_and_each_job_and_nothing_else() -> None:
    told = to_comment(reports.plan_of_three(), AROUND)
    jobs = {f"{reports.HOST}/jobs/{number}" for number in (11, 12, 13)}
    assert link_targets(told) == {RUN, *jobs}


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", f"{RUN}) [x](https://evil.example", f"{RUN}?a=b", "//evil", ""]
)
def test_an_address_that_is_not_plain_is_no_link(url: str) -> None:
    told = to_comment(replace(reports.plan_of_three(), host=""), Around(url))
    assert link_targets(told) == set()


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.SUCCEEDED, "Merged, and deployed to production."),
        (Outcome.NOTHING_TO_DO, "had all of it already"),
        (Outcome.FAILED, "Merged, but the deployment to production failed."),
        (Outcome.REFUSED, "was refused"),
        (Outcome.CANCELLED, "was cancelled"),
    ],
)
def test_after_the_merge_it_says_what_became_of_the_plan(outcome: Outcome, said: str) -> None:
    report = replace(reports.deploy_with_everything(), outcome=outcome)
    merged = replace(AROUND, after_merge=True)
    assert said in text_of(to_comment(report, merged))
    assert said not in text_of(to_comment(report, AROUND))


def test_checks_without_a_plan_say_why_there_is_none() -> None:
    told = text_of(to_comment(reports.checks_of_a_fork(), AROUND))
    assert "✅ lint · ✅ test · ✅ build" in told
    assert "had no access to a workspace" in told


def test_a_plan_names_its_digest_and_a_plan_without_work_does_not_ask_for_it() -> None:
    plan = reports.plan_of_three()
    assert "expected-plan-digest" in to_comment(plan, AROUND)
    nothing = replace(plan, outcome=Outcome.NOTHING_TO_DO)
    assert "expected-plan-digest" not in to_comment(nothing, AROUND)


# ── It fits ──────────────────────────────────────────────────────────────────────────────────────


def test_500_jobs_fit_with_every_job_named() -> None:
    report = reports.with_circumstances(reports.plan_with_jobs(moving=500, staying=60))
    told = to_comment(report, AROUND)
    assert len(told.encode()) <= LIMIT
    for index in range(500):
        assert f"`team {index % 40}: job {index}`" in told
    assert "left out" not in told


def test_of_5000_jobs_it_says_how_many_are_left_out_and_where_they_are() -> None:
    told = to_comment(reports.plan_with_jobs(moving=5_000, staying=60), AROUND)
    assert len(told.encode()) <= LIMIT
    assert "more left out for space" in text_of(told)
    assert "the summary of the run" in told


def test_a_long_plan_first_goes_without_references_and_then_without_links() -> None:
    def of(number: int) -> str:
        return to_comment(reports.plan_with_jobs(moving=number, staying=0), AROUND)

    assert "Every reference" in of(50)
    assert f"{reports.HOST}/jobs/1)" in of(500)
    assert "Every reference" not in of(500)
    assert f"{reports.HOST}/jobs/1)" not in of(1_200)


@many
@given(reports.reports, st.booleans(), st.sampled_from([600, 2_000, 8_000, LIMIT]))
def test_any_report_fits_into_bytes_characters_and_utf_16(
    report: Report, after: bool, budget: int
) -> None:
    told = to_comment(report, replace(AROUND, after_merge=after), budget)
    assert len(told.encode()) <= budget
    assert len(told.encode("utf-16-le")) // 2 <= budget


# ── Nothing in it becomes markup ─────────────────────────────────────────────────────────────────


@many
@given(reports.reports)
@example(reports.deploy_with_hostile_names())
def test_nothing_in_a_comment_links_mentions_refers_or_is_html(report: Report) -> None:
    told = to_comment(replace(report, host=""))
    assert autolinks(told) == []
    assert active_text(told) == []
    assert foreign_html(told) == []
    assert not kinds(told) & {"link_open", "image"}
    assert all(cells == head for cells, head in table_widths(told))
    assert hidden(told.replace("\n", "").replace("\u200b", "")) == set()


@many
@given(reports.reports)
@example(reports.deploy_with_hostile_names())
def test_hostile_texts_change_no_block_of_a_comment(report: Report) -> None:
    report = replace(report, host="")  # an address of many signs is none, and then there is no link
    assert structure(to_comment(report)) == structure(to_comment(with_texts(report, harmless)))


@many
@given(reports.reports)
def test_every_row_of_a_table_has_the_cells_of_its_head(report: Report) -> None:
    told = to_comment(replace(report, mode=Mode.PLAN, deployment=None, checks=()))
    assert source_widths(told) <= {2, 3, 4, 5}
