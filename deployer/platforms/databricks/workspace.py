"""One Databricks workspace: the adapter that `main` hands to the story.

Owns putting the parts together; they live in the modules beside it.
"""

from __future__ import annotations

from types import TracebackType

from deployer.deployment.ports import Identity
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.folder_store import FolderStore
from deployer.platforms.databricks.identity import identity
from deployer.platforms.databricks.jobs import DatabricksJobs
from deployer.platforms.databricks.roots import Kind, parse_root
from deployer.platforms.databricks.usage import DatabricksUsage
from deployer.platforms.databricks.volumes import VolumeStore
from deployer.platforms.databricks.workspace_files import WorkspaceStore


class DatabricksWorkspace:
    """Implements `ports.Workspace`; as a context manager it closes its connections at the end."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._jobs = DatabricksJobs(client)
        self._usage = DatabricksUsage(client)

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

    def identity(self) -> Identity:
        """Who we are. Raises DeployError (authentication, host), Unavailable."""
        return identity(self._client)

    def store(self, root: str) -> FolderStore:
        """The store at `root`. Raises DeployError (ROOT_NOT_ALLOWED) when the path is none."""
        place = parse_root(root)
        kind = VolumeStore if place.kind is Kind.VOLUME else WorkspaceStore
        return kind(self._client, place)

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
