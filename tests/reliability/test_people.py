"""A person, or a job that starts, at the worst moment of a deployment.

The moments are: after the plan was made and before a job is read again; after it was read and before it is
written, which nobody can detect, because the API has no etag; after the write and before all jobs are read
back; and between that and the removal of old files. What is kept and what is lost is docs/reliability.md.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from deployer.platforms.databricks.transport import Call
from deployer.report.model import Outcome, Report
from tests.reliability.actors import Once, act, reads_a_job, removes, writes_a_job
from tests.reliability.promises import Broken, Promises
from tests.reliability.scenario import (
    GOES,
    LATE,
    MOVING,
    NEW,
    OLD,
    OTHER,
    THIS_RUN,
    VOLUME,
    Scene,
    Settings,
    State,
    before_the_deployment,
    deploys,
    rolls_back,
    scene,
    wheel,
)
from tests.reliability.test_races import OTHER_NEW, OTHER_OLD, versions

JOB, NEIGHBOUR = 401, 402
"""The job that a person edits, and one that nobody does. Jobs are begun in the order of their ids."""
SCHEDULE = {"quartz_cron_expression": "0 0 7 * * ?", "timezone_id": "Europe/Berlin"}
BY_HAND = "1.4.5"
"""A version that somebody put there and moves a job to by hand."""

Edit = Callable[[Settings], Any]


def _task(key: str, *versions_of_ours: str) -> Settings:
    libraries = [{"whl": VOLUME.path(one)} for one in versions_of_ours]
    other = {"whl": VOLUME.path(OTHER_OLD, OTHER)}
    return {"task_key": key, "libraries": [*libraries, other]}


_STATE = State(
    {
        JOB: {
            "name": "edited",
            "tasks": [_task("audit"), _task("main", OLD)],
            "schedule": {"quartz_cron_expression": "0 0 3 * * ?", "timezone_id": "UTC"},
        },
        NEIGHBOUR: {"name": "left alone", "tasks": [_task("main", OLD)]},
    },
    {
        **{VOLUME.path(one): wheel(one) for one in (OLD, BY_HAND)},
        **{VOLUME.path(one, OTHER): wheel(one, OTHER) for one in (OTHER_OLD, OTHER_NEW)},
    },
)


@dataclass
class Town:
    """A workspace, with people in it."""

    one: Scene
    promises: Promises

    def edits(self, edit: Edit, job_id: int = JOB) -> Callable[[], None]:
        """Somebody changes the settings of a job in place."""

        def do() -> None:
            with self.one.workspace.frozen():
                settings = copy.deepcopy(self.one.workspace.job(job_id))
                edit(settings)
                self.promises.somebody_edits(job_id, settings)

        return do

    def deploy(
        self,
        when: Callable[[Call], bool],
        action: Callable[[], object],
        *,
        afterwards: bool = False,
        inputs: Mapping[str, str] | None = None,
    ) -> Report:
        """A deployment of `NEW`, or what `inputs` say, in the middle of which somebody acts."""
        gate = Once(when, action, afterwards=afterwards)
        given = deploys(NEW) if inputs is None else inputs
        report = act(self.one.ask(given, who=THIS_RUN), gate=gate)
        assert report is not None
        assert gate.acted
        return report

    def again(self, **inputs: str) -> Report:
        """The same deployment once more, undisturbed."""
        return self.one.run(self.one.ask(deploys(NEW, **inputs), who=THIS_RUN))

    def task(self, key: str = "main", job_id: int = JOB) -> Settings:
        """A task of a job as it is now."""
        tasks = self.one.workspace.job(job_id)["tasks"]
        [found] = [one for one in tasks if one["task_key"] == key]
        return dict(found)

    def versions(self) -> dict[int, set[str]]:
        """Which versions of the library each job names."""
        return versions(self.one)


@pytest.fixture(autouse=True)
def one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are written in their order, so that the first write is that of the job that somebody edits."""
    monkeypatch.setattr("deployer.deployment.apply.PARALLEL_JOBS", 1)


