"""The executor really installs wheels and really runs them, with local Spark where they want it."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from deployer.checks.java import find_java
from sandbox.environments import Environments
from sandbox.execution import Executor, TaskResult
from sandbox.requirement_lines import Requirements
from tests.wheels import make_wheel

pytestmark = pytest.mark.network

MODULE = """\
import os, sys

VERSION = "{version}"

def version():
    print("version", VERSION, sys.argv[1:])

def fail():
    raise ValueError("no " + VERSION)

def hang():
    import time
    print("hanging", flush=True)
    time.sleep(300)

def spark():
    from pyspark.sql import SparkSession
    session = SparkSession.builder.getOrCreate()
    print("version", VERSION, "count", session.range(7).count(), "spark", session.version)
    on_workers = session.sparkContext.parallelize([1]).map(lambda _: VERSION).collect()
    print("workers", on_workers, "master", session.sparkContext.master)
    print("environment", sorted(os.environ))
"""
SPARK_TASK = {"package_name": "tiny-lib", "entry_point": "spark"}
VERSION_TASK = {"package_name": "tiny-lib", "entry_point": "version"}
FOLDER = "/Workspace/Shared/libs"


class Workspace:
    """Files that a test can replace."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def add_library(self, version: str, *, folder: str = FOLDER, code: str = "") -> str:
        """Put a version of the library into `folder`; its path."""
        name, content = make_wheel(
            "tiny-lib",
            version,
            files={"tiny_lib/__init__.py": MODULE.format(version=code or version)},
            metadata=(
                f"Metadata-Version: 2.1\nName: tiny-lib\nVersion: {version}\n"
                "Provides-Extra: train\nRequires-Dist: iniconfig; extra == 'train'\n"
            ),
            entry_points={"console_scripts": {"run": "tiny_lib:version"}},
        )
        self.files[f"{folder}/{name}"] = content
        return f"{folder}/{name}"


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, run_cache: Path) -> Path:
    """One folder for all workers of this session; PySpark itself is kept between sessions.

    The wheels of the tests are installed anew in each session, into a copy of that base.
    """
    kept = Environments(run_cache / "environments", os.environ)
    base = kept.provide(Requirements(), threading.Event()).folder
    session = tmp_path_factory.getbasetemp()
    shared = session.parent if "PYTEST_XDIST_WORKER" in os.environ else session
    environments = shared / "sandbox-cache" / "environments"
    environments.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (environments / base.name).symlink_to(base)
    return environments.parent


@pytest.fixture
def executor(cache: Path, workspace: Workspace) -> Executor:
    return Executor(cache, workspace.read, {**os.environ, "DATABRICKS_TOKEN": "a secret"})


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


@pytest.mark.spark
def test_a_wheel_of_a_classic_task_runs_on_local_spark(
    executor: Executor, workspace: Workspace
) -> None:
    wheel = workspace.add_library("1.2.0")
    result = run(executor, {"python_wheel_task": SPARK_TASK, "libraries": [{"whl": wheel}]})
    assert result.succeeded, result.logs
    assert "version 1.2.0 count 7 spark 4.3.0\n" in result.logs
    assert "workers ['1.2.0'] master local[2]\n" in result.logs
    assert "DATABRICKS_TOKEN" not in result.logs
    assert (result.error, result.error_trace) == ("", "")


@pytest.mark.spark
def test_a_wheel_of_a_serverless_environment_runs_on_a_java_of_our_own(
    cache: Path, workspace: Workspace
) -> None:
    without_java = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    tools = cache / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    for name in ("bash", "dirname", "env", "ps", "sh"):
        place = next((p for p in ("/bin", "/usr/bin") if (Path(p) / name).exists()), None)
        if place and not (tools / name).exists():
            (tools / name).symlink_to(Path(place) / name)
    environ = {**without_java, "PATH": str(tools)}
    assert find_java(environ) is None
    executor = Executor(cache, workspace.read, environ)
    wheel = workspace.add_library("1.3.0", folder="/Volumes/c/s/v")
    line = f"dbfs:{wheel}[train] ; python_version > '3'  # the library"
    environment = {"environment_key": "main", "spec": {"dependencies": [line]}}
    task = {"python_wheel_task": SPARK_TASK, "environment_key": "main"}
    result = run(executor, task, {"environments": [environment]})
    assert result.succeeded, result.logs
    assert "version 1.3.0 count 7 spark 4.3.0\n" in result.logs


