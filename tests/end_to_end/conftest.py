"""What end-to-end tests share: the releases of the Scala example, compiled once."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

BUILD_SCALA = Path(__file__).parents[2] / "examples" / "build_scala.py"


@pytest.fixture(scope="session")
def scala_jars(tmp_path_factory: pytest.TempPathFactory, run_cache: Path) -> Mapping[str, Path]:
    """The jar of each release; the first worker of a session that asks compiles them for all."""
    session = tmp_path_factory.getbasetemp()
    shared = session.parent if "PYTEST_XDIST_WORKER" in os.environ else session
    jars = shared / "scala-jars"
    with (shared / "scala-jars.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.exists():
            building = tmp_path_factory.mktemp("scala")
            for version in ("1.4.0", "1.5.0"):
                build_scala(version, building, run_cache)
            building.rename(jars)
    return {jar.stem.rpartition("-")[2]: jar for jar in jars.glob("*.jar")}


def build_scala(version: str, folder: Path, cache: Path) -> Path:
    """Build one release as a user would; the path that the build printed."""
    command: list[str | Path] = [sys.executable, BUILD_SCALA, folder, version, "--cache", cache]
    built = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return Path(built.stdout.strip())
