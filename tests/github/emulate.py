"""Another emulator of GitHub, from npm: what both play, both must play alike.

Owns getting it (Node 22 and the package, into pytest's cache) and running it. It is skipped, with the
reason, where npm or its registry is missing. What it does not play: GraphQL, a token's permissions of a
workflow, limits.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_PACKAGES = ("node@22", "emulate@0.12.2")
TOKEN = "test_token_admin"
_SEED = {
    "github": {
        "users": [{"login": "octocat"}],
        "repos": [{"owner": "octocat", "name": "library", "auto_init": True}],
    },
    "tokens": {TOKEN: {"login": "octocat", "scopes": ["repo"]}},
}


@dataclass(frozen=True)
class Emulate:
    """The running emulator; its one repository is `octocat/library`."""

    api_url: str
    token: str = TOKEN
    repository: str = "octocat/library"


def installed(folder: Path) -> Path:
    """The folder with both packages. Skips the test when they can't be had."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    if not (folder / "node_modules" / "emulate" / "dist" / "index.js").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--fetch-retries=1"]
        command += ["--fetch-timeout=30000", "--prefix", str(folder), *_PACKAGES]
        try:
            subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"npm can't install {' '.join(_PACKAGES)}: {error}")
    return folder


@contextmanager
def running(folder: Path, seed_file: Path) -> Iterator[Emulate]:
    """The emulator, serving until the block ends."""
    modules = installed(folder) / "node_modules"
    seed_file.write_text(json.dumps(_SEED))
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(modules / ".bin" / "node"), str(modules / "emulate" / "dist" / "index.js")]
    command += ["start", "--service", "github", "--port", str(port), "--base-url", url]
    process = subprocess.Popen(
        [*command, "--seed", str(seed_file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=seed_file.parent,
    )
    try:
        _wait_for(url, process)
        yield Emulate(url)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            pytest.skip("the emulator from npm does not start here")
        try:
            urllib.request.urlopen(f"{url}/rate_limit", timeout=5)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.skip("the emulator from npm does not answer")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
