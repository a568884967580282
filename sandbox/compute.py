"""Where else a library can be in use: clusters, their libraries, policies, pipelines.

Owns: these endpoints, to the extent that finding and replacing a library needs them, and the rights on
clusters. Must not run anything. Sources: facts A1 (15 to 17), B8 and the API docs of Clusters,
Libraries, Cluster Policies and Pipelines.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.cluster_libraries import ClusterLibraries, Hold, seed
from sandbox.errors import ApiError, JsonObject, invalid_parameter, not_found, permission_denied
from sandbox.permissions import MANAGE, RUN, VIEW
from sandbox.routing import Call, Route, page_token, position_of, required
from sandbox.store import Store
from sandbox.workspace import Workspace

KINDS = {"clusters": "cluster_id", "policies": "policy_id", "pipelines": "pipeline_id"}
"""What can be put in place, and the name of its id."""
_PAGE, _MAX_PAGE = 20, 100
_PIPELINES_PAGE = 25


def put(store: Store, kind: str, document: JsonObject) -> str:
    """Add or replace a cluster, policy or pipeline; its id, which is made up where it is missing.

    A cluster may bring ``libraries``, and ``library_statuses`` as the service shows them; a pipeline is
    its spec.

    Raises:
        ValueError: no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no kind {kind!r}; known are {', '.join(KINDS)}.")
    name = str(document.get(KINDS[kind]) or f"{kind}-{store.next_id()}")
    body = {**document, KINDS[kind]: name}
    if kind == "clusters":
        plain = [{"library": each} for each in body.pop("libraries", [])]
        statuses = [*plain, *body.pop("library_statuses", [])]
        body = {"cluster_name": name, "state": "RUNNING", "cluster_source": "UI", **body}
        seed(store, name, statuses, running=_runs(body))
    store.put_document(kind, name, body)
    return name


def _paged(
    call: Call, found: Sequence[JsonObject], name: str, size: int, largest: int
) -> JsonObject:
    if not 1 <= size <= largest:
        raise invalid_parameter(f"The page size {size} does not lie between 1 and {largest}.")
    start = position_of(call)
    answer: JsonObject = {name: list(found[start : start + size])}
    if len(found) > start + size:
        answer["next_page_token"] = page_token(start + size)
    return answer


def list_clusters(call: Call) -> JsonObject:
    """GET clusters/list: those that the caller may attach to."""
    found = [each for each in call.workspace.store.documents("clusters") if _visible(call, each)]
    return _paged(call, found, "clusters", call.number("page_size", _PAGE), _MAX_PAGE)


def get_cluster(call: Call) -> JsonObject:
    """GET clusters/get."""
    return _cluster(call, call.text("cluster_id"), VIEW)


def _visible(call: Call, document: JsonObject) -> bool:
    name = str(document["cluster_id"])
    return call.workspace.directory.reach(call.user, "clusters", [name]) >= VIEW


def _cluster(call: Call, name: str, level: int) -> JsonObject:
    """A cluster for somebody who may go so far with it (facts B8, "rights").

    Raises:
        ApiError: no such cluster, or no such right.
    """
    found = call.workspace.store.document("clusters", name)
    if found is None:
        raise invalid_parameter(f"Cluster {name} does not exist")
    if call.workspace.directory.reach(call.user, "clusters", [name]) < level:
        right = {VIEW: "Attach", RUN: "Restart", MANAGE: "Manage"}[level]
        raise permission_denied(
            f"{call.user.name} does not have {right} permissions on {found['cluster_name']}."
            " Please contact your administrator for access."
        )
    return found


def _runs(cluster: JsonObject) -> bool:
    return cluster["state"] in ("RUNNING", "RESIZING")


def _libraries(workspace: Workspace, name: str) -> ClusterLibraries:
    return ClusterLibraries(
        workspace.store, workspace.tree, name, workspace.behaviour.second_version
    )


def all_library_statuses(call: Call) -> JsonObject:
    """GET libraries/all-cluster-statuses, in one answer: clusters without libraries are left out."""
    found = call.workspace.store.documents("libraries")
    shown = [each for each in found if each["library_statuses"] and _visible(call, each)]
    return {"statuses": shown} if shown else {}


def library_statuses(call: Call) -> JsonObject:
    """GET libraries/cluster-status: without libraries there is no list; those that go come last."""
    name = str(_cluster(call, call.text("cluster_id"), VIEW)["cluster_id"])
    held = call.workspace.store.document("libraries", name) or {}
    statuses = sorted(
        held.get("library_statuses", []), key=lambda each: each["status"] == "UNINSTALL_ON_RESTART"
    )
    shown: JsonObject = {"cluster_id": name}
    return {**shown, "library_statuses": statuses} if statuses else shown


def change_libraries(call: Call) -> JsonObject:
    """POST libraries/install and uninstall (facts B8)."""
    body = call.body()
    cluster = _cluster(call, required(body, "cluster_id", str), MANAGE)
    libraries = required(body, "libraries", list)
    if not libraries or not all(isinstance(each, dict) and each for each in libraries):
        raise invalid_parameter("At least one library has to be given, each with one kind.")
    _need_freedom(call.workspace, cluster)
    held = _libraries(call.workspace, str(cluster["cluster_id"]))
    if call.request.path.endswith("/install"):
        held.install(libraries, running=_runs(cluster))
    else:
        stopped = call.workspace.behaviour.uninstall_when_stopped
        held.uninstall(libraries, running=_runs(cluster), when_stopped=stopped)
    return {}


