"""The fake workspace of the tests keeps the promises of the ports."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import pytest

from deployer.deployment.ports import UsageDocument, Workspace
from deployer.jobs.places import JsonObject
from tests.contract.workspace_suite import WorkspaceSuite, World
from tests.fake_workspace import FakeWorkspace


@dataclass
class FakeWorld:
    """The side door is the fake itself."""

    fake: FakeWorkspace = field(default_factory=FakeWorkspace)

    @property
    def workspace(self) -> Workspace:
        return self.fake

    def as_viewer_of(self, *job_ids: int) -> Workspace:
        return dataclasses.replace(
            self.fake, user="viewer@example.com", admin=False, may_view_only=set(job_ids)
        )

    def add_job(self, settings: JsonObject) -> int:
        return self.fake.add_job(settings)

    def settings(self, job_id: int) -> JsonObject:
        return self.fake.job(job_id).settings

    def deny_writes(self, job_id: int) -> None:
        self.fake.may_view_only.add(job_id)

    def put_file(self, path: str, content: bytes) -> None:
        self.fake.put_file(path, content)

    def put_notebook(self, path: str, source: bytes) -> None:
        self.fake.put_file(path, source)

    def file(self, path: str) -> bytes:
        return self.fake.contents[path]

    def add_volume(self, full_name: str) -> None:
        self.fake.volumes.add(full_name)

    def open_to_all(self, path: str) -> None:
        self.fake.open_folders.add(path)

    def let_write(self, user: str, path: str) -> None:
        self.fake.writers.setdefault(path, set()).add(user)

    def hold_run(self, job_id: int | None, name: str, tasks: list[JsonObject]) -> str:
        run_id = str(len(self.fake.runs) + 1)
        document: JsonObject = {"job_id": job_id, "tasks": tasks}
        self.fake.runs.append(UsageDocument("run", run_id, name, document))
        return run_id

    def finish_run(self, run_id: str) -> None:
        self.fake.runs = [run for run in self.fake.runs if run.id != run_id]

    def put_cluster(self, cluster_id: str, library: str, runtime: str = "") -> None:
        statuses: list[JsonObject] = [{"library": {"whl": library}, "status": "INSTALLED"}]
        document: JsonObject = {
            "cluster_id": cluster_id,
            "state": "RUNNING",
            "library_statuses": statuses,
        }
        if runtime:
            document["spark_version"] = runtime
        self.fake.others.append(UsageDocument("cluster", cluster_id, "", document))

    def deny_cluster(self, cluster_id: str) -> None:
        self.fake.unmanaged_clusters.add(cluster_id)

    def put_policy(self, policy_id: str, library: str) -> None:
        document: JsonObject = {"policy_id": policy_id, "libraries": [{"whl": library}]}
        self.fake.others.append(UsageDocument("policy", policy_id, "", document))

    def put_pipeline(self, pipeline_id: str, dependency: str) -> None:
        document: JsonObject = {"spec": {"environment": {"dependencies": [dependency]}}}
        self.fake.others.append(UsageDocument("pipeline", pipeline_id, "", document))


class TestFakeWorkspace(WorkspaceSuite):
    @pytest.fixture
    def world(self) -> World:
        return FakeWorld()
