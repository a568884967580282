"""The levers over HTTP, under /sandbox/: for tests in another process or language.

Owns: these endpoints. They take the control token, and no fault, limit or delay touches them. Must
not play any API: none of this exists in a real workspace.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any, get_args

from werkzeug.wrappers import Request

from sandbox import compute, oidc
from sandbox.cluster_libraries import Hold
from sandbox.errors import JsonObject, invalid_parameter, malformed, not_found
from sandbox.faults import faults_from
from sandbox.github_issuer import GitHubJob
from sandbox.levers import Levers
from sandbox.options import Limits
from sandbox.routing import required, whole_number
from sandbox.workspace import Workspace

PREFIX = "/sandbox/"


def control_token(admin_token: str) -> str:
    """The token for /sandbox/, made from the admin's."""
    return f"{admin_token}-control"


def answer(workspace: Workspace, request: Request) -> JsonObject:
    """Answer one authenticated request under /sandbox/.

    Raises:
        ApiError: no such lever, or it can't be pulled so.
    """
    name = request.path.removeprefix(PREFIX).strip("/")
    found = _LEVERS.get((request.method, name))
    if found is None:
        known = ", ".join(f"{method} {PREFIX}{path}" for method, path in _LEVERS)
        raise not_found(f"There is no lever {request.method} {request.path}; there are {known}.")
    try:
        return found(Levers(workspace), workspace, request)
    except KeyError as error:
        raise not_found(f"There is no {error.args[0]}.") from error
    except ValueError as error:
        raise invalid_parameter(str(error)) from error


def _value(request: Request) -> Any:
    try:
        return json.loads(request.get_data() or b"{}")
    except ValueError as error:
        raise malformed(f"Could not parse request object: {error}") from error


def _body(request: Request) -> JsonObject:
    value = _value(request)
    if not isinstance(value, dict):
        raise malformed("The body is no JSON object.")
    return value


def _calls(levers: Levers, _: Workspace, __: Request) -> JsonObject:
    return {"calls": [asdict(call) for call in levers.calls()]}


def _forget_calls(levers: Levers, _: Workspace, __: Request) -> JsonObject:
    levers.forget_calls()
    return {}


def _state(levers: Levers, _: Workspace, __: Request) -> JsonObject:
    return dict(levers.snapshot())


def _options(_: Levers, workspace: Workspace, __: Request) -> JsonObject:
    return {
        "latency_ms": workspace.latency_ms,
        "limits": "off" if workspace.rate_limits is None else "documented",
        "behaviour": asdict(workspace.behaviour),
        "faults": [fault.as_dict() for fault in workspace.faults.current()],
    }


def _set_options(levers: Levers, workspace: Workspace, request: Request) -> JsonObject:
    body = _body(request)
    unknown = sorted(set(body) - {"latency_ms", "limits", "behaviour", "faults"})
    if unknown:
        raise invalid_parameter(f"There is no option {unknown[0]!r}.")
    if "behaviour" in body:
        levers.behave(**required(body, "behaviour", dict))
    if "latency_ms" in body:
        levers.set_latency(whole_number(body, "latency_ms"))
    if "limits" in body:
        if body["limits"] not in get_args(Limits):
            raise invalid_parameter(f"limits is one of {get_args(Limits)}.")
        levers.set_limits(body["limits"])
    if "faults" in body:
        levers.set_faults(faults_from(body["faults"]))
    return _options(levers, workspace, request)


def _add_user(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    body = _body(request)
    groups = [str(each) for each in body.get("groups", [])]
    return {"token": levers.add_user(str(required(body, "name", str)), groups=groups)}


def _add_service_principal(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    body = _body(request)
    made = levers.add_service_principal(
        str(body.get("application_id", "")),
        secret=str(body.get("secret", "")),
        groups=[str(each) for each in body.get("groups", [])],
    )
    return {"application_id": made.application_id, "id": made.number, "secret": made.secret}


def _add_federation_policy(_: Levers, workspace: Workspace, request: Request) -> JsonObject:
    body = _body(request)
    name = str(required(body, "application_id", str))
    return {"policy_id": oidc.add_federation_policy(workspace, name, body)}


def _github_job(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    body = _body(request)
    known = {each.name for each in fields(GitHubJob)}
    unknown = sorted(set(body) - known)
    if unknown:
        raise invalid_parameter(
            f"There is no {unknown[0]!r}; there are {', '.join(sorted(known))}."
        )
    return dict(levers.github_job(**body))


def _permission(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    body = _body(request)
    principal, level = required(body, "principal", str), required(body, "level", str)
    target = whole_number(body, "job_id") if "job_id" in body else _named(body)
    if body.get("cap") is True:
        levers.deny(principal, target, keep=level)
    else:
        levers.grant(principal, target, level)
    return {}


def _named(body: JsonObject) -> str:
    """The path or the cluster that a permission is about."""
    return str(required(body, "cluster_id" if "cluster_id" in body else "path", str))


def _hold_cluster(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    body = _body(request)
    cluster_id = str(required(body, "cluster_id", str))
    held = {field.name: str(body.get(field.name, "")) for field in fields(Hold)}
    levers.hold_cluster(cluster_id, **held)
    return {}


def _release_cluster(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    levers.release_cluster(str(required(_body(request), "cluster_id", str)))
    return {}


def _add_job(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    body = _body(request)
    job_id = whole_number(body, "job_id") if "job_id" in body else None
    creator = body.get("creator_user_name")
    settings = required(body, "settings", dict)
    return {"job_id": levers.add_job(settings, job_id=job_id, creator=creator)}


def _put_file(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    path = request.args.get("path", "")
    levers.put_file(path, request.get_data())
    return {}


def _hold_run(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    body = _body(request)
    life_cycle = str(body.get("life_cycle_state", "RUNNING"))
    if "job_id" in body:
        return {"run_id": levers.hold_run(whole_number(body, "job_id"), life_cycle)}
    return {"run_id": levers.hold_run(None, life_cycle, **body.get("settings", {}))}


def _finish_run(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    body = _body(request)
    levers.finish_run(whole_number(body, "run_id"), str(body.get("result_state", "SUCCESS")))
    return {}


def _put_document(levers: Levers, _: Workspace, request: Request) -> JsonObject:
    kind = request.path.removeprefix(PREFIX).strip("/")
    return {"id": levers.put(kind, _body(request))}  # type: ignore[arg-type] # _LEVERS names kinds


_Lever = Callable[[Levers, Workspace, Request], JsonObject]
_LEVERS: dict[tuple[str, str], _Lever] = {
    ("GET", "calls"): _calls,
    ("DELETE", "calls"): _forget_calls,
    ("GET", "state"): _state,
    ("GET", "options"): _options,
    ("PATCH", "options"): _set_options,
    ("POST", "users"): _add_user,
    ("POST", "permissions"): _permission,
    ("POST", "service-principals"): _add_service_principal,
    ("POST", "federation-policies"): _add_federation_policy,
    ("POST", "github-jobs"): _github_job,
    ("POST", "jobs"): _add_job,
    ("PUT", "files"): _put_file,
    ("POST", "runs/hold"): _hold_run,
    ("POST", "clusters/hold"): _hold_cluster,
    ("POST", "clusters/release"): _release_cluster,
    ("POST", "runs/finish"): _finish_run,
    **{("PUT", kind): _put_document for kind in compute.KINDS},
}
