"""All-purpose clusters in a deployment: reported, updated, restarted (facts B8)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest

from deployer import pipeline
from deployer.checks.steps import Checked
from deployer.deployment.clusters import Waiting
from deployer.doors import Doors
from deployer.narrators import TerminalNarrator
from deployer.platforms.databricks.connect import connect
from deployer.redaction import Redactor
from deployer.report.model import Outcome, Report
from deployer.settings import parse
from sandbox.faults import Fault
from tests.pipeline.stage import ROOT, Ended, Stage, path


def cluster(stage: Stage, cluster_id: str, *versions: str, **more: Any) -> str:
    """A cluster with these versions installed."""
    libraries = [{"whl": path(version)} for version in versions]
    name = f"the {cluster_id}"
    document = {"cluster_id": cluster_id, "cluster_name": name, "libraries": libraries, **more}
    return stage.workspace.put("clusters", document)


def statuses(stage: Stage, cluster_id: str) -> dict[str, str]:
    """The state of each version on a cluster."""
    return {
        one["library"]["whl"].rsplit("/", 1)[-1].split("-")[1]: one["status"]
        for one in stage.workspace.cluster(cluster_id)["library_statuses"]
    }


def changes(ended: Ended) -> list[Mapping[str, Any]]:
    return [one for one in ended.document["plan"]["changes"] if one["kind"] == "cluster"]


def outcomes(ended: Ended) -> dict[str, tuple[str, str]]:
    return {
        one["cluster_id"]: (one["outcome"], one["detail"])
        for one in ended.document["deployment"]["clusters"]
    }


@pytest.fixture
def published(stage: Stage) -> Stage:
    """1.4.0 is in use by a job and on a cluster; 1.5.0 is built."""
    stage.publish("1.4.0")
    stage.job(path("1.4.0"))
    cluster(stage, "c1", "1.4.0")
    stage.build("1.5.0")
    return stage


# ── Report ───────────────────────────────────────────────────────────────────────────────────────


def test_by_default_a_cluster_is_told_and_left_alone(published: Stage) -> None:
    published.workspace.forget_calls()
    ended = published.deploy()
    assert ended.code == 0
    assert changes(ended) == []
    assert ended.document["deployment"]["clusters"] == []
    assert statuses(published, "c1") == {"1.4.0": "INSTALLED"}
    assert published.workspace.calls("POST", "/install") == []
    (told,) = (one for one in ended.document["elsewhere"] if one["where"] == "cluster library")
    assert told["value"] == path("1.4.0")
    assert path("1.5.0") in told["advice"]


def test_what_is_set_for_all_clusters_or_by_a_policy_is_told(stage: Stage) -> None:
    stage.publish("1.4.0")
    library = {"whl": path("1.4.0")}
    for_all = [{"library": library, "is_library_for_all_clusters": True}]
    stage.workspace.put("clusters", {"cluster_id": "c1", "library_statuses": for_all})
    stage.workspace.put("policies", {"policy_id": "p1", "name": "strict", "libraries": [library]})
    cluster(stage, "c2", "1.4.0", policy_id="p1")
    stage.build("1.5.0")
    ended = stage.deploy(clusters="restart")
    assert ended.code == 0
    assert changes(ended) == []
    warned = " ".join(ended.document["warnings"])
    assert f"Cluster c1 (c1) keeps {path('1.4.0')}: it is set for all clusters" in warned
    assert f"Cluster c2 (the c2) keeps {path('1.4.0')}: its policy strict decides" in warned
    assert stage.workspace.calls("POST", "/install") == []


# ── Plan ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_plan_shows_which_clusters_would_change_and_changes_none(published: Stage) -> None:
    cluster(published, "another-major", "2.0.0")
    cluster(published, "of-a-job", "1.4.0", cluster_source="JOB")
    ended = published.plan(clusters="restart")
    assert changes(ended) == [
        {
            "kind": "cluster",
            "cluster_id": "c1",
            "cluster_name": "the c1",
            "before": [path("1.4.0")],
            "after": path("1.5.0"),
            "from_versions": ["1.4.0"],
            "restart": True,
        }
    ]
    assert ended.document["deployment"] is None
    assert "1 cluster would get the new version" in ended.summary
    assert statuses(published, "c1") == {"1.4.0": "INSTALLED"}
    assert published.workspace.calls("POST") == []


def test_the_digest_covers_the_clusters(published: Stage) -> None:
    digests = {
        mode: published.plan(clusters=mode).outputs["plan-digest"]
        for mode in ("report", "update", "restart")
    }
    assert len(set(digests.values())) == 3
    assert published.plan().outputs["plan-digest"] == digests["report"]
    refused = published.deploy(clusters="restart", expected_plan_digest=digests["update"])
    assert refused.code == 3
    cluster(published, "c2", "1.4.0")
    refused = published.deploy(clusters="update", expected_plan_digest=digests["update"])
    assert (refused.code, refused.outputs["failure-reason"]) == (3, "plan-changed")
    assert statuses(published, "c1") == {"1.4.0": "INSTALLED"}


def test_the_state_of_a_cluster_does_not_change_the_digest_of_its_update(published: Stage) -> None:
    running = published.plan(clusters="restart").outputs["plan-digest"]
    cluster(published, "c1", "1.4.0", state="TERMINATED")
    assert published.plan(clusters="restart").outputs["plan-digest"] == running


def test_a_plan_that_only_changes_clusters_is_something_to_do(stage: Stage) -> None:
    wheel = stage.build("1.5.0")
    stage.publish("1.4.0")
    stage.workspace.put_file(path("1.5.0"), wheel.read_bytes())
    cluster(stage, "c1", "1.4.0")
    assert stage.plan(clusters="update").outputs["outcome"] == "succeeded"
    ended = stage.deploy(clusters="update")
    assert ended.outputs["outcome"] == "succeeded"
    assert statuses(stage, "c1") == {"1.4.0": "UNINSTALL_ON_RESTART", "1.5.0": "INSTALLED"}


# ── Update ───────────────────────────────────────────────────────────────────────────────────────


def test_an_update_replaces_the_library_after_the_jobs_are_moved(published: Stage) -> None:
    published.workspace.forget_calls()
    ended = published.deploy(clusters="update")
    assert ended.code == 0
    assert statuses(published, "c1") == {"1.4.0": "UNINSTALL_ON_RESTART", "1.5.0": "INSTALLED"}
    assert outcomes(ended) == {"c1": ("updated", "takes effect when the cluster is restarted")}
    posts = [one.path.rsplit("/", 1)[-1] for one in published.workspace.calls("POST")]
    assert [one for one in posts if one in ("update", "install", "uninstall", "restart")] == [
        "update",
        "install",
        "uninstall",
    ]
    assert "takes effect when the cluster is restarted" in ended.summary
    assert "c1: updated" in ended.printed


def test_an_old_file_stays_as_long_as_a_cluster_still_mentions_it(published: Stage) -> None:
    """What is uninstalled stays loaded until the restart."""
    published.publish("1.3.0")
    cluster(published, "c2", "1.3.0")
    ended = published.deploy(clusters="update")
    assert published.stored() == {"1.3.0", "1.4.0", "1.5.0"}
    kept = {one["version"]: one["reasons"] for one in ended.document["versions"]}
    assert kept["1.3.0"] == ["used by cluster c2 (the c2)"]
    assert kept["1.4.0"] == [
        "used by cluster c1 (the c1)",
        "a rollback of the last deployment needs it",
    ]
    restarted = published.deploy(clusters="restart")
    assert outcomes(restarted) == {"c1": ("restarted", ""), "c2": ("restarted", "")}
    assert published.deploy(clusters="restart").outputs["removed-versions"] == "1.3.0"
    assert published.stored() == {"1.4.0", "1.5.0"}
    published.build("1.5.1")
    assert published.deploy(clusters="restart").outputs["removed-versions"] == "1.4.0"
    assert published.stored() == {"1.5.0", "1.5.1"}


def test_a_second_run_has_nothing_to_do(published: Stage) -> None:
    published.deploy(clusters="update")
    before = published.workspace.snapshot()["libraries"]
    again = published.deploy(clusters="update")
    assert again.outputs["outcome"] == "nothing-to-do"
    assert changes(again) == []
    assert published.workspace.snapshot()["libraries"] == before


def test_a_stopped_cluster_is_updated_and_not_started(published: Stage) -> None:
    cluster(published, "c1", "1.4.0", state="TERMINATED")
    ended = published.deploy(clusters="restart")
    assert outcomes(ended) == {"c1": ("updated", "takes effect when the cluster starts")}
    assert statuses(published, "c1") == {"1.4.0": "UNINSTALL_ON_RESTART", "1.5.0": "PENDING"}
    assert published.workspace.cluster("c1")["state"] == "TERMINATED"
    assert changes(published.deploy(clusters="restart")) == []


def test_a_stopped_cluster_may_drop_the_old_version_at_once(published: Stage) -> None:
    published.workspace.behave(uninstall_when_stopped="at-once")
    cluster(published, "c1", "1.4.0", state="TERMINATED")
    ended = published.deploy(clusters="update")
    assert outcomes(ended) == {"c1": ("updated", "takes effect when the cluster starts")}
    assert statuses(published, "c1") == {"1.5.0": "PENDING"}


@pytest.mark.parametrize("second_version", ["installed", "refused"])
def test_a_restart_loads_the_new_version_whether_two_fit_side_by_side_or_not(
    published: Stage, second_version: str
) -> None:
    published.workspace.behave(second_version=second_version)
    ended = published.deploy(clusters="restart")
    assert ended.code == 0
    assert outcomes(ended) == {"c1": ("restarted", "")}
    assert statuses(published, "c1") == {"1.5.0": "INSTALLED"}


# ── Restart ──────────────────────────────────────────────────────────────────────────────────────


def test_a_cluster_that_a_run_uses_is_updated_and_not_restarted(published: Stage) -> None:
    cluster(published, "c2", "1.4.0")
    task = {"task_key": "t", "existing_cluster_id": "c1"}
    run = published.workspace.hold_run(None, name="backfill", tasks=[task])
    ended = published.deploy(clusters="restart")
    assert ended.code == 0
    (outcome, detail) = outcomes(ended)["c1"]
    assert outcome == "updated"
    assert f"run {run} (backfill) uses it" in detail
    assert outcomes(ended)["c2"] == ("restarted", "")
    published.workspace.finish_run(run)
    assert outcomes(published.deploy(clusters="restart")) == {"c1": ("restarted", "")}


def deployed(stage: Stage, clusters: str, waiting: Waiting, stopped: list[bool]) -> Report:
    """A deployment with its own way to wait; it is stopped once `stopped` holds something."""
    settings = parse({"mode": "deploy", "wheel": "dist/*.whl", "root": ROOT, "clusters": clusters})
    doors = Doors(
        workspace_folder=stage.folder,
        connect=lambda _: connect(
            host=stage.workspace.url, token=stage.workspace.token, environ={}
        ),
        check=lambda *_: Checked(()),
        stopped=lambda: bool(stopped),
        new_id=lambda: "0123abcd",
        now_ms=lambda: 0,
        waiting=waiting,
    )
    narrator = TerminalNarrator(io.StringIO(), Redactor.of(()), debug=True)
    return pipeline.run(settings, doors, narrator)


def test_a_restart_is_waited_for_until_the_library_is_loaded(published: Stage) -> None:
    published.workspace.hold_cluster("c1", starting="RESTARTING")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            published.workspace.release_cluster("c1")

    report = deployed(published, "restart", Waiting(sleep=sleep), [])
    assert report.deployment is not None
    assert [one.outcome for one in report.deployment.clusters] == ["restarted"]
    assert len(looks) == 3


def test_a_wait_has_a_bound_and_then_the_deployment_fails(published: Stage) -> None:
    published.workspace.hold_cluster("c1", installing="INSTALLING")
    clock = iter(range(0, 100_000, 100))
    waiting = Waiting(sleep=lambda _: None, clock=lambda: float(next(clock)))
    report = deployed(published, "update", waiting, [])
    assert report.outcome is Outcome.FAILED
    assert report.failure is not None
    assert report.failure.reason == "clusters-not-updated"
    assert statuses(published, "c1") == {"1.4.0": "INSTALLED", "1.5.0": "INSTALLING"}
    published.workspace.release_cluster("c1")
    assert outcomes(published.deploy(clusters="update"))["c1"][0] == "updated"
    assert statuses(published, "c1")["1.4.0"] == "UNINSTALL_ON_RESTART"


def test_a_cancelled_run_ends_the_wait_and_tells_the_truth(published: Stage) -> None:
    published.workspace.hold_cluster("c1", installing="PENDING")
    stopped: list[bool] = []
    waiting = Waiting(sleep=lambda _: stopped.append(True))
    report = deployed(published, "update", waiting, stopped)
    assert report.outcome is Outcome.CANCELLED
    assert report.deployment is not None
    assert [one.outcome for one in report.deployment.clusters] == ["pending"]
    assert len(report.deployment.applied) == 1
    assert statuses(published, "c1") == {"1.4.0": "INSTALLED", "1.5.0": "PENDING"}


# ── What goes wrong ──────────────────────────────────────────────────────────────────────────────


def test_a_cluster_that_we_may_not_manage_is_told_and_stops_no_other(published: Stage) -> None:
    published.publish("1.3.0")
    cluster(published, "c2", "1.4.0")
    published.workspace.deny(published.workspace.options.user, "c1", keep="CAN_ATTACH_TO")
    ended = published.deploy(clusters="update")
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "clusters-not-updated")
    assert ended.document["failure"]["title"] == (
        "All jobs moved, but 1 of 2 clusters did not get the new version."
    )
    outcome, detail = outcomes(ended)["c1"]
    assert outcome == "denied"
    assert "needs CAN_MANAGE on the cluster" in detail
    assert outcomes(ended)["c2"][0] == "updated"
    assert len(ended.moved) == 1
    assert ended.document["deployment"]["failed"] == []
    assert published.stored() == {"1.3.0", "1.4.0", "1.5.0"}


def test_a_new_version_that_fails_leaves_the_cluster_with_the_old_one(published: Stage) -> None:
    published.publish("1.3.0")
    published.workspace.hold_cluster("c1", installing="FAILED")
    ended = published.deploy(clusters="restart")
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "clusters-not-updated")
    assert "the old one stays" in outcomes(ended)["c1"][1]
    assert statuses(published, "c1") == {"1.4.0": "INSTALLED", "1.5.0": "UNINSTALL_ON_RESTART"}
    assert ended.outputs["jobs-updated"] == "1"
    assert "1.3.0" in published.stored()


def test_a_new_version_that_fails_after_the_restart_gives_way_to_the_old_one(
    published: Stage,
) -> None:
    published.workspace.behave(second_version="refused")
    published.workspace.hold_cluster("c1", loading="FAILED")
    ended = published.deploy(clusters="restart")
    assert ended.outputs["failure-reason"] == "clusters-not-updated"
    assert "the old one was put back" in outcomes(ended)["c1"][1]
    assert statuses(published, "c1") == {"1.4.0": "INSTALLED", "1.5.0": "UNINSTALL_ON_RESTART"}


def test_clusters_that_can_not_be_listed_are_no_reason_to_guess(published: Stage) -> None:
    denied = Fault(
        kind="status",
        method="GET",
        path="*/policies/clusters/list",
        status=403,
        error_code="PERMISSION_DENIED",
        times=0,
    )
    published.workspace.set_faults([denied])
    ended = published.plan(clusters="update")
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "permission-denied")
    assert published.plan().code == 0


def test_a_failed_job_keeps_clusters_as_they_are(published: Stage) -> None:
    job = published.job(path("1.4.0"), name="not ours")
    published.workspace.deny(published.workspace.options.user, job, keep="CAN_VIEW")
    ended = published.deploy(clusters="restart")
    assert ended.outputs["failure-reason"] == "jobs-not-moved"
    assert statuses(published, "c1") == {"1.4.0": "INSTALLED"}
    ended = published.deploy(clusters="restart", on_failure="continue")
    assert (len(ended.moved), ended.outputs["failure-reason"]) == (1, "jobs-not-moved")
    assert statuses(published, "c1") == {"1.4.0": "INSTALLED"}


def test_names_of_clusters_are_text_that_others_wrote(published: Stage) -> None:
    hostile = "<img src=x>\x1b[2J\n::error::no"
    cluster(published, "c1", "1.4.0", cluster_name=hostile)
    ended = published.deploy(clusters="update")
    assert changes(ended)[0]["cluster_name"] == hostile
    assert "\x1b" not in ended.summary + ended.printed
    assert not [line for line in ended.printed.splitlines() if line.startswith("::error::no")]


def test_an_unknown_way_with_clusters_names_the_nearest(published: Stage) -> None:
    ended = published.deploy(clusters="restrat")
    assert ended.code == 2
    assert "did you mean `restart`?" in ended.document["failure"]["title"]
