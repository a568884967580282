"""The sentences for places outside of jobs, and where the report shows them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from deployer.jobs.sightings import Where
from deployer.plan.elsewhere import Standing
from deployer.plan.model import Reason
from deployer.report import view
from deployer.report.elsewhere import LISTED, advice, used_by
from deployer.report.reasons import EXPLANATIONS, NOT_EDITED, explanation, group_of
from deployer.report.summary import to_summary
from deployer.report.terminal import to_lines
from tests.unit.report import reports

REPORT = reports.plan_with_places_elsewhere()


@pytest.mark.parametrize("where", Where)
def test_every_kind_of_place_has_a_sentence_with_what_to_write(where: Where) -> None:
    said = advice(where, Standing.BY_HAND, "/new/path")
    assert said.endswith(".")
    assert said.count("`/new/path`") == 1
    assert "the new version" in advice(where, LISTED, "")
    assert "``" not in advice(where, LISTED, "")


def test_each_kind_of_place_has_a_sentence_of_its_own() -> None:
    assert len({advice(where, Standing.BY_HAND, "x") for where in Where}) == len(Where)


@pytest.mark.parametrize("standing", ["already-current", "newer", "with-this-run"])
def test_what_needs_nothing_says_so(standing: str) -> None:
    assert advice("notebook", standing, "x").startswith("Nothing to do: ")


@pytest.mark.parametrize("reason", Reason)
def test_any_reason_of_the_policy_is_told(reason: Reason) -> None:
    said = advice("notebook", reason, "x")
    assert said.startswith("Nothing to do") or EXPLANATIONS[reason].heading in said


def test_places_to_change_come_first_and_are_counted() -> None:
    standings = [one.standing for one in view.elsewhere(REPORT)]
    assert standings == ["by-hand", "by-hand", "with-this-run", "already-current", "another-major"]
    assert "2 places elsewhere to change by hand" in view.headline(REPORT).text
    assert "elsewhere" not in view.headline(reports.plan_of_three()).text


def test_the_summary_folds_the_places_into_one_table() -> None:
    summary = to_summary(REPORT)
    folded = re.search(
        r"<b>5 places outside of jobs, 2 to change by hand</b>.*?</details>", summary, re.S
    )
    assert folded is not None
    assert folded[0].count("<br>") == 5
    assert "outside of jobs" not in to_summary(reports.plan_of_three())


def test_thousands_of_places_stay_within_the_budget() -> None:
    many = replace(REPORT, elsewhere=REPORT.elsewhere * 2_000)
    summary = to_summary(many, budget=50_000)
    assert len(summary.encode()) <= 50_000
    assert "10,000 places outside of jobs, 4,000 to change by hand" in summary
    assert "more left out for space" in summary


def test_the_jobs_of_a_place_are_named_as_far_as_they_are_known() -> None:
    one = REPORT.elsewhere[1]
    assert used_by(one) == "job 0, job 1"
    assert used_by(replace(one, jobs_count=1_202)) == "job 0, job 1 and 1,200 more"
    assert used_by(replace(one, jobs=(), jobs_count=0)) == "no job"


def test_plain_lines_have_each_place_with_its_advice() -> None:
    lines = [line for line in to_lines(REPORT) if line.startswith("elsewhere: ")]
    assert len(lines) == 5
    assert lines[0].startswith(
        "elsewhere: notebook /Workspace/Users/ada@example.com/load, line 3: "
    )


POINTERS = {
    "/tasks/0/libraries/1/pypi/package": "package-index",
    "/environments/0/spec/dependencies/3": "package-index",
    "/tasks/0/for_each_task/task/libraries/0/maven/coordinates": "maven",
    "/job_clusters/0/new_cluster/spark_conf/spark.jars": "spark-conf",
    "/tasks/0/new_cluster/spark_env_vars/PYTHONPATH": "environment-variable",
    "/tasks/0/new_cluster/init_scripts/0/workspace/destination": "init-script",
    "/parameters/0/default": "job-parameter",
    "/tasks/0/spark_python_task/parameters/1": "task-parameter",
    "/tasks/0/notebook_task/base_parameters/lib": "task-parameter",
    "/tasks/0/python_wheel_task/named_parameters/lib": "task-parameter",
    "/tasks/0/run_job_task/job_parameters/lib": "task-parameter",
    "/tasks/0/run_job_task/notebook_params/lib": "task-parameter",
    "/tasks/0/spark_python_task/python_file": "program",
    "/tasks/0/dbt_task/commands/0": "dbt",
    "/tasks/0/ai_runtime_task/code_source_path": "code-source",
    "/libraries/0/whl": "job-library",
}


@pytest.mark.parametrize(("pointer", "place"), POINTERS.items())
def test_what_is_never_edited_has_a_sentence_for_its_place(pointer: str, place: str) -> None:
    group = group_of(NOT_EDITED, pointer)
    assert group == f"{NOT_EDITED}/{place}"
    assert explanation(group).advice.endswith(".")
    assert explanation(group) != explanation(NOT_EDITED)


def test_any_other_place_and_any_other_reason_keep_the_common_sentence() -> None:
    assert group_of(NOT_EDITED, "/description") == NOT_EDITED
    assert group_of(NOT_EDITED, "/tags/parameters") == NOT_EDITED
    for pointer in POINTERS:
        assert group_of("another-major", pointer) == "another-major"


def test_places_are_told_apart_in_what_stays() -> None:
    assert REPORT.plan is not None
    stays = tuple(
        replace(reports.untouched(20 + index, "a job", Reason.NOT_EDITED), place=pointer)
        for index, pointer in enumerate(POINTERS)
    )
    report = replace(REPORT, plan=replace(REPORT.plan, untouched=stays))
    groups = view.stays_by_reason(report)
    assert set(groups) == {f"{NOT_EDITED}/{place}" for place in POINTERS.values()}
    assert sum(len(found) for found in groups.values()) == len(POINTERS)
    summary = to_summary(report)
    assert all(explanation(group).heading in summary for group in groups)
