"""Clusters and the libraries installed on them, over the Clusters and Libraries APIs (facts B8).

Owns listing them with their policies, and the calls that install, uninstall and restart. Documents stay
the JSON that the API gave. Must not decide or wait.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.deployment.ports import AlreadyExists, ClusterListing, Refused
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.documents import objects
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.transport import Query
from deployer.platforms.databricks.usage import DatabricksUsage


class DatabricksClusters:
    """Implements `ports.Clusters`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._usage = DatabricksUsage(client)

    def listing(self) -> ClusterListing:
        """All clusters with the states of their libraries, and all cluster policies."""
        return ClusterListing(
            clusters=tuple(one.document for one in self._usage.clusters()),
            policies=tuple(one.document for one in self._usage.policies()),
        )

    def cluster(self, cluster_id: str) -> JsonObject:
        """One cluster as it is now; the statuses are read after its state.

        Whoever sees it running then sees statuses of a cluster that runs, or that ran.
        """
        asked: Query = {"cluster_id": cluster_id}
        found = self._client.get("/api/2.1/clusters/get", Family.OTHER, asked)
        held = self._client.get("/api/2.0/libraries/cluster-status", Family.OTHER, asked)
        return {**found, "library_statuses": objects(held.get("library_statuses"))}

    def install(self, cluster_id: str, library: JsonObject) -> None:
        """`libraries/install`, which adds; repeating it is safe."""
        self._write("2.0/libraries/install", {"cluster_id": cluster_id, "libraries": [library]})

    def uninstall(self, cluster_id: str, libraries: Sequence[JsonObject]) -> None:
        """`libraries/uninstall`; repeating it is safe."""
        body: JsonObject = {"cluster_id": cluster_id, "libraries": list(libraries)}
        self._write("2.0/libraries/uninstall", body)

    def restart(self, cluster_id: str) -> None:
        """`clusters/restart`; a repeated one is refused while the first goes on."""
        self._write("2.1/clusters/restart", {"cluster_id": cluster_id})

    def _write(self, path: str, body: JsonObject) -> None:
        try:
            self._client.post(f"/api/{path}", Family.OTHER, body)
        except AlreadyExists as error:
            raise Refused(str(error)) from error