def _need_freedom(workspace: Workspace, cluster: JsonObject) -> None:
    """Refuse to change what a policy brings (facts B8, "policies"; unverified how)."""
    policy = workspace.store.document("policies", str(cluster.get("policy_id", "")))
    if policy is not None and policy.get("libraries"):
        raise permission_denied(
            f"The libraries of cluster {cluster['cluster_id']} are managed by its policy."
        )


def restart(call: Call) -> JsonObject:
    """POST clusters/restart: only of a cluster that runs (facts B8, "restarting")."""
    return _start(call, "RUNNING", "RESTARTING")


def start(call: Call) -> JsonObject:
    """POST clusters/start: only of a cluster that is stopped."""
    return _start(call, "TERMINATED", "PENDING")


def _start(call: Call, only_if: str, meanwhile: str) -> JsonObject:
    name = required(call.body(), "cluster_id", str)
    cluster = _cluster(call, name, RUN)
    _need_state(cluster, only_if)
    call.workspace.store.put_document("clusters", name, {**cluster, "state": meanwhile})
    held = _libraries(call.workspace, name).hold.starting
    if held:
        call.workspace.store.put_document("clusters", name, {**cluster, "state": held})
    else:
        _started(call.workspace, name)
    return {}


def _need_state(cluster: JsonObject, state: str) -> None:
    if cluster["state"] != state:
        raise ApiError(
            400,
            "INVALID_STATE",
            f"Cluster {cluster['cluster_id']} is in unexpected state"
            f" {cluster['state'].capitalize()}.",
        )


def _started(workspace: Workspace, name: str) -> None:
    """A cluster is up: it loads its libraries anew, and so does the next task on it."""
    cluster = workspace.store.document("clusters", name) or {}
    workspace.store.put_document("clusters", name, {**cluster, "state": "RUNNING"})
    _libraries(workspace, name).start()
    workspace.runner.restart_cluster(name)


def terminate(call: Call) -> JsonObject:
    """POST clusters/delete, which only stops the cluster."""
    name = required(call.body(), "cluster_id", str)
    cluster = _cluster(call, name, RUN)
    call.workspace.store.put_document("clusters", name, {**cluster, "state": "TERMINATED"})
    _libraries(call.workspace, name).stop()
    return {}


def hold(workspace: Workspace, name: str, held: Hold) -> None:
    """Keep a cluster at these steps; it has to be there."""
    with workspace.store.transaction():
        if workspace.store.document("clusters", name) is None:
            raise KeyError(name)
        _libraries(workspace, name).keep(held)


def release(workspace: Workspace, name: str) -> None:
    """Let a cluster go on: a start that was held ends, and so do installations."""
    with workspace.store.transaction():
        cluster = workspace.store.document("clusters", name)
        if cluster is None:
            raise KeyError(name)
        starting = cluster["state"] in ("RESTARTING", "PENDING")
        _libraries(workspace, name).release(running=_runs(cluster))
        if starting:
            _started(workspace, name)


def list_policies(call: Call) -> JsonObject:
    """GET policies/clusters/list: all of them, there are no pages."""
    return {"policies": call.workspace.store.documents("policies")}


def get_policy(call: Call) -> JsonObject:
    """GET policies/clusters/get."""
    name = call.text("policy_id")
    found = call.workspace.store.document("policies", name)
    if found is None:
        raise not_found(f"Can't find a cluster policy with id: {name}.")
    return found


def list_pipelines(call: Call) -> JsonObject:
    """GET pipelines: names and states only; what a pipeline uses stands in its spec."""
    found = [
        {
            "pipeline_id": each["pipeline_id"],
            "name": each.get("name", each["pipeline_id"]),
            "state": "IDLE",
            "creator_user_name": call.workspace.options.user,
        }
        for each in call.workspace.store.documents("pipelines")
    ]
    return _paged(call, found, "statuses", call.number("max_results", _PIPELINES_PAGE), _MAX_PAGE)


def get_pipeline(call: Call) -> JsonObject:
    """GET pipelines/{id}."""
    name = call.places["id"]
    found = call.workspace.store.document("pipelines", name)
    if found is None:
        raise not_found(f"The specified pipeline {name} was not found.")
    spec = {**found, "id": name}
    del spec["pipeline_id"]
    return {
        "pipeline_id": name,
        "name": found.get("name", name),
        "state": "IDLE",
        "creator_user_name": call.workspace.options.user,
        "spec": spec,
    }


_CLUSTERS = "/api/<any('2.0','2.1'):version>/clusters"
ROUTES = (
    Route("GET", f"{_CLUSTERS}/list", list_clusters),
    Route("GET", f"{_CLUSTERS}/get", get_cluster),
    Route("POST", f"{_CLUSTERS}/restart", restart),
    Route("POST", f"{_CLUSTERS}/start", start),
    Route("POST", f"{_CLUSTERS}/delete", terminate),
    Route("GET", "/api/2.0/libraries/all-cluster-statuses", all_library_statuses),
    Route("GET", "/api/2.0/libraries/cluster-status", library_statuses),
    Route("POST", "/api/2.0/libraries/install", change_libraries),
    Route("POST", "/api/2.0/libraries/uninstall", change_libraries),
    Route("GET", "/api/2.0/policies/clusters/list", list_policies),
    Route("GET", "/api/2.0/policies/clusters/get", get_policy),
    Route("GET", "/api/2.0/pipelines", list_pipelines),
    Route("GET", "/api/2.0/pipelines/<id>", get_pipeline),
)
