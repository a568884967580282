"""The tools that the checks start, and the folders that they write to.

Owns which variables of the caller's environment reach which command. Must not start anything.
Nothing of the caller passes but what is named here, so that the project's code never sees a
credential of the run (`DATABRICKS_*`, `ARM_*`, `AWS_*`, `GITHUB_TOKEN`, `INPUT_*`, `ACTIONS_*`;
design.md, rule 10).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ruff import find_ruff_bin  # type: ignore[import-untyped]  # it ships no types
from uv import find_uv_bin

from deployer.checks.java import JavaHome, installer_environment, provide_java
from deployer.checks.user import ProjectUser

_PASSED_ON = frozenset(
    {
        "ALL_PROXY",
        "CURL_CA_BUNDLE",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "NO_PROXY",
        "PATH",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TZ",
    }
)


@dataclass(frozen=True)
class Toolbox:
    """The tools of the checks. `java` is asked only when the project's tests have PySpark."""

    uv: Path
    ruff: Path
    java: Callable[[], JavaHome]  # raises DeployError

    @classmethod
    def installed(cls, environ: Mapping[str, str], cache: Path) -> Toolbox:
        """The tools that this program was installed with, and the Java of this machine.

        `cache` is a folder that lasts: a Java lands there when the machine has none.
        """
        return cls(
            uv=Path(find_uv_bin()),
            ruff=Path(find_ruff_bin()),
            java=lambda: provide_java(environ, cache),
        )

    def apart(self, environ: Mapping[str, str], cache: Path, user: ProjectUser) -> Toolbox:
        """The same tools for a project that is kept apart: a Java that `user` gets to, in `cache`.

        `cache` is a folder of ours that `user` may enter.
        """
        return replace(self, java=lambda: provide_java(environ, cache, user))


@dataclass(frozen=True)
class Scratch:
    """The folder that takes everything that a run of the checks writes; absolute.

    `root` itself is ours: nobody else puts anything into it. The folders in it belong to `user`, if there
    is one, and what is found in them may be anything.
    """

    root: Path
    user: ProjectUser | None = None

    @property
    def home(self) -> Path:
        """HOME of every command: the caller's has credential files such as `.databrickscfg`."""
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        """TMPDIR of every command."""
        return self.root / "tmp"

    @property
    def reports(self) -> Path:
        """Files that tools write for us."""
        return self.root / "reports"

    @property
    def dist(self) -> Path:
        """What the build writes."""
        return self.root / "dist"

    @property
    def work(self) -> Path:
        """Virtual environments, caches and whatever else commands make."""
        return self.root / "work"

    @property
    def workspace(self) -> Path:
        """The copy of the workspace; only a `user` has one."""
        return self.root / "workspace"

    def make(self) -> None:
        """Make the folders. Raises OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.home, self.temporary, self.reports, self.dist, self.work):
            self._make(folder)

    def emptied(self, folder: Path) -> Path:
        """One of the folders, with nothing in it, whatever commands left there. Raises OSError."""
        if folder.is_symlink():
            folder.unlink()
        with suppress(
            RecursionError
        ):  # folders without a bottom stay, and are no report and no wheel
            shutil.rmtree(folder, ignore_errors=True)
        self._make(folder)
        return folder

    @property
    def owner(self) -> int | None:
        """Whose files commands write; None when they run as ourselves."""
        return self.user.uid if self.user else None

    def _make(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        if self.user:
            self.user.own(folder)


def tool_environment(environ: Mapping[str, str], scratch: Scratch) -> dict[str, str]:
    """The environment of linters, tests and git: locale, proxies and certificates, no more."""
    passed = {name: value for name, value in environ.items() if name.upper() in _PASSED_ON}
    return {
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
        **passed,
        **_own(scratch),
        "PYTHONDONTWRITEBYTECODE": "1",  # the project's folder stays as it was
        "PYTHONUNBUFFERED": "1",  # what was printed before a kill is in the log
    }


def install_environment(environ: Mapping[str, str], scratch: Scratch) -> dict[str, str]:
    """The environment of uv: the above, and the package indexes with their credentials.

    A build backend sees it too, because uv fetches the backend and starts it in one go.
    """
    home = environ.get("HOME", "")
    cache = environ.get("XDG_CACHE_HOME") or (home and f"{home}/.cache")
    config = environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config")
    # What uv would find in the real HOME: its cache, its uv.toml, and passwords of indexes.
    found = {
        "UV_CACHE_DIR": f"{cache}/uv" if cache else "",
        "XDG_CONFIG_HOME": config,
        "NETRC": f"{home}/.netrc" if home and Path(home, ".netrc").is_file() else "",
    }
    return {
        **{name: value for name, value in found.items() if value},
        **tool_environment(environ, scratch),
        **installer_environment(environ),
        **_own(scratch),
        "UV_NO_PROGRESS": "1",
    }


def _own(scratch: Scratch) -> dict[str, str]:
    return {"HOME": str(scratch.home), "TMPDIR": str(scratch.temporary)}
