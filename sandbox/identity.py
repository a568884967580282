"""Who is calling, who may what, and what kind of host this is.

Owns: SCIM Me, the permissions endpoints of jobs and folders, and the host's metadata. Must not decide
who may what: permissions.py does. Sources: facts B4, B7 and D, the SCIM and Permissions API docs.
"""

from __future__ import annotations

from sandbox import paths
from sandbox.errors import JsonObject, invalid_parameter, not_found, path_missing, permission_denied
from sandbox.job_rows import find
from sandbox.jobs import missing, viewable
from sandbox.oidc import ACCOUNT_ID
from sandbox.permissions import (
    ADMINS,
    MANAGE,
    VIEW,
    Grant,
    User,
    grant_from,
    no_manage_on_acl,
)
from sandbox.routing import Call, Route, required
from sandbox.tree import DIRECTORY
from sandbox.workspace import Workspace

_GROUP_ID_BASE = 900_000
WORKSPACE_ID = "900800700600"


def me(call: Call) -> JsonObject:
    """GET preview/scim/v2/Me: an admin is a member of the group "admins"."""
    user = call.user
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": str(user.user_id),
        "userName": user.name,
        "displayName": user.name.partition("@")[0],
        "active": True,
        "emails": [{"type": "work", "value": user.name, "primary": True}],
        "groups": [_group(name) for name in ("users", *user.groups)],
    }


def _group(name: str) -> JsonObject:
    value = str(_GROUP_ID_BASE + sum(name.encode()))
    return {"display": name, "type": "direct", "value": value, "$ref": f"Groups/{value}"}


def host_metadata(workspace: Workspace) -> JsonObject:
    """GET /.well-known/databricks-config: no token needed; the SDK asks at once (facts B7)."""
    return {
        "oidc_endpoint": f"{workspace.url}/oidc",
        "account_id": ACCOUNT_ID,
        "workspace_id": WORKSPACE_ID,
        "cloud": "AWS",
        "token_federation_default_oidc_audiences": [ACCOUNT_ID],
    }


def job_permissions(call: Call) -> JsonObject:
    """GET, PUT and PATCH permissions/jobs/{id}."""
    job_id = int(call.places["id"])
    if call.request.method == "GET":
        viewable(call, job_id)
    else:
        if call.workspace.directory.job_reach(call.user, job_id) < MANAGE:
            raise no_manage_on_acl(call.user, job_id)
        if find(call.workspace.store, job_id) is None:
            raise missing(job_id, call.workspace.behaviour.missing_job)
        _write(call, "jobs", str(job_id))
    return _shown(call.workspace, "jobs", f"/jobs/{job_id}", "job", [str(job_id)])


def directory_permissions(call: Call) -> JsonObject:
    """GET, PUT and PATCH permissions/directories/{object_id}."""
    node = call.workspace.tree.by_id(int(call.places["id"]))
    if node is None or node.kind != DIRECTORY:
        raise not_found(f"Directory with ID {call.places['id']} does not exist.")
    lineage = paths.ancestry(node.path)
    reach = call.workspace.directory.reach(call.user, "directories", lineage)
    if reach < VIEW:
        raise path_missing(node.path)
    if call.request.method != "GET":
        if reach < MANAGE:
            raise permission_denied(
                f"{call.user.name} does not have Manage permissions on {node.path}."
            )
        _write(call, "directories", node.path)
    return _shown(
        call.workspace, "directories", f"/directories/{node.object_id}", "directory", lineage
    )


def _write(call: Call, kind: str, name: str) -> None:
    """PUT replaces the lines, PATCH adds to them."""
    try:
        lines = [grant_from(line) for line in required(call.body(), "access_control_list", list)]
    except ValueError as error:
        raise invalid_parameter(str(error)) from error
    if call.request.method == "PUT":
        call.workspace.directory.clear(kind, name)
    for line in lines:
        call.workspace.directory.grant(kind, name, line)


def _shown(
    workspace: Workspace, kind: str, object_id: str, object_type: str, lineage: list[str]
) -> JsonObject:
    """An access list with what is inherited from the folders above, and the admins."""
    by_principal: dict[tuple[str, str], list[JsonObject]] = {}
    for depth, name in enumerate(lineage):
        for grant in workspace.directory.grants(kind, name):
            permission: JsonObject = {"permission_level": grant.level, "inherited": depth > 0}
            if depth:
                above = workspace.tree.get(name)
                permission["inherited_from_object"] = [
                    f"/directories/{above.object_id if above else 0}"
                ]
            by_principal.setdefault((grant.principal_kind, grant.principal), []).append(permission)
    by_principal.setdefault(("group_name", ADMINS), []).append(
        {
            "permission_level": "CAN_MANAGE",
            "inherited": True,
            "inherited_from_object": [f"/{kind}/"],
        }
    )
    return {
        "object_id": object_id,
        "object_type": object_type,
        "access_control_list": [
            {principal_kind: principal, "all_permissions": permissions}
            for (principal_kind, principal), permissions in by_principal.items()
        ],
    }


def add_user(workspace: Workspace, name: str, groups: tuple[str, ...] = ()) -> str:
    """Create a user with a home folder; the token."""
    with workspace.store.transaction():
        token = workspace.directory.add_user(name, groups)
        home = f"{paths.WORKSPACE}/Users/{name}"
        workspace.tree.make_folders(home)
        workspace.directory.grant("directories", home, Grant("user_name", name, "CAN_MANAGE"))
    return token


def users(workspace: Workspace) -> list[User]:
    """All users, by name."""
    names = workspace.store.rows("SELECT name FROM users ORDER BY name")
    return [user for (name,) in names if (user := workspace.directory.user(name)) is not None]


_ANY_METHOD = "GET PUT PATCH"
ROUTES = (
    Route("GET", "/api/2.0/preview/scim/v2/Me", me),
    Route(_ANY_METHOD, "/api/2.0/permissions/jobs/<int:id>", job_permissions),
    Route(_ANY_METHOD, "/api/2.0/permissions/directories/<int:id>", directory_permissions),
)
