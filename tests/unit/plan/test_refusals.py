"""A job that would break stays: a runtime that can't load the file, a main class that is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployer.jobs.inventory import read_job
from deployer.jobs.places import JsonObject
from deployer.library.model import Kind, Library
from deployer.plan.clusters import decide_clusters
from deployer.plan.model import Plan, Reason
from deployer.plan.planner import Order, asks_for_runtimes
from deployer.plan.policy import Policy
from tests.job_settings import ROOT, Settings, job_with_lines, library, plan_for

DBFS = "dbfs:/libs"
WHEEL, JAR, EGG = library(), library(kind=Kind.JAR), library(kind=Kind.EGG)
FIELDS = {Kind.WHEEL: "whl", Kind.JAR: "jar", Kind.EGG: "egg"}


def job(ours: Library, root: str = ROOT, **more: Any) -> Settings:
    """A job with one task that uses an older version of `ours`."""
    old = library("1.2.0", ours.kind).file_name
    return {
        "tasks": [{"task_key": "main", "libraries": [{FIELDS[ours.kind]: f"{root}/{old}"}], **more}]
    }


def on(key: str) -> Settings:
    return {"new_cluster": {"spark_version": key}}


def planned(settings: Settings, ours: Library, root: str = ROOT, **more: Any) -> Plan:
    return plan_for(settings, order=Order(ours, root, **more))


def note(plan: Plan, reason: Reason = Reason.RUNTIME_REFUSES) -> str:
    """The note on the only reference, which stays for that reason."""
    assert plan.rewires == ()
    (one,) = plan.untouched
    assert one.reason is reason
    return one.note


def moves(plan: Plan) -> bool:
    assert len(plan.rewires) + len(plan.untouched) == 1
    return bool(plan.rewires)


# Eggs


@pytest.mark.parametrize("key", ["14.0.x-scala2.12", "15.4.x-photon-scala2.12", "18.x-scala2.13"])
def test_an_egg_stays_off_a_runtime_that_loads_none(key: str) -> None:
    told = note(planned(job(EGG, **on(key)), EGG))
    assert told.startswith("runtime 1")
    assert "loads no eggs: build a wheel" in told


@pytest.mark.parametrize("key", ["13.3.x-scala2.12", "custom:x", "auto:latest-lts", "", None])
def test_an_egg_moves_on_an_older_or_unknown_runtime(key: str | None) -> None:
    assert moves(planned(job(EGG, new_cluster={"spark_version": key}), EGG))
    assert moves(planned(job(EGG), EGG))


def test_an_egg_stays_off_serverless_compute() -> None:
    line = f"{ROOT}/{library('1.2.0', Kind.EGG).file_name}"
    assert "serverless compute loads no eggs" in note(planned(job_with_lines(line), EGG))


def test_wheels_and_jars_don_t_mind_the_runtime() -> None:
    for ours in (WHEEL, JAR):
        assert moves(planned(job(ours, **on("15.4.x-scala2.12")), ours))


# Scala


@pytest.mark.parametrize(
    ("scala", "key", "stays"),
    [
        ("2.12", "16.4.x-scala2.13", True),
        ("2.13", "16.4.x-scala2.12", True),
        ("2.11", "10.4.x-scala2.12", True),
        ("2.12", "16.4.x-scala2.12", False),
        ("2.13", "16.4.x-photon-scala2.13", False),
        ("2.13", "17.3.x-scala2.13", False),
        ("3", "17.3.x-scala2.13", False),
        ("", "17.3.x-scala2.13", False),
        ("2.12", "17.3.x", False),
        ("2.12", "custom:x-scala2.13", False),
    ],
)
def test_a_jar_stays_off_a_runtime_with_another_scala(scala: str, key: str, stays: bool) -> None:
    ours = replace(JAR, scala=scala)
    plan = planned(job(ours, **on(key)), ours)
    assert moves(plan) is not stays
    if stays:
        assert f"the jar is for Scala {scala}: build it for the runtime's" in note(plan)


def test_a_jar_for_scala_2_12_stays_off_serverless_compute() -> None:
    spec = {
        "environment_version": "4",
        "java_dependencies": [f"{ROOT}/{library('1.2.0', Kind.JAR).file_name}"],
    }
    settings = {"environments": [{"environment_key": "e", "spec": spec}]}
    assert "serverless compute has Scala 2.13" in note(
        planned(settings, replace(JAR, scala="2.12"))
    )
    assert moves(planned(settings, replace(JAR, scala="2.13")))
    spec["environment_version"] = "3"
    assert moves(planned(settings, replace(JAR, scala="2.12")))


# The DBFS root


@pytest.mark.parametrize("ours", [WHEEL, JAR])
def test_nothing_is_moved_to_the_dbfs_root_where_it_can_t_be_loaded(ours: Library) -> None:
    told = note(planned(job(ours, DBFS, **on("15.1.x-scala2.12")), ours, DBFS))
    assert "loads nothing from the DBFS root: take a `root` in a volume" in told
    assert moves(planned(job(ours, DBFS, **on("14.3.x-scala2.12")), ours, DBFS))
    assert moves(planned(job(ours, DBFS, **on("15.x-scala2.12")), ours, DBFS))
    assert moves(planned(job(ours, DBFS), ours, DBFS))


def test_a_serverless_job_does_not_move_to_the_dbfs_root() -> None:
    line = f"/dbfs/libs/{library('1.2.0').file_name}"
    assert "serverless compute loads nothing" in note(planned(job_with_lines(line), WHEEL, DBFS))


def test_a_volume_under_dbfs_is_no_dbfs_root() -> None:
    assert moves(planned(job(WHEEL, f"dbfs:{ROOT}", **on("15.4.x-scala2.12")), WHEEL))


# All-purpose clusters


def test_the_runtime_of_an_all_purpose_cluster_counts_where_it_is_known() -> None:
    settings = job(EGG, existing_cluster_id="0101")
    assert moves(planned(settings, EGG))
    assert moves(planned(settings, EGG, runtimes={"0101": "13.3.x-scala2.12"}))
    assert moves(planned(settings, EGG, runtimes={"0202": "15.4.x-scala2.12"}))
    note(planned(settings, EGG, runtimes={"0101": "15.4.x-scala2.12"}))


@pytest.mark.parametrize(
    ("ours", "root", "asked"),
    [
        (WHEEL, ROOT, False),
        (JAR, ROOT, False),
        (replace(JAR, scala="2.12"), ROOT, True),
        (EGG, ROOT, True),
        (WHEEL, DBFS, True),
    ],
)
def test_runtimes_are_asked_for_only_where_they_may_decide(
    ours: Library, root: str, asked: bool
) -> None:
    order = Order(ours, root)
    on_cluster = read_job(1, job(ours, root, existing_cluster_id="0101"))
    on_its_own = read_job(2, job(ours, root, **on("15.4.x-scala2.12")))
    task = {"existing_cluster_id": "0101", "libraries": [{"jar": "/Volumes/a/b/c/other-1.0.jar"}]}
    stranger = read_job(3, {"tasks": [task]})
    assert asks_for_runtimes(order, [on_its_own, on_cluster]) is asked
    assert not asks_for_runtimes(order, [on_its_own, stranger])


@pytest.mark.parametrize(
    ("key", "changes"), [("13.3.x-scala2.12", 1), ("15.4.x-scala2.12", 0), (None, 1)]
)
def test_an_egg_is_not_put_on_a_cluster_that_loads_none(key: str | None, changes: int) -> None:
    old = f"{ROOT}/{library('1.2.0', Kind.EGG).file_name}"
    cluster: JsonObject = {
        "cluster_id": "0101",
        "cluster_source": "UI",
        "spark_version": key,
        "library_statuses": [{"library": {"egg": old}, "status": "INSTALLED"}],
    }
    assert len(decide_clusters(Order(EGG, ROOT), [cluster]).changes) == changes


# Main classes


def jar_job(*more: Settings) -> Settings:
    settings = job(JAR, **on("15.4.x-scala2.12"), spark_jar_task={"main_class_name": "a.Main"})
    settings["tasks"][0]["libraries"] += more
    return settings


def test_a_jar_without_the_task_s_main_class_stays() -> None:
    ours = replace(JAR, classes=frozenset({"a.Other", "a.Main$"}))
    told = note(planned(jar_job(), ours), Reason.MAIN_CLASS_MISSING)
    assert told == "sales-metrics-1.4.0.jar has no class a.Main"


def test_a_jar_with_the_task_s_main_class_moves() -> None:
    assert moves(planned(jar_job(), replace(JAR, classes=frozenset({"a.Main"}))))


def test_a_main_class_that_another_jar_may_hold_is_no_obstacle() -> None:
    assert moves(planned(jar_job({"jar": "/Volumes/a/b/c/other.jar"}), JAR))
    assert moves(planned(jar_job({"maven": {"coordinates": "a:b:1"}}), JAR))


# What counts first


def test_a_refusal_counts_after_version_and_owner_and_before_our_rights() -> None:
    refused = job(EGG, **on("15.4.x-scala2.12"))
    note(planned(refused, EGG, may_edit={1: False}))
    note(planned({**refused, "tags": {"spark-deploy.pin": ""}}, EGG), Reason.PINNED)
    newer = library("1.1.0", Kind.EGG)
    note(planned(refused, newer), Reason.NEWER)
    bundle = {**refused, "deployment": {"kind": "BUNDLE"}}
    note(planned(bundle, EGG), Reason.OWNED_BY_BUNDLE)
    note(planned(bundle, EGG, policy=Policy(move_owned=True)))


def test_one_place_of_a_job_may_move_while_another_stays() -> None:
    settings = job(EGG, **on("15.4.x-scala2.12"))
    settings["tasks"].append({**settings["tasks"][0], "task_key": "old", **on("13.3.x-scala2.12")})
    plan = planned(settings, EGG)
    assert [one.pointer for one in plan.rewires[0].changes] == ["/tasks/1/libraries/0/egg"]
    assert [one.reason for one in plan.untouched] == [Reason.RUNTIME_REFUSES]
