"""A run that hangs and is taken over: what was on its way may still arrive, and nothing else may follow.

The first run is frozen right before one of its calls, signs of life included, as a machine that sleeps. An
hour passes, another run takes its locks over, and the first one wakes up. What was on its way can't be called
back (docs/reliability.md); so what it names has to be there, and every further write has to stay away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import pytest

from deployer.deployment.holding import Taken
from deployer.platforms.databricks.transport import Call
from deployer.report.model import Outcome, Report
from tests.reliability.actors import (
    Beside,
    Counting,
    Death,
    Frozen,
    Once,
    act,
    reads_a_job,
    the_call,
    writes_a_job,
)
from tests.reliability.clocks import Clock
from tests.reliability.counts import MET
from tests.reliability.extent import slice_of
from tests.reliability.promises import Promises
from tests.reliability.scenario import (
    GOES,
    MOVING,
    NEW,
    OLD,
    OWN,
    VOLUME,
    Scene,
    State,
    before_the_deployment,
    comparable,
    deploys,
    file_name,
    rolls_back,
    scene,
    wheel,
)
from tests.reliability.test_races import FIRST, NEWER, SECOND, by, versions, written_by

_HOUR = 3600.0
_DONE = {Outcome.SUCCEEDED, Outcome.NOTHING_TO_DO}
UNUSED = "1.1.0"
KINDS: Mapping[str, Mapping[str, str]] = {
    "deploys": deploys(NEW),
    "goes back": rolls_back(),
    "cleans up": {"mode": "cleanup"},
    "deploys a newer version": deploys(NEWER),
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of all runs."""
    found = Clock()
    monkeypatch.setattr("deployer.locking.Me", found.me)
    return found


def _before() -> State:
    """As ever, with one more version that nothing uses, so that each kind of run has something to do."""
    state = before_the_deployment(VOLUME)
    return replace(state, files={**state.files, VOLUME.path(UNUSED): wheel(UNUSED)})


@cache
def _calls_of(kind: str) -> int:
    gate = Counting()
    with scene(VOLUME, _before()) as one:
        report = act(one.ask(KINDS[kind], who=FIRST), gate=gate)
        assert report is not None
        assert report.outcome == Outcome.SUCCEEDED, report.failure
    return gate.calls


def _taken_over(
    one: Scene,
    clock: Clock,
    first: Mapping[str, str],
    second: Mapping[str, str],
    freezes: Callable[[Call], bool],
) -> tuple[Report, Report, bool]:
    """How both ended, and whether the first run held a lock when it froze; writes of others stay away."""
    locked: list[str] = []

    def on_lock(taken: Taken, *, held: bool) -> None:
        (locked.append if held else locked.remove)(taken.folder)

    gate = Frozen(freezes)
    hung = Beside(by(one, first, FIRST), {"gate": gate, "on_lock": on_lock}).start()
    gate.wait_until_frozen()
    had = bool(locked)
    clock.passes(one.workspace, _HOUR)
    other = act(by(one, second, SECOND))
    assert other is not None
    since = len(one.workspace.calls())
    gate.thaw()
    report = hung.report()
    if had:
        late = Counter(written_by(one, FIRST, since))
        on_the_way = Counter((call.method, call.path) for call in gate.held)
        assert not late - on_the_way, f"the run went on after it was taken over: {late}"
    return report, other, had


# ── At every call ────────────────────────────────────────────────────────────────────────────────

_PAIRS = [
    ("deploys", "deploys a newer version"),
    ("deploys", "deploys"),
    ("deploys", "goes back"),
    ("goes back", "deploys"),
    ("goes back", "goes back"),
    ("cleans up", "goes back"),
    ("cleans up", "deploys"),
]


@pytest.mark.parametrize(
    ("first", "second"), _PAIRS, ids=[f"one {a}, and one {b}" for a, b in _PAIRS]
)
def test_a_run_that_was_taken_over_at_any_call_writes_nothing_more(
    first: str, second: str, clock: Clock, record_property: Callable[[str, object], None]
) -> None:
    ends: Counter[str] = Counter()
    shift = _PAIRS.index((first, second))
    for number in slice_of(range(1, _calls_of(first) + 1), 3, shift=shift):
        with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
            short = {"lock-expiry": "4s"}  # a claim that came late is waited for that long
            mine, theirs = {**KINDS[first], **short}, {**KINDS[second], **short}
            hung, other, had = _taken_over(one, clock, mine, theirs, the_call(number))
            assert other.outcome in _DONE, (number, other.failure)
            reason = hung.failure.reason if hung.failure else hung.outcome.value
            ends[reason] += 1
            # It hung where it had not begun to work, or it was done but for its last words.
            assert hung.outcome in _DONE or (had and reason == "lock-lost"), (number, hung.failure)
            # Whatever is left is found by the next run, and nothing is in its way.
            again = one.run(one.ask(deploys(NEWER), who=replace(SECOND, run="later")))
            assert again.outcome in _DONE, (number, again.failure)
            assert all(versions(one)[job_id] == {NEWER} for job_id in MOVING), number
    told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    record_property(MET, f"one {first} and hangs, one {second}: the first ended {told}")


