"""What every workspace behind the ports does: one suite for the adapter and for the fake.

A test module subclasses `WorkspaceSuite` and gives a fixture `world`, which prepares a workspace
through a side door and looks at it the same way.
"""

from __future__ import annotations

import hashlib
import io
from functools import partial
from typing import Protocol

import pytest

from deployer.deployment.ports import (
    RECORD_LIMIT,
    AlreadyExists,
    Denied,
    LockLost,
    NotFound,
    Records,
    Refused,
    Store,
    UsageDocument,
    Workspace,
)
from deployer.errors import DeployError, FailureReason
from deployer.jobs.places import JsonObject

FOLDER = "/Workspace/libs/released"
VOLUME = "/Volumes/main/libs/released"
DBFS = "dbfs:/libs/released"
OWN = ".spark-deploy/locks"
WHEEL = b"PK these are the bytes of a wheel"
MIB = 1024 * 1024


class World(Protocol):
    """A workspace, the side door to it, and a second user."""

    @property
    def workspace(self) -> Workspace:
        """The workspace as an admin sees it."""
        ...

    def as_viewer_of(self, *job_ids: int) -> Workspace:
        """The workspace as a user sees it who may only view these jobs."""
        ...

    def add_job(self, settings: JsonObject) -> int: ...
    def settings(self, job_id: int) -> JsonObject: ...
    def deny_writes(self, job_id: int) -> None: ...
    def put_file(self, path: str, content: bytes) -> None: ...
    def put_notebook(self, path: str, source: bytes) -> None: ...
    def file(self, path: str) -> bytes: ...
    def add_volume(self, full_name: str) -> None: ...
    def open_to_all(self, path: str) -> None: ...
    def let_write(self, user: str, path: str) -> None: ...
    def hold_run(self, job_id: int | None, name: str, tasks: list[JsonObject]) -> str: ...
    def finish_run(self, run_id: str) -> None: ...
    def put_cluster(self, cluster_id: str, library: str, runtime: str = "") -> None: ...
    def deny_cluster(self, cluster_id: str) -> None: ...
    def put_policy(self, policy_id: str, library: str) -> None: ...
    def put_pipeline(self, pipeline_id: str, dependency: str) -> None: ...


def task(key: str, library: str = "/Workspace/libs/a-1.0.0-py3-none-any.whl") -> JsonObject:
    """A task that uses a library."""
    return {
        "task_key": key,
        "existing_cluster_id": "c1",
        "python_wheel_task": {"package_name": "a", "entry_point": "main"},
        "libraries": [{"whl": library}],
    }


def by_key(settings: JsonObject, array: str = "tasks", key: str = "task_key") -> dict[str, object]:
    """An array of settings by the keys of its elements."""
    found = settings[array]
    assert isinstance(found, list)
    return {each[key]: each for each in found}


