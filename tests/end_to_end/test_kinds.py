"""Jars and eggs go the whole way: built for real, deployed by the CLI, run on local Spark.

The Scala library is compiled by the Scala compiler that PySpark brings; the eggs are made by the
`bdist_egg` of setuptools.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.server import Sandbox
from tests.earlier import deployed_before
from tests.end_to_end.conftest import build_scala
from tests.end_to_end.runs import run_job
from tests.workspace import running_workspace

REPOSITORY = Path(__file__).parents[2]
ROOT = "/Volumes/main/libraries/released"
pytestmark = [pytest.mark.spark, pytest.mark.network]

JAR = "retail-metrics-scala_2.13-{}.jar"
SCALA_2_13 = {"spark_version": "17.3.x-scala2.13", "num_workers": 1}
OLD_RUNTIME = {"spark_version": "13.3.x-scala2.12", "num_workers": 1}
NEWER_RUNTIME = {"spark_version": "15.4.x-scala2.12", "num_workers": 1}


@pytest.fixture
def workspace(run_cache: Path) -> Iterator[Sandbox]:
    with running_workspace(cache=run_cache) as sandbox:
        sandbox.add_volume("main.libraries.released")
        yield sandbox


def deploy(workspace: Sandbox, library: Path) -> dict[str, Any]:
    """Deploy a file by the CLI, as on a laptop; the report document."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "deployer.cli", "deploy", "--output", "json"),
            *("--wheel", str(library), "--root", ROOT),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(library.parent),
            "DATABRICKS_HOST": workspace.url,
            "DATABRICKS_TOKEN": workspace.token,
        },
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def moved(document: Mapping[str, Any]) -> set[int]:
    return {each["job_id"] for each in document["deployment"]["applied"]}


def reasons(document: Mapping[str, Any]) -> dict[int, str]:
    return {each["job_id"]: each["reason"] for each in document["plan"]["untouched"]}


# --- jars


def jar_jobs(path: str) -> dict[str, dict[str, Any]]:
    """A job for each place that can name a jar, all of them naming the one at `path`."""
    main = {"main_class_name": "com.example.retail.Report", "parameters": ["nightly"]}
    library = [{"jar": path}]
    cluster: dict[str, Any] = {"task_key": "main", "new_cluster": SCALA_2_13}
    wheel = {"package_name": "other", "entry_point": "main"}
    nested = {**cluster, "task_key": "nested", "spark_jar_task": main, "libraries": library}
    submit = ["--class", "com.example.retail.Report", "--jars"]
    tasks: dict[str, dict[str, Any]] = {
        "task library": {**cluster, "spark_jar_task": main, "libraries": library},
        "beside a wheel": {
            **cluster,
            "python_wheel_task": wheel,
            "libraries": [{"whl": "/Volumes/x/y/z/other-1.0.0-py3-none-any.whl"}, *library],
        },
        "for-each": {"task_key": "main", "for_each_task": {"inputs": "[1]", "task": nested}},
        "--jars": {
            **cluster,
            "spark_submit_task": {
                "parameters": [*submit, f"/Volumes/a/b/c/x-1.0.jar,{path}", "/Volumes/a/b/c/m.jar"]
            },
        },
        "application jar": {
            **cluster,
            "spark_submit_task": {"parameters": [*submit[:2], f"dbfs:{path}", "nightly"]},
        },
        "jar_uri": {**cluster, "spark_jar_task": {**main, "jar_uri": path}},
    }
    jobs = {name: {"name": name, "tasks": [task]} for name, task in tasks.items()}
    environment = {
        "environment_key": "main",
        "spec": {"environment_version": "4", "java_dependencies": [path]},
    }
    serverless = {"task_key": "main", "environment_key": "main", "spark_jar_task": main}
    jobs["java_dependencies"] = {
        "name": "java_dependencies",
        "tasks": [serverless],
        "environments": [environment],
    }
    return jobs


def test_a_jar_moves_in_every_place_and_its_main_class_really_runs(
    workspace: Sandbox, scala_jars: Mapping[str, Path]
) -> None:
    old, new = (f"{ROOT}/{JAR.format(version)}" for version in ("1.4.0", "1.5.0"))
    unused, bytes_of_it = JAR.format("1.3.0"), scala_jars["1.4.0"].read_bytes()
    deployed_before(workspace, ROOT, unused, bytes_of_it)
    deployed_before(workspace, ROOT, JAR.format("1.4.0"), bytes_of_it)
    jobs = {name: workspace.add_job(settings) for name, settings in jar_jobs(old).items()}
    before = run_job(workspace, jobs["task library"])
    assert "retail-metrics-scala 1.4.0\n" in before.logs, before
    assert "arguments nightly\n" in before.logs

    document = deploy(workspace, scala_jars["1.5.0"])
    assert document["outcome"] == "succeeded"
    assert document["library"]["version"] == "1.5.0"
    assert moved(document) == set(jobs.values())
    for name, settings in jar_jobs(new).items():
        assert workspace.job(jobs[name])["tasks"] == settings["tasks"], name
        assert workspace.job(jobs[name]).get("environments") == settings.get("environments")
    assert f"{ROOT}/{unused}" not in workspace.files()
    assert {old, new} <= set(workspace.files())  # a rollback needs what was replaced

    after = run_job(workspace, jobs["task library"])
    assert after.succeeded, after
    assert "retail-metrics-scala 1.5.0\n" in after.logs
    assert "top tea 35.0\n" in after.logs

    again = deploy(workspace, scala_jars["1.5.0"])
    assert again["outcome"] == "nothing-to-do"
    assert again["plan"]["changes"] == []


