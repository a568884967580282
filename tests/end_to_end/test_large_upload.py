"""Half a gigabyte goes to a volume in bounded memory, and a run that was killed can be repeated.

The uploader is a process of its own, so that its memory can be measured; so is the embedded workspace,
with its state in a file, because its memory is not what counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

REPOSITORY = Path(__file__).parents[2]
VOLUME = "/Volumes/main/libs/released"
SIZE = 500 * 1024 * 1024
PATH = f"{VOLUME}/big-1.0.0.jar"
MOST_MIB = 60
"""How much the memory of the uploader may grow at most: an eighth of the file."""

UPLOAD = """
import resource, sys
from pathlib import Path
from deployer.platforms.databricks.connect import connect

def peak_kib():
    # ru_maxrss counts what the parent had when it forked, so Linux is asked for this program's own.
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # bytes on macOS

url, token, root, path, size = sys.argv[1:5] + [int(sys.argv[5])]
with connect(host=url, token=token, environ={}) as workspace, open(path, "rb") as content:
    store = workspace.store(root)
    store.exists()  # what every run needs is loaded now
    before = peak_kib()
    store.upload(f"{root}/big-1.0.0.jar", content, size)
    print(peak_kib() - before)
"""


@contextmanager
def sandbox(folder: Path) -> Iterator[dict[str, str]]:
    """The embedded workspace as users start it; its url and token."""
    (folder / "seed/files" / VOLUME.lstrip("/")).mkdir(parents=True)
    code = "import sys; from deployer.cli import main; sys.exit(main())"
    options = ["--state", str(folder / "state"), "--seed", str(folder / "seed")]
    with subprocess.Popen(
        [sys.executable, "-c", code, "sandbox", *options],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def uploader(where: dict[str, str], content: Path) -> subprocess.Popen[str]:
    arguments = [where["url"], where["token"], VOLUME, str(content), str(content.stat().st_size)]
    return subprocess.Popen(
        [sys.executable, "-c", UPLOAD, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lever(where: dict[str, str], method: str, name: str, **arguments: Any) -> Any:
    headers = {"Authorization": f"Bearer {where['token']}-control"}
    with requests.Session() as session:
        session.trust_env = False
        url = f"{where['url']}/sandbox/{name}"
        return session.request(method, url, headers=headers, timeout=30, **arguments).json()


def calls(where: dict[str, str]) -> list[dict[str, Any]]:
    return list(lever(where, "GET", "calls")["calls"])


def stored(where: dict[str, str]) -> dict[str, int]:
    return dict(lever(where, "GET", "state")["files"])


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A file of 500 MB that takes no place on this disk: holes, with marks between them."""
    file = tmp_path / "content"
    with file.open("wb") as stream:
        for place in range(0, SIZE, 10_000_000):
            stream.seek(place)
            stream.write(place.to_bytes(4))
        stream.truncate(SIZE)
    return file


def test_half_a_gigabyte_goes_up_in_bounded_memory(tmp_path: Path, content: Path) -> None:
    with sandbox(tmp_path) as where, uploader(where, content) as process:
        grown, problems = process.communicate(timeout=300)
        assert process.returncode == 0, problems
        assert stored(where) == {PATH: SIZE}
    assert 0 < int(grown) < MOST_MIB * 1024


def test_a_run_that_was_killed_between_parts_can_be_repeated(tmp_path: Path, content: Path) -> None:
    os.truncate(content, 80 * 1024 * 1024)
    with sandbox(tmp_path) as where:
        stuck = {"kind": "timeout", "method": "PUT", "path": "/storage/*", "nth": 3, "times": 0}
        lever(where, "PATCH", "options", json={"faults": [stuck]})
        with uploader(where, content) as process:
            while sum("/storage/" in call["path"] for call in calls(where)) < 2:
                assert process.poll() is None
            process.kill()
        assert stored(where) == {}
        lever(where, "PATCH", "options", json={"faults": []})
        with uploader(where, content) as process:
            _, problems = process.communicate(timeout=300)
            assert process.returncode == 0, problems
        assert stored(where) == {PATH: 80 * 1024 * 1024}