class JobsSuite:
    """`ports.Jobs`."""

    def test_an_empty_workspace_has_no_jobs(self, world: World) -> None:
        assert list(world.workspace.jobs.all_jobs()) == []

    def test_every_job_is_listed_once_however_many_there_are(self, world: World) -> None:
        made = {world.add_job({"name": f"job {i}", "tasks": [task("t")]}) for i in range(105)}
        listed = [job.job_id for job in world.workspace.jobs.all_jobs()]
        assert len(listed) == 105
        assert set(listed) == made

    def test_a_listed_job_has_all_its_tasks_clusters_and_environments(self, world: World) -> None:
        settings: JsonObject = {
            "name": "large",
            "tasks": [task(f"t{i:04}") for i in range(250)],
            "job_clusters": [{"job_cluster_key": f"c{i:04}"} for i in range(120)],
            "environments": [{"environment_key": f"e{i:04}"} for i in range(130)],
            "parameters": [{"name": f"p{i:04}", "default": ""} for i in range(110)],
        }
        job_id = world.add_job(settings)
        (listed,) = world.workspace.jobs.all_jobs()
        assert listed.complete
        assert listed.settings == world.workspace.jobs.job(job_id).settings
        for array, key in (
            ("tasks", "task_key"),
            ("job_clusters", "job_cluster_key"),
            ("environments", "environment_key"),
            ("parameters", "name"),
        ):
            assert by_key(listed.settings, array, key) == by_key(settings, array, key)

    def test_a_listed_serverless_job_has_its_environments(self, world: World) -> None:
        serverless = {"task_key": "t", "environment_key": "e", "python_wheel_task": {}}
        environments = [{"environment_key": "e", "spec": {"dependencies": ["/Volumes/a.whl"]}}]
        world.add_job({"name": "s", "tasks": [serverless], "environments": environments})
        (listed,) = world.workspace.jobs.all_jobs()
        assert listed.settings["environments"] == environments

    def test_fields_and_values_that_nobody_knows_are_kept(self, world: World) -> None:
        strange: JsonObject = {
            "name": "strange",
            "tags": {},
            "brand_new_field": {"deep": [1, 2.5, None, "ü\u2028"]},
            "tasks": [{**task("t"), "run_if": "A_NEW_ENUM_VALUE", "agent_task": {"x": []}}],
        }
        job_id = world.add_job(strange)
        read = world.workspace.jobs.job(job_id).settings
        assert {name: read[name] for name in strange} == strange

    def test_reading_a_job_gives_a_copy_of_its_own(self, world: World) -> None:
        job_id = world.add_job({"name": "one", "tasks": [task("t")]})
        world.workspace.jobs.job(job_id).settings.clear()
        assert world.workspace.jobs.job(job_id).settings["name"] == "one"

    def test_a_job_that_is_not_there_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFound):
            world.workspace.jobs.job(987654)

    def test_update_replaces_the_tasks_it_names_and_keeps_the_others(self, world: World) -> None:
        job_id = world.add_job(
            {"name": "n", "max_concurrent_runs": 3, "tasks": [task("a"), task("b")]}
        )
        changed = task("b", "/Workspace/libs/a-1.0.1-py3-none-any.whl")
        world.workspace.jobs.update(job_id, {"tasks": [changed]})
        after = world.settings(job_id)
        assert by_key(after) == {"a": task("a"), "b": changed}
        assert after["max_concurrent_runs"] == 3

    def test_update_with_all_environments_leaves_all_environments(self, world: World) -> None:
        before = [{"environment_key": key, "spec": {"dependencies": ["x==1"]}} for key in "ab"]
        job_id = world.add_job({"name": "n", "tasks": [], "environments": before})
        after = [before[0], {"environment_key": "b", "spec": {"dependencies": ["x==2"]}}]
        world.workspace.jobs.update(job_id, {"environments": after})
        assert world.settings(job_id)["environments"] == after

    def test_the_same_update_twice_is_the_same_as_once(self, world: World) -> None:
        job_id = world.add_job({"name": "n", "tasks": [task("a"), task("b")]})
        change: JsonObject = {"tasks": [task("a", "/Workspace/libs/a-2.0.0-py3-none-any.whl")]}
        world.workspace.jobs.update(job_id, change)
        once = world.settings(job_id)
        world.workspace.jobs.update(job_id, change)
        assert world.settings(job_id) == once

    def test_reset_leaves_nothing_of_the_old_settings(self, world: World) -> None:
        job_id = world.add_job({"name": "old", "max_concurrent_runs": 3, "tasks": [task("a")]})
        new: JsonObject = {"name": "new", "queue": {"enabled": False}, "tasks": [task("z")]}
        world.workspace.jobs.reset(job_id, new)
        after = world.settings(job_id)
        assert set(by_key(after)) == {"z"}
        assert after["name"] == "new"
        assert "max_concurrent_runs" not in after

    def test_a_write_to_a_job_that_is_gone_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFound):
            world.workspace.jobs.update(987654, {"name": "x"})
        with pytest.raises(NotFound):
            world.workspace.jobs.reset(987654, {"name": "x"})

    def test_a_write_without_permission_is_denied_and_changes_nothing(self, world: World) -> None:
        job_id = world.add_job({"name": "mine", "tasks": [task("a")]})
        before = world.settings(job_id)
        world.deny_writes(job_id)
        with pytest.raises(Denied):
            world.workspace.jobs.update(job_id, {"name": "yours"})
        with pytest.raises(Denied):
            world.workspace.jobs.reset(job_id, {"name": "yours"})
        assert world.settings(job_id) == before

    def test_an_admin_may_edit_and_a_viewer_may_not(self, world: World) -> None:
        job_id = world.add_job({"name": "n", "tasks": []})
        viewer = world.as_viewer_of(job_id)
        admin = world.workspace
        assert admin.identity().admin
        assert admin.jobs.may_edit(job_id, admin.identity()) is True
        assert not viewer.identity().admin
        assert viewer.jobs.may_edit(job_id, viewer.identity()) is False


