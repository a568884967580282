"""Whatever somebody forges in `.spark-deploy/`: success, or an error with a reason; and the plan is kept.

No job ever names anything that the plan did not say, and nothing of a job but references to this library
differs from before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.deployment import lock
from deployer.report.model import Report
from sandbox.calls import CallRecord
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.reliability.extent import EVERYTHING
from tests.reliability.forging import Forgery, forgeries
from tests.reliability.guard import Broken, named_files
from tests.reliability.processes import started
from tests.reliability.scenario import (
    NAME,
    NEW,
    OWN,
    VOLUME,
    Scene,
    State,
    before_the_deployment,
    comparable,
    deploys,
    rolls_back,
    scene,
)

EXAMPLES = 500 if EVERYTHING else 40
_OURS = re.compile(re.escape(f"{VOLUME.root}/{NAME}-") + r"\d+\.\d+\.\d+-py3-none-any\.whl")
ASKED: Mapping[str, dict[str, str]] = {
    "deploy the same": deploys(NEW),
    "deploy the next": deploys("1.6.0"),
    "plan": {**deploys("1.6.0"), "mode": "plan"},
    "roll back": rolls_back(),
    "roll back to a version": rolls_back("1.3.0"),
    "roll back the only library": {"mode": "rollback"},
    "plan a rollback": {**rolls_back(), "mode": "plan"},
    "clean up": {"mode": "cleanup"},
}


@cache
def after_the_deployment() -> State:
    """`NEW` is deployed, and all is well."""
    with scene(VOLUME, before_the_deployment(VOLUME)) as one:
        assert one.run(one.ask(deploys(NEW))).outcome == "succeeded"
        return one.state()


@cache
def after_a_death() -> State:
    """The deployment of `NEW` died when two jobs had moved."""
    with scene(VOLUME, before_the_deployment(VOLUME)) as one:
        with started(one.ask({**deploys(NEW), "lock-expiry": "1s"})) as run:
            update = Fault(kind="kill-before", path="*/jobs/update", nth=3, pid=run.pid)
            one.workspace.set_faults([update])
            run.go()
            assert run.report() is None
        return one.state()


@contextmanager
def guarded(workspace: Sandbox, before: State) -> Iterator[None]:
    """After each write: of jobs only versions of this library differ, and what they name is there."""

    def masked(jobs: Mapping[int, object]) -> dict[int, str]:
        return {job_id: _OURS.sub("ours", text) for job_id, text in comparable(jobs).items()}  # type: ignore[arg-type]

    frame = masked(before.jobs)

    def check(call: CallRecord) -> None:
        with workspace.frozen():
            jobs, files = workspace.jobs(), workspace.files()
        for job_id, text in masked(jobs).items():
            if text != frame[job_id]:
                raise Broken(f"after {call.path}: job {job_id} has {text}")
            for path in named_files(jobs[job_id]) - files.keys():
                raise Broken(f"after {call.path}: job {job_id} names {path}, which is not there")

    with workspace.watch(check):
        yield
    workspace.raise_watched()


def strings_of(settings: object) -> list[str]:
    """All strings of a job's settings, in an order that a move does not change."""
    if isinstance(settings, str):
        return [settings]
    if isinstance(settings, dict):
        return [text for _, each in sorted(settings.items()) for text in strings_of(each)]
    return (
        [text for each in settings for text in strings_of(each)]
        if isinstance(settings, list)
        else []
    )


def beyond_the_plan(report: Report, before: State, now: State) -> list[str]:
    """What changed although no plan told so."""
    planned = {
        (one.job_id, each.before, each.after)
        for one in (report.plan.rewires if report.plan else ())
        for each in one.references
    }
    there, here = comparable(before.jobs), comparable(now.jobs)
    changed = {
        (job_id, old, new)
        for job_id, text in there.items()
        for old, new in zip(
            strings_of(json.loads(text)), strings_of(json.loads(here[job_id])), strict=True
        )
        if old != new
    }
    going = {one.path for one in (report.deployment.removed if report.deployment else ())}
    gone = before.published.keys() - now.published.keys() - going
    return [*map(str, sorted(changed - planned)), *sorted(gone)]


def judge(report: Report, one: Scene, before: State) -> None:
    """Success, or an error with a reason; and nothing beyond the plan."""
    if report.failure is not None:
        assert report.failure.reason != "internal", (report.failure, one.log.getvalue())
        assert report.failure.title, report.failure.reason
        assert report.failure.remedy, report.failure.reason
    now = one.state()
    assert beyond_the_plan(report, before, now) == []
    told = [
        *report.warnings,
        *((report.failure.title, report.failure.detail) if report.failure else ()),
    ]
    assert all(len(text) < 20_000 for text in told), max(map(len, told))


@pytest.mark.parametrize(
    "state", [after_the_deployment, after_a_death], ids=lambda one: one.__name__
)
def test_forged_files_never_make_a_job_name_what_no_plan_said(state: object) -> None:
    before: State = state()  # type: ignore[operator]

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(
        forgeries(before), st.sampled_from(sorted(ASKED)), st.sampled_from(["0", "0", "0", "3s"])
    )
    def forged(files: list[Forgery], asked: str, patience: str) -> None:
        run_on_forged(before, files, ASKED[asked], patience)

    forged()


def run_on_forged(
    before: State, files: list[Forgery], inputs: Mapping[str, str], patience: str = "3s"
) -> Report:
    """One run on a root with these forged files; everything that must hold is checked.

    It is on the machine where the run before died, so that its locks need no waiting.
    """
    # A lock that nobody can hold is told after a while: here, soon.
    with patch.object(lock, "_SETTLING_S", 0.1), scene(VOLUME, before) as one:
        for each in files:
            one.workspace.put_file(each.path, each.content)
        with guarded(one.workspace, before):
            report = one.run(one.ask({**inputs, "lock-timeout": patience, "lock-expiry": "1s"}))
        judge(report, one, before)
        return report


def newest(state: State, part: str) -> str:
    """The path of the newest entry's part."""
    return max(path for path in state.files if f"/{OWN}/journal/" in path and f".{part}." in path)


def test_a_forgery_that_changes_nothing_is_the_truth_and_works() -> None:
    before = after_the_deployment()
    intent = newest(before, "intent")
    report = run_on_forged(before, [Forgery(intent, before.files[intent])], rolls_back())
    assert report.outcome == "succeeded"


def test_an_entry_that_can_not_be_read_keeps_every_file() -> None:
    before = after_the_deployment()
    report = run_on_forged(before, [Forgery(newest(before, "intent"), b"{")], {"mode": "cleanup"})
    assert report.outcome == "nothing-to-do"
    assert any("can't be used" in why for one in report.versions for why in one.reasons)


def test_a_journal_whose_numbers_are_used_up_stops_a_deployment_before_it_writes() -> None:
    before = after_the_deployment()
    intent = newest(before, "intent")
    last = json.loads(before.files[intent]) | {"sequence": 999_999_999}
    last["id"] = last["id"].replace("000003-", "999999999-")
    forged = Forgery(intent.replace("_000003-", "_999999999-"), json.dumps(last).encode())
    report = run_on_forged(before, [forged], deploys("1.6.0"))
    assert report.failure is not None
    assert report.failure.reason == "journal-unusable"
