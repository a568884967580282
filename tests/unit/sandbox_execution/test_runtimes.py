"""Which runtime a task has, and what it refuses (facts A3)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.runtimes import SERVERLESS, Runtime, runtime_of, scala_of_jar

CLUSTERS = {"c-1": "13.3.x-scala2.12"}
JOB = {
    "job_clusters": [
        {"job_cluster_key": "other", "new_cluster": {"spark_version": "1.0.x-scala2.10"}},
        {"job_cluster_key": "main", "new_cluster": {"spark_version": "16.4.x-scala2.13"}},
        {"job_cluster_key": "policy", "new_cluster": {"policy_id": "p"}},
    ]
}


@pytest.mark.parametrize(
    ("key", "version", "scala"),
    [
        ("15.4.x-scala2.12", (15, 4), "2.12"),
        ("16.4.x-scala2.13", (16, 4), "2.13"),
        ("13.3.x-photon-scala2.12", (13, 3), "2.12"),
        ("14.3.x-aarch64-scala2.12", (14, 3), "2.12"),
        ("15.4.x-cpu-ml-scala2.12", (15, 4), "2.12"),
        ("9.1.x-scala2.12", (9, 1), "2.12"),
        ("17.x-snapshot-scala2.13", None, "2.13"),
        ("custom:release__15.4.x-snapshot-scala2.12__databricks-universe__x", None, "2.12"),
        ("auto:latest-lts", None, "2.13"),
        ("", None, "2.13"),
    ],
)
def test_a_key_tells_version_and_scala(
    key: str, version: tuple[int, int] | None, scala: str
) -> None:
    assert (Runtime(key).version, Runtime(key).scala) == (version, scala)


@given(st.text())
def test_any_key_can_be_read(key: str) -> None:
    runtime = Runtime(key)
    assert runtime.takes_dbfs_libraries or not runtime.takes_eggs
    assert str(runtime)
    assert runtime.scala


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"new_cluster": {"spark_version": "14.3.x-scala2.12"}}, Runtime("14.3.x-scala2.12")),
        ({"job_cluster_key": "main"}, Runtime("16.4.x-scala2.13")),
        ({"job_cluster_key": "policy"}, Runtime()),
        ({"job_cluster_key": "absent"}, Runtime()),
        ({"existing_cluster_id": "c-1"}, Runtime("13.3.x-scala2.12")),
        ({"existing_cluster_id": "c-2"}, Runtime()),
        ({"environment_key": "default"}, SERVERLESS),
        ({}, Runtime()),
    ],
)
def test_the_runtime_stands_where_the_compute_of_the_task_stands(
    task: Mapping[str, object], expected: Runtime
) -> None:
    assert runtime_of(task, JOB, lambda name: CLUSTERS.get(name, "")) == expected


@pytest.mark.parametrize(
    ("name", "scala"),
    [
        ("retail-metrics_2.13-1.5.0.jar", "2.13"),
        ("glow-spark3_2.12-1.2.1-SNAPSHOT.jar", "2.12"),
        ("x_2.12.jar", "2.12"),
        ("plain-java-2.12.jar", ""),
        ("x_2.0-1.0.jar", ""),
        ("x_2.12-1.0-py3-none-any.whl", ""),
    ],
)
def test_a_jars_name_tells_its_scala(name: str, scala: str) -> None:
    assert scala_of_jar(name) == scala
