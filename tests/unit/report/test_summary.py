"""The job summary tells the story, in Markdown that nobody else can write into."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.contract import Mode
from deployer.report.model import Check, CheckStatus, Decision, Finding, Outcome, Report
from deployer.report.reasons import EXPLANATIONS
from deployer.report.summary import BUDGET, to_summary
from tests.unit.report import reports
from tests.unit.report.markdown_reading import (
    active_text,
    autolinks,
    blocks,
    foreign_html,
    kinds,
    link_targets,
    source_widths,
    table_widths,
    text_of,
    tokens,
)

RUNNER_LIMIT = 1024 * 1024


def headings(markdown: str) -> list[str]:
    found = blocks(markdown)
    after = itertools.pairwise(found)
    return [text.content for start, text in after if start.type == "heading_open"]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(reports.reports)
def test_no_text_from_outside_becomes_markup(report: Report) -> None:
    summary = to_summary(report, report_path="report.json")
    assert foreign_html(summary) == []
    assert active_text(summary) == []
    assert "image" not in kinds(summary)
    assert link_targets(summary) <= {f"{reports.HOST}/jobs/{number}" for number in job_ids(report)}
    assert all(cells == head for cells, head in table_widths(summary))
    ours = "".join(one.content for one in tokens(summary) if one.type.startswith("html_"))
    assert ours.count("<details>") == ours.count("</details>")
    assert autolinks(summary) == []


def job_ids(report: Report) -> set[int]:
    ids = {entry.job_id for entry in report.inventory}
    if report.plan:
        ids |= {one.job_id for one in report.plan.rewires}
        ids |= {one.job_id for one in report.plan.untouched}
    if report.deployment:
        done = report.deployment
        groups = (done.failed, done.drifted, done.rolled_back, done.pending)
        ids |= {job.job_id for group in groups for job in group}
    return ids


def test_hostile_names_change_no_table_and_no_heading() -> None:
    hostile = reports.deploy_with_hostile_names()
    summary = to_summary(hostile)
    assert foreign_html(summary) == []
    assert active_text(summary) == []
    assert link_targets(summary) == set()
    assert source_widths(summary) <= {2, 3, 4, 5}
    assert all(cells == head for cells, head in table_widths(summary))


@settings(deadline=None)
@given(st.integers(0, 20_000))
def test_no_budget_is_ever_passed(budget: int) -> None:
    summary = to_summary(reports.plan_with_jobs(40, 40), budget=budget)
    assert len(summary.encode()) <= budget


@pytest.mark.parametrize(("moving", "staying"), [(2_000, 0), (0, 2_000), (2_000, 2_000)])
def test_two_thousand_jobs_fit_into_a_summary(moving: int, staying: int) -> None:
    summary = to_summary(reports.plan_with_jobs(moving, staying), report_path="/r/report.json")
    assert len(summary.encode()) <= BUDGET < RUNNER_LIMIT
    assert all(cells == head for cells, head in table_widths(summary))


def test_too_many_jobs_are_cut_after_whole_rows_with_a_count_and_where_the_rest_is() -> None:
    report = reports.plan_with_jobs(5_000, 100)
    summary = to_summary(report, report_path="/r/report.json", budget=300_000)
    assert 290_000 < len(summary.encode()) <= 300_000
    assert all(cells == head for cells, head in table_widths(summary))
    left_out = re.findall(
        r"_([\d,]+) more left out for space: the full report is in `(.*)`._", summary
    )
    assert {where for _, where in left_out} == {"/r/report.json"}
    table = summary.split("5,000 jobs would move")[-1].split("</details>")[0]
    rows = len(re.findall(r"^\| \[", table, re.MULTILINE))
    assert rows + int(left_out[0][0].replace(",", "")) == 5_000
    assert summary.count("<details>") == summary.count("</details>")


def test_one_job_makes_a_summary_that_folds_references_and_apparate_s_words_only() -> None:
    summary = to_summary(reports.plan_with_jobs(1, 0))
    assert headings(summary)[0] == "🔍 retail-metrics 1.5.0: 1 job would move, 0 stay"
    assert summary.count("<details>") == 2


def test_many_jobs_start_folded() -> None:
    assert to_summary(reports.plan_with_jobs(100, 0)).count("<details>") == 3


def test_a_plan_says_would_and_a_deployment_says_did() -> None:
    plan = to_summary(reports.plan_of_three())
    assert "3 jobs would move" in plan
    assert "would be uploaded" in plan
    assert "would be removed" in plan
    deployed = to_summary(reports.deploy_with_everything())
    assert "would" not in deployed.replace(EXPLANATIONS["owned-by-bundle"].advice, "")
    assert "2 jobs moved" in deployed
    assert "Uploaded to" in deployed


def test_a_moved_job_shows_its_versions_its_places_and_a_link() -> None:
    summary = to_summary(reports.plan_of_three())
    job = "[`weekly report`](https://adb-123.4.azuredatabricks.net/jobs/13)"
    assert f"| {job} | 1.3.2, 1.4.0 | 1.5.0 | 2 |" in summary


def test_without_a_host_there_is_no_link() -> None:
    assert link_targets(to_summary(replace(reports.plan_of_three(), host=""))) == set()


def test_each_reason_to_stay_is_said_with_what_the_owner_can_do() -> None:
    summary = to_summary(reports.deploy_with_everything())
    for reason in ("no-permission", "owned-by-bundle", "pinned", "another-major", "no-version"):
        assert EXPLANATIONS[reason].advice in summary
    assert "bundle: /Workspace/b/metrics" in summary


def test_the_digest_of_a_plan_can_be_pasted() -> None:
    [fence] = [one for one in blocks(to_summary(reports.plan_of_three())) if one.type == "fence"]
    assert fence.content == (f'with:\n  mode: deploy\n  expected-plan-digest: "{reports.DIGEST}"\n')


def test_a_plan_with_nothing_to_do_asks_for_no_approval() -> None:
    report = replace(reports.plan_with_jobs(0, 3), outcome=Outcome.NOTHING_TO_DO)
    assert "expected-plan-digest" not in to_summary(report)


def test_a_failure_says_what_why_and_what_to_do_for_every_problem() -> None:
    summary = to_summary(reports.failed_with_two_problems())
    shown = text_of(summary)
    for part in (
        "Input cleanup is ture.",
        "It is a boolean.",
        "Build the wheel in an earlier step.",
    ):
        assert part in shown
    assert "docs/errors.md#invalid-input" in shown
    assert "docs/errors.md#no-library-file" in shown


def test_jobs_that_did_not_move_come_before_those_that_did() -> None:
    found = headings(to_summary(reports.deploy_with_everything()))
    assert found.index("⚠️ 1 job did not move") < found.index("2 jobs moved")
    assert "What to do next" in found


def test_old_versions_that_only_would_go_are_said_with_what_removes_them() -> None:
    base = reports.deploy_with_everything()
    kept = tuple(
        replace(one, decision=Decision.LIST_ONLY) if one.version == "1.3.2" else one
        for one in base.versions
    )
    summary = to_summary(replace(base, versions=kept))
    assert "could go, only listed" in summary
    assert (
        "a later deployment, or `mode: cleanup`, removes them unless `cleanup` is `false`"
        in summary
    )


def test_a_failed_check_shows_its_findings_and_its_last_output() -> None:
    check = Check(
        "test",
        CheckStatus.FAILED,
        12.3,
        "1 failed, 40 passed",
        (Finding("assert 1 == 2", "tests/test_a.py", 7, 1, "test_total"),),
        "FAILED tests/test_a.py\n```\n<script>",
    )
    report = Report(Mode.CHECK, "", Outcome.FAILED, checks=(check,))
    summary = to_summary(report)
    assert "| test | ❌ failed | 12.3 s | 1 failed, 40 passed |" in summary
    assert "| `tests/test_a.py:7` | `test_total` assert 1 == 2 |" in summary
    [output] = [one for one in blocks(summary) if one.type == "fence"]
    assert output.content == "FAILED tests/test_a.py\n```\n<script>\n"


def test_status_counts_each_library_and_version_in_order() -> None:
    summary = to_summary(reports.status_of_a_workspace())
    assert summary.index("| retail-metrics | 1.4.0 | wheel | 1 | 1 |") < summary.index(
        "| retail-metrics | 1.10.0 | wheel | 1 | 1 |"
    )
    assert "| no version in the reference | 1 |" in summary


def test_status_of_an_empty_workspace_says_so() -> None:
    summary = to_summary(Report(Mode.STATUS, "", Outcome.SUCCEEDED))
    assert "No job of this workspace names a library file." in summary


def test_who_can_not_see_all_jobs_is_told() -> None:
    assert "not a workspace admin" in to_summary(reports.deploy_with_everything())
    assert "not a workspace admin" not in to_summary(reports.plan_of_three())
