"""Single steps of a workflow's job, carried out on one machine.

Owns what each kind of step does: this action through its real door, checkouts and artifacts by copying,
scripts by bash. Must not know jobs: `player` does. An action that it does not know is an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.contract.container_door import command
from tests.contract.runner_files import Runner, read_key_values, read_summary
from tools.runner import COMMAND_FILES, Machine

OURS = "org/spark-deploy-action@v1"
Artifacts = dict[str, dict[str, bytes]]
"""What was uploaded in one run: the files of each artifact by name."""


@dataclass(frozen=True)
class StepResult:
    """How a step ended. `written` is everything that it wrote where people or later steps read."""

    name: str
    ok: bool
    outputs: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    log: str = ""


@dataclass
class Job:
    """The machine of one job, and what its steps share."""

    machine: Machine
    environ: Mapping[str, str]
    project: Path
    artifacts: Artifacts
    other_runs: Mapping[str, Artifacts]
    token: str

    @property
    def workspace(self) -> Path:
        """The checkout, as it lies on this machine."""
        return self.machine.inside / "workspace"

    def step(
        self,
        name: str,
        uses: str,
        given: Mapping[str, str],
        script: str,
        environ: Mapping[str, str],
    ) -> StepResult:
        """Carry out one step. Raises ValueError for an action that is not known."""
        if script:
            return self._script(name, script, environ)
        if uses == OURS:
            return self._action(name, given, environ)
        plays: Mapping[str, Callable[[Mapping[str, str]], None]] = {
            "actions/checkout": self._checkout,
            "actions/setup-python": lambda given: None,
            "actions/upload-artifact": self._upload,
            "actions/download-artifact": self._download,
        }
        action = uses.partition("@")[0]
        if action not in plays:
            raise ValueError(f"no step plays {uses}")
        try:
            plays[action](given)
        except FileNotFoundError as error:
            return StepResult(name, ok=False, log=str(error))
        return StepResult(name, ok=True)

    def _action(
        self, name: str, given: Mapping[str, str], environ: Mapping[str, str]
    ) -> StepResult:
        self._empty_command_files()
        kept = {"PATH": os.environ["PATH"]}
        for one in ("PIP_FIND_LINKS", "UV_FIND_LINKS", "UV_CACHE_DIR", "SSL_CERT_FILE", "PIP_CERT"):
            if one in os.environ:
                kept[one] = os.environ[one]
        whole = {"github-token": self.token, **given}  # what `${{ github.token }}` stands for
        done = subprocess.run(
            command(),
            env=self.machine.container_environment(whole, {**kept, **self.environ, **environ})
            | {name: value for name, value in self.environ.items() if name.startswith("GITHUB_")},
            cwd=self.workspace,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=500,
            check=False,
        )
        log = (done.stdout + done.stderr).decode("utf-8")
        Runner().read(log)  # the runner understands every line of it
        return StepResult(
            name,
            done.returncode == 0,
            read_key_values(self._command_file("output")),
            read_summary(self._command_file("step_summary")),
            log,
        )

    def _script(self, name: str, script: str, environ: Mapping[str, str]) -> StepResult:
        self._empty_command_files()
        files = {f"GITHUB_{one.upper()}": str(self._command_file(one)) for one in COMMAND_FILES}
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            env={"PATH": os.environ["PATH"], **self.environ, **files, **environ},
            cwd=self.workspace,
            capture_output=True,
            timeout=120,
            check=False,
        )
        log = (done.stdout + done.stderr).decode("utf-8")
        outputs = read_key_values(self._command_file("output"))
        return StepResult(name, done.returncode == 0, outputs, log=log)

    def _command_file(self, name: str) -> Path:
        return self.machine.inside / "file_commands" / name

    def _empty_command_files(self) -> None:
        for name in COMMAND_FILES:
            self._command_file(name).write_bytes(b"")

    def _checkout(self, given: Mapping[str, str]) -> None:
        shutil.copytree(self.project, self.workspace / given.get("path", ""), dirs_exist_ok=True)

    def _upload(self, given: Mapping[str, str]) -> None:
        """One file, or what a pattern finds, by their last names; nothing is an error, as in our recipes."""
        files: dict[str, bytes] = {}
        for pattern in given["path"].split():
            place = self.machine.from_host(pattern) if pattern.startswith("/") else None
            found = [place] if place is not None else sorted(self.workspace.glob(pattern))
            files |= {one.name: one.read_bytes() for one in found if one.is_file()}
        if not files:
            raise FileNotFoundError(f"No files were found with the path {given['path']!r}")
        if given["name"] in self.artifacts:
            raise FileExistsError(f"there is an artifact {given['name']} already")
        self.artifacts[given["name"]] = files

    def _download(self, given: Mapping[str, str]) -> None:
        source = self.other_runs[given["run-id"]] if given.get("run-id") else self.artifacts
        if given["name"] not in source:
            raise FileNotFoundError(f"Artifact not found for name: {given['name']}")
        folder = self.workspace / given.get("path", "")
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in source[given["name"]].items():
            (folder / name).write_bytes(content)
