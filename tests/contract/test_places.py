"""docs/places.md says of every place what happens to a library there; here each line is proved.

For wheel, jar and egg one workspace holds all places that the kind can stand in, and one plan is made
of it, as a user would. Each line of the table has the one place of its name; a line without a place, and
a place without a line, are faults.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployer.library.model import Kind
from deployer.report.elsewhere import LISTED, advice
from deployer.report.reasons import explanation, group_of
from sandbox.server import Sandbox
from tests.pipeline.stage import ROOT, Ended, on_stage
from tests.wheels import make_wheel

DOCUMENT = Path(__file__).parents[2] / "docs" / "places.md"
LINE = re.compile(r"^\| (?!place |---)(.+) \|$", re.M)
OLD, NEW = "1.4.0", "1.5.0"
REWIRED, REPORTED, NOT_VISIBLE, NO_VERSION = "rewired", "reported", "not visible", "no version"
WHEEL, JAR, EGG = Kind.WHEEL, Kind.JAR, Kind.EGG
PYTHON, ALL = (WHEEL, EGG), (WHEEL, JAR, EGG)
CLUSTER = {"spark_version": "13.3.x-scala2.12", "num_workers": 1}  # loads eggs, too


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    place: str
    kinds: frozenset[str]
    happens: str
    says: str
    test: str


def _lines() -> Iterator[Line]:
    for cells in LINE.findall(DOCUMENT.read_text(encoding="utf-8")):
        place, kinds, _example, happens, says, test = re.split(r" (?<!\\)\| ", cells)
        yield Line(place, frozenset(kinds.split(", ")), happens, says, test.strip("`"))


LINES = {line.test: line for line in _lines()}


@dataclass(frozen=True)
class Place:
    """One place in the workspace; `mark` is in its job's name and in all ids and paths around it."""

    workspace: Sandbox
    kind: Kind
    mark: str

    @property
    def field(self) -> str:
        """The key of a library entry."""
        return {WHEEL: "whl", JAR: "jar", EGG: "egg"}[self.kind]

    @property
    def old(self) -> str:
        """The path of the old version."""
        return f"{ROOT}/{file_name(self.kind, OLD)}"

    @property
    def folder(self) -> str:
        """A workspace folder of this place."""
        return f"/Workspace/Shared/{self.mark}"

    def file(self, name: str, text: str) -> str:
        """A text file in the folder; its path."""
        self.workspace.put_file(f"{self.folder}/{name}", text.encode())
        return f"{self.folder}/{name}"

    def notebook(self, *lines: str) -> str:
        """A notebook in the folder; its path."""
        source = "\n".join(("# Databricks notebook source", *lines, ""))
        self.workspace.put_notebook(f"{self.folder}/notebook", source.encode())
        return f"{self.folder}/notebook"

    def task(self, **fields: Any) -> None:
        """A job of one task."""
        self.job(tasks=[{"task_key": "main", **fields}])

    def on_cluster(self, **fields: Any) -> None:
        """A job of one task on a cluster of its own."""
        self.task(new_cluster=CLUSTER, **fields)

    def environment(self, **spec: Any) -> None:
        """A job of one serverless task in this environment."""
        self.job(
            tasks=[{"task_key": "main", "environment_key": "default"}],
            environments=[{"environment_key": "default", "spec": spec}],
        )

    def job(self, **settings: Any) -> None:
        """The job of this place."""
        self.workspace.add_job({"name": self.mark, **settings})

    def cluster(self, **document: Any) -> None:
        """An all-purpose cluster, and the job that runs on it."""
        self.workspace.put("clusters", {"cluster_id": self.mark, **document})
        self.task(existing_cluster_id=self.mark)

    def policy(self, **document: Any) -> None:
        """A cluster policy, and the job whose cluster has it."""
        self.workspace.put("policies", {"policy_id": self.mark, "name": "policy", **document})
        self.task(new_cluster={**CLUSTER, "policy_id": self.mark})

    def pipeline(self, **spec: Any) -> None:
        """A pipeline, and the job that runs it."""
        self.workspace.put("pipelines", {"pipeline_id": self.mark, "name": "pipeline", **spec})
        self.task(pipeline_task={"pipeline_id": self.mark})

    def runs_notebook(self, *lines: str) -> None:
        """A job that runs a notebook with these lines."""
        self.task(notebook_task={"notebook_path": self.notebook(*lines)})

    @property
    def script(self) -> str:
        """An init script that has the old version installed."""
        install = "cp {} /databricks/jars/" if self.kind is JAR else "pip install {}"
        return self.file("init.sh", f"#!/bin/bash\n# setup\n{install.format(self.old)}\n")

    @property
    def on_index(self) -> dict[str, Any]:
        """The old version as a library from a package index."""
        if self.kind is JAR:
            return {"maven": {"coordinates": f"com.acme:retail-metrics:{OLD}"}}
        return {"pypi": {"package": f"retail-metrics=={OLD}"}}


