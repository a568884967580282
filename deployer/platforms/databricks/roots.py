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
_VOLUME_PARTS = 4  # Volumes, catalog, schema, volume
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
        return ".".join(self.path.split("/")[2 : _VOLUME_PARTS + 1])


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
    if not given.strip():
        raise _refused(given, "it is empty")
    if _CONTROL.search(given):
        raise _refused(given, "it contains a control character")
    path = canonical(given.strip())
    if _SCHEME.match(path):
        raise _refused(given, _why_no_scheme(path))
    parts = path.split("/")[1:]
    if not path.startswith("/"):
        raise _refused(given, "it is a relative path")
    if any(part in (".", "..") for part in parts):
        raise _refused(given, 'it contains "." or ".."')
    match parts[0]:
        case "Volumes" if len(parts) < _VOLUME_PARTS:
            raise _refused(given, "a volume path is /Volumes/<catalog>/<schema>/<volume>")
        case "Volumes":
            return Root(Kind.VOLUME, path)
        case "Workspace" if len(parts) == 1:
            raise _refused(given, "it is the whole workspace")
        case "Workspace" if parts[1] == "Repos":
            raise _refused(given, "a Git folder holds sources and follows its repository")
        case "Workspace":
            return Root(Kind.WORKSPACE, path)
        case "dbfs" | "FileStore":
            raise _refused(given, "new runtimes don't load libraries from the DBFS root")
        case "":
            raise _refused(given, "it is the whole file system")
        case _:
            raise _refused(given, "it starts with neither /Volumes/ nor /Workspace/")


def _why_no_scheme(path: str) -> str:
    if path.startswith("dbfs:"):
        return "new runtimes don't load libraries from the DBFS root"
    scheme = path.split(":", 1)[0]
    return f"{scheme}: addresses object storage, which a Databricks credential can't write"


def _refused(given: str, why: str) -> DeployError:
    return fail(
        FailureReason.ROOT_NOT_ALLOWED,
        f"{given!r} can't be the root for libraries: {why}.",
        remedy=_REMEDY,
    )