class FenceSuite:
    """`ports.Workspace.fenced_by`."""

    def test_the_fence_is_asked_before_each_write_and_never_before_a_read(
        self, world: World
    ) -> None:
        job_id = world.add_job({"name": "before", "tasks": [task("a")]})
        asked: list[object] = []
        jobs = world.workspace.fenced_by(lambda: asked.append(world.settings(job_id)["name"])).jobs
        assert [job.job_id for job in jobs.all_jobs()] == [job_id]
        assert jobs.job(job_id).settings["name"] == "before"
        assert jobs.may_edit(job_id, world.workspace.identity()) is True
        assert asked == []
        jobs.update(job_id, {"name": "updated"})
        jobs.reset(job_id, {"name": "reset", "tasks": [task("a")]})
        assert asked == ["before", "updated"]
        assert world.settings(job_id)["name"] == "reset"

    def test_a_fence_that_is_down_lets_no_write_through(self, world: World) -> None:
        job_id = world.add_job({"name": "n", "tasks": [task("a")]})
        before = world.settings(job_id)

        def lost() -> None:
            raise LockLost

        jobs = world.workspace.fenced_by(lost).jobs
        for write in (jobs.update, jobs.reset):
            with pytest.raises(LockLost) as raised:
                write(job_id, {"name": "changed"})
            assert raised.value.doubtful is False
        assert world.settings(job_id) == before

    def test_a_fence_is_of_its_own_jobs_alone(self, world: World) -> None:
        job_id = world.add_job({"name": "n", "tasks": [task("a")]})

        def lost() -> None:
            raise LockLost

        world.workspace.fenced_by(lost)
        world.workspace.jobs.update(job_id, {"name": "changed"})
        assert world.settings(job_id)["name"] == "changed"

    def test_a_fence_stands_before_files_and_clusters_too(self, world: World) -> None:
        old, new = (f"{VOLUME}/a-1.{minor}.0-py3-none-any.whl" for minor in (0, 1))
        world.put_file(old, WHEEL)
        world.put_cluster("c1", old)

        def lost() -> None:
            raise LockLost

        fenced = world.workspace.fenced_by(lost)
        store = fenced.store(VOLUME)
        for write in (
            partial(store.delete, old),
            partial(store.upload, new, io.BytesIO(WHEEL), len(WHEEL)),
            partial(fenced.clusters.install, "c1", {"whl": new}),
            partial(fenced.clusters.uninstall, "c1", [{"whl": old}]),
            partial(fenced.clusters.restart, "c1"),
            partial(fenced.records(f"{VOLUME}/{OWN}").create, "1.json", WHEEL),
        ):
            with pytest.raises(LockLost):
                write()
        assert [one.path for one in store.files()] == [old]
        assert fenced.records(f"{VOLUME}/{OWN}").listed() == ()
        statuses = fenced.clusters.cluster("c1")["library_statuses"]
        assert isinstance(statuses, list)
        assert [(one["library"], one["status"]) for one in statuses] == [
            ({"whl": old}, "INSTALLED")
        ]


