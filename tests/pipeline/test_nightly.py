"""What the clock asks for: a status, and with `checks: true` the project's tests besides."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployer import pipeline
from deployer.checks.steps import Checked
from deployer.doors import Doors
from deployer.errors import FailureReason, Problem
from deployer.narrators import TerminalNarrator
from deployer.platforms.databricks.connect import connect
from deployer.redaction import Redactor
from deployer.report.model import Check, CheckStatus, Outcome, Report
from deployer.settings import parse
from tests.pipeline.stage import Stage, on_stage, path

FAILED = Problem(FailureReason.TESTS_FAILED, "2 of 40 tests failed.")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with on_stage(tmp_path) as one:
        one.publish("1.4.0")
        one.job(path("1.4.0"))
        yield one


def nightly(stage: Stage, *problems: Problem) -> tuple[Report, list[str]]:
    """The report of a night whose tests end with `problems`, and what was done in which order."""
    done: list[str] = []
    status = CheckStatus.FAILED if problems else CheckStatus.PASSED
    wheel = None if problems else stage.build("1.5.0")

    def check(*_: object) -> Checked:
        done.append("check")
        return Checked((Check("test", status, 1.0, "ran"),), problems, wheel)

    def connected(_: object) -> object:
        done.append("connect")
        return connect(host=stage.workspace.url, token=stage.workspace.token, environ={})

    doors = Doors(
        workspace_folder=stage.folder,
        connect=connected,  # type: ignore[arg-type]
        check=check,
        stopped=lambda: False,
        new_id=lambda: "0123abcd",
        now_ms=lambda: 0,
    )
    settings = replace(parse({"mode": "status"}), checks_too=True)
    narrator = TerminalNarrator(io.StringIO(), Redactor.of(()), debug=True)
    return pipeline.run(settings, doors, narrator), done


def test_the_tests_run_before_any_credential_is_used_and_both_are_told(stage: Stage) -> None:
    report, done = nightly(stage)
    assert report.outcome is Outcome.SUCCEEDED
    assert done == ["check", "connect"]
    assert [one.value for one in report.inventory] == [path("1.4.0")]
    assert [one.name for one in report.checks] == ["test"]


def test_failed_tests_fail_the_night_and_do_not_hide_what_the_workspace_uses(stage: Stage) -> None:
    report, _ = nightly(stage, FAILED)
    assert report.outcome is Outcome.FAILED
    assert report.failure is not None
    assert report.failure.reason == FailureReason.TESTS_FAILED.value
    assert [one.value for one in report.inventory] == [path("1.4.0")]


def test_nothing_is_changed_at_night(stage: Stage) -> None:
    before = stage.workspace.files()
    nightly(stage)
    assert stage.workspace.files() == before
    assert {one.method for one in stage.workspace.calls()} == {"GET"}
