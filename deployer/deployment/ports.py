"""The ports: what the story needs of a workspace and of the folder where libraries live.

Owns the Protocols and the values that cross them. Adapters (`platforms/`) implement these; the
fakes of the tests and the adapter pass the same suite. Job settings cross as the raw JSON that
the API gave, because typed models drop unknown fields (facts B3, "typed round trip").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from deployer.errors import DeployError, FailureReason, fail
from deployer.jobs.places import JsonObject

OWN_FOLDER = ".spark-deploy"
"""Where locks and journal lie below a root; no library is there (design.md, "Where things lie")."""
RECORD_LIMIT = 8 * 1024 * 1024
"""The largest file of our own that is read, in bytes; a workspace gives back at most 10 MB (facts C)."""


class NotFound(Exception):
    """The object is not there (any more)."""


class Denied(Exception):
    """The caller may not do this; the message is the API's."""


class AlreadyExists(Exception):
    """An exclusive create met a file of that name."""


class Refused(Exception):
    """The API refused the request for a reason of its own (a 4xx that is none of the above)."""


class Unavailable(Exception):
    """The API still failed after all retries (429, 5xx, connection loss, timeout)."""


class Interrupted(Exception):
    """The run was asked to stop while a call waited or was sent; the call is given up.

    `doubtful` says whether the service may have carried it out all the same.
    """

    def __init__(self, *, doubtful: bool = False) -> None:
        super().__init__("the run was cancelled")
        self.doubtful = doubtful


class LockLost(Interrupted):
    """Another run holds the lock now, so this one must write no more; raised by the fence of writes.

    `why` is for people.
    """

    def __init__(self, why: str = "", *, doubtful: bool = False) -> None:
        super().__init__(doubtful=doubtful)
        self.why = why


def api_error(error: Exception) -> DeployError:
    """What the user is told of a port's exception that nobody on the way knew better."""
    if isinstance(error, Denied):
        return fail(
            FailureReason.PERMISSION_DENIED,
            "The workspace refused a request of this run.",
            detail=str(error),
            remedy="Give this identity the right that the message names.",
        )
    return fail(
        FailureReason.API_ERROR,
        "The workspace did not answer a request as it should.",
        detail=str(error),
        remedy="Run it again: a re-run finishes the work.",
    )


@dataclass(frozen=True)
class Identity:
    """Who the workspace says we are. `groups` are display names, `user` is the user name."""

    user: str
    admin: bool
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Credential:
    """By which kind of credential we came in; never the credential itself.

    `kind` is the name in Databricks' list of authentication types, such as `github-oidc` or `pat`; `subject`
    is whom GitHub's token named, and `caution` one sentence about what is unsafe in accepting that.
    """

    kind: str
    subject: str = ""
    caution: str = ""


@dataclass(frozen=True)
class RateLimit:
    """How many calls of one kind a second the service documents, and how many we make at most."""

    what: str
    documented: float
    ours: float


@dataclass(frozen=True)
class RootRights:
    """Who may do what in the root, as far as its access lists say.

    `may_read` and `may_write` are about us, None where it is unknown. `writers` are the names of all others
    that may write, groups too, and `open_to_all` whether that is everybody.
    """

    may_read: bool | None
    may_write: bool | None
    writers: tuple[str, ...] = ()
    open_to_all: bool | None = None


@dataclass(frozen=True)
class JobDocument:
    """One job with page-merged settings: all tasks, clusters, environments and parameters.

    `complete` is false for a job that could be listed but not read: settings that don't fit on a
    page of the list are then missing, so it must not be written, and nothing may be removed.
    """

    job_id: int
    settings: JsonObject
    creator: str = ""
    complete: bool = True


@dataclass(frozen=True)
class UsageDocument:
    """Something besides a job that may use a library: a run, cluster, policy or pipeline.

    `document` is its raw JSON. `kind` is one of run, cluster, policy, pipeline.
    """

    kind: str
    id: str
    name: str
    document: JsonObject


