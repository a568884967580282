"""One Databricks workspace: the adapter that `main` hands to the story.

Owns putting the parts together; they live in the modules beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType

from deployer.deployment.ports import Credential, Identity, RateLimit, RootRights
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.clock import ServerClock
from deployer.platforms.databricks.cluster_libraries import DatabricksClusters
from deployer.platforms.databricks.dbfs import DbfsStore
from deployer.platforms.databricks.folder_store import FolderStore
from deployer.platforms.databricks.identity import identity
from deployer.platforms.databricks.jobs import DatabricksJobs
from deployer.platforms.databricks.limits import RATES, Family
from deployer.platforms.databricks.records import FolderRecords
from deployer.platforms.databricks.rights import root_rights
from deployer.platforms.databricks.roots import Kind, Root, parse_root
from deployer.platforms.databricks.usage import DatabricksUsage
from deployer.platforms.databricks.volumes import VolumeStore
from deployer.platforms.databricks.workspace_files import WorkspaceStore

_RECORDS_S = 60.0  # seconds for one call

_STORES: Mapping[Kind, Callable[[Client, Root], FolderStore]] = {
    Kind.WORKSPACE: WorkspaceStore,
    Kind.VOLUME: VolumeStore,
    Kind.DBFS: DbfsStore,
}


class DatabricksWorkspace:
    """Implements `ports.Workspace`; as a context manager it closes its connections at the end."""

    def __init__(
        self,
        client: Client,
        clock: ServerClock | None = None,
        credential: Callable[[], Credential] = lambda: Credential(""),
    ) -> None:
        self._client = client
        self._clock = clock or ServerClock()
        self._credential = credential
        self._jobs = DatabricksJobs(client)
        self._usage = DatabricksUsage(client)
        self._clusters = DatabricksClusters(client)

    @property
    def host(self) -> str:
        """The address of the workspace."""
        return self._client.host

    @property
    def jobs(self) -> DatabricksJobs:
        """Its jobs."""
        return self._jobs

    @property
    def usage(self) -> DatabricksUsage:
        """What else uses libraries there."""
        return self._usage

    @property
    def clusters(self) -> DatabricksClusters:
        """Its clusters and their libraries."""
        return self._clusters

    def fenced_by(self, fence: Callable[[], None]) -> DatabricksWorkspace:
        """The same one, with `fence` asked before each attempt of each write, retries too."""
        return DatabricksWorkspace(self._client.beside(fence=fence), self._clock, self._credential)

    def records(self, folder: str, *, allow_dbfs: bool = False) -> FolderRecords:
        """Our own files in `folder`. Raises DeployError (ROOT_NOT_ALLOWED).

        They are tried for less long than anything else: a lock that can't be renewed is better given up,
        and a run whose work is over should not wait for minutes to say so.
        """
        place = parse_root(folder, allow_dbfs=allow_dbfs)
        return FolderRecords(_STORES[place.kind](self._client.beside(most_s=_RECORDS_S), place))

    def identity(self) -> Identity:
        """Who we are. Raises DeployError (authentication, host), Unavailable."""
        return identity(self._client)

    def store(self, root: str, *, allow_dbfs: bool = False) -> FolderStore:
        """The store at `root`; in DBFS only if that was chosen.

        Raises:
            DeployError: ROOT_NOT_ALLOWED: the path is none.
        """
        place = parse_root(root, allow_dbfs=allow_dbfs)
        return _STORES[place.kind](self._client, place)

    def credential(self) -> Credential:
        """By which kind of credential we came in; complete after the first call."""
        return self._credential()

    def limits(self) -> tuple[RateLimit, ...]:
        """The documented limits of the API, and ours below them."""
        return tuple(
            RateLimit(family.value, rate.documented, rate.per_second)
            for family, rate in RATES.items()
            if family is not Family.OTHER  # no limit is documented for them (facts B5)
        )

    def now_ms(self) -> int:
        """The workspace's time, epoch milliseconds, from the Date of its first answer."""
        return self._clock.now_ms()

    def root_rights(self, root: str, identity: Identity) -> RootRights:
        """Who may do what in `root`. Raises DeployError (ROOT_NOT_ALLOWED), Unavailable."""
        return root_rights(self._client, parse_root(root, allow_dbfs=True), identity)

    def calls(self) -> tuple[int, int, float]:
        """API calls made, retries among them, and seconds waited in limits and retries."""
        return self._client.tally()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> DatabricksWorkspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
