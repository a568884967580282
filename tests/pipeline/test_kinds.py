"""Jars and eggs go the way of wheels: planned, deployed, found again, cleaned up; never mixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.earlier import deployed_before
from tests.jars import make_egg, make_jar
from tests.pipeline.stage import ROOT, Stage
from tests.wheels import make_wheel

OLD_RUNTIME = {"new_cluster": {"spark_version": "13.3.x-scala2.12"}}


@dataclass(frozen=True)
class Shipped:
    """One kind of library: how a version of it is made, and the field of a task's library."""

    field: str
    make: Callable[[str], tuple[str, bytes]]

    def name(self, version: str) -> str:
        """The file name of a version."""
        return self.make(version)[0]

    def path(self, version: str, root: str = ROOT) -> str:
        """The path of a version in a root."""
        return f"{root}/{self.name(version)}"


WHEEL = Shipped("whl", lambda version: make_wheel("retail_metrics", version))
JAR = Shipped("jar", lambda version: make_jar("retail-metrics_2.12", version))
EGG = Shipped("egg", lambda version: make_egg("retail-metrics", version))
ASSEMBLY = Shipped("jar", lambda version: make_jar("retail", version, classifier="assembly"))
NEW_KINDS = pytest.mark.parametrize("kind", [JAR, EGG, ASSEMBLY], ids=["jar", "egg", "assembly"])


def build(stage: Stage, made: tuple[str, bytes]) -> None:
    """The only file in `dist/`."""
    dist = stage.folder / "dist"
    dist.mkdir(exist_ok=True)
    for old in dist.iterdir():
        old.unlink()
    (dist / made[0]).write_bytes(made[1])


def publish(stage: Stage, kind: Shipped, *versions: str) -> None:
    """Put versions into the root, as earlier deployments would have."""
    for version in versions:
        deployed_before(stage.workspace, ROOT, *kind.make(version))


def job(stage: Stage, *libraries: dict[str, Any], **task: Any) -> int:
    """A job on an old runtime with these libraries."""
    more = task or OLD_RUNTIME
    main = {"task_key": "main", "libraries": list(libraries), **more}
    return stage.workspace.add_job({"name": "a job", "tasks": [main]})


def named_by(stage: Stage, job_id: int) -> list[str]:
    """The file names in the first task's libraries."""
    libraries = stage.workspace.job(job_id)["tasks"][0]["libraries"]
    return [next(iter(each.values())).rpartition("/")[2] for each in libraries]


def in_root(stage: Stage) -> set[str]:
    return {path.rpartition("/")[2] for path in stage.files() if path.startswith(ROOT)}


@NEW_KINDS
def test_a_library_of_any_kind_is_planned_deployed_and_then_there_is_nothing_to_do(
    stage: Stage, kind: Shipped
) -> None:
    publish(stage, kind, "1.1.0", "1.2.0", "1.3.0")
    older = job(stage, {kind.field: kind.path("1.2.0")})
    spelled = job(stage, {kind.field: f"dbfs:{kind.path('1.3.0')}"})
    next_major = job(stage, {kind.field: kind.path("2.0.0")})
    build(stage, kind.make("1.4.0"))

    planned = stage.plan(wheel="dist/*")
    assert (planned.code, planned.planned) == (0, {older, spelled})
    assert kind.name("1.4.0") not in in_root(stage)

    deployed = stage.deploy(wheel="dist/*", expected_plan_digest=planned.document["plan"]["digest"])
    assert (deployed.code, deployed.document["outcome"]) == (0, "succeeded")
    assert deployed.moved == {older, spelled}
    assert deployed.outputs["previous-version"] == "1.3.0"
    assert deployed.outputs["version"] == "1.4.0"
    assert deployed.outputs["wheel-path"].endswith(kind.name("1.4.0"))
    assert named_by(stage, older) == named_by(stage, spelled) == [kind.name("1.4.0")]
    assert named_by(stage, next_major) == [kind.name("2.0.0")]
    assert in_root(stage) == {kind.name(each) for each in ("1.2.0", "1.3.0", "1.4.0")}
    assert deployed.outputs["removed-versions"] == "1.1.0"
    assert deployed.reasons == {next_major: "another-major"}

    again = stage.deploy(wheel="dist/*")
    assert (again.code, again.document["outcome"]) == (0, "nothing-to-do")
    assert again.document["plan"]["digest"] != planned.document["plan"]["digest"]

    back = stage.run("rollback", root=ROOT)
    assert (back.code, back.moved) == (0, {older, spelled})
    assert named_by(stage, older) == [kind.name("1.2.0")]
    assert named_by(stage, spelled) == [kind.name("1.3.0")]