class UsageSuite:
    """`ports.Usage`."""

    def test_active_runs_come_with_their_tasks_one_time_runs_too(self, world: World) -> None:
        job_id = world.add_job({"name": "nightly", "tasks": [task("a")]})
        of_job = world.hold_run(job_id, "nightly", [task("a")])
        once = world.hold_run(None, "once", [task("b", "/Workspace/libs/a-0.9.0-py3-none-any.whl")])
        ended = world.hold_run(job_id, "nightly", [task("a")])
        world.finish_run(ended)
        runs = {run.id: run for run in world.workspace.usage.active_runs()}
        assert set(runs) == {of_job, once}
        assert {run.kind for run in runs.values()} == {"run"}
        assert "a-0.9.0" in str(runs[once].document["tasks"])

    def test_an_active_run_has_all_its_tasks_however_many(self, world: World) -> None:
        tasks = [task(f"t{i:04}") for i in range(150)]
        world.hold_run(None, "large", tasks)
        (run,) = world.workspace.usage.active_runs()
        assert set(by_key(run.document)) == {str(each["task_key"]) for each in tasks}

    def test_clusters_policies_and_pipelines_show_their_libraries(self, world: World) -> None:
        for i in range(105):  # more than one page of each
            world.put_cluster(f"c{i}", f"/Workspace/libs/c-{i}.0.0-py3-none-any.whl")
            world.put_pipeline(f"p{i}", f"/Workspace/libs/p-{i}.0.0-py3-none-any.whl")
        world.put_policy("policy", "/Workspace/libs/q-1.0.0-py3-none-any.whl")
        found: dict[tuple[str, str], UsageDocument] = {
            (each.kind, each.id): each for each in world.workspace.usage.other_users()
        }
        assert len(found) == 211
        assert "c-104.0.0" in str(found["cluster", "c104"].document)
        assert "p-104.0.0" in str(found["pipeline", "p104"].document)
        assert "q-1.0.0" in str(found["policy", "policy"].document)

    def test_runtimes_are_those_of_all_clusters_that_state_one(self, world: World) -> None:
        assert world.workspace.usage.runtimes() == {}
        for i in range(105):  # more than one page
            world.put_cluster(f"c{i}", "/Workspace/libs/c-1.0.0.jar", "15.4.x-scala2.12")
        world.put_cluster("none", "/Workspace/libs/c-1.0.0.jar")
        runtimes = world.workspace.usage.runtimes()
        assert len(runtimes) == 105
        assert runtimes["c104"] == "15.4.x-scala2.12"

    @pytest.mark.parametrize(
        "path", ["/Workspace/Shared/a b/requirements.txt", "/Volumes/main/libs/released/init+1.sh"]
    )
    def test_a_text_file_can_be_read_and_a_missing_one_is_none(
        self, world: World, path: str
    ) -> None:
        world.add_volume("main.libs.released")
        assert world.workspace.usage.read_text(path) is None
        world.put_file(path, "pip install /Volumes/größe.whl\n".encode())
        assert world.workspace.usage.read_text(path) == "pip install /Volumes/größe.whl\n"

    def test_the_source_of_a_notebook_can_be_read_and_a_missing_one_is_none(
        self, world: World
    ) -> None:
        path = "/Workspace/Users/a b@example.com/load"
        source = "# Databricks notebook source\n# MAGIC %pip install /Volumes/größe.whl\n"
        assert world.workspace.usage.read_notebook(path) is None
        world.put_notebook(path, source.encode())
        assert world.workspace.usage.read_notebook(path) == source


class ClustersSuite:
    """`ports.Clusters`."""

    def statuses(self, world: World, cluster_id: str) -> dict[str, str]:
        found = world.workspace.clusters.cluster(cluster_id)["library_statuses"]
        assert isinstance(found, list)
        return {each["library"]["whl"]: each["status"] for each in found}

    @pytest.fixture
    def libraries(self, world: World) -> tuple[str, str]:
        """The old and the new library, which are there, and a cluster with the old one."""
        old, new = (f"{FOLDER}/a-{version}-py3-none-any.whl" for version in ("1.0.0", "1.0.1"))
        world.put_file(old, b"old")
        world.put_file(new, b"new")
        world.put_cluster("c1", old)
        return old, new

    def test_clusters_are_listed_with_their_libraries_and_with_the_policies(
        self, world: World, libraries: tuple[str, str]
    ) -> None:
        world.put_policy("policy", libraries[1])
        world.put_pipeline("pipeline", libraries[1])
        listing = world.workspace.clusters.listing()
        assert [(one["cluster_id"], one["state"]) for one in listing.clusters] == [
            ("c1", "RUNNING")
        ]
        assert libraries[0] in str(listing.clusters[0]["library_statuses"])
        assert [one["policy_id"] for one in listing.policies] == ["policy"]

    def test_a_library_is_installed_beside_the_old_one_which_goes_with_the_restart(
        self, world: World, libraries: tuple[str, str]
    ) -> None:
        old, new = libraries
        clusters = world.workspace.clusters
        clusters.install("c1", {"whl": new})
        assert self.statuses(world, "c1") == {old: "INSTALLED", new: "INSTALLED"}
        clusters.uninstall("c1", [{"whl": old}, {"whl": f"{FOLDER}/never-1.0.whl"}])
        assert self.statuses(world, "c1") == {old: "UNINSTALL_ON_RESTART", new: "INSTALLED"}
        clusters.restart("c1")
        assert self.statuses(world, "c1") == {new: "INSTALLED"}

    def test_installing_again_takes_an_uninstall_back(
        self, world: World, libraries: tuple[str, str]
    ) -> None:
        world.workspace.clusters.uninstall("c1", [{"whl": libraries[0]}])
        world.workspace.clusters.install("c1", {"whl": libraries[0]})
        assert self.statuses(world, "c1") == {libraries[0]: "INSTALLED"}

    def test_a_file_that_is_not_there_fails_with_a_message(
        self, world: World, libraries: tuple[str, str]
    ) -> None:
        missing = f"{FOLDER}/a-1.0.2-py3-none-any.whl"
        world.workspace.clusters.install("c1", {"whl": missing})
        assert self.statuses(world, "c1") == {libraries[0]: "INSTALLED", missing: "FAILED"}
        assert "not found" in str(world.workspace.clusters.cluster("c1"))

    def test_a_cluster_that_is_not_there_is_not_found(self, world: World) -> None:
        clusters = world.workspace.clusters
        with pytest.raises(NotFound):
            clusters.cluster("c9")
        with pytest.raises(NotFound):
            clusters.install("c9", {"whl": f"{FOLDER}/a-1.0.0-py3-none-any.whl"})

    def test_changing_the_libraries_of_a_cluster_needs_the_right_to(
        self, world: World, libraries: tuple[str, str]
    ) -> None:
        world.deny_cluster("c1")
        clusters = world.workspace.clusters
        for refused in (
            partial(clusters.install, "c1", {"whl": libraries[1]}),
            partial(clusters.uninstall, "c1", [{"whl": libraries[0]}]),
            partial(clusters.restart, "c1"),
        ):
            with pytest.raises(Denied, match="permissions on c1"):
                refused()
        assert self.statuses(world, "c1") == {libraries[0]: "INSTALLED"}


