"""What the compute of a task installs, and which jars it can run."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.requirement_lines import Requirements, Step
from sandbox.runtimes import SERVERLESS, Runtime
from sandbox.task_libraries import checking_scala, requirements_of
from sandbox.task_values import TaskError

SCALA_2_13 = Runtime("17.3.x-scala2.13")
SCALA_2_12 = Runtime("15.4.x-scala2.12")


def fetch(path: str) -> Path:
    return Path("/local", path.lstrip("/"))


def test_a_jar_task_has_its_deprecated_jar_uri_before_its_libraries() -> None:
    task = {
        "spark_jar_task": {"main_class_name": "x", "jar_uri": "dbfs:/Volumes/c/s/v/main.jar"},
        "libraries": [{"jar": "/Volumes/c/s/v/more.jar"}, "no library"],
    }
    found = requirements_of(task, {}, SCALA_2_13, fetch)
    assert [jar.name for jar in found.jars] == ["main.jar", "more.jar"]


def test_spark_submit_has_no_libraries_because_they_do_not_work_there() -> None:
    task = {"spark_submit_task": {}, "libraries": [{"jar": "/a.jar"}]}
    assert requirements_of(task, {}, SCALA_2_13, fetch) == Requirements()


def test_a_serverless_task_has_the_lines_and_the_jars_of_its_environment() -> None:
    spec = {"dependencies": ["numpy"], "java_dependencies": ["/Volumes/c/s/v/a.jar"]}
    settings = {"environments": [{"environment_key": "e", "spec": spec}]}
    found = requirements_of({"environment_key": "e"}, settings, SERVERLESS, fetch)
    assert found == Requirements((Step(("numpy",)),), (Path("/local/Volumes/c/s/v/a.jar"),))


@pytest.mark.parametrize(
    ("name", "runtime", "message"),
    [
        ("lib_2.12-1.0.jar", SCALA_2_13, "built for Scala 2.12, and the runtime 17.3.x-scala2.13"),
        ("lib_2.13-1.0.jar", SCALA_2_12, "built for Scala 2.13, and the runtime 15.4.x-scala2.12"),
        ("lib_2.12-1.0.jar", SERVERLESS, "built for Scala 2.12, and serverless compute has Scala"),
        ("lib_2.12-1.0.jar", SCALA_2_12, "Scala 2.12 is not played"),
    ],
)
def test_a_jar_that_its_name_speaks_against_does_not_run(
    name: str, runtime: Runtime, message: str
) -> None:
    with pytest.raises(TaskError, match=message):
        checking_scala(fetch, runtime)(f"/Volumes/c/s/v/{name}")


@pytest.mark.parametrize(
    ("name", "runtime"),
    [
        ("lib_2.13-1.0.jar", SCALA_2_13),
        ("lib_2.13-1.0.jar", SERVERLESS),
        ("java-lib-1.0.jar", SCALA_2_12),
        ("lib_2.12-1.0-py3-none-any.whl", SCALA_2_13),
    ],
)
def test_a_jar_for_the_scala_of_the_runtime_or_for_none_runs(name: str, runtime: Runtime) -> None:
    assert checking_scala(fetch, runtime)(f"/Volumes/c/s/v/{name}").name == name
