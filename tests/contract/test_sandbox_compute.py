"""The embedded workspace plays clusters and their libraries, seen through the official SDK: facts B8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound, PermissionDenied
from databricks.sdk.service.compute import Library, State

from sandbox.server import Sandbox
from tests.contract.test_sandbox_runs import Script, start, wait_for
from tests.workspace import call, running_workspace, sdk_client, workspace

__all__ = ["workspace"]

ROOT = "/Volumes/main/libs/released"
OLD = f"{ROOT}/sales_metrics-1.2.0-py3-none-any.whl"
NEW = f"{ROOT}/sales_metrics-1.4.0-py3-none-any.whl"
OTHER = f"{ROOT}/other-1.0.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def files(workspace: Sandbox) -> None:
    for path in (OLD, NEW, OTHER):
        workspace.put_file(path, b"wheel")


@pytest.fixture
def client(workspace: Sandbox) -> Iterator[WorkspaceClient]:
    workspace.put("clusters", {"cluster_id": "c-1", "libraries": [{"whl": OLD}]})
    with sdk_client(workspace) as found:
        yield found


def wheel(path: str) -> list[Library]:
    return [Library(whl=path)]


def statuses(client: WorkspaceClient, cluster_id: str = "c-1") -> dict[str, str]:
    return {
        str(each.library.whl): each.status.value
        for each in client.libraries.cluster_status(cluster_id)
        if each.library is not None and each.status is not None
    }


class TestLibraries:
    def test_a_library_is_installed_beside_what_is_there(self, client: WorkspaceClient) -> None:
        client.libraries.install("c-1", wheel(NEW))
        client.libraries.install("c-1", wheel(NEW))
        assert statuses(client) == {OLD: "INSTALLED", NEW: "INSTALLED"}

    def test_an_uninstalled_library_comes_last_until_the_restart(
        self, client: WorkspaceClient
    ) -> None:
        client.libraries.install("c-1", wheel(NEW))
        client.libraries.uninstall("c-1", wheel(OLD))
        assert list(statuses(client).items()) == [
            (NEW, "INSTALLED"),
            (OLD, "UNINSTALL_ON_RESTART"),
        ]
        client.clusters.restart("c-1")
        assert client.clusters.get("c-1").state is State.RUNNING
        assert statuses(client) == {NEW: "INSTALLED"}

    def test_installing_again_takes_an_uninstall_back(self, client: WorkspaceClient) -> None:
        client.libraries.uninstall("c-1", wheel(OLD))
        client.libraries.install("c-1", wheel(OLD))
        assert statuses(client) == {OLD: "INSTALLED"}

    def test_uninstalling_what_is_not_there_is_ignored(self, client: WorkspaceClient) -> None:
        client.libraries.uninstall("c-1", wheel(NEW))
        assert statuses(client) == {OLD: "INSTALLED"}

    def test_a_missing_file_fails_with_a_message_and_can_be_tried_again(
        self, workspace: Sandbox, client: WorkspaceClient
    ) -> None:
        missing = f"{ROOT}/sales_metrics-1.5.0-py3-none-any.whl"
        client.libraries.install("c-1", wheel(missing))
        (failed,) = (
            each
            for each in client.libraries.cluster_status("c-1")
            if each.library == Library(whl=missing)
        )
        assert failed.status is not None
        assert failed.status.value == "FAILED"
        assert failed.messages is not None
        assert "file not found" in failed.messages[0]
        workspace.put_file(missing, b"wheel")
        client.libraries.install("c-1", wheel(missing))
        assert statuses(client)[missing] == "INSTALLED"

    def test_what_lies_in_object_storage_is_taken_as_it_is(self, client: WorkspaceClient) -> None:
        client.libraries.install("c-1", wheel("s3://bucket/x-1.0-py3-none-any.whl"))
        assert statuses(client)["s3://bucket/x-1.0-py3-none-any.whl"] == "INSTALLED"

    def test_a_cluster_without_libraries_has_no_list(
        self, workspace: Sandbox, client: WorkspaceClient
    ) -> None:
        workspace.put("clusters", {"cluster_id": "c-2"})
        answer = call(
            workspace, "GET", "/api/2.0/libraries/cluster-status", params={"cluster_id": "c-2"}
        )
        assert answer.json() == {"cluster_id": "c-2"}
        (only,) = client.libraries.all_cluster_statuses()
        assert only.cluster_id == "c-1"

    @pytest.mark.parametrize("libraries", [[], [{}], None, ["x.whl"]])
    def test_an_install_of_nothing_is_refused(
        self, workspace: Sandbox, client: WorkspaceClient, libraries: object
    ) -> None:
        assert statuses(client)
        body = {"cluster_id": "c-1", "libraries": libraries}
        answer = call(workspace, "POST", "/api/2.0/libraries/install", json=body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")

    def test_a_missing_cluster_does_not_exist(self, client: WorkspaceClient) -> None:
        with pytest.raises((InvalidParameterValue, NotFound), match="c-9 does not exist"):
            client.libraries.install("c-9", wheel(NEW))

    def test_a_policy_that_brings_libraries_forbids_others(
        self, workspace: Sandbox, client: WorkspaceClient
    ) -> None:
        workspace.put("policies", {"policy_id": "p-1", "libraries": [{"whl": OLD}]})
        workspace.put("clusters", {"cluster_id": "c-2", "policy_id": "p-1"})
        with pytest.raises(PermissionDenied, match="policy"):
            client.libraries.install("c-2", wheel(NEW))

    def test_statuses_can_be_seeded_as_the_service_shows_them(
        self, workspace: Sandbox, client: WorkspaceClient
    ) -> None:
        for_all = {"library": {"whl": OLD}, "is_library_for_all_clusters": True}
        workspace.put("clusters", {"cluster_id": "c-2", "library_statuses": [for_all]})
        (status,) = client.libraries.cluster_status("c-2")
        assert status.is_library_for_all_clusters
        assert statuses(client, "c-2") == {OLD: "INSTALLED"}


class TestStoppedClusters:
    def test_a_stopped_cluster_installs_when_it_starts(self, client: WorkspaceClient) -> None:
        client.clusters.delete("c-1")
        assert client.clusters.get("c-1").state is State.TERMINATED
        client.libraries.install("c-1", wheel(NEW))
        client.libraries.uninstall("c-1", wheel(OLD))
        assert statuses(client) == {NEW: "PENDING", OLD: "UNINSTALL_ON_RESTART"}
        client.clusters.start("c-1")
        assert statuses(client) == {NEW: "INSTALLED"}

    def test_or_it_drops_what_is_uninstalled_at_once(
        self, workspace: Sandbox, client: WorkspaceClient
    ) -> None:
        workspace.behave(uninstall_when_stopped="at-once")
        client.clusters.delete("c-1")
        client.libraries.uninstall("c-1", wheel(OLD))
        assert statuses(client) == {}

    def test_only_a_running_cluster_restarts_and_only_a_stopped_one_starts(
        self, client: WorkspaceClient
    ) -> None:
        with pytest.raises(BadRequest, match="unexpected state Running"):
            client.clusters.start("c-1")
        client.clusters.delete("c-1")
        with pytest.raises(BadRequest, match="unexpected state Terminated"):
            client.clusters.restart("c-1")


class TestTwoVersions:
    def test_a_running_cluster_may_refuse_a_second_version_until_it_restarts(
        self, workspace: Sandbox, client: WorkspaceClient
    ) -> None:
        workspace.behave(second_version="refused")
        client.libraries.install("c-1", wheel(NEW))
        (new,) = (
            one
            for one in workspace.cluster("c-1")["library_statuses"]
            if one["library"] == {"whl": NEW}
        )
        assert new["status"] == "FAILED"
        assert "ERROR_DUPLICATE_INSTALLATION" in new["messages"][0]
        client.libraries.install("c-1", wheel(OTHER))
        assert statuses(client)[OTHER] == "INSTALLED"
        client.libraries.uninstall("c-1", wheel(OLD))
        client.clusters.restart("c-1")
        assert statuses(client) == {NEW: "INSTALLED", OTHER: "INSTALLED"}


class TestRights:
    @pytest.fixture
    def guest(self, workspace: Sandbox, client: WorkspaceClient) -> Iterator[WorkspaceClient]:
        assert statuses(client)
        with sdk_client(workspace, workspace.add_user("guest@example.com")) as found:
            yield found

    def test_who_has_no_right_does_not_see_a_cluster(self, guest: WorkspaceClient) -> None:
        assert list(guest.clusters.list()) == []
        assert list(guest.libraries.all_cluster_statuses()) == []
        with pytest.raises(PermissionDenied):
            guest.clusters.get("c-1")

    def test_attaching_is_not_managing(self, workspace: Sandbox, guest: WorkspaceClient) -> None:
        workspace.grant("guest@example.com", "c-1", "CAN_ATTACH_TO")
        assert statuses(guest) == {OLD: "INSTALLED"}
        with pytest.raises(PermissionDenied, match="does not have Manage permissions on c-1"):
            guest.libraries.install("c-1", wheel(NEW))
        with pytest.raises(PermissionDenied, match="does not have Manage permissions on c-1"):
            guest.libraries.uninstall("c-1", wheel(OLD))
        with pytest.raises(PermissionDenied, match="Restart"):
            guest.clusters.restart("c-1")
        workspace.grant("guest@example.com", "c-1", "CAN_RESTART")
        guest.clusters.restart("c-1")
        workspace.grant("guest@example.com", "c-1", "CAN_MANAGE")
        guest.libraries.install("c-1", wheel(NEW))
        assert statuses(guest)[NEW] == "INSTALLED"


class TestHolds:
    def test_an_installation_takes_as_long_as_it_is_held(
        self, workspace: Sandbox, client: WorkspaceClient
    ) -> None:
        workspace.hold_cluster("c-1", installing="INSTALLING")
        client.libraries.install("c-1", wheel(NEW))
        assert statuses(client) == {OLD: "INSTALLED", NEW: "INSTALLING"}
        workspace.release_cluster("c-1")
        assert statuses(client) == {OLD: "INSTALLED", NEW: "INSTALLED"}

    def test_a_restart_takes_as_long_as_it_is_held(
        self, workspace: Sandbox, client: WorkspaceClient
    ) -> None:
        workspace.hold_cluster("c-1", starting="RESTARTING")
        client.clusters.restart("c-1")
        assert client.clusters.get("c-1").state is State.RESTARTING
        workspace.release_cluster("c-1")
        assert client.clusters.get("c-1").state is State.RUNNING

    def test_a_new_library_can_fail_at_the_restart_only(
        self, workspace: Sandbox, client: WorkspaceClient
    ) -> None:
        workspace.hold_cluster("c-1", loading="FAILED")
        client.clusters.delete("c-1")
        client.libraries.install("c-1", wheel(NEW))
        client.clusters.start("c-1")
        assert statuses(client) == {OLD: "INSTALLED", NEW: "FAILED"}

    def test_the_levers_work_over_http(self, workspace: Sandbox, client: WorkspaceClient) -> None:
        held = {"cluster_id": "c-1", "installing": "PENDING"}
        token = workspace.control_token
        assert call(workspace, "POST", "/sandbox/clusters/hold", token=token, json=held).ok
        client.libraries.install("c-1", wheel(NEW))
        assert statuses(client)[NEW] == "PENDING"
        body = {"cluster_id": "c-1"}
        assert call(workspace, "POST", "/sandbox/clusters/release", token=token, json=body).ok
        assert statuses(client)[NEW] == "INSTALLED"
        workspace.add_user("guest@example.com")
        grant = {"principal": "guest@example.com", "cluster_id": "c-1", "level": "CAN_MANAGE"}
        assert call(workspace, "POST", "/sandbox/permissions", token=token, json=grant).ok

    def test_a_cluster_that_is_not_there_can_not_be_held(self, workspace: Sandbox) -> None:
        answer = call(
            workspace,
            "POST",
            "/sandbox/clusters/hold",
            token=workspace.control_token,
            json={"cluster_id": "c-9"},
        )
        assert answer.status_code == 404


# ── What a task on the cluster gets ──────────────────────────────────────────────────────────────


def libraries_of_run(sandbox: Sandbox, script: Script, **task: Any) -> list[dict[str, str]]:
    """What the executor is given for a new run of one task."""
    settings = {"tasks": [{"task_key": "main", "fake": "succeed", **task}]}
    wait_for(sandbox, start(sandbox, sandbox.add_job(settings)), "TERMINATED")
    given = script.tasks[-1].get("libraries", [])
    assert isinstance(given, list)
    return given


def test_a_task_gets_the_new_version_after_the_restart_only() -> None:
    script = Script()
    with running_workspace(executor=script) as sandbox, sdk_client(sandbox) as client:
        for path in (OLD, NEW, OTHER):
            sandbox.put_file(path, b"wheel")
        sandbox.put("clusters", {"cluster_id": "c-1", "libraries": [{"whl": OLD}]})
        client.libraries.install("c-1", [Library(whl=NEW), Library(whl=OTHER)])
        client.libraries.uninstall("c-1", wheel(OLD))
        on_it = {"existing_cluster_id": "c-1"}
        assert libraries_of_run(sandbox, script, **on_it) == [{"whl": OLD}, {"whl": OTHER}]
        client.clusters.restart("c-1")
        assert libraries_of_run(sandbox, script, **on_it) == [{"whl": NEW}, {"whl": OTHER}]
        own = [{"whl": OLD}]
        assert libraries_of_run(sandbox, script, **on_it, libraries=own) == [{"whl": OTHER}, *own]
        assert libraries_of_run(sandbox, script) == []
        assert libraries_of_run(sandbox, script, existing_cluster_id="c-9") == []
