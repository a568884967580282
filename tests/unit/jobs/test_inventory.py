"""What about a job matters to a move: its owner, its pins, its timing."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.jobs.inventory import Owner, read_job
from tests.job_settings import NAME, job_with, stored


def test_a_job_without_a_name_is_called_by_its_id() -> None:
    assert read_job(7, {}).name == "job 7"
    assert read_job(7, {"name": ""}).name == "job 7"
    assert read_job(7, {"name": 1}).name == "job 7"
    assert read_job(7, {"name": "nightly"}).name == "nightly"


@pytest.mark.parametrize(
    ("deployment", "owner", "note"),
    [
        (None, Owner.NOBODY, ""),
        ({}, Owner.NOBODY, ""),
        ({"kind": ""}, Owner.NOBODY, ""),
        ("BUNDLE", Owner.NOBODY, ""),
        ({"kind": "BUNDLE", "metadata_file_path": "/a/m.json"}, Owner.BUNDLE, "/a/m.json"),
        ({"kind": "BUNDLE", "metadata_file_path": 1}, Owner.BUNDLE, ""),
        ({"kind": "SYSTEM_MANAGED"}, Owner.SYSTEM, ""),
        ({"kind": "TOMORROW"}, Owner.UNKNOWN, "TOMORROW"),
        ({"kind": ["BUNDLE"]}, Owner.UNKNOWN, ""),
    ],
)
def test_the_kind_of_its_deployment_tells_who_owns_a_job(
    deployment: Any, owner: Owner, note: str
) -> None:
    job = read_job(1, {"deployment": deployment})
    assert (job.owner, job.owner_note) == (owner, note)


@pytest.mark.parametrize(
    ("tags", "pin"),
    [
        ({}, None),
        ({"team": "finance"}, None),
        ({"spark-deploy.pin": "1.2"}, "1.2"),
        ({"spark-deploy.pin": ""}, ""),
        ({"spark-deploy.pin.sales-metrics": "1.2"}, "1.2"),
        ({"spark-deploy.pin.Sales_Metrics": "1.2"}, "1.2"),
        ({"spark-deploy.pin.sales.metrics": "1.2"}, "1.2"),
        ({"spark-deploy.pin": "1", "spark-deploy.pin.sales_metrics": "1.2"}, "1.2"),
        ({"spark-deploy.pin": "1", "spark-deploy.pin.other": "1.2"}, "1"),
        ({"spark-deploy.pin.other": "1.2"}, None),
        ({"spark-deploy.pinned": "1.2"}, None),
        ({"spark-deploy.pin": 1}, None),
        (["spark-deploy.pin"], None),
    ],
)
def test_a_tag_pins_one_library_or_all(tags: Any, pin: str | None) -> None:
    assert read_job(1, {"tags": tags}).pin(NAME) == pin


def test_a_paused_continuous_job_has_no_run_to_wait_for() -> None:
    assert read_job(1, stored("unknown-fields")).continuous
    assert read_job(1, {"continuous": {}}).continuous
    assert not read_job(1, {"continuous": {"pause_status": "PAUSED"}}).continuous
    assert not read_job(1, job_with()).continuous


def test_a_job_that_was_read_in_part_says_so() -> None:
    assert read_job(1, {}).complete
    assert not read_job(1, {}, complete=False).complete
