"""What a report says of clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deployer.deployment.clusters import Became
from deployer.report import clusters
from deployer.report.document import to_document
from deployer.report.summary import to_summary
from deployer.report.terminal import to_lines
from tests.unit.report import reports


def test_every_outcome_has_its_words() -> None:
    assert list(clusters.OUTCOMES) == [one.value for one in Became]


def test_a_plan_says_what_would_happen_to_each_cluster() -> None:
    said = [one.said for one in clusters.lines(reports.plan_of_clusters())]
    assert said == [
        "replaced, and restarted if it runs and no run uses it",
        "replaced, which takes effect when it restarts",
        "restarted, if it runs and no run uses it: the new version waits for that",
    ]


def test_a_deployment_says_what_became_of_each_and_what_it_never_got_to() -> None:
    found = [(one.said, one.detail) for one in clusters.lines(reports.deploy_of_clusters())]
    assert found == [
        ("replaced and restarted", ""),
        ("⚠️ failed", "it `broke` | <b>here</b> @team"),
        ("⚠️ not done", ""),
    ]


def test_a_report_without_clusters_says_nothing_of_them() -> None:
    report = reports.plan_of_three()
    assert clusters.lines(report) == ()
    assert "luster" not in to_summary(report)


def test_clusters_stand_among_the_changes_before_the_removals() -> None:
    document: Any = to_document(reports.deploy_of_clusters())
    kinds = [one["kind"] for one in document["plan"]["changes"]]
    assert kinds == ["upload", *["rewire"] * 3, *["cluster"] * 3, "remove"]
    assert document["plan"]["changes"][5] == {
        "kind": "cluster",
        "cluster_id": "0101-2",
        "cluster_name": "a `b` | <c> @team",
        "before": [reports.path("1.3.0"), reports.path("1.4.0")],
        "after": reports.path("1.5.0"),
        "from_versions": ["1.3.0", "1.4.0"],
        "restart": False,
    }
    assert [one["outcome"] for one in document["deployment"]["clusters"]] == ["restarted", "failed"]


def test_a_terminal_gets_a_line_for_each_cluster() -> None:
    lines = [one for one in to_lines(reports.deploy_of_clusters()) if one.startswith("cluster ")]
    assert lines[0] == "cluster analytics (0101-1), from 1.4.0: replaced and restarted"
    assert lines[2] == "cluster 0101-3, from 1.4.0: ⚠️ not done"


def test_no_control_character_of_a_name_reaches_the_terminal() -> None:
    report = reports.plan_of_clusters()
    assert report.plan is not None
    hostile = replace(report.plan.clusters[0], cluster_name="a\x1b[2Jb\nc\u202ed")
    shown = "\n".join(to_lines(replace(report, plan=replace(report.plan, clusters=(hostile,)))))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
