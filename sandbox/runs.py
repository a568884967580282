"""The Runs API: run-now, submit, get, list, get-output, cancel.

Owns: these endpoints and how a run looks. Must not drive runs: runner.py does. Sources: facts B6 and
the Jobs API docs.
"""

from __future__ import annotations

import json
from typing import Any

from sandbox import merge
from sandbox.errors import ApiError, JsonObject, invalid_parameter, permission_denied
from sandbox.jobs import viewable
from sandbox.permissions import MANAGE, RUN, VIEW, need_run
from sandbox.routing import Call, Route, page_token, position_of, required, whole_number
from sandbox.run_states import ACTIVE, state
from sandbox.runner import Runner
from sandbox.store import now_ms

_LIST_LIMIT, _LIST_DEFAULT = 25, 20
_TOKEN_LENGTH = 64
_FAR = 2**62
_LOG_TAIL = 5 * 1024 * 1024
_PAGED_ARRAYS = ("tasks", "job_clusters", "job_parameters", "repair_history")
_TASK_OVERRIDES = {
    "python_params": ("parameters", ("python_wheel_task", "spark_python_task")),
    "python_named_params": ("named_parameters", ("python_wheel_task",)),
    "jar_params": ("parameters", ("spark_jar_task",)),
    "spark_submit_params": ("parameters", ("spark_submit_task",)),
    "notebook_params": ("base_parameters", ("notebook_task",)),
}


def new_run(
    runner: Runner,
    *,
    job_id: int,
    settings: JsonObject,
    creator: str,
    overrides: JsonObject,
    life_cycle: str = "PENDING",
    held: bool = False,
    run_type: str = "JOB_RUN",
) -> int:
    """Store a run with one run per task; nothing is started."""
    tasks = [_overridden(task, overrides) for task in settings.get("tasks") or []]
    parameters = _parameters(settings, overrides)
    body: JsonObject = {
        "job_id": job_id,
        "run_name": settings.get("name") or settings.get("run_name") or "Untitled",
        "creator_user_name": creator,
        "run_type": run_type,
        "trigger": "ONE_TIME",
        "start_time": now_ms(),
        "end_time": 0,
        "job_clusters": settings.get("job_clusters") or [],
        "job_parameters": [
            {"name": name, "value": value} for name, value in sorted(parameters.items())
        ],
        "overriding_parameters": {
            key: overrides[key] for key in _TASK_OVERRIDES if key in overrides
        },
        "tasks": [
            {**task, "attempt_number": 0, **_first_state(task, life_cycle)} for task in tasks
        ],
        **state(life_cycle),
    }
    plan = {"settings": settings, "tasks": tasks, "parameters": parameters, "held": held}
    return runner.rows.add(body, plan)


def _first_state(task: JsonObject, life_cycle: str) -> JsonObject:
    waits = life_cycle == "PENDING" and bool(task.get("depends_on"))
    return state("BLOCKED" if waits else life_cycle)


def _overridden(task: JsonObject, overrides: JsonObject) -> JsonObject:
    """The task with the parameters that run-now brought (Jobs API docs, run-now)."""
    result = dict(task)
    for name, (field, kinds) in _TASK_OVERRIDES.items():
        for kind in kinds:
            if name in overrides and isinstance(task.get(kind), dict):
                given = overrides[name]
                if isinstance(given, dict):
                    given = {**(task[kind].get(field) or {}), **given}
                result[kind] = {**task[kind], field: given}
    return result


def _parameters(settings: JsonObject, overrides: JsonObject) -> dict[str, str]:
    """Job parameters: the defaults, and what run-now overrides."""
    defaults = {each["name"]: each.get("default", "") for each in settings.get("parameters") or []}
    given = overrides.get("job_parameters") or {}
    return {str(name): str(value) for name, value in {**defaults, **given}.items()}


