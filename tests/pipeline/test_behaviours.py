"""The workspace's real behaviours matter: each observation is another one when it behaves naively.

What is observed is what the product does or what it leaves behind. If a scenario looked the same
under the naive behaviour, the embedded workspace would not need to play the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.stage import ROOT, Stage, on_stage, path

Observe = Callable[[Stage], object]


def pages_of_the_list(stage: Stage) -> object:
    for _ in range(130):
        stage.job(path("1.4.0"))
    stage.build("1.5.0")
    assert len(stage.plan().planned) == 130
    return len(stage.workspace.calls("GET", "/jobs/list"))


def pages_of_one_job(stage: Stage) -> object:
    tasks = [{"task_key": f"t{n:03}", "libraries": [{"whl": path("1.4.0")}]} for n in range(130)]
    stage.workspace.add_job({"name": "wide", "tasks": tasks})
    stage.build("1.5.0")
    assert len(stage.plan().document["plan"]["changes"][1]["references"]) == 130
    return len(stage.workspace.calls("GET", "/jobs/get"))


def tasks_that_survive(stage: Stage) -> object:
    moving = {"task_key": "moving", "libraries": [{"whl": path("1.4.0")}]}
    job = stage.workspace.add_job({"name": "two", "tasks": [moving, {"task_key": "other"}]})
    stage.build("1.5.0")
    stage.deploy()
    return sorted(task["task_key"] for task in stage.workspace.job(job)["tasks"])


def places_as_the_workspace_orders_them(stage: Stage) -> object:
    moving = {"task_key": "z", "libraries": [{"whl": path("1.4.0")}]}
    stage.workspace.add_job({"name": "two", "tasks": [moving, {"task_key": "a"}]})
    stage.build("1.5.0")
    return stage.plan().document["plan"]["changes"][1]["references"][0]["place"]


def jobs_that_are_seen(stage: Stage) -> object:
    stage.job(path("1.4.0"))
    stage.token = stage.workspace.add_user("deployer@example.com")
    stage.workspace.grant("deployer@example.com", ROOT, "WRITE_VOLUME")
    stage.build("1.5.0")
    return stage.plan().document["plan"]["counts"]["jobs_seen"]


def a_file_that_appears_before_the_upload(stage: Stage) -> object:
    stage.build("1.5.0")
    stage.deploy_with(lambda: stage.workspace.put_file(path("1.5.0"), b"somebody else's bytes"))
    return stage.workspace.file(path("1.5.0"))


NAIVE: tuple[tuple[Observe, dict[str, Any], object], ...] = (
    (pages_of_the_list, {"list_paging": False}, 2),
    (pages_of_one_job, {"array_paging": False}, 2),
    (tasks_that_survive, {"tasks": "replace"}, ["moving", "other"]),
    (places_as_the_workspace_orders_them, {"sort_tasks": False}, "/tasks/1/libraries/0/whl"),
    (jobs_that_are_seen, {"list_only_viewable": False}, 0),
    (
        a_file_that_appears_before_the_upload,
        {"exclusive_create": "ignored"},
        b"somebody else's bytes",
    ),
)


@pytest.mark.parametrize(
    ("observe", "naive", "expected"), NAIVE, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_real_behaviour_shows_and_a_naive_one_would_not(
    tmp_path: Path, observe: Observe, naive: dict[str, Any], expected: object
) -> None:
    for folder, changes in (("real", {}), ("naive", naive)):
        (tmp_path / folder).mkdir()
        with on_stage(tmp_path / folder) as stage:
            stage.workspace.behave(**changes)
            assert (observe(stage) == expected) is (folder == "real"), folder


def test_documented_limits_slow_a_deployment_down_and_nothing_more(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    jobs = {stage.job(path("1.4.0")) for _ in range(12)}
    stage.workspace.set_limits("documented")
    stage.build("1.5.0")
    ended = stage.deploy()
    assert ended.moved == jobs
    assert stage.stored() == {"1.4.0", "1.5.0"}
