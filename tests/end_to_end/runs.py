"""Runs of jobs in the embedded workspace, as a schedule would start them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sandbox.server import Sandbox
from tests.workspace import call

RUN_LIMIT_S = 540


@dataclass(frozen=True)
class TaskRun:
    """How the only task of a run ended; `error` is empty when it succeeded."""

    succeeded: bool
    logs: str
    error: str


def run_job(workspace: Sandbox, job: int) -> TaskRun:
    """Run a job with one task and wait for its end."""

    def api(method: str, path: str, **more: Any) -> Any:
        return call(workspace, method, f"/api/2.2/jobs/{path}", **more).json()

    run_id = api("POST", "run-now", json={"job_id": job})["run_id"]
    deadline = time.monotonic() + RUN_LIMIT_S
    while True:
        run = api("GET", f"runs/get?run_id={run_id}")
        if run["state"]["life_cycle_state"] in {"TERMINATED", "INTERNAL_ERROR", "SKIPPED"}:
            break
        assert time.monotonic() < deadline, "the run did not end"
        time.sleep(0.2)
    output = api("GET", f"runs/get-output?run_id={run['tasks'][0]['run_id']}")
    succeeded = run["state"].get("result_state") == "SUCCESS"
    return TaskRun(succeeded, str(output.get("logs", "")), str(output.get("error", "")))
