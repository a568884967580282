"""Runs that meet: one deploys while another deploys, goes back or cleans up, in every order of their calls.

One run is stopped before a call of its own, another one runs from its beginning to its end, and the first
goes on. Whatever they are, jobs end as if one had come after the other, and the promises hold after each
write.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest

from deployer.deployment.claims import Holder
from deployer.deployment.holding import Taken
from deployer.platforms.databricks.transport import Call
from deployer.report.model import Outcome, Report
from tests.reliability.actors import Beside, Counting, Gate, Once, act, the_call, writes_a_job
from tests.reliability.counts import MET
from tests.reliability.extent import EVERYTHING, slice_of
from tests.reliability.promises import Promises, names_in
from tests.reliability.scenario import (
    MOVING,
    NAME,
    NEW,
    OLD,
    OTHER,
    OWN,
    VOLUME,
    Ask,
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

FIRST = Holder("first", run_url="https://ci/1", run="retail/1/deploy", attempt=1, runner="r1")
SECOND = Holder("second", run_url="https://ci/2", run="retail/2/deploy", attempt=1, runner="r2")
NEWER, OTHER_OLD, OTHER_NEW = "1.6.0", "3.1.0", "3.2.0"
AT_ONCE = {"lock-timeout": "0"}
"""A run that does not wait for a lock."""
KINDS: Mapping[str, Mapping[str, str]] = {
    "deploys": deploys(NEW),
    "deploys a newer version": deploys(NEWER),
    "goes back": rolls_back(),
    "cleans up": {"mode": "cleanup"},
}
_DONE = {Outcome.SUCCEEDED, Outcome.NOTHING_TO_DO}


def by(one: Scene, inputs: Mapping[str, str], who: Holder, **more: Any) -> Ask:
    """A run of `who`, as a user of its own, so that its calls can be told from others'."""
    ask = one.ask(inputs, who=who, **more)
    return replace(ask, token=one.workspace.add_user(f"{who.name}@example.com", admin=True))


def deploys_other(one: Scene, version: str) -> dict[str, str]:
    """The inputs of a deployment of the other library."""
    place = one.folder / f"other-{version}"
    place.mkdir(exist_ok=True)
    (place / file_name(version, OTHER)).write_bytes(wheel(version, OTHER))
    return deploys(place.name)


def versions(one: Scene, name: str = NAME) -> dict[int, set[str]]:
    """Which versions of a library each job names."""
    found = {}
    for job_id, settings in one.workspace.jobs().items():
        files = {path.rsplit("/", 1)[-1] for path in names_in(settings)}
        ours = {file.split("-")[1] for file in files if file.startswith(f"{name}-")}
        if ours:
            found[job_id] = ours
    return found


def _mine(one: Scene) -> set[frozenset[str]]:
    """The versions that the jobs which move name."""
    return {frozenset(found) for job_id, found in versions(one).items() if job_id in MOVING}


def written_by(one: Scene, who: Holder, since: int = 0) -> list[tuple[str, str]]:
    """What that run wrote, its own files aside."""
    return [
        (call.method, call.path)
        for call in one.workspace.calls()[since:]
        if call.user.startswith(who.name)
        and call.method not in {"GET", "HEAD"}
        and f"/{OWN}/" not in call.path
    ]


# ── One run inside of another ────────────────────────────────────────────────────────────────────


def _before() -> State:
    return before_the_deployment(VOLUME)


@cache
def _calls_of(kind: str) -> int:
    """How many calls a run makes that nobody disturbs."""
    gate = Counting()
    with scene(VOLUME, _before()) as one:
        report = act(one.ask(KINDS[kind], who=FIRST), gate=gate)
        assert report is not None
        assert report.outcome in _DONE, report.failure
    return gate.calls


@cache
def _one_after_the_other(*kinds: str) -> Mapping[int, str]:
    with scene(VOLUME, _before()) as one:
        for kind in kinds:
            assert one.run(one.ask(KINDS[kind])).outcome in _DONE
        return comparable(one.workspace.jobs())


