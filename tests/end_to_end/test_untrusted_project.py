"""A project that attacks whoever checks it gets nothing (design.md, rule 10; ADR 18).

The same attacks run twice: as the image has it, where none may work, and without its user, where each must
work: an attack that fails by itself would show nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deployer.checks.java import installer_environment
from tests.contract.container_door import Door, a_door, command
from tests.contract.runner_files import read_key_values
from tests.end_to_end.container_of_the_image import entering, needs_containers
from tools.hostile import KINDS, PLACES, SECRET, docker_socket, loot, tried, write_project

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]
RUNNER = 1_001  # the runner's user on GitHub's machines


@dataclass(frozen=True)
class Ended:
    """How a step in a container ended."""

    code: int
    log: str
    outputs: dict[str, str]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A hostile project in a checkout of the runner's user, and secrets wherever there may be some."""
    needs_containers(tmp_path)
    with a_door(tmp_path) as one:
        github = one.machine.inside
        write_project(github / "workspace")
        git = ["git", "-C", str(github / "workspace")]
        subprocess.run([*git, "init", "--quiet"], check=True)
        header = "http.https://github.com/.extraheader"
        subprocess.run([*git, "config", header, "AUTHORIZATION: basic marked-git"], check=True)
        (github / "workflow" / "event.json").write_text('{"token": "marked-event"}')
        (github / "home" / ".netrc").write_text("machine x login y password marked-netrc")
        (github / "runner_temp" / "git-credentials.config").write_text("marked-temp")
        for path in (github, *github.rglob("*")):
            os.chown(path, RUNNER, RUNNER, follow_symlinks=False)
        yield one


def step(door: Door, *, as_in_image: bool, **inputs: str) -> Ended:
    """The step, in a container."""
    github = door.machine.inside
    base = github.parent / "container"
    base.mkdir()
    environ = {**installer_environment(os.environ), "PATH": os.environ["PATH"], **SECRET}
    environ.pop("TMPDIR", None)
    inside = replace(door, machine=replace(door.machine, inside=Path("/github")))
    given = {"mode": "plan", "wheel": "-", **inputs}
    with docker_socket(github.parent / "docker.sock") as path:
        done = subprocess.run(
            entering(base, github, path, command(), as_in_image=as_in_image),
            env={**inside.environment(given), **environ, "HOME": "/github/home"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
    output = github / "file_commands" / "output"
    outputs = read_key_values(output) if as_in_image else {}
    return Ended(done.returncode, done.stdout, outputs)


def listing(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path): (path.lstat().st_uid, path.lstat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_a_hostile_project_gets_nothing_and_changes_nothing(door: Door) -> None:
    github = door.machine.inside
    before = listing(github / "workspace")
    ended = step(door, as_in_image=True)
    assert ended.code == 0, ended.log
    assert tried(ended.log) == PLACES, ended.log
    assert loot(ended.log) == set(), ended.log
    assert ended.outputs["outcome"] == "succeeded"
    assert ended.outputs["version"] == "1.5.0"
    assert door.machine.from_host(ended.outputs["wheel-path"]).is_file()
    assert listing(github / "workspace") == before
    assert (github / "file_commands" / "path").read_bytes() == b""
    owners = {str(path): path.lstat().st_uid for path in github.rglob("*")}
    assert {path for path, uid in owners.items() if uid != RUNNER} == set()
    assert "marked" not in ended.log


def test_each_of_these_attacks_works_where_the_project_is_not_kept_apart(door: Door) -> None:
    ended = step(door, as_in_image=False)
    assert len(KINDS) == 16
    assert tried(ended.log) == PLACES, ended.log
    # What is not there: variables, which are scrubbed everywhere.
    assert loot(ended.log) == KINDS - {"environment"}, ended.log


def test_no_request_is_made_before_the_projects_code_has_ended(door: Door) -> None:
    test = door.machine.inside / "workspace" / "test_hostile.py"
    test.write_text(test.read_text() + "    assert False\n")
    ended = step(door, as_in_image=True)
    assert ended.code == 1, ended.log
    assert ended.outputs["failure-reason"] == "tests-failed"
    assert door.stage.workspace.calls() == []
    report = json.loads(door.machine.from_host(ended.outputs["report-path"]).read_text())
    [test_check] = [one for one in report["checks"] if one["name"] == "test"]
    [finding] = test_check["findings"]
    assert (finding["path"], finding["line"]) == ("test_hostile.py", 5)


def test_a_container_that_may_not_become_another_user_runs_no_code(door: Door) -> None:
    kept = (
        "import ctypes, os, sys; libc = ctypes.CDLL(None); [libc.prctl(24, one) for one in (6, 7)]"
    )
    code = f"{kept}; os.execvp(sys.argv[1], sys.argv[1:])"
    github = door.machine.inside
    base = github.parent / "container"
    base.mkdir()
    inside = replace(door, machine=replace(door.machine, inside=Path("/github")))
    with docker_socket(github.parent / "docker.sock") as path:
        argv = [sys.executable, "-c", code, *command()]
        done = subprocess.run(
            entering(base, github, path, argv),
            env=inside.environment({"mode": "plan", "wheel": "-"}),
            capture_output=True,
            text=True,
            check=False,
        )
    outputs = read_key_values(github / "file_commands" / "output")
    assert outputs["failure-reason"] == "isolation-unavailable", done.stdout + done.stderr
    assert "TRIED" not in done.stdout
