"""Job settings for tests: stored ones with one trait each, and generated ones.

`stored_settings()` are the files of tests/fixtures/jobs, one trait of real jobs each. The strategies make
settings as the API returns them (`job_settings`), and JSON that no API would return (`any_settings`).
All name the library `sales-metrics` under the root `/Volumes/main/libs/released` now and then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from deployer.jobs.inventory import Job, read_job
from deployer.library.model import Kind, Library
from deployer.plan.model import Plan
from deployer.plan.planner import Order, make_plan
from deployer.plan.policy import Policy, Rule

Settings = dict[str, Any]

NAME = "sales-metrics"
ROOT = "/Volumes/main/libs/released"
NEW = "1.4.0"
_FOLDER = Path(__file__).parent / "fixtures" / "jobs"


# ── The library ──────────────────────────────────────────────────────────────────────────────────


def wheel(version: str, name: str = "sales_metrics", tag: str = "py3-none-any") -> str:
    """A wheel's file name."""
    return f"{name}-{version}-{tag}.whl"


def library(version: str = NEW, kind: Kind = Kind.WHEEL, name: str = NAME) -> Library:
    """A library of that version; its bytes are nobody's."""
    file_name = {
        Kind.WHEEL: wheel(version, name.replace("-", "_")),
        Kind.JAR: f"{name}-{version}.jar",
        Kind.EGG: f"{name.replace('-', '_')}-{version}-py3.11.egg",
    }[kind]
    return Library(
        kind, canonicalize_name(name), name, Version(version), file_name, "ab" * 32, size=1234
    )


def order(version: str = NEW, **policy: Any) -> Order:
    """What a deployment of that version asks for; `policy` are fields of `Policy`."""
    return Order(library(version), ROOT, Policy(**policy))


def plan_for(*all_settings: Settings, order: Order | None = None) -> Plan:
    """The plan for jobs with these settings, whose ids are 1, 2, 3 …"""
    return make_plan(order or _ORDER, jobs_with(all_settings))


_ORDER = order()


def jobs_with(all_settings: Iterable[Settings]) -> list[Job]:
    """Jobs with these settings, whose ids are 1, 2, 3 …"""
    return [read_job(index, each) for index, each in enumerate(all_settings, start=1)]


# ── Written by hand ──────────────────────────────────────────────────────────────────────────────


def stored_settings() -> dict[str, Settings]:
    """The settings of tests/fixtures/jobs by the name of their trait."""
    files = sorted(_FOLDER.glob("*.json"))
    return {each.stem: json.loads(each.read_text("utf-8"))["settings"] for each in files}


def stored(trait: str) -> Settings:
    """The settings of one file of tests/fixtures/jobs."""
    return stored_settings()[trait]


def job_with(*libraries: str | Mapping[str, Any], **more: Any) -> Settings:
    """A job of one task with these libraries; a string is a wheel. `more` are further settings."""
    entries = [{"whl": each} if isinstance(each, str) else dict(each) for each in libraries]
    return {"name": "job", "tasks": [{"task_key": "main", "libraries": entries}], **more}


def job_with_lines(*lines: str) -> Settings:
    """A serverless job whose environment has these dependency lines."""
    environment = {"environment_key": "env", "spec": {"dependencies": list(lines)}}
    task = {"task_key": "main", "environment_key": "env"}
    return {"name": "job", "tasks": [task], "environments": [environment]}


def job_with_parameters(*parameters: Any) -> Settings:
    """A spark-submit job with these parameters."""
    task = {"task_key": "main", "spark_submit_task": {"parameters": list(parameters)}}
    return {"name": "job", "tasks": [task]}


# ── Generated ────────────────────────────────────────────────────────────────────────────────────

versions = st.one_of(
    st.sampled_from(["1.2.9", "1.2.10", "1.3.9", "1.4.0", "2.0.0", "0.4.1", "0.5.0", "1.4.1"]),
    st.sampled_from(["1.4.0rc1", "1.3.0.dev3", "1.2.0.post1", "1.2.0+abc.7", "1!0.1", "1.4"]),
    st.builds("{}.{}.{}".format, st.integers(0, 3), st.integers(0, 12), st.integers(0, 12)),
)

orders = st.builds(
    lambda version, kind, policy: Order(library(version, kind), ROOT, policy),
    st.one_of(st.sampled_from(["1.4.0", "1.12.13", "2.0.0"]), versions),
    st.sampled_from([Kind.WHEEL, Kind.WHEEL, Kind.JAR, Kind.EGG]),
    st.builds(
        Policy,
        st.sampled_from(Rule),
        st.frozensets(versions.map(Version), max_size=3),
        allow_prereleases=st.booleans(),
        move_owned=st.booleans(),
    ),
)

