"""Starts `entrypoint.py` exactly as a container action is started, on a machine without containers.

The image's own flags, the runner's whole environment and nothing else, its folders and its working
directory. What stands in the folders `/github/…` of a container lies below a temporary folder here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.runner_files import Runner, read_key_values, read_summary
from tests.pipeline.stage import ROOT, Stage, on_stage
from tools.runner import Machine

REPOSITORY = Path(__file__).resolve().parents[2]
_ENTRYPOINT = re.compile(r"^ENTRYPOINT (\[.+\])$", re.M)


def command() -> list[str]:
    """The image's ENTRYPOINT, with this machine's interpreter and checkout."""
    [entrypoint] = set(_ENTRYPOINT.findall((REPOSITORY / "Dockerfile").read_text("utf-8")))
    _, *flags, script = json.loads(entrypoint)
    return [sys.executable, *flags, str(REPOSITORY / Path(script).name)]


@dataclass(frozen=True)
class Step:
    """What the runner has after a step."""

    code: int
    stdout: str
    stderr: str
    machine: Machine

    @property
    def runner(self) -> Runner:
        return Runner().read(self.stdout + self.stderr)

    @property
    def outputs(self) -> dict[str, str]:
        return read_key_values(self.machine.inside / "file_commands" / "output")

    @property
    def summary(self) -> str:
        return read_summary(self.machine.inside / "file_commands" / "step_summary")

    @property
    def document(self) -> dict[str, Any]:
        """The report that the output names, found as a later step on the machine finds it."""
        path = self.machine.from_host(self.outputs["report-path"])
        document = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(document, dict)
        return document


@dataclass(frozen=True)
class Door:
    """A machine, a workspace of Databricks, and the step between them."""

    machine: Machine
    stage: Stage

    def environment(
        self, inputs: Mapping[str, str], environ: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The environment of the step; a value "-" takes an input or a variable away."""
        given = {"wheel": "dist/*.whl", "root": ROOT, **inputs}
        own = {
            "PATH": os.environ["PATH"],
            "DATABRICKS_HOST": self.stage.workspace.url,
            "DATABRICKS_TOKEN": self.stage.workspace.token,
        }
        named = {name.replace("_", "-"): value for name, value in given.items() if value != "-"}
        whole = {**self.machine.container_environment(named, own), **(environ or {})}
        return {name: value for name, value in whole.items() if value != "-"}

    def step(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        wrap: Sequence[str] = (),
        stdout: int | Any = subprocess.PIPE,
        start: Sequence[str] = (),
        **inputs: str,
    ) -> Step:
        """Run the step to its end."""
        for name in ("output", "step_summary"):
            (self.machine.inside / "file_commands" / name).write_bytes(b"")
        done = subprocess.run(
            [*wrap, *(start or command())],
            env=self.environment(inputs, environ),
            cwd=self.machine.inside / "workspace",
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=300,
            check=False,
        )
        out = done.stdout.decode("utf-8") if done.stdout is not None else ""
        return Step(done.returncode, out, done.stderr.decode("utf-8"), self.machine)


@contextmanager
def a_door(
    folder: Path, machine: Mapping[str, Any] | None = None, **options: Any
) -> Iterator[Door]:
    """A machine with empty folders, and a workspace with these options."""
    made = Machine(folder / "github", **(machine or {}))
    made.make()
    with on_stage(made.inside / "workspace", **options) as stage:
        yield Door(made, stage)