class StoreSuite:
    """`ports.Store`, for all kinds of root."""

    @pytest.fixture(params=[FOLDER, VOLUME, f"{VOLUME}/below/it", DBFS])
    def store(self, world: World, request: pytest.FixtureRequest) -> Store:
        world.add_volume("main.libs.released")
        found = world.workspace.store(request.param, allow_dbfs=True)
        assert found.root == request.param
        found.create_root()
        return found

    def test_a_root_that_is_not_there_holds_nothing(self, world: World) -> None:
        world.add_volume("main.libs.released")
        for root in (FOLDER, f"{VOLUME}/below/it", DBFS):
            store = world.workspace.store(root, allow_dbfs=True)
            assert not store.exists()
            assert store.files() == ()

    def test_a_root_can_be_created_again(self, store: Store) -> None:
        assert store.exists()
        store.create_root()
        assert store.exists()

    def test_a_missing_volume_is_named(self, world: World) -> None:
        store = world.workspace.store("/Volumes/main/libs/nowhere/deep")
        with pytest.raises(NotFound, match="nowhere"):
            store.exists()
        with pytest.raises(NotFound, match="nowhere"):
            store.create_root()

    def test_an_upload_can_be_listed_hashed_and_read(self, world: World, store: Store) -> None:
        path = f"{store.root}/a-1.0.0+local.1-py3-none-any.whl"
        store.upload(path, io.BytesIO(WHEEL), len(WHEEL))
        assert world.file(path) == WHEEL
        (stored,) = store.files()
        assert (stored.path, stored.size) == (path, len(WHEEL))
        assert stored.modified_ms > 1_500_000_000_000
        assert store.sha256(path) == hashlib.sha256(WHEEL).hexdigest()

    def test_names_with_strange_characters_arrive_as_they_are(
        self, world: World, store: Store
    ) -> None:
        path = f"{store.root}/a b%20c#d?e&ü-1.0.0.whl"
        store.upload(path, io.BytesIO(WHEEL), len(WHEEL))
        assert [each.path for each in store.files()] == [path]
        assert store.sha256(path) == hashlib.sha256(WHEEL).hexdigest()
        store.delete(path)
        assert store.files() == ()

    def test_an_upload_never_replaces_a_file(self, world: World, store: Store) -> None:
        path = f"{store.root}/a-1.0.0-py3-none-any.whl"
        store.upload(path, io.BytesIO(WHEEL), len(WHEEL))
        with pytest.raises(AlreadyExists):
            store.upload(path, io.BytesIO(b"other"), 5)
        with pytest.raises(AlreadyExists):
            store.upload(path, io.BytesIO(WHEEL), len(WHEEL))
        assert world.file(path) == WHEEL

    def test_an_upload_without_its_folder_is_not_found(self, world: World) -> None:
        world.add_volume("main.libs.released")
        for root in (FOLDER, f"{VOLUME}/below/it", DBFS):
            store = world.workspace.store(root, allow_dbfs=True)
            with pytest.raises(NotFound):
                store.upload(f"{root}/a.whl", io.BytesIO(WHEEL), len(WHEEL))
            assert not store.exists()

    def test_folders_below_the_root_count_and_our_own_does_not(
        self, world: World, store: Store
    ) -> None:
        world.put_file(f"{store.root}/old/deeper/a-0.1.0-py3-none-any.whl", b"1")
        world.put_file(f"{store.root}/b.jar", b"22")
        world.put_file(f"{store.root}/.spark-deploy/lock.json", b"{}")
        assert [(each.path, each.size) for each in store.files()] == [
            (f"{store.root}/b.jar", 2),
            (f"{store.root}/old/deeper/a-0.1.0-py3-none-any.whl", 1),
        ]

    def test_a_neighbour_with_the_same_beginning_is_outside(
        self, world: World, store: Store
    ) -> None:
        world.put_file(f"{store.root}-old/a.whl", b"1") if store.root != VOLUME else None
        assert store.files() == ()

    def test_a_deleted_file_is_gone_and_deleting_it_again_is_fine(self, store: Store) -> None:
        path = f"{store.root}/a-1.0.0-py3-none-any.whl"
        store.upload(path, io.BytesIO(WHEEL), len(WHEEL))
        store.delete(path)
        store.delete(path)
        assert store.files() == ()
        with pytest.raises(NotFound):
            store.sha256(path)

    def test_only_a_workspace_file_above_ten_megabytes_can_not_be_read_back(
        self, world: World, store: Store
    ) -> None:
        exact, larger = bytes(10 * MIB), bytes(10 * MIB + 1)
        world.put_file(f"{store.root}/exact.whl", exact)
        world.put_file(f"{store.root}/larger.whl", larger)
        assert store.sha256(f"{store.root}/exact.whl") == hashlib.sha256(exact).hexdigest()
        readable = None if store.root == FOLDER else hashlib.sha256(larger).hexdigest()
        assert store.sha256(f"{store.root}/larger.whl") == readable

    def test_a_root_is_open_when_all_users_may_write_there(
        self, world: World, store: Store
    ) -> None:
        if store.root != DBFS:
            assert store.open_to_all() is False
            world.open_to_all(store.root)
        assert store.open_to_all() is True

    def test_the_shared_folder_is_open_to_all(self, world: World) -> None:
        assert world.workspace.store("/Workspace/Shared/libs").open_to_all() is True

    def test_roots_come_in_one_spelling(self, world: World) -> None:
        for given, root in (
            ("/Shared/libs/", "/Workspace/Shared/libs"),
            ("/Users/a@b.c/libs", "/Workspace/Users/a@b.c/libs"),
            ("dbfs:/Volumes/main/libs/released/", VOLUME),
            ("/Workspace//libs/released", FOLDER),
        ):
            assert world.workspace.store(given).root == root

    def test_a_root_in_dbfs_has_to_be_chosen(self, world: World) -> None:
        for given in (DBFS, "/dbfs/libs/released/", "dbfs:///libs//released"):
            with pytest.raises(DeployError, match="DBFS"):
                world.workspace.store(given)
            assert world.workspace.store(given, allow_dbfs=True).root == DBFS

    def test_other_paths_are_no_roots(self, world: World) -> None:
        for given in ("dbfs:/libs", "s3://bucket/libs", "libs", "/Workspace", "/Volumes/main/libs"):
            with pytest.raises(DeployError) as caught:
                world.workspace.store(given)
            assert caught.value.reason is FailureReason.ROOT_NOT_ALLOWED
            assert caught.value.problem.remedy


