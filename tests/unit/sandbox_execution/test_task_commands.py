"""Which command line a task becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.environments import Environment
from sandbox.requirement_lines import InstallationError
from sandbox.task_commands import command_of
from sandbox.task_values import TaskError

ENVIRONMENT = Environment(Path("/env"))


def fetch(path: str) -> Path:
    if "missing" in path:
        raise InstallationError(f"{path}: file not found")
    return Path("/local", path.lstrip("/"))


def arguments_of(
    kind: str, code: Mapping[str, object], parameters: Mapping[str, str] | None = None
) -> list[str]:
    command = command_of(
        kind,
        {"task_key": "t", kind: code},
        environment=ENVIRONMENT,
        parameters=parameters or {},
        fetch=fetch,
    )
    return [str(part) for part in command]


def test_positional_parameters_of_a_wheel_follow_its_entry_point() -> None:
    code = {"package_name": "my_lib", "entry_point": "main", "parameters": ["a", "b c", "--x=1"]}
    python, safe, _, *rest = arguments_of("python_wheel_task", code, {"job": "parameter"})
    assert (python, safe) == ("/env/bin/python", "-P")
    assert rest == ["my_lib", "main", "a", "b c", "--x=1"]


def test_named_parameters_become_options_and_job_parameters_win_over_them() -> None:
    code = {
        "package_name": "my_lib",
        "entry_point": "main",
        "named_parameters": {"day": "1", "mode": "full"},
    }
    command = arguments_of("python_wheel_task", code, {"day": "2", "new": "3"})
    assert command[-3:] == ["--day=2", "--mode=full", "--new=3"]


def test_a_script_runs_from_its_local_copy() -> None:
    code = {"python_file": "dbfs:/Volumes/c/s/v/job.py", "parameters": ["1"]}
    assert arguments_of("spark_python_task", code) == [
        "/env/bin/python",
        "/local/Volumes/c/s/v/job.py",
        "1",
    ]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (
            ["--py-files", "/Workspace/a.zip,dbfs:/Volumes/c/b.whl", "/Workspace/m.py", "x"],
            ["--py-files", "/local/Workspace/a.zip,/local/Volumes/c/b.whl"],
        ),
        (
            ["--py-files=/Workspace/a.zip", "/Workspace/m.py", "x"],
            ["--py-files", "/local/Workspace/a.zip"],
        ),
        (
            ["--archives", "/Workspace/env.zip#env", "/Workspace/m.py", "x"],
            ["--archives", "/local/Workspace/env.zip#env"],
        ),
        (
            ["--conf", "spark.x=/Workspace/y", "--verbose", "/Workspace/m.py", "x"],
            ["--conf", "spark.x=/Workspace/y", "--verbose"],
        ),
        (["--jars", "", "/Workspace/m.py", "x"], ["--jars", ""]),
    ],
)
def test_spark_submit_gets_local_copies_of_its_files_and_all_else_as_it_is(
    parameters: list[str], expected: list[str]
) -> None:
    command = arguments_of("spark_submit_task", {"parameters": parameters})
    assert command == ["/env/bin/spark-submit", *expected, "/local/Workspace/m.py", "x"]


def test_a_jar_task_starts_its_main_class_with_its_parameters() -> None:
    code = {"main_class_name": "com.example.Report", "parameters": ["--day", "1"]}
    assert arguments_of("spark_jar_task", code, {"job": "parameter"}) == [
        "/env/bin/spark-submit",
        "--class",
        "com.example.Report",
        "spark-internal",
        "--day",
        "1",
    ]


def test_spark_submit_starts_the_main_class_of_an_application_jar() -> None:
    parameters = ["--class", "com.example.Report", "--jars", "/Volumes/c/a.jar,dbfs:/b.jar"]
    command = arguments_of(
        "spark_submit_task", {"parameters": [*parameters, "/Volumes/m.jar", "x"]}
    )
    assert command[1:] == [
        *("--class", "com.example.Report"),
        *("--jars", "/local/Volumes/c/a.jar,/local/dbfs:/b.jar"),
        *("/local/Volumes/m.jar", "x"),
    ]


def test_what_follows_the_application_belongs_to_the_application() -> None:
    command = arguments_of(
        "spark_submit_task", {"parameters": ["/Workspace/m.py", "--py-files", "/Workspace/a.zip"]}
    )
    assert command[-2:] == ["--py-files", "/Workspace/a.zip"]


@pytest.mark.parametrize("parameters", [["--master", "yarn", "/Workspace/m.py"], ["--verbose"], []])
def test_spark_submit_parameters_that_the_real_one_refuses_are_refused(
    parameters: list[str],
) -> None:
    with pytest.raises(TaskError):
        arguments_of("spark_submit_task", {"parameters": parameters})


def test_a_notebook_gets_its_parameters_and_job_parameters_win(tmp_path: Path) -> None:
    notebook = tmp_path / "notebook"
    notebook.write_text("# Databricks notebook source\nprint(1)\n", encoding="utf-8")
    code = {"notebook_path": "/Users/me/notebook", "base_parameters": {"a": "1", "b": "2"}}
    command = command_of(
        "notebook_task",
        {"notebook_task": code},
        environment=ENVIRONMENT,
        parameters={"b": "3"},
        fetch=lambda _: notebook,
    )
    assert command[-2] == notebook
    assert json.loads(str(command[-1])) == {"a": "1", "b": "3"}


def test_a_notebook_that_is_not_python_source_is_not_played(tmp_path: Path) -> None:
    notebook = tmp_path / "notebook.ipynb"
    notebook.write_text("{}", encoding="utf-8")
    with pytest.raises(TaskError, match="not played"):
        command_of(
            "notebook_task",
            {"notebook_task": {"notebook_path": "/Users/me/notebook.ipynb"}},
            environment=ENVIRONMENT,
            parameters={},
            fetch=lambda _: notebook,
        )


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("python_wheel_task", {"package_name": "x"}, "lacks entry_point"),
        ("spark_python_task", {"python_file": "job.py", "source": "GIT"}, "GIT"),
        ("spark_python_task", {"python_file": "/Workspace/missing.py"}, "Cannot read the python"),
        ("notebook_task", {"notebook_path": "relative/in/git"}, "GIT"),
        ("notebook_task", {"notebook_path": "/Users/missing"}, "Unable to access the notebook"),
        ("spark_jar_task", {"parameters": ["x"]}, "lacks main_class_name"),
        ("spark_submit_task", {"parameters": ["/Workspace/missing.py"]}, "Cannot read the python"),
        ("spark_submit_task", {"parameters": ["/missing.jar"]}, "Cannot read the jar /missing.jar"),
        ("spark_submit_task", {"parameters": ["--packages", "g:a:1", "/m.jar"]}, "not played"),
    ],
)
def test_a_task_that_can_not_be_started_says_why(
    kind: str, code: Mapping[str, object], message: str
) -> None:
    with pytest.raises(TaskError, match=message):
        arguments_of(kind, code)
