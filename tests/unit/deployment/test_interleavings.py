"""The lock in every order of calls: two and three contenders, by the model checker of `interleavings`.

Each test bounds from below how many states were visited, so that a checker which looks at nothing fails. The
locks at the end are wrong on purpose: the same checker has to find two writers, or one who waits in vain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import pytest

from deployer.deployment.claims import Generation, Taken, View
from deployer.deployment.holding import Holding, Me, Moment
from deployer.deployment.lock import Lock
from tests.unit.deployment.interleavings import (
    LEASE_S,
    Broken,
    Contender,
    explore,
    wander,
    works,
)

MODES = ("atomic", "racy", "ignored")
LONG_S = LEASE_S * 1.25
"""A sleep after which others have taken over."""
TROUBLES: Mapping[str, Contender] = {
    "none": works(),
    "death": works(dies=True),
    "failure": works(fails=True),
    "sleep": works(sleeps=(LONG_S,), forgets=True),
}


# ── Two contenders: all orders ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("trouble", "at_least", "latest_s", "outcomes"),
    [
        ("none", 900, LEASE_S, {("done", "done")}),
        ("death", 3_000, 3 * LEASE_S, {("done", "done"), ("dead", "done")}),
        ("failure", 3_000, 3 * LEASE_S, {("done", "done"), ("failed", "done")}),
        ("sleep", 15_000, 3 * LEASE_S, {("done", "done"), ("lost", "done")}),
    ],
)
def test_of_two_contenders_at_most_one_may_write_in_any_order_of_their_calls(
    mode: str, trouble: str, at_least: int, latest_s: float, outcomes: set[tuple[str, ...]]
) -> None:
    found = explore([TROUBLES[trouble], works()], mode=mode)
    assert found.complete
    assert found.with_a_writer > 100
    assert found.states > at_least
    assert found.latest <= latest_s
    # Whoever could not renew in time has lost it; else everybody had the lock, one after the other.
    may_be = outcomes | ({("lost", "done")} if trouble == "failure" else set())
    assert outcomes <= found.outcomes <= may_be


@pytest.mark.parametrize("mode", MODES)
def test_a_listing_that_is_torn_by_writes_makes_no_second_writer(mode: str) -> None:
    found = explore([works(), works()], mode=mode, torn=True)
    assert found.complete
    assert found.with_a_writer > 100
    assert found.states > 1_500
    assert found.outcomes == {("done", "done")}


# ── Three contenders, and more trouble ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", MODES)
def test_of_three_contenders_at_most_one_may_write_with_two_turns_taken_from_others(
    mode: str,
) -> None:
    found = explore([works(0), works(0), works(0)], mode=mode, luck=0, turns=2)
    assert found.complete
    assert found.with_a_writer > 100
    assert found.states > 8_000
    assert found.outcomes == {("done", "done", "done")}


@pytest.mark.parametrize("mode", MODES)
def test_of_three_contenders_of_whom_one_dies_the_others_get_it(mode: str) -> None:
    turns = (
        0 if mode == "racy" else 1
    )  # there the turns within a create, and a late one, come on top
    found = explore([works(0, dies=True), works(0), works(0)], mode=mode, turns=turns)
    assert found.complete
    assert found.with_a_writer > 100
    assert found.states > 3_000
    assert found.outcomes == {("done", "done", "done"), ("dead", "done", "done")}


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_on_walks_by_chance_through_much_trouble_at_most_one_may_write(
    mode: str, torn: bool
) -> None:
    trouble: dict[str, Any] = {"sleeps": (LEASE_S * 0.6, LONG_S), "dies": True, "fails": True}
    contenders = [
        works(2, **trouble, sweeps=True),
        works(1, **trouble, lease_s=3.0, forgets=True),
        works(2, sleeps=(4.0, 30.0), fails=True, lease_s=20.0),
    ]
    found = wander(contenders, mode=mode, torn=torn, luck=5, walks=60)
    assert found.states > 2_000
    everything = {outcome for ending in found.outcomes for outcome in ending}
    assert {"done", "dead", "failed", "lost"} <= everything
    assert "contended" not in everything


# ── The checker can fail: locks that are wrong ───────────────────────────────────────────────────


class _BlindToOthers(Lock):
    """Believes its claim, and looks for nobody else's intent."""

    def _is_settled(self, taken: Taken) -> bool:
        return self._claimed_by(taken) == taken.public


class _NeverLooksAgain(Lock):
    """Believes that an exclusive create is enough."""

    def _is_settled(self, taken: Taken) -> bool:
        return True


class _TrustsItsFirstLook(Lock):
    """Does not ask again, after the claim, whether a lower generation came back to life."""

    def _in_the_way(self, view: View, number: int) -> Generation | None:
        taking = number in view.generations
        return None if taking else super()._in_the_way(view, number)


class _Hasty(Lock):
    """Takes over after a part of a lease."""

    def _lease_s(self, one: Generation) -> float:
        return super()._lease_s(one) / 4


class _Patient(Lock):
    """Never takes over."""

    def _seconds_left(self, one: Generation) -> float:
        return self._lease_s(one)


class _Withdraws(Lock):
    """Takes its intent away once it holds the lock."""

    def _is_settled(self, taken: Taken) -> bool:
        settled = super()._is_settled(taken)
        if settled:
            self._records.delete(taken.intent(self._me.lease_s))
        return settled


@pytest.mark.parametrize(
    ("takes", "mode", "trouble", "problem"),
    [
        (_BlindToOthers, "racy", "none", "may write"),
        (_BlindToOthers, "ignored", "none", "may write"),
        (_NeverLooksAgain, "racy", "none", "may write"),
        (_NeverLooksAgain, "ignored", "none", "may write"),
        (_NeverLooksAgain, "atomic", "sleep", "may write"),
        (_TrustsItsFirstLook, "atomic", "sleep", "may write"),
        (_Hasty, "atomic", "sleep", "may write"),
        (_Withdraws, "racy", "none", "may write"),
        (_Patient, "atomic", "death", "in vain"),
    ],
)
def test_a_lock_that_is_wrong_is_caught_by_the_same_checker(
    takes: type[Lock], mode: str, trouble: str, problem: str
) -> None:
    wrong = works(takes=takes)
    with pytest.raises(Broken, match=problem):
        explore([_as(TROUBLES[trouble], takes), wrong], mode=mode)


def _as(contender: Contender, takes: type[Lock]) -> Contender:
    return works(
        contender.rounds,
        dies=contender.dies,
        sleeps=contender.sleeps,
        forgets=contender.forgets,
        takes=takes,
    )


def _forgetful(moment: Moment, me: Me) -> float:
    return me.monotonic() - moment.monotonic


@pytest.mark.parametrize(
    ("owner", "name", "wrong"),
    [
        pytest.param(Holding, "_is_stale", lambda self: False, id="never looks again"),
        pytest.param(Holding, "_why_lost", lambda self, view: "", id="ignores what it sees"),
        pytest.param(Moment, "age_s", _forgetful, id="its clock stands still while it sleeps"),
    ],
)
def test_a_holder_that_is_wrong_is_caught_by_the_same_checker(
    owner: type, name: str, wrong: object
) -> None:
    with patch.object(owner, name, wrong), pytest.raises(Broken, match="may write"):
        explore([TROUBLES["sleep"], works()])


def test_listings_that_lack_what_was_written_can_make_two_writers() -> None:
    # What the protocol can't do without (docs/reliability.md), so the checker has to see that, too.
    blind = works(0, overlooks=True)
    with pytest.raises(Broken, match="may write"):
        explore([blind, blind], mode="racy", luck=2, turns=3)
