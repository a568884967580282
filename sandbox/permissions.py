"""Who may do what.

Owns: users, access lists and the question "how far may this user go here". Must not answer
requests: identity.py does.

Levels are compared by rank, so that jobs, folders and volumes share one rule. Admins may do
everything. A cap is a lever for tests and has no counterpart in a real workspace: it holds for
admins too.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.errors import ApiError, permission_denied
from sandbox.store import Store

VIEW, RUN, EDIT, MANAGE = 1, 2, 3, 4
_RANKS = {
    "NO_PERMISSIONS": 0,
    "CAN_VIEW": VIEW,
    "CAN_READ": VIEW,
    "READ_VOLUME": VIEW,
    "CAN_ATTACH_TO": VIEW,
    "CAN_RUN": RUN,
    "CAN_RESTART": RUN,
    "CAN_MANAGE_RUN": RUN,
    "CAN_EDIT": EDIT,
    "CAN_MANAGE": MANAGE,
    "IS_OWNER": MANAGE,
    "WRITE_VOLUME": MANAGE,
    "ALL_PRIVILEGES": MANAGE,
}
ADMINS, EVERYONE = "admins", "users"
_PRINCIPAL_KINDS = ("user_name", "group_name", "service_principal_name")


@dataclass(frozen=True)
class User:
    """A user or a service principal of the workspace.

    Attributes:
        name: the login name, or the application id of a service principal.
        user_id: the SCIM id.
        groups: names of the groups, without ``users``, which holds everybody.
    """

    name: str
    user_id: int
    groups: tuple[str, ...] = ()

    @property
    def admin(self) -> bool:
        """Whether this is a workspace admin: a member of the group "admins"."""
        return ADMINS in self.groups


@dataclass(frozen=True)
class Grant:
    """One line of an access list; ``cap`` marks a ceiling instead of a grant."""

    principal_kind: str
    principal: str
    level: str
    cap: bool = False


def rank(level: str) -> int:
    """How far a permission level reaches.

    Raises:
        ValueError: no such level.
    """
    if level not in _RANKS:
        raise ValueError(f"There is no permission level {level!r}; known are {', '.join(_RANKS)}.")
    return _RANKS[level]


def grant_from(line: object) -> Grant:
    """A grant from a line of an ``access_control_list`` (Permissions API docs).

    Raises:
        ValueError: it names no principal, or no level that exists.
    """
    if not isinstance(line, dict) or not isinstance(line.get("permission_level"), str):
        raise ValueError(f"An access control has a permission_level: {line!r}")  # noqa: TRY004 - bad input
    rank(line["permission_level"])
    for kind in _PRINCIPAL_KINDS:
        if isinstance(line.get(kind), str):
            return Grant(kind, line[kind], line["permission_level"])
    raise ValueError(f"An access control has one of {', '.join(_PRINCIPAL_KINDS)}.")


class Directory:
    """The users and the access lists, in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_user(self, name: str, groups: Iterable[str] = ()) -> str:
        """Create a user, or change the groups of one; the token."""
        with self._store.transaction():
            found = self._store.row("SELECT id, token FROM users WHERE name = ?", name)
            user_id, token = found or (
                self._store.next_id(),
                f"sandbox-{secrets.token_hex(16)}",
            )
            self._store.run(
                "INSERT OR REPLACE INTO users (name, id, token, groups) VALUES (?, ?, ?, ?)",
                name,
                user_id,
                token,
                json.dumps(sorted(set(groups))),
            )
            return str(token)

    def user_for(self, token: str) -> User | None:
        """The user with this token."""
        return self._user("SELECT name, id, groups FROM users WHERE token = ?", token)

    def user(self, name: str) -> User | None:
        """The user with this name."""
        return self._user("SELECT name, id, groups FROM users WHERE name = ?", name)

    def _user(self, statement: str, value: str) -> User | None:
        found = self._store.row(statement, value)
        return None if found is None else User(found[0], found[1], tuple(json.loads(found[2])))

    def grants(self, kind: str, name: str) -> list[Grant]:
        """The access list of one object, without caps."""
        rows = self._store.rows(
            "SELECT principal_kind, principal, level FROM acl"
            " WHERE kind = ? AND object = ? AND cap = 0 ORDER BY rowid",
            kind,
            name,
        )
        return [Grant(*row) for row in rows]

    def grant(self, kind: str, name: str, grant: Grant) -> None:
        """Add a line; a principal holds one level per object."""
        rank(grant.level)
        if grant.principal_kind not in _PRINCIPAL_KINDS:
            raise ValueError(f"A principal is one of {', '.join(_PRINCIPAL_KINDS)}.")
        with self._store.transaction():
            self._store.run(
                "DELETE FROM acl WHERE kind = ? AND object = ? AND principal = ? AND cap = ?",
                kind,
                name,
                grant.principal,
                int(grant.cap),
            )
            self._store.run(
                "INSERT INTO acl (kind, object, principal_kind, principal, level, cap)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                kind,
                name,
                grant.principal_kind,
                grant.principal,
                grant.level,
                int(grant.cap),
            )

    def clear(self, kind: str, name: str) -> None:
        """Forget all lines of an object, but not its caps."""
        self._store.run("DELETE FROM acl WHERE kind = ? AND object = ? AND cap = 0", kind, name)

    def reach(self, user: User, kind: str, names: Iterable[str]) -> int:
        """How far a user may go: the best line of the object and of those it inherits from."""
        principals = {user.name, EVERYONE, *user.groups}
        best, ceiling = (MANAGE if user.admin else 0), MANAGE
        for name in names:
            rows = self._store.rows(
                "SELECT principal, level, cap FROM acl WHERE kind = ? AND object = ?", kind, name
            )
            for principal, level, cap in rows:
                if principal not in principals:
                    continue
                if cap:
                    ceiling = min(ceiling, rank(level))
                else:
                    best = max(best, rank(level))
        return min(best, ceiling)

    def job_reach(self, user: User, job_id: int) -> int:
        """How far a user may go with a job; a missing job has no lines, so only admins reach it."""
        return self.reach(user, "jobs", [str(job_id)])


def need_view(directory: Directory, user: User, job_id: int) -> None:
    """Refuse whoever may not see the job; the words are the service's (facts B4)."""
    if directory.job_reach(user, job_id) < VIEW:
        raise permission_denied(
            f"User {user.name} does not have View or Admin or Manage Run or Owner permissions"
            f" on job {job_id}"
        )


def need_run(directory: Directory, user: User, job_id: int) -> None:
    """Refuse whoever may not start the job."""
    if directory.job_reach(user, job_id) < RUN:
        raise permission_denied(
            f"User {user.name} does not have Admin or Manage Run or Owner permissions"
            f" on job {job_id}"
        )


def need_manage(directory: Directory, user: User, job_id: int) -> None:
    """Refuse whoever may not change the job (facts B4)."""
    if directory.job_reach(user, job_id) < MANAGE:
        raise permission_denied(
            f"User {user.name} does not have Admin or Owner permissions on job {job_id}"
        )


def no_manage_on_acl(user: User, job_id: int) -> ApiError:
    """The refusal of a job's access list (facts B4)."""
    return permission_denied(
        f"{user.name} does not have Manage permissions on Job with ID: ElasticJobId({job_id})."
        " Please contact the owner or an administrator for access."
    )