# Two thirds of all paths are files of the library inside the root: without them no plan would do a thing.
_names = st.sampled_from(
    ["sales_metrics", "Sales_Metrics", "sales-metrics", "sales.metrics", "other", "data-2"]
)
_file_names = st.one_of(
    st.builds(wheel, versions),
    st.builds(wheel, versions, _names),
    st.builds("{}-{}.jar".format, _names, versions),
    st.builds("{}-{}-{}.jar".format, _names, versions, st.sampled_from(["sources", "assembly"])),
    st.builds("{}-{}-py3.8.egg".format, _names, versions),
    st.builds("{}-{}-20250101-py3-none-any.whl".format, _names, versions),
    st.sampled_from(
        [
            "sales_metrics.whl",
            "sales_metrics-latest-py3-none-any.whl",
            "sales_metrics-*.whl",
            ".jar",
        ]
    ),
)
_inside = st.sampled_from(
    [
        ROOT,
        f"dbfs:{ROOT}",
        f"/dbfs{ROOT}",
        f"file://{ROOT}",
        "/Volumes/main/./libs//released",
        f"{ROOT}/2024/archive",
    ]
)
_outside = st.sampled_from(
    [
        f"{ROOT}/..",
        f"{ROOT}/../released",
        f"{ROOT}-old",
        "/Shared/libs",
        "s3://bucket/libs",
        "dbfs://main/libs",
        "{{job.parameters.root}}",
        "${var.root}/released",
        ".",
    ]
)
_folders = st.one_of(_inside, _inside, _outside)
paths = st.one_of(
    st.builds("{}/{}".format, _inside, st.builds(wheel, versions)),
    st.builds("{}/sales-metrics-{}.{}".format, _inside, versions, st.sampled_from(["jar", "egg"])),
    st.builds("{}/{}".format, _folders, _file_names),
)

_words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_extras = st.sampled_from(["", "[plots]", "[plots, excel]", " [a]"])
_tails = st.sampled_from(
    ["", " ", "  # why", " ; python_version >= '3.10'", " --hash=sha256:00", "#sha256=00", "\t"]
)
_starts = st.sampled_from(["", "  ", "sales-metrics @ ", "sales_metrics[a] @ file://"])
_quotes = st.sampled_from(["", "'", '"'])
_requirements = st.sampled_from(
    ["sales-metrics==1.2.0", "Sales_Metrics[a]>=1,<2", "numpy", "-r /Shared/r.txt", "# note", ""]
)
lines = st.one_of(
    st.builds(
        lambda start, quote, path, extras, tail: f"{start}{quote}{path}{extras}{quote}{tail}",
        _starts,
        _quotes,
        paths,
        _extras,
        _tails,
    ),
    _requirements,
    st.builds("--find-links {}".format, paths),
    _words,
)

_lists = st.lists(paths, min_size=1, max_size=4).flatmap(
    lambda each: st.sampled_from([",", ", ", " ,"]).map(lambda comma: comma.join(each))
)
parameters = st.one_of(
    st.builds(lambda files: ["--py-files", files, "/code/main.py"], _lists),
    st.builds(lambda files: [f"--py-files={files}", "/code/main.py"], _lists),
    st.builds(lambda files: [f"--py-files {files}", "/code/main.py", "--py-files", files], _lists),
    st.builds(lambda files, path: ["--jars", files, "--class", "A", path], _lists, paths),
    st.builds(lambda files, path: [f"--jars={files}", f"--files {files}", path], _lists, paths),
    st.builds(lambda files: [f" --jars  '{files}'", "--archives", files, "/main.jar"], _lists),
    st.builds(lambda files: ["--conf", f"spark.submit.pyFiles={files}", "/code/main.py"], _lists),
    st.lists(st.one_of(_words, paths), max_size=4),
)

_json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _words, paths),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_words, inner, max_size=3)
    ),
    max_leaves=6,
)

_libraries = st.lists(
    st.one_of(
        st.fixed_dictionaries({"whl": paths}),
        st.fixed_dictionaries({"whl": paths}, optional={"unknown": _json_values}),
        st.fixed_dictionaries({"jar": paths}),
        st.fixed_dictionaries({"egg": paths}),
        st.fixed_dictionaries({"requirements": paths}),
        st.builds(lambda package: {"pypi": {"package": package, "repo": ""}}, _requirements),
        st.just({"maven": {"coordinates": "com.example:sales-metrics:1.2.0", "exclusions": []}}),
    ),
    max_size=3,
)


_runtimes = st.sampled_from(
    [
        "13.3.x-scala2.12",
        "15.4.x-photon-scala2.12",
        "18.x-scala2.13",
        "custom:x",
        "auto:latest",
        "",
        7,
    ]
)


