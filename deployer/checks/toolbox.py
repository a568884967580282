"""The tools that the checks start, and the folders that they write to.

Owns which variables of the caller's environment reach which command. Must not start anything.
Nothing of the caller passes but what is named here, so that the project's code never sees a
credential of the run (`DATABRICKS_*`, `ARM_*`, `AWS_*`, `GITHUB_TOKEN`, `INPUT_*`, `ACTIONS_*`;
design.md, rule 10).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ruff import find_ruff_bin  # type: ignore[import-untyped]  # it ships no types
from uv import find_uv_bin

from deployer.checks.java import JavaHome, installer_environment, provide_java

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


@dataclass(frozen=True)
class Scratch:
    """The folder that takes everything that a run of the checks writes; absolute."""

    root: Path

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
        """Where the built wheel lies."""
        return self.root / "dist"

    def make(self) -> None:
        """Make the folders; those that are there are fine."""
        for folder in (self.home, self.temporary, self.reports, self.dist):
            folder.mkdir(parents=True, exist_ok=True)


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
