"""Wheels of the package index: they upload, rewire and run on local Spark in the embedded workspace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.runs import run_job
from tests.pipeline.stage import ROOT, Stage, on_stage

pytestmark = [pytest.mark.network, pytest.mark.spark]

SCRIPT = """
import importlib, importlib.metadata, sys
name, module = sys.argv[1:]
importlib.import_module(module)
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("ran", name, importlib.metadata.version(name), "rows", spark.range(3).count())
"""
WHEELS = (
    ("quinn", "quinn", "0.10.0", "0.10.3"),
    ("chispa", "chispa", "0.11.0", "0.11.1"),
    ("delta-spark", "delta", "4.4.0", "4.4.1"),
    ("great-expectations", "great_expectations", "1.24.0", "1.24.1"),
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels, as the package index has them."""
    folder = tmp_path_factory.mktemp("wheels")
    pins = [f"{name}=={version}" for name, _, old, new in WHEELS for version in (old, new)]
    for pin in pins:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
        ]
        subprocess.run([*command, "--dest", str(folder), pin], check=True, timeout=300)
    return folder


@pytest.fixture
def stage(tmp_path: Path, run_cache: Path) -> Iterator[Stage]:
    with on_stage(tmp_path, cache=run_cache) as one:
        yield one


def one_wheel(folder: Path, name: str, version: str) -> Path:
    """The wheel of a version in `folder`."""
    (found,) = folder.glob(f"{name.replace('-', '_')}-{version}-*.whl")
    return found


@pytest.mark.parametrize(("name", "module", "old", "new"), WHEELS)
def test_a_real_wheel_uploads_rewires_and_runs(
    stage: Stage, wheels: Path, name: str, module: str, old: str, new: str
) -> None:
    old_file, new_file = one_wheel(wheels, name, old), one_wheel(wheels, name, new)
    stage.workspace.put_file(f"{ROOT}/{old_file.name}", old_file.read_bytes())
    stage.workspace.put_file("/Workspace/Shared/run.py", SCRIPT.encode())
    job = stage.workspace.add_job(
        {
            "name": f"uses {name}",
            "tasks": [
                {
                    "task_key": "main",
                    "new_cluster": {"spark_version": "17.3.x-scala2.13", "num_workers": 0},
                    "libraries": [{"whl": f"{ROOT}/{old_file.name}"}],
                    "spark_python_task": {
                        "python_file": "/Workspace/Shared/run.py",
                        "parameters": [name, module],
                    },
                }
            ],
        }
    )
    ended = stage.run("deploy", wheel=str(new_file), root=ROOT)
    assert ended.code == 0, ended.document["failure"]
    assert ended.moved == {job}
    logs = run_job(stage.workspace, job).logs
    assert f"ran {name} {new} rows 3" in logs