def test_a_jar_does_not_move_a_job_whose_runtime_has_another_scala(
    workspace: Sandbox, scala_jars: Mapping[str, Path]
) -> None:
    old = f"{ROOT}/{JAR.format('1.4.0')}"
    deployed_before(workspace, ROOT, JAR.format("1.4.0"), scala_jars["1.4.0"].read_bytes())
    settings = jar_jobs(old)["task library"]
    settings["tasks"][0]["new_cluster"] = NEWER_RUNTIME
    job = workspace.add_job(settings)
    document = deploy(workspace, scala_jars["1.5.0"])
    assert reasons(document) == {job: "runtime-refuses"}
    assert old in workspace.files()
    ended = run_job(workspace, job)
    assert not ended.succeeded
    assert ended.error.startswith("java.lang.NoSuchMethodError")


def test_the_same_scala_sources_give_the_same_bytes(
    scala_jars: Mapping[str, Path], tmp_path: Path, run_cache: Path
) -> None:
    again = build_scala("1.4.0", tmp_path, run_cache)
    assert again.read_bytes() == scala_jars["1.4.0"].read_bytes()


# --- eggs


SCRIPT = b"""\
from importlib.metadata import version
from pyspark.sql import SparkSession
import retail_metrics
context = SparkSession.builder.getOrCreate().sparkContext
on_workers = context.parallelize([1]).map(lambda _: version("retail-metrics")).collect()
print("driver", version("retail-metrics"), "workers", on_workers, retail_metrics.__file__)
"""


@pytest.fixture(scope="module")
def eggs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The example library as eggs, each in a folder of its own."""
    made: dict[str, Path] = {}
    for version in ("1.4.0", "1.5.0"):
        folder = tmp_path_factory.mktemp("eggs")
        command: list[str | Path] = [sys.executable, REPOSITORY / "examples/build_releases.py"]
        command += ["--egg", folder, version]
        built = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        made[version] = Path(built.stdout.strip())
    return made


def egg_job(path: str, **compute: Any) -> dict[str, Any]:
    """A job whose script prints the version of the egg on driver and executors."""
    script = {"python_file": "/Workspace/Shared/print_version.py"}
    task = {"task_key": "main", "spark_python_task": script, "libraries": [{"egg": path}]}
    return {"name": "egg", "tasks": [{**task, **compute}]}


def test_an_egg_moves_where_the_runtime_takes_eggs_and_stays_elsewhere(
    workspace: Sandbox, eggs: Mapping[str, Path]
) -> None:
    old, new = (f"{ROOT}/{eggs[version].name}" for version in ("1.4.0", "1.5.0"))
    deployed_before(workspace, ROOT, eggs["1.4.0"].name, eggs["1.4.0"].read_bytes())
    workspace.put_file("/Workspace/Shared/print_version.py", SCRIPT)
    workspace.put("clusters", {"cluster_id": "c-1", **OLD_RUNTIME})
    job = workspace.add_job(egg_job(old, new_cluster=OLD_RUNTIME))
    on_a_cluster = workspace.add_job(egg_job(old, existing_cluster_id="c-1"))
    refused = workspace.add_job(egg_job(old, new_cluster=NEWER_RUNTIME))

    document = deploy(workspace, eggs["1.5.0"])
    assert moved(document) == {job, on_a_cluster}
    assert reasons(document) == {refused: "runtime-refuses"}
    assert workspace.job(job)["tasks"][0]["libraries"] == [{"egg": new}]
    assert workspace.job(refused)["tasks"][0]["libraries"] == [{"egg": old}]
    assert old in workspace.files()

    ran = run_job(workspace, job)
    assert ran.succeeded, ran
    assert "driver 1.5.0 workers ['1.5.0']" in ran.logs
    assert eggs["1.5.0"].name in ran.logs
    failed = run_job(workspace, refused)
    assert not failed.succeeded
    assert "eggs are not supported on the runtime 15.4.x-scala2.12" in failed.error

    again = deploy(workspace, eggs["1.5.0"])
    assert again["outcome"] == "nothing-to-do"
