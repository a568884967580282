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
    if run_if not in _RUN_IF:
        run_if = "ALL_SUCCESS"
    if not results or _RUN_IF[run_if](results):
        return ""
    if run_if not in ("ALL_SUCCESS", "NONE_FAILED"):
        return EXCLUDED
    if any(each in (FAILED, UPSTREAM_FAILED) for each in results):
        return UPSTREAM_FAILED
    if any(each in (CANCELED, UPSTREAM_CANCELED) for each in results):
        return UPSTREAM_CANCELED
    return EXCLUDED


def verdict_of(
    task: Mapping[str, object], results: Mapping[str, str], outcomes: Mapping[str, str]
) -> str:
    """Whether a task runs whose dependencies have ended: empty for yes, else its result.

    A dependency may ask for one outcome of a condition task, ``"true"`` or ``"false"``.
    """
    for each in _depends_on(task):
        key, wanted = str(each.get("task_key")), each.get("outcome")
        if wanted is not None and results.get(key) == SUCCESS and outcomes.get(key) != wanted:
            return EXCLUDED
    upstream = [results[key] for key in dependencies(task) if key in results]
    return verdict(str(task.get("run_if", "")), upstream)


def dependencies(task: Mapping[str, object]) -> list[str]:
    """The keys of the tasks that have to end first."""
    return [str(each.get("task_key")) for each in _depends_on(task)]


def _depends_on(task: Mapping[str, object]) -> list[Mapping[str, object]]:
    found = task.get("depends_on")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


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
    inner = {key for task in tasks for key in dependencies(task)}
    leaves = [result for key, result in results.items() if key not in inner]
    if any(each == CANCELED for each in results.values()):
        return CANCELED
    # Tasks that wait for each other in a circle have no leaf among them.
    if any(each in _UNHAPPY for each in leaves or results.values()):
        return FAILED
    if any(each in _UNHAPPY for each in results.values()):
        return "SUCCESS_WITH_FAILURES"
    return SUCCESS