@pytest.mark.spark
@pytest.mark.parametrize("suffix", [".zip", ".whl"])
def test_py_files_reach_the_executors_as_zip_and_only_the_driver_as_wheel(
    executor: Executor, workspace: Workspace, suffix: str
) -> None:
    wheel = workspace.add_library("1.0.0")
    library = f"{FOLDER}/tiny_lib-1.0.0-py3-none-any{suffix}"
    workspace.files[library] = workspace.files[wheel]
    workspace.files["/Workspace/job.py"] = (
        b"import sys, tiny_lib\n"
        b"from pyspark.sql import SparkSession\n"
        b"print('driver', tiny_lib.VERSION, sys.argv[1:], flush=True)\n"
        b"context = SparkSession.builder.getOrCreate().sparkContext\n"
        b"version = lambda _: __import__('tiny_lib').VERSION\n"
        b"print('workers', context.parallelize([1]).map(version).collect())\n"
    )
    parameters = [f"--py-files={library}", "/Workspace/job.py", "--day", "1"]
    result = run(executor, {"spark_submit_task": {"parameters": parameters}})
    assert "driver 1.0.0 ['--day', '1']\n" in result.logs
    if suffix == ".zip":
        assert result.succeeded, result.logs
        assert "workers ['1.0.0']\n" in result.logs
    else:
        assert not result.succeeded
        assert result.error == "ModuleNotFoundError: No module named 'tiny_lib'"


def test_an_application_jar_for_another_scala_does_not_start(
    executor: Executor, workspace: Workspace
) -> None:
    workspace.files["/Volumes/c/s/v/lib_2.12-1.0.jar"] = b"a jar"
    parameters = ["--class", "com.example.Report", "/Volumes/c/s/v/lib_2.12-1.0.jar"]
    result = run(executor, {"spark_submit_task": {"parameters": parameters}})
    assert result.error.startswith("java.lang.NoSuchMethodError: lib_2.12-1.0.jar is built for")


@pytest.mark.spark
def test_a_notebook_has_spark_and_its_parameters(executor: Executor, workspace: Workspace) -> None:
    workspace.files["/Users/me/notebook"] = (
        b"# Databricks notebook source\n"
        b"# MAGIC %md A title\n"
        b"dbutils.widgets.text('day', 'none')\n"
        b"# COMMAND ----------\n"
        b"print('day', dbutils.widgets.get('day'), spark.range(3).count())\n"
    )
    code = {"notebook_path": "/Users/me/notebook", "base_parameters": {"day": "1"}}
    result = run(executor, {"notebook_task": code}, parameters={"day": "2"})
    assert result.succeeded, result.logs
    assert "day 2 3\n" in result.logs


REPORT = "com.example.retail.Report"
SCALA_2_13 = {"spark_version": "17.3.x-scala2.13"}


def add_jar(workspace: Workspace, jar: Path, folder: str = "/Volumes/c/s/v") -> str:
    workspace.files[f"{folder}/{jar.name}"] = jar.read_bytes()
    return f"{folder}/{jar.name}"


@pytest.mark.spark
def test_a_jar_task_runs_the_main_class_of_its_jar_on_local_spark(
    executor: Executor, workspace: Workspace, scala_jars: Mapping[str, Path]
) -> None:
    jar = add_jar(workspace, scala_jars["1.5.0"])
    code = {"main_class_name": REPORT, "parameters": ["{{job.parameters.day}}", "--x=1"]}
    task = {"new_cluster": SCALA_2_13, "spark_jar_task": code, "libraries": [{"jar": jar}]}
    result = run(executor, task, parameters={"day": "monday"})
    assert result.succeeded, result.logs
    assert "retail-metrics-scala 1.5.0\n" in result.logs
    assert "revenue cup 24.0\nrevenue tea 35.0\ntop tea 35.0\n" in result.logs
    assert "arguments monday --x=1\n" in result.logs
    assert "DATABRICKS_TOKEN" not in result.logs


