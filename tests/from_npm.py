"""Programs from npm: fetched once into pytest's cache, or the test is skipped with the reason."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = "node@22"


def modules(cache: Path, *packages: str) -> Path:
    """The folder `node_modules` with Node 22 and these packages, each with its version."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    name = "-".join("".join(c if c.isalnum() else "-" for c in one) for one in packages)
    folder = cache / name
    done = folder / "installed"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), NODE]
        ended = subprocess.run(
            [*command, *packages], capture_output=True, text=True, timeout=300, check=False
        )
        if ended.returncode:
            pytest.skip(f"npm can't install {' '.join(packages)}: {ended.stderr[-200:]}")
        done.touch()
    return folder / "node_modules"
