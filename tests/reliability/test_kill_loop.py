"""Version after version is deployed, each run is killed at a moment of chance, and the last one is not.

No job is broken at any time, no lock keeps the next run from its work longer than it is valid, and in the
end everything is on the newest version.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import replace

import pytest

from deployer.deployment.claims import Holder
from deployer.report.model import Report
from sandbox.faults import Fault, FaultKind
from tests.reliability.counts import Count, Tell
from tests.reliability.extent import EVERYTHING
from tests.reliability.guard import Guard
from tests.reliability.matrix import READS
from tests.reliability.processes import started
from tests.reliability.scenario import (
    NEW,
    STRANGER,
    THIS_RUN,
    VOLUME,
    Scene,
    State,
    before_the_deployment,
    comparable,
    deployed,
    deploys,
    moved,
    scene,
    wheel,
)

ROUNDS = 200 if EVERYTHING else 12
_LONGEST_S = 0.8
_MOST_CALLS = 110
_IN_DOUBT = "a deployment that came to no end names it"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [4])
def test_killed_runs_break_no_job_and_block_nobody(seed: int, tell: Tell) -> None:
    chance = random.Random(seed)
    began = time.monotonic()
    before = before_the_deployment(VOLUME)
    ends: Counter[str] = Counter()
    versions = [f"1.5.{number}" for number in range(ROUNDS)]
    with scene(VOLUME, before) as one:
        guard = Guard.between(one.workspace, VOLUME, before)
        guard.staying = frozenset(VOLUME.path(version) for version in ("2.0.0",))
        with one.workspace.watch(guard):
            for number, version in enumerate(versions):
                _may_be_on(guard, one, before, versions[max(0, number - 1) : number + 1])
                report = _killed(one, version, chance, _somebody(chance, number))
                ends["killed" if report is None else _how(report)] += 1
                one.workspace.raise_watched()
            _may_be_on(guard, one, before, [versions[-1], "1.6.0"])
            last = one.run(one.ask(deploys("1.6.0"), who=replace(STRANGER, run="the/last/one")))
        assert last.outcome == "succeeded", (last.failure, one.log.getvalue())
        assert comparable(one.workspace.jobs()) == comparable(moved(before, VOLUME, "1.6.0").jobs)
        _removes_what_was_in_doubt(one, last)
        one.workspace.forget_calls()
        again = one.run(one.ask(deploys("1.6.0"), who=STRANGER))
        assert again.outcome == "nothing-to-do"
        assert {call.method for call in one.workspace.calls()} <= READS
    seconds = time.monotonic() - began
    tell(Count("killed at a moment of chance", "", ROUNDS, ROUNDS, 0, one.runs, seconds))
    assert ends["killed"] > ROUNDS / 2
    # A run that is starved for a second loses its lock and says so; all others that lived came to their end.
    assert set(ends) <= {"killed", "succeeded", "lock-lost"}


def _removes_what_was_in_doubt(one: Scene, last: Report) -> None:
    """A write of a killed run may still hang: what it names outlives one more deployment, and no longer."""
    kept = {one.path for one in last.versions if _IN_DOUBT in one.reasons}
    before = one.state()
    report = one.run(one.ask(deploys("1.6.0"), who=STRANGER))
    assert report.outcome == ("succeeded" if kept else "nothing-to-do"), report.failure
    assert one.state().jobs == before.jobs
    assert before.published.keys() - one.state().published.keys() <= kept


def _may_be_on(guard: Guard, one: Scene, before: State, versions: list[str]) -> None:
    """What the next run may do: jobs are where they are, or on one of `versions`, whose files may come.

    The version before is among them: a call of a run that was killed may still be on its way.
    """
    states = [state.jobs for state in (one.state(), *(moved(before, VOLUME, v) for v in versions))]
    texts = [comparable(jobs) for jobs in states]
    with guard.changing():
        guard.allowed = {job_id: {text[job_id] for text in texts} for job_id in before.jobs}
        for version in versions:
            guard.contents[VOLUME.path(version)] = {wheel(version)}


def _somebody(chance: random.Random, number: int) -> Holder | None:
    """Who deploys next: a later attempt of one run, a process of this machine, or somebody else."""
    return chance.choice(
        [
            replace(THIS_RUN, attempt=number + 1),
            None,
            replace(STRANGER, run=f"retail/{number}/deploy", runner=f"r{number}"),
        ]
    )


def _killed(one: Scene, version: str, chance: random.Random, who: Holder | None) -> Report | None:
    """One run that is killed at some call, or at some time; its report if it was quicker."""
    ask = one.ask({**deploys(version), "lock-expiry": "1s", "lock-timeout": "40s"}, who=who)
    with started(ask) as run:
        if chance.random() < 0.5:
            kind: FaultKind = chance.choice(("kill-before", "kill-after"))
            nth = chance.randint(1, _MOST_CALLS)
            one.workspace.set_faults([Fault(kind=kind, nth=nth, pid=run.pid)])
            run.go()
        else:
            run.go()
            time.sleep(chance.uniform(0, _LONGEST_S))
            run.kill()
        report = run.report()
    one.workspace.wait_until_alone()  # a write that arrives later than this is the subject of test_takeovers
    one.workspace.set_faults([])
    return report


def _how(report: Report) -> str:
    return report.failure.reason if report.failure else report.outcome.value


@pytest.mark.parametrize("who", ["the same machine", "the same run"])
def test_what_a_dead_run_left_of_a_lock_it_never_had_holds_its_own_up_for_no_time(who: str) -> None:
    before = before_the_deployment(VOLUME)
    first, second = (
        (None, None) if who == "the same machine" else (THIS_RUN, replace(THIS_RUN, attempt=2))
    )
    with scene(VOLUME, before) as one:
        ask = one.ask(deploys(NEW), who=first)
        with started(ask) as run:
            claim = Fault(kind="kill-before", method="PUT", path="*.claim.json", pid=run.pid)
            one.workspace.set_faults([claim])
            run.go()
            assert run.report() is None
        one.workspace.set_faults([])
        report = one.run(one.ask({**deploys(NEW), "lock-timeout": "0"}, who=second))
        assert report.outcome == "succeeded", report.failure
        assert one.state().difference(deployed(before, VOLUME)) == ""
