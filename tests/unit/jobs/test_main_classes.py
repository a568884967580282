"""Main classes that can come from one jar only."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.jobs.main_classes import classes_needed
from deployer.jobs.references import references
from tests.job_settings import ROOT, Settings, any_settings, job_settings, keyless_settings

JAR = f"{ROOT}/sales-metrics-1.2.0.jar"
MAIN = {"main_class_name": "com.acme.Main"}
CLUSTER = {"spark_version": "15.4.x-scala2.12"}


def needed(settings: Settings) -> list[str]:
    first = next(one for one in references(settings) if one.spelled == JAR)
    return list(classes_needed(settings, first.place))


def job(*libraries: Settings, jar_task: Settings | None = None, **more: Any) -> Settings:
    task = {"task_key": "main", "spark_jar_task": jar_task or MAIN, "libraries": [*libraries]}
    return {"tasks": [{**task, **(more or {"new_cluster": CLUSTER})}]}


ONLY = [
    job({"jar": JAR}),
    job({"jar": JAR}, {"whl": "/a/b-1.0-py3-none-any.whl"}, {"pypi": {"package": "numpy"}}),
    job(jar_task={**MAIN, "jar_uri": JAR}),
    job({"jar": JAR}, new_cluster={**CLUSTER, "spark_conf": {"spark.sql.ansi.enabled": "true"}}),
    {**job({"jar": JAR}, job_cluster_key="c"), "job_clusters": [
        {"job_cluster_key": "c", "new_cluster": CLUSTER}]},
    {"tasks": [{"for_each_task": {"task": job({"jar": JAR})["tasks"][0]}}]},
]  # fmt: skip


@pytest.mark.parametrize("settings", ONLY, ids=str)
def test_the_only_jar_of_a_task_has_to_hold_its_main_class(settings: Settings) -> None:
    assert needed(settings) == ["com.acme.Main"]


OTHERS = [
    job({"jar": JAR}, {"jar": "/Volumes/a/b/c/other-1.0.jar"}),
    job({"jar": JAR}, {"maven": {"coordinates": "com.acme:other:1.0"}}),
    job({"jar": JAR}, {"a new kind": "x"}),
    job({"jar": JAR}, jar_task={**MAIN, "jar_uri": "dbfs:/other.jar"}),
    job({"jar": JAR}, existing_cluster_id="0101"),
    job({"jar": JAR}, job_cluster_key="gone"),
    job({"jar": JAR}, new_cluster={**CLUSTER, "policy_id": "p"}),
    job({"jar": JAR}, new_cluster={**CLUSTER, "init_scripts": [{"workspace": {}}]}),
    job({"jar": JAR}, new_cluster={**CLUSTER, "docker_image": {"url": "x"}}),
    job({"jar": JAR}, new_cluster={**CLUSTER, "spark_conf": {"spark.jars": "x.jar"}}),
    job({"jar": JAR}, new_cluster={**CLUSTER, "spark_conf": {"spark.driver.extraClassPath": "x"}}),
    job({"jar": JAR}, jar_task={"main_class_name": ""}),
    job({"jar": JAR}, jar_task={"main_class_name": 7}),
    job({"jar": JAR}, jar_task={"main_class_name": "{{job.parameters.main}}"}),
    job({"jar": JAR}, jar_task={"main_class_name": "org.apache.spark.examples.SparkPi"}),
    {"tasks": [{"task_key": "a", "libraries": [{"jar": JAR}], "new_cluster": CLUSTER}]},
]


@pytest.mark.parametrize("settings", OTHERS, ids=str)
def test_a_class_that_may_come_from_elsewhere_is_not_needed(settings: Settings) -> None:
    assert needed(settings) == []


def serverless(*jars: str, more: Settings | None = None, **task: Any) -> Settings:
    spec = {"environment_version": "4", "java_dependencies": list(jars), **(more or {})}
    tasks = [
        {"task_key": "a", "environment_key": "e", "spark_jar_task": MAIN, **task},
        {"task_key": "b", "environment_key": "e", "spark_jar_task": {"main_class_name": "B"}},
        {"task_key": "c", "environment_key": "other", "spark_jar_task": {"main_class_name": "C"}},
        {"task_key": "d", "environment_key": "e"},
    ]
    return {"tasks": tasks, "environments": [{"environment_key": "e", "spec": spec}]}


def test_the_only_jar_of_an_environment_has_to_hold_the_main_classes_of_its_tasks() -> None:
    assert needed(serverless(JAR)) == ["com.acme.Main", "B"]


def test_another_jar_of_the_environment_or_the_task_may_hold_them() -> None:
    assert needed(serverless(JAR, "/Volumes/a/other-1.0.jar")) == []
    assert needed(serverless(JAR, more={"base_environment": "x"})) == []
    assert needed(serverless(JAR, libraries=[{"jar": "dbfs:/other-1.0.jar"}])) == ["B"]


@given(st.one_of(job_settings, keyless_settings(), any_settings))
def test_any_settings_are_read(settings: Settings) -> None:
    for one in references(settings):
        assert all(isinstance(each, str) for each in classes_needed(settings, one.place))
