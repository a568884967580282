"""A lock that this run holds: showing that it lives, and knowing when it may write no more.

Owns renewal, the check before each write, and giving the lock back. Must not take locks: `lock` does.

A sign of life is a file, and then a look: both together renew the lock, if no higher generation is there. The
check asks for that when the last renewal is older than half a lease, and raises where it can't be had;
others take over only after a whole lease without a sign. So a holder that was asleep writes nothing. A
write that is under way at that moment can't be called back (docs/reliability.md).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from deployer.deployment.claims import LONGEST_LEASE_S, Holder, Taken, View, view_of
from deployer.deployment.ports import (
    AlreadyExists,
    Denied,
    Interrupted,
    LockLost,
    NotFound,
    Records,
    Refused,
    Unavailable,
)

__all__ = ["API_ERRORS", "Holding", "Me", "Moment", "Taken"]

API_ERRORS = (Denied, NotFound, Refused, Unavailable)
_SWEPT_AT_ONCE = 8  # files of older generations; deletes are slow in a workspace (facts B5)


@dataclass(frozen=True)
class Me:
    """Who wants locks, and how it tells time and waits.

    `nonce` gives 16 hex digits that nobody else has or can guess. `pause` waits that many seconds and
    raises Interrupted when the run is to stop. `now_ms` is the workspace's time. `alive` says of a process
    of this machine whether it still runs. `monotonic` and `wall` are seconds of this machine: the one that
    says more counts, because a monotonic clock stands still while a machine sleeps.
    """

    holder: Holder
    nonce: Callable[[], str]
    pause: Callable[[float], None]
    now_ms: Callable[[], int]
    alive: Callable[[str], bool] = lambda process: True
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    lease_s: float = 120.0

    def __post_init__(self) -> None:
        """Others believe in no longer lease, so nobody may count on one. Raises ValueError."""
        if not 0 < self.lease_s <= LONGEST_LEASE_S:
            raise ValueError(f"A lease of {self.lease_s} s is not within (0, {LONGEST_LEASE_S}].")


@dataclass(frozen=True)
class Moment:
    """One moment by both clocks of this machine, in seconds."""

    monotonic: float
    wall: float

    @classmethod
    def now(cls, me: Me) -> Moment:
        """This moment."""
        return cls(me.monotonic(), me.wall())

    def age_s(self, me: Me) -> float:
        """Seconds since then, by the clock that says more."""
        return max(me.monotonic() - self.monotonic, me.wall() - self.wall)


@dataclass
class Holding:
    """A lock that this run holds, until it is given back or lost. Threads may ask `check`.

    `_renewed` is when the last renewal that succeeded began: the taking, or a sign of life.
    """

    records: Records
    me: Me
    taken: Taken
    _renewed: Moment
    _signs: int = 0
    _lost: str = ""
    _released: bool = False
    _over: threading.Event = field(default_factory=threading.Event)
    _one: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def kept(self) -> Iterator[Holding]:
        """Show signs of life while the block runs, and give the lock back at its end, however it ends."""
        signs = threading.Thread(target=self._keep, name="lock", daemon=True)
        signs.start()
        try:
            yield self
        finally:
            self._over.set()
            signs.join(timeout=1)
            self.release()

    @property
    def lost(self) -> str:
        """Why the lock is lost, or the empty string. What is lost is never found again."""
        return self._lost

    @property
    def given_back(self) -> bool:
        """Whether nothing of it is left to be given back by somebody else."""
        return self._released

    def check(self) -> None:
        """Nothing, if this run may write. Raises LockLost; Interrupted when the run is to stop."""
        if not self._lost and self._is_stale():
            self.renew()
            if not self._lost and self._is_stale():
                self._lost = "it could not be renewed in time"
        if self._lost:
            raise LockLost(self._lost)

    def release(self) -> None:
        """Say that this run is done with it, also with a lost one; where that fails, the lease ends it."""
        self._lost = self._lost or "it was given back"
        if self._released:
            return
        with contextlib.suppress(*API_ERRORS, Interrupted):
            with contextlib.suppress(AlreadyExists):
                self.records.create(self.taken.released, b"{}\n")
            self._released = True

    def renew(self) -> None:
        """Show a sign of life, and look whether the lock is still ours. One thread at a time does so."""
        with self._one:
            began = Moment.now(self.me)
            if self._lost or self._renewed.age_s(self.me) < self.me.lease_s / 8:
                return  # another thread did so just now
            try:
                self._signs += 1
                self.records.create(self.taken.sign(self._signs), b"{}\n")
                why = self._why_lost(view_of(self.records.listed()))
            except (*API_ERRORS, AlreadyExists) as error:
                why = f"it could not be renewed: {error}" if self._is_stale() else ""
                self._lose(why)
                return
            self._lose(why)
            if not why:
                self._renewed = began
                self._forget_the_sign_before()

    # ── Signs of life ────────────────────────────────────────────────────────────────────────────

    def _is_stale(self) -> bool:
        return self._renewed.age_s(self.me) > self.me.lease_s / 2

    def _lose(self, why: str) -> None:
        """Note why it is lost. "" changes nothing: meanwhile it may have been given back."""
        if why:
            self._lost = why

    def _keep(self) -> None:
        self._sweep()
        while not self._over.wait(self.me.lease_s / 4):
            with contextlib.suppress(Interrupted):
                self.renew()
            if self._lost:
                return

    def _why_lost(self, view: View) -> str:
        mine, top = view.generations.get(self.taken.number), view.top
        if top is not None and top.number > self.taken.number:
            return "another run took it over"
        if mine is None or not mine.claimed:
            return "its files were deleted"
        return "" if self.taken.public in mine.standing else "it was given back"

    def _forget_the_sign_before(self) -> None:
        if self._signs > 1:
            with contextlib.suppress(*API_ERRORS):
                self.records.delete(self.taken.sign(self._signs - 1))

    def _sweep(self) -> None:
        """Delete some of what is left of lower generations, as long as that delays no sign of life.

        Nobody can hold them any more. It also ends what was taken over before its time, by force or
        because it was ours, for those that come next.
        """
        with contextlib.suppress(*API_ERRORS, Interrupted):
            older = view_of(self.records.listed()).names_below(self.taken.number)
            for name in older[:_SWEPT_AT_ONCE]:
                if self._over.is_set() or self._renewed.age_s(self.me) > self.me.lease_s / 4:
                    return
                self.records.delete(name)