def _inside(outer: str, inner: str, number: int) -> tuple[str, str]:
    """The run `inner` happens right before that call of `outer`: how both ended."""
    with scene(VOLUME, _before()) as one:
        promises = Promises(one.workspace)
        first, second = by(one, KINDS[outer], FIRST), by(one, {**KINDS[inner], **AT_ONCE}, SECOND)
        seen: list[Report | None] = []
        with one.workspace.watch(promises):
            ended = act(first, gate=Once(the_call(number), lambda: seen.append(act(second))))
            assert ended is not None
            [inside] = seen
            assert inside is not None
            assert ended.outcome in _DONE, ended.failure
            refused = inside.failure is not None
            if inside.failure is not None:
                assert inside.failure.reason == "lock-held", inside.failure
                assert FIRST.name in inside.failure.title
                assert not [path for _, path in written_by(one, SECOND) if "/jobs/" in path]
                again = one.run(one.ask(KINDS[inner], who=SECOND))
                assert again.outcome in _DONE, again.failure
        one.workspace.raise_watched()
        orders = [_one_after_the_other(outer, inner), _one_after_the_other(inner, outer)]
        assert comparable(one.workspace.jobs()) in orders
        assert promises.writes > 0
        return ended.outcome, "refused" if refused else inside.outcome


_PAIRS = [
    ("deploys", "deploys"),
    ("deploys", "deploys a newer version"),
    ("deploys a newer version", "deploys"),
    ("deploys", "goes back"),
    ("goes back", "deploys"),
    ("goes back", "goes back"),
    ("deploys", "cleans up"),
    ("cleans up", "deploys"),
    ("goes back", "cleans up"),
    ("cleans up", "goes back"),
]


