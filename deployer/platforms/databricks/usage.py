"""What besides job settings may use a library: active runs, clusters, policies, pipelines.

Owns listing them completely, as raw JSON; asked before anything is removed (design.md rule 7). What
can't be listed is an error and never an empty answer. Must not judge what uses what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from deployer.deployment.ports import Denied, NotFound, Refused, UsageDocument
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks import answers
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.documents import (
    RUN_ARRAYS,
    merged,
    number,
    objects,
    quoted,
    text,
)
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.transport import Call, Query
from deployer.session import at_most

_RUNS_PAGE = 24  # one source says at most 25, another less than 25 (facts B6): right under both
_PAGE = 100
_TEXT_LIMIT = 4 * 1024 * 1024  # bytes; a longer requirements file or script is none


class DatabricksUsage:
    """Implements `ports.Usage`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def active_runs(self) -> Iterator[UsageDocument]:
        """Every queued, pending, running or terminating run, with all its tasks.

        One-time runs (`SUBMIT_RUN`) are in the same list: leaving `run_type` out filters nothing
        (Azure/azure-databricks-client #50).
        """
        seen: set[int] = set()
        query: Query = {"active_only": "true", "limit": _RUNS_PAGE, "expand_tasks": "true"}
        with _listing("active runs"):
            for page in self._client.pages("/api/2.2/jobs/runs/list", Family.RUNS_READ, query):
                for run in objects(page.get("runs")):
                    run_id = number(run.get("run_id"))
                    if run_id is None or run_id in seen:
                        continue
                    seen.add(run_id)
                    whole = self._whole_run(run_id) if run.get("has_more") is True else run
                    if whole is not None:
                        yield UsageDocument("run", str(run_id), text(whole.get("run_name")), whole)

    def _whole_run(self, run_id: int) -> JsonObject | None:
        """A run with all its pages; None when it is gone."""
        try:
            pages = self._client.pages(
                "/api/2.2/jobs/runs/get", Family.RUNS_READ, {"run_id": run_id}
            )
            return merged(list(pages), RUN_ARRAYS)
        except NotFound:
            return None

    def other_users(self) -> Iterator[UsageDocument]:
        """Clusters with the states of their libraries, cluster policies, and pipelines."""
        yield from self.clusters()
        yield from self.policies()
        yield from self._pipelines()

    def read_text(self, path: str) -> str | None:
        """The content of a file in the workspace or in a volume; None when there is none."""
        return self._content(path, _download(path))

    def read_notebook(self, path: str) -> str | None:
        """The source of a notebook, without results; None when there is none."""
        return self._content(path, _export(path, "SOURCE"))

    def _content(self, path: str, call: Call) -> str | None:
        answer = self._client.send(call)
        if answer.ok and len(answer.body) > _TEXT_LIMIT:
            raise Refused(f"{path} is larger than {_TEXT_LIMIT:,} bytes.")
        if answer.ok:
            return answer.body.decode("utf-8", "replace")
        error = answers.unread(answer, f"GET {path}")
        if isinstance(error, NotFound):
            return None
        raise error

    def clusters(self) -> Iterator[UsageDocument]:
        """Clusters; the document is the cluster with `library_statuses` added to it.

        A cluster of which only the libraries are known is a user as well.
        """
        with _listing("cluster libraries"):
            answer = self._client.get("/api/2.0/libraries/all-cluster-statuses", Family.OTHER)
        libraries = {
            text(each.get("cluster_id")): each.get("library_statuses") or []
            for each in objects(answer.get("statuses"))
        }
        for cluster in self._listed_clusters():
            cluster_id = text(cluster.get("cluster_id"))
            document = {**cluster, "library_statuses": libraries.pop(cluster_id, [])}
            name = text(cluster.get("cluster_name"))
            yield UsageDocument("cluster", cluster_id, name, document)
        for cluster_id, statuses in libraries.items():
            document = {"cluster_id": cluster_id, "library_statuses": statuses}
            yield UsageDocument("cluster", cluster_id, "", document)

    def _listed_clusters(self) -> Iterator[JsonObject]:
        with _listing("clusters"):
            query: Query = {"page_size": _PAGE}
            for page in self._client.pages("/api/2.1/clusters/list", Family.OTHER, query):
                yield from objects(page.get("clusters"))

    def runtimes(self) -> Mapping[str, str]:
        """The runtime of each cluster that the caller may see; {} when the list is refused."""
        try:
            return {
                text(cluster.get("cluster_id")): version
                for cluster in self._listed_clusters()
                if (version := text(cluster.get("spark_version")))
            }
        except Denied:
            return {}

    def policies(self) -> Iterator[UsageDocument]:
        """Cluster policies, with the libraries that they bring."""
        with _listing("cluster policies"):
            answer = self._client.get("/api/2.0/policies/clusters/list", Family.OTHER)
        for policy in objects(answer.get("policies")):
            yield UsageDocument(
                "policy", text(policy.get("policy_id")), text(policy.get("name")), policy
            )

    def _pipelines(self) -> Iterator[UsageDocument]:
        """Pipelines; the list lacks what they run, so each is read."""
        with _listing("pipelines"):
            pages = self._client.pages("/api/2.0/pipelines", Family.OTHER, {"max_results": _PAGE})
            for page in pages:
                for listed in objects(page.get("statuses")):
                    pipeline_id = text(listed.get("pipeline_id"))
                    try:
                        pipeline = self._client.get(
                            f"/api/2.0/pipelines/{quoted(pipeline_id, safe='')}", Family.OTHER
                        )
                    except NotFound:
                        continue  # deleted since it was listed
                    name = text(listed.get("name"))
                    yield UsageDocument("pipeline", pipeline_id, name, pipeline)


def _download(path: str) -> Call:
    if path.startswith("/Volumes/"):
        address = f"/api/2.0/fs/files{quoted(path)}"
        return Call("GET", address, Family.FILES, read=at_most(_TEXT_LIMIT), is_json=False)
    return _export(path, "AUTO")


def _export(path: str, form: str) -> Call:
    """An export from the workspace; of a notebook, AUTO could give its results as well."""
    query: Query = {"path": path, "format": form, "direct_download": "true"}
    return Call(
        "GET",
        "/api/2.0/workspace/export",
        Family.EXPORT,
        query=query,
        read=at_most(_TEXT_LIMIT),
        is_json=False,
    )


@contextmanager
def _listing(what: str) -> Iterator[None]:
    """Make every no into Denied: who can't see all users must not remove anything."""
    try:
        yield
    except (NotFound, Denied, Refused) as error:
        raise Denied(f"The {what} can't be listed: {error}") from error
