"""What the executor tells of tasks that need no Spark: refusals, conditions, iterations."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.execution import Executor, TaskResult, error_trace


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
        ({"spark_jar_task": {"main_class_name": "x"}}, "spark_jar_task is not played"),
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
        {"environment_key": "wheel", "spec": {"dependencies": ["dbfs:/Volumes/c/s/v/a.whl"]}},
    ]
    result = run(executor, task, {"environments": environments})
    assert not result.succeeded
    assert message in result.error
    assert result.task_key == "t"
    assert result.started_ms <= result.ended_ms


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


LOGS = """\
before
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 'first'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
ValueError: Traceback (most recent call last): inside a message
26/11/21 08:02:49 WARN Shutdown: late
after
"""


def test_the_trace_is_the_last_one_and_ends_before_what_spark_logs() -> None:
    trace = error_trace(LOGS)
    assert trace.splitlines()[1].strip() == 'File "a.py", line 3, in <module>'
    assert trace.endswith("inside a message")


def test_logs_without_a_traceback_have_no_trace() -> None:
    assert error_trace("all well\n") == ""
