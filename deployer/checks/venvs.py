"""Makes the virtual environments of the checks and installs into them, with uv.

Owns the choice of their Python. Must not decide what is installed.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from deployer.checks.process import Completed, Deadline
from deployer.checks.session import Session


@dataclass(frozen=True)
class Venv:
    """A virtual environment."""

    path: Path

    @property
    def bin(self) -> Path:
        """Its folder of commands."""
        return self.path / "bin"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.bin / "python"

    def has_package(self, name: str) -> bool:
        """Whether an importable folder `name` is installed in it."""
        return any(self.path.glob(f"lib/python*/site-packages/{name}"))


def interpreter(requires_python: str) -> str:
    """The Python to ask uv for: ours where the project allows it, else one that it does allow."""
    try:
        ours = SpecifierSet(requires_python).contains(platform.python_version(), prereleases=True)
    except InvalidSpecifier:
        ours = True  # the build says it better than we could
    return sys.executable if ours else requires_python


def make_venv(session: Session, path: Path, python: str, deadline: Deadline) -> Completed:
    """Make an empty virtual environment, replacing one that is there."""
    argv: list[str | Path] = [
        session.tools.uv,
        "venv",
        "--quiet",
        "--clear",
        "--no-project",
        "--python",
        python,
        path,
    ]
    return session.run(argv, deadline, env=session.install_environment())


def install(
    session: Session, venv: Venv, what: Sequence[str | Path], deadline: Deadline
) -> Completed:
    """Install `what` (arguments of `uv pip install`) into `venv`."""
    argv: list[str | Path] = [
        session.tools.uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        venv.python,
        *what,
    ]
    return session.run(argv, deadline, env=session.install_environment())
