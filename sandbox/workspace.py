"""The workspace as one value: its state and how it behaves right now.

Owns: what every handler needs. Must not answer requests.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from sandbox import paths
from sandbox.calls import CallRecord, Watchers
from sandbox.faults import Faults, RateLimits
from sandbox.github_issuer import Issuer
from sandbox.options import Behaviour, Limits, Options
from sandbox.permissions import EVERYONE, Directory, Grant
from sandbox.runner import Executes, Runner
from sandbox.store import Store
from sandbox.tree import Tree
from sandbox.uploads import Uploads

_REMEMBERED_CALLS = 50_000


class Workspace:
    """All state, and the switches that can be turned while it runs."""

    def __init__(self, options: Options, executor: Executes | None = None) -> None:
        """Open the state.

        Args:
            options: how the workspace is started.
            executor: what executes tasks instead of ``sandbox.execution``.

        Raises:
            ValueError: the state file can't be used.
        """
        self.options = options
        self.url = ""
        self.behaviour: Behaviour = options.behaviour
        self.latency_ms = options.latency_ms
        self.rate_limits: RateLimits | None = None
        self.faults = Faults(options.faults)
        self.stopping = threading.Event()
        self.calls: deque[CallRecord] = deque(maxlen=_REMEMBERED_CALLS)
        self.watchers = Watchers()
        self.store = Store(options.state)
        self.directory = Directory(self.store)
        self.tree = Tree(self.store)
        self.uploads = Uploads()
        self.issuer = Issuer(self.store)
        self.runner = Runner(
            self.store,
            self.tree,
            cache=options.cache,
            environ=options.environ,
            stopping=self.stopping,
            executor=executor,
        )
        self.limit(options.limits)
        with self.store.transaction():
            self.new = self.tree.get(paths.WORKSPACE) is None
            if self.new:
                self._furnish()

    def _furnish(self) -> None:
        """Make the folders every workspace has; everybody may write to Shared."""
        for name in ("Users", "Shared", "Repos"):
            self.tree.make_folders(f"{paths.WORKSPACE}/{name}")
        self.tree.make_folders(paths.VOLUMES)
        shared = f"{paths.WORKSPACE}/Shared"
        self.directory.grant("directories", shared, Grant("group_name", EVERYONE, "CAN_MANAGE"))

    def limit(self, limits: Limits) -> None:
        """Turn the documented rate limits on or off; buckets start full."""
        self.rate_limits = RateLimits() if limits == "documented" else None

    def keeps(self, check: Callable[[], object], *, overwrite: bool) -> bool:
        """Whether a write must look again for what is there, as ``exclusive_create`` plays it.

        A "racy" create looks here, waits, and does not look again. So this must stand before the
        transaction that writes: others write in the gap.

        Args:
            check: raises where something is in the way.
            overwrite: whether an existing file may be replaced.
        """
        style = self.behaviour.exclusive_create
        if overwrite or style == "ignored":
            return False
        if style == "racy":
            with self.store.transaction():
                check()
            self.gap()
        return style == "atomic"

    def gap(self) -> None:
        """Let the time pass between the look and the write of a racy create."""
        self.stopping.wait(self.behaviour.create_gap_ms / 1000)

    def close(self) -> None:
        """End runs and close the state."""
        self.stopping.set()
        self.runner.stop()
        self.uploads.close()
        self.store.close()
