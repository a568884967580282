"""The report: one value that says what a run was asked, found, planned, did and left.

Owns the shape that all sinks are rendered from (design.md, "Report document"). Names and texts
stand verbatim: escaping is the business of each renderer. Must not render, read or write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deployer.contract import Mode

SCHEMA_VERSION = "1.0"


class Outcome(StrEnum):
    """How the run ended; also the output `outcome`."""

    SUCCEEDED = "succeeded"
    NOTHING_TO_DO = "nothing-to-do"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class CheckStatus(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    SKIPPED = "skipped"


class Decision(StrEnum):
    """What becomes of one stored version."""

    CURRENT = "current"  # the version that this run deploys
    KEEP = "keep"
    REMOVE = "remove"  # planned; see `Deployment.removed` for what was done
    LIST_ONLY = "list-only"  # cleanup is off, or this is the first deployment to the root


@dataclass(frozen=True)
class Failure:
    """Why the run failed or refused; `problems` lists all when there are several."""

    reason: str
    title: str
    detail: str
    remedy: str
    problems: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Identity:
    """Who the workspace says we are; `admin` decides whether the inventory is complete."""

    user: str
    admin: bool


@dataclass(frozen=True)
class Library:
    """The library file of this run. `file` is its path here, `remote_path` where it goes."""

    name: str
    version: str
    sha256: str
    file: str
    remote_path: str
    size: int  # bytes


@dataclass(frozen=True)
class Finding:
    """One finding of a check at a place in the project; `line` and `column` count from 1."""

    message: str
    path: str = ""
    line: int | None = None
    column: int | None = None
    code: str = ""


@dataclass(frozen=True)
class Check:
    """One check: lint, test, build or wheel."""

    name: str
    status: CheckStatus
    seconds: float
    summary: str
    findings: tuple[Finding, ...] = ()
    output_tail: str = ""  # the last lines of what the tool printed; untrusted text


@dataclass(frozen=True)
class ChangedReference:
    """One place of a job: JSON pointer into the page-merged settings, and its complete strings."""

    place: str
    before: str
    after: str


@dataclass(frozen=True)
class Rewire:
    """One job that moves, with all its places."""

    job_id: int
    job_name: str
    references: tuple[ChangedReference, ...]
    from_versions: tuple[str, ...]  # oldest first
    note: str = ""  # when it takes effect, where that is not the next run
    owner: str = ""  # whom to ask about the job
    runs: str = ""  # when it starts by itself, such as `daily 02:00 UTC`


@dataclass(frozen=True)
class ClusterChange:
    """One all-purpose cluster whose library is replaced.

    `before` are the old paths that are uninstalled, () when they only wait for the restart. `restart`
    says that the cluster is restarted if it runs and no active run uses it.
    """

    cluster_id: str
    cluster_name: str
    before: tuple[str, ...]
    after: str
    from_versions: tuple[str, ...]  # oldest first
    restart: bool


@dataclass(frozen=True)
class Upload:
    """The library file that goes up, because it is not there yet."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Removal:
    """One old file that goes."""

    path: str
    version: str


@dataclass(frozen=True)
class Untouched:
    """One reference that stays, with a reason of the closed list `plan.model.Reason`."""

    job_id: int
    job_name: str
    place: str
    value: str
    version: str | None
    reason: str
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """What would be done, and what stays."""

    digest: str
    upload: Upload | None
    rewires: tuple[Rewire, ...]
    removals: tuple[Removal, ...]
    untouched: tuple[Untouched, ...]
    jobs_seen: int
    clusters: tuple[ClusterChange, ...] = ()


@dataclass(frozen=True)
class StoredVersion:
    """One version of the library that lies in the root, and what becomes of it."""

    version: str
    path: str
    decision: Decision
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class JobOutcome:
    """What became of one job's rewire, with one sentence where it did not go as planned."""

    job_id: int
    job_name: str
    detail: str = ""


@dataclass(frozen=True)
class ClusterOutcome:
    """What became of one cluster; `outcome` is one of `deployment.clusters.Became`."""

    cluster_id: str
    cluster_name: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class Deployment:
    """What was really done. Only changes that were verified by reading back count as applied."""

    id: str
    uploaded: bool = False
    applied: tuple[JobOutcome, ...] = ()
    drifted: tuple[JobOutcome, ...] = ()
    failed: tuple[JobOutcome, ...] = ()
    rolled_back: tuple[JobOutcome, ...] = ()
    pending: tuple[JobOutcome, ...] = ()
    removed: tuple[Removal, ...] = ()
    clusters: tuple[ClusterOutcome, ...] = ()


@dataclass(frozen=True)
class InventoryEntry:
    """One library reference of the workspace as `status` lists it."""

    job_id: int
    job_name: str
    place: str
    value: str
    kind: str
    name: str | None
    version: str | None
    reason: str | None  # why there is no name or no version


@dataclass(frozen=True)
class JobName:
    """A job as people know it."""

    job_id: int
    name: str


@dataclass(frozen=True)
class Elsewhere:
    """One mention of the library outside of what deployments change, and what its owner does.

    `where` is a `jobs.sightings.Where`, `holder` what holds the mention as people know it, `holder_id` its
    path or id, `spot` a line or JSON pointer in it. `standing` is `by-hand`, `with-this-run`, `listed` or a
    reason to stay. `jobs` are the first of the `jobs_count` jobs that use the holder.
    """

    where: str
    holder: str
    holder_id: str
    spot: str
    value: str
    kind: str
    name: str | None
    version: str | None
    standing: str
    advice: str
    jobs: tuple[JobName, ...] = ()
    jobs_count: int = 0


@dataclass(frozen=True)
class ApiUse:
    """What the run asked of the workspace.

    `waited_s` sums the seconds that calls, also parallel ones, spent in limits and retries.
    """

    calls: int = 0
    retries: int = 0
    waited_s: float = 0.0


@dataclass(frozen=True)
class Report:
    """Everything about one run. Parts that a run did not reach are None or empty."""

    mode: Mode
    environment: str
    outcome: Outcome
    failure: Failure | None = None
    identity: Identity | None = None
    library: Library | None = None
    checks: tuple[Check, ...] = ()
    plan: Plan | None = None
    versions: tuple[StoredVersion, ...] = ()
    deployment: Deployment | None = None
    inventory: tuple[InventoryEntry, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    next_steps: tuple[str, ...] = ()  # of `configure`
    warnings: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)  # seconds by phase
    api: ApiUse = ApiUse()
    host: str = ""  # the workspace's address, for links; never a credential
    root: str = ""
    back_to: str = ""  # where the plan of a rollback, or a rollback, goes back to
    release_url: str = ""  # the page of the release that has the library file
    comment_url: str = ""  # of `comment`: the comment that was written
    why: str = ""  # what `mode: auto` chose, and why
