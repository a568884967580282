"""Rendered comments, compared with stored files that a reviewer can read."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.contract import Mode
from deployer.report.comment import LIMIT, Around, to_comment
from tests.unit.report import reports

STORED = Path(__file__).parent / "comments"
RUN = "https://github.com/octo/library/actions/runs/77"
PLANNED = Around(RUN, "5f0c" * 10)
MERGED = replace(PLANNED, after_merge=True)
STORIES = {
    "plan-of-three-jobs": (reports.with_circumstances(reports.plan_of_three()), PLANNED),
    "plan-of-500-jobs": (
        reports.with_circumstances(reports.plan_with_jobs(moving=500, staying=60)),
        PLANNED,
    ),
    "plan-of-clusters": (reports.plan_of_clusters(), PLANNED),
    "plan-with-places-elsewhere": (reports.plan_with_places_elsewhere(), PLANNED),
    "plan-of-a-rollback": (reports.rollback_of_three(Mode.PLAN), PLANNED),
    "checks-of-a-fork": (reports.checks_of_a_fork(), PLANNED),
    "failure-with-two-problems": (reports.failed_with_two_problems(), PLANNED),
    "merged-and-deployed": (reports.deploy_with_everything(), MERGED),
    "merged-and-moved-back": (reports.failed_and_moved_back(), MERGED),
    "hostile-names": (reports.deploy_with_hostile_names(), MERGED),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_comment_reads_as_stored(name: str) -> None:
    report, around = STORIES[name]
    rendered = to_comment(report, around)
    assert len(rendered.encode()) <= LIMIT
    path = STORED / f"{name}.md"
    if os.environ.get("SPARK_DEPLOY_GOLDEN") == "write":
        path.write_text(rendered, encoding="utf-8", newline="\n")
    assert rendered == path.read_bytes().decode("utf-8")


def test_no_stored_comment_is_left_over() -> None:
    assert {path.stem for path in STORED.glob("*")} == set(STORIES)
