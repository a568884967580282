"""What would break a job that moves: a runtime that can't load the file, a main class that is gone.

Owns these refusals (facts A3 and A6), each as a reason and the sentence that says why and what to do.
Pure. What is not known refuses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.jobs.main_classes import classes_needed
from deployer.jobs.places import JsonObject, Place
from deployer.jobs.runtimes import Runtime, runtime_of
from deployer.library.model import Kind, Library
from deployer.plan.model import Reason

NO_EGGS = (14, 0)  # the first runtime that loads none
NO_DBFS = (15, 1)  # the first runtime that loads nothing from the DBFS root
_DBFS = "dbfs:"


def refusal(
    library: Library, root: str, settings: JsonObject, place: Place, clusters: Mapping[str, str]
) -> tuple[Reason, str] | None:
    """Why what runs `place` would not take `library` from `root`; None when nothing speaks against it.

    `clusters` has the `spark_version` of all-purpose clusters by their ids.
    """
    runtime = runtime_of(settings, place, clusters)
    why = _of_runtime(runtime, library, root) if runtime is not None else ""
    if why:
        return Reason.RUNTIME_REFUSES, why
    if library.kind is Kind.JAR:
        for name in classes_needed(settings, place):
            if name not in library.classes:
                return Reason.MAIN_CLASS_MISSING, f"{library.file_name} has no class {name}"
    return None


def depends_on_runtime(library: Library, root: str) -> bool:
    """Whether there are runtimes that would refuse `library` in `root`."""
    return library.kind is Kind.EGG or bool(library.scala) or root.startswith(_DBFS)


def _of_runtime(runtime: Runtime, library: Library, root: str) -> str:
    if library.kind is Kind.EGG and (runtime.serverless or runtime.is_at_least(*NO_EGGS)):
        return f"{runtime.name} loads no eggs: build a wheel, and point the task at it once"
    if root.startswith(_DBFS) and (runtime.serverless or runtime.is_at_least(*NO_DBFS)):
        return f"{runtime.name} loads nothing from the DBFS root: take a `root` in a volume"
    if _is_other_scala(library.scala, runtime.scala):
        return (
            f"{runtime.name} has Scala {runtime.scala}, the jar is for Scala {library.scala}: build "
            "it for the runtime's, or change the runtime"
        )
    return ""


def _is_other_scala(one: str, other: str) -> bool:
    """Whether code for these versions of Scala 2 can't work together; Scala 3 may use 2.13's."""
    return one.startswith("2.") and other.startswith("2.") and one != other
