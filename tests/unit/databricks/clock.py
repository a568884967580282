"""A clock that only moves when somebody sleeps."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Clock:
    """Call it for the time; `naps` are the sleeps so far."""

    now: float = 1000.0
    naps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds
