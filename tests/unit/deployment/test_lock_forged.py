"""What others wrote into the folder of a lock: it blocks for a lease at most, and makes no two holders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.deployment.claims import Claim, Holder, Taken, claim_from, file_name
from deployer.deployment.lock import Held
from deployer.deployment.ports import Denied, Refused
from tests.unit.deployment.lock_world import (
    ANNA,
    BERT,
    LEASE_S,
    World,
    claim_of,
    kept,
    raising,
    waits,
    world,
)

__all__ = ["world"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe",
        b"[]",
        b"null",
        b"17",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"holder": [], "nonce": 7}',
        b'{"holder": {"name": "\\ud800", "attempt": 1e400, "run": null}}',
        b'{"holder": {"attempt": ' + b"9" * 5000 + b"}}",
        b'{"nonce": NaN, "lease_s": -Infinity}',
    ],
)
def test_a_claim_of_garbage_blocks_for_a_lease_and_names_somebody_unknown(
    world: World, content: bytes
) -> None:
    world.forge("00000001.claim.json", content)
    with pytest.raises(Held) as refused:
        world.take(ANNA)
    assert refused.value.holder.label in {"somebody unknown", "?"}
    assert waits(world, ANNA) <= LEASE_S + 3


def test_a_claim_that_is_too_large_or_locked_away_blocks_for_a_lease(world: World) -> None:
    for error in (Refused("too large"), Denied("no")):
        one = World()
        one.forge("00000001.claim.json")
        one.forge("00000001.intent-00000000000000aa-120.json")
        one.before = raising(error, "read", "00000001")
        assert waits(one, ANNA) <= LEASE_S + 3


@pytest.mark.parametrize("lease", ["0", "1", "120", "3600", "9999"])
def test_no_intent_counts_for_longer_than_the_longest_lease(world: World, lease: str) -> None:
    world.forge(f"00000001.intent-00000000000000aa-{lease}.json")
    most_s = min(max(int(lease), 1), 3600)
    assert waits(world, ANNA) <= most_s + 4


@pytest.mark.parametrize(
    "name",
    [
        "00000001.intent-00000000000000aa--5.json",
        "00000001.intent-00000000000000aa-NaN.json",
        "00000001.intent-00000000000000aa-10000.json",
        "00000001.intent-00000000000000AA-120.json",
        "0000000001.claim.json",
        "٠٠٠٠٠٠٠١.claim.json",
        "-0000001.claim.json",
        "00000001.claim.json.bak",
        "00000001.alive-000001.json",
        "claim.json",
    ],
)
def test_files_of_other_names_are_none_of_ours(world: World, name: str) -> None:
    world.forge(name)
    assert world.take(ANNA).taken.number == 1
    assert world.paused == []


@pytest.mark.parametrize("number", [50_000_001, 99_999_999])
def test_a_high_number_blocks_for_a_lease_and_uses_none_up(world: World, number: int) -> None:
    world.now = 1_800_000_000.0  # above this, numbers are bounded by the time of their files
    world.forge(file_name(number, "claim"))
    assert waits(world, ANNA) <= LEASE_S + 3
    for _ in range(3):
        world.take(ANNA).release()
    assert world.lock(ANNA).number() == number + 4


def test_a_number_as_high_as_the_time_blocks_for_a_lease_and_uses_none_up(world: World) -> None:
    world.now = 1_800_000_000.0
    world.forge(file_name(int(world.now * 1000), "claim"))
    assert waits(world, ANNA) <= LEASE_S + 3
    held = world.take(BERT)
    held._sweep()
    world.now += LEASE_S / 2 + 1
    assert kept(held)
    with pytest.raises(Held):
        world.take(ANNA)


@pytest.mark.parametrize("number", [1_800_000_000_001, 9_999_999_999_999])
def test_a_number_above_the_time_of_its_file_was_made_up(world: World, number: int) -> None:
    world.now = 1_800_000_000.0
    world.forge(file_name(number, "claim"))
    assert world.take(ANNA).taken.number == 1


def test_nobody_else_can_say_that_a_holder_is_done(world: World) -> None:
    held = world.take(ANNA)
    world.forge("00000001.released.json")
    world.forge(f"00000001.{held.taken.public}.released.json")
    world.forge("00000001.00000000000000aa.released.json")
    with pytest.raises(Held):
        world.take(BERT)
    assert kept(held)


def test_a_higher_generation_that_was_forged_stops_the_holder_and_lets_nobody_in_before_its_time(
    world: World,
) -> None:
    held = world.take(ANNA)
    forged = Taken(world.folder, 5, "00000000000000aa")
    world.forge(forged.intent(1))
    world.forge("00000005.claim.json", claim_of(forged.public, BERT))
    world.forge(forged.released)
    with pytest.raises(Held, match="anna"):
        world.take(BERT)
    world.now += LEASE_S / 2 + 1
    assert not kept(held)


def test_a_claim_that_is_written_over_takes_nothing_from_its_holder_and_gives_it_to_nobody(
    world: World,
) -> None:
    held = world.take(ANNA)
    world.forge("00000001.claim.json", claim_of("00000000000000aa", BERT))
    with pytest.raises(Held):
        world.take(BERT)
    world.now += LEASE_S / 2 + 1
    assert kept(held)


_PARTS = st.sampled_from(
    [
        "claim",
        "intent-00000000000000aa-1",
        "intent-00000000000000bb-3600",
        "alive-00000000000000cc",
        "00000000000000dd.released",
        f"{'0' * 16}.released",
    ]
)
_FORGED = st.lists(
    st.tuples(st.integers(0, 6) | st.integers(0, 10**13 - 1), _PARTS, st.binary(max_size=60)),
    max_size=8,
)


@given(_FORGED, _FORGED)
def test_whatever_lies_there_somebody_gets_it_after_the_longest_lease_and_is_the_only_one(
    before: list[tuple[int, str, bytes]], meanwhile: list[tuple[int, str, bytes]]
) -> None:
    world = World(now=1_800_000_000.0)
    for number, part, content in before:
        world.forge(file_name(number, part), content)
    began = world.now
    held = world.take(ANNA, wait_s=10_000)
    assert world.now - began <= 3600 + 3
    for number, part, content in meanwhile:
        world.files.setdefault(file_name(number, part), (content, world.now))
    try:
        other = world.take(BERT)
    except Held:
        return
    assert not (kept(other) and kept(held))


@pytest.mark.parametrize("lease_s", [0, -1, float("nan"), float("inf"), 3601])
def test_nobody_counts_on_a_lease_that_others_do_not_believe_in(
    world: World, lease_s: float
) -> None:
    with pytest.raises(ValueError, match="lease"):
        world.me(ANNA, lease_s=lease_s)


@given(st.binary() | st.text().map(str.encode))
def test_whatever_a_claim_holds_its_holder_can_be_told(content: bytes) -> None:
    holder = claim_from(content).holder
    assert holder.label.encode("utf-8")
    assert len(holder.label) < 2000


@given(
    st.builds(
        Holder,
        name=st.text(max_size=300),
        run_url=st.text(max_size=300),
        attempt=st.integers(),
        runner=st.text(max_size=300),
    )
)
def test_a_holder_comes_out_of_its_claim_as_it_went_in(holder: Holder) -> None:
    read = claim_from(Claim("00000000000000aa", holder).to_bytes()).holder
    assert read == holder
