"""The states of runs and tasks, and what follows from which.

Owns: the two forms of a state (2.1 and 2.2), run_if, the result of a run. Pure. Source: the Jobs API
docs (RunState, RunStatus, RunIf).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from sandbox.errors import JsonObject

ACTIVE = ("QUEUED", "PENDING", "RUNNING", "TERMINATING", "BLOCKED", "WAITING_FOR_RETRY")
"""Life-cycle states of a run that is not over (facts B6)."""
SUCCESS, FAILED, CANCELED = "SUCCESS", "FAILED", "CANCELED"
UPSTREAM_FAILED, UPSTREAM_CANCELED, EXCLUDED = "UPSTREAM_FAILED", "UPSTREAM_CANCELED", "EXCLUDED"
_CODES = {
    SUCCESS: "SUCCESS",
    "SUCCESS_WITH_FAILURES": "SUCCESS_WITH_FAILURES",
    FAILED: "RUN_EXECUTION_ERROR",
    CANCELED: "USER_CANCELED",
    "MAXIMUM_CONCURRENT_RUNS_REACHED": "MAX_CONCURRENT_RUNS_EXCEEDED",
    EXCLUDED: "SKIPPED",
    UPSTREAM_FAILED: "SKIPPED",
    UPSTREAM_CANCELED: "SKIPPED",
}
_UNHAPPY = (FAILED, CANCELED, UPSTREAM_FAILED, UPSTREAM_CANCELED, "TIMEDOUT")


def state(life_cycle: str, result: str = "", message: str = "") -> JsonObject:
    """The fields ``state`` (all versions) and ``status`` (2.2) of a run or task."""
    old: JsonObject = {"life_cycle_state": life_cycle, "state_message": message}
    over = life_cycle not in ACTIVE
    if over:
        old |= {"result_state": result, "user_cancelled_or_timedout": result == CANCELED}
    else:
        old["user_cancelled_or_timedout"] = False
    new: JsonObject = {"state": "TERMINATED" if over else life_cycle}
    if over:
        kind = "SUCCESS" if result in (SUCCESS, "SUCCESS_WITH_FAILURES") else "CLIENT_ERROR"
        code = _CODES.get(result, result)
        new["termination_details"] = {"code": code, "type": kind, "message": message}
    return {"state": old, "status": new}


def _all_succeeded(results: Sequence[str]) -> bool:
    return all(each == SUCCESS for each in results)


_RUN_IF: Mapping[str, Callable[[Sequence[str]], bool]] = {
    "ALL_SUCCESS": _all_succeeded,
    "ALL_DONE": lambda _: True,
    "ALL_FAILED": lambda results: all(each == FAILED for each in results),
    "AT_LEAST_ONE_FAILED": lambda results: any(each == FAILED for each in results),
    "AT_LEAST_ONE_SUCCESS": lambda results: any(each == SUCCESS for each in results),
    "NONE_FAILED": lambda results: not any(each in _UNHAPPY for each in results),
}


def verdict(run_if: str, results: Sequence[str]) -> str:
    """Whether a task whose dependencies ended so runs: empty for yes, else its result."""
    if not results or _RUN_IF.get(run_if, _all_succeeded)(results):
        return ""
    if run_if not in ("ALL_SUCCESS", "NONE_FAILED"):
        return EXCLUDED
    if any(each in (FAILED, UPSTREAM_FAILED) for each in results):
        return UPSTREAM_FAILED
    if any(each in (CANCELED, UPSTREAM_CANCELED) for each in results):
        return UPSTREAM_CANCELED
    return EXCLUDED


def dependencies(task: Mapping[str, object]) -> list[str]:
    """The keys of the tasks that have to end first."""
    depends_on = task.get("depends_on")
    if not isinstance(depends_on, list):
        return []
    return [str(each.get("task_key")) for each in depends_on if isinstance(each, dict)]


def ready(
    tasks: Mapping[str, Mapping[str, object]],
    started: Container[str],
    results: Mapping[str, str],
) -> list[str]:
    """The keys of tasks that can start: not started, and everything they depend on has ended.

    A dependency on a task that does not exist holds nothing up.
    """
    return [
        key
        for key, task in tasks.items()
        if key not in started
        and all(each in results for each in dependencies(task) if each in tasks)
    ]


def run_result(tasks: Iterable[Mapping[str, object]], results: Mapping[str, str]) -> str:
    """The result of a run: that of its leaves (Jobs docs, "job run result state")."""
    tasks = list(tasks)
    inner = {key for task in tasks for key in dependencies(task)}
    leaves = [results[str(t["task_key"])] for t in tasks if str(t["task_key"]) not in inner]
    if any(each == CANCELED for each in results.values()):
        return CANCELED
    if any(each in _UNHAPPY for each in leaves):
        return FAILED
    if any(each in _UNHAPPY for each in results.values()):
        return "SUCCESS_WITH_FAILURES"
    return SUCCESS