def file_name(kind: Kind, version: str) -> str:
    """The library's file name."""
    return {
        WHEEL: f"retail_metrics-{version}-py3-none-any.whl",
        JAR: f"retail-metrics-{version}.jar",
        EGG: f"retail_metrics-{version}-py3.11.egg",
    }[kind]


def content(kind: Kind) -> bytes:
    """The new version's file."""
    if kind is WHEEL:
        return make_wheel("retail_metrics", NEW)[1]
    members = {
        JAR: {"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\n\r\n", "com/acme/Main.class": ""},
        EGG: {
            "EGG-INFO/PKG-INFO": f"Metadata-Version: 2.1\nName: retail-metrics\nVersion: {NEW}\n",
            "EGG-INFO/zip-safe": "\n",
            "retail_metrics/__init__.py": "",
        },
    }[kind]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return packed.getvalue()


# ── The places ───────────────────────────────────────────────────────────────────────────────────

Build = Callable[[Place], None]
PLACES: dict[str, tuple[tuple[Kind, ...], Build]] = {
    # In the settings of a job, and rewired.
    "task-library": (ALL, lambda at: at.on_cluster(libraries=[{at.field: at.old}])),
    "for-each-task": (
        ALL,
        lambda at: at.task(
            for_each_task={
                "inputs": "[1]",
                "task": {
                    "task_key": "inner",
                    "new_cluster": CLUSTER,
                    "libraries": [{at.field: at.old}],
                },
            }
        ),
    ),
    "environment-dependency": (
        (WHEEL,),
        lambda at: at.environment(dependencies=[f"{at.old}[train]  # the library"]),
    ),
    "java-dependency": ((JAR,), lambda at: at.environment(java_dependencies=[at.old])),
    "py-files": (
        PYTHON,
        lambda at: at.on_cluster(
            spark_submit_task={"parameters": ["--py-files", f"{at.old},/Volumes/a/b/c/d.zip"]}
        ),
    ),
    "jars": (
        (JAR,),
        lambda at: at.on_cluster(
            spark_submit_task={"parameters": [f"--jars={at.old}", "--class", "com.acme.Main"]}
        ),
    ),
    "submit-application": (
        (JAR,),
        lambda at: at.on_cluster(
            spark_submit_task={"parameters": ["--class", "com.acme.Main", at.old]}
        ),
    ),
    "jar-uri": ((JAR,), lambda at: at.on_cluster(spark_jar_task={"jar_uri": at.old})),
    # In the settings of a job, and reported.
    "other-folder": (
        ALL,
        lambda at: at.on_cluster(
            libraries=[{at.field: f"/Volumes/a/b/c/{file_name(at.kind, OLD)}"}]
        ),
    ),
    "object-storage": (
        ALL,
        lambda at: at.on_cluster(libraries=[{at.field: f"s3://a/{file_name(at.kind, OLD)}"}]),
    ),
    "pypi-library": (PYTHON, lambda at: at.on_cluster(libraries=[at.on_index])),
    "maven-library": ((JAR,), lambda at: at.on_cluster(libraries=[at.on_index])),
    "cran-library": (
        ALL,
        lambda at: at.on_cluster(libraries=[{"cran": {"package": "retail-metrics"}}]),
    ),
    "environment-requirement": (
        (WHEEL,),
        lambda at: at.environment(dependencies=[f"retail-metrics[train]=={OLD}"]),
    ),
    "environment-url": (
        (WHEEL,),
        lambda at: at.environment(
            dependencies=[f"retail-metrics @ https://example.com/{file_name(at.kind, OLD)}"]
        ),
    ),
    "spark-conf": (
        ALL,
        lambda at: at.job(
            job_clusters=[
                {
                    "job_cluster_key": "main",
                    "new_cluster": {**CLUSTER, "spark_conf": {"spark.jars": at.old}},
                }
            ],
            tasks=[{"task_key": "main", "job_cluster_key": "main"}],
        ),
    ),
    "environment-variable": (
        ALL,
        lambda at: at.task(new_cluster={**CLUSTER, "spark_env_vars": {"PYTHONPATH": at.old}}),
    ),
    "submit-option": (
        ALL,
        lambda at: at.on_cluster(spark_submit_task={"parameters": ["--files", at.old, "a.py"]}),
    ),
    "python-file": (PYTHON, lambda at: at.on_cluster(spark_python_task={"python_file": at.old})),
    "task-parameter": (
        ALL,
        lambda at: at.on_cluster(
            spark_python_task={"python_file": "/Workspace/a.py", "parameters": ["--lib", at.old]}
        ),
    ),
    "base-parameter": (
        ALL,
        lambda at: at.on_cluster(
            notebook_task={"notebook_path": "/Workspace/a", "base_parameters": {"lib": at.old}}
        ),
    ),
    "job-parameter": (
        ALL,
        lambda at: at.job(parameters=[{"name": "lib", "default": at.old}], tasks=[]),
    ),
    "run-job-parameter": (
        ALL,
        lambda at: at.task(run_job_task={"job_id": 1, "job_parameters": {"lib": at.old}}),
    ),
    "dbt-command": (
        (WHEEL,),
        lambda at: at.task(dbt_task={"commands": [f"dbt run --vars '{{lib: {at.old}}}'"]}),
    ),
    "code-source": ((WHEEL,), lambda at: at.task(ai_runtime_task={"code_source_path": at.old})),
    "job-level-library": (ALL, lambda at: at.job(libraries=[{at.field: at.old}])),
    "job-level-cluster": (
        ALL,
        lambda at: at.job(new_cluster={**CLUSTER, "spark_conf": {"spark.files": at.old}}),
    ),
    "other-text": (ALL, lambda at: at.job(description=f"needs {at.old}")),
    # Outside of jobs, and reported.
    "requirements-file": (
        (WHEEL,),
        lambda at: at.on_cluster(
            libraries=[{"requirements": at.file("requirements.txt", f"numpy\n{at.old}\n")}]
        ),
    ),
    "requirements-line": (
        (WHEEL,),
        lambda at: at.environment(
            dependencies=[f"-r {at.file('requirements.txt', f'retail-metrics=={OLD}')}"]
        ),
    ),
    "nested-requirements": ((WHEEL,), lambda at: _nested(at, "-r")),
    "constraints": ((WHEEL,), lambda at: _nested(at, "--constraint")),
    "base-environment": (
        (WHEEL,),
        lambda at: at.environment(
            base_environment=at.file(
                "env.yaml", f"environment_version: '4'\ndependencies:\n  - numpy\n  - {at.old}\n"
            )
        ),
    ),
    "ai-requirements": (
        (WHEEL,),
        lambda at: at.task(
            gen_ai_compute_task={
                "requirements_yaml_path": at.file(
                    "requirements.yaml", f"version: '4'\ndependencies:\n- {at.old}\n"
                )
            }
        ),
    ),
    "init-script": (
        ALL,
        lambda at: at.task(
            new_cluster={**CLUSTER, "init_scripts": [{"workspace": {"destination": at.script}}]}
        ),
    ),
    "cluster-library": (ALL, lambda at: at.cluster(libraries=[{at.field: at.old}])),
    "cluster-index": (ALL, lambda at: at.cluster(libraries=[at.on_index])),
    "cluster-requirements": (
        (WHEEL,),
        lambda at: at.cluster(libraries=[{"requirements": at.file("r.txt", at.old)}]),
    ),
    "cluster-setting": (ALL, lambda at: at.cluster(spark_conf={"spark.jars": at.old})),
    "cluster-variable": (ALL, lambda at: at.cluster(spark_env_vars={"LIBRARY": at.old})),
    "cluster-init-script": (
        ALL,
        lambda at: at.cluster(init_scripts=[{"workspace": {"destination": at.script}}]),
    ),
    "policy-library": (ALL, lambda at: at.policy(libraries=[{at.field: at.old}])),
    "policy-definition": (
        ALL,
        lambda at: at.policy(
            definition=json.dumps({"spark_conf.spark.jars": {"type": "fixed", "value": at.old}})
        ),
    ),
    "policy-init-script": (
        ALL,
        lambda at: at.policy(
            definition=json.dumps(
                {"init_scripts.0.workspace.destination": {"type": "fixed", "value": at.script}}
            )
        ),
    ),
    "pipeline-dependency": (
        (WHEEL,),
        lambda at: at.pipeline(environment={"dependencies": ["numpy", at.old]}),
    ),
    "pipeline-library": ((WHEEL, JAR), lambda at: at.pipeline(libraries=[{at.field: at.old}])),
    "pipeline-maven": ((JAR,), lambda at: at.pipeline(libraries=[at.on_index])),
    "pipeline-setting": (ALL, lambda at: at.pipeline(configuration={"lib": at.old})),
    "pipeline-notebook": (
        (WHEEL,),
        lambda at: at.pipeline(
            libraries=[{"notebook": {"path": at.notebook(f"# MAGIC %pip install {at.old}")}}]
        ),
    ),
    "notebook-pip": ((WHEEL,), lambda at: at.runs_notebook(f"# MAGIC %pip install {at.old}")),
    "notebook-index": (
        (WHEEL,),
        lambda at: at.runs_notebook(f"# MAGIC %pip install -U retail-metrics=={OLD}"),
    ),
    "notebook-shell": ((WHEEL,), lambda at: at.runs_notebook(f"!pip install '{at.old}'")),
    "notebook-requirements": (
        (WHEEL,),
        lambda at: at.runs_notebook(
            f"# MAGIC %pip install -r {at.file('r.txt', f'retail-metrics=={OLD}')}"
        ),
    ),
    "notebook-dbutils": (
        PYTHON,
        lambda at: at.runs_notebook(
            f'dbutils.library.installPyPI("retail-metrics", version="{OLD}")'
        ),
    ),
    "notebook-file": (PYTHON, lambda at: at.runs_notebook(f'sc.addPyFile("{at.old}")')),
    "notebook-environment": (
        (WHEEL,),
        lambda at: at.runs_notebook(
            "# /// script",
            "# [tool.databricks.environment]",
            "# dependencies = [",
            f'#   "{at.old}",',
            "# ]",
            "# ///",
        ),
    ),
    # Without a version.
    "package-name": (
        PYTHON,
        lambda at: at.on_cluster(
            python_wheel_task={"package_name": "retail-metrics", "entry_point": "main"}
        ),
    ),
    "run-job": (ALL, lambda at: at.task(run_job_task={"job_id": 1})),
    # Not visible.
    "git-notebook": (
        (WHEEL,),
        lambda at: at.job(
            git_source={"git_url": "https://example.com/a.git", "git_provider": "gitHub"},
            tasks=[
                {
                    "task_key": "main",
                    "notebook_task": {
                        "notebook_path": at.notebook(f"# MAGIC %pip install {at.old}")
                    },
                }
            ],
        ),
    ),
    "notebook-run": (
        (WHEEL,),
        lambda at: at.task(
            notebook_task={
                "notebook_path": f"{_second_notebook(at, '# MAGIC %run ./notebook')}",
            }
        ),
    ),
    "program": (
        PYTHON,
        lambda at: at.on_cluster(
            spark_python_task={
                "python_file": at.file("main.py", f'spark.sparkContext.addPyFile("{at.old}")')
            }
        ),
    ),
    "pipeline-file": (
        (WHEEL,),
        lambda at: at.pipeline(
            libraries=[{"file": {"path": at.file("dlt.py", f"# pip install {at.old}")}}]
        ),
    ),
    "stored-script": (
        ALL,
        lambda at: at.task(
            new_cluster={
                **CLUSTER,
                "init_scripts": [{"s3": {"destination": f"s3://a/{at.mark}.sh"}}],
            }
        ),
    ),
    "variable-path": (
        (WHEEL,),
        lambda at: at.environment(dependencies=["-r /Workspace/Shared/{{job.parameters.env}}.txt"]),
    ),
    "environment-id": (
        (WHEEL,),
        lambda at: at.environment(base_environment=f"workspace-base-environments/{at.mark}"),
    ),
    "default-environment": ((WHEEL,), lambda at: at.environment(environment_version="4")),
    "docker-image": (
        ALL,
        lambda at: at.task(new_cluster={**CLUSTER, "docker_image": {"url": f"acme/{at.mark}:1"}}),
    ),
    "global-init-script": (ALL, lambda at: at.on_cluster()),
    "sql-function": ((WHEEL,), lambda at: at.task(sql_task={"query": {"query_id": at.mark}})),
    "databricks-connect": ((WHEEL, JAR), lambda at: at.cluster()),
    "served-model": ((WHEEL,), lambda at: at.task(condition_task={"op": "EQUAL_TO"})),
    "run-parameter": (ALL, lambda at: at.job(parameters=[{"name": "lib", "default": ""}])),
}