@dataclass(frozen=True)
class StoredFile:
    """One file at or below the root. `modified_ms` is the server's time, epoch milliseconds."""

    path: str
    size: int
    modified_ms: int


class Jobs(Protocol):
    """The jobs of a workspace."""

    def all_jobs(self) -> Iterator[JobDocument]:
        """Every job that the caller can see, page-merged. Raises Denied, Unavailable."""
        ...

    def job(self, job_id: int) -> JobDocument:
        """One job, page-merged, as it is now. Raises NotFound, Denied, Unavailable."""
        ...

    def update(self, job_id: int, new_settings: JsonObject) -> None:
        """`jobs/update` with these top-level fields. Raises NotFound, Denied, Refused, Unavailable."""
        ...

    def reset(self, job_id: int, settings: JsonObject) -> None:
        """`jobs/reset` to these complete settings. Raises as `update` does."""
        ...

    def may_edit(self, job_id: int, identity: Identity) -> bool | None:
        """Whether `identity` may edit the job; None when the permissions can't be read."""
        ...


class Usage(Protocol):
    """What else may use a file of the root; asked before anything is removed."""

    def active_runs(self) -> Iterator[UsageDocument]:
        """Every queued, pending, running or terminating run, with its tasks. Raises Denied, Unavailable."""
        ...

    def read_text(self, path: str) -> str | None:
        """The content of a text file (canonical path); None when there is none.

        Raises Denied, Refused (too large), Unavailable.
        """
        ...

    def read_notebook(self, path: str) -> str | None:
        """The source of a notebook (canonical path); None when there is none.

        Raises as `read_text` does.
        """
        ...

    def runtimes(self) -> Mapping[str, str]:
        """The `spark_version` of clusters by their ids, as far as it can be read; {} when it can't.

        Raises Unavailable.
        """
        ...

    def other_users(self) -> Iterator[UsageDocument]:
        """Clusters with their libraries, cluster policies and pipelines. Raises Denied, Unavailable."""
        ...


@dataclass(frozen=True)
class ClusterListing:
    """All clusters that the caller can see, each with its `library_statuses`, and the cluster policies."""

    clusters: tuple[JsonObject, ...] = ()
    policies: tuple[JsonObject, ...] = ()


class Clusters(Protocol):
    """The clusters of a workspace and the libraries installed on them (facts B8).

    A library is one entry as the API has it, such as `{"whl": "/Volumes/…"}`.
    """

    def listing(self) -> ClusterListing:
        """Everything at once. Raises Denied, Unavailable."""
        ...

    def cluster(self, cluster_id: str) -> JsonObject:
        """One cluster with its `library_statuses`, as it is now. Raises NotFound, Denied, Unavailable."""
        ...

    def install(self, cluster_id: str, library: JsonObject) -> None:
        """Ask for a library; a stopped cluster installs it when it starts.

        Raises NotFound, Denied, Refused, Unavailable.
        """
        ...

    def uninstall(self, cluster_id: str, libraries: Sequence[JsonObject]) -> None:
        """Mark libraries so that the next restart drops them. Raises as `install` does."""
        ...

    def restart(self, cluster_id: str) -> None:
        """Begin the restart of a running cluster. Raises as `install` does."""
        ...