def _task(key: str, nested: bool) -> st.SearchStrategy[Settings]:
    optional: dict[str, st.SearchStrategy[Any]] = {
        "libraries": _libraries,
        "existing_cluster_id": st.just("0101-120000-abc"),
        "new_cluster": st.builds(lambda key: {"spark_version": key}, _runtimes),
        "job_cluster_key": st.just("shared"),
        "environment_key": st.sampled_from(["default", "spare"]),
        "spark_submit_task": st.builds(lambda each: {"parameters": each}, parameters),
        "notebook_task": st.builds(lambda each: {"base_parameters": {"x": each}}, paths),
        "spark_python_task": st.builds(lambda each: {"python_file": each}, paths),
        "spark_jar_task": st.one_of(
            st.builds(lambda each: {"jar_uri": each}, paths),
            st.builds(lambda name: {"main_class_name": name}, st.sampled_from(["a.Main", "", 7])),
        ),
        "future_task": _json_values,
    }
    if not nested:
        loop = _task("inner", nested=True).map(lambda task: {"inputs": "[1]", "task": task})
        optional["for_each_task"] = loop
    return st.fixed_dictionaries({"task_key": st.just(key)}, optional=optional)


def _environment(key: str) -> st.SearchStrategy[Settings]:
    spec = st.fixed_dictionaries(
        {"dependencies": st.lists(lines, max_size=4)},
        optional={"java_dependencies": st.lists(paths, max_size=2), "client": st.just("2")},
    )
    return st.builds(lambda each: {"environment_key": key, "spec": each}, spec)


def _keyed(names: list[str], make: Any, max_size: int) -> st.SearchStrategy[list[Settings]]:
    keys = st.lists(st.sampled_from(names), unique=True, max_size=max_size)
    return keys.flatmap(lambda each: st.tuples(*[make(key) for key in each]).map(list))


job_settings: st.SearchStrategy[Settings] = st.fixed_dictionaries(
    {
        "name": _words,
        "tasks": _keyed(["a", "b", "c/d", "e~f", "ü"], lambda key: _task(key, nested=False), 4),
    },
    optional={
        "environments": _keyed(["default", "Default", "spare"], _environment, 3),
        "job_clusters": st.builds(
            lambda key: [{"job_cluster_key": "shared", "new_cluster": {"spark_version": key}}],
            _runtimes,
        ),
        "libraries": _libraries,
        "parameters": st.lists(
            st.builds(lambda each: {"name": "p", "default": each}, paths), max_size=2
        ),
        "tags": st.dictionaries(
            st.sampled_from(["team", "spark-deploy.pin", "spark-deploy.pin.sales_metrics"]),
            st.sampled_from(["", "1", "1.4", "2.0.0", "true"]),
            max_size=1,
        ),
        "deployment": st.sampled_from(
            [{"kind": "BUNDLE"}, {"kind": "SYSTEM_MANAGED"}, {"kind": "NEW"}, {}, {}, {}, {}]
        ),
        "continuous": st.sampled_from([{"pause_status": "PAUSED"}, {}]),
        "queue": st.just({"enabled": True}),
        "unknown": _json_values,
    },
)
"""Settings as the API returns them: unique keys, known shapes, unknown fields here and there."""


@st.composite
def keyless_settings(draw: st.DrawFn) -> Settings:
    """Settings whose tasks and environments lack keys, share them, or have keys of another type."""
    made = draw(job_settings)
    for array, field in (("tasks", "task_key"), ("environments", "environment_key")):
        for each in made.get(array, []):
            each[field] = draw(st.sampled_from(["same", "own", None, 1, ["a"]]))
            if draw(st.booleans()):
                del each[field]
    return made


_hostile_words = st.one_of(
    paths, lines, st.text(max_size=20), st.sampled_from(["\0", "\ud800", "task_key", "a" * 5000])
)
_field_names = st.sampled_from(
    [
        "name", "tasks", "task_key", "libraries", "whl", "jar", "egg", "pypi", "package", "maven",
        "coordinates", "cran", "requirements", "environments", "environment_key", "spec",
        "dependencies", "java_dependencies", "base_environment", "spark_submit_task", "parameters",
        "spark_jar_task", "jar_uri", "for_each_task", "task", "tags", "spark-deploy.pin",
        "deployment", "kind", "metadata_file_path", "continuous", "existing_cluster_id", "queue",
        "new_cluster", "spark_version", "job_clusters", "job_cluster_key", "main_class_name",
    ]
)  # fmt: skip
_hostile_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _hostile_words),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(_field_names, st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=25,
)
any_settings: st.SearchStrategy[Settings] = st.dictionaries(
    st.one_of(_field_names, st.text(max_size=5)), _hostile_values, max_size=6
)
"""Any JSON object, most often with the names of real fields and values of the wrong type."""
