"""The embedded workspace plays identity, permissions and compute: facts A1, B4, B7 and D."""

import pytest
import requests
from databricks.sdk.errors import NotFound, PermissionDenied, Unauthenticated
from databricks.sdk.service.compute import Library, LibraryInstallStatus
from databricks.sdk.service.iam import PermissionLevel
from databricks.sdk.service.jobs import JobAccessControlRequest, JobPermissionLevel

from sandbox.server import Sandbox
from tests.workspace import call, sdk_client


def test_me_has_the_groups_that_make_an_admin(workspace: Sandbox) -> None:
    token = workspace.add_user("guest@example.com", groups=["data"])
    with sdk_client(workspace) as client:
        me = client.current_user.me()
        assert me.user_name == workspace.options.user
        assert "admins" in [each.display for each in me.groups or []]
    with sdk_client(workspace, token) as client:
        groups = [each.display for each in client.current_user.me().groups or []]
        assert groups == ["users", "data"]


def test_without_a_token_and_with_a_wrong_one_it_is_401(workspace: Sandbox) -> None:
    path = workspace.url + "/api/2.2/jobs/list"
    answer = requests.get(path, timeout=10)
    assert (answer.status_code, answer.json()["error_code"]) == (401, 401)
    assert answer.json()["message"].startswith("Credential was not sent or was of an unsupported")
    answer = requests.get(path, headers={"Authorization": "Bearer nonsense"}, timeout=10)
    assert answer.status_code == 401
    assert answer.json()["message"].startswith("Invalid access token. [ReqId: ")
    with sdk_client(workspace, "nonsense") as client, pytest.raises(Unauthenticated):
        client.current_user.me()


def test_the_host_tells_what_it_is_without_a_token(workspace: Sandbox) -> None:
    answer = requests.get(workspace.url + "/.well-known/databricks-config", timeout=10)
    assert answer.json()["oidc_endpoint"] == f"{workspace.url}/oidc"
    with sdk_client(workspace) as client:
        assert client.config.workspace_id == answer.json()["workspace_id"]


class TestJobPermissions:
    def test_the_creator_owns_and_admins_manage(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job({}, creator="maker@example.com")
        with sdk_client(workspace) as client:
            lines = client.jobs.get_permissions(str(job_id)).access_control_list or []
        owner, admins = lines
        assert owner.user_name == "maker@example.com"
        assert owner.all_permissions is not None
        assert owner.all_permissions[0].permission_level == JobPermissionLevel.IS_OWNER
        assert admins.group_name == "admins"
        assert admins.all_permissions is not None
        assert admins.all_permissions[0].inherited is True

    def test_lines_can_be_added(self, workspace: Sandbox) -> None:
        job_id = workspace.add_job({})
        token = workspace.add_user("guest@example.com")
        line = JobAccessControlRequest(
            user_name="guest@example.com", permission_level=JobPermissionLevel.CAN_VIEW
        )
        with sdk_client(workspace) as client:
            client.jobs.update_permissions(str(job_id), access_control_list=[line])
        with sdk_client(workspace, token) as client:
            assert client.jobs.get(job_id).job_id == job_id
            with pytest.raises(PermissionDenied, match=rf"ElasticJobId\({job_id}\)"):
                client.jobs.update_permissions(str(job_id), access_control_list=[line])


class TestFolderPermissions:
    def test_a_folder_in_shared_is_open_to_everybody(self, workspace: Sandbox) -> None:
        workspace.make_folder("/Workspace/Shared/libs")
        with sdk_client(workspace) as client:
            folder = client.workspace.get_status("/Workspace/Shared/libs")
            lines = (
                client.workspace.get_permissions(
                    "directories", str(folder.object_id)
                ).access_control_list
                or []
            )
        (everybody,) = [line for line in lines if line.group_name == "users"]
        assert everybody.all_permissions is not None
        (permission,) = everybody.all_permissions
        assert permission.inherited is True
        assert permission.permission_level is not None
        assert permission.permission_level.value == PermissionLevel.CAN_MANAGE.value

    def test_a_folder_of_ones_own_is_not(self, workspace: Sandbox) -> None:
        with sdk_client(workspace) as client:
            client.workspace.mkdirs("/Workspace/Deploy")
            folder = client.workspace.get_status("/Workspace/Deploy")
            lines = client.workspace.get_permissions("directories", str(folder.object_id))
        groups = [line.group_name for line in lines.access_control_list or []]
        assert groups == ["admins"]

    def test_an_unknown_folder_is_404(self, workspace: Sandbox) -> None:
        assert call(workspace, "GET", "/api/2.0/permissions/directories/1").status_code == 404


class TestCompute:
    def test_clusters_and_their_libraries_can_be_scanned(self, workspace: Sandbox) -> None:
        library = {"whl": "/Workspace/Shared/libs/pkg-1.0.0-py3-none-any.whl"}
        workspace.put("clusters", {"cluster_id": "c-1", "libraries": [library]})
        workspace.put("clusters", {"cluster_id": "c-2"})
        with sdk_client(workspace) as client:
            assert [each.cluster_id for each in client.clusters.list(page_size=1)] == ["c-1", "c-2"]
            assert client.clusters.get("c-1").cluster_name == "c-1"
            (status,) = client.libraries.all_cluster_statuses()
            assert status.cluster_id == "c-1"
            (installed,) = client.libraries.cluster_status("c-1")
            assert installed.library == Library(whl=library["whl"])
            with pytest.raises(NotFound, match="does not exist"):
                client.clusters.get("c-3")

    def test_an_uninstalled_library_stays_until_the_restart(self, workspace: Sandbox) -> None:
        workspace.put("clusters", {"cluster_id": "c-1"})
        library = Library(jar="/Volumes/a/b/c/x.jar")
        with sdk_client(workspace) as client:
            client.libraries.install("c-1", [library])
            client.libraries.uninstall("c-1", [library])
            (status,) = client.libraries.cluster_status("c-1")
            assert status.status == LibraryInstallStatus.UNINSTALL_ON_RESTART
            client.clusters.restart("c-1")
            assert list(client.libraries.cluster_status("c-1")) == []

    def test_policies_bring_libraries(self, workspace: Sandbox) -> None:
        library = {"whl": "/Workspace/x.whl"}
        workspace.put("policies", {"policy_id": "p-1", "name": "n", "libraries": [library]})
        with sdk_client(workspace) as client:
            assert [each.policy_id for each in client.cluster_policies.list()] == ["p-1"]
            assert client.cluster_policies.get("p-1").libraries == [Library(whl=library["whl"])]
            with pytest.raises(NotFound):
                client.cluster_policies.get("p-2")

    def test_pipelines_are_listed_by_name_and_read_by_spec(self, workspace: Sandbox) -> None:
        for number in range(3):
            workspace.put(
                "pipelines",
                {
                    "pipeline_id": f"p-{number}",
                    "name": f"n{number}",
                    "environment": {"dependencies": ["/Volumes/a/b/c/x.whl"]},
                },
            )
        with sdk_client(workspace) as client:
            found = list(client.pipelines.list_pipelines(max_results=2))
            assert [each.name for each in found] == ["n0", "n1", "n2"]
            spec = client.pipelines.get("p-1").spec
            assert spec is not None
            assert spec.environment is not None
            assert spec.environment.dependencies == ["/Volumes/a/b/c/x.whl"]
            with pytest.raises(NotFound):
                client.pipelines.get("p-9")
