"""Which compute executes a place of a job's settings, and what its runtime is.

Owns the reading of `spark_version` keys (facts A6) and the way from a place to its compute. What is not
certain is None: an unknown runtime must never hold a job back. What a runtime refuses is the plan's
business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployer.jobs.places import KEY_FIELDS, JsonObject, Place, elements

# 15.4.x-scala2.12, 13.3.x-aarch64-photon-scala2.12, 16.4.x-cpu-ml-scala2.13, 18.x-scala2.13. Keys
# such as custom:… and auto:latest-lts are decided elsewhere, and tell nothing for certain.
_KEY = re.compile(r"(\d{1,3})\.(?:(\d{1,3})\.)?x(?:-[a-z0-9-]+?)?(?:-scala(\d\.\d{1,2}))?")
_SCALA_FROM = 4  # the first serverless environment that runs jars; from it on Scala is 2.13
_SERVERLESS_SCALA = "2.13"


@dataclass(frozen=True)
class Runtime:
    """A runtime as far as it is known; `name` is how people know it.

    `minor` is None where the key leaves it open; `scala` is "" where it is unknown.
    """

    name: str
    major: int | None = None
    minor: int | None = None
    scala: str = ""
    serverless: bool = False

    def is_at_least(self, major: int, minor: int) -> bool:
        """Whether it certainly is Databricks Runtime `major.minor` or later."""
        if self.major is None:
            return False
        return self.major > major or (self.major == major and (self.minor or 0) >= minor)


def parse_runtime(key: str) -> Runtime | None:
    """The runtime that a `spark_version` names; None for keys that name none for certain.

    >>> parse_runtime("15.4.x-photon-scala2.12")
    Runtime(name='runtime 15.4', major=15, minor=4, scala='2.12', serverless=False)
    """
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    major, minor, scala = found.groups()
    name = f"runtime {major}" + (f".{minor}" if minor else "")
    return Runtime(name, int(major), int(minor) if minor else None, scala or "")


def runtime_of(settings: JsonObject, place: Place, clusters: Mapping[str, str]) -> Runtime | None:
    """The runtime that executes what stands at `place`; None when it is not known.

    `clusters` has the `spark_version` of all-purpose clusters by their ids.
    """
    if place.steps[:1] == ("environments",):
        environment = Place(place.steps[:2]).node(settings)
        return None if _is_of_clusters(settings, environment) else _serverless(environment)
    task = task_at(settings, place)
    cluster = new_cluster_of(settings, task)
    if cluster is not None:
        version = cluster.get("spark_version")
    elif existing_cluster_at(settings, place):
        version = clusters.get(existing_cluster_at(settings, place))
    else:
        return _serverless(_named(settings, "environments", task.get("environment_key")))
    return parse_runtime(version) if isinstance(version, str) else None


def tasks_of(settings: JsonObject) -> Iterator[JsonObject]:
    """All tasks, and what loops repeat."""
    for _, outer in elements(settings, "tasks"):
        task = outer
        while isinstance(task, dict):
            yield task
            loop = task.get("for_each_task")
            task = loop.get("task") if isinstance(loop, dict) else None


def task_at(settings: JsonObject, place: Place) -> JsonObject:
    """The innermost task around `place`, which is what a loop repeats; {} outside of tasks."""
    if place.steps[:1] != ("tasks",):
        return {}
    depth = 2
    while place.steps[depth : depth + 2] == ("for_each_task", "task"):
        depth += 2
    task = Place(place.steps[:depth]).node(settings)
    return task if isinstance(task, dict) else {}


def existing_cluster_at(settings: JsonObject, place: Place) -> str:
    """The id of the all-purpose cluster that executes `place`; "" when none does."""
    found = task_at(settings, place).get("existing_cluster_id")
    return found if isinstance(found, str) else ""


def new_cluster_of(settings: JsonObject, task: JsonObject) -> JsonObject | None:
    """The description of the job's own cluster that executes `task`; None when none does."""
    own = task.get("new_cluster")
    if isinstance(own, dict):
        return own
    shared = _named(settings, "job_clusters", task.get("job_cluster_key"))
    described = shared.get("new_cluster") if shared is not None else None
    return described if isinstance(described, dict) else None


def _named(settings: JsonObject, array: str, key: object) -> JsonObject | None:
    """The element of `array` that `key` names; None when there is none."""
    field = KEY_FIELDS[array]
    for _, one in elements(settings, array):
        if isinstance(one, dict) and isinstance(key, str) and one.get(field) == key:
            return one
    return None


def _is_of_clusters(settings: JsonObject, environment: object) -> bool:
    """Whether a task that names this environment runs on a cluster all the same."""
    key = environment.get("environment_key") if isinstance(environment, dict) else None
    users = (task for task in tasks_of(settings) if task.get("environment_key") == key)
    return any(
        {"new_cluster", "job_cluster_key", "existing_cluster_id"} & each.keys() for each in users
    )


def _serverless(environment: object) -> Runtime | None:
    """Serverless compute with this environment; its version used to be called `client`."""
    if environment is None:
        return None
    spec = environment.get("spec") if isinstance(environment, dict) else None
    spec = spec if isinstance(spec, dict) else {}
    version = spec.get("environment_version") or spec.get("client")
    known = isinstance(version, str) and re.fullmatch(r"\d{1,3}", version) is not None
    scala = _SERVERLESS_SCALA if known and int(str(version)) >= _SCALA_FROM else ""
    return Runtime("serverless compute", scala=scala, serverless=True)
