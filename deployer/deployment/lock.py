"""Locks: at most one writer, by files that are only ever created and looked at.

Owns the taking of a lock; docs/reliability.md explains the protocol. Each taking is a generation with a
number. Who wants the lock waits until all generations are over: whoever stood for one said to be done, or
showed no sign of life for a lease. Then it stands for the next number by an intent under a name of its
own, creates the claim of that number exclusively, and looks again. It holds the lock if its claim is the
highest, and nobody else stands for this number or for a lower one. Else it says that it is done with this
number, and begins anew.

There is one holder because everybody writes first and looks then. Of two for one number, the later look
sees the other's intent. Of two numbers, either the higher one's look sees the last sign of life of the lower
one, or the lower one's look sees the higher claim. That takes a listing that shows what was written before
it began, and no exclusive create: this one only decides quickly between two for one number, and where it
lets both through, the content of the claim does. What a holder may do is the business of `holding`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

from deployer.deployment.claims import (
    Claim,
    Generation,
    Holder,
    Taken,
    View,
    claim_from,
    file_name,
    view_of,
)
from deployer.deployment.holding import API_ERRORS, Holding, Me, Moment
from deployer.deployment.ports import AlreadyExists, Denied, Interrupted, Records, Refused

_SETTLING_S = 10.0  # how long another one that stands for the same number is waited for
_LOOK_S = 3.0  # between two looks at a lock that somebody holds
_MOST_TRIES = 3  # in a row that may come to nothing, and take no longer than settling
_COARSE_S = 1.0  # what times of files may leave out


class Held(Exception):
    """Somebody else holds the lock, and did so until the waiting time was over."""

    def __init__(self, holder: Holder, seconds_left: float) -> None:
        super().__init__(holder.label)
        self.holder = holder
        self.seconds_left = seconds_left


class Contended(Exception):
    """No holder can be agreed on: what we write is written over, or not shown."""


class Lock:
    """One lock, whoever holds it."""

    def __init__(self, records: Records, me: Me) -> None:
        self._records = records
        self._me = me
        self._forced = 0  # the highest number that is over because we say so
        self._known: dict[str, Holder] = {}  # of intents, by name
        self._seen: dict[int, tuple[frozenset[str], float]] = {}  # signs by number, and since when
        self._files_ahead_ms: int | None = None  # of the clock that `me` asks
        self._compared = False  # whether that was tried

    def number(self) -> int:
        """The number of the last generation: 0 when there was none, negative while it is not given back."""
        top = self._look().top
        if top is None:
            return 0
        return top.number if top.is_over else -top.number

    def take(
        self, *, wait_s: float, force: bool = False, on_wait: Callable[[Holder], None]
    ) -> Holding:
        """Take the lock; wait up to `wait_s` seconds while somebody else holds it.

        `on_wait` is told of each other holder once. `force` takes it from whoever holds it now.
        Raises Held, Contended, Interrupted, and as `Records`.
        """
        started = since = self._me.monotonic()
        self._forced = self._look().highest if force else 0
        told: set[Holder] = set()
        tries = 0
        while True:
            view = self._look()
            other = self._in_the_way(view, view.highest + 1)
            if other is not None:
                holder = self._holder(other)
                if self._me.monotonic() - started >= wait_s:
                    raise Held(holder, max(0.0, self._seconds_left(other)))
                if holder not in told:
                    told.add(holder)
                    on_wait(holder)
                self._me.pause(min(_LOOK_S, self._lease_s(other) / 4))
                tries, since = 0, self._me.monotonic()
                continue
            held = self._try(view.highest + 1)
            if held is not None:
                return held
            tries += 1
            if tries > _MOST_TRIES and self._me.monotonic() - since > _SETTLING_S:
                raise Contended(f"{tries} tries in a row came to nothing, and nobody holds it")
            self._me.pause(0.1 * tries)

    def release_left(self, taken: Taken) -> bool:
        """Give back what an earlier process of this run took and left; whether there was something.

        Raises as `Records`.
        """
        left = self._look().generations.get(taken.number)
        if left is None or taken.public not in left.standing:
            return False
        with contextlib.suppress(AlreadyExists):
            self._records.create(taken.released, b"{}\n")
        return True

    # ── Who is in the way ────────────────────────────────────────────────────────────────────────

    def _look(self) -> View:
        return view_of(self._records.listed())

    def _in_the_way(self, view: View, number: int) -> Generation | None:
        """The highest generation below `number` that is not over; None if all are."""
        # Each is asked, the lower ones too: they get old at the same time, not one after the other.
        found = [one for one in view.below(number) if not self._is_over(one)]
        return found[0] if found else None

    def _is_over(self, one: Generation) -> bool:
        """Whether nobody who stands for it can be at work."""
        if one.is_over or one.number <= self._forced or self._is_ours(one):
            return True
        return self._seconds_left(one) < 0

    def _lease_s(self, one: Generation) -> float:
        return one.lease_s(self._me.lease_s)

    def _seconds_left(self, one: Generation) -> float:
        """For how long it counts without another sign of life; negative when it does not any more.

        It counts no more when its files are that old by the clock that gives them their times, or when we
        saw them for that long without a change.
        """
        seen = self._seen.get(one.number)
        if seen is None or seen[0] != one.signs:
            seen = self._seen[one.number] = (one.signs, self._me.monotonic())
        left_s = self._lease_s(one) - (self._me.monotonic() - seen[1])
        ahead_ms = self._ahead_ms()
        if ahead_ms is None:
            return left_s
        age_s = (self._me.now_ms() + ahead_ms - one.last_sign_ms) / 1000
        return min(left_s, self._lease_s(one) + _COARSE_S - age_s)

    def _ahead_ms(self) -> int | None:
        """By how much the clock of files is ahead of ours, never too much; None when that can't be told.

        The service's answers may be timed by another clock than its files, so a file is made to see.
        """
        if not self._compared:
            probe = file_name(0, f"alive-{self._me.nonce()}")  # of a number that nobody takes
            try:
                self._records.create(probe, b"{}\n")
            except Refused:  # swept away by who took the lock just now: another look tells more
                return None
            at_most_ms = self._me.now_ms()
            made = {one.path.rsplit("/", 1)[-1]: one.modified_ms for one in self._records.listed()}
            with contextlib.suppress(*API_ERRORS):
                self._records.delete(probe)
            self._files_ahead_ms = made[probe] - at_most_ms if probe in made else None
            self._compared = True
        return self._files_ahead_ms

    # ── Whose it is ──────────────────────────────────────────────────────────────────────────────

    def _is_ours(self, one: Generation) -> bool:
        """Whether all who stand for it were steps or attempts of this very run, or died on this machine."""
        intents = [file_name(one.number, part) for part in one.standing.values()]
        return bool(intents) and all(self._is_gone(self._stated(name)) for name in intents)

    def _is_gone(self, theirs: Holder) -> bool:
        mine = self._me.holder
        if theirs.machine and theirs.machine == mine.machine and theirs.process:
            return not self._me.alive(theirs.process)
        if not theirs.run or theirs.run != mine.run:
            return False
        # A job runs its steps one after the other, on one runner; an attempt begins after the last ended.
        same_runner = theirs.attempt == mine.attempt and theirs.runner == mine.runner != ""
        return theirs.attempt < mine.attempt or same_runner

    def _holder(self, one: Generation) -> Holder:
        """Who is to be told of: the holder, or somebody who is about to be."""
        part = "claim" if one.claimed else next(iter(one.standing.values()))
        return self._stated(file_name(one.number, part))

    def _stated(self, name: str) -> Holder:
        """Whom a file names; somebody unknown when it can't be read. Intents are read once."""
        if name in self._known:
            return self._known[name]
        try:
            content = self._records.read(name)
        except (Denied, Refused):
            content = b""
        holder = claim_from(content).holder
        if content is not None and "intent" in name:
            self._known[name] = holder
        return holder

    # ── Taking ───────────────────────────────────────────────────────────────────────────────────

    def _try(self, number: int) -> Holding | None:
        """Try to take this generation; None when somebody else was quicker."""
        taken = Taken(self._records.folder, number, self._me.nonce())
        claim = Claim(taken.public, self._holder_now()).to_bytes()
        began = Moment.now(self._me)
        held = False
        try:
            with contextlib.suppress(AlreadyExists):
                self._records.create(taken.intent(self._me.lease_s), claim)
                self._records.create(file_name(number, "claim"), claim)
                held = self._is_settled(taken)
        except Refused:
            if not self._was_displaced(taken):
                raise
        finally:
            if not held:
                self._give_up(taken)
        return Holding(self._records, self._me, taken, began) if held else None

    def _holder_now(self) -> Holder:
        now = time.gmtime(self._me.now_ms() / 1000)
        return replace(self._me.holder, since=time.strftime("%Y-%m-%d %H:%M:%S UTC", now))

    def _is_settled(self, taken: Taken) -> bool:
        """Whether nobody else can think that it holds the lock; waits a little for those who give up."""
        started = self._me.monotonic()
        while True:
            view = self._look()
            if view.top is None or view.top.number != taken.number:
                return False
            if self._in_the_way(view, taken.number) or self._claimed_by(taken) != taken.public:
                return False
            if view.top.standing.keys() == {taken.public}:
                return True
            if self._me.monotonic() - started > _SETTLING_S:
                return False
            self._me.pause(_SETTLING_S / 20)

    def _was_displaced(self, taken: Taken) -> bool:
        """Whether a file of ours is not as we wrote it because of others: swept away, or written over."""
        by_us = {"", taken.public}
        return self._look().highest > taken.number or self._claimed_by(taken) not in by_us

    def _claimed_by(self, taken: Taken) -> str:
        """Who wrote the claim that is there now, where several could."""
        with contextlib.suppress(Refused):
            return claim_from(self._records.read(file_name(taken.number, "claim"))).nonce
        return ""

    def _give_up(self, taken: Taken) -> None:
        """Say that we are done with it, as far as that works; the lease ends the rest."""
        with contextlib.suppress(*API_ERRORS, AlreadyExists, Interrupted):
            self._records.create(taken.released, b"{}\n")