@pytest.fixture
def town() -> Iterator[Town]:
    """Two jobs on the old version."""
    with scene(VOLUME, _STATE) as one:
        promises = Promises(one.workspace)
        with one.workspace.watch(promises):
            yield Town(one, promises)
        one.workspace.raise_watched()


def new_schedule(settings: Settings) -> None:
    settings["schedule"] = SCHEDULE


def task_of(settings: Settings, key: str) -> Settings:
    [found] = [one for one in settings["tasks"] if one["task_key"] == key]
    return dict(found)


def other_library(settings: Settings, key: str = "main") -> None:
    task_of(settings, key)["libraries"][-1]["whl"] = VOLUME.path(OTHER_NEW, OTHER)


def by_hand(settings: Settings) -> None:
    task_of(settings, "main")["libraries"][0]["whl"] = VOLUME.path(BY_HAND)


def unset_reference(settings: Settings) -> None:
    task_of(settings, "main")["libraries"].pop(0)


def another_task(settings: Settings) -> None:
    settings["tasks"].append(_task("third", OLD))


# ── Before a job is read: everything survives, and a reference that changed is drift ──────────────


@pytest.mark.parametrize(
    "edit", [new_schedule, lambda job: other_library(job, "audit"), other_library]
)
def test_what_is_edited_before_a_job_is_read_survives_and_the_job_moves(
    town: Town, edit: Edit
) -> None:
    report = town.deploy(reads_a_job, town.edits(edit))
    assert report.outcome == Outcome.SUCCEEDED
    wanted = copy.deepcopy(_STATE.jobs[JOB])
    edit(wanted)
    task_of(wanted, "main")["libraries"][0]["whl"] = VOLUME.path(NEW)
    assert town.one.workspace.job(JOB) == wanted


@pytest.mark.parametrize(
    ("on_failure", "neighbour"), [("rollback", OLD), ("stop", None), ("continue", NEW)]
)
@pytest.mark.parametrize("edit", [by_hand, another_task])
def test_a_reference_that_is_edited_before_a_job_is_read_is_drift_and_is_left_alone(
    town: Town, edit: Edit, on_failure: str, neighbour: str | None
) -> None:
    inputs = deploys(NEW, on_failure=on_failure)
    report = town.deploy(reads_a_job, town.edits(edit), inputs=inputs)
    assert report.failure is not None
    assert (report.outcome, report.failure.reason) == (Outcome.FAILED, "jobs-not-moved")
    assert f"edited ({JOB}): its references changed" in report.failure.detail
    wanted = copy.deepcopy(_STATE.jobs[JOB])
    edit(wanted)
    assert town.one.workspace.job(JOB) == wanted
    assert town.versions()[NEIGHBOUR] in ([{OLD}, {NEW}] if neighbour is None else [{neighbour}])
    # A new look takes what the person did into account.
    assert town.again().outcome == Outcome.SUCCEEDED
    assert town.versions() == {JOB: {NEW}, NEIGHBOUR: {NEW}}


def test_a_reference_that_is_taken_out_before_a_job_is_read_is_drift_and_stays_out(
    town: Town,
) -> None:
    report = town.deploy(reads_a_job, town.edits(unset_reference))
    assert report.failure is not None
    assert report.failure.reason == "jobs-not-moved"
    assert town.versions() == {NEIGHBOUR: {OLD}}


def _both(first: Callable[[], None], second: Callable[[], None]) -> None:
    first()
    second()


# ── Between our read and our write ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "edit", [new_schedule, lambda job: other_library(job, "audit"), another_task]
)
def test_what_is_edited_outside_of_the_tasks_that_move_always_survives(
    town: Town, edit: Edit
) -> None:
    report = town.deploy(writes_a_job, town.edits(edit))
    assert report.outcome == Outcome.SUCCEEDED
    wanted = copy.deepcopy(_STATE.jobs[JOB])
    edit(wanted)
    task_of(wanted, "main")["libraries"][0]["whl"] = VOLUME.path(NEW)
    assert town.one.workspace.job(JOB) == wanted


