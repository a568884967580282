"""Sets a project apart: its own copy of the workspace, and an environment that names nothing else.

The user whom project code runs as gets into no folder of the runner, so all that it needs is brought to it.
Owns what that is. Must not run anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.checks.toolbox import Scratch
from deployer.checks.user import ProjectUser, unavailable
from deployer.checks.working_copy import copy_tree
from deployer.errors import FailureReason, fail

_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_LARGEST_BUNDLE = 16 << 20  # bytes
# Folders and files of the caller's HOME, which is out of reach, and a cache that others use as well.
_OUT_OF_REACH = frozenset(
    {"HOME", "NETRC", "UV_CACHE_DIR", "UV_CREDENTIALS_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"}
)


@dataclass(frozen=True)
class Apart:
    """The user whom project code runs as, and the folder that it gets a copy of."""

    user: ProjectUser
    workspace: Path

    def bring(
        self, project: Path, environ: Mapping[str, str], scratch: Scratch
    ) -> tuple[Path, dict[str, str]]:
        """The project's folder in the copy, and the environment to go with it.

        Raises:
            DeployError: PROJECT_INVALID when the project lies outside of the workspace,
                ISOLATION_UNAVAILABLE when nothing runs as the user, or something can't be copied.
        """
        self.user.end_all()  # of an earlier run: nobody watches the copy being made
        self.user.try_out(scratch.work)
        moved = _environ(environ, self.workspace, scratch)
        return _copy_project(project, self.workspace, scratch, self.user), moved


def _copy_project(project: Path, workspace: Path, scratch: Scratch, user: ProjectUser) -> Path:
    """Copy the whole workspace, as builds name files beside the project; the project's folder in it."""
    top, leads_to = workspace.resolve(), project.resolve()
    if not leads_to.is_relative_to(top):
        raise fail(
            FailureReason.PROJECT_INVALID,
            f"The project folder {project.name} lies outside of the workspace.",
            detail=f"It leads to {leads_to}; what is not in {top} is kept from a project's code.",
            remedy="Check the project out in the workspace, and set `project` to its folder there.",
        )
    try:
        copy_tree(top, scratch.workspace, user, leave_out=scratch.root)
    except (OSError, RecursionError) as error:
        raise unavailable(f"The workspace could not be copied: {error}") from error
    return scratch.workspace / leads_to.relative_to(top)


def _environ(environ: Mapping[str, str], workspace: Path, scratch: Scratch) -> dict[str, str]:
    """`environ` with paths of the workspace leading into its copy, and files of certificates at hand."""
    here = re.compile(rf"{re.escape(str(workspace))}(?![^/\s:,;])")
    moved = {
        name: here.sub(str(scratch.workspace), value)
        for name, value in environ.items()
        if name not in _OUT_OF_REACH
    }
    for name in _CERTIFICATES:
        # A file of the workspace is the project's, and may be a link: nothing of ours follows it.
        if moved.get(name) and moved[name] == environ[name]:
            moved[name] = str(_at_hand(name, Path(moved[name]), scratch))
    return {**moved, "UV_CACHE_DIR": str(scratch.work / "uv")}


def _at_hand(name: str, bundle: Path, scratch: Scratch) -> Path:
    """A copy of a file of certificates for everyone to read; the path itself when there is no such file."""
    if not bundle.is_file():
        return bundle
    copy = scratch.root / name
    try:
        with bundle.open("rb") as stream:
            copy.write_bytes(stream.read(_LARGEST_BUNDLE))
        copy.chmod(0o644)
    except OSError as error:
        raise unavailable(f"The certificates of {name} could not be copied: {error}") from error
    return copy
