"""What a sighting means for a deployment: who has to act, and what to write."""

from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.version import Version

from deployer.jobs.places import JsonObject
from deployer.jobs.sightings import Sighting, in_document
from deployer.library.model import Kind
from deployer.plan.elsewhere import judge
from deployer.plan.model import ClusterChange
from deployer.plan.planner import Order
from tests.job_settings import NEW, ROOT, library, order, wheel

JAR_ORDER = Order(library(kind=Kind.JAR), ROOT)


def on_cluster(entry: JsonObject) -> Sighting:
    (one,) = in_document("cluster", "c", "", {"library_statuses": [{"library": entry}]})
    return one


def of_version(version: str) -> Sighting:
    return on_cluster({"whl": f"{ROOT}/{wheel(version)}"})


@pytest.mark.parametrize(
    ("version", "standing"),
    [
        ("1.2.0", "by-hand"),
        ("1.4.0", "already-current"),
        ("1.5.0", "newer"),
        ("2.0.0", "another-major"),
        ("0.9.0", "another-major"),
        ("1.4.0rc1", "by-hand"),
    ],
)
def test_the_policy_for_jobs_says_who_has_to_act(version: str, standing: str) -> None:
    assert judge(of_version(version), order()).standing == standing


def test_the_policy_of_the_run_counts() -> None:
    assert judge(of_version("1.2.0"), order("1.4.0rc1")).standing == "prerelease"
    allowed = order("1.4.0rc1", allow_prereleases=True)
    assert judge(of_version("1.2.0"), allowed).standing == "by-hand"


@pytest.mark.parametrize(
    "entry", [{"whl": f"{ROOT}/sales_metrics.whl"}, {"pypi": {"package": "sales-metrics>=1"}}]
)
def test_what_has_no_certain_version_is_for_its_owner_to_look_at(entry: JsonObject) -> None:
    assert judge(on_cluster(entry), order()).standing == "by-hand"


@pytest.mark.parametrize(
    ("entry", "new"),
    [
        ({"whl": f"{ROOT}/{wheel('1.2.0')}"}, f"{ROOT}/{wheel(NEW)}"),
        ({"whl": f"dbfs:{ROOT}/{wheel('1.2.0')}"}, f"dbfs:{ROOT}/{wheel(NEW)}"),
        ({"whl": f"s3://bucket/{wheel('1.2.0')}"}, f"{ROOT}/{wheel(NEW)}"),
        ({"pypi": {"package": "sales_metrics==1.2.0"}}, f"sales-metrics=={NEW}"),
        ({"pypi": {"package": "sales-metrics[b, a]>=1"}}, f"sales-metrics[a,b]=={NEW}"),
    ],
)
def test_what_to_write_has_the_form_that_stands_there(entry: JsonObject, new: str) -> None:
    assert judge(on_cluster(entry), order()).new == new


def test_maven_coordinates_keep_their_group_and_get_the_version_of_the_file() -> None:
    one = on_cluster({"maven": {"coordinates": "com.acme:sales-metrics:1.2.0"}})
    assert judge(one, JAR_ORDER).new == f"com.acme:sales-metrics:{NEW}"
    snapshot = replace(
        JAR_ORDER.library,
        version=Version("1.4.0.dev0"),
        file_name="sales-metrics-1.4.0-SNAPSHOT.jar",
    )
    asked = replace(JAR_ORDER, library=snapshot)
    assert judge(one, asked).new == "com.acme:sales-metrics:1.4.0-SNAPSHOT"


def test_what_the_run_replaces_itself_is_nobody_s_work() -> None:
    old = f"{ROOT}/{wheel('1.2.0')}"
    change = ClusterChange("c", "", "whl", (old,), f"{ROOT}/{wheel(NEW)}", (Version("1.2.0"),))
    assert judge(of_version("1.2.0"), order(), [change]).standing == "with-this-run"
    assert judge(of_version("1.3.0"), order(), [change]).standing == "by-hand"
    other = replace(change, cluster_id="d")
    assert judge(of_version("1.2.0"), order(), [other]).standing == "by-hand"
    (setting,) = in_document("cluster", "c", "", {"spark_conf": {"spark.jars": old}})
    assert judge(setting, order(), [change]).standing == "by-hand"