@pytest.mark.spark
def test_a_main_class_that_the_jar_does_not_have_is_not_found(
    executor: Executor, workspace: Workspace, scala_jars: Mapping[str, Path]
) -> None:
    jar = add_jar(workspace, scala_jars["1.5.0"])
    code = {"main_class_name": "com.example.retail.Gone", "jar_uri": jar}
    result = run(executor, {"spark_jar_task": code})
    assert not result.succeeded
    assert result.error == "java.lang.ClassNotFoundException: com.example.retail.Gone"


@pytest.mark.spark
def test_a_serverless_python_task_calls_the_jar_of_its_java_dependencies(
    executor: Executor, workspace: Workspace, scala_jars: Mapping[str, Path]
) -> None:
    jar = add_jar(workspace, scala_jars["1.4.0"])
    workspace.files["/Workspace/job.py"] = (
        b"from pyspark.sql import SparkSession\n"
        b"jvm = SparkSession.builder.getOrCreate()._jvm\n"
        b"print('from the jar:', jvm.com.example.retail.BuildInfo.version())\n"
    )
    environment = {"environment_key": "main", "spec": {"java_dependencies": [jar]}}
    task = {"spark_python_task": {"python_file": "/Workspace/job.py"}, "environment_key": "main"}
    result = run(executor, task, {"environments": [environment]})
    assert result.succeeded, result.logs
    assert "from the jar: 1.4.0\n" in result.logs


@pytest.mark.spark
def test_spark_submit_runs_an_application_jar_that_needs_another_jar(
    executor: Executor, workspace: Workspace, scala_jars: Mapping[str, Path], tmp_path: Path
) -> None:
    library = scala_jars["1.5.0"]
    application = tmp_path / "application.jar"
    with zipfile.ZipFile(library) as whole, zipfile.ZipFile(application, "w") as part:
        for name in whole.namelist():
            if "Report" in name:
                part.writestr(name, whole.read(name))
    paths = [add_jar(workspace, each) for each in (application, library)]
    parameters = ["--class", REPORT, "--jars", paths[1], paths[0], "x"]
    task = {"new_cluster": SCALA_2_13, "spark_submit_task": {"parameters": parameters}}
    result = run(executor, task)
    assert result.succeeded, result.logs
    assert "retail-metrics-scala 1.5.0\n" in result.logs
    without = {"spark_submit_task": {"parameters": ["--class", REPORT, paths[0]]}}
    result = run(executor, without)
    assert not result.succeeded
    assert result.error == "java.lang.NoClassDefFoundError: com/example/retail/OrderLine"
    assert "at com.example.retail.Report$" in result.error_trace


def test_an_egg_of_an_old_runtime_runs_by_its_entry_point(
    executor: Executor, workspace: Workspace
) -> None:
    wheel = workspace.files[workspace.add_library("1.0.0")]
    egg = "/Volumes/c/s/v/tiny_lib-1.0.0-py3.10.egg"
    workspace.files[egg] = as_egg(wheel)
    task = {
        "new_cluster": {"spark_version": "13.3.x-scala2.12"},
        "python_wheel_task": {"package_name": "tiny-lib", "entry_point": "run"},
        "libraries": [{"egg": egg}],
    }
    result = run(executor, task)
    assert result.succeeded, result.logs
    assert "version 1.0.0 []\n" in result.logs


def test_a_wheel_in_dbfs_runs_on_an_old_runtime_and_is_refused_by_a_newer_one(
    executor: Executor, workspace: Workspace
) -> None:
    path = workspace.add_library("1.0.0", folder="dbfs:/libs")

    def on(version: str) -> TaskResult:
        cluster = {"spark_version": version}
        task = {"python_wheel_task": VERSION_TASK, "libraries": [{"whl": path}]}
        return run(executor, {"new_cluster": cluster, **task})

    assert "version 1.0.0 []\n" in on("14.3.x-scala2.12").logs
    assert "DBFS library installations are not supported" in on("15.4.x-scala2.12").error