@pytest.mark.parametrize(
    ("outer", "inner"), _PAIRS, ids=[f"{a}, meanwhile one {b}" for a, b in _PAIRS]
)
def test_two_runs_end_as_if_one_came_after_the_other(
    outer: str,
    inner: str,
    record_property: Callable[[str, object], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("deployer.deployment.lock._SETTLING_S", 0.3)
    numbers = range(1, _calls_of(outer) + 1)
    shift = _PAIRS.index((outer, inner))
    met = Counter(_inside(outer, inner, one) for one in slice_of(numbers, 3, shift=shift))
    told = ", ".join(f"{count} {a} and {b}" for (a, b), count in sorted(met.items()))
    record_property(MET, f"one {outer}, meanwhile one {inner}: {told}")


# ── Two runs side by side ────────────────────────────────────────────────────────────────────────


@dataclass
class Jitter(Gate):
    """Waits some moments of chance before each call, so that each round has another order."""

    chance: random.Random

    def before(self, call: Call) -> None:
        """Wait."""
        time.sleep(self.chance.random() * 0.004)


@dataclass
class Holders:
    """Counts who holds each lock, told by each run itself."""

    most: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    _now: Counter[str] = field(default_factory=Counter)
    _one: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, taken: Taken, *, held: bool) -> None:
        """A run took a lock, or gave it back."""
        with self._one:
            self.taken += held
            self._now[taken.folder] += 1 if held else -1
            self.most[taken.folder] = max(self.most[taken.folder], self._now[taken.folder])

    @property
    def alone(self) -> bool:
        """Whether no lock ever had two holders at once."""
        return all(count <= 1 for count in self.most.values())


def _side_by_side(asks: list[Ask], chance: random.Random, **more: Any) -> list[Report]:
    beside = [Beside(ask, {"gate": Jitter(random.Random(chance.random())), **more}) for ask in asks]
    for one in beside:
        one.start()
    return [one.report() for one in beside]


def test_of_two_versions_at_once_the_newer_one_wins() -> None:
    chance = random.Random(4)
    for _ in range(12 if EVERYTHING else 2):
        with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
            holders = Holders()
            asks = [by(one, KINDS["deploys"], FIRST), by(one, deploys(NEWER), SECOND)]
            reports = _side_by_side(asks, chance, on_lock=holders)
            assert all(report.outcome in _DONE for report in reports), reports
            assert _mine(one) == {frozenset({NEWER})}
            assert holders.alone
            assert holders.taken >= 3


def test_of_two_deployments_of_the_same_version_both_end_well() -> None:
    chance = random.Random(5)
    for _ in range(12 if EVERYTHING else 2):
        with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
            asks = [by(one, KINDS["deploys"], FIRST), by(one, KINDS["deploys"], SECOND)]
            reports = _side_by_side(asks, chance)
            assert all(report.outcome in _DONE for report in reports), reports
            assert _mine(one) == {frozenset({NEW})}


def test_of_two_builds_of_the_same_version_one_is_refused() -> None:
    chance = random.Random(6)
    for _ in range(6 if EVERYTHING else 1):
        with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
            place = one.folder / "another-build"
            place.mkdir()
            (place / file_name(NEW)).write_bytes(wheel(NEW, size=64))
            asks = [by(one, KINDS["deploys"], FIRST), by(one, deploys(place.name), SECOND)]
            won, lost = sorted(
                _side_by_side(asks, chance), key=lambda report: report.failure is not None
            )
            assert won.outcome == Outcome.SUCCEEDED
            assert lost.failure is not None
            assert lost.failure.reason == "version-exists"
            assert _mine(one) == {frozenset({NEW})}


# ── Two libraries on the same tasks ──────────────────────────────────────────────────────────────


def _two_libraries(others: str = VOLUME.root) -> State:
    """One task with two libraries, the other one in the root `others`."""
    mine, other = VOLUME.path(OLD), f"{others}/{file_name(OTHER_OLD, OTHER)}"
    task = {"task_key": "main", "libraries": [{"whl": mine}, {"whl": other}]}
    files = {mine: wheel(OLD), other: wheel(OTHER_OLD, OTHER)}
    return State({301: {"name": "both libraries", "tasks": [task]}}, files)


def test_without_a_common_lock_one_deployment_undoes_the_other() -> None:
    # What the writer's lock is for: an update replaces the whole task, with all of its libraries.
    with scene(VOLUME, _two_libraries()) as one, one.workspace.watch(Promises(one.workspace)):
        one.workspace.add_volume("main.locks.all")
        apart = [{"lock-path": f"/Volumes/main/locks/all/{each}"} for each in ("a", "b")]
        first = by(one, {**deploys(NEW), **apart[0]}, FIRST)
        second = by(one, {**deploys_other(one, OTHER_NEW), **apart[1]}, SECOND)
        inside: list[Report | None] = []
        ended = act(first, gate=Once(writes_a_job, lambda: inside.append(act(second))))
        assert ended is not None
        assert ended.outcome == Outcome.SUCCEEDED
        assert [each.outcome for each in inside if each] == [Outcome.SUCCEEDED]
        assert versions(one) == {301: {NEW}}
        assert versions(one, OTHER) == {301: {OTHER_OLD}}  # and yet the second run succeeded


@pytest.mark.parametrize("apart", [False, True], ids=["one root", "two roots and one lock-path"])
def test_with_the_writers_lock_the_second_waits_and_both_survive(apart: bool) -> None:
    tools = f"{VOLUME.root}-tools" if apart else VOLUME.root
    common = {"lock-path": "/Volumes/main/locks/all"} if apart else {}
    with scene(VOLUME, _two_libraries(tools)) as one, one.workspace.watch(Promises(one.workspace)):
        one.workspace.add_volume("main.locks.all")
        first = by(one, {**deploys(NEW), **common}, FIRST)
        also = {**deploys_other(one, OTHER_NEW), **common, "root": tools}
        second = Beside(by(one, also, SECOND))

        def begins_and_waits() -> None:
            second.start().wait_until_it_waits()
            assert versions(one, OTHER) == {301: {OTHER_OLD}}

        ended = act(first, gate=Once(writes_a_job, begins_and_waits))
        assert ended is not None
        assert ended.outcome == Outcome.SUCCEEDED
        assert second.report().outcome == Outcome.SUCCEEDED
        assert "is held by first" in second.log.getvalue()
        assert versions(one) == {301: {NEW}}
        assert versions(one, OTHER) == {301: {OTHER_NEW}}


_SHARED = (101, 102, 202)
"""Jobs that name the other library, but for the one that names both libraries in one string."""


def _no_string_names_both() -> State:
    state = _before()
    return replace(state, jobs={each: state.jobs[each] for each in state.jobs if each != 103})


def test_deployments_of_two_libraries_at_once_survive_many_rounds() -> None:
    chance = random.Random(7)
    with (
        scene(VOLUME, _no_string_names_both()) as one,
        one.workspace.watch(Promises(one.workspace)),
    ):
        holders = Holders()
        for patch in range(40 if EVERYTHING else 3):
            mine, other = f"1.7.{patch}", f"3.7.{patch}"
            asks = [
                by(one, deploys(mine), FIRST),
                by(one, deploys_other(one, other), SECOND),
            ]
            reports = _side_by_side(asks, chance, on_lock=holders)
            assert all(report.outcome == Outcome.SUCCEEDED for report in reports), reports
            assert _mine(one) == {frozenset({mine})}
            assert versions(one, OTHER) == {job_id: {other} for job_id in _SHARED}
        assert holders.alone


def test_where_one_string_names_both_libraries_the_later_one_is_told_of_drift_and_runs_again() -> (
    None
):
    # Its plan says what the whole string is to be, and was made before the other one wrote it.
    with scene(VOLUME, _before()) as one, one.workspace.watch(Promises(one.workspace)):
        first = by(one, deploys(NEW), FIRST)
        second = Beside(by(one, deploys_other(one, OTHER_NEW), SECOND))
        ended = act(first, gate=Once(writes_a_job, lambda: second.start().wait_until_it_waits()))
        assert ended is not None
        assert ended.outcome == Outcome.SUCCEEDED
        failure = second.report().failure
        assert failure is not None
        assert failure.reason == "jobs-not-moved"
        assert "spark-submit (103): its references changed" in failure.detail
        assert versions(one, OTHER) == {job_id: {OTHER_OLD} for job_id in (*_SHARED, 103)}
        again = one.run(one.ask(deploys_other(one, OTHER_NEW), who=SECOND))
        assert again.outcome == Outcome.SUCCEEDED
        assert versions(one, OTHER) == {job_id: {OTHER_NEW} for job_id in (*_SHARED, 103)}
        assert _mine(one) == {frozenset({NEW})}


# ── Where an exclusive create is none ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("create", ["atomic", "racy", "ignored"])
def test_there_are_never_two_writers_however_files_are_created(
    create: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployer.deployment.lock._SETTLING_S", 0.5)
    chance = random.Random(8)
    outcomes: Counter[str] = Counter()
    for _ in range(12 if EVERYTHING else 2):
        with (
            scene(VOLUME, _no_string_names_both()) as one,
            one.workspace.watch(Promises(one.workspace)),
        ):
            one.workspace.behave(exclusive_create=create, create_gap_ms=15)
            holders = Holders()
            third = replace(SECOND, name="third", run="retail/3/deploy", runner="r3")
            patient = {"lock-timeout": "20s", "lock-expiry": "2s"}
            asks = [
                by(one, {**deploys(NEW), **patient}, FIRST),
                by(one, {**deploys(NEWER), **patient}, SECOND),
                by(one, {**deploys_other(one, OTHER_NEW), **patient}, third),
            ]
            reports = _side_by_side(asks, chance, on_lock=holders)
            assert holders.alone
            for report in reports:
                reason = report.failure.reason if report.failure else report.outcome.value
                outcomes[reason] += 1
                # Who can't be sure to be the only one says so, and is no writer.
                assert report.outcome in _DONE or (
                    create != "atomic" and reason in {"lock-held", "lock-lost"}
                ), report.failure
            one.workspace.behave(exclusive_create="atomic")
            for inputs in (deploys(NEWER), deploys_other(one, OTHER_NEW)):
                assert one.run(one.ask(inputs, who=third)).outcome in _DONE
            assert _mine(one) == {frozenset({NEWER})}
            assert versions(one, OTHER) == {job_id: {OTHER_NEW} for job_id in _SHARED}
    assert outcomes[Outcome.SUCCEEDED] > 0
    if create == "atomic":
        assert not outcomes.keys() - {each.value for each in _DONE}