def _nested(at: Place, option: str) -> None:
    at.file("below/more.txt", f"retail-metrics=={OLD}\n-r ../requirements.txt\n")
    path = at.file("requirements.txt", f"numpy\n{option} below/more.txt\n")
    at.on_cluster(libraries=[{"requirements": path}])


def _second_notebook(at: Place, line: str) -> str:
    at.notebook(f"# MAGIC %pip install {at.old}")
    at.workspace.put_notebook(f"{at.folder}/caller", f"{line}\n".encode())
    return f"{at.folder}/caller"


# ── The table and the places ─────────────────────────────────────────────────────────────────────


def test_every_line_has_its_place_and_every_place_its_line() -> None:
    assert len(LINES) == len(tuple(_lines()))
    assert list(LINES) == list(PLACES)


def test_every_line_says_what_happens_and_for_which_kinds() -> None:
    for name, line in LINES.items():
        assert line.happens in {REWIRED, REPORTED, NOT_VISIBLE, NO_VERSION}, name
        assert line.kinds == {kind.value for kind in PLACES[name][0]}, name
        assert line.says.endswith("."), name


def mark(name: str) -> str:
    """What tells one place from all others."""
    return f"x-{name}-x"


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Ended]:
    """One plan for each kind, of a workspace with all places in which it can stand."""
    found = {}
    for kind in ALL:
        with on_stage(tmp_path_factory.mktemp(kind.value)) as stage:
            for name, (kinds, build) in PLACES.items():
                if kind in kinds:
                    build(Place(stage.workspace, kind, mark(name)))
            dist = stage.folder / "dist"
            dist.mkdir()
            (dist / file_name(kind, NEW)).write_bytes(content(kind))
            found[kind] = stage.plan(wheel="dist/*")
    return found


