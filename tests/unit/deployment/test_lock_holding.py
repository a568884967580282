"""Keeping a lock: renewal, clocks that are wrong, sleep, the post step and sweeping."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from deployer.deployment.claims import view_of
from deployer.deployment.lock import Held
from deployer.deployment.ports import (
    Denied,
    Interrupted,
    LockLost,
    StoredFile,
    Unavailable,
)
from tests.unit.deployment.lock_world import (
    ANNA,
    BERT,
    LEASE_S,
    World,
    kept,
    raising,
    waits,
    why_lost,
    world,
)

__all__ = ["world"]


# ── Clocks ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("files_ahead_s", [-86_400, -3600, -1, 0, 1, 3600, 86_400])
def test_ages_are_right_although_answers_and_files_have_other_clocks(
    world: World, files_ahead_s: float
) -> None:
    world.files_ahead_s = files_ahead_s
    world.take(ANNA)
    world.now += LEASE_S - 1
    with pytest.raises(Held) as refused:
        world.take(BERT)
    assert refused.value.seconds_left == pytest.approx(1, abs=1.1)
    world.now += 3
    assert world.take(BERT).taken.number == 2


def test_ages_are_measured_by_a_file_that_does_not_stay(world: World) -> None:
    world.take(ANNA)
    before = dict(world.files)
    with pytest.raises(Held):
        world.take(BERT)
    assert world.files == before


def test_a_create_that_takes_long_makes_nobody_look_older(world: World) -> None:
    world.take(ANNA)
    world.now += 10

    def slow(kind: str, name: str) -> None:
        if kind == "create" and "alive" in name:
            world.now += LEASE_S - 20

    world.before = slow
    with pytest.raises(Held):
        world.take(BERT)


def test_where_files_have_no_useful_times_a_lock_is_watched_for_a_lease(world: World) -> None:
    frozen = World(files_ahead_s=0)
    held = frozen.take(ANNA)
    listed = frozen.listed

    def timeless() -> tuple[StoredFile, ...]:
        return tuple(
            replace(one, modified_ms=10**15) for one in listed() if "0.alive" not in one.path
        )

    frozen.listed = timeless  # type: ignore[method-assign] # times that say nothing
    assert waits(frozen, BERT) == pytest.approx(LEASE_S, abs=4)
    assert not kept(held)


def test_a_holder_that_is_watched_and_lives_is_not_taken_over(world: World) -> None:
    held = world.take(ANNA)
    listed = world.listed
    world.listed = lambda: tuple(  # type: ignore[method-assign] # times that stand still
        replace(one, modified_ms=10**15) for one in listed() if "0.alive" not in one.path
    )

    def pause(seconds: float) -> None:
        world.pause(seconds)
        if len(world.paused) % 8 == 0:
            held.renew()

    with pytest.raises(Held):
        world.take(BERT, wait_s=5 * LEASE_S, pause=pause)
    assert kept(held)


@pytest.mark.parametrize(
    "clock", [pytest.param("monotonic", id="stands still"), pytest.param("wall", id="was set back")]
)
def test_a_holder_that_slept_does_not_pass_the_check_by_the_clock_that_did_not_notice(
    world: World, clock: str
) -> None:
    asleep = [0.0]
    wrong: dict[str, Any] = {clock: lambda: world.now - asleep[0]}
    held = world.take(ANNA, **wrong)
    asleep[0] = LEASE_S + 5
    world.now += asleep[0]
    other = world.take(BERT)
    assert not kept(held)
    assert kept(other)


def test_a_holder_that_slept_and_was_not_missed_goes_on(world: World) -> None:
    held = world.take(ANNA)
    world.now += 10 * LEASE_S
    assert kept(held)
    with pytest.raises(Held):
        world.take(BERT)


def test_who_takes_over_sees_a_holder_that_wakes_up_meanwhile(world: World) -> None:
    held = world.take(ANNA)
    world.now += LEASE_S + 5
    woken: list[bool] = []

    def before(kind: str, name: str) -> None:
        if kind == "create" and "claim" in name and not woken:
            woken.append(True)
            woken[0] = kept(held)

    world.before = before
    with pytest.raises(Held):
        world.take(BERT)
    assert woken == [True]


# ── Renewal ──────────────────────────────────────────────────────────────────────────────────────


def test_the_check_asks_nobody_while_the_last_renewal_is_young(world: World) -> None:
    held = world.take(ANNA)
    world.calls.clear()
    world.now += LEASE_S / 2
    assert kept(held)
    assert world.calls == []
    world.now += 1
    assert kept(held)
    assert [call.split(".")[0] for call in world.calls] == ["create 00000001", "listed"]


def test_a_renewal_that_fails_is_tried_again_until_half_a_lease_is_over(world: World) -> None:
    held = world.take(ANNA)
    world.before = raising(Unavailable("503 for a while"), "create")
    world.now += LEASE_S / 4
    held.renew()
    assert kept(held)
    world.now += LEASE_S / 4
    held.renew()
    assert kept(held)
    world.now += 1
    assert "503 for a while" in why_lost(held)
    world.before = lambda kind, name: None
    assert not kept(held)  # what is lost is never found again


def test_a_renewal_whose_look_fails_is_none(world: World) -> None:
    held = world.take(ANNA)
    world.before = raising(Unavailable("no listing"), "listed")
    world.now += LEASE_S / 2 + 1
    assert not kept(held)


def test_a_renewal_that_takes_too_long_is_none(world: World) -> None:
    held = world.take(ANNA)

    def slow(kind: str, name: str) -> None:
        if kind == "create":
            world.now += LEASE_S

    world.before = slow
    world.now += LEASE_S / 2 + 1
    assert "in time" in why_lost(held)


def test_a_check_that_the_end_of_the_run_interrupts_says_so(world: World) -> None:
    held = world.take(ANNA)
    world.before = raising(Interrupted(), "create")
    world.now += LEASE_S / 2 + 1
    with pytest.raises(Interrupted) as stopped:
        held.check()
    assert not isinstance(stopped.value, LockLost)


def test_a_renewal_that_ends_after_the_release_brings_nothing_back(world: World) -> None:
    held = world.take(ANNA)
    world.now += LEASE_S / 4
    world.before = lambda kind, name: held.release() if kind == "listed" else None
    held.renew()
    assert not kept(held)


def test_a_holder_whose_files_were_deleted_stops(world: World) -> None:
    held = world.take(ANNA)
    world.files.clear()
    world.now += LEASE_S / 2 + 1
    assert "deleted" in why_lost(held)


def test_a_holder_whose_folder_was_deleted_does_not_take_another_one_for_itself(
    world: World,
) -> None:
    held = world.take(ANNA)
    world.files.clear()
    assert world.take(BERT).taken.number == 1
    world.now += LEASE_S / 2 + 1
    assert not kept(held)


def test_a_lost_lock_is_given_back_too_so_that_nobody_waits_for_it(world: World) -> None:
    held = world.take(ANNA)
    world.before = raising(Unavailable("503"), "create", "alive")
    world.now += LEASE_S / 2 + 1
    assert not kept(held)
    held.release()
    assert held.given_back
    world.before = lambda kind, name: None
    assert world.take(BERT).taken.number == 2


def test_signs_of_life_are_shown_by_a_thread_while_the_block_runs(world: World) -> None:
    signed = threading.Event()
    held = world.take(ANNA, lease_s=0.2, monotonic=time.monotonic)
    world.before = lambda kind, name: signed.set() if "alive" in name else None
    with held.kept():
        assert signed.wait(timeout=30)
    assert held.given_back


# ── The post step ────────────────────────────────────────────────────────────────────────────────


def test_the_post_step_gives_back_what_a_killed_step_left(world: World) -> None:
    held = world.take(ANNA)
    assert world.lock(ANNA).release_left(held.taken)
    assert world.take(BERT).taken.number == 2
    world.now += LEASE_S / 2 + 1
    assert not kept(held)


@pytest.mark.parametrize(
    "changes",
    [{"number": 2}, {"number": -1}, {"nonce": "f" * 16}, {"nonce": "../../x"}, {"nonce": "\ud800"}],
)
def test_the_post_step_gives_back_nothing_that_its_run_did_not_take(
    world: World, changes: dict[str, object]
) -> None:
    held = world.take(ANNA)
    not_taken = replace(held.taken, **changes)  # type: ignore[arg-type] # fields of two types
    assert not world.lock(ANNA).release_left(not_taken)
    assert kept(held)


def test_the_post_step_gives_nothing_back_twice(world: World) -> None:
    held = world.take(ANNA)
    held.release()
    assert not world.lock(ANNA).release_left(held.taken)


# ── Sweeping ─────────────────────────────────────────────────────────────────────────────────────


def test_a_holder_sweeps_lower_generations_and_leaves_its_own_and_higher_ones(
    world: World,
) -> None:
    for _ in range(3):
        world.take(ANNA).release()
    held = world.take(BERT)
    world.forge("00000009.claim.json")
    world.forge("notes.txt")
    for _ in range(3):
        held._sweep()
    assert {name.split(".")[0] for name in world.files} == {"00000004", "00000009", "notes"}
    assert len(world.names(4)) == 2


def test_sweeping_ends_what_was_taken_over_before_its_time_first_and_is_over_halfway(
    world: World,
) -> None:
    for _ in range(4):
        world.take(ANNA).release()
    world.take(ANNA)
    held = world.take(BERT, force=True)
    held._sweep()
    assert world.names(5) == []
    held.release()
    for gone in range(8):  # wherever it stopped, what is left stands in nobody's way
        left = view_of(world.listed())
        assert all(left.generations[number].is_over for number in left.generations), gone
        names = left.names_below(6)
        if names:
            world.delete(names[0])


def test_sweeping_stops_where_it_would_delay_a_sign_of_life(world: World) -> None:
    for _ in range(4):
        world.take(ANNA).release()
    held = world.take(BERT)

    def slow(kind: str, name: str) -> None:
        if kind == "delete":
            world.now += LEASE_S / 6

    world.before = slow
    held._sweep()
    assert sum(call.startswith("delete") for call in world.calls) == 2


def test_a_sweep_that_fails_disturbs_nobody(world: World) -> None:
    world.take(ANNA).release()
    held = world.take(BERT)
    world.before = raising(Denied("no"), "delete")
    held._sweep()
    assert kept(held)
