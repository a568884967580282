"""Which runtime executes a place: keys of all kinds, and the way from a place to its compute."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.jobs.places import Place
from deployer.jobs.references import Site, references
from deployer.jobs.runtimes import Runtime, existing_cluster_at, parse_runtime, runtime_of
from tests.job_settings import ROOT, Settings, any_settings, job_settings, keyless_settings, wheel

X = f"{ROOT}/{wheel('1.2.0')}"

KEYS = [
    ("15.4.x-scala2.12", 15, 4, "2.12"),
    ("15.4.x-photon-scala2.12", 15, 4, "2.12"),
    ("14.3.x-aarch64-scala2.12", 14, 3, "2.12"),
    ("13.3.x-aarch64-photon-scala2.12", 13, 3, "2.12"),
    ("16.4.x-cpu-ml-scala2.12", 16, 4, "2.12"),
    ("16.4.x-scala2.13", 16, 4, "2.13"),
    ("17.3.x-gpu-ml-scala2.13", 17, 3, "2.13"),
    ("18.x-scala2.13", 18, None, "2.13"),
    ("19.x-cpu-ml-scala2.13", 19, None, "2.13"),
    ("7.3.x-hls-scala2.12", 7, 3, "2.12"),
    ("6.4.x-esr-scala2.11", 6, 4, "2.11"),
    ("14.3.x-photon", 14, 3, ""),
    ("14.3.x", 14, 3, ""),
]


@pytest.mark.parametrize(("key", "major", "minor", "scala"), KEYS)
def test_a_key_tells_version_and_scala(key: str, major: int, minor: int | None, scala: str) -> None:
    runtime = parse_runtime(key)
    assert runtime is not None
    assert (runtime.major, runtime.minor, runtime.scala) == (major, minor, scala)
    assert not runtime.serverless


@pytest.mark.parametrize(
    "key",
    [
        "",
        "custom:release__15.4.x-snapshot-scala2.12__databricks-universe",
        "auto:latest-lts",
        "auto:prev-major",
        "apache-spark-2.4.x-scala2.11",
        "dlt:15.4.x-scala2.12",
        "${var.spark_version}",
        "15.4.x-scala2.12\n",
        "15.x.4-scala2.12",
        "9999.4.x-scala2.12",
    ],
)
def test_a_key_that_tells_nothing_for_certain_is_unknown(key: str) -> None:
    assert parse_runtime(key) is None


@pytest.mark.parametrize(
    ("key", "since", "expected"),
    [
        ("14.0.x-scala2.12", (14, 0), True),
        ("13.3.x-scala2.12", (14, 0), False),
        ("15.0.x-scala2.12", (15, 1), False),
        ("15.1.x-scala2.12", (15, 1), True),
        ("15.4.x-scala2.12", (15, 1), True),
        ("16.0.x-scala2.12", (15, 1), True),
        ("18.x-scala2.13", (15, 1), True),
        ("15.x-scala2.12", (15, 1), False),
        ("14.x-scala2.12", (14, 0), True),
    ],
)
def test_a_key_without_a_minor_is_only_as_late_as_is_certain(
    key: str, since: tuple[int, int], expected: bool
) -> None:
    runtime = parse_runtime(key)
    assert runtime is not None
    assert runtime.is_at_least(*since) is expected


def test_what_has_no_version_is_at_least_nothing() -> None:
    assert not Runtime("serverless compute", serverless=True).is_at_least(14, 0)


# From a place to its compute

OLD, NEW = {"spark_version": "13.3.x-scala2.12"}, {"spark_version": "16.4.x-scala2.13"}
LIBRARIES = {"libraries": [{"whl": X}]}
SHARED = [
    {"job_cluster_key": "old", "new_cluster": OLD},
    {"job_cluster_key": "new", "new_cluster": NEW},
    {"job_cluster_key": "broken"},
]


def task(**more: Any) -> Settings:
    return {"task_key": "main", **LIBRARIES, **more}


def runtimes(settings: Settings, clusters: dict[str, str] | None = None) -> list[str]:
    """The names of the runtimes of all references, - for unknown ones."""
    found = [runtime_of(settings, one.place, clusters or {}) for one in references(settings)]
    return [f"{one.name} {one.scala}".strip() if one else "-" for one in found]


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (task(new_cluster=OLD), "runtime 13.3 2.12"),
        (task(job_cluster_key="new"), "runtime 16.4 2.13"),
        (task(job_cluster_key="broken"), "-"),
        (task(job_cluster_key="gone"), "-"),
        (task(existing_cluster_id="0101"), "runtime 15.4 2.12"),
        (task(existing_cluster_id="0202"), "-"),
        (task(new_cluster={"policy_id": "p"}), "-"),
        (task(new_cluster={"spark_version": 7}), "-"),
        (task(), "-"),
        (task(environment_key="gone"), "-"),
        (task(new_cluster=OLD, existing_cluster_id="0101"), "runtime 13.3 2.12"),
    ],
)
def test_the_task_says_what_executes_it(described: Settings, expected: str) -> None:
    settings = {"tasks": [described], "job_clusters": SHARED}
    assert runtimes(settings, {"0101": "15.4.x-photon-scala2.12"}) == [expected]


def test_what_a_loop_repeats_has_compute_of_its_own() -> None:
    inner = {**task(new_cluster=NEW), "for_each_task": {"task": task(job_cluster_key="old")}}
    settings: Settings = {
        "tasks": [{"task_key": "outer", "new_cluster": OLD, "for_each_task": {"task": inner}}],
        "job_clusters": SHARED,
    }
    assert runtimes(settings) == ["runtime 16.4 2.13", "runtime 13.3 2.12"]
    lonely = {"tasks": [{"new_cluster": OLD, "for_each_task": {"task": task()}}]}
    assert runtimes(lonely) == ["-"]


@pytest.mark.parametrize(
    ("spec", "scala"),
    [
        ({"environment_version": "4"}, " 2.13"),
        ({"client": "5"}, " 2.13"),
        ({"environment_version": "3"}, ""),
        ({"client": "1"}, ""),
        ({}, ""),
        ({"environment_version": "next"}, ""),
        ({"environment_version": 4}, ""),
    ],
)
def test_environments_are_serverless(spec: Settings, scala: str) -> None:
    environment = {"environment_key": "e", "spec": {"dependencies": [X], **spec}}
    settings = {"tasks": [task(environment_key="e")], "environments": [environment]}
    assert runtimes(settings) == [f"serverless compute{scala}"] * 2
    assert runtimes({"environments": [environment]}) == [f"serverless compute{scala}"]


def test_an_environment_of_a_task_with_a_cluster_tells_nothing() -> None:
    environment = {"environment_key": "e", "spec": {"dependencies": [X]}}
    settings: Settings = {
        "tasks": [{"task_key": "a", "environment_key": "e", "existing_cluster_id": "0101"}],
        "environments": [environment],
    }
    assert runtimes(settings, {"0101": "15.4.x-scala2.12"}) == ["-"]


def test_other_places_of_a_job_are_executed_by_nothing_that_is_known() -> None:
    assert runtimes({"parameters": [{"name": "p", "default": X}], "new_cluster": NEW}) == ["-"]


def test_the_all_purpose_cluster_of_a_place_is_that_of_its_own_task() -> None:
    settings: Settings = {
        "tasks": [
            {"task_key": "a", "existing_cluster_id": "0101"},
            {"task_key": "b", "existing_cluster_id": "0202", **LIBRARIES},
        ]
    }
    (one,) = references(settings)
    assert one.site is Site.TASK_LIBRARY
    assert existing_cluster_at(settings, one.place) == "0202"
    assert existing_cluster_at(settings, Place(("name",))) == ""


@given(st.one_of(job_settings, keyless_settings(), any_settings))
def test_every_place_of_any_settings_has_a_runtime_or_none(settings: Settings) -> None:
    for one in references(settings):
        found = runtime_of(settings, one.place, {"0101-120000-abc": "15.4.x-scala2.12"})
        assert found is None or found.serverless or found.major is not None


@given(st.text(max_size=60))
def test_any_key_is_a_runtime_or_none(key: str) -> None:
    found = parse_runtime(key)
    assert found is None or found.major is not None