@pytest.mark.parametrize("edit", [other_library, by_hand, unset_reference])
def test_an_edit_of_the_same_task_between_read_and_write_is_lost_and_nobody_can_tell(
    town: Town, edit: Edit
) -> None:
    report = town.deploy(writes_a_job, town.edits(edit))
    assert report.outcome == Outcome.SUCCEEDED
    wanted = copy.deepcopy(_STATE.jobs[JOB])
    task_of(wanted, "main")["libraries"][0]["whl"] = VOLUME.path(NEW)
    assert town.one.workspace.job(JOB) == wanted


def test_an_edit_of_another_environment_between_read_and_write_is_lost() -> None:
    # Environments are sent as the complete array, because what an update does with one is not documented.
    job = {
        "name": "serverless",
        "tasks": [{"task_key": "main", "environment_key": "default"}],
        "environments": [
            {"environment_key": "default", "spec": {"dependencies": [VOLUME.path(OLD)]}},
            {"environment_key": "spare", "spec": {"dependencies": ["pandas"]}},
        ],
    }

    def spare(settings: Settings) -> None:
        settings["environments"][1]["spec"]["dependencies"] = ["polars"]

    for behaviour in ("merge", "replace"):
        with scene(VOLUME, State({JOB: job}, _STATE.files)) as one:
            one.workspace.behave(environments=behaviour)
            town = Town(one, Promises(one.workspace))
            with one.workspace.watch(town.promises):
                report = town.deploy(
                    writes_a_job, partial(_both, town.edits(new_schedule), town.edits(spare))
                )
            assert report.outcome == Outcome.SUCCEEDED
            after = one.workspace.job(JOB)
            assert after["environments"][1]["spec"]["dependencies"] == ["pandas"]
            assert after["schedule"] == SCHEDULE


def test_any_edit_of_a_job_that_needs_a_reset_is_lost_between_read_and_write() -> None:
    # An environment without a key can't be addressed, so such a job is written whole.
    job: Settings = {
        "name": "reset",
        "tasks": [{"task_key": "main"}],
        "environments": [
            {"spec": {"environment_version": "4", "dependencies": [VOLUME.path(OLD)]}}
        ],
        "queue": {"enabled": True},
    }
    with scene(VOLUME, State({JOB: job}, _STATE.files)) as one:
        town = Town(one, Promises(one.workspace))
        with one.workspace.watch(town.promises):
            report = town.deploy(writes_a_job, town.edits(new_schedule))
        assert report.outcome == Outcome.SUCCEEDED
        assert town.versions() == {JOB: {NEW}}
        assert "schedule" not in one.workspace.job(JOB)


# ── Between our write and the look that verifies it ──────────────────────────────────────────────


def _after_its_write(call: Call) -> bool:
    return writes_a_job(call) and (call.body or {})["job_id"] == JOB


@pytest.mark.parametrize("edit", [new_schedule, other_library])
def test_what_is_edited_after_the_write_survives(town: Town, edit: Edit) -> None:
    report = town.deploy(_after_its_write, town.edits(edit), afterwards=True)
    assert report.outcome == Outcome.SUCCEEDED
    wanted = copy.deepcopy(_STATE.jobs[JOB])
    edit(wanted)
    task_of(wanted, "main")["libraries"][0]["whl"] = VOLUME.path(NEW)
    assert town.one.workspace.job(JOB) == wanted


@pytest.mark.parametrize(
    ("on_failure", "neighbour"), [("rollback", OLD), ("stop", NEW), ("continue", NEW)]
)
@pytest.mark.parametrize("edit", [by_hand, unset_reference])
def test_a_reference_that_is_edited_after_the_write_fails_the_look_at_it_and_stays(
    town: Town, edit: Edit, on_failure: str, neighbour: str
) -> None:
    inputs = deploys(NEW, on_failure=on_failure)
    report = town.deploy(_after_its_write, town.edits(edit), afterwards=True, inputs=inputs)
    assert report.failure is not None
    assert report.failure.reason == "jobs-not-moved"
    assert f"edited ({JOB}): " in report.failure.detail
    found = town.versions()
    assert found[NEIGHBOUR] == {neighbour}
    assert found.get(JOB) == ({BY_HAND} if edit is by_hand else None)


