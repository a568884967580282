"""Which runtime executes a task, and what that runtime refuses.

Owns: the reading of ``spark_version`` keys, and the refusals of eggs, DBFS libraries and jars for
another Scala (facts A3). Pure. Must not read files or run anything.

The embedded workspace has one Spark, whatever the key says: a key decides what is refused, not which
version of Spark runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

OUR_SCALA: Final = "2.13"
"""The Scala that the Spark of the embedded workspace is built with."""

_KEY: Final = re.compile(r"(?P<major>\d+)\.(?P<minor>\d+|x)\.")
_KEY_SCALA: Final = re.compile(r"-scala(?P<scala>\d+\.\d+)")
_JAR_SCALA: Final = re.compile(r"_(?P<scala>2\.1\d)(?:-[^/]*)?\.jar", re.IGNORECASE)
_WITHOUT_EGGS: Final = (14, 0)
_WITHOUT_DBFS: Final = (15, 1)


@dataclass(frozen=True)
class Runtime:
    """What executes a task. A key that says no version counts as the newest runtime.

    `key` is the ``spark_version`` as the settings have it; empty where they name none, and for
    serverless compute, which has none.
    """

    key: str = ""
    serverless: bool = False

    @property
    def version(self) -> tuple[int, int] | None:
        """Major and minor version; None for serverless, and for keys such as ``custom:…``."""
        found = _KEY.match(self.key)
        if not found:
            return None
        return int(found["major"]), 0 if found["minor"] == "x" else int(found["minor"])

    @property
    def scala(self) -> str:
        """The Scala of the key; where it names none, ours."""
        found = _KEY_SCALA.search(self.key)
        return found["scala"] if found else OUR_SCALA

    def __str__(self) -> str:
        """The runtime as a message names it."""
        if self.serverless:
            return "serverless compute"
        return f"the runtime {self.key}" if self.key else "the newest runtime"

    @property
    def takes_eggs(self) -> bool:
        """Eggs are gone from 14.0 on, and serverless never had them (facts A3)."""
        return self.version is not None and self.version < _WITHOUT_EGGS

    @property
    def takes_dbfs_libraries(self) -> bool:
        """Libraries in DBFS are refused from 15.1 on, and by serverless compute (facts A3)."""
        return self.version is not None and self.version < _WITHOUT_DBFS


SERVERLESS: Final = Runtime(serverless=True)
"""Serverless compute, of whatever environment version."""


def runtime_of(
    task: Mapping[str, object],
    settings: Mapping[str, object],
    version_of_cluster: Callable[[str], str],
) -> Runtime:
    """The runtime that the settings of a task and of its job lead to.

    Args:
        task: the raw settings of a task, or of the one inside a for_each_task.
        settings: the raw settings of the job, for `job_clusters`.
        version_of_cluster: the ``spark_version`` of an all-purpose cluster; empty when unknown.
    """
    if isinstance(task.get("environment_key"), str):
        return SERVERLESS
    if isinstance(cluster := task.get("existing_cluster_id"), str):
        return Runtime(version_of_cluster(cluster))
    new = task.get("new_cluster")
    if isinstance(key := task.get("job_cluster_key"), str):
        shared = settings.get("job_clusters")
        for each in shared if isinstance(shared, list) else []:
            if isinstance(each, Mapping) and each.get("job_cluster_key") == key:
                new = each.get("new_cluster")
    version = new.get("spark_version") if isinstance(new, Mapping) else None
    return Runtime(version if isinstance(version, str) else "")


def scala_of_jar(file_name: str) -> str:
    """The Scala that a jar's name says it was built for, `_2.12` before its version; else nothing."""
    found = _JAR_SCALA.search(file_name)
    return found["scala"] if found else ""
