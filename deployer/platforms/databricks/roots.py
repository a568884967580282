"""Which paths can be a root, and in which form.

Owns the spellings of one place (facts A2) and the refusal of others. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from deployer.errors import DeployError, FailureReason, fail

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# Top folders of the workspace that are also known without their prefix (facts A2).
_SHORT = ("/Users/", "/Shared/")
_VOLUME_NAMES = 3  # catalog, schema, volume
_AUTHORITY = re.compile("dbfs://[^/]")  # `dbfs://aa/bb`: `aa` reads as the name of a server
DBFS = "dbfs:"
# Facts A3 and C.
_NO_DBFS = (
    "runtimes from 15.1 on don't load libraries from the DBFS root, and every user may write there"
)
_REMEDY = (
    "Use a volume folder such as /Volumes/main/libs/released, or a workspace folder such as"
    " /Workspace/libs/released, which only the deployer may write."
)
_DBFS_REMEDY = (
    f"{_REMEDY} Only if all runtimes are older than 15.1 and nothing better is there, choose DBFS"
    " explicitly:\n\n  with:\n    allow-dbfs: true"
)


class Kind(Enum):
    """Which API serves a root."""

    WORKSPACE = "workspace"
    VOLUME = "volume"
    DBFS = "dbfs"


@dataclass(frozen=True)
class Root:
    """A folder for libraries, without a last slash.

    `path` starts with `/Workspace/`, `/Volumes/` or `dbfs:/`.
    """

    kind: Kind
    path: str

    @property
    def volume(self) -> str:
        """The full name of the volume, such as `main.libs.released`; empty for a workspace folder."""
        if self.kind is not Kind.VOLUME:
            return ""
        return ".".join(self.path.split("/")[2 : 2 + _VOLUME_NAMES])


def canonical(path: str) -> str:
    """`path` in the spelling that roots use; paths that are nothing of ours come back as they are."""
    in_dbfs = path.startswith(("dbfs:/", "/dbfs/")) and not _AUTHORITY.match(path)
    if in_dbfs:
        path = path[len(DBFS) :]
    if path.startswith("/"):
        path = "/" + "/".join(part for part in path.split("/") if part)
    if in_dbfs and not f"{path}/".startswith("/Volumes/"):
        return f"{DBFS}{path}"
    if f"{path}/".startswith(_SHORT):
        path = f"/Workspace{path}"
    return path


def parse_root(given: str, *, allow_dbfs: bool = False) -> Root:
    """The root that `given` names; one in DBFS only if that was chosen.

    Raises:
        DeployError: ROOT_NOT_ALLOWED, with the reason and forms that are allowed.
    """
    path = canonical(given.strip())
    why = _objection(given, path)
    if not why and path.startswith(DBFS) and not allow_dbfs:
        why = _NO_DBFS
    if why:
        raise fail(
            FailureReason.ROOT_NOT_ALLOWED,
            f"{given!r} can't be the root for libraries: {why}.",
            remedy=_DBFS_REMEDY if why == _NO_DBFS else _REMEDY,
        )
    if path.startswith(DBFS):
        return Root(Kind.DBFS, path)
    return Root(Kind.VOLUME if path.startswith("/Volumes/") else Kind.WORKSPACE, path)


def dbfs_is_gone(root: str, said: str) -> DeployError:
    """What is told when a workspace has its DBFS root turned off."""
    return fail(
        FailureReason.ROOT_NOT_ALLOWED,
        f"{root} can't be the root for libraries: this workspace has its DBFS root turned off.",
        detail=said,
        remedy=_REMEDY,
    )


def _objection(given: str, path: str) -> str:
    """Why there can be no root at `path`, or the empty string; whether DBFS was chosen is open."""
    parts = path.split("/")[1:]
    if not given.strip():
        return "it is empty"
    if _CONTROL.search(given):
        return "it contains a control character"
    if _SCHEME.match(path) and (not path.startswith("dbfs:/") or _AUTHORITY.match(path)):
        return _why_no_scheme(path)
    if not path.startswith(("/", "dbfs:/")):
        return "it is a relative path"
    if any(part in (".", "..") for part in parts):
        return 'it contains "." or ".."'
    return _why_not_in_dbfs(parts) if path.startswith(DBFS) else _why_not_below(parts)


def _why_not_in_dbfs(parts: list[str]) -> str:
    top = parts[0].lower()
    if not top:
        return "it is the whole DBFS root"
    if top == "filestore":
        return "whatever lies in the FileStore of DBFS is served to browsers"
    if top.startswith("databricks"):
        return "that folder of DBFS is Databricks' own"
    return ""


def _why_not_below(parts: list[str]) -> str:
    match parts:
        case ["Volumes", *names]:
            is_volume = len(names) >= _VOLUME_NAMES
            return "" if is_volume else "a volume is /Volumes/<catalog>/<schema>/<volume>"
        case ["Workspace"]:
            return "it is the whole workspace"
        case ["Workspace", "Repos", *_]:
            return "a Git folder holds sources and follows its repository"
        case ["Workspace", *_]:
            return ""
        case ["dbfs" | "FileStore", *_]:
            return _NO_DBFS
        case _:
            return "it starts with neither /Volumes/ nor /Workspace/"


def _why_no_scheme(path: str) -> str:
    if path.startswith(DBFS):
        return "a path in DBFS starts with dbfs:/ and one slash"
    scheme = path.split(":", 1)[0]
    return f"{scheme}: addresses object storage, which a Databricks credential can't write"
