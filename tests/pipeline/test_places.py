"""Places outside of jobs, through the story: what is told, what is kept, and what it costs."""

from __future__ import annotations

import json

import pytest

from sandbox.faults import Fault
from tests.pipeline.stage import NAME, ROOT, Stage, path
from tests.unit.report.markdown_reading import foreign_html

NOTEBOOK = "/Workspace/Shared/etl/load"
LOAD = {"task_key": "main", "notebook_task": {"notebook_path": NOTEBOOK}}


def installs(stage: Stage, line: str, name: str = "load") -> int:
    """A job that runs a notebook with this line."""
    stage.workspace.put_notebook(NOTEBOOK, f"# Databricks notebook source\n{line}\n".encode())
    return stage.workspace.add_job({"name": name, "tasks": [LOAD]})


def test_a_version_that_only_a_notebook_installs_is_told_and_stays(stage: Stage) -> None:
    stage.publish("1.2.0", "1.3.0", "1.4.0")
    stage.build("1.5.0")
    moved = stage.job(path("1.4.0"))
    loads = installs(stage, f"# MAGIC %pip install {path('1.3.0')}")
    ended = stage.deploy()
    assert ended.code == 0
    assert ended.moved == {moved}
    assert stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}
    kept = {one["version"]: one["reasons"] for one in ended.document["versions"]}
    assert NOTEBOOK in kept["1.3.0"][0]
    (place,) = ended.document["elsewhere"]
    assert (place["where"], place["holder"], place["spot"]) == ("notebook", NOTEBOOK, "line 2")
    assert place["jobs"] == [{"job_id": loads, "job_name": "load"}]
    assert path("1.5.0") in place["advice"]
    headline = ended.summary.splitlines()[0]
    assert "1 job moved, 0 stay, 1 place elsewhere to change by hand" in headline


def test_a_place_that_names_another_version_is_told_why_it_may_stay(stage: Stage) -> None:
    stage.publish("1.5.0", "2.0.0")
    stage.build("1.5.0")
    for version in ("1.5.0", "1.6.0", "2.0.0"):
        spec = {"environment": {"dependencies": [f"{NAME}=={version}"]}}
        stage.workspace.put("pipelines", {"pipeline_id": version, **spec})
    ended = stage.plan()
    standings = {one["version"]: one["standing"] for one in ended.document["elsewhere"]}
    assert standings == {"1.5.0": "already-current", "1.6.0": "newer", "2.0.0": "another-major"}
    assert "by hand" not in ended.summary.splitlines()[0]
    assert ended.outputs["outcome"] == "nothing-to-do"


def test_what_stands_elsewhere_is_no_part_of_the_plan_s_digest(stage: Stage) -> None:
    stage.build("1.5.0")
    stage.job(path("1.4.0"))
    before = stage.plan().outputs["plan-digest"]
    installs(stage, f"%pip install {NAME}==1.4.0")
    ended = stage.plan()
    assert len(ended.document["elsewhere"]) == 1
    assert ended.outputs["plan-digest"] == before


def test_notebooks_can_be_left_out_and_then_nothing_is_removed(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.build("1.5.0")
    stage.job(path("1.4.0"))
    installs(stage, "print(1)")
    ended = stage.deploy(read_notebooks="false")
    assert ended.code == 0
    assert stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}
    assert stage.workspace.calls("GET", "/workspace/export") == []
    assert "read-notebooks: false" in str(ended.document["warnings"])
    assert (
        stage.run("cleanup", root=ROOT).document["deployment"]["removed"][0]["version"] == "1.3.0"
    )


def test_a_notebook_that_can_t_be_read_ends_no_plan_and_keeps_files(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.build("1.5.0")
    stage.job(path("1.4.0"))
    installs(stage, "print(1)")
    stage.workspace.set_faults(
        [Fault(kind="status", path="*/workspace/export", status=403, error_code="", times=0)]
    )
    planned = stage.plan()
    assert planned.code == 0
    assert f"{NOTEBOOK} of job" in str(planned.document["warnings"])
    ended = stage.deploy()
    assert ended.code == 0
    assert stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}


def test_what_a_missing_notebook_would_install_holds_nothing_back(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.build("1.5.0")
    stage.job(path("1.4.0"))
    stage.workspace.add_job({"tasks": [LOAD]})
    ended = stage.deploy()
    assert stage.stored() == {"1.4.0", "1.5.0"}
    assert ended.document["warnings"] == []


def test_a_notebook_that_is_edited_during_the_deployment_is_seen_before_removal(
    stage: Stage,
) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.build("1.5.0")
    stage.job(path("1.4.0"))
    installs(stage, "print(1)")
    edited = f"%pip install {path('1.3.0')}".encode()
    stage.deploy_with(lambda: stage.workspace.put_notebook(NOTEBOOK, edited))
    assert stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}


def test_texts_are_read_once_where_nothing_is_removed(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.build("1.5.0")
    stage.job(path("1.4.0"))
    for _ in range(3):
        installs(stage, "print(1)")
    stage.deploy(cleanup="false")
    assert len(stage.workspace.calls("GET", "/workspace/export")) == 1
    stage.deploy()
    assert stage.stored() == {"1.4.0", "1.5.0"}
    assert len(stage.workspace.calls("GET", "/workspace/export")) == 3


def test_status_lists_places_of_all_libraries_and_of_one(stage: Stage) -> None:
    stage.job(path("1.4.0"))
    installs(stage, f"%pip install {path('1.4.0')} /Volumes/a/b/c/other-2.0-py3-none-any.whl")
    policy = {"policy_id": "p", "libraries": [{"pypi": {"package": f"{NAME}==1.3.0"}}]}
    stage.workspace.put("policies", policy)
    everything = stage.run("status").document["elsewhere"]
    assert [(one["name"], one["version"]) for one in everything] == [
        ("retail-metrics", "1.4.0"),
        ("other", "2.0"),
    ]
    assert {one["standing"] for one in everything} == {"listed"}
    stage.build("1.5.0")
    ended = stage.run("status", wheel="dist/*.whl")
    assert [one["version"] for one in ended.document["elsewhere"]] == ["1.3.0", "1.4.0"]
    assert "2 places outside of jobs" in ended.summary.splitlines()[0]


def test_names_from_elsewhere_do_no_harm_in_any_sink(stage: Stage) -> None:
    stage.build("1.5.0")
    stage.job(path("1.4.0"))
    evil = "|</details><b>@everyone ::set-output name=x::y \x1b[31m`"
    installs(stage, f"%pip install {NAME}==1.4.0 # {evil}", name=evil)
    cluster = {"cluster_id": "c", "cluster_name": evil, "libraries": [{"whl": path("1.4.0")}]}
    stage.workspace.put("clusters", cluster)
    ended = stage.plan()
    assert len(ended.document["elsewhere"]) == 2
    assert evil in ended.document["elsewhere"][1]["value"]
    shown = [line for line in ended.summary.splitlines() if "notebook<br>" in line]
    assert len(shown) == 1
    assert foreign_html(ended.summary) == []
    assert "\x1b" not in ended.summary + ended.printed


@pytest.mark.parametrize("mode", ["plan", "status"])
def test_who_is_no_admin_gets_a_plan_although_policies_are_not_shown(
    stage: Stage, mode: str
) -> None:
    stage.build("1.5.0")
    stage.workspace.set_faults(
        [Fault(kind="status", path="*/policies/clusters/list", status=403, error_code="", times=0)]
    )
    ended = stage.run(mode, wheel="dist/*.whl", root=ROOT)
    assert ended.code == 0
    assert "can't be listed" in json.dumps(ended.document["warnings"])