def as_egg(wheel: bytes) -> bytes:
    """The content of a wheel, laid out as an egg."""
    egg = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel)) as source, zipfile.ZipFile(egg, "w") as target:
        for name in source.namelist():
            folder, _, rest = name.rpartition("/")
            renamed = {"METADATA": "PKG-INFO"}.get(rest, rest)
            is_metadata = folder.endswith(".dist-info")
            target.writestr(f"EGG-INFO/{renamed}" if is_metadata else name, source.read(name))
        target.writestr("EGG-INFO/zip-safe", "")
    return egg.getvalue()


def test_parameters_reach_the_entry_point_with_their_references_resolved(
    executor: Executor, workspace: Workspace
) -> None:
    wheel = workspace.add_library("1.0.0")
    for_each = {
        "inputs": '["a", "b"]',
        "task": {
            "task_key": "n",
            "python_wheel_task": {
                "package_name": "tiny_lib",
                "entry_point": "run",
                "parameters": ["{{input}}", "{{job.parameters.day}}"],
            },
            "libraries": [{"whl": wheel}],
        },
    }
    result = run(executor, {"for_each_task": for_each}, parameters={"day": "1"})
    assert result.succeeded, result.logs
    assert "version 1.0.0 ['a', '1']\n" in result.logs
    assert "version 1.0.0 ['b', '1']\n" in result.logs


def test_a_running_cluster_keeps_the_old_code_of_a_replaced_path_and_all_others_do_not(
    executor: Executor, workspace: Workspace
) -> None:
    libraries = [{"whl": workspace.add_library("1.0.0", code="old")}]
    running = {
        "existing_cluster_id": "c-1",
        "python_wheel_task": VERSION_TASK,
        "libraries": libraries,
    }
    fresh = {"new_cluster": {}, "python_wheel_task": VERSION_TASK, "libraries": libraries}
    assert "version old" in run(executor, running).logs
    workspace.add_library("1.0.0", code="new")
    assert "version old" in run(executor, running).logs
    assert "version new" in run(executor, fresh).logs
    executor.restart_cluster("c-1")
    assert "version new" in run(executor, running).logs


def test_of_two_versions_in_one_list_the_last_one_wins(
    executor: Executor, workspace: Workspace
) -> None:
    paths = [workspace.add_library(version) for version in ("1.1.0", "1.0.0")]
    libraries = [{"whl": path} for path in paths]
    result = run(executor, {"python_wheel_task": VERSION_TASK, "libraries": libraries})
    assert "version 1.0.0" in result.logs


def test_a_dependency_that_does_not_exist_fails_with_the_installers_words(
    executor: Executor, workspace: Workspace
) -> None:
    workspace.files["/Workspace/requirements.txt"] = b"tiny-lib==7 # ours, and on no index\n"
    wheel = workspace.add_library("1.0.0")
    environment = {
        "environment_key": "main",
        "spec": {"dependencies": [wheel, "-r /Workspace/requirements.txt"]},
    }
    task = {"python_wheel_task": VERSION_TASK, "environment_key": "main"}
    result = run(executor, task, {"environments": [environment]})
    assert not result.succeeded
    assert result.error.startswith("Library installation failed: ")
    assert "tiny-lib==7" in result.error_trace


def test_code_that_raises_fails_with_its_error_and_traceback(
    executor: Executor, workspace: Workspace
) -> None:
    task = {
        "python_wheel_task": {"package_name": "tiny-lib", "entry_point": "fail"},
        "libraries": [{"whl": workspace.add_library("1.0.0")}],
    }
    result = run(executor, task)
    assert not result.succeeded
    assert result.error == "ValueError: no 1.0.0"
    assert result.error_trace.startswith("Traceback (most recent call last):\n")
    assert 'raise ValueError("no " + VERSION)' in result.error_trace


def test_a_task_that_hangs_ends_with_its_time_limit(
    executor: Executor, workspace: Workspace
) -> None:
    task = {
        "python_wheel_task": {"package_name": "tiny-lib", "entry_point": "hang"},
        "libraries": [{"whl": workspace.add_library("1.0.0")}],
        "timeout_seconds": 5,
    }
    result = run(executor, task)
    assert (result.succeeded, result.logs) == (False, "hanging\n")
    assert result.error == "Timed out: the task ran longer than 5 seconds."
