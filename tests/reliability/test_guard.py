"""The guard and the matrix notice what they are there for: programs that break a promise, or lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from deployer.deployment.ports import Unavailable
from deployer.deployment.write import Write, smallest_write
from deployer.platforms.databricks.jobs import DatabricksJobs
from sandbox.calls import CallRecord
from sandbox.server import Sandbox
from tests.reliability.cases import case_named
from tests.reliability.guard import Broken, Guard
from tests.reliability.matrix import TROUBLES, Point, play, points_of
from tests.reliability.scenario import (
    GOES,
    LATE,
    NEW,
    OLD,
    OTHER,
    VOLUME,
    before_the_deployment,
    comparable,
    deployed,
    put_into,
    wheel,
)
from tests.workspace import running_workspace

UPDATE = Point("POST", "/api/2.2/jobs/update", 2)
_CALL = CallRecord("POST", "/x", {}, 200, "", "", None, 1.0)


def _on(job_id: int, old: str, new: str) -> Callable[[Sandbox], None]:
    """Somebody who writes `new` for `old` in a job."""

    def act(workspace: Sandbox) -> None:
        text = comparable(workspace.jobs())[job_id]
        assert old in text
        workspace.set_job(job_id, json.loads(text.replace(old, new)))

    return act


BREAKING: dict[str, tuple[Callable[[Sandbox], None], str]] = {
    "a setting that is no reference": (_on(101, '"retail"', '"wholesale"'), "no state"),
    "half of a job's references": (_on(105, f"{OLD}-", f"{GOES}-"), "no state"),
    "a version that no plan named": (_on(102, f"{OLD}-", f"{LATE}-"), "no state"),
    "another library": (_on(103, f"{OTHER}-3.1.0", f"{OTHER}-3.2.0"), "no state"),
    "a job of another major": (_on(201, "2.0.0", NEW), "no state"),
    "a job that is gone": (lambda w: w.delete_job(104), "gone"),
    "a file that jobs name": (lambda w: w.delete_file(VOLUME.path(OLD)), "not there"),
    "a file that a rollback needs": (lambda w: w.delete_file(VOLUME.path(LATE)), "gone"),
    "other bytes": (lambda w: w.put_file(VOLUME.path(OLD), b"other"), "nobody published"),
    "a file of nobody": (lambda w: w.put_file(VOLUME.path("1.4.9"), b"x"), "nobody published"),
}


@pytest.mark.parametrize("what", BREAKING)
def test_the_guard_notices(what: str) -> None:
    act, said = BREAKING[what]
    before = before_the_deployment(VOLUME)
    with running_workspace() as workspace:
        put_into(workspace, VOLUME, before)
        guard = Guard.between(workspace, VOLUME, before, deployed(before, VOLUME))
        guard(_CALL)
        act(workspace)
        with pytest.raises(Broken, match=said):
            guard(_CALL)


def test_the_guard_lets_a_job_be_as_it_was_or_as_it_becomes_and_the_old_version_go() -> None:
    before = before_the_deployment(VOLUME)
    after = deployed(before, VOLUME)
    with running_workspace() as workspace:
        put_into(workspace, VOLUME, before)
        guard = Guard.between(workspace, VOLUME, before, after)
        workspace.put_file(VOLUME.path(NEW), wheel(NEW))
        workspace.set_job(101, after.jobs[101])
        workspace.delete_file(VOLUME.path(GOES))
        guard(_CALL)
        assert guard.writes == 1


def test_a_program_that_writes_more_than_references_does_not_converge() -> None:
    def with_more(*arguments: Any) -> Write:
        write = smallest_write(*arguments)
        return replace(write, settings={**write.settings, "tags": {"team": "nobody"}})

    with patch("deployer.deployment.apply.smallest_write", with_more):
        cell = play(case_named("deploy to a volume"), UPDATE, TROUBLES["reset after"])
    assert "no state that the plan knows" in cell.problem


def test_a_program_that_takes_a_failed_write_for_a_success_does_not_converge() -> None:
    update = DatabricksJobs.update

    def believing(self: DatabricksJobs, job_id: int, settings: dict[str, object]) -> None:
        try:
            update(self, job_id, settings)
        except Unavailable:
            return

    with (
        patch.object(DatabricksJobs, "update", believing),
        patch("deployer.changes.verify", lambda applied, settings: applied),
    ):
        cell = play(case_named("deploy to a volume"), UPDATE, TROUBLES["503 for good"])
    assert "the first run said succeeded, but" in cell.problem


def test_a_program_that_removes_what_jobs_still_name_does_not_converge() -> None:
    with patch("deployer.plan.retention._firm_reasons", lambda *_: []):
        cell = play(case_named("deploy to a volume"), UPDATE, TROUBLES["503"])
    assert "which is not there" in cell.problem


def test_a_call_that_no_run_makes_is_a_cell_that_did_not_converge() -> None:
    case = case_named("deploy to a volume")
    nowhere = Point("POST", "/api/2.2/jobs/delete", 1)
    assert nowhere not in points_of(case)
    cell = play(case, nowhere, TROUBLES["503"])
    assert "was not made" in cell.problem
    assert cell.runs == 0
