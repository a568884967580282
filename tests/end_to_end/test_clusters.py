"""A restarted cluster really runs the new version: its library, no job's, is what a deployment replaces."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.end_to_end.test_sandbox_runs_tasks import cache
from tests.pipeline.stage import Stage, on_stage, path
from tests.wheels import make_wheel
from tests.workspace import sdk_client

__all__ = ["cache"]
pytestmark = pytest.mark.network

SCRIPT = "/Workspace/Shared/which.py"
PATIENCE_S = 600


@pytest.fixture
def stage(tmp_path: Path, cache: Path) -> Iterator[Stage]:
    with on_stage(tmp_path, cache=cache, environ=dict(os.environ)) as found:
        yield found


def wheel(version: str) -> tuple[str, bytes]:
    """A version of the library that says which one it is."""
    code = {"retail_metrics/__init__.py": f"VERSION = {version!r}\n"}
    return make_wheel("retail_metrics", version, files=code)


def printed_on(sandbox: Sandbox, cluster_id: str) -> str:
    """What a script prints that runs on the cluster and brings no library."""
    code = {"python_file": SCRIPT}
    task = {"task_key": "main", "existing_cluster_id": cluster_id, "spark_python_task": code}
    job_id = sandbox.add_job({"name": "which", "tasks": [task]})
    deadline = time.monotonic() + PATIENCE_S
    with sdk_client(sandbox) as client:
        run_id = client.jobs.run_now(job_id).run_id
        while time.monotonic() < deadline:
            run = client.jobs.get_run(run_id)
            assert run.state is not None
            assert run.state.life_cycle_state is not None
            if run.state.life_cycle_state.value in ("TERMINATED", "INTERNAL_ERROR"):
                assert run.tasks is not None
                assert run.tasks[0].run_id is not None
                return str(client.jobs.get_run_output(run.tasks[0].run_id).logs)
            time.sleep(0.1)
    raise AssertionError("the run did not end")


def test_a_run_on_a_cluster_prints_the_new_version_after_the_restart_only(stage: Stage) -> None:
    sandbox = stage.workspace
    _, old = wheel("1.4.0")
    sandbox.put_file(path("1.4.0"), old)
    sandbox.put_file(SCRIPT, b"import retail_metrics\nprint('version', retail_metrics.VERSION)\n")
    sandbox.put("clusters", {"cluster_id": "c1", "libraries": [{"whl": path("1.4.0")}]})
    name, new = wheel("1.5.0")
    (stage.folder / "dist").mkdir()
    (stage.folder / "dist" / name).write_bytes(new)

    assert "version 1.4.0" in printed_on(sandbox, "c1")
    assert stage.deploy(clusters="update").code == 0
    assert "version 1.4.0" in printed_on(sandbox, "c1")
    assert stage.deploy(clusters="restart").code == 0
    assert "version 1.5.0" in printed_on(sandbox, "c1")
