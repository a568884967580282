"""Says what to execute for a task: one command line per task kind.

Owns how parameters become arguments. Files come through a `Fetch`; nothing is started here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sandbox.environments import Command, Environment
from sandbox.requirement_lines import NOT_PLAYED, Fetch, InstallationError, workspace_path
from sandbox.task_values import TaskError, text

CODE_KINDS: Final = frozenset(
    {
        "notebook_task",
        "python_wheel_task",
        "spark_jar_task",
        "spark_python_task",
        "spark_submit_task",
    }
)
"""The task kinds that execute code, and that `command_of` knows."""

_ENTRY_POINT_LAUNCHER: Final = Path(__file__).with_name("entry_point_launcher.py")
_NOTEBOOK_LAUNCHER: Final = Path(__file__).with_name("notebook_launcher.py")
_NOTEBOOK_HEADER: Final = b"# Databricks notebook source"

_SUBMIT_FILES: Final = frozenset({"--py-files", "--jars", "--files", "--archives"})
_SUBMIT_FLAGS: Final = frozenset({"--verbose", "-v", "--supervise"})
_SUBMIT_FIXED: Final = frozenset({"--master", "--deploy-mode", "--executor-cores"})
_SUBMIT_MAVEN: Final = frozenset({"--packages", "--exclude-packages", "--repositories"})
_NO_APPLICATION_FILE: Final = "spark-internal"
"""What spark-submit takes where the main class comes with the jars, and not in a file of its own."""


def command_of(
    kind: str,
    task: Mapping[str, object],
    *,
    environment: Environment,
    parameters: Mapping[str, str],
    fetch: Fetch,
) -> Command:
    """The command of a task whose kind is one of `CODE_KINDS`, with its references resolved.

    Args:
        kind: the field of `task` that says what to run.
        task: the task's settings.
        environment: where its libraries are installed.
        parameters: the job parameters of the run.
        fetch: gives the files that the command names.

    Raises:
        TaskError: the task's settings are incomplete, a file is missing, or it is not played.
        InstallationError: a file that spark-submit should distribute is missing.
    """
    code = task[kind]
    if not isinstance(code, Mapping):
        raise TaskError(f"The task's {kind} is no object.")
    match kind:
        case "python_wheel_task":
            return wheel_command(code, environment, parameters)
        case "spark_python_task":
            return script_command(code, environment, fetch)
        case "notebook_task":
            return notebook_command(code, environment, parameters, fetch)
        case "spark_jar_task":
            return jar_command(code, environment)
        case _:
            return submit_command(code, environment, fetch)


def wheel_command(
    task: Mapping[str, object], environment: Environment, parameters: Mapping[str, str]
) -> Command:
    """The command of a python_wheel_task.

    Job parameters are pushed down to keyword arguments, where they win, and not to positional
    ones (Databricks docs, "Configure task parameters").
    """
    named = task.get("named_parameters")
    if isinstance(named, Mapping) and named:
        pushed = {**named, **parameters}
        arguments = [f"--{name}={text(value)}" for name, value in pushed.items()]
    else:
        arguments = _arguments(task)
    launcher: Command = [environment.python, "-P", _ENTRY_POINT_LAUNCHER]
    return [*launcher, _required(task, "package_name"), _required(task, "entry_point"), *arguments]


def script_command(task: Mapping[str, object], environment: Environment, fetch: Fetch) -> Command:
    """The command of a spark_python_task."""
    if task.get("source") == "GIT":
        raise TaskError(f"A task whose source is GIT {NOT_PLAYED}.")
    script = _application(_required(task, "python_file"), fetch)
    return [environment.python, script, *_arguments(task)]


def notebook_command(
    task: Mapping[str, object],
    environment: Environment,
    parameters: Mapping[str, str],
    fetch: Fetch,
) -> Command:
    """The command of a notebook_task whose notebook is Python source."""
    path = _required(task, "notebook_path")
    if task.get("source") == "GIT" or not path.startswith("/"):
        raise TaskError(f"A task whose source is GIT {NOT_PLAYED}.")
    try:
        notebook = fetch(path)
    except InstallationError as missing:
        raise TaskError(
            f"Unable to access the notebook {path}: it does not exist, or may not be read."
        ) from missing
    if not notebook.read_bytes().startswith(_NOTEBOOK_HEADER) and notebook.suffix != ".py":
        raise TaskError(f"A notebook that is not Python source {NOT_PLAYED}: {path}")
    base = task.get("base_parameters")
    widgets = {**(base if isinstance(base, Mapping) else {}), **parameters}
    return [environment.python, "-P", _NOTEBOOK_LAUNCHER, notebook, json.dumps(widgets)]


def jar_command(task: Mapping[str, object], environment: Environment) -> Command:
    """The command of a spark_jar_task; its jars come with Spark's settings, in `spark.jars`.

    Job parameters are not pushed down: a main class has no keyword arguments (Databricks docs,
    "Configure task parameters").
    """
    main: Command = ["--class", _required(task, "main_class_name"), _NO_APPLICATION_FILE]
    return [environment.spark_submit, *main, *_arguments(task)]


def submit_command(task: Mapping[str, object], environment: Environment, fetch: Fetch) -> Command:
    """The command of a spark_submit_task: the real spark-submit, with local copies of its files.

    Raises:
        TaskError: a parameter is one that Databricks sets itself or that is not played, or the
            application is missing.
    """
    command: Command = [environment.spark_submit]
    rest = iter(_arguments(task))
    for parameter in rest:
        if not parameter.startswith("-"):
            return [*command, _application(parameter, fetch), *rest]
        name, glued, value = parameter.partition("=")
        if name in _SUBMIT_FIXED:
            raise TaskError(
                f"{name} can't be given: Databricks configures it (Jobs API docs, SparkSubmitTask)."
            )
        if name in _SUBMIT_MAVEN:
            raise TaskError(f"{name}, which loads from Maven repositories, {NOT_PLAYED}.")
        command.append(name)
        if name not in _SUBMIT_FLAGS:
            value = value if glued else next(rest, "")
            command.append(_local_list(value, fetch) if name in _SUBMIT_FILES else value)
    raise TaskError("The parameters of the spark_submit_task name no application file.")


def _application(path: str, fetch: Fetch) -> Path:
    """The local copy of the file that a task executes."""
    try:
        return fetch(workspace_path(path))
    except InstallationError as missing:
        kind = "jar" if path.endswith(".jar") else "python file"
        raise TaskError(f"Cannot read the {kind} {path}: {missing}") from missing


def _local_list(value: str, fetch: Fetch) -> str:
    """A comma list of paths as local ones; the `#name` behind an archive stays."""
    local = []
    for each in filter(None, (part.strip() for part in value.split(","))):
        path, hash_sign, alias = each.partition("#")
        local.append(f"{fetch(workspace_path(path))}{hash_sign}{alias}")
    return ",".join(local)


def _arguments(task: Mapping[str, object]) -> list[str]:
    given = task.get("parameters")
    return [text(each) for each in given] if isinstance(given, list) else []


def _required(task: Mapping[str, object], name: str) -> str:
    value = task.get(name)
    if not isinstance(value, str) or not value:
        raise TaskError(f"The task lacks {name}.")
    return value
