"""The plan as a value: all changes and all untouched references, in canonical order.

Owns the shape of a plan and the closed list of reasons to leave a reference alone. Must not decide:
`policy` and `planner` do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from packaging.version import Version

from deployer.jobs.places import JsonObject, Place, replaced


class Reason(StrEnum):
    """Why a reference to the library stays as it is. The list is closed: each has its sentence."""

    ALREADY_CURRENT = "already-current"
    NEWER = "newer"
    ANOTHER_MAJOR = "another-major"
    ANOTHER_MINOR = "another-minor"
    NOT_SELECTED = "not-selected"
    PRERELEASE = "prerelease"
    PINNED = "pinned"
    PINNED_BY_HASH = "pinned-by-hash"
    OWNED_BY_BUNDLE = "owned-by-bundle"
    SYSTEM_MANAGED = "system-managed"
    OUTSIDE_ROOT = "outside-root"
    NO_PERMISSION = "no-permission"
    NO_VERSION = "no-version"
    AMBIGUOUS_NAME = "ambiguous-name"
    ANOTHER_KIND = "another-kind"
    ANOTHER_CLASSIFIER = "another-classifier"
    RUNTIME_REFUSES = "runtime-refuses"
    MAIN_CLASS_MISSING = "main-class-missing"
    NOT_EDITED = "not-edited"
    UNRESOLVED_VALUE = "unresolved-value"
    # Of a rollback:
    CHANGED_SINCE = "changed-since"
    FILE_GONE = "file-gone"
    NOT_AS_RECORDED = "not-as-recorded"


@dataclass(frozen=True)
class Change:
    """One string of a job that changes, whole: `before` must still stand there when it is written."""

    place: Place
    pointer: str
    before: str
    after: str


@dataclass(frozen=True)
class Rewire:
    """One job that moves. `versions` are those it leaves, oldest first; `note` says when it matters."""

    job_id: int
    job_name: str
    changes: tuple[Change, ...]
    versions: tuple[Version, ...]
    note: str = ""

    def applied_to(self, settings: JsonObject) -> JsonObject:
        """The settings after this rewire. Raises PlaceGone when a place is not there any more."""
        return replaced(settings, {change.place: change.after for change in self.changes})


@dataclass(frozen=True)
class ClusterChange:
    """One all-purpose cluster whose library changes.

    `kind` is the key of its library entries, such as `whl`. `before` are the old strings that go, all
    of them, in order; `after` the string that comes, or that stands there already; `leaving` are old
    strings that only wait for the restart. `versions` are those that it leaves, oldest first.
    `restart` says whether the cluster is to be restarted, if it then runs and nothing uses it.
    """

    cluster_id: str
    cluster_name: str
    kind: str
    before: tuple[str, ...]
    after: str
    versions: tuple[Version, ...]
    restart: bool = False
    leaving: tuple[str, ...] = ()


@dataclass(frozen=True)
class Untouched:
    """One reference that stays, and why."""

    job_id: int
    job_name: str
    pointer: str
    value: str
    version: str | None
    reason: Reason
    note: str = ""


@dataclass(frozen=True)
class Target:
    """The file that all moved references will name."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Plan:
    """What would be done. `upload` says whether the target has to go up, or lies there already."""

    target: Target
    upload: bool
    rewires: tuple[Rewire, ...]
    untouched: tuple[Untouched, ...]
    digest: str
    clusters: tuple[ClusterChange, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything but removals would be done."""
        return bool(self.upload or self.rewires or self.clusters)
