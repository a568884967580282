"""How job settings are merged, ordered and cut into pages.

Owns: the pure rules of jobs/update, jobs/reset and of what jobs/get gives back (facts B2, B3). Must
not read or write state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.errors import JsonObject
from sandbox.options import Behaviour

PAGE = 100
"""Elements of one array in one answer (facts B2)."""
PAGED_ARRAYS = ("tasks", "job_clusters", "environments", "parameters")
"""The arrays of settings that are cut (Jobs API docs, jobs/get)."""
_KEYS = {
    "tasks": "task_key",
    "job_clusters": "job_cluster_key",
    "environments": "environment_key",
    "parameters": "name",
}
_REMOVABLE_ELEMENTS = ("tasks", "job_clusters")


def updated(
    settings: JsonObject,
    new: Mapping[str, Any],
    remove: Iterable[str],
    behaviour: Behaviour,
) -> JsonObject:
    """The settings after jobs/update.

    Given top-level fields replace; arrays with keys are merged, an element with a known key being
    replaced whole (facts B3). Fields to remove go first, so a field in both ends as given.

    Raises:
        ValueError: a path in ``remove`` goes deeper than ``tasks/<key>`` or ``job_clusters/<key>``.
    """
    result = dict(settings)
    for path in remove:
        _remove(result, path)
    merging = {
        "tasks": behaviour.tasks,
        "job_clusters": behaviour.tasks,
        "environments": behaviour.environments,
        "parameters": behaviour.parameters,
    }
    for name, value in new.items():
        if merging.get(name) == "merge" and isinstance(value, list):
            result[name] = _merged(result.get(name) or [], value, _KEYS[name])
        else:
            result[name] = value
    return result


def _merged(old: Sequence[Any], new: Sequence[Any], key: str) -> list[Any]:
    coming = {element.get(key): element for element in new}
    kept = [coming.pop(element.get(key), element) for element in old]
    return [*kept, *coming.values()]


def _remove(settings: JsonObject, path: str) -> None:
    name, _, element = path.partition("/")
    if not element:
        settings.pop(name, None)
    elif name in _REMOVABLE_ELEMENTS and "/" not in element:
        left = [each for each in settings.get(name, ()) if each.get(_KEYS[name]) != element]
        settings[name] = left
    else:
        raise ValueError(f"Removing nested field {path} is not supported.")


def reset(settings: JsonObject, new: JsonObject, behaviour: Behaviour) -> JsonObject:
    """The settings after jobs/reset: the new ones, but for run_as (facts B3)."""
    result = dict(new)
    if behaviour.reset_keeps_run_as and "run_as" not in new and "run_as" in settings:
        result["run_as"] = settings["run_as"]
    return result


def without_write_only(settings: JsonObject) -> JsonObject:
    """The settings without what the API takes and never gives back (facts B3)."""
    result = dict(settings)
    if isinstance(result.get("tasks"), list):
        result["tasks"] = [_plain_task(task) for task in result["tasks"]]
    if isinstance(result.get("job_clusters"), list):
        result["job_clusters"] = [_plain_cluster(each) for each in result["job_clusters"]]
    return result


def _plain_task(task: JsonObject) -> JsonObject:
    task = _plain_cluster(task)
    loop = task.get("for_each_task")
    if isinstance(loop, dict) and isinstance(loop.get("task"), dict):
        task = {**task, "for_each_task": {**loop, "task": _plain_task(loop["task"])}}
    return task


def _plain_cluster(holder: JsonObject) -> JsonObject:
    cluster = holder.get("new_cluster")
    if not isinstance(cluster, dict) or "apply_policy_default_values" not in cluster:
        return holder
    kept = {name: value for name, value in cluster.items() if name != "apply_policy_default_values"}
    return {**holder, "new_cluster": kept}


def with_defaults(settings: JsonObject) -> JsonObject:
    """The settings as jobs/create completes them.

    Source: the CLI's test server, which follows recordings of the service.
    """
    defaults: JsonObject = {
        "email_notifications": {},
        "webhook_notifications": {},
        "timeout_seconds": 0,
        "max_concurrent_runs": 1,
        "format": "MULTI_TASK",
    }
    of_task: JsonObject = {"run_if": "ALL_SUCCESS", "timeout_seconds": 0, "email_notifications": {}}
    result = {**defaults, **settings}
    if isinstance(settings.get("tasks"), list):
        result["tasks"] = [{**of_task, **task} for task in settings["tasks"]]
    return result


def as_returned(settings: JsonObject, behaviour: Behaviour) -> JsonObject:
    """The settings in the order in which the API gives them back (facts B2)."""
    result = dict(settings)
    tasks = result.get("tasks")
    if behaviour.sort_tasks and isinstance(tasks, list):
        result["tasks"] = sorted(map(_with_sorted_dependencies, tasks), key=_task_key)
    webhooks = result.get("webhook_notifications")
    if behaviour.shuffle_webhooks and isinstance(webhooks, dict):
        # Any other order will do; turned round is one that a test can rely on.
        result["webhook_notifications"] = {
            event: list(reversed(hooks)) if isinstance(hooks, list) else hooks
            for event, hooks in webhooks.items()
        }
    return result


def _task_key(task: JsonObject) -> str:
    return str(task.get("task_key", ""))


def _with_sorted_dependencies(task: JsonObject) -> JsonObject:
    depends_on = task.get("depends_on")
    if not isinstance(depends_on, list):
        return task
    return {**task, "depends_on": sorted(depends_on, key=_task_key)}


def cut(holder: JsonObject, names: Iterable[str], start: int) -> tuple[JsonObject, bool]:
    """One page of the named arrays, and whether more follows.

    An array without elements on this page is empty on later pages (facts B2).
    """
    result = dict(holder)
    more = False
    for name in names:
        array = holder.get(name)
        if isinstance(array, list):
            result[name] = array[start : start + PAGE]
            more = more or len(array) > start + PAGE
        elif start:
            result[name] = []
    return result, more
