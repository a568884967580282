"""Taking a lock: who waits, who is told what, who takes over at once, and what fails meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.deployment.claims import Holder, claim_from
from deployer.deployment.holding import Holding
from deployer.deployment.lock import Contended, Held
from deployer.deployment.ports import (
    Denied,
    Interrupted,
    Refused,
    Unavailable,
)
from tests.unit.deployment.lock_world import (
    ANNA,
    BERT,
    LEASE_S,
    World,
    claim_of,
    kept,
    raising,
    waits,
    why_lost,
    world,
)

__all__ = ["world"]


# ── Taking and giving back ───────────────────────────────────────────────────────────────────────


def test_a_free_lock_is_taken_in_five_calls(world: World) -> None:
    held = world.take(ANNA)
    intent = held.taken.intent(LEASE_S)
    assert world.calls == [
        "listed",
        f"create {intent}",
        "create 00000001.claim.json",
        "listed",
        "read 00000001.claim.json",
    ]
    assert intent == f"00000001.intent-{held.taken.public}-120.json"
    assert kept(held)


def test_the_claim_says_whose_it_is_and_not_what_gives_it_back(world: World) -> None:
    held = world.take(ANNA)
    content = world.files["00000001.claim.json"][0]
    said = claim_from(content)
    assert said.holder == replace(ANNA, since="1970-01-01 13:53:20 UTC")
    assert held.taken.nonce not in content.decode()
    assert said.nonce == held.taken.public


def test_a_released_lock_is_taken_at_once_with_the_next_number(world: World) -> None:
    first = world.take(ANNA)
    first.release()
    assert first.given_back
    second = world.take(BERT)
    assert (first.taken.number, second.taken.number) == (1, 2)
    assert world.paused == []


def test_the_number_is_that_of_the_last_generation_and_negative_while_it_is_held(
    world: World,
) -> None:
    look = world.lock(BERT)
    assert look.number() == 0
    held = world.take(ANNA)
    assert look.number() == -1
    held.release()
    assert look.number() == 1


def test_what_was_released_may_not_write_and_is_released_once(world: World) -> None:
    held = world.take(ANNA)
    held.release()
    held.release()
    assert sum("released" in call for call in world.calls) == 1
    assert "given back" in why_lost(held)


def test_a_release_that_fails_is_left_to_the_lease(world: World) -> None:
    held = world.take(ANNA)
    world.before = raising(Unavailable("503"), "create")
    held.release()
    assert not held.given_back
    assert not kept(held)
    world.before = lambda kind, name: None
    assert waits(world, BERT) == pytest.approx(LEASE_S, abs=3)


def test_a_lock_is_given_back_when_its_block_ends_however_it_ends(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.take(ANNA).kept():
        raise ZeroDivisionError
    assert world.take(BERT).taken.number == 2


# ── A lock that somebody holds ───────────────────────────────────────────────────────────────────


def test_who_does_not_wait_is_told_the_holder_and_the_seconds_that_are_left(world: World) -> None:
    world.take(ANNA)
    world.now += 20
    with pytest.raises(Held, match="anna, https://ci/41, since 1970-01-01 13:53:20 UTC") as refused:
        world.take(BERT)
    assert refused.value.seconds_left == pytest.approx(100, abs=2)
    assert world.paused == []


def test_who_waits_is_told_of_each_holder_once_and_gets_it_when_it_is_given_back(
    world: World,
) -> None:
    held = [world.take(ANNA)]
    told: list[str] = []

    def before(kind: str, name: str) -> None:
        if kind == "listed" and len(world.paused) == 10 and len(held) == 1:
            held[0].release()
            held.append(world.take(replace(ANNA, name="carl")))
        if kind == "listed" and len(world.paused) == 20:
            held[-1].release()

    world.before = before
    lock = world.lock(BERT)
    taken = lock.take(wait_s=1000, on_wait=lambda holder: told.append(holder.name))
    assert told == ["anna", "carl"]
    assert taken.taken.number == 3
    assert len(world.paused) == 20


def test_waiting_ends_after_the_limit(world: World) -> None:
    held = world.take(ANNA)
    world.before = lambda kind, name: held.renew() if world.calls[-1] == "listed" else None
    lock, began = world.lock(BERT), world.now
    with pytest.raises(Held):
        lock.take(wait_s=300, on_wait=lambda holder: None)
    assert world.now - began == pytest.approx(300, abs=4)
    assert kept(held)


def test_a_wait_ends_when_the_run_is_to_stop(world: World) -> None:
    world.take(ANNA)

    def stop(seconds: float) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        world.take(BERT, wait_s=1000, pause=stop)
    assert world.names(2) == []


def test_a_lock_that_was_taken_while_we_tried_is_waited_for(world: World) -> None:
    others: list[Holding] = []

    def before(kind: str, name: str) -> None:
        if kind == "create" and "intent" in name and not others:
            others.append(world.take(ANNA))

    world.before = before
    with pytest.raises(Held, match="anna"):
        world.take(BERT)
    assert kept(others[0])
    others[0].release()
    assert world.take(BERT).taken.number == 2


# ── A holder that died ───────────────────────────────────────────────────────────────────────────


def test_a_lock_whose_holder_died_is_free_after_its_lease_and_not_before(world: World) -> None:
    world.take(ANNA, lease_s=60.0)
    world.now += 59
    with pytest.raises(Held):
        world.take(BERT)
    world.now += 3
    assert world.take(BERT).taken.number == 2


def test_the_lease_that_counts_is_the_holders(world: World) -> None:
    world.take(ANNA, lease_s=3600.0)
    world.now += 3000
    with pytest.raises(Held) as refused:
        world.take(BERT, lease_s=1.0)
    assert refused.value.seconds_left == pytest.approx(600, abs=2)


def test_signs_of_life_put_the_end_off(world: World) -> None:
    held = world.take(ANNA)
    for _ in range(10):
        world.now += LEASE_S / 4
        held.renew()
    with pytest.raises(Held) as refused:
        world.take(BERT)
    assert refused.value.seconds_left == pytest.approx(LEASE_S, abs=2)
    assert [one for one in world.names(1) if one.startswith("alive")] != []
    assert len(world.names(1)) == 3  # the older signs went


@pytest.mark.parametrize("calls", range(1, 7))
def test_a_lock_is_free_after_a_lease_at_whatever_call_its_taker_died(
    world: World, calls: int
) -> None:
    class Killed(BaseException):
        """Nothing holds it up."""

    def before(kind: str, name: str) -> None:
        if len(world.calls) >= calls:
            raise Killed

    world.before = before
    with pytest.raises(Killed):
        world.take(ANNA).release()
    world.before = lambda kind, name: None
    assert waits(world, BERT) <= LEASE_S + 3


def test_several_that_died_in_a_row_get_old_at_the_same_time(world: World) -> None:
    for number in range(4):
        lock = world.lock(replace(BERT, name=f"{number}"))
        lock.take(wait_s=0, force=True, on_wait=lambda holder: None)
        world.now += 1
    assert waits(world, ANNA) <= LEASE_S + 3


# ── The same run, and processes of this machine ──────────────────────────────────────────────────

HERE = "host/boot/ns"


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(replace(ANNA, attempt=2, runner="other"), id="a later attempt, elsewhere"),
        pytest.param(replace(ANNA, machine="a container"), id="a later step of the job"),
    ],
)
def test_the_same_run_takes_its_own_lock_over_at_once(world: World, now: Holder) -> None:
    world.take(ANNA)
    assert world.take(now).taken.number == 2
    assert world.paused == []


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(replace(ANNA, runner="r7"), id="another leg of the matrix"),
        pytest.param(replace(ANNA, runner=""), id="a runner that is not known"),
        pytest.param(replace(ANNA, attempt=0), id="an earlier attempt"),
        pytest.param(replace(ANNA, run="retail/41/other"), id="another job of the run"),
        pytest.param(replace(ANNA, run=""), id="no run at all"),
        pytest.param(BERT, id="another run"),
    ],
)
def test_somebody_else_waits(world: World, now: Holder) -> None:
    world.take(ANNA)
    with pytest.raises(Held):
        world.take(now)


def test_two_runners_without_a_name_are_not_one_runner(world: World) -> None:
    nameless = replace(ANNA, runner="")
    world.take(nameless)
    with pytest.raises(Held):
        world.take(nameless)


def test_the_lock_of_a_dead_process_of_this_machine_is_taken_over_at_once(world: World) -> None:
    world.take(Holder("me", machine="host/boot/ns", process="17:1"))
    alive = {"17:1"}
    me = Holder("me", machine="host/boot/ns", process="18:1")
    with pytest.raises(Held):
        world.take(me, alive=lambda process: process in alive)
    alive.clear()
    assert world.take(me, alive=lambda process: process in alive).taken.number == 2


def test_a_living_process_of_this_machine_is_not_taken_over_although_it_is_the_same_run(
    world: World,
) -> None:
    world.take(replace(ANNA, process="17:1", machine=HERE))
    with pytest.raises(Held):
        world.take(replace(ANNA, attempt=2, process="18:1", machine=HERE))


def test_a_process_of_another_machine_is_not_asked_for(world: World) -> None:
    world.take(Holder("me", machine="other/boot/ns", process="17:1"))
    with pytest.raises(Held):
        world.take(Holder("me", machine=HERE), alive=lambda process: False)


def test_what_the_same_run_left_halfway_is_not_waited_for(world: World) -> None:
    world.before = raising(KeyboardInterrupt(), "create", "claim")
    with pytest.raises(KeyboardInterrupt):
        world.take(ANNA)
    del world.files[next(name for name in world.files if "released" in name)]  # it was killed
    world.before = lambda kind, name: None
    assert world.take(replace(ANNA, attempt=2)).taken.number == 2
    assert world.paused == []


def test_all_who_stand_for_a_generation_must_be_ours(world: World) -> None:
    # Its claim may be of another one, where exclusive create is none.
    held = world.take(BERT)
    ours = world.lock(ANNA)._holder_now()
    world.forge("00000001.intent-00000000000000aa-120.json", claim_of("00000000000000aa", ours))
    world.forge("00000001.claim.json", claim_of("00000000000000aa", ours))
    with pytest.raises(Held):
        world.take(replace(ANNA, attempt=2))
    assert kept(held)


def test_after_a_run_took_over_at_once_and_swept_nobody_waits_for_the_one_that_died(
    world: World,
) -> None:
    world.take(ANNA)
    held = world.take(replace(ANNA, attempt=2))
    held._sweep()
    held.release()
    assert world.take(BERT).taken.number == 3


# ── Force ────────────────────────────────────────────────────────────────────────────────────────


def test_force_takes_a_held_lock_and_the_holder_notices(world: World) -> None:
    held = world.take(ANNA)
    forced = world.take(BERT, force=True)
    assert forced.taken.number == 2
    assert kept(forced)
    world.now += LEASE_S / 2 + 1
    assert "another run took it over" in why_lost(held)


def test_of_two_that_force_one_waits_for_the_other(world: World) -> None:
    world.take(ANNA)
    others: list[Holding] = []

    def before(kind: str, name: str) -> None:
        if kind == "create" and "intent" in name and not others:
            others.append(world.take(replace(ANNA, name="carl"), force=True))

    world.before = before
    with pytest.raises(Held, match="carl"):
        world.take(BERT, force=True)
    assert kept(others[0])


def test_force_of_a_free_lock_is_nothing_special(world: World) -> None:
    assert world.take(ANNA, force=True).taken.number == 1


# ── Trouble while it is taken ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("error", [Denied("no"), Unavailable("503"), Refused("odd"), Interrupted()])
@pytest.mark.parametrize("part", ["intent", "claim"])
def test_who_can_not_take_it_says_why_and_is_in_nobodys_way(
    world: World, error: Exception, part: str
) -> None:
    world.before = raising(error, "create", part)
    with pytest.raises(type(error)):
        world.take(ANNA)
    world.before = lambda kind, name: None
    assert world.take(BERT).taken.number <= 2


def test_a_claim_that_arrives_although_its_create_failed_is_in_nobodys_way(world: World) -> None:
    def late(kind: str, name: str) -> None:
        if kind == "create" and "claim" in name:
            world.files[name] = (b"{}", world.now)
            raise Unavailable("no answer")

    world.before = late
    with pytest.raises(Unavailable):
        world.take(ANNA)
    world.before = lambda kind, name: None
    assert world.take(BERT).taken.number == 2


def test_a_contender_whose_intent_was_swept_away_tries_again(world: World) -> None:
    swept: list[bool] = []

    def before(kind: str, name: str) -> None:
        if kind == "create" and "intent" in name and not swept:
            swept.append(True)
            for _ in range(2):
                world.take(BERT).release()
            raise Refused("it was gone right after it was uploaded")

    world.before = before
    assert world.take(ANNA).taken.number == 3


def test_a_contender_whose_claim_was_written_over_tries_again(world: World) -> None:
    def before(kind: str, name: str) -> None:
        if kind == "create" and name == "00000001.claim.json":
            world.files[name] = (claim_of("00000000000000aa", BERT), world.now)
            raise Refused("it has another size")

    world.before = before
    assert world.take(ANNA).taken.number == 2


def test_a_clock_file_that_was_swept_away_is_made_again(world: World) -> None:
    world.take(BERT)
    refused: list[bool] = []

    def before(kind: str, name: str) -> None:
        if kind == "create" and name.startswith("00000000") and not refused:
            refused.append(True)
            raise Refused("it was gone right after it was uploaded")

    world.before = before
    assert waits(world, ANNA) <= LEASE_S + 3
    assert refused == [True]


def test_where_nothing_can_be_agreed_on_it_says_so_before_long(world: World) -> None:
    def displaced(kind: str, name: str) -> None:
        if kind == "read" and "claim" in name:
            world.forge(name, claim_of("00000000000000aa", BERT))

    world.before = displaced
    began = world.now
    with pytest.raises(Contended, match="tries in a row"):
        world.take(ANNA, wait_s=10_000)
    assert world.now - began < 60


def test_a_contender_that_died_at_the_same_number_is_waited_for_as_if_it_held_the_lock(
    world: World,
) -> None:
    def another_one_dies(kind: str, name: str) -> None:
        if (kind, name) == ("create", "00000001.claim.json"):
            world.forge("00000001.intent-00000000000000aa-120.json", claim_of("aa", BERT))

    world.before = another_one_dies
    with pytest.raises(Held):
        world.take(ANNA)
    assert sum(world.paused) < 15  # it may be about to give up
    assert waits(world, ANNA) <= LEASE_S + 3
