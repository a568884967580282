"""All-purpose clusters: which of the libraries installed on them a deployment replaces.

Owns the decision for each cluster: a change, nothing, or a sentence on why it stays. A cluster is read
as a job with one task on it, so that the very rules of jobs decide which of its libraries move, and
how their path is spelled. Pure, total and deterministic; must not read or restart anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from packaging.version import Version

from deployer.jobs.inventory import read_job
from deployer.jobs.paths import canonical
from deployer.jobs.places import JsonObject
from deployer.library.model import Kind
from deployer.plan.model import Change, ClusterChange
from deployer.plan.planner import Order, make_plan

# Who makes a cluster for people. Jobs, pipelines, models and warehouses bring their own libraries.
_ALL_PURPOSE = ("UI", "API")
_DUPLICATE = ("ERROR_DUPLICATE_INSTALLATION", "has been installed already")
_KEYS = {Kind.WHEEL: "whl", Kind.JAR: "jar", Kind.EGG: "egg"}


class Status(StrEnum):
    """The states of a library on a cluster that a decision needs (facts B8, "states")."""

    INSTALLED = "INSTALLED"
    RESTORED = "RESTORED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    LEAVING = "UNINSTALL_ON_RESTART"


@dataclass(frozen=True)
class Installed:
    """One library file on a cluster: its entry is `{kind: value}`.

    `status` is the service's word. `for_all` says that it was set for all clusters of the workspace.
    """

    kind: str
    value: str
    status: str
    messages: tuple[str, ...] = ()
    for_all: bool = False

    @property
    def leaving(self) -> bool:
        """Whether the next restart drops it."""
        return self.status == Status.LEAVING

    @property
    def ended(self) -> bool:
        """Whether its installation does not go on any more."""
        return self.status in set(Status)

    @property
    def failed(self) -> bool:
        """Whether it can't be used; what the service skipped can't, either."""
        return self.status in {Status.FAILED, Status.SKIPPED}

    @property
    def needs_restart(self) -> bool:
        """Whether it failed only because the running cluster has another version (facts B8)."""
        return self.failed and any(mark in one for one in self.messages for mark in _DUPLICATE)

    @property
    def words(self) -> str:
        """Why it failed, in the words of the service."""
        return "; ".join(self.messages) or f"the service says {self.status} and gives no reason"


@dataclass(frozen=True)
class Stays:
    """An old library on a cluster that a deployment is not free to replace, and why."""

    cluster_id: str
    cluster_name: str
    value: str
    why: str


@dataclass(frozen=True)
class OnClusters:
    """The changes, one per cluster, and what stays; each in the order of the cluster ids."""

    changes: tuple[ClusterChange, ...] = ()
    stays: tuple[Stays, ...] = ()


@dataclass(frozen=True)
class _Old:
    """An older version on a cluster: where it would go, and which version it is."""

    value: str
    after: str
    version: Version
    leaving: bool


def decide_clusters(
    order: Order,
    clusters: Iterable[JsonObject],
    policies: Iterable[JsonObject] = (),
    *,
    restart: bool = False,
) -> OnClusters:
    """What becomes of `clusters`, each as the Clusters API gives it with its `library_statuses`.

    `policies` are cluster policies: one that brings libraries leaves its clusters no freedom.
    `restart` says whether running clusters are to be restarted.
    """
    strict = {
        policy_id: str(one.get("name") or policy_id)
        for one in policies
        if isinstance(policy_id := one.get("policy_id"), str) and one.get("libraries")
    }
    by_id = {str(one["cluster_id"]): one for one in clusters if is_all_purpose(one)}
    changes: list[ClusterChange] = []
    stays: list[Stays] = []
    for _, cluster in sorted(by_id.items()):
        held = _held_by(cluster, strict)
        change, kept = _decide(order, cluster, held, restart=restart)
        changes += [change] if change is not None else []
        stays += kept
    return OnClusters(tuple(changes), tuple(stays))


def is_all_purpose(cluster: JsonObject) -> bool:
    """Whether people share the cluster; one without a source is none that we know enough of."""
    known = isinstance(cluster.get("cluster_id"), str)
    return known and cluster.get("cluster_source") in _ALL_PURPOSE


def is_running(cluster: JsonObject) -> bool:
    """Whether the cluster has its libraries loaded, so that a change waits for its restart."""
    return cluster.get("state") in ("RUNNING", "RESIZING")


def installed(cluster: JsonObject) -> tuple[Installed, ...]:
    """The library files in `library_statuses`, in the order of the API; whatever is none is left out."""
    return tuple(
        Installed(
            kind,
            str(library[kind]),
            str(status.get("status", "")),
            tuple(str(one) for one in _list(status.get("messages"))),
            status.get("is_library_for_all_clusters") is True,
        )
        for status in _list(cluster.get("library_statuses"))
        if isinstance(status, dict) and isinstance(library := status.get("library"), dict)
        for kind in _KEYS.values()
        if isinstance(library.get(kind), str)
    )


def status_of(cluster: JsonObject, kind: str, value: str) -> Installed | None:
    """The library `{kind: value}` of the cluster, in whatever state; None when it has none."""
    return next((one for one in installed(cluster) if (one.kind, one.value) == (kind, value)), None)


def stands(cluster: JsonObject, change: ClusterChange) -> bool:
    """Whether the new library is there to stay, and each old one is gone or about to go."""
    new = status_of(cluster, change.kind, change.after)
    old = [status_of(cluster, change.kind, value) for value in change.before]
    return new is not None and not new.leaving and all(one is None or one.leaving for one in old)


def same_effect(one: ClusterChange, other: ClusterChange) -> bool:
    """Whether two changes do the same to one cluster, whatever it is called."""
    first, second = (
        (each.cluster_id, each.kind, frozenset(each.before), each.after, each.restart)
        for each in (one, other)
    )
    return first == second


def names_cluster(document: object, cluster_id: str) -> bool:
    """Whether some string of `document`, such as a run, is this very id."""
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if node == cluster_id:
            return True
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return False


def _decide(
    order: Order, cluster: JsonObject, held: str, *, restart: bool
) -> tuple[ClusterChange | None, list[Stays]]:
    cluster_id, name = str(cluster["cluster_id"]), _name(cluster)
    kind = _KEYS[order.library.kind]
    ours: list[_Old] = []
    stays: list[Stays] = []
    for one in installed(cluster):
        old = _old(order, cluster, one)
        why = "it is set for all clusters of the workspace" if one.for_all else held
        if old is None:
            continue
        if why and not old.leaving:
            stays.append(Stays(cluster_id, name, one.value, why))
        elif not why:
            ours.append(old)
    going = sorted((one for one in ours if not one.leaving), key=_newest_last)
    left = sorted((one for one in ours if one.leaving), key=_newest_last)
    there = _new_one(order, cluster)
    # Where the old version only waits for a restart, the restart is all that is left to do; where
    # people uninstalled it themselves, the new version is not there, and nothing is.
    finishing = restart and is_running(cluster) and bool(left) and there is not None
    if not going and not finishing:
        return None, stays
    after = there or (going or left)[-1].after
    versions = tuple(sorted({one.version for one in going or left}))
    before = tuple(sorted(one.value for one in going))
    leaving = tuple(sorted(one.value for one in left))
    return ClusterChange(cluster_id, name, kind, before, after, versions, restart, leaving), stays


def _old(order: Order, cluster: JsonObject, one: Installed) -> _Old | None:
    """What the rules of jobs make of this library; None when they leave it as it is."""
    change = _as_of_a_job(order, cluster, one)
    if change is None:
        return None
    rewired, version = change
    return _Old(one.value, rewired.after, version, one.leaving)


def _as_of_a_job(
    order: Order, cluster: JsonObject, one: Installed
) -> tuple[Change, Version] | None:
    task: JsonObject = {
        "task_key": "cluster",
        "existing_cluster_id": cluster["cluster_id"],
        "libraries": [{one.kind: one.value}],
    }
    settings: JsonObject = {"tags": cluster.get("custom_tags"), "tasks": [task]}
    runtimes = {str(cluster["cluster_id"]): str(cluster.get("spark_version", ""))}
    asked = replace(order, runtimes=runtimes)  # an egg stays off a runtime that loads none
    for rewire in make_plan(asked, [read_job(0, settings)]).rewires:
        return rewire.changes[0], rewire.versions[0]
    return None


def _new_one(order: Order, cluster: JsonObject) -> str | None:
    """The new file as the cluster names it already, not being about to go; None when it does not."""
    return next(
        (
            one.value
            for one in installed(cluster)
            if one.kind == _KEYS[order.library.kind]
            and canonical(one.value) == order.path
            and not one.leaving
        ),
        None,
    )


def _held_by(cluster: JsonObject, strict: Mapping[str, str]) -> str:
    """Why nobody but its policy's owner changes the libraries of this cluster, or the empty string.

    Source: facts B8, "policies".
    """
    policy = strict.get(str(cluster.get("policy_id")))
    return f"its policy {policy} decides which libraries it has" if policy is not None else ""


def _name(cluster: JsonObject) -> str:
    name = cluster.get("cluster_name")
    return name if isinstance(name, str) else ""


def _newest_last(old: _Old) -> tuple[Version, str]:
    return old.version, old.value


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
