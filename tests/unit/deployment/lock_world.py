"""A folder with a lock, in memory, and those who want it; time passes where a test says so.

Creates are exclusive here. `interleavings` plays those that are not, and all orders of calls.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from deployer.deployment.claims import Holder
from deployer.deployment.holding import Holding, Me
from deployer.deployment.lock import Lock
from deployer.deployment.ports import AlreadyExists, LockLost, StoredFile

LEASE_S = 120.0
ANNA = Holder("anna", run_url="https://ci/41", run="retail/41/deploy", attempt=1, runner="r1")
BERT = Holder("bert", run_url="https://ci/42", run="retail/42/deploy", attempt=1, runner="r2")


@dataclass
class World:
    """A folder, and the time: seconds that pass only in pauses, and where a test says so.

    Implements `ports.Records`. `files_ahead_s` is by how much the clock of files is ahead of the clock of
    answers. `before` is called before each call with its kind and name, and may raise or do something; not
    before the calls that it makes itself.
    """

    folder: str = "/root/.spark-deploy/locks/writer"
    now: float = 50_000.0
    files_ahead_s: float = 0.0
    files: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    before: Callable[[str, str], None] = lambda kind, name: None
    calls: list[str] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)
    _busy: bool = False
    _nonces: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def listed(self) -> tuple[StoredFile, ...]:
        self._called("listed")
        return tuple(
            StoredFile(f"{self.folder}/{name}", len(content), int((at + self.files_ahead_s) * 1000))
            for name, (content, at) in sorted(self.files.items())
        )

    def read(self, name: str) -> bytes | None:
        self._called("read", name)
        return self.files[name][0] if name in self.files else None

    def create(self, name: str, content: bytes) -> None:
        self._called("create", name)
        if name in self.files:
            raise AlreadyExists(name)
        self.files[name] = (content, self.now)

    def delete(self, name: str) -> None:
        self._called("delete", name)
        self.files.pop(name, None)

    def _called(self, kind: str, name: str = "") -> None:
        self.calls.append(f"{kind} {name}".strip())
        if not self._busy:
            self._busy = True
            try:
                self.before(kind, name)
            finally:
                self._busy = False

    # ── Who wants the lock ───────────────────────────────────────────────────────────────────────

    def me(self, holder: Holder, **more: Any) -> Me:
        """Somebody whose clocks are right."""
        known: dict[str, Any] = {
            "holder": holder,
            "nonce": lambda: f"{next(self._nonces):016x}",
            "pause": self.pause,
            "now_ms": lambda: int(self.now * 1000),
            "monotonic": lambda: self.now,
            "wall": lambda: self.now,
            "lease_s": LEASE_S,
        }
        return Me(**{**known, **more})

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += seconds

    def lock(self, holder: Holder, **more: Any) -> Lock:
        return Lock(self, self.me(holder, **more))

    def take(
        self, holder: Holder, *, wait_s: float = 0, force: bool = False, **more: Any
    ) -> Holding:
        """The lock, taken at once or after that long."""
        return self.lock(holder, **more).take(
            wait_s=wait_s, force=force, on_wait=lambda holder: None
        )

    # ── What others do ───────────────────────────────────────────────────────────────────────────

    def forge(self, name: str, content: bytes = b"{}") -> None:
        """Somebody puts a file there."""
        self.files[name] = (content, self.now)

    def names(self, number: int) -> list[str]:
        """The files of one generation, without number and `.json`."""
        begins = f"{number:08d}."
        return [one[9:-5] for one in sorted(self.files) if one.startswith(begins)]


@pytest.fixture
def world() -> World:
    """An empty folder."""
    return World()


def kept(holding: Holding) -> bool:
    """Whether it may write."""
    try:
        holding.check()
    except LockLost:
        return False
    return True


def why_lost(holding: Holding) -> str:
    """What a holder is told that may not write any more."""
    with pytest.raises(LockLost) as lost:
        holding.check()
    return lost.value.why


def waits(world: World, holder: Holder, **more: Any) -> float:
    """After how many seconds of waiting somebody gets the lock."""
    began = world.now
    held = world.take(holder, wait_s=100 * LEASE_S, **more)
    took = world.now - began
    held.release()
    return took


def raising(error: BaseException, kind: str, part: str = "") -> Callable[[str, str], None]:
    """What fails each call of that kind whose name has that part."""

    def before(called: str, name: str) -> None:
        if called == kind and part in name:
            raise error

    return before


def claim_of(nonce: str, holder: Holder) -> bytes:
    """The content of a claim, as somebody else writes it."""
    return json.dumps({"format": 1, "nonce": nonce, "holder": holder.__dict__}).encode()
