"""The scripts of our release workflow, run by bash in their order, with stand-ins for `gh` and `docker`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOW = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text("utf-8"))
DIGEST = "sha256:" + "0123456789abcdef" * 4
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "jq", "git"))), reason="needs bash, jq and git"
)


class Machine:
    """A runner's machine with a checkout of the tagged commit."""

    def __init__(self, folder: Path, tag: str = "v1.4.0") -> None:
        self.folder, self.tag = folder, tag
        self.state_file = folder / "state.json"
        self.outputs: dict[str, str] = {}
        programs = folder / "bin"
        programs.mkdir()
        for name in ("gh", "docker"):
            program = programs / name
            stand_in = REPOSITORY / "tests" / "stand_ins" / f"{name}.py"
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stand_in}" "$@"\n')
            program.chmod(0o755)
        self.work = folder / "work"
        (self.work / "release").mkdir(parents=True)
        (self.work / "tools").mkdir()
        for name in ("tools/__init__.py", "tools/release.py", "action.yml"):
            shutil.copy(REPOSITORY / name, self.work / name)
        for platform in ("amd64", "arm64"):
            (self.work / f"spark-deploy-{platform}.tar.gz").write_text(platform)
            (self.work / "release" / f"spark-deploy-{platform}.cdx.json").write_text("{}")
        (self.work / "release" / "notes.md").write_text("- It.\n")
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        for command in (["init", "-q"], ["add", "action.yml"], [*identity, "commit", "-qm", "x"]):
            subprocess.run(["git", *command], cwd=self.work, check=True)
        self.sha = self._git("rev-parse", "HEAD")
        self.state = {
            "tags": {tag: self.sha}, "commits": {}, "trees": {}, "releases": {}, "calls": [],
            "images": {}, "pushed": {},
        }  # fmt: skip

    @property
    def state(self) -> Any:
        return json.loads(self.state_file.read_text())

    @state.setter
    def state(self, state: Any) -> None:
        self.state_file.write_text(json.dumps(state))

    def _git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.work, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def step(self, job: str, name: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the step of that name as the runner does."""
        (script,) = (
            one["run"] for one in WORKFLOW["jobs"][job]["steps"] if one.get("name") == name
        )
        output = self.folder / "output"
        output.write_text("")
        given = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "STATE": str(self.state_file),
            "GH_REPO": "Octo/spark-deploy-action",
            "GITHUB_REPOSITORY": "Octo/spark-deploy-action",
            "GITHUB_REF_NAME": self.tag,
            "GITHUB_SHA": self.sha,
            "GITHUB_OUTPUT": str(output),
            **environ,
        }
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            shell, cwd=self.work, env=given, capture_output=True, text=True, check=False
        )
        self.outputs |= _told(output)
        return done

    def publish(self, *, moving: str = "v1", prerelease: str = "false") -> str:
        """All steps of the last job that have a script; the release commit."""
        shutil.copy(REPOSITORY / "action.yml", self.work / "action.yml")  # a new checkout
        image = {"IMAGE": "ghcr.io/octo/spark-deploy-action:1.4.0", "DIGEST": DIGEST}
        for name, environ in (
            ("Pin the image", image),
            ("Write the release commit, and lead its tag there", {}),
            ("Make the draft, attach its files, publish it", {"PRERELEASE": prerelease}),
        ):
            done = self.step("publish", name, **environ)
            assert done.returncode == 0, done.stderr
        commit = self.outputs["commit"]
        moved = {"COMMIT": commit, "MOVING": moving}
        done = self.step("publish", "Move the tag that people follow", **moved)
        assert done.returncode == 0, done.stderr
        return commit


def _told(output: Path) -> Mapping[str, str]:
    lines = output.read_text().splitlines()
    assert all("=" in line for line in lines)
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_tag_leads_to_a_commit_of_its_own_whose_action_names_the_image_by_digest(
    machine: Machine,
) -> None:
    commit = machine.publish()
    state = machine.state
    assert state["tags"] == {"v1.4.0": commit, "v1": commit}
    assert state["commits"][commit]["parents"] == [machine.sha]
    tree = state["trees"][state["commits"][commit]["tree"]]
    assert tree["base_tree"] == machine._git("rev-parse", "HEAD^{tree}")
    (entry,) = tree["tree"]
    assert entry["path"] == "action.yml"
    image = yaml.safe_load(entry["content"])["runs"]["image"]
    assert image == f"docker://ghcr.io/octo/spark-deploy-action:1.4.0@{DIGEST}"
    assert state["releases"]["v1.4.0"] == {
        "isDraft": False,
        "notes": "- It.\n",
        "prerelease": False,
        "files": ["spark-deploy-amd64.cdx.json", "spark-deploy-arm64.cdx.json"],
    }


def test_a_second_run_changes_nothing_that_was_published(machine: Machine) -> None:
    machine.publish()
    before = {**machine.state, "calls": []}
    machine.publish()
    assert {**machine.state, "calls": []} == before


def test_a_tag_that_somebody_moved_is_left_alone(machine: Machine) -> None:
    state = machine.state
    state["commits"]["theirs"] = {"parents": ["something-else"], "tree": "x"}
    state["tags"]["v1.4.0"] = "theirs"
    machine.state = state
    done = machine.step("publish", "Write the release commit, and lead its tag there")
    assert done.returncode == 1
    assert "was moved" in done.stdout
    assert machine.state["tags"] == {"v1.4.0": "theirs"}


def test_a_fix_for_an_older_version_does_not_move_the_tag_back(machine: Machine) -> None:
    state = machine.state
    state["tags"] |= {"v1.10.0": "newer", "v1": "newer", "v1.11.0-rc.1": "x", "v10.0.0": "x"}
    machine.state = state
    machine.publish()
    assert machine.state["tags"]["v1"] == "newer"


def test_a_pre_release_moves_no_tag_and_is_marked(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "v1.4.0-rc.1")
    machine.publish(moving="", prerelease="true")
    assert "v1" not in machine.state["tags"]
    assert machine.state["releases"]["v1.4.0-rc.1"]["prerelease"] is True


def test_both_platforms_are_pushed_and_the_index_names_them_by_digest(machine: Machine) -> None:
    done = machine.step("push", "Push both platforms, and one index of them", VERSION="1.4.0")
    assert done.returncode == 0, done.stderr
    name = "ghcr.io/octo/spark-deploy-action"
    told, pushed = machine.outputs, machine.state["pushed"]
    assert set(pushed) == {f"{name}:1.4.0{suffix}" for suffix in ("", "-amd64", "-arm64")}
    assert told == {
        "amd64": pushed[f"{name}:1.4.0-amd64"],
        "arm64": pushed[f"{name}:1.4.0-arm64"],
        "name": name,
        "image": f"{name}:1.4.0",
        "digest": pushed[f"{name}:1.4.0"],
    }
    assert machine.state["index"] == [f"{name}@{told['amd64']}", f"{name}@{told['arm64']}"]


def test_a_platform_that_was_not_built_stops_the_push(machine: Machine) -> None:
    (machine.work / "spark-deploy-arm64.tar.gz").unlink()
    done = machine.step("push", "Push both platforms, and one index of them", VERSION="1.4.0")
    assert done.returncode != 0
    assert "index" not in machine.state