def _told(ended: Ended, name: str) -> tuple[list[Any], list[Any], list[Any]]:
    """The rewires, the untouched references and the places elsewhere that are about one place."""
    document = ended.document
    changes = [one for one in document["plan"]["changes"] if one.get("job_name") == mark(name)]
    stays = [one for one in document["plan"]["untouched"] if one["job_name"] == mark(name)]
    elsewhere = [one for one in document["elsewhere"] if mark(name) in json.dumps(one)]
    return changes, stays, elsewhere


EACH = pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, (kinds, _) in PLACES.items() for kind in kinds]
)


@EACH
def test_what_the_line_says_is_what_happens(
    name: str, kind: Kind, plans: dict[Kind, Ended]
) -> None:
    line, ended = LINES[name], plans[kind]
    assert ended.code == 0, ended.printed
    changes, stays, elsewhere = _told(ended, name)
    match line.happens:
        case "rewired":
            (change,) = changes
            (one,) = change["references"]
            assert one["after"] == one["before"].replace(file_name(kind, OLD), file_name(kind, NEW))
            assert one["after"] != one["before"]
            assert (stays, elsewhere) == ([], [])
        case "reported" if stays:
            (stay,) = stays
            assert explanation(group_of(stay["reason"], stay["place"])).advice == line.says
            assert line.says.replace("`", "") in ended.summary.replace("`", "")
            assert (changes, elsewhere) == ([], [])
        case "reported":
            (one,) = elsewhere
            assert (one["version"], one["standing"]) == (OLD, "by-hand")
            assert [job["job_name"] for job in one["jobs"]] == [mark(name)]
            assert advice(one["where"], LISTED, "") == line.says
            assert NEW in one["advice"]
            assert changes == []
        case _:
            assert (changes, stays, elsewhere) == ([], [], [])


@pytest.mark.parametrize("kind", ALL)
def test_all_places_outside_of_jobs_are_in_the_summary(
    kind: Kind, plans: dict[Kind, Ended]
) -> None:
    places = plans[kind].document["elsewhere"]
    assert places
    assert (
        f"{len(places)} places elsewhere to change by hand" in plans[kind].summary.splitlines()[0]
    )
    assert plans[kind].document["warnings"] == []