def run_now(call: Call) -> JsonObject:
    """POST jobs/run-now: queued or skipped where max_concurrent_runs is reached."""
    body = call.body(call.workspace.behaviour.request_limit)
    job_id = whole_number(body, "job_id")
    job = viewable(call, job_id)
    need_run(call.workspace.directory, call.user, job_id)
    known = _known(call, body, "run-now")
    if known:
        return {"run_id": known, "number_in_job": known}
    runner = call.workspace.runner
    full = runner.rows.active(job_id) >= int(job.settings.get("max_concurrent_runs") or 1)
    queueing = bool((job.settings.get("queue") or {}).get("enabled"))
    run_id = new_run(
        runner,
        job_id=job_id,
        settings=job.settings,
        creator=call.user.name,
        overrides=body,
        life_cycle="QUEUED" if full and queueing else "PENDING",
    )
    _remember(call, body, "run-now", run_id)
    if full and not queueing:
        runner.finish(
            run_id, "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED", "Too many runs are active."
        )
    elif not full:
        runner.start(run_id)
    return {"run_id": run_id, "number_in_job": run_id}


def submit(call: Call) -> JsonObject:
    """POST jobs/runs/submit: a run without a job."""
    body = call.body(call.workspace.behaviour.request_limit)
    known = _known(call, body, "submit")
    if known:
        return {"run_id": known}
    required(body, "tasks", list)
    run_id = new_run(
        call.workspace.runner,
        job_id=call.workspace.store.next_id(),
        settings=body,
        creator=call.user.name,
        overrides={},
        run_type="SUBMIT_RUN",
    )
    _remember(call, body, "submit", run_id)
    call.workspace.runner.start(run_id)
    return {"run_id": run_id}


def _known(call: Call, body: JsonObject, kind: str) -> int:
    """The run that the same idempotency token started before, or 0 (facts B6)."""
    token = str(body.get("idempotency_token") or "")
    if len(token) > _TOKEN_LENGTH:
        raise invalid_parameter(f"idempotency_token has more than {_TOKEN_LENGTH} characters.")
    found = call.workspace.store.row(
        "SELECT run_id FROM idempotency WHERE token = ? AND kind = ?", token, kind
    )
    if not token or not found:
        return 0
    if call.workspace.runner.rows.body(found[0]) is None:
        raise invalid_parameter(f"The run of idempotency_token {token} was deleted.")
    return int(found[0])


def _remember(call: Call, body: JsonObject, kind: str, run_id: int) -> None:
    token = str(body.get("idempotency_token") or "")
    if token:
        call.workspace.store.run(
            "INSERT INTO idempotency (token, kind, run_id) VALUES (?, ?, ?)", token, kind, run_id
        )


def _visible(call: Call, run: JsonObject) -> bool:
    if run["creator_user_name"] == call.user.name:
        return True
    return call.workspace.directory.job_reach(call.user, run["job_id"]) >= VIEW


def _run(call: Call, run_id: int) -> JsonObject:
    run = call.workspace.runner.rows.body(run_id)
    if run is None:
        raise invalid_parameter(f"Run {run_id} does not exist.")
    if not _visible(call, run):
        raise permission_denied(
            f"User {call.user.name} does not have View or Admin or Manage Run or Owner permissions"
            f" on job {run['job_id']}"
        )
    return {**run, "run_page_url": f"{call.workspace.url}/#job/{run['job_id']}/run/{run_id}"}


def get(call: Call) -> JsonObject:
    """GET jobs/runs/get, for a run or for the run of one task; 100 elements per page."""
    run_id = call.number("run_id")
    owner = call.workspace.runner.rows.output(run_id)
    if owner is not None:
        return _task_run(_run(call, owner[0]), run_id)
    start = position_of(call)
    run, more = merge.cut(_run(call, run_id), _PAGED_ARRAYS, start)
    if more and call.workspace.behaviour.array_paging:
        run |= {"has_more": True, "next_page_token": page_token(start + merge.PAGE)}
    return run if call.workspace.behaviour.array_paging else _run(call, run_id)


def _task_run(run: JsonObject, task_run_id: int) -> JsonObject:
    task = next(each for each in run["tasks"] if each["run_id"] == task_run_id)
    kept = ("job_id", "creator_user_name", "run_type", "run_page_url", "run_name")
    return {**{key: run[key] for key in kept}, **task, "job_run_id": run["run_id"], "tasks": [task]}


