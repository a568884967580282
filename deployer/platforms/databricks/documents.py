"""Reading raw JSON: narrow what came in, and put the pages of one document together.

Owns what counts as JSON, the merge of paged arrays (facts B2), and paths in addresses. Pure; must not
call the API, and changes nothing else in what the API gave (design.md rule 3).
"""

from __future__ import annotations

import json
import math
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import NoReturn

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


DEEPEST = 300
"""How deep JSON may be nested: real settings have some ten levels, and Python writes less than a thousand."""

_LARGEST_NUMBER = 2**63  # of the API's whole numbers


def parsed(content: bytes | str) -> object:
    """The JSON in `content`.

    Raises:
        ValueError: it is none, or none that can be sent back: with numbers that JSON does not know or
            that no machine holds, or nested deeper than `DEEPEST`.
    """
    try:
        document = json.loads(content, parse_constant=_no_json, parse_float=_finite)
    except RecursionError:
        raise ValueError("It is nested too deep.") from None
    level: list[object] = [document]
    for _ in range(DEEPEST):
        level = [each for one in level for each in _inside(one)]
        if not level:
            return document
    raise ValueError("It is nested too deep.")


def _inside(value: object) -> list[object]:
    """The arrays and objects right inside of one."""
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in found if isinstance(each, dict | list)]


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_json(digits)


def _no_json(said: str) -> NoReturn:
    raise ValueError(f"{said} is no number of JSON.")


def quoted(path: str, safe: str = "/") -> str:
    """`path` as part of an address; a lone surrogate becomes what no service takes for a path."""
    return urllib.parse.quote(path, safe=safe, errors="surrogatepass")


def text(value: object) -> str:
    """`value` if it is a string, else the empty string."""
    return value if isinstance(value, str) else ""


def number(value: object) -> int | None:
    """`value` if it is a whole number or a string of digits (ids come as both), else None.

    A number that does not fit into 64 bits is none of the API's.
    """
    if isinstance(value, str) and value.isdecimal() and len(value) < len(str(_LARGEST_NUMBER)) + 1:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if -_LARGEST_NUMBER <= value < _LARGEST_NUMBER else None


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
