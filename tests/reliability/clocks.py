"""Time that passes at once: for the locks of all runs of this process, and for what lies in a workspace.

clock = Clock(); monkeypatch.setattr("deployer.locking.Me", clock.me)
clock.passes(workspace, 3600)       # every lock is an hour old now, and every run knows that it slept
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from deployer.deployment.holding import Me
from sandbox.server import Sandbox
from tests.reliability.scenario import OWN


@dataclass
class Clock:
    """The wall clock of runs, which jumps."""

    ahead_s: float = 0.0

    def me(self, **known: Any) -> Me:
        """`Me` by this clock."""
        return Me(**{"wall": self._now_s, **known})

    def passes(self, workspace: Sandbox, seconds: float) -> None:
        """Let so many seconds pass: no run of this process did anything meanwhile."""
        self.ahead_s += seconds
        let_locks_age(workspace, seconds)

    def _now_s(self) -> float:
        return time.time() + self.ahead_s


def let_locks_age(workspace: Sandbox, seconds: float) -> None:
    """Make the files of all locks so many seconds older; who is alive would have shown it meanwhile."""
    workspace._workspace.store.run(
        "UPDATE nodes SET created_at = created_at - ?1, modified_at = modified_at - ?1"
        " WHERE path LIKE ?2",
        int(seconds * 1000),
        f"%/{OWN}/locks/%",
    )
