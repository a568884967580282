"""Reading raw JSON: narrow what came in, and put the pages of one document together.

Owns the merge of paged arrays (facts B2). Pure; must not call the API, and changes nothing else in
what the API gave (design.md rule 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployer.jobs.places import JsonObject

PAGE = 100
"""How many elements of an array jobs/list and jobs/get show at once (facts B1, B2)."""

JOB_ARRAYS: Mapping[str, str] = {
    "tasks": "task_key",
    "job_clusters": "job_cluster_key",
    "environments": "environment_key",
    "parameters": "name",
}
"""The paged arrays of job settings, and the key that names an element."""

RUN_ARRAYS: Mapping[str, str] = {
    "tasks": "run_id",
    "job_clusters": "job_cluster_key",
    "job_parameters": "name",
    "iterations": "run_id",
}
"""The same for a run."""


def text(value: object) -> str:
    """`value` if it is a string, else the empty string."""
    return value if isinstance(value, str) else ""


def number(value: object) -> int | None:
    """`value` if it is a whole number or a string of digits (ids come as both), else None."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def mapping(value: object) -> JsonObject:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[JsonObject]:
    """The JSON objects in `value` if it is an array, else nothing."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def merged(pages: Sequence[JsonObject], keys: Mapping[str, str]) -> JsonObject:
    """One document out of its pages; with one page, that page itself.

    Fields other than arrays are those of the first page. Arrays grow by what later pages add: an
    element whose key was seen is a repetition. An array that is not in `keys` grows only by a page
    that shows something else than the first did, so that a new paged field is not lost.
    """
    first, *later = pages
    if not later:
        return first
    whole = dict(first)
    for page in later:
        for name, value in page.items():
            if not isinstance(value, list) or not value:
                whole.setdefault(name, value)
                continue
            before = whole.get(name)
            have = before if isinstance(before, list) else []
            if name in keys:
                whole[name] = have + _unseen(have, value, keys[name])
            elif value != first.get(name):
                whole[name] = have + value
    return whole


def _unseen(have: list[object], more: list[object], key: str) -> list[object]:
    seen = {_name(each, key) for each in have}
    return [each for each in more if (name := _name(each, key)) is None or name not in seen]


def _name(element: object, key: str) -> object:
    name = element.get(key) if isinstance(element, dict) else None
    return name if isinstance(name, str | int) else None


def is_cut(job: JsonObject) -> bool:
    """Whether the view of a job in jobs/list may lack something that jobs/get shows.

    Besides `has_more`, which the documentation ties to tasks and job clusters only, that is an array
    as long as a page, and a task with an environment that is not there: no source says whether the
    list carries `environments`.
    """
    settings = mapping(job.get("settings"))
    if job.get("has_more") is True:
        return True
    if any(_length(settings.get(name)) >= PAGE for name in JOB_ARRAYS):
        return True
    known = {text(each.get("environment_key")) for each in objects(settings.get("environments"))}
    return not _environment_keys(objects(settings.get("tasks"))) <= known


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else 0


def _environment_keys(tasks: Sequence[JsonObject]) -> set[str]:
    """The environments that tasks name, those inside for_each tasks too."""
    found: set[str] = set()
    left = list(tasks)
    while left:
        task = left.pop()
        found.add(text(task.get("environment_key")))
        inner = mapping(task.get("for_each_task")).get("task")
        if isinstance(inner, dict):
            left.append(inner)
    return found - {""}
