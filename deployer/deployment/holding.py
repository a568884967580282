"""A lock that this run holds: showing that it lives, and knowing when it may write no more.

Owns renewal, the check before each write, and giving the lock back. Must not take locks: `lock` does.

The check raises once another generation is there. It looks itself when the last look is older than half
a lease, and others take over only after a whole one without a sign of life: so a holder that was asleep
writes nothing. A write that is under way at that moment can't be called back (docs/reliability.md).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from deployer.deployment.claims import Holder, View, claim_from, file_name, view_of
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

API_ERRORS = (Denied, NotFound, Refused, Unavailable)
_SWEPT_AT_ONCE = 8  # files of older generations; deletes are slow in a workspace (facts B5)


@dataclass(frozen=True)
class Me:
    """Who wants locks, and how it tells time and waits.

    `nonce` gives 16 hex digits that nobody else has. `pause` waits that many seconds and raises
    Interrupted when the run is to stop. `now_ms` is the workspace's time. `alive` says of a process of
    this machine whether it still runs. `monotonic` and `wall` are seconds of this machine: the one that
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


@dataclass(frozen=True)
class Taken:
    """One generation that a run took, as a later process needs it to give it back."""

    folder: str
    number: int
    nonce: str


@dataclass
class Holding:
    """A lock that this run holds, until it is given back or lost. Threads may ask `check`."""

    records: Records
    me: Me
    taken: Taken
    _confirmed: Moment
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
        """Why the lock is lost, or the empty string."""
        return self._lost

    @property
    def given_back(self) -> bool:
        """Whether nothing of it is left to be given back by somebody else."""
        return self._released

    def check(self) -> None:
        """Nothing, if this run may write. Raises LockLost; Interrupted when the run is to stop."""
        if self._stale() and not self._lost:
            self._confirm()
            if self._stale() and not self._lost:
                self._lost = "it could not be renewed in time"
        if self._lost:
            raise LockLost(self._lost)

    def release(self) -> None:
        """Give the lock back; where that fails, its lease ends it. A lost one is not ours to give."""
        if self._lost:
            return
        self._lost = "it was given back"
        with contextlib.suppress(*API_ERRORS, AlreadyExists, Interrupted):
            self.records.create(file_name(self.taken.number, "released"), b"{}\n")
            self._released = True

    # ── Signs of life ────────────────────────────────────────────────────────────────────────────

    def _stale(self) -> bool:
        return self._confirmed.age_s(self.me) > self.me.lease_s / 2

    def _keep(self) -> None:
        self._sweep()
        while not self._over.wait(self.me.lease_s / 4):
            with contextlib.suppress(Interrupted):
                self._confirm()
            if self._lost:
                return

    def _confirm(self) -> None:
        """Show a sign of life and look whether the lock is still ours. Only one thread does so at once."""
        with self._one:
            began = Moment.now(self.me)
            if self._lost or self._confirmed.age_s(self.me) < self.me.lease_s / 8:
                return  # another thread did so just now
            try:
                self._signs += 1
                self.records.create(
                    file_name(self.taken.number, f"alive-{self._signs:06d}"), b"{}\n"
                )
                self._lost = self._why_lost(view_of(self.records.listed()))
            except (*API_ERRORS, AlreadyExists) as error:
                if self._stale():
                    self._lost = f"it could not be renewed: {error}"
                return
            if not self._lost:
                self._confirmed = began
                self._forget_older_signs()

    def _why_lost(self, view: View) -> str:
        mine, top = view.generations.get(self.taken.number), view.top
        if top is None or mine is None or not mine.claimed:
            return "its claim was deleted"
        if top.number != self.taken.number:
            return "another run took it over"
        if mine.released:
            return "somebody gave it back"
        claim = claim_from(
            self.records.read(file_name(self.taken.number, "claim")), self.me.lease_s
        )
        return "" if claim.nonce == self.taken.nonce else "another run claimed it at the same time"

    def _forget_older_signs(self) -> None:
        if self._signs > 1:
            with contextlib.suppress(*API_ERRORS):
                self.records.delete(file_name(self.taken.number, f"alive-{self._signs - 1:06d}"))

    def _sweep(self) -> None:
        """Delete some of what is left of generations before the last one; nobody looks at them any more."""
        with contextlib.suppress(*API_ERRORS, Interrupted):
            older = view_of(self.records.listed()).names_before(self.taken.number - 1)
            for name in older[:_SWEPT_AT_ONCE]:
                if self._over.is_set():
                    return
                self.records.delete(name)
