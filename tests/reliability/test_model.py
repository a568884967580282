"""Deployments, rollbacks, cleanups, crashes and people in any order, against a simple model.

Each step is a run over HTTP, or somebody who does something. After each write of a run all promises are
checked, and after the run all jobs are compared with what the model says: exactly, where the run came to its
end, and string by string, where it died. A rule that never ran fails the full run: chance leaves whole rules
out of an example, so it plays more rounds until each was drawn.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from packaging.version import Version

from deployer.deployment.claims import Holder
from deployer.report.model import Outcome, Report
from sandbox.faults import Fault
from tests.reliability.actors import Counting, Death, Gate, act, the_call
from tests.reliability.clocks import let_locks_age
from tests.reliability.counts import MET
from tests.reliability.extent import EVERYTHING
from tests.reliability.memory import ENDS, Memory, Remembered, strings, with_strings
from tests.reliability.promises import Promises, names_in
from tests.reliability.scenario import (
    NAME,
    OTHER,
    OWN,
    THIS_RUN,
    VOLUME,
    Ask,
    Settings,
    State,
    comparable,
    deploys,
    file_name,
    scene,
    wheel,
)
from tests.reliability.test_races import deploys_other

VERSIONS = {
    NAME: ("1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "2.0.0", "2.1.0"),
    OTHER: ("3.1.0", "3.2.0", "3.3.0"),
}
DONE = {Outcome.SUCCEEDED, Outcome.NOTHING_TO_DO}
_MOST_CALLS = 90  # a little more than a run makes: some don't die
RAN: Counter[str] = Counter()
"""How often each rule did something, and what became of runs."""

names = st.sampled_from((NAME, NAME, NAME, OTHER))
picks = st.integers(0, 999)
"""One of what is there at that moment, by position."""
calls = st.integers(1, _MOST_CALLS)
takers = st.sampled_from(("the same run", "a later run"))


def counted(function: Callable[..., None]) -> Callable[..., None]:
    """Count that a rule ran."""

    def wrapped(self: Town, **drawn: Any) -> None:
        RAN[function.__name__] += 1
        function(self, **drawn)

    wrapped.__name__ = function.__name__
    return wrapped


@dataclass(frozen=True)
class Look:
    """The workspace at one moment: jobs, and the stamps of files by path, our own ones too."""

    jobs: Mapping[int, Settings]
    stamps: Mapping[str, tuple[int, int, int]]

    @property
    def published(self) -> set[str]:
        """The files without our own."""
        return {path for path in self.stamps if f"/{OWN}/" not in path}


@dataclass(frozen=True)
class Ran:
    """One run: what was before and after, its report (None: it died), and what its entry says."""

    before: Look
    after: Look
    report: Report | None
    entry: str
    ending: str | None

    @property
    def changed(self) -> int:
        """How many strings of jobs are others now."""
        now = dict(strings(self.after.jobs))
        return sum(now.get(spot) != text for spot, text in strings(self.before.jobs))

    @property
    def reason(self) -> str:
        """Why it failed, or the empty string."""
        failure = self.report.failure if self.report else None
        return failure.reason if failure else ""

    @property
    def ended(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.ending in ENDS


class Town(RuleBasedStateMachine):
    """One workspace with its people, and the memory of each library."""

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        files = {
            VOLUME.path(versions[0], name): wheel(versions[0], name)
            for name, versions in VERSIONS.items()
        }
        files[VOLUME.path("2.0.0")] = wheel("2.0.0")
        self.one = self.open.enter_context(scene(VOLUME, State({}, files)))
        self.workspace = self.one.workspace
        self.promises = Promises(self.workspace)
        self.open.enter_context(self.workspace.watch(self.promises))
        self.memories = {name: Memory(name, VOLUME.root) for name in VERSIONS}
        self.who = THIS_RUN
        self.lock_left = False
        self.runs: dict[int, set[str]] = {}
        self.just_deployed: tuple[str, str] | None = None

    @initialize()
    def some_jobs(self) -> None:
        """Three jobs of different shapes on the first versions."""
        for shape in (0, 1, 2):
            self.promises.somebody_adds(_job(shape, VERSIONS[NAME][0], VERSIONS[OTHER][0]))

    def teardown(self) -> None:
        """Whatever happened, the next run finishes: nothing blocks it."""
        try:
            for name in VERSIONS:
                ran = self._deploy(name, self._next_version(name), "a later run")
                assert ran.report is not None
                assert ran.report.outcome in DONE, ran.report.failure
        finally:
            self.open.close()

    # ── Runs ─────────────────────────────────────────────────────────────────────────────────────

    @rule(name=names, pick=picks, taker=takers)
    @counted
    def deploy(self, name: str, pick: int, taker: str) -> None:
        version = _pick(VERSIONS[name], pick)
        ran = self._deploy(name, version, taker)
        if ran.report and ran.report.outcome in DONE:
            self.just_deployed = name, version

    @rule(name=names, taker=takers)
    @counted
    def deploy_the_next(self, name: str, taker: str) -> None:
        version = self._next_version(name)
        ran = self._deploy(name, version, taker)
        if ran.report and ran.report.outcome in DONE:
            self.just_deployed = name, version

    @precondition(lambda self: self.just_deployed is not None)
    @rule(taker=takers)
    @counted
    def deploy_the_same_again(self, taker: str) -> None:
        assert self.just_deployed is not None
        name, version = self.just_deployed
        # The first deployment to a root only lists what the second one removes.
        outcomes = []
        for _ in range(2):
            ran = self._deploy(name, version, taker)
            assert ran.after.jobs == ran.before.jobs
            outcomes.append(ran.report and ran.report.outcome)
        assert outcomes[-1] == Outcome.NOTHING_TO_DO
        self.just_deployed = name, version

    @rule(name=names, pick=picks, at=calls, applied=st.booleans(), taker=takers)
    @counted
    def deploy_and_die(self, name: str, pick: int, at: int, applied: bool, taker: str) -> None:
        versions = (*VERSIONS[name], self._next_version(name))
        self._deploy(name, _pick(versions, pick), taker, Death(the_call(at), applied))

    @rule(name=names, pick=picks, at=calls, taker=takers)
    @counted
    def deploy_and_be_cancelled(self, name: str, pick: int, at: int, taker: str) -> None:
        gate = Counting()
        stopped = lambda: gate.calls >= at  # noqa: E731
        self._deploy(name, _pick(VERSIONS[name], pick), taker, gate, stopped=stopped)

    @rule(
        name=names,
        pick=picks,
        nth=st.integers(1, 4),
        on_failure=st.sampled_from(("rollback", "stop", "continue")),
        taker=takers,
    )
    @counted
    def deploy_and_meet_a_job_that_must_not_be_edited(
        self, name: str, pick: int, nth: int, on_failure: str, taker: str
    ) -> None:
        self.workspace.set_faults([_denied(nth)])
        version = _pick(VERSIONS[name], pick)
        self._deploy(name, version, taker, on_failure=on_failure)
        self.workspace.set_faults([])

    @precondition(lambda self: self.lock_left)
    @rule(name=names, pick=picks)
    @counted
    def deploy_too_early(self, name: str, pick: int) -> None:
        self._deploy(name, _pick(VERSIONS[name], pick), "somebody at once")

    @rule(name=names, taker=takers)
    @counted
    def go_back(self, name: str, taker: str) -> None:
        self._go_back(name, "previous", taker)

    @rule(name=names, pick=picks, taker=takers)
    @counted
    def go_back_to_a_version(self, name: str, pick: int, taker: str) -> None:
        self._go_back(name, _pick(VERSIONS[name], pick), taker)

    @precondition(lambda self: any(one.entries for one in self.memories.values()))
    @rule(pick=picks, taker=takers)
    @counted
    def go_back_to_a_deployment(self, pick: int, taker: str) -> None:
        known = [
            (name, one.id)
            for name, memory in self.memories.items()
            for one in memory.entries
            if not one.is_rollback
        ]
        if known:
            name, to = _pick(known, pick)
            self._go_back(name, to, taker)

    @rule(name=names, at=calls, applied=st.booleans(), taker=takers)
    @counted
    def go_back_and_die(self, name: str, at: int, applied: bool, taker: str) -> None:
        self._go_back(name, "previous", taker, Death(the_call(at % 60 + 1), applied))

    @rule(taker=takers)
    @counted
    def clean_up(self, taker: str) -> None:
        self._clean_up(taker)

    @rule(at=calls, applied=st.booleans(), taker=takers)
    @counted
    def clean_up_and_die(self, at: int, applied: bool, taker: str) -> None:
        self._clean_up(taker, Death(the_call(at % 35 + 1), applied))

    # ── People ───────────────────────────────────────────────────────────────────────────────────

    @rule(shape=st.integers(0, 6), pick=picks, other=picks)
    @counted
    def add_a_job(self, shape: int, pick: int, other: int) -> None:
        if len(self.workspace.jobs()) < 7:
            mine, others = self._versions_there(NAME), self._versions_there(OTHER)
            if mine and others:
                named = _pick(mine, pick), _pick(others, other), _pick(mine, other)
                self.promises.somebody_adds(_job(shape, *named))
                self.just_deployed = None

    @precondition(lambda self: len(self.workspace.jobs()) > 1)
    @rule(pick=picks)
    @counted
    def delete_a_job(self, pick: int) -> None:
        self.workspace.delete_job(_pick(list(self.workspace.jobs()), pick))

    @rule(name=names, pick=picks, to=picks)
    @counted
    def edit_a_reference(self, name: str, pick: int, to: int) -> None:
        jobs, there = self.workspace.jobs(), self._versions_there(name)
        pattern = self.memories[name]._pattern
        found = [(spot, text) for spot, text in strings(jobs) if pattern.search(text)]
        if found and there:
            spot, text = _pick(found, pick)
            new = pattern.sub(rf"\g<1>{_pick(there, to)}", text)
            if not self.memories[name].looks_like_ours(spot, new):
                self._edit(spot[0], with_strings(jobs, {spot: new})[spot[0]])

    @rule(pick=picks, how=st.integers(0, 3))
    @counted
    def edit_something_else(self, pick: int, how: int) -> None:
        jobs = self.workspace.jobs()
        if jobs:
            job_id = _pick(list(jobs), pick)
            changed = copy.deepcopy(jobs[job_id])
            _EDITS[how](changed)
            self._edit(job_id, changed)

    @rule(pick=picks, state=st.sampled_from(("QUEUED", "PENDING", "RUNNING")))
    @counted
    def start_a_run(self, pick: int, state: str) -> None:
        jobs = self.workspace.jobs()
        if jobs:
            job_id = _pick(list(jobs), pick)
            run = self.workspace.hold_run(job_id, state)
            self.runs[run] = _names_used_by(jobs[job_id]) & self.workspace.files().keys()
            self._note_runs()

    @precondition(lambda self: bool(self.runs))
    @rule(pick=picks)
    @counted
    def finish_a_run(self, pick: int) -> None:
        run = _pick(list(self.runs), pick)
        self.workspace.finish_run(run)
        del self.runs[run]
        self._note_runs()

    @rule(name=names, pick=picks, whole=st.booleans())
    @counted
    def forge_a_file(self, name: str, pick: int, whole: bool) -> None:
        version = _pick(VERSIONS[name], pick)
        path = VOLUME.path(version, name) if whole else f"{VOLUME.root}/{name}-{version}.txt"
        if path not in self.workspace.files():
            self.promises.somebody_puts(path, b"somebody else's bytes")

    @rule(name=names, pick=picks)
    @counted
    def lose_a_file(self, name: str, pick: int) -> None:
        used = {each for job in self.workspace.jobs().values() for each in names_in(job)}
        used |= self.promises.needed
        files = self.memories[name].versions(self.workspace.files())
        unused = sorted(files.keys() - used)
        if unused:
            self.workspace.delete_file(_pick(unused, pick))

    @rule()
    @counted
    def time_passes(self) -> None:
        let_locks_age(self.workspace, 3600)
        self.lock_left = False

    # ── How runs are made, and what must hold after each ─────────────────────────────────────────

    def _look(self) -> Look:
        with self.workspace.frozen():
            nodes = self.workspace._workspace.tree.files()
            stamps = {one.path: (one.object_id, one.size, one.modified_at) for one in nodes}
            return Look(self.workspace.jobs(), stamps)

    def _edit(self, job_id: int, changed: Settings) -> None:
        self.promises.somebody_edits(job_id, changed)
        self.just_deployed = None

    def _note_runs(self) -> None:
        self.promises.needed = {name for names in self.runs.values() for name in names}

    def _next_version(self, name: str) -> str:
        """A version that was never there."""
        return f"{'1' if name == NAME else '3'}.{self.one.runs + 10}.0"

    def _versions_there(self, name: str) -> list[str]:
        return sorted(
            str(version)
            for version in self.memories[name].versions(self.workspace.files()).values()
        )

    def _run(
        self,
        inputs: Mapping[str, str],
        taker: str,
        gate: Gate | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Ran:
        """One run, by somebody who may take over what the last one left; `somebody at once` may not."""
        if taker == "a later run":
            let_locks_age(self.workspace, 3600)
        same = taker == "the same run"
        who = _next(self.who) if same else replace(_next(self.who), run=f"{self.one.runs}")
        ask = self.one.ask({**inputs, "lock-timeout": "0"}, who=who)
        before = self._look()
        report = act(ask, gate=gate, stopped=stopped, log=self.one.log)
        self.workspace.raise_watched()
        entry, ending = self._entry_of(ask)
        ran = Ran(before, self._look(), report, entry, ending)
        self._check_in_general(ran)
        if taker != "somebody at once":
            assert ran.reason != "lock-held", f"a lock blocks {taker}"
            self.lock_left, self.who = report is None, who
        self.just_deployed = None
        RAN[_told(ran)] += 1
        back = inputs["mode"] == "rollback"
        RAN["strings went back" if back else "strings moved"] += ran.changed
        return ran

    def _entry_of(self, ask: Ask) -> tuple[str, str | None]:
        """The id of the entry that a run left, and its ending; empty and None where there is none."""
        of_it = [path for path in self.workspace.files() if f"-{ask.number:08x}." in path]
        intents = [path for path in of_it if path.endswith(".intent.json")]
        if not intents:
            return "", None
        ends = [path for path in of_it if path.endswith(".end.json")]
        ending = json.loads(self.workspace.file(ends[0]))["ending"] if ends else None
        return intents[0].rsplit("_", 1)[-1].removesuffix(".intent.json"), ending

    def _check_in_general(self, ran: Ran) -> None:
        before, after = ran.before, ran.after
        assert after.jobs.keys() == before.jobs.keys()
        if ran.report is not None and ran.report.outcome == Outcome.NOTHING_TO_DO:
            assert after.jobs == before.jobs
            assert after.published == before.published
            # An entry closes what an unfinished deployment of the same file left: its jobs are all there.
            if ran.report.mode == "deploy" and not ran.entry:
                assert after.stamps == before.stamps, "a run that had nothing to do wrote something"
        if ran.report is not None:
            assert ran.reason not in {"internal", "journal-unusable", "api-error"}, (
                ran.report.failure
            )

    def _check_removed(self, ran: Ran, memories: Iterable[Memory], current: str = "") -> None:
        """What went was an old version of these libraries that nobody needs."""
        gone = ran.before.published - ran.after.published
        used = {name for job in ran.after.jobs.values() for name in names_in(job)}
        used |= self.promises.needed
        old = dict[str, Memory]()
        for memory in memories:
            stored = memory.versions(ran.before.published | ran.after.published)
            for path, version in stored.items():
                newest = max(one for one in stored.values() if one.major == version.major)
                limit = Version(current) if current else newest
                if version.major == limit.major and version < limit:
                    old[path] = memory
        for path in gone:
            assert path in old, f"{path} was removed"
            assert path not in used, f"{path} was removed and is used"
            assert path not in old[path].way_back, f"{path} was removed and is the way back"

    # ── Deploying ────────────────────────────────────────────────────────────────────────────────

    def _deploy(
        self,
        name: str,
        version: str,
        taker: str,
        gate: Gate | None = None,
        *,
        stopped: Callable[[], bool] = lambda: False,
        on_failure: str = "rollback",
    ) -> Ran:
        inputs = deploys(version) if name == NAME else deploys_other(self.one, version)
        ran = self._run({**inputs, "on-failure": on_failure}, taker, gate, stopped)
        memory, before, after = self.memories[name], ran.before.jobs, ran.after.jobs
        wanted = memory.deployed(version, before)
        if ran.entry:
            memory.begins(ran.entry, version, before, wanted, ending=ran.ending or "")
        taken_back = self._after_moving_back(memory, ran, wanted)
        self._check_jobs(ran, wanted, taken_back, on_failure)
        memory.wrote(ran.entry, before, after)
        if ran.ending == "moved-back":
            memory.forget({ran.entry})
            memory.went_back_last = True
        self._check_removed(ran, [memory], version)
        path = VOLUME.path(version, name)
        assert ran.after.published - ran.before.published <= {path}
        if ran.report is not None and ran.report.outcome in DONE:
            assert path in ran.after.published
            assert self.workspace.file(path) == wheel(version, name)
            assert memory.way_back & ran.before.published <= ran.after.published
        return ran

    @staticmethod
    def _after_moving_back(
        memory: Memory, ran: Ran, wanted: Mapping[int, Settings]
    ) -> Mapping[int, Settings]:
        """The jobs when all that this deployment moves, and what it goes on with, was moved back."""
        known = copy.deepcopy(memory)
        known.wrote(ran.entry, ran.before.jobs, wanted)
        goal = [one for one in known.entries if one.id == ran.entry]
        return known.gone_back(goal, wanted, ran.before.published)[0] if goal else ran.before.jobs

    def _check_jobs(
        self,
        ran: Ran,
        wanted: Mapping[int, Settings],
        taken_back: Mapping[int, Settings],
        on_failure: str,
    ) -> None:
        before, after = ran.before.jobs, ran.after.jobs
        if ran.report is not None and ran.report.outcome in DONE:
            assert comparable(after) == comparable(wanted)
        elif ran.reason == "jobs-not-moved" and on_failure == "rollback":
            assert comparable(after) == comparable(taken_back)
            assert ran.ending == "moved-back"
        elif ran.reason == "jobs-not-moved" and on_failure == "continue":
            behind = [
                one for one in wanted if comparable({1: after[one]}) != comparable({1: wanted[one]})
            ]
            assert len(behind) == 1
            assert after[behind[0]] == before[behind[0]]
        elif ran.report is None or ran.reason in {"cancelled", "jobs-not-moved"}:
            _each_is_one_of(after, before, wanted, taken_back)
        else:
            assert ran.reason in {"lock-held", "version-exists"}, ran.report.failure
            assert after == before
            uploaded = ran.reason == "lock-held"  # the writer's lock, which comes after the upload
            assert uploaded or ran.after.published == ran.before.published

    # ── Going back ───────────────────────────────────────────────────────────────────────────────

    def _go_back(self, name: str, to: str, taker: str, gate: Gate | None = None) -> None:
        inputs = {"mode": "rollback", "to": to, "library": name}
        memory = self.memories[name]
        ran = self._run(inputs, taker, gate)
        before, after = ran.before.jobs, ran.after.jobs
        goal = memory.goal(to)
        wanted, whole = memory.gone_back(goal or (), before, ran.before.published)
        assert ran.after.published == ran.before.published
        if ran.report is None:
            _each_is_one_of(after, before, wanted)
        elif goal is None:
            assert ran.reason == "unknown-deployment", ran.report
            assert after == before
        else:
            assert comparable(after) == comparable(wanted)
            assert (ran.report.outcome in DONE) == whole, ran.report.failure
            assert ran.reason in {"", "jobs-not-moved"}
        if ran.entry and goal is not None:
            self._remember_going_back(memory, ran, goal)

    @staticmethod
    def _remember_going_back(memory: Memory, ran: Ran, goal: tuple[Remembered, ...]) -> None:
        if ran.ended:
            memory.forget(one.id for one in goal)
            memory.went_back_last = True
            return
        memory.begins_to_go_back(ran.entry, goal)
        memory.wrote(ran.entry, ran.before.jobs, ran.after.jobs)

    # ── Cleaning up ──────────────────────────────────────────────────────────────────────────────

    def _clean_up(self, taker: str, gate: Gate | None = None) -> None:
        ran = self._run({"mode": "cleanup"}, taker, gate)
        assert ran.after.jobs == ran.before.jobs
        assert ran.after.published <= ran.before.published
        self._check_removed(ran, self.memories.values())
        if ran.report is None:
            return
        assert ran.report.outcome in DONE, ran.report.failure
        if self.runs:
            return  # the environment of a serverless run can't be seen, which keeps everything
        # Here a mention counts: the bare name of a file, in whatever text, keeps it.
        told = " ".join(text for _, text in strings(ran.after.jobs))
        used = {path for path in ran.after.published if path.rsplit("/", 1)[-1] in told}
        for memory in self.memories.values():
            stored = memory.versions(ran.after.published)
            for path, version in stored.items():
                newest = max(one for one in stored.values() if one.major == version.major)
                needed = used | self.promises.needed | memory.way_back | memory.doubtful
                why = [one.reasons for one in ran.report.versions if one.path == path]
                assert version == newest or path in needed, (
                    f"nobody needs {path}, and it stayed: {why}"
                )


# ── Jobs, edits, faults ──────────────────────────────────────────────────────────────────────────


def _job(shape: int, version: str, other: str, also: str = "") -> Settings:
    mine, others = VOLUME.path(version), VOLUME.path(other, OTHER)
    entry = {"package_name": NAME, "entry_point": "main"}
    task: Settings = {"task_key": "main", "python_wheel_task": entry}
    dependencies = [f"{mine}[train] ; python_version >= '3.10'", "numpy==2.1.0", others]
    spec = {"environment_version": "4", "dependencies": dependencies}
    shapes: list[Settings] = [
        {"tasks": [{**task, "libraries": [{"whl": mine}, {"whl": others}]}, {"task_key": "audit"}]},
        {
            "tasks": [{**task, "environment_key": "default"}],
            "environments": [{"environment_key": "default", "spec": spec}],
        },
        {
            "tasks": [
                {
                    "task_key": "main",
                    "spark_submit_task": {
                        "parameters": ["--py-files", f"{others},{mine}", "/x.py"]
                    },
                }
            ]
        },
        {
            "tasks": [
                {
                    "task_key": "loop",
                    "for_each_task": {"task": {**task, "libraries": [{"whl": mine}]}},
                }
            ]
        },
        {
            "tasks": [{"task_key": "main"}],
            "environments": [{"spec": spec}],
            "queue": {"enabled": True},
        },
        {
            "tasks": [
                {**task, "libraries": [{"whl": mine}]},
                {**task, "task_key": "also", "libraries": [{"whl": VOLUME.path(also or version)}]},
            ]
        },
        {
            "tasks": [
                {**task, "libraries": [{"whl": others}], "description": f"see {file_name('1.0.0')}"}
            ]
        },
    ]
    return {"name": f"shape {shape}", "tags": {"kept": "1"}, **shapes[shape]}


def _names_used_by(job: Settings) -> set[str]:
    """The files that a run of the job uses: an environment that no task names is none of its."""
    named = any("environment_key" in task for task in job["tasks"])
    return names_in(job if named else {**job, "environments": []})


def _new_schedule(settings: Settings) -> None:
    settings["schedule"] = {"quartz_cron_expression": "0 0 7 * * ?", "timezone_id": "UTC"}


def _another_order(settings: Settings) -> None:
    settings["tasks"] = list(reversed(settings["tasks"]))


def _another_name(settings: Settings) -> None:
    settings["name"] += "+"


def _library_before_others(settings: Settings) -> None:
    for task in settings["tasks"]:
        if "libraries" in task:
            task["libraries"].insert(0, {"pypi": {"package": "requests"}})


_EDITS: list[Callable[[Settings], None]] = [
    _new_schedule,
    _another_order,
    _another_name,
    _library_before_others,
]


def _denied(nth: int) -> Fault:
    return Fault(
        kind="status",
        method="POST",
        path="/api/2.2/jobs/update",
        nth=nth,
        status=403,
        error_code="PERMISSION_DENIED",
        message="Somebody took the right away.",
    )


def _pick(found: Any, pick: int) -> Any:
    return found[pick % len(found)]


def _next(who: Holder) -> Holder:
    return replace(who, attempt=who.attempt + 1)


def _each_is_one_of(jobs: Mapping[int, Settings], *states: Mapping[int, Settings]) -> None:
    """Each string is as in one of the states, and nothing else differs."""
    allowed = [dict(strings(one)) for one in states]
    for spot, text in strings(jobs):
        assert text in {one.get(spot) for one in allowed}, (spot, text)


def _told(ran: Ran) -> str:
    if ran.report is None:
        return "runs that died"
    return f"runs that ended: {ran.reason or ran.report.outcome.value}"


# ── The test ─────────────────────────────────────────────────────────────────────────────────────

_settings = settings(
    deadline=None,
    max_examples=35 if EVERYTHING else 12,
    stateful_step_count=30 if EVERYTHING else 20,
    derandomize=not EVERYTHING,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
_FEWEST_ROUNDS, _MOST_ROUNDS = (2, 10) if EVERYTHING else (1, 1)
"""A rule is left out of two rounds now and then, and of ten only if it can't run."""


@pytest.mark.timeout(1800)
def test_whatever_happens_the_promises_hold(
    monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setattr(
        "deployer.deployment.apply.PARALLEL_JOBS", 1
    )  # so that each run can be repeated
    RAN.clear()
    for number in range(_MOST_ROUNDS):
        if number < _FEWEST_ROUNDS or _never_ran():
            run_state_machine_as_test(Town, settings=_settings)
    for what, count in RAN.items():
        record_property(MET, f"the model: {what.replace('_', ' ')} {count}")
    assert not EVERYTHING or not _never_ran(), "these never happened"


def _never_ran() -> list[str]:
    rules = {one.function.__name__ for one in Town.setup_state().rules}
    rules |= {"runs that died", "strings moved", "strings went back"}
    return sorted(one for one in rules if not RAN[one])
