"""Who may read and write the root, by its access lists; nothing is tried out.

Owns reading the permissions of a workspace folder and the grants of a volume, and what their levels
allow (facts D; "Access control lists" and "Unity Catalog privileges" in the Databricks docs). Must not
write. What a list does not show, such as what a nested group or the owner of a catalog may do, is not
known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deployer.deployment.ports import Denied, Identity, NotFound, Refused, RootRights
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.documents import mapping, number, objects, quoted, text
from deployer.platforms.databricks.jobs import EVERYBODY
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.roots import Kind, Root

_ADMINS = "admins"
_SHARED = "/Workspace/Shared/"
_READING = frozenset({"CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE", "IS_OWNER"})
# To put a new file into a folder takes more than to change one that is there (facts D).
_ADDING = frozenset({"CAN_MANAGE", "IS_OWNER"})
_CHANGING = _ADDING | {"CAN_EDIT"}
_READ_VOLUME = frozenset({"READ_VOLUME", "ALL_PRIVILEGES"})
_WRITE_VOLUME = frozenset({"WRITE_VOLUME", "ALL_PRIVILEGES"})
_UNKNOWN = RootRights(may_read=None, may_write=None)
_EVERYBODY = RootRights(may_read=True, may_write=True, open_to_all=True)


@dataclass(frozen=True)
class _Line:
    """One line of an access list: a principal and its levels or privileges."""

    principal: str
    levels: frozenset[str]

    def is_about(self, identity: Identity) -> bool:
        """Whether it is about us, or a group that holds us."""
        ours = self.principal.casefold() == identity.user.casefold()
        return ours or self.principal in identity.groups | EVERYBODY


def root_rights(client: Client, root: Root, identity: Identity) -> RootRights:
    """Who may do what in `root`, or where it would be made.

    Raises:
        Unavailable: the workspace does not answer. DeployError: the credential is turned down.
    """
    try:
        if root.kind is Kind.WORKSPACE:
            return _of_folder(client, root.path, identity)
        if root.volume:
            return _of_volume(client, root.volume, identity)
    except (NotFound, Denied, Refused):
        return _UNKNOWN
    return _EVERYBODY  # storage without access lists, such as the DBFS root


def _of_folder(client: Client, path: str, identity: Identity) -> RootRights:
    if f"{path}/".startswith(_SHARED):
        # All users may edit what lies there, whatever the list of a folder says.
        return _EVERYBODY
    admin = True if identity.admin else None
    folder_id = _nearest_folder(client, path)
    if folder_id is None:
        return RootRights(admin, admin)
    answer = client.get(f"/api/2.0/permissions/directories/{folder_id}", Family.OTHER)
    lines = [
        _Line(
            text(line.get("user_name"))
            or text(line.get("service_principal_name"))
            or text(line.get("group_name")),
            frozenset(
                text(each.get("permission_level")) for each in objects(line.get("all_permissions"))
            ),
        )
        for line in objects(answer.get("access_control_list"))
    ]
    return _summed(lines, identity, reading=_READING, adding=_ADDING, changing=_CHANGING)


def _nearest_folder(client: Client, path: str) -> int | None:
    """The id of the folder, or of the first one above that is there and that we may see."""
    while path not in ("", "/Workspace"):
        try:
            status = client.get("/api/2.0/workspace/get-status", Family.LIST, {"path": path})
            return number(status.get("object_id"))
        except NotFound:
            path = path.rpartition("/")[0]
    return None


def _of_volume(client: Client, volume: str, identity: Identity) -> RootRights:
    name = quoted(volume, safe="")
    owner = text(client.get(f"/api/2.1/unity-catalog/volumes/{name}", Family.OTHER).get("owner"))
    address = f"/api/2.1/unity-catalog/effective-permissions/volume/{name}"
    pages = client.pages(address, Family.OTHER, {"max_results": 0})
    lines = [
        _Line(text(line.get("principal")), _privileges(line.get("privileges")))
        for page in pages
        for line in objects(page.get("privilege_assignments"))
    ]
    if owner:
        lines.append(_Line(owner, frozenset({"ALL_PRIVILEGES"})))
    # A workspace admin is nobody special in Unity Catalog.
    plain = Identity(identity.user, admin=False, groups=identity.groups)
    return _summed(lines, plain, reading=_READ_VOLUME, adding=_WRITE_VOLUME, changing=_WRITE_VOLUME)


def _privileges(given: object) -> frozenset[str]:
    """The privileges of one principal: objects in effective permissions, strings elsewhere."""
    names = given if isinstance(given, list) else []
    return frozenset(text(each) or text(mapping(each).get("privilege")) for each in names)


def _summed(
    lines: Iterable[_Line],
    identity: Identity,
    *,
    reading: frozenset[str],
    adding: frozenset[str],
    changing: frozenset[str],
) -> RootRights:
    known = [line for line in lines if line.principal]
    ours = frozenset().union(*(line.levels for line in known if line.is_about(identity)))
    others = {
        line.principal
        for line in known
        if line.levels & changing and line.principal.casefold() != identity.user.casefold()
    }
    return RootRights(
        may_read=identity.admin or bool(ours & reading),
        may_write=identity.admin or bool(ours & adding),
        writers=tuple(sorted(others - EVERYBODY - {_ADMINS}, key=str.casefold)),
        open_to_all=bool(others & EVERYBODY),
    )
