"""Which paths can be a root, and in which form.

Owns the spellings of one place (facts A2) and the refusal of others. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from deployer.errors import FailureReason, fail

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# Top folders of the workspace that are also known without their prefix (facts A2).
_SHORT = ("/Users/", "/Shared/")
_VOLUME_NAMES = 3  # catalog, schema, volume
_NO_DBFS = "runtimes from 15.1 on don't load libraries from the DBFS root"  # facts A3
_REMEDY = (
    "Use a volume folder such as /Volumes/main/libs/released, or a workspace folder such as"
    " /Workspace/libs/released, which only the deployer may write."
)


class Kind(Enum):
    """Which API serves a root."""

    WORKSPACE = "workspace"
    VOLUME = "volume"


@dataclass(frozen=True)
class Root:
    """A folder for libraries; `path` starts with `/Workspace/` or `/Volumes/`, without a last slash."""

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
    if path.startswith("dbfs:/Volumes/"):
        path = path.removeprefix("dbfs:")
    if path.startswith("/"):
        path = "/" + "/".join(part for part in path.split("/") if part)
    if f"{path}/".startswith(_SHORT):
        path = f"/Workspace{path}"
    return path


def parse_root(given: str) -> Root:
    """The root that `given` names.

    Raises:
        DeployError: ROOT_NOT_ALLOWED, with the reason and forms that are allowed.
    """
    path = canonical(given.strip())
    why = _objection(given, path)
    if why:
        raise fail(
            FailureReason.ROOT_NOT_ALLOWED,
            f"{given!r} can't be the root for libraries: {why}.",
            remedy=_REMEDY,
        )
    return Root(Kind.VOLUME if path.startswith("/Volumes/") else Kind.WORKSPACE, path)


def _objection(given: str, path: str) -> str:
    """Why there can be no root at `path`, or the empty string."""
    parts = path.split("/")[1:]
    if not given.strip():
        return "it is empty"
    if _CONTROL.search(given):
        return "it contains a control character"
    if _SCHEME.match(path):
        return _why_no_scheme(path)
    if not path.startswith("/"):
        return "it is a relative path"
    if any(part in (".", "..") for part in parts):
        return 'it contains "." or ".."'
    return _why_not_below(parts)


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
    if path.startswith("dbfs:"):
        return _NO_DBFS
    scheme = path.split(":", 1)[0]
    return f"{scheme}: addresses object storage, which a Databricks credential can't write"
