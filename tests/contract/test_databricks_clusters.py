"""The adapter for clusters and their libraries, where the shared suite does not reach (facts B8)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployer.deployment.ports import Denied, Refused
from deployer.platforms.databricks.connect import connect
from deployer.platforms.databricks.workspace import DatabricksWorkspace
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.workspace import workspace

__all__ = ["workspace"]

OLD = "/Volumes/main/libs/released/a-1.0.0-py3-none-any.whl"
NEW = "/Volumes/main/libs/released/a-1.0.1-py3-none-any.whl"


@pytest.fixture
def found(workspace: Sandbox) -> Iterator[DatabricksWorkspace]:
    workspace.put_file(OLD, b"old")
    workspace.put_file(NEW, b"new")
    workspace.put("clusters", {"cluster_id": "c1", "libraries": [{"whl": OLD}]})
    with connect(
        host=workspace.url, token=workspace.token, environ={}, sleep=lambda _: None
    ) as connected:
        yield connected


def test_all_clusters_are_listed_in_three_calls_and_their_pages(
    workspace: Sandbox, found: DatabricksWorkspace
) -> None:
    for number in range(120):
        workspace.put("clusters", {"cluster_id": f"d{number}", "libraries": [{"whl": OLD}]})
    workspace.put("policies", {"policy_id": "p1", "libraries": [{"whl": OLD}]})
    workspace.forget_calls()
    listing = found.clusters.listing()
    assert len(listing.clusters) == 121
    assert all(len(list(one["library_statuses"])) == 1 for one in listing.clusters)  # type: ignore[call-overload]
    assert [one["policy_id"] for one in listing.policies] == ["p1"]
    assert len(workspace.calls()) == 4


@pytest.mark.parametrize(
    "path", ["*/libraries/all-cluster-statuses", "*/clusters/list", "*/policies/clusters/list"]
)
def test_what_can_not_be_listed_is_no_empty_answer(
    workspace: Sandbox, found: DatabricksWorkspace, path: str
) -> None:
    workspace.set_faults(
        [
            Fault(
                kind="status",
                method="GET",
                path=path,
                status=403,
                error_code="PERMISSION_DENIED",
                times=0,
            )
        ]
    )
    with pytest.raises(Denied):
        found.clusters.listing()


def test_unknown_fields_of_a_cluster_are_kept(
    workspace: Sandbox, found: DatabricksWorkspace
) -> None:
    workspace.put("clusters", {"cluster_id": "c2", "brand_new": [1, 1.5, None]})
    assert found.clusters.cluster("c2")["brand_new"] == [1, 1.5, None]
    assert found.clusters.cluster("c2")["library_statuses"] == []


def test_an_install_whose_answer_got_lost_is_repeated(
    workspace: Sandbox, found: DatabricksWorkspace
) -> None:
    workspace.set_faults([Fault(kind="reset-after", method="POST", path="*/libraries/install")])
    found.clusters.install("c1", {"whl": NEW})
    statuses = [
        (one["library"]["whl"], one["status"])
        for one in workspace.cluster("c1")["library_statuses"]
    ]
    assert statuses == [(OLD, "INSTALLED"), (NEW, "INSTALLED")]


def test_a_restart_of_a_cluster_that_does_not_run_is_refused(
    workspace: Sandbox, found: DatabricksWorkspace
) -> None:
    workspace.put("clusters", {"cluster_id": "c2", "state": "TERMINATED"})
    with pytest.raises(Refused, match="unexpected state Terminated"):
        found.clusters.restart("c2")
