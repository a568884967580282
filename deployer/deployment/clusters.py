"""All-purpose clusters: putting the new library in place of the old one, and restarting.

Owns the course of each change: install the new library beside the old one, wait for it, only then
uninstall the old one, restart where that is asked and nothing uses the cluster, and put the old one
back when the new one fails. Must not decide what changes: `plan.clusters` does. A cluster's failure is
told of the cluster and stops no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from deployer.deployment.ports import (
    ClusterListing,
    Clusters,
    Denied,
    Identity,
    Interrupted,
    NotFound,
    Refused,
    Unavailable,
    Usage,
)
from deployer.jobs.places import JsonObject
from deployer.plan.clusters import (
    Installed,
    decide_clusters,
    is_running,
    names_cluster,
    same_effect,
    stands,
    status_of,
)
from deployer.plan.model import ClusterChange
from deployer.plan.planner import Order

PARALLEL_CLUSTERS = 8
_GOING_ON = frozenset({"PENDING", "RESTARTING", "RUNNING", "RESIZING"})
_TAKEN_AWAY = "read back, the new version is not there: someone else uninstalled it"
_AT_START = "takes effect when the cluster starts"
_FAILING = (Denied, NotFound, Refused, Unavailable)


class Became(StrEnum):
    """What became of one cluster; the words of the report."""

    UPDATED = "updated"  # the new version takes effect when the cluster starts the next time
    RESTARTED = "restarted"  # the new version is loaded
    DRIFTED = "drifted"
    GONE = "gone"
    DENIED = "denied"
    FAILED = "failed"
    PENDING = "pending"  # not begun or not ended, because the run was stopped


FAILURES = frozenset({Became.DRIFTED, Became.DENIED, Became.FAILED})


@dataclass(frozen=True)
class Updated:
    """One change and what became of it, with a sentence on what its reader has to know."""

    change: ClusterChange
    became: Became
    detail: str = ""


@dataclass(frozen=True)
class Waiting:
    """How long a cluster is waited for, in seconds, and how: the bounds of the CLI and the SDK."""

    install_s: float = 15 * 60
    restart_s: float = 20 * 60
    look_s: float = 2
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Site:
    """Where changes are made, and for whom: the clusters, what runs on them, and the order.

    `listing` is what the plan was made from; of it only the policies are used again.
    """

    clusters: Clusters
    usage: Usage
    identity: Identity
    order: Order
    listing: ClusterListing
    restart: bool = False


def update_clusters(
    site: Site,
    changes: Iterable[ClusterChange],
    *,
    waiting: Waiting,
    stopped: Callable[[], bool],
    on_wait: Callable[[str], None],
    on_done: Callable[[Updated], None],
) -> tuple[Updated, ...]:
    """Make each change, several at once; in the order of `changes`.

    `on_wait` is told, from several threads, what is waited for; `on_done` is called from the caller's
    thread. A stop ends every wait and begins nothing new.
    """
    mover = _Mover(site, waiting, stopped, on_wait)
    results: list[Updated] = []
    with ThreadPoolExecutor(PARALLEL_CLUSTERS, thread_name_prefix="clusters") as pool:
        for updated in pool.map(mover.move, changes):
            on_done(updated)
            results.append(updated)
    return tuple(results)


class _Stopped(Exception):
    """The run was stopped while it waited."""


class _TooLong(Exception):
    """The bound of a wait is reached."""


@dataclass(frozen=True)
class _Mover:
    site: Site
    waiting: Waiting
    stopped: Callable[[], bool]
    on_wait: Callable[[str], None]

    def move(self, change: ClusterChange) -> Updated:
        """One change from beginning to end; never raises."""
        if self.stopped():
            return Updated(change, Became.PENDING)
        try:
            return self._replaced(change)
        except (_Stopped, Interrupted):
            detail = "the run was cancelled on the way: the old or both versions are installed"
            return Updated(change, Became.PENDING, detail)
        except NotFound:
            return Updated(change, Became.GONE, "the cluster was deleted after the plan was made")
        except Denied as error:
            return Updated(change, Became.DENIED, f"needs CAN_MANAGE on the cluster: {error}")
        except (Refused, Unavailable) as error:
            return Updated(change, Became.FAILED, str(error))
        except Exception as error:  # noqa: BLE001 - what became of the others must still be told
            return Updated(change, Became.FAILED, f"a bug of spark-deploy: {error!r}")

    # ── The new library for the old one ──────────────────────────────────────────────────────────

    def _replaced(self, change: ClusterChange) -> Updated:
        now = self._now(change)
        if not stands(now, change):
            fresh = decide_clusters(
                self.site.order, [now], self.site.listing.policies, restart=self.site.restart
            ).changes
            if len(fresh) != 1 or not same_effect(fresh[0], change):
                detail = "its libraries changed after the plan was made"
                return Updated(change, Became.DRIFTED, detail)
            problem = self._install(change) or self._uninstall(change)
            if problem:
                return Updated(change, Became.FAILED, problem)
            now = self._now(change)
        if not stands(now, change):
            detail = "read back, it has other libraries: someone else changed them, too"
            return Updated(change, Became.FAILED, detail)
        return self._restarted(change, now)

    def _install(self, change: ClusterChange) -> str:
        """Install the new library; why it failed, or the empty string: to wait for the restart is fine."""
        self.site.clusters.install(change.cluster_id, _entry(change, change.after))
        try:
            new = self._settled(change)
        except _TooLong:
            return (
                f"the installation had not ended after {self.waiting.install_s:.0f} s; the old version is "
                "still installed, too, and a later run uninstalls it"
            )
        if new is None or new.leaving:
            return _TAKEN_AWAY
        if not new.failed or new.needs_restart:
            return ""
        back = self._take_back(change)
        return f"the new version can't be installed: {new.words}; the old one stays{back}"

    def _settled(self, change: ClusterChange) -> Installed | None:
        """The new library once its installation ended, or once the cluster does not run."""
        told = f"cluster {change.cluster_id} installs {change.after}"
        for now in self._looks(change, told, self.waiting.install_s):
            new = status_of(now, change.kind, change.after)
            if new is None or new.ended or now.get("state") not in _GOING_ON:
                return new
        raise _TooLong

    def _uninstall(self, change: ClusterChange) -> str:
        """Mark the old libraries; why that failed, or the empty string."""
        old = [_entry(change, value) for value in change.before]
        try:
            self.site.clusters.uninstall(change.cluster_id, old)
        except _FAILING as error:
            back = self._take_back(change)
            return f"the old version can't be uninstalled: {error}{back}"
        return ""

    def _take_back(self, change: ClusterChange) -> str:
        """Uninstall the new library; what is to be told if that fails."""
        try:
            self.site.clusters.uninstall(change.cluster_id, [_entry(change, change.after)])
        except _FAILING as error:
            return f", and the new one can't be uninstalled either: {error}"
        return ""

    # ── The restart ──────────────────────────────────────────────────────────────────────────────

    def _restarted(self, change: ClusterChange, now: JsonObject) -> Updated:
        if not is_running(now):
            return Updated(change, Became.UPDATED, _AT_START)
        if not change.restart:
            return Updated(change, Became.UPDATED, "takes effect when the cluster is restarted")
        if not any(status_of(now, change.kind, one) for one in _old(change)):
            return Updated(change, Became.RESTARTED, "somebody restarted it meanwhile")
        busy = self._busy(change.cluster_id)
        if busy:
            detail = f"takes effect when the cluster is restarted, which was left out: {busy}"
            return Updated(change, Became.UPDATED, detail)
        return self._restart(change)

    def _restart(self, change: ClusterChange) -> Updated:
        if self.stopped():
            raise _Stopped
        try:
            self.site.clusters.restart(change.cluster_id)
        except Refused as error:  # it stopped by itself, or an earlier attempt got through
            now = self._now(change)
            if is_running(now):
                detail = f"takes effect when the cluster is restarted, which was refused: {error}"
                return Updated(change, Became.FAILED, detail)
            if now.get("state") not in _GOING_ON:
                return Updated(change, Became.UPDATED, _AT_START)
        try:
            return self._back_again(change)
        except (_Stopped, Interrupted):
            detail = "its restart was begun, and not waited for, because the run was cancelled"
            return Updated(change, Became.UPDATED, detail)
        except _TooLong:
            detail = f"it had not come back {self.waiting.restart_s:.0f} s after its restart"
            return Updated(change, Became.FAILED, detail)

    def _back_again(self, change: ClusterChange) -> Updated:
        """Wait until the cluster runs with the new library; put the old one back if it fails."""
        told = f"cluster {change.cluster_id} restarts"
        for now in self._looks(change, told, self.waiting.restart_s):
            state = now.get("state")
            if state not in _GOING_ON:
                said = f": {now.get('state_message')}" if now.get("state_message") else ""
                detail = f"it did not come back from its restart, it is {state}{said}"
                return Updated(change, Became.FAILED, detail)
            new = status_of(now, change.kind, change.after)
            dropped = all(status_of(now, change.kind, one) is None for one in _old(change))
            if not is_running(now) or not dropped or (new is not None and not new.ended):
                continue
            if new is None or new.leaving:
                return Updated(change, Became.FAILED, _TAKEN_AWAY)
            if not new.failed:
                return Updated(change, Became.RESTARTED)
            return Updated(change, Became.FAILED, self._put_back(change, new))
        raise _TooLong

    def _put_back(self, change: ClusterChange, new: Installed) -> str:
        """Install the old libraries again, then uninstall the new one; told in one sentence."""
        failed = f"the new version can't be loaded: {new.words}"
        try:
            for value in _old(change):
                self.site.clusters.install(change.cluster_id, _entry(change, value))
        except _FAILING as error:
            return f"{failed}; the old one can't be put back: {error}"
        back = self._take_back(change)
        return f"{failed}; the old one was put back{back}"

    def _busy(self, cluster_id: str) -> str:
        """Which active run uses the cluster, or why that can't be known; empty when none does."""
        if not self.site.identity.admin:
            return "not a workspace admin, so runs of others may use it unseen"
        try:
            for run in self.site.usage.active_runs():
                if names_cluster(run.document, cluster_id):
                    return f"run {run.id}{f' ({run.name})' if run.name else ''} uses it"
        except _FAILING as error:
            return f"the active runs can't be read: {error}"
        return ""

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────

    def _now(self, change: ClusterChange) -> JsonObject:
        return self.site.clusters.cluster(change.cluster_id)

    def _looks(self, change: ClusterChange, told: str, limit_s: float) -> Iterator[JsonObject]:
        """The cluster again and again, until `limit_s` is over. Raises _Stopped."""
        until = self.waiting.clock() + limit_s
        yield self._now(change)
        self.on_wait(f"{told}, which may take up to {limit_s / 60:.0f} minutes")
        while self.waiting.clock() < until:
            if self.stopped():
                raise _Stopped
            self.waiting.sleep(self.waiting.look_s)
            yield self._now(change)


def _old(change: ClusterChange) -> tuple[str, ...]:
    return change.before or change.leaving


def _entry(change: ClusterChange, value: str) -> JsonObject:
    return {change.kind: value}