class RecordsSuite:
    """`ports.Records`, for all kinds of root."""

    @pytest.fixture(params=[f"{FOLDER}/{OWN}", f"{VOLUME}/{OWN}", VOLUME, f"{DBFS}/{OWN}"])
    def records(self, world: World, request: pytest.FixtureRequest) -> Records:
        """In a folder that is not there yet; the volume itself always is."""
        world.add_volume("main.libs.released")
        found = world.workspace.records(request.param, allow_dbfs=True)
        assert found.folder == request.param
        return found

    def names(self, records: Records) -> list[str]:
        return [each.path.removeprefix(f"{records.folder}/") for each in records.listed()]

    def test_a_folder_that_is_not_there_holds_nothing(self, records: Records) -> None:
        assert records.listed() == ()
        assert records.read("1.json") is None
        records.delete("1.json")
        assert records.listed() == ()

    def test_the_first_create_makes_the_folder_and_the_next_ones_find_it(
        self, world: World, records: Records
    ) -> None:
        records.create("1.json", b'{"n": 1}')
        records.create("2.json", b'{"n": 2}')
        assert world.file(f"{records.folder}/1.json") == b'{"n": 1}'
        assert records.read("1.json") == b'{"n": 1}'
        assert records.read("2.json") == b'{"n": 2}'
        assert records.read("3.json") is None

    def test_a_name_can_be_had_once(self, world: World, records: Records) -> None:
        records.create("1.json", b"mine")
        for content in (b"yours", b"mine", b""):
            with pytest.raises(AlreadyExists):
                records.create("1.json", content)
        assert world.file(f"{records.folder}/1.json") == b"mine"

    def test_a_name_is_free_again_after_a_delete_and_deleting_twice_is_fine(
        self, records: Records
    ) -> None:
        records.create("1.json", b"first")
        records.delete("1.json")
        records.delete("1.json")
        assert records.read("1.json") is None
        assert records.listed() == ()
        records.create("1.json", b"second")
        assert records.read("1.json") == b"second"

    def test_records_are_listed_by_path_with_sizes_and_the_time_of_the_server(
        self, world: World, records: Records
    ) -> None:
        before = world.workspace.now_ms()
        for name in ("b.json", "a.json", "B.json", "a-1.json"):
            records.create(name, name.encode())
        listed = records.listed()
        assert self.names(records) == ["B.json", "a-1.json", "a.json", "b.json"]
        assert [each.size for each in listed] == [6, 8, 6, 6]
        after = world.workspace.now_ms()
        for each in listed:
            # A Date header has whole seconds.
            assert before - 2000 <= each.modified_ms <= after + 2000

    def test_only_what_lies_right_in_the_folder_is_listed(
        self, world: World, records: Records
    ) -> None:
        world.put_file(f"{records.folder}/deeper/1.json", b"{}")
        world.put_file(f"{records.folder}/.hidden/deeper/2.json", b"{}")
        if records.folder != VOLUME:
            world.put_file(f"{records.folder}-old/3.json", b"{}")
            world.put_file(f"{records.folder.rpartition('/')[0]}/4.json", b"{}")
        assert records.listed() == ()
        records.create("5.json", b"{}")
        assert self.names(records) == ["5.json"]

    def test_an_empty_record_is_one(self, records: Records) -> None:
        records.create("1.json", b"")
        assert records.read("1.json") == b""
        assert [each.size for each in records.listed()] == [0]
        with pytest.raises(AlreadyExists):
            records.create("1.json", b"")

    def test_bytes_of_any_kind_come_back_as_they_are(self, records: Records) -> None:
        content = bytes(range(256)) * 4097 + "größe\r\n\u2028".encode()
        records.create("1.json", content)
        assert records.read("1.json") == content

    @pytest.mark.parametrize(
        "name", ["a b%20c#d?e&ü+1.json", "...json", "%2e%2e.json", "~a'b.json"]
    )
    def test_names_with_strange_characters_are_names(self, records: Records, name: str) -> None:
        records.create(name, b"{}")
        with pytest.raises(AlreadyExists):
            records.create(name, b"{}")
        assert self.names(records) == [name]
        assert records.read(name) == b"{}"
        records.delete(name)
        assert records.listed() == ()

    @pytest.mark.parametrize("name", ["", ".", "..", "../1.json", "a/1.json", "/1.json"])
    def test_a_name_leads_nowhere_else(self, records: Records, name: str) -> None:
        for way in (records.read, records.delete, partial(records.create, content=b"{}")):
            with pytest.raises(ValueError, match="no name of a file"):
                way(name)

    def test_more_than_the_limit_is_refused_and_not_stored(
        self, world: World, records: Records
    ) -> None:
        with pytest.raises(Refused, match="larger than 8,388,608 bytes"):
            records.create("large.json", bytes(RECORD_LIMIT + 1))
        assert records.read("large.json") is None
        records.create("exact.json", bytes(RECORD_LIMIT))
        assert records.read("exact.json") == bytes(RECORD_LIMIT)
        world.put_file(f"{records.folder}/theirs.json", bytes(RECORD_LIMIT + 1))
        with pytest.raises(Refused, match="larger than 8,388,608 bytes"):
            records.read("theirs.json")

    def test_a_missing_volume_is_named_when_records_are_listed_or_created(
        self, world: World
    ) -> None:
        records = world.workspace.records(f"/Volumes/main/libs/nowhere/{OWN}")
        with pytest.raises(NotFound, match="nowhere"):
            records.listed()
        with pytest.raises(NotFound, match="nowhere"):
            records.create("1.json", b"{}")
        assert records.read("1.json") is None
        records.delete("1.json")

    @pytest.mark.parametrize("root", [FOLDER, VOLUME, DBFS])
    def test_records_in_our_own_folder_are_none_of_the_files_of_the_root(
        self, world: World, root: str
    ) -> None:
        world.add_volume("main.libs.released")
        world.workspace.records(f"{root}/{OWN}", allow_dbfs=True).create("1.json", b"{}")
        assert world.workspace.store(root, allow_dbfs=True).files() == ()

    def test_a_folder_in_dbfs_has_to_be_chosen_and_other_paths_are_none(self, world: World) -> None:
        for given in (f"{DBFS}/{OWN}", "s3://bucket/locks", "locks", "/Workspace", "/Volumes/main"):
            with pytest.raises(DeployError) as caught:
                world.workspace.records(given)
            assert caught.value.reason is FailureReason.ROOT_NOT_ALLOWED

    def test_a_folder_comes_in_one_spelling(self, world: World) -> None:
        assert world.workspace.records("/Shared//locks/").folder == "/Workspace/Shared/locks"


