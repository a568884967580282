"""`make demo`: the whole story on one machine, with no account.

Starts the embedded workspace, seeds it with the example jobs and releases, runs the action's door as
the runner would (lint, test, build, deploy), shows the summary, runs one moved job on local Spark, and
takes the deployment back from the command line. Everything it writes lies in `demo-output/`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

REPOSITORY = Path(__file__).resolve().parent.parent
OUTPUT = REPOSITORY / "demo-output"
ROOT = "/Volumes/main/libraries/released"
OLD_RELEASES = ("1.4.0", "1.4.1", "2.0.0")
JOB = 101  # examples/jobs/01-serverless.json: a Python wheel task
RUN_LIMIT_S = 600


def main() -> int:
    """Play the demo; the exit code is 0 when everything went as the README says."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    _say("1. Build the releases that jobs use today, and seed an embedded workspace with them")
    seed = _seed()
    with sandbox(seed, OUTPUT / "sandbox.log") as workspace:
        api = _Api(workspace["url"], workspace["token"])
        before = api.settings()
        _say(
            "2. Run the action as the runner would: lint, test and build examples/library, deploy it"
        )
        code = run_action(_deploys(), workspace, OUTPUT)
        if code != 0:
            return code
        _say("3. The job summary")
        print((OUTPUT / "summary.md").read_text(encoding="utf-8"))
        _say(f"4. Run job {JOB}, which moved, on local Spark")
        code = _run_job(api)
        if code != 0:
            return code
        _say("5. At night: take it back, with one line and no build")
        code = _roll_back(workspace, api, before)
    _say("Where things lie")
    print(f"summary:     {OUTPUT / 'summary.md'}")
    print(f"report.json: {OUTPUT / 'report.json'}")
    print(f"outputs:     {OUTPUT / 'outputs.txt'}")
    return code


def _seed() -> Path:
    """The example jobs, and a root with the releases before 1.5.0."""
    seed = OUTPUT / "seed"
    shutil.copytree(REPOSITORY / "examples" / "jobs", seed)
    released = seed / "files" / ROOT.lstrip("/")
    released.mkdir(parents=True)
    build = [sys.executable, str(REPOSITORY / "examples" / "build_releases.py")]
    subprocess.run([*build, str(released), *OLD_RELEASES], check=True)
    return seed


@contextmanager
def sandbox(seed: Path, log_path: Path) -> Iterator[Mapping[str, str]]:
    """An embedded workspace with this seed: its `url` and the `token` of its admin."""
    command = [sys.executable, "-m", "deployer.cli", "sandbox", "--seed", str(seed)]
    with log_path.open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=REPOSITORY
        )
        assert server.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            workspace = json.loads(server.stdout.readline())
            print(f"The workspace is {workspace['url']}, its log {log_path}")
            yield workspace
        finally:
            server.terminate()
            server.wait(timeout=10)
            server.stdout.close()


def _deploys() -> dict[str, str]:
    """The inputs of the demo's deployment."""
    return {
        "mode": "deploy",
        "environment": "demo",
        "project": "examples/library",
        "root": ROOT,
        "report-path": str(OUTPUT / "report.json"),
    }


def run_action(
    inputs: Mapping[str, str], workspace: Mapping[str, str], output: Path, *, quiet: bool = False
) -> int:
    """Start `entrypoint.py` with the environment and the files of a container action; its exit code.

    `workspace` has `url` and `token`. Outputs, summary and temporary files lie below `output`.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    environ = {
        **kept,
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
        "DATABRICKS_HOST": workspace["url"],
        "DATABRICKS_TOKEN": workspace["token"],
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(REPOSITORY),
        "GITHUB_OUTPUT": str(output / "outputs.txt"),
        "GITHUB_STEP_SUMMARY": str(output / "summary.md"),
        "RUNNER_TEMP": str(output / "temp"),
    }
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "entrypoint.py")],
        env=environ,
        cwd=REPOSITORY,
        check=False,
        stdout=subprocess.DEVNULL if quiet else None,
    ).returncode


class _Api:
    """What the demo asks the workspace besides spark-deploy."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The answer to one call. Raises what requests raises."""
        address = f"{self._url}/api/2.2/{path}"
        answer = self._session.request(method, address, timeout=60, **arguments)
        answer.raise_for_status()
        return answer.json()

    def settings(self) -> dict[int, Any]:
        """The settings of all jobs by id."""
        listed = self.call("GET", "jobs/list", params={"limit": 100})["jobs"]
        ids = sorted(job["job_id"] for job in listed)
        return {
            one: self.call("GET", "jobs/get", params={"job_id": one})["settings"] for one in ids
        }


def _run_job(api: _Api) -> int:
    """Run the job through the runs API, as a schedule would, and show what it printed."""
    run_id = api.call("POST", "jobs/run-now", json={"job_id": JOB})["run_id"]
    deadline = time.monotonic() + RUN_LIMIT_S
    while True:
        run = api.call("GET", "jobs/runs/get", params={"run_id": run_id})
        if run["state"]["life_cycle_state"] in {"TERMINATED", "INTERNAL_ERROR", "SKIPPED"}:
            break
        if time.monotonic() > deadline:
            print(f"The run did not end within {RUN_LIMIT_S} s.")
            return 1
        time.sleep(0.5)
    output = api.call("GET", "jobs/runs/get-output", params={"run_id": run["tasks"][0]["run_id"]})
    print(output.get("logs") or output.get("error", ""))
    version = json.loads((OUTPUT / "report.json").read_text(encoding="utf-8"))["library"]["version"]
    ran = run["state"].get("result_state") == "SUCCESS" and version in (output.get("logs") or "")
    print(f"The run {'ended well and printed' if ran else 'did not print'} version {version}.")
    return 0 if ran else 1


def _roll_back(workspace: Mapping[str, str], api: _Api, before: Mapping[int, Any]) -> int:
    """`spark-deploy rollback`, and whether all jobs are then as they were before the deployment."""
    arguments = ["rollback", "--to", "previous", "--root", ROOT]
    arguments += ["--report-path", "demo-output/rollback.json"]
    print(f"$ spark-deploy {' '.join(arguments)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "deployer.cli", *arguments],
        env={
            **os.environ,
            "DATABRICKS_HOST": workspace["url"],
            "DATABRICKS_TOKEN": workspace["token"],
        },
        cwd=REPOSITORY,
        check=False,
    )
    if done.returncode != 0:
        return done.returncode
    same = api.settings() == before
    told = "equal to those" if same else "NOT equal to those"
    print(f"\nThe settings of all {len(before)} jobs are {told} before the deployment.")
    return 0 if same else 1


def _say(text: str) -> None:
    print(f"\n── {text} ".ljust(100, "─"), flush=True)


if __name__ == "__main__":
    sys.exit(main())
