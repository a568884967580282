"""Main classes of jar tasks, and whether they can come from one jar only.

Owns reading `spark_jar_task.main_class_name` and what else puts classes on a task's class path. Errs
on the side of others: only where no other source is seen, a class has to be in the jar.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.jobs.paths import is_unresolved
from deployer.jobs.places import JsonObject, Keyed, Place, elements
from deployer.jobs.runtimes import new_cluster_of, task_at, tasks_of

_NO_CLASSES = {"whl", "egg", "pypi", "cran", "requirements"}  # libraries that bring none for a JVM
_SOURCES = ("policy_id", "init_scripts", "docker_image")  # of a cluster, where jars may come from
_SPARK = "org.apache.spark."  # the runtime has these itself


def classes_needed(settings: JsonObject, place: Place) -> Iterator[str]:
    """The main classes that no other jar than the one at `place` can hold, as far as can be seen."""
    if place.steps[:1] == ("environments",):
        yield from _of_environment(settings, place)
        return
    task = task_at(settings, place)
    if _jars(task) == 1 and not _brings_jars(new_cluster_of(settings, task)):
        yield from _main_class(task)


def _of_environment(settings: JsonObject, place: Place) -> Iterator[str]:
    """The main classes of serverless tasks whose only jar stands at `place`."""
    environment = Place(place.steps[:2]).node(settings)
    spec = environment.get("spec") if isinstance(environment, dict) else None
    if not isinstance(spec, dict) or spec.get("base_environment"):
        return
    key = place.steps[1].value if isinstance(place.steps[1], Keyed) else None
    jars = spec.get("java_dependencies")
    if not isinstance(jars, list) or len(jars) != 1 or key is None:
        return
    for task in tasks_of(settings):
        if task.get("environment_key") == key and not _jars(task):
            yield from _main_class(task)


def _main_class(task: JsonObject) -> Iterator[str]:
    jar_task = task.get("spark_jar_task")
    name = jar_task.get("main_class_name") if isinstance(jar_task, dict) else None
    if isinstance(name, str) and name and not is_unresolved(name) and not name.startswith(_SPARK):
        yield name


def _jars(task: JsonObject) -> int:
    """How many libraries of `task` may bring classes: jars, Maven, `jar_uri`, and what is unknown."""
    listed = (one for _, one in elements(task, "libraries"))
    count = sum(not isinstance(one, dict) or not _NO_CLASSES.issuperset(one) for one in listed)
    jar_task = task.get("spark_jar_task")
    return count + bool(isinstance(jar_task, dict) and jar_task.get("jar_uri"))


def _brings_jars(cluster: JsonObject | None) -> bool:
    """Whether something of this description may put jars on the cluster; an existing one may have any."""
    if cluster is None or any(cluster.get(one) for one in _SOURCES):
        return True
    spark_conf = cluster.get("spark_conf")
    names = spark_conf if isinstance(spark_conf, dict) else {}
    return any("jars" in str(name) or "ClassPath" in str(name) for name in names)