def test_a_job_that_goes_back_keeps_what_somebody_edited_meanwhile(town: Town) -> None:
    # The neighbour can't be moved, so the job that was moved goes back to its old string, and only that.
    town.one.workspace.deny("admin@example.com", NEIGHBOUR, keep="CAN_VIEW")
    report = town.deploy(_after_its_write, town.edits(new_schedule), afterwards=True)
    assert report.failure is not None
    assert "moved back" in report.failure.title
    wanted = {**_STATE.jobs[JOB], "schedule": SCHEDULE}
    assert town.one.workspace.job(JOB) == wanted


def test_a_job_that_should_go_back_and_was_edited_meanwhile_stays_and_is_told(town: Town) -> None:
    town.one.workspace.deny("admin@example.com", NEIGHBOUR, keep="CAN_VIEW")
    report = town.deploy(_after_its_write, town.edits(by_hand), afterwards=True)
    assert report.failure is not None
    assert f"edited ({JOB}): it was moved, and stays as it is" in report.failure.detail
    assert town.versions() == {JOB: {BY_HAND}, NEIGHBOUR: {OLD}}


# ── The same on the way back ─────────────────────────────────────────────────────────────────────


def test_a_rollback_leaves_what_is_edited_before_it_reads_a_job(town: Town) -> None:
    assert town.again().outcome == Outcome.SUCCEEDED
    report = town.deploy(reads_a_job, town.edits(by_hand), inputs=rolls_back())
    assert report.failure is not None
    assert report.failure.reason == "jobs-not-moved"
    assert town.versions() == {JOB: {BY_HAND}, NEIGHBOUR: {OLD}}


def test_a_rollback_keeps_what_is_edited_outside_of_the_tasks_that_go_back(town: Town) -> None:
    assert town.again().outcome == Outcome.SUCCEEDED
    report = town.deploy(writes_a_job, town.edits(new_schedule), inputs=rolls_back())
    assert report.outcome == Outcome.SUCCEEDED
    assert town.one.workspace.job(JOB) == {**_STATE.jobs[JOB], "schedule": SCHEDULE}


# ── Jobs that come and go ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("missing_job", [400, 404])
@pytest.mark.parametrize(
    ("when", "afterwards"),
    [(reads_a_job, False), (writes_a_job, False), (_after_its_write, True)],
    ids=["before it is read", "before it is written", "after it was written"],
)
def test_a_job_that_is_deleted_meanwhile_is_told_and_keeps_no_other_from_moving(
    town: Town, when: Callable[[Call], bool], afterwards: bool, missing_job: int
) -> None:
    town.one.workspace.behave(missing_job=missing_job)
    report = town.deploy(when, lambda: town.one.workspace.delete_job(JOB), afterwards=afterwards)
    assert report.outcome == Outcome.SUCCEEDED
    assert any(f"Job {JOB} (edited)" in one for one in report.warnings)
    assert town.versions() == {NEIGHBOUR: {NEW}}


def test_a_rollback_of_a_job_that_is_gone_takes_the_others_back(town: Town) -> None:
    assert town.again().outcome == Outcome.SUCCEEDED
    report = town.deploy(
        reads_a_job, lambda: town.one.workspace.delete_job(JOB), inputs=rolls_back()
    )
    assert report.outcome == Outcome.SUCCEEDED, report.failure
    assert town.versions() == {NEIGHBOUR: {OLD}}


@pytest.fixture
def old_town() -> Iterator[Town]:
    """A root with a past: the deployment of `NEW` would remove `GOES`."""
    with scene(VOLUME, before_the_deployment(VOLUME)) as one:
        promises = Promises(one.workspace)
        with one.workspace.watch(promises):
            yield Town(one, promises)


def _job_on(version: str) -> Settings:
    return {"name": "made meanwhile", "tasks": [_task("main", version)]}


