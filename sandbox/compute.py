"""Where else a library can be in use: clusters, their libraries, policies, pipelines.

Owns: these endpoints, to the extent that a scan for references needs them. Must not
run anything. Sources: facts A1 (15 to 17) and the API docs of Clusters, Libraries, Cluster Policies
and Pipelines.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.errors import JsonObject, invalid_parameter, not_found
from sandbox.routing import Call, Route, page_token, position_of, required
from sandbox.store import Store

KINDS = {"clusters": "cluster_id", "policies": "policy_id", "pipelines": "pipeline_id"}
"""What can be put in place, and the name of its id."""
_PAGE, _MAX_PAGE = 20, 100
_PIPELINES_PAGE = 25


def put(store: Store, kind: str, document: JsonObject) -> str:
    """Add or replace a cluster, policy or pipeline; its id, which is made up where it is missing.

    A cluster may bring ``libraries``; a pipeline is its spec.

    Raises:
        ValueError: no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no kind {kind!r}; known are {', '.join(KINDS)}.")
    name = str(document.get(KINDS[kind]) or f"{kind}-{store.next_id()}")
    body = {**document, KINDS[kind]: name}
    if kind == "clusters":
        libraries = [_status(each, "INSTALLED") for each in body.pop("libraries", [])]
        store.put_document("libraries", name, {"cluster_id": name, "library_statuses": libraries})
        body = {"cluster_name": name, "state": "RUNNING", "cluster_source": "UI", **body}
    store.put_document(kind, name, body)
    return name


def _status(library: JsonObject, status: str) -> JsonObject:
    return {"library": library, "status": status, "is_library_for_all_clusters": False}


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
    """GET clusters/list."""
    found = call.workspace.store.documents("clusters")
    return _paged(call, found, "clusters", call.number("page_size", _PAGE), _MAX_PAGE)


def get_cluster(call: Call) -> JsonObject:
    """GET clusters/get."""
    return _cluster(call, call.text("cluster_id"))


def _cluster(call: Call, name: str) -> JsonObject:
    found = call.workspace.store.document("clusters", name)
    if found is None:
        raise invalid_parameter(f"Cluster {name} does not exist")
    return found


def all_library_statuses(call: Call) -> JsonObject:
    """GET libraries/all-cluster-statuses: clusters without libraries are left out."""
    found = call.workspace.store.documents("libraries")
    return {"statuses": [each for each in found if each["library_statuses"]]}


def library_statuses(call: Call) -> JsonObject:
    """GET libraries/cluster-status."""
    name = str(_cluster(call, call.text("cluster_id"))["cluster_id"])
    return call.workspace.store.document("libraries", name) or {"cluster_id": name}


def change_libraries(call: Call) -> JsonObject:
    """POST libraries/install, and uninstall, which takes effect with the next restart only."""
    body = call.body()
    name = str(_cluster(call, required(body, "cluster_id", str))["cluster_id"])
    held = call.workspace.store.document("libraries", name) or {"library_statuses": []}
    statuses = list(held["library_statuses"])
    installing = call.request.path.endswith("/install")
    for library in required(body, "libraries", list):
        known = [each for each in statuses if each["library"] == library]
        status = "INSTALLED" if installing else "UNINSTALL_ON_RESTART"
        if known:
            known[0]["status"] = status
        elif installing:
            statuses.append(_status(library, status))
    document = {"cluster_id": name, "library_statuses": statuses}
    call.workspace.store.put_document("libraries", name, document)
    return {}


def restart(call: Call) -> JsonObject:
    """POST clusters/restart: uninstalls take effect, and the next task loads libraries anew."""
    name = str(_cluster(call, required(call.body(), "cluster_id", str))["cluster_id"])
    held = call.workspace.store.document("libraries", name) or {"library_statuses": []}
    kept = [each for each in held["library_statuses"] if each["status"] != "UNINSTALL_ON_RESTART"]
    document = {"cluster_id": name, "library_statuses": kept}
    call.workspace.store.put_document("libraries", name, document)
    call.workspace.runner.restart_cluster(name)
    return {}


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
    Route("GET", "/api/2.0/libraries/all-cluster-statuses", all_library_statuses),
    Route("GET", "/api/2.0/libraries/cluster-status", library_statuses),
    Route("POST", "/api/2.0/libraries/install", change_libraries),
    Route("POST", "/api/2.0/libraries/uninstall", change_libraries),
    Route("GET", "/api/2.0/policies/clusters/list", list_policies),
    Route("GET", "/api/2.0/policies/clusters/get", get_policy),
    Route("GET", "/api/2.0/pipelines", list_pipelines),
    Route("GET", "/api/2.0/pipelines/<id>", get_pipeline),
)
