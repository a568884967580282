"""What the executor tells of tasks that need no Spark: refusals, conditions, iterations."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.execution import Executor, TaskResult


def read_nothing(path: str) -> bytes:
    raise FileNotFoundError(path)


@pytest.fixture
def executor(tmp_path: Path) -> Executor:
    return Executor(tmp_path / "cache", read_nothing)


def run(
    executor: Executor,
    task: Mapping[str, object],
    settings: Mapping[str, object] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> TaskResult:
    return executor.run_task(
        {"task_key": "t", **task},
        settings=settings or {},
        parameters=parameters or {},
        cancelled=threading.Event(),
    )


WHEEL_TASK = {"package_name": "my_lib", "entry_point": "main"}
FAILING = {"condition_task": {"left": "{{input}}", "op": "LESS_THAN", "right": "2"}}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"run_job_task": {"job_id": 1}}, "run_job_task is not played"),
        ({"dbt_task": {"commands": []}}, "dbt_task is not played"),
        (
            {"spark_jar_task": {"main_class_name": "x", "jar_uri": "/Volumes/c/s/v/a.jar"}},
            "Library from /Volumes/c/s/v/a.jar : file not found",
        ),
        (
            {"spark_jar_task": {"main_class_name": "x"}, "environment_key": "jar"},
            "Library from /Volumes/c/s/v/a.jar : file not found",
        ),
        (
            {"python_wheel_task": WHEEL_TASK, "libraries": [{"egg": "/Volumes/c/s/v/a.egg"}]},
            "eggs are not supported on the newest runtime",
        ),
        ({"task_of_tomorrow": {}}, "task without a kind is not played"),
        ({}, "task without a kind is not played"),
        ({"for_each_task": {"inputs": "[1]"}}, "no task"),
        (
            {"python_wheel_task": WHEEL_TASK, "libraries": [{"whl": "/Workspace/a.whl"}]},
            "Library from /Workspace/a.whl : file not found",
        ),
        (
            {"python_wheel_task": WHEEL_TASK, "libraries": [{"maven": {"coordinates": "g:a:1"}}]},
            "maven is not played",
        ),
        ({"python_wheel_task": WHEEL_TASK, "environment_key": "absent"}, "no environment 'absent'"),
        ({"python_wheel_task": WHEEL_TASK, "environment_key": "base"}, "base_environment is not"),
        (
            {"python_wheel_task": WHEEL_TASK, "environment_key": "wheel"},
            "Library from /Volumes/c/s/v/a.whl : file not found",
        ),
    ],
)
def test_a_task_that_can_not_run_fails_and_says_why(
    executor: Executor, task: Mapping[str, object], message: str
) -> None:
    environments = [
        {"environment_key": "base", "spec": {"base_environment": "/Workspace/env.yaml"}},
        {"environment_key": "jar", "spec": {"java_dependencies": ["/Volumes/c/s/v/a.jar"]}},
        {"environment_key": "wheel", "spec": {"dependencies": ["dbfs:/Volumes/c/s/v/a.whl"]}},
    ]
    result = run(executor, task, {"environments": environments})
    assert not result.succeeded
    assert message in result.error
    assert result.task_key == "t"
    assert result.started_ms <= result.ended_ms


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"existing_cluster_id": "old"}, "a.egg : file not found"),
        ({"existing_cluster_id": "new"}, "eggs are not supported on the runtime 15.4.x-scala2.12"),
        ({"existing_cluster_id": "unknown"}, "eggs are not supported on the newest runtime"),
        ({"job_cluster_key": "shared"}, "a.egg : file not found"),
        ({"new_cluster": {"spark_version": "13.3.x-scala2.12"}}, "a.egg : file not found"),
    ],
)
def test_the_runtime_of_the_tasks_cluster_decides_about_eggs(
    tmp_path: Path, task: Mapping[str, object], message: str
) -> None:
    versions = {"old": "13.3.x-scala2.12", "new": "15.4.x-scala2.12"}
    executor = Executor(
        tmp_path, read_nothing, version_of_cluster=lambda name: versions.get(name, "")
    )
    shared = {"job_cluster_key": "shared", "new_cluster": {"spark_version": "10.4.x-scala2.12"}}
    result = run(
        executor,
        {"python_wheel_task": WHEEL_TASK, "libraries": [{"egg": "/Volumes/v/a.egg"}], **task},
        {"job_clusters": [shared]},
    )
    assert message in result.error


@pytest.mark.parametrize("compute", [{}, {"existing_cluster_id": "c-1"}])
def test_a_jar_for_another_scala_fails_the_task_that_has_it(
    tmp_path: Path, compute: Mapping[str, object]
) -> None:
    executor = Executor(tmp_path, lambda _: b"a jar")
    libraries = [{"jar": "/Volumes/c/s/v/lib_2.12-1.0.jar"}]
    code = {"main_class_name": "com.example.Report"}
    result = run(executor, {"spark_jar_task": code, "libraries": libraries, **compute})
    assert result.error.startswith("java.lang.NoSuchMethodError: lib_2.12-1.0.jar is built for")


def test_the_logs_of_a_condition_are_its_outcome(executor: Executor) -> None:
    condition = {"left": "{{job.parameters.mode}}", "op": "EQUAL_TO", "right": "full"}
    assert run(executor, {"condition_task": condition}, parameters={"mode": "full"}).logs == "true"
    assert run(executor, {"condition_task": condition}, parameters={"mode": "x"}).logs == "false"


def test_a_for_each_runs_its_task_once_for_each_input(executor: Executor) -> None:
    for_each = {"inputs": "{{job.parameters.days}}", "task": {"task_key": "n", **FAILING}}
    result = run(executor, {"for_each_task": for_each}, parameters={"days": "[1, 3]"})
    assert result.succeeded
    assert result.logs.splitlines() == ["--- input 1", "true", "--- input 3", "false"]


def test_a_for_each_goes_on_after_a_failure_and_fails_in_the_end(executor: Executor) -> None:
    for_each = {"inputs": json.dumps(["x", 1]), "task": {"task_key": "n", **FAILING}}
    result = run(executor, {"for_each_task": for_each})
    assert not result.succeeded
    assert "1 of 2 iterations failed; the first: LESS_THAN compares numbers" in result.error
    assert result.logs.endswith("--- input 1\ntrue")


def test_a_cancelled_for_each_starts_nothing_more(executor: Executor) -> None:
    cancelled = threading.Event()
    cancelled.set()
    for_each = {"inputs": "[1, 2]", "task": {"task_key": "n", **FAILING}}
    result = executor.run_task(
        {"task_key": "t", "for_each_task": for_each},
        settings={},
        parameters={},
        cancelled=cancelled,
    )
    assert (result.succeeded, result.error, result.logs) == (False, "Run cancelled.", "")