class RightsSuite:
    """Who we are, how we came in, who may write the root, and what time it is there."""

    @pytest.mark.parametrize("root", [FOLDER, VOLUME])
    def test_those_who_may_write_the_root_are_named(self, world: World, root: str) -> None:
        world.add_volume("main.libs.released")
        world.workspace.store(root).create_root()
        identity = world.workspace.identity()
        rights = world.workspace.root_rights(root, identity)
        assert (rights.may_read, rights.may_write) == (True, True)
        assert (rights.writers, rights.open_to_all) == ((), False)
        world.let_write("colleague@example.com", root)
        world.let_write("Another@example.com", root)
        named = world.workspace.root_rights(root, identity).writers
        assert sorted(named) == ["Another@example.com", "colleague@example.com"]

    @pytest.mark.parametrize("root", [FOLDER, VOLUME])
    def test_a_root_that_everybody_may_write_is_told(self, world: World, root: str) -> None:
        world.add_volume("main.libs.released")
        world.workspace.store(root).create_root()
        world.open_to_all(root)
        assert world.workspace.root_rights(root, world.workspace.identity()).open_to_all is True

    def test_the_shared_folder_and_dbfs_belong_to_everybody(self, world: World) -> None:
        identity = world.workspace.identity()
        for root in ("/Workspace/Shared/libs", DBFS):
            assert world.workspace.root_rights(root, identity).open_to_all is True

    @pytest.mark.parametrize("root", [FOLDER, VOLUME])
    def test_who_has_no_right_in_the_root_is_not_told_otherwise(
        self, world: World, root: str
    ) -> None:
        world.add_volume("main.libs.released")
        world.workspace.store(root).create_root()
        viewer = world.as_viewer_of()
        rights = viewer.root_rights(root, viewer.identity())
        assert not rights.may_read
        assert not rights.may_write

    def test_the_time_is_that_of_the_files(self, world: World) -> None:
        before = world.workspace.now_ms()
        world.put_file(f"{FOLDER}/a.whl", WHEEL)
        (stored,) = world.workspace.store(FOLDER).files()
        # A Date header has whole seconds.
        assert before - 2000 <= stored.modified_ms <= world.workspace.now_ms() + 2000

    def test_the_kind_of_credential_is_known_and_no_more(self, world: World) -> None:
        world.workspace.identity()
        credential = world.workspace.credential()
        assert credential.kind
        assert credential.caution == ""


class WorkspaceSuite(
    JobsSuite, FenceSuite, UsageSuite, ClustersSuite, StoreSuite, RecordsSuite, RightsSuite
):
    """All of it."""

    def test_it_says_where_it_is_and_who_we_are(self, world: World) -> None:
        assert world.workspace.host.startswith("http")
        identity = world.workspace.identity()
        assert identity.user
        assert identity.admin
        calls, retries, waited_s = world.workspace.calls()
        assert (calls >= 0, retries, waited_s >= 0) == (True, 0, True)