def _writes_the_intent(call: Call) -> bool:
    return call.method == "PUT" and "/journal/" in call.path and "intent" in call.path


def _job_of(call: Call) -> int:
    assert call.body is not None
    return int(str(call.body["job_id"]))


def _ended(report: Report | None) -> Report:
    assert report is not None, "nobody kills this run"
    return report


# ── What was on its way ──────────────────────────────────────────────────────────────────────────


def test_a_late_write_finds_its_file_although_a_newer_version_is_deployed(clock: Clock) -> None:
    with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
        hung, other, _ = _taken_over(one, clock, deploys(NEW), deploys(NEWER), writes_a_job)
        assert other.outcome == Outcome.SUCCEEDED
        assert VOLUME.path(NEW) in one.workspace.files()
        assert hung.failure is not None
        assert hung.failure.reason == "lock-lost"
        late = {job_id for job_id in MOVING if versions(one)[job_id] == {NEW}}
        assert late  # which is what can't be guaranteed
        # The next deployment that ends well needs no doubts any more, and removes what nothing uses.
        for version in (NEWER, "1.7.0"):
            assert one.run(one.ask(deploys(version), who=SECOND)).outcome == Outcome.SUCCEEDED
        assert VOLUME.path(NEW) not in one.workspace.files()


def test_a_late_write_of_a_rollback_finds_its_file_although_a_deployment_came(clock: Clock) -> None:
    with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
        _, other, _ = _taken_over(one, clock, rolls_back(), deploys(NEW), writes_a_job)
        assert other.outcome == Outcome.SUCCEEDED
        assert VOLUME.path(GOES) in one.workspace.files()
        assert any(versions(one)[job_id] == {GOES} for job_id in MOVING)


