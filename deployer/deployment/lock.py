"""Locks: at most one writer, by files that are only ever created and looked at.

Owns the taking of a lock; docs/reliability.md explains the protocol. Each taking is a generation with a
number. Whoever wants it first writes an intent under a name of its own, then creates the claim of the next
generation exclusively, and then looks again: the highest claim counts, and it has to be its own. Two
that claim one generation see each other's intents, because each wrote its own before it looked. So
there is one holder if exclusive create is atomic, and also if it is not but a listing shows what was
written before it. A holder that shows no sign of life for a lease is taken over by the next generation.
Times are those that the service gives to files. What a holder may do is the business of `holding`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

from deployer.deployment.claims import (
    HIGHEST,
    Claim,
    Generation,
    Holder,
    View,
    claim_from,
    file_name,
    view_of,
)
from deployer.deployment.holding import API_ERRORS, Holding, Me, Moment, Taken
from deployer.deployment.ports import AlreadyExists, Interrupted, Records, StoredFile

_SETTLING_S = 10.0  # how long another contender's intent is waited for to go
_LOOK_S = 3.0  # between two looks at a lock that somebody holds
_MOST_CONTENDED = 2  # times in a row; once may be a run that was killed in between


class Held(Exception):
    """Somebody else holds the lock, and did so until the waiting time was over."""

    def __init__(self, holder: Holder, seconds_left: float) -> None:
        super().__init__(holder.label)
        self.holder = holder
        self.seconds_left = seconds_left


class Contended(Exception):
    """No holder can be agreed on: exclusive create is not exclusive here."""


class Lock:
    """One lock, whoever holds it."""

    _files_ahead_ms: int | None = None  # of the clock that `me` asks; known once it matters

    def __init__(self, records: Records, me: Me) -> None:
        self._records = records
        self._me = me
        self._watched: tuple[tuple[int, int], float] | None = (
            None  # a last sign, since when we see it
        )

    def number(self) -> int:
        """The number of the last generation: 0 when there was none, negative while it is not given back."""
        top = self._look().top
        if top is None:
            return 0
        return top.number if top.released else -top.number

    def take(
        self, *, wait_s: float, force: bool = False, on_wait: Callable[[Holder], None]
    ) -> Holding:
        """Take the lock; wait up to `wait_s` seconds while somebody else holds it.

        `on_wait` is told of each other holder once. `force` takes it from whoever holds it.
        Raises Held, Contended, Interrupted, and as `Records`.
        """
        started = self._me.monotonic()
        told: set[Holder] = set()
        contended = 0
        while True:
            view = self._look()
            top = view.top
            if top is not None and not top.released and not force:
                claim = self._claim_of(top)
                if not self._is_over(top, claim):
                    if self._me.monotonic() - started >= wait_s:
                        left_s = claim.lease_s - self._age_s(top.last_sign_ms)
                        raise Held(claim.holder, max(0.0, left_s))
                    if claim.holder not in told:
                        told.add(claim.holder)
                        on_wait(claim.holder)
                    self._me.pause(min(_LOOK_S, claim.lease_s / 4))
                    continue
            try:
                held = self._try(view, top)
            except Contended:
                contended += 1
                if contended > _MOST_CONTENDED:
                    raise
                held = None
            if held is not None:
                return held
            self._me.pause(0.1)

    def release_left(self, taken: Taken) -> bool:
        """Give back what an earlier process of this run took and left; whether there was something.

        Raises as `Records`.
        """
        top = self._look().top
        if top is None or top.released or top.number != taken.number:
            return False
        if self._claim_of(top).nonce != taken.nonce:
            return False
        with contextlib.suppress(AlreadyExists):
            self._records.create(file_name(top.number, "released"), b"{}\n")
        return True

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────

    def _look(self) -> View:
        return view_of(self._records.listed())

    def _claim_of(self, top: Generation) -> Claim:
        return claim_from(self._records.read(file_name(top.number, "claim")), self._me.lease_s)

    def _is_over(self, top: Generation, claim: Claim) -> bool:
        """Whether its holder is known to be gone, or showed no sign of life for a lease."""
        if self._is_ours(claim.holder):
            return True
        sign = (top.number, top.last_sign_ms)
        if self._watched is None or self._watched[0] != sign:
            self._watched = (sign, self._me.monotonic())
        watched_s = self._me.monotonic() - self._watched[1]
        return watched_s > claim.lease_s or self._older_than(claim.lease_s, top.last_sign_ms)

    def _age_s(self, modified_ms: int) -> float:
        """How long ago a file was made, in seconds, by the clock that is known so far."""
        return (self._me.now_ms() + (self._files_ahead_ms or 0) - modified_ms) / 1000

    def _older_than(self, seconds: float, modified_ms: int) -> bool:
        """Whether a file is older than that, by the clock that gives files their times.

        The clock of the service's answers may be another one, so what it says is made sure of, once.
        """
        if self._files_ahead_ms is None and self._age_s(modified_ms) > seconds:
            probe = file_name(0, f"intent-{self._me.nonce()}")
            asked_ms = self._me.now_ms()
            self._records.create(probe, b"{}\n")
            made = {one.path.rsplit("/", 1)[-1]: one.modified_ms for one in self._records.listed()}
            self._records.delete(probe)
            self._files_ahead_ms = made.get(probe, asked_ms) - asked_ms
        return self._age_s(modified_ms) > seconds

    def _is_ours(self, theirs: Holder) -> bool:
        """Whether the holder was an earlier step or attempt of this very run, or died on this machine."""
        mine = self._me.holder
        if theirs.machine and theirs.machine == mine.machine and theirs.process:
            return not self._me.alive(theirs.process)
        if not theirs.run or theirs.run != mine.run:
            return False
        # A job runs its steps one after the other, on one runner; an attempt begins after the last ended.
        same_runner = theirs.attempt == mine.attempt and theirs.runner == mine.runner != ""
        return theirs.attempt < mine.attempt or same_runner

    # ── Claiming ─────────────────────────────────────────────────────────────────────────────────

    def _try(self, view: View, top: Generation | None) -> Holding | None:
        """Try to claim the next generation; None when somebody else was quicker. Raises Contended."""
        number = self._next_number(view, top)
        if number > HIGHEST:
            raise Contended("the numbers of its generations are used up; delete its folder")
        claim = self._my_claim()
        intent = file_name(number, f"intent-{claim.nonce}")
        began = Moment.now(self._me)
        try:
            self._records.create(intent, claim.to_bytes())
            with contextlib.suppress(AlreadyExists):
                self._records.create(file_name(number, "claim"), claim.to_bytes())
                if self._settled(number, claim.nonce):
                    taken = Taken(self._records.folder, number, claim.nonce)
                    return Holding(self._records, self._me, taken, began)
        except BaseException:
            self._withdraw(number, claim.nonce)
            raise
        self._records.delete(intent)
        return None

    def _my_claim(self) -> Claim:
        now = time.gmtime(self._me.now_ms() / 1000)
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", now)
        return Claim(
            self._me.nonce(), replace(self._me.holder, since=since), float(self._me.lease_s)
        )

    def _next_number(self, view: View, top: Generation | None) -> int:
        """One above the last claim; a number whose contenders all died before they claimed is left out."""
        number = (top.number if top else 0) + 1
        while number in view.generations and all(
            self._older_than(self._me.lease_s, one.modified_ms)
            for one in view.generations[number].intents()
        ):
            number += 1
        return number

    def _settled(self, number: int, nonce: str) -> bool:
        """Whether the claim is ours, and nobody else can think that it holds this generation.

        Raises Contended.
        """
        started = self._me.monotonic()
        while True:
            view = self._look()
            mine, top = view.generations.get(number), view.top
            if mine is None or top is None or top.number != number or mine.released:
                return False
            if self._claim_of(mine).nonce != nonce:
                return False
            others = [one for one in mine.intents(but=nonce) if not self._is_left_of_ours(one)]
            if not others:
                return True
            if self._me.monotonic() - started > _SETTLING_S:
                raise Contended(f"{len(others)} others claim generation {number}")
            self._me.pause(0.2)

    def _is_left_of_ours(self, intent: StoredFile) -> bool:
        """Whether an intent is of this very run's past, or of a process that died here: it claims no more."""
        content = self._records.read(intent.path.rsplit("/", 1)[-1])
        return content is not None and self._is_ours(claim_from(content, self._me.lease_s).holder)

    def _withdraw(self, number: int, nonce: str) -> None:
        """Give up what was begun, as far as that works; the lease ends the rest.

        The claim is only given back where nobody else can hold this generation.
        """
        with contextlib.suppress(*API_ERRORS, AlreadyExists, Interrupted):
            mine = self._look().generations.get(number)
            alone = mine is not None and mine.claimed and not mine.intents(but=nonce)
            if mine and alone and self._claim_of(mine).nonce == nonce:
                self._records.create(file_name(number, "released"), b"{}\n")
        with contextlib.suppress(*API_ERRORS, Interrupted):
            self._records.delete(file_name(number, f"intent-{nonce}"))