class Store(Protocol):
    """The root folder. Paths are complete, such as `/Volumes/main/libs/released/x.whl`."""

    @property
    def root(self) -> str:
        """The root's path in the form that new references are compared with."""
        ...

    def exists(self) -> bool:
        """Whether the root is there.

        Raises NotFound when the volume that would hold it is missing, Denied, Unavailable.
        """
        ...

    def create_root(self) -> None:
        """Create the root and its parents. Raises NotFound (a volume is missing), Denied, Unavailable."""
        ...

    def open_to_all(self) -> bool | None:
        """Whether every user may write here; None when that can't be read."""
        ...

    def files(self) -> tuple[StoredFile, ...]:
        """All files at or below the root, without `.spark-deploy/`; () when there is no root."""
        ...

    def sha256(self, path: str) -> str | None:
        """SHA-256 (hex) of the stored file; None when it is too large to read back (facts C).

        Raises NotFound, Denied, Unavailable.
        """
        ...

    def upload(self, path: str, content: BinaryIO, size: int) -> None:
        """Exclusive create; `content` is seekable and rewound on retries.

        Raises AlreadyExists, NotFound (no parent), Denied, Refused (too large), Unavailable.
        """
        ...

    def delete(self, path: str) -> None:
        """Delete one file; a missing one is fine. Raises Denied, Unavailable."""
        ...


class Records(Protocol):
    """Small files of our own in one folder, for locks and the journal.

    They are created, read and deleted, never changed. A name is one path segment.
    """

    @property
    def folder(self) -> str:
        """The folder's complete path; it need not exist before the first create."""
        ...

    def listed(self) -> tuple[StoredFile, ...]:
        """The files right in the folder, by path; () when there is no folder.

        Raises Denied, NotFound (the volume that would hold it is missing), Unavailable.
        """
        ...

    def read(self, name: str) -> bytes | None:
        """The content of one file; None when there is none.

        Raises Denied, Refused (more than `RECORD_LIMIT` bytes), Unavailable.
        """
        ...

    def create(self, name: str, content: bytes) -> None:
        """Exclusive create, with the folders above. A retry that meets its own first attempt is fine.

        Raises AlreadyExists, NotFound (a volume is missing), Denied, Refused, Unavailable.
        """
        ...

    def delete(self, name: str) -> None:
        """Delete one file; a missing one is fine. Raises Denied, Unavailable."""
        ...


class Workspace(Protocol):
    """One workspace. Building it may raise DeployError (host, TLS, credentials)."""

    @property
    def host(self) -> str:
        """The address, such as `https://adb-1.2.azuredatabricks.net`."""
        ...

    @property
    def jobs(self) -> Jobs:
        """The jobs of this workspace."""
        ...

    @property
    def usage(self) -> Usage:
        """What else may use a library."""
        ...

    @property
    def clusters(self) -> Clusters:
        """The clusters, and the libraries installed on them."""
        ...

    def fenced_by(self, fence: Callable[[], None]) -> Workspace:
        """The same workspace, with `fence` asked before each attempt of each write, retries too.

        That holds for its jobs, clusters, stores and records. What it raises ends the call; a `LockLost`
        then says whether an earlier attempt is in doubt.
        """
        ...

    def records(self, folder: str, *, allow_dbfs: bool = False) -> Records:
        """Our own files in `folder`, a complete path in a volume, the workspace or, if chosen, DBFS.

        Raises DeployError(root-not-allowed) when the path is none.
        """
        ...

    def identity(self) -> Identity:
        """Who we are. Raises DeployError (authentication, host), Unavailable."""
        ...

    def store(self, root: str, *, allow_dbfs: bool = False) -> Store:
        """The store at `root`; in DBFS, where everybody may write, only if that was chosen.

        Raises DeployError(root-not-allowed) when the path is none.
        """
        ...

    def credential(self) -> Credential:
        """By which kind of credential we came in; complete after the first call, such as `identity`."""
        ...

    def limits(self) -> tuple[RateLimit, ...]:
        """The documented limits of the API, and ours below them."""
        ...

    def now_ms(self) -> int:
        """The workspace's time, epoch milliseconds, right to about a second.

        Ages of files are differences from it, because this machine's clock may be wrong.
        """
        ...

    def root_rights(self, root: str, identity: Identity) -> RootRights:
        """Who may do what in `root`; what can't be read is None. Raises as `store`, Unavailable."""
        ...

    def calls(self) -> tuple[int, int, float]:
        """API calls made, retries among them, and seconds waited in limits and retries."""
        ...