def test_a_write_that_arrives_after_the_way_back_is_told_by_it_and_the_next_way_back_ends_well(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployer.deployment.apply.PARALLEL_JOBS", 1)  # one write is on its way
    with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
        before = comparable(one.workspace.jobs())
        gate = Frozen(writes_a_job)
        hung = Beside(by(one, deploys(NEW), FIRST), {"gate": gate}).start()
        gate.wait_until_frozen()
        [late] = [_job_of(call) for call in gate.held if writes_a_job(call)]
        clock.passes(one.workspace, _HOUR)
        assert _ended(act(by(one, deploys(NEW), SECOND))).outcome == Outcome.SUCCEEDED

        def it_arrives() -> None:
            gate.thaw()
            failure = hung.report().failure
            assert failure is not None
            assert failure.reason == "lock-lost"

        def writes_it(call: Call) -> bool:
            return writes_a_job(call) and _job_of(call) == late

        overtaken = Once(writes_it, it_arrives, afterwards=True)
        back = _ended(act(by(one, rolls_back(), SECOND), gate=overtaken))
        assert overtaken.acted
        assert back.failure is not None
        assert back.failure.reason == "jobs-not-moved"
        told = f"({late}): read back, it does not name what was written: someone else wrote the job"
        assert told in back.failure.detail
        now = comparable(one.workspace.jobs())
        assert {job_id for job_id in before if now[job_id] != before[job_id]} == {late}
        assert versions(one)[late] == {NEW}
        assert _ended(act(by(one, rolls_back(), SECOND))).outcome == Outcome.SUCCEEDED
        assert comparable(one.workspace.jobs()) == before


def test_a_run_that_slept_before_it_read_a_job_writes_nothing(clock: Clock) -> None:
    with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
        hung, _, had = _taken_over(one, clock, deploys(NEW), deploys(NEWER), reads_a_job)
        assert had
        assert hung.failure is not None
        assert hung.failure.reason == "lock-lost"
        assert not [path for _, path in written_by(one, FIRST) if "/jobs/" in path]
        assert all(versions(one)[job_id] == {NEWER} for job_id in MOVING)


def test_a_run_that_slept_does_not_replace_what_the_other_one_published(clock: Clock) -> None:
    # An unfinished deployment left other bytes, which may be replaced as long as nothing uses them.
    with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
        builds = {}
        for name, size in (("left", 1), ("first", 2), ("second", 3)):
            (one.folder / name).mkdir()
            builds[name] = wheel(NEW, size=size)
            (one.folder / name / file_name(NEW)).write_bytes(builds[name])
        dies = Death(lambda call: call.path.endswith(file_name(NEW)), applied=True)
        assert act(by(one, deploys("left"), FIRST), gate=dies) is None
        clock.passes(one.workspace, _HOUR)
        hung, other, _ = _taken_over(
            one,
            clock,
            deploys("first"),
            deploys("second"),
            _writes_the_intent,
        )
        assert other.outcome == Outcome.SUCCEEDED, other.failure
        assert one.workspace.file(VOLUME.path(NEW)) == builds["second"]
        assert hung.failure is not None
        assert hung.failure.reason == "lock-lost"


def test_a_run_that_slept_before_its_intent_does_not_become_the_last_deployment(
    clock: Clock,
) -> None:
    with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
        before = versions(one)
        claimed: list[Call] = []

        def numbers_its_entry(call: Call) -> bool:
            claimed.extend([call] if "/locks/" in call.path and call.method == "PUT" else [])
            return bool(claimed) and call.path.endswith("/journal")

        hung, other, _ = _taken_over(
            one,
            clock,
            deploys(NEW),
            deploys(NEWER),
            numbers_its_entry,
        )
        assert other.outcome == Outcome.SUCCEEDED
        assert hung.failure is not None
        assert VOLUME.path(NEW) not in one.workspace.files()
        back = one.run(one.ask(rolls_back(), who=SECOND))
        assert back.outcome == Outcome.SUCCEEDED, back.failure
        assert versions(one) == before


def test_a_run_that_was_taken_over_leaves_clusters_alone(clock: Clock) -> None:
    with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
        cluster = one.workspace.put(
            "clusters",
            {
                "cluster_name": "shared",
                "state": "RUNNING",
                "libraries": [{"whl": VOLUME.path(OLD)}],
            },
        )
        inputs = {**deploys(NEW), "clusters": "update"}
        read = {"count": 0}

        def reads_the_cluster(call: Call) -> bool:
            read["count"] += call.path.endswith("/libraries/cluster-status")
            return read["count"] == 1

        hung, other, had = _taken_over(one, clock, inputs, deploys(NEWER), reads_the_cluster)
        assert had
        assert other.outcome == Outcome.SUCCEEDED
        assert hung.failure is not None
        assert hung.failure.reason == "lock-lost"
        assert not [
            path for _, path in written_by(one, FIRST) if path.startswith("/api/2.0/libraries/")
        ]
        named = [one["library"] for one in one.workspace.cluster(cluster)["library_statuses"]]
        assert named == [{"whl": VOLUME.path(OLD)}]


# ── Taken by force ───────────────────────────────────────────────────────────────────────────────


def test_a_lock_that_is_taken_by_force_is_lost_at_the_holders_next_look(clock: Clock) -> None:
    with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
        forced = {**deploys(NEWER), "force-unlock": "true", "lock-timeout": "0"}
        gate = Frozen(reads_a_job)
        alive = Beside(by(one, deploys(NEW), FIRST), {"gate": gate}).start()
        gate.wait_until_frozen()
        report = act(by(one, forced, SECOND))
        assert report is not None
        assert report.outcome == Outcome.SUCCEEDED
        assert "takes the lock" in " ".join(report.warnings)
        clock.ahead_s += 16.0  # a little more than half of the lease, which is 30 s
        gate.thaw()
        failure = alive.report().failure
        assert failure is not None
        assert (failure.reason, failure.detail.split(".")[0]) == (
            "lock-lost",
            "Why: another run took it over",
        )
        assert not [path for _, path in written_by(one, FIRST) if "/jobs/" in path]
        assert all(versions(one)[job_id] == {NEWER} for job_id in MOVING)


def test_two_writers_by_force_leave_every_job_runnable_and_the_next_run_finishes(
    clock: Clock,
) -> None:
    # What `force-unlock` costs while the holder lives: it writes on until it looks again.
    with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
        forced = {**deploys(NEWER), "force-unlock": "true"}
        gate = Frozen(reads_a_job)
        alive = Beside(by(one, deploys(NEW), FIRST), {"gate": gate}).start()
        gate.wait_until_frozen()
        assert act(by(one, forced, SECOND))
        gate.thaw()
        assert alive.report().outcome != Outcome.SUCCEEDED
        assert one.run(one.ask(deploys(NEWER), who=SECOND)).outcome in _DONE
        assert all(versions(one)[job_id] == {NEWER} for job_id in MOVING)
        assert not [path for path in one.workspace.files() if OWN not in path and "lock" in path]
