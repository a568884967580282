"""What the compute of a task installs before it runs the task.

Owns: where the settings say it (the task's libraries, or the serverless environment that it names),
and the check that jars fit the runtime's Scala. Files come through a `Fetch`. Must not install.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sandbox.requirement_lines import (
    NOT_PLAYED,
    Fetch,
    Requirements,
    of_dependencies,
    of_libraries,
)
from sandbox.runtimes import OUR_SCALA, Runtime, scala_of_jar
from sandbox.task_values import TaskError


def requirements_of(
    task: Mapping[str, object], settings: Mapping[str, object], runtime: Runtime, fetch: Fetch
) -> Requirements:
    """What a task needs: serverless by its environment key, else its libraries.

    Args:
        task: the raw settings of the task.
        settings: the raw settings of its job, for `environments`.
        runtime: what executes the task.
        fetch: gives the library files.

    Raises:
        TaskError: the settings name what is not there, or what is not played.
        InstallationError: a library is missing, or the runtime refuses it.
    """
    if isinstance(key := task.get("environment_key"), str):
        return _serverless(key, settings, fetch)
    return of_libraries(_libraries(task), fetch, runtime)


def checking_scala(fetch: Fetch, runtime: Runtime) -> Fetch:
    """`fetch`, without jars whose names speak against running them.

    A jar for another Scala than the runtime's fails where it is used; here it fails each task that
    has it. `fetch` then raises a TaskError.
    """

    def fetch_checked(path: str) -> Path:
        file = fetch(path)
        scala = scala_of_jar(file.name)
        if scala not in {"", runtime.scala}:
            raise TaskError(
                f"java.lang.NoSuchMethodError: {file.name} is built for Scala {scala}, "
                f"and {runtime} has Scala {runtime.scala}."
            )
        if scala not in {"", OUR_SCALA}:
            raise TaskError(f"{file.name}: Scala {scala} {NOT_PLAYED}, which has {OUR_SCALA}.")
        return file

    return fetch_checked


def _libraries(task: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The libraries of a classic task, in the order of their installation."""
    if "spark_submit_task" in task:
        return []  # it takes its files as parameters; libraries do not work (facts A1 row 10)
    libraries = [each for each in _list(task.get("libraries")) if isinstance(each, Mapping)]
    code = task.get("spark_jar_task")
    if isinstance(code, Mapping) and isinstance(jar := code.get("jar_uri"), str) and jar:
        return [{"jar": jar}, *libraries]
    return libraries


def _serverless(key: str, settings: Mapping[str, object], fetch: Fetch) -> Requirements:
    """What the environment `key` of the job asks for; a serverless path is read anew each time."""
    found = [
        each
        for each in _list(settings.get("environments"))
        if isinstance(each, Mapping) and each.get("environment_key") == key
    ]
    if not found:
        raise TaskError(f"The job has no environment {key!r}.")
    spec = found[0].get("spec")
    if not isinstance(spec, Mapping):
        return Requirements()
    for unplayed in ("base_environment", "project_environment"):
        if spec.get(unplayed):
            raise TaskError(f"{unplayed} {NOT_PLAYED}: {spec[unplayed]}")
    return of_dependencies(
        [str(line) for line in _list(spec.get("dependencies"))],
        fetch,
        java_dependencies=[str(jar) for jar in _list(spec.get("java_dependencies"))],
    )


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