def test_kinds_and_classifiers_never_replace_or_remove_each_other(stage: Stage) -> None:
    sources = Shipped("jar", lambda v: make_jar("retail_metrics", v, classifier="sources"))
    plain = Shipped("jar", lambda v: make_jar("retail_metrics", v))
    kinds = [WHEEL, EGG, plain, sources]
    for kind in kinds:
        publish(stage, kind, "1.1.0", "1.2.0")
    one = job(stage, *({kind.field: kind.path("1.2.0")} for kind in kinds))
    build(stage, plain.make("1.4.0"))
    ended = stage.deploy(wheel="dist/*.jar")
    assert ended.moved == {one}
    assert named_by(stage, one) == [
        WHEEL.name("1.2.0"), EGG.name("1.2.0"), plain.name("1.4.0"), sources.name("1.2.0")
    ]  # fmt: skip
    assert sorted(each["reason"] for each in ended.document["plan"]["untouched"]) == [
        "another-classifier",
        "another-kind",
        "another-kind",
    ]
    others = {kind.name(each) for kind in (WHEEL, EGG, sources) for each in ("1.1.0", "1.2.0")}
    assert in_root(stage) == others | {plain.name("1.2.0"), plain.name("1.4.0")}
    assert "another build of the library" in ended.summary


def test_a_jar_moves_at_every_site_that_names_it(stage: Stage) -> None:
    old, new = JAR.path("1.2.0"), JAR.path("1.4.0")
    tasks = [
        {"task_key": "jars", "spark_submit_task": {"parameters": [f"--jars={old},/b.jar", old]}},
        {"task_key": "uri", "spark_jar_task": {"jar_uri": old, "main_class_name": "com.acme.Main"}},
        {"task_key": "serverless", "environment_key": "e", "spark_jar_task": {}},
    ]
    spec = {"environment_version": "3", "java_dependencies": [old]}
    environments = [{"environment_key": "e", "spec": spec}]
    one = stage.workspace.add_job({"name": "jars", "tasks": tasks, "environments": environments})
    build(stage, JAR.make("1.4.0"))
    assert stage.deploy(wheel="dist/*.jar").moved == {one}
    after = stage.workspace.job(one)
    by_key = {each["task_key"]: each for each in after["tasks"]}
    assert by_key["jars"]["spark_submit_task"]["parameters"] == [f"--jars={new},/b.jar", new]
    assert by_key["uri"]["spark_jar_task"]["jar_uri"] == new
    assert after["environments"][0]["spec"]["java_dependencies"] == [new]


@NEW_KINDS
def test_a_version_is_published_once(stage: Stage, kind: Shipped) -> None:
    file_name, content = kind.make("1.4.0")
    build(stage, (file_name, content))
    stage.workspace.put_file(f"{ROOT}/{file_name}", content)
    assert stage.deploy(wheel="dist/*").document["outcome"] == "nothing-to-do"
    stage.workspace.put_file(f"{ROOT}/{file_name}", content + b"\n")
    assert stage.deploy(wheel="dist/*").document["failure"]["reason"] == "version-exists"


@NEW_KINDS
def test_upload_cleanup_and_status_know_every_kind(stage: Stage, kind: Shipped) -> None:
    publish(stage, kind, "1.2.0", "1.3.0", "2.0.0")
    used = job(stage, {kind.field: kind.path("1.3.0")})
    build(stage, kind.make("1.4.0"))

    uploaded = stage.run("upload", wheel="dist/*", root=ROOT)
    assert (uploaded.code, uploaded.document["outcome"]) == (0, "succeeded")
    assert kind.name("1.4.0") in in_root(stage)
    assert stage.run("upload", wheel="dist/*", root=ROOT).document["outcome"] == "nothing-to-do"

    listed = stage.run("status", wheel="dist/*").document["inventory"]
    assert [(e["job_id"], e["version"]) for e in listed] == [(used, "1.3.0")]
    assert listed[0]["kind"] == ("egg" if kind is EGG else "jar")

    cleaned = stage.run("cleanup", wheel="dist/*", root=ROOT)
    assert cleaned.code == 0
    assert in_root(stage) == {kind.name(each) for each in ("1.3.0", "1.4.0", "2.0.0")}