def list_runs(call: Call) -> JsonObject:
    """GET jobs/runs/list: the newest first."""
    limit = call.number("limit", _LIST_DEFAULT) or _LIST_LIMIT
    if not 1 <= limit <= _LIST_LIMIT:
        raise invalid_parameter(f"Invalid limit {limit}: it must be between 1 and {_LIST_LIMIT}.")
    active, completed = call.flag("active_only"), call.flag("completed_only")
    if active and completed:
        raise invalid_parameter("Only one of active_only and completed_only can be true.")
    rows = call.workspace.store.rows(
        "SELECT body FROM runs WHERE run_id < ? AND (? OR active = ?) AND (? = 0 OR job_id = ?)"
        " AND start_time BETWEEN ? AND ? ORDER BY run_id DESC",
        position_of(call) or _FAR,
        not active and not completed,
        active,
        call.number("job_id", 0),
        call.number("job_id", 0),
        call.number("start_time_from", 0),
        call.number("start_time_to", _FAR),
    )
    wanted = call.request.args.get("run_type", "")
    found = [
        run
        for run in (json.loads(body) for (body,) in rows)
        if _visible(call, run) and wanted in ("", run["run_type"])
    ]
    return _page(found, limit, expand=call.flag("expand_tasks"))


def _page(runs: list[JsonObject], limit: int, *, expand: bool) -> JsonObject:
    answer: JsonObject = {"has_more": len(runs) > limit}
    if runs:
        answer["runs"] = [_listed(run, expand=expand) for run in runs[:limit]]
    if len(runs) > limit:
        answer["next_page_token"] = page_token(runs[limit - 1]["run_id"])
    return answer


def _listed(run: JsonObject, *, expand: bool) -> JsonObject:
    if not expand:
        hidden = ("tasks", "job_clusters", "job_parameters")
        return {key: value for key, value in run.items() if key not in hidden}
    listed, more = merge.cut(run, _PAGED_ARRAYS, 0)
    return {**listed, "has_more": True} if more else listed


def get_output(call: Call) -> JsonObject:
    """GET jobs/runs/get-output of one task: the last 5 MB of the log."""
    run_id = call.number("run_id")
    found = call.workspace.runner.rows.output(run_id)
    if found is None:
        run = _run(call, run_id)
        if len(run["tasks"]) != 1:
            raise invalid_parameter(
                "Retrieving the output of runs with multiple tasks is not supported. Please"
                " retrieve the output of each individual task run instead."
            )
        run_id = run["tasks"][0]["run_id"]
        found = call.workspace.runner.rows.output(run_id) or (run["run_id"], {})
    parent, output = found
    answer: dict[str, Any] = {"metadata": _task_run(_run(call, parent), run_id), **output}
    if len(answer.get("logs", "")) > _LOG_TAIL:
        answer |= {"logs": answer["logs"][-_LOG_TAIL:], "logs_truncated": True}
    return answer


def cancel(call: Call) -> JsonObject:
    """POST jobs/runs/cancel; a run that is over stays as it is."""
    run_id = whole_number(call.body(), "run_id")
    run = _run(call, run_id)
    own = run["creator_user_name"] == call.user.name
    if not own and call.workspace.directory.job_reach(call.user, run["job_id"]) < RUN:
        raise permission_denied(
            f"User {call.user.name} does not have Admin or Manage Run or Owner permissions"
            f" on job {run['job_id']}"
        )
    if run["state"]["life_cycle_state"] in ACTIVE:
        call.workspace.runner.cancel(run_id)
    return {}


def delete(call: Call) -> JsonObject:
    """POST jobs/runs/delete: not while it is active."""
    run_id = whole_number(call.body(), "run_id")
    run = _run(call, run_id)
    if call.workspace.directory.job_reach(call.user, run["job_id"]) < MANAGE:
        raise permission_denied(
            f"User {call.user.name} does not have Admin or Owner permissions on job {run['job_id']}"
        )
    if run["state"]["life_cycle_state"] in ACTIVE:
        raise ApiError(400, "INVALID_STATE", f"Run {run_id} is active.")
    with call.workspace.store.transaction():
        call.workspace.store.run("DELETE FROM runs WHERE run_id = ?", run_id)
        call.workspace.store.run("DELETE FROM task_runs WHERE parent = ?", run_id)
    return {}


ROUTES = tuple(
    Route(method, f"/api/<any('2.1','2.2'):version>/jobs/{name}", handler)
    for method, name, handler in (
        ("POST", "run-now", run_now),
        ("POST", "runs/submit", submit),
        ("GET", "runs/get", get),
        ("GET", "runs/list", list_runs),
        ("GET", "runs/get-output", get_output),
        ("POST", "runs/cancel", cancel),
        ("POST", "runs/delete", delete),
    )
)
