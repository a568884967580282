"""A stage for the story: an embedded workspace, a folder with wheels, and `main.perform` on both.

Everything runs in this process, over HTTP, as a user would run it; `run` gives back what the user
would get: exit code, report document, summary and outputs.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer import pipeline
from deployer.checks.steps import Checked
from deployer.context import RunContext
from deployer.delivery import Streams
from deployer.doors import Doors
from deployer.main import perform
from deployer.narrators import TerminalNarrator
from deployer.platforms.databricks.connect import connect
from deployer.redaction import Redactor
from deployer.report.model import Report
from deployer.settings import parse
from sandbox.server import Sandbox
from tests.contract.runner_files import read_key_values, read_summary
from tests.earlier import OWN, deployed_before
from tests.wheels import make_wheel
from tests.workspace import running_workspace

ROOT = "/Volumes/main/libraries/released"
NAME = "retail_metrics"


@dataclass(frozen=True)
class Ended:
    """How one run ended."""

    code: int
    document: Mapping[str, Any]
    summary: str
    outputs: Mapping[str, str]
    printed: str

    @property
    def moved(self) -> set[int]:
        """The jobs that the deployment moved."""
        return {one["job_id"] for one in self.document["deployment"]["applied"]}

    @property
    def planned(self) -> set[int]:
        """The jobs that the plan would move."""
        changes = self.document["plan"]["changes"]
        return {one["job_id"] for one in changes if one["kind"] == "rewire"}

    @property
    def reasons(self) -> dict[int, str]:
        """Why each untouched job stays (one reason each)."""
        return {one["job_id"]: one["reason"] for one in self.document["plan"]["untouched"]}


@dataclass
class Stage:
    """The workspace and the folder, with the words that tests need."""

    workspace: Sandbox
    folder: Path
    token: str = ""
    runs: int = field(default=0)

    def build(self, version: str, name: str = NAME, **more: Any) -> Path:
        """A wheel in `dist/`, the only one there."""
        dist = self.folder / "dist"
        dist.mkdir(exist_ok=True)
        for old in dist.iterdir():
            old.unlink()
        file_name, content = make_wheel(name, version, **more)
        (dist / file_name).write_bytes(content)
        return dist / file_name

    def publish(self, *versions: str, name: str = NAME, root: str = ROOT) -> None:
        """Put versions into the root, as earlier deployments would have: the journal tells of them."""
        for version in versions:
            deployed_before(self.workspace, root, *make_wheel(name, version))

    def put(self, *versions: str, name: str = NAME, root: str = ROOT) -> None:
        """Put versions into the root as somebody else would have: no journal tells of them."""
        for version in versions:
            file_name, content = make_wheel(name, version)
            self.workspace.put_file(f"{root}/{file_name}", content)

    def job(self, *references: str, name: str = "a job", **settings: Any) -> int:
        """A job with one task whose libraries are these wheels."""
        task = {
            "task_key": "main",
            "libraries": [{"whl": one} for one in references],
            "python_wheel_task": {"package_name": NAME, "entry_point": "main"},
            "unknown_to_us": {"kept": [1, 1.0, None, True]},
        }
        return self.workspace.add_job({"name": name, "tasks": [task], "tags": {}, **settings})

    def serverless(self, *lines: str, **settings: Any) -> int:
        """A job with one serverless environment with these dependency lines."""
        spec = {"environment_version": "4", "dependencies": list(lines)}
        task = {"task_key": "main", "environment_key": "default"}
        environments = [{"environment_key": "default", "spec": spec}]
        return self.workspace.add_job({"tasks": [task], "environments": environments, **settings})

    def run(self, mode: str, environ: Mapping[str, str] | None = None, **inputs: str) -> Ended:
        """One run; `inputs` are given with underscores for hyphens."""
        self.runs += 1
        place = self.folder / f"run-{self.runs}"
        place.mkdir()
        context = RunContext.from_environ(
            {
                "GITHUB_OUTPUT": str(place / "output"),
                "GITHUB_STEP_SUMMARY": str(place / "summary"),
                **(environ or {}),
            },
            cwd=self.folder,
            temp=place,
        )
        texts = {
            "mode": mode,
            "databricks-host": self.workspace.url,
            "databricks-token": self.token or self.workspace.token,
            **{name.replace("_", "-"): value for name, value in inputs.items()},
        }
        stdout, stderr = io.StringIO(), io.StringIO()
        streams = Streams(stdout, stderr, json_output=True)
        code = perform(texts, environ=environ or {}, context=context, streams=streams)
        return Ended(
            code,
            json.loads(stdout.getvalue()),
            read_summary(place / "summary"),
            read_key_values(place / "output"),
            stderr.getvalue(),
        )

    def deploy_with(
        self,
        between: Callable[[], None],
        stopped: Callable[[], bool] = lambda: False,
        **inputs: str,
    ) -> Report:
        """Deploy the one wheel, and call `between` after the plan was made and before it is applied.

        `stopped` is asked where the run asks whether it was cancelled.
        """

        def new_id() -> str:
            between()
            return "0123abcd"

        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        settings = parse({"mode": "deploy", "wheel": "dist/*.whl", "root": ROOT, **given})
        doors = Doors(
            workspace_folder=self.folder,
            connect=lambda _: connect(
                host=self.workspace.url, token=self.workspace.token, environ={}
            ),
            check=lambda *_: Checked(()),
            stopped=stopped,
            new_id=new_id,
            now_ms=lambda: 0,
        )
        narrator = TerminalNarrator(io.StringIO(), Redactor.of(()), debug=True)
        return pipeline.run(settings, doors, narrator)

    def deploy(self, **inputs: str) -> Ended:
        """Deploy the one wheel of `dist/` to the root."""
        return self.run("deploy", None, **{"wheel": "dist/*.whl", "root": ROOT, **inputs})

    def plan(self, **inputs: str) -> Ended:
        """Plan the one wheel of `dist/` for the root."""
        return self.run("plan", None, **{"wheel": "dist/*.whl", "root": ROOT, **inputs})

    def uploads(self) -> list[str]:
        """The paths of the calls that uploaded something else than locks and journals to a volume."""
        return [one.path for one in self.workspace.calls("PUT") if f"/{OWN}/" not in one.path]

    def version_of(self, job_id: int) -> list[str]:
        """The versions that a job of `job` names now."""
        libraries = self.workspace.job(job_id)["tasks"][0]["libraries"]
        return [one["whl"].rsplit("/", 1)[-1].split("-")[1] for one in libraries]

    def files(self) -> set[str]:
        """The paths of all files, but for locks and journals."""
        return {path for path in self.workspace.files() if f"/{OWN}/" not in path}

    def stored(self) -> set[str]:
        """The versions in the root."""
        files = [path for path in self.workspace.files() if path.startswith(f"{ROOT}/{NAME}-")]
        return {path.rsplit("/", 1)[-1].split("-")[1] for path in files}


def path(version: str, root: str = ROOT, name: str = NAME) -> str:
    """The path of a version in a root."""
    return f"{root}/{name}-{version}-py3-none-any.whl"


@contextmanager
def on_stage(folder: Path, **options: Any) -> Iterator[Stage]:
    """A stage with the root's volume, and these options of the workspace."""
    with running_workspace(**options) as workspace:
        workspace.add_volume("main.libraries.released")
        yield Stage(workspace, folder)