def test_cleanup_of_a_whole_root_keeps_the_newest_of_each_kind_and_classifier(
    stage: Stage,
) -> None:
    for kind in (WHEEL, JAR, EGG, ASSEMBLY):
        publish(stage, kind, "1.2.0", "1.3.0")
    stage.run("cleanup", root=ROOT)
    assert in_root(stage) == {kind.name("1.3.0") for kind in (WHEEL, JAR, EGG, ASSEMBLY)}


# What runtimes refuse


def test_an_egg_stays_off_clusters_that_load_none_and_the_report_says_why(stage: Stage) -> None:
    for cluster_id, key in (("new", "15.4.x-scala2.12"), ("old", "13.3.x-scala2.12")):
        stage.workspace.put("clusters", {"cluster_id": cluster_id, "spark_version": key})
    library = {"egg": EGG.path("1.2.0")}
    refused = job(stage, library, existing_cluster_id="new")
    moved = job(stage, library, existing_cluster_id="old")
    own = job(stage, library, new_cluster={"spark_version": "14.3.x-scala2.12"})
    build(stage, EGG.make("1.4.0"))
    ended = stage.deploy(wheel="dist/*.egg")
    assert ended.moved == {moved}
    assert ended.reasons == {refused: "runtime-refuses", own: "runtime-refuses"}
    assert "on a runtime that refuses the file" in ended.summary
    assert "runtime 15.4 loads no eggs: build a wheel" in ended.summary


def test_a_wheel_never_asks_for_the_runtimes_of_clusters(stage: Stage) -> None:
    stage.workspace.put("clusters", {"cluster_id": "0101", "spark_version": "15.4.x-scala2.12"})
    one = job(stage, {"whl": WHEEL.path("1.2.0")}, existing_cluster_id="0101")
    build(stage, WHEEL.make("1.4.0"))
    before = len(stage.workspace.calls("GET", "/clusters/list"))
    assert stage.plan(cleanup="false").planned == {one}
    wheels = len(stage.workspace.calls("GET", "/clusters/list")) - before
    job(stage, {"egg": EGG.path("1.2.0")}, existing_cluster_id="0101")
    build(stage, EGG.make("1.4.0"))
    stage.plan(wheel="dist/*.egg", cleanup="false")
    eggs = len(stage.workspace.calls("GET", "/clusters/list")) - before - wheels
    assert eggs == wheels + 1


def test_a_jar_task_keeps_its_jar_when_the_new_one_lacks_its_main_class(stage: Stage) -> None:
    task = {**OLD_RUNTIME, "spark_jar_task": {"main_class_name": "com.acme.Gone"}}
    lost = job(stage, {"jar": JAR.path("1.2.0")}, **task)
    unsure = job(stage, {"jar": JAR.path("1.2.0")}, {"jar": "/Volumes/a/b/c/other.jar"}, **task)
    build(stage, JAR.make("1.4.0"))
    ended = stage.deploy(wheel="dist/*.jar")
    assert ended.moved == {unsure}
    assert ended.reasons == {lost: "main-class-missing"}
    assert "has no class com.acme.Gone" in ended.summary


# Bad files


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (make_jar("etl", "1.0", file_name="etl.jar"), "give the file a name such as etl-1.0.jar"),
        (make_jar("etl", "1.0", poms=[("etl", "2.0")]), "by its pom.properties"),
        (("etl-1.0-py3.8.egg", b"PK"), "is no complete zip archive"),
        (("etl-1.0.zip", b"PK"), "is no wheel, jar or egg"),
    ],
)
def test_a_file_that_is_no_sound_library_changes_nothing(
    stage: Stage, made: tuple[str, bytes], told: str
) -> None:
    build(stage, made)
    ended = stage.deploy(wheel="dist/*")
    failure = ended.document["failure"]
    assert (ended.code, failure["reason"]) == (2, "invalid-library")
    assert told in f"{failure['title']} {failure['remedy']}"
    assert in_root(stage) == set()
