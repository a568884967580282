"""Rendered summaries, compared with stored files that a reviewer can read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.contract import Mode
from deployer.report.summary import to_summary
from tests.unit.report import reports

STORED = Path(__file__).parent / "summaries"
STORIES = {
    "plan-of-three-jobs": reports.plan_of_three(),
    "deploy-with-everything": reports.deploy_with_everything(),
    "deploy-moved-back": reports.failed_and_moved_back(),
    "rollback": reports.rollback_of_three(),
    "plan-of-a-rollback": reports.rollback_of_three(Mode.PLAN),
    "failure-with-two-problems": reports.failed_with_two_problems(),
    "hostile-names": reports.deploy_with_hostile_names(),
    "plan-of-clusters": reports.plan_of_clusters(),
    "deploy-of-clusters": reports.deploy_of_clusters(),
    "plan-with-places-elsewhere": reports.plan_with_places_elsewhere(),
    "status": reports.status_of_a_workspace(),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_summary_reads_as_stored(name: str) -> None:
    rendered = to_summary(STORIES[name], report_path="report/report.json")
    path = STORED / f"{name}.md"
    if os.environ.get("SPARK_DEPLOY_GOLDEN") == "write":
        path.write_text(rendered, encoding="utf-8", newline="\n")
    assert rendered == path.read_bytes().decode("utf-8")


def test_no_stored_summary_is_left_over() -> None:
    assert {path.stem for path in STORED.glob("*")} == set(STORIES)