@pytest.mark.parametrize("version", [OLD, GOES])
@pytest.mark.parametrize("when", [reads_a_job, writes_a_job])
def test_a_job_that_is_made_meanwhile_keeps_its_file_and_moves_with_the_next_run(
    old_town: Town, version: str, when: Callable[[Call], bool]
) -> None:
    report = old_town.deploy(when, lambda: old_town.promises.somebody_adds(_job_on(version), JOB))
    assert report.outcome == Outcome.SUCCEEDED
    assert old_town.versions()[JOB] == {version}
    old_town.one.workspace.raise_watched()
    assert old_town.again().outcome == Outcome.SUCCEEDED
    assert old_town.versions()[JOB] == {NEW}


def _any_write_is_over(town: Town) -> Callable[[Call], bool]:
    """Whether a call comes after all jobs were read back."""
    return lambda call: (
        bool(town.one.workspace.calls("POST", "/jobs/update")) and call.path.endswith("/runs/list")
    )


def test_a_job_that_is_made_after_the_last_look_finds_the_version_that_was_just_replaced(
    old_town: Town,
) -> None:
    report = old_town.deploy(
        removes(VOLUME.path(GOES)),
        lambda: [old_town.promises.somebody_adds(_job_on(version)) for version in (OLD, LATE)],
    )
    assert report.outcome == Outcome.SUCCEEDED
    assert VOLUME.path(GOES) not in old_town.one.workspace.files()
    old_town.one.workspace.raise_watched()


def test_a_job_that_is_made_after_the_last_look_may_miss_a_version_older_than_that(
    old_town: Town,
) -> None:
    # What can't be guaranteed: the removal is on its way when somebody names the file anew.
    old_town.deploy(
        removes(VOLUME.path(GOES)), lambda: old_town.promises.somebody_adds(_job_on(GOES), JOB)
    )
    with pytest.raises(Broken, match=f"job {JOB} names {VOLUME.path(GOES)}, which is not there"):
        old_town.one.workspace.raise_watched()


# ── Runs that start ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("life_cycle", ["QUEUED", "PENDING", "RUNNING", "TERMINATING"])
def test_a_run_that_starts_before_its_job_moves_finds_its_file(
    old_town: Town, life_cycle: str
) -> None:
    workspace = old_town.one.workspace
    report = old_town.deploy(writes_a_job, lambda: workspace.hold_run(MOVING[0], life_cycle))
    assert report.outcome == Outcome.SUCCEEDED
    assert {VOLUME.path(OLD), VOLUME.path(NEW)} <= workspace.files().keys()


def test_a_run_that_was_submitted_with_an_old_path_keeps_its_file_until_it_ends(
    old_town: Town,
) -> None:
    workspace = old_town.one.workspace
    started: list[int] = []
    report = old_town.deploy(
        _any_write_is_over(old_town),
        lambda: started.append(workspace.hold_run(None, "RUNNING", **_job_on(GOES))),
    )
    assert report.outcome == Outcome.SUCCEEDED
    assert VOLUME.path(GOES) in workspace.files()
    assert old_town.again().outcome == Outcome.NOTHING_TO_DO
    workspace.finish_run(started[0])
    assert old_town.again().outcome == Outcome.SUCCEEDED
    assert VOLUME.path(GOES) not in workspace.files()


def test_a_run_of_a_job_that_moved_long_ago_keeps_its_file_until_it_ends(old_town: Town) -> None:
    # A continuous job: it was started with a version that two deployments have replaced since.
    workspace = old_town.one.workspace
    run = workspace.hold_run(MOVING[0])
    for version in (NEW, "1.6.0", "1.7.0"):
        one = old_town.one
        assert one.run(one.ask(deploys(version), who=THIS_RUN)).outcome == Outcome.SUCCEEDED
        assert VOLUME.path(OLD) in workspace.files()
    workspace.finish_run(run)
    assert old_town.one.run(old_town.one.ask(deploys("1.7.0"))).outcome == Outcome.SUCCEEDED
    assert VOLUME.path(OLD) not in workspace.files()
