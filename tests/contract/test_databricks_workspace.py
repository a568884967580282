"""The Databricks adapter keeps the promises of the ports, over HTTP with the embedded workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from deployer.deployment.ports import Workspace
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.connect import connect
from deployer.platforms.databricks.workspace import DatabricksWorkspace
from sandbox.server import Sandbox
from tests.contract.workspace_suite import WorkspaceSuite, World
from tests.workspace import running_workspace


def hurried(_: float) -> None:
    """Waits for nothing: the sandbox has no limits here."""


@dataclass
class SandboxWorld:
    """The side door is the sandbox's levers."""

    sandbox: Sandbox
    workspace: DatabricksWorkspace
    closing: ExitStack

    def as_viewer_of(self, *job_ids: int) -> Workspace:
        token = self.sandbox.add_user("viewer@example.com")
        for job_id in job_ids:
            self.sandbox.grant("viewer@example.com", job_id, "CAN_VIEW")
        return self.closing.enter_context(
            connect(host=self.sandbox.url, token=token, environ={}, sleep=hurried)
        )

    def add_job(self, settings: JsonObject) -> int:
        return self.sandbox.add_job(settings)

    def settings(self, job_id: int) -> JsonObject:
        return self.sandbox.job(job_id)

    def deny_writes(self, job_id: int) -> None:
        self.sandbox.deny(self.sandbox.options.user, job_id, keep="CAN_VIEW")

    def put_file(self, path: str, content: bytes) -> None:
        self.sandbox.put_file(path, content)

    def put_notebook(self, path: str, source: bytes) -> None:
        self.sandbox.put_notebook(path, source)

    def file(self, path: str) -> bytes:
        return self.sandbox.file(path)

    def add_volume(self, full_name: str) -> None:
        self.sandbox.add_volume(full_name)

    def open_to_all(self, path: str) -> None:
        if path.startswith("/Volumes/"):
            self.sandbox.grant("account users", path, "WRITE_VOLUME")
        else:
            self.sandbox.grant("users", path, "CAN_MANAGE")

    def let_write(self, user: str, path: str) -> None:
        self.sandbox.add_user(user)
        level = "WRITE_VOLUME" if path.startswith("/Volumes/") else "CAN_EDIT"
        self.sandbox.grant(user, path, level)

    def hold_run(self, job_id: int | None, name: str, tasks: list[JsonObject]) -> str:
        if job_id is not None:
            return str(self.sandbox.hold_run(job_id))
        return str(self.sandbox.hold_run(None, name=name, tasks=tasks))

    def finish_run(self, run_id: str) -> None:
        self.sandbox.finish_run(int(run_id))

    def put_cluster(self, cluster_id: str, library: str, runtime: str = "") -> None:
        stated = {"spark_version": runtime} if runtime else {}
        self.sandbox.put(
            "clusters", {"cluster_id": cluster_id, "libraries": [{"whl": library}], **stated}
        )

    def deny_cluster(self, cluster_id: str) -> None:
        self.sandbox.deny(self.sandbox.options.user, cluster_id, keep="CAN_ATTACH_TO")

    def put_policy(self, policy_id: str, library: str) -> None:
        self.sandbox.put("policies", {"policy_id": policy_id, "libraries": [{"whl": library}]})

    def put_pipeline(self, pipeline_id: str, dependency: str) -> None:
        spec: JsonObject = {"environment": {"dependencies": [dependency]}}
        self.sandbox.put("pipelines", {"pipeline_id": pipeline_id, **spec})


@pytest.fixture
def world() -> Iterator[World]:
    with running_workspace() as sandbox, ExitStack() as closing:
        workspace = closing.enter_context(
            connect(host=sandbox.url, token=sandbox.token, environ={}, sleep=hurried)
        )
        yield SandboxWorld(sandbox, workspace, closing)


class TestDatabricksWorkspace(WorkspaceSuite):
    pass
