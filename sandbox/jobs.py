"""The Jobs API: create, list, get, update, reset, delete; versions 2.1 and 2.2.

Owns: these endpoints, and what the API refuses. Must not merge, order or cut settings: merge.py does.
Sources: facts B1 to B4 and the Jobs API docs.
"""

from __future__ import annotations

from sandbox import job_rows, merge
from sandbox.errors import ApiError, JsonObject, invalid_parameter, permission_denied
from sandbox.job_rows import Job, run_as_of
from sandbox.permissions import VIEW, User, grant_from, need_manage, need_view
from sandbox.routing import Call, Route, page_token, position_of, required, whole_number

MAX_TASKS = 1000
"""Tasks of one job (Jobs API docs)."""
_LIST_LIMIT, _LIST_DEFAULT = 100, 20
_HIDDEN_UNLESS_EXPANDED = ("tasks", "job_clusters", "environments")
_GIT_PROVIDERS = (
    "github,gitlab,bitbucketcloud,gitlabenterpriseedition,bitbucketserver,"
    "azuredevopsservices,githubenterprise,awscodecommit"
)


def missing(job_id: int, status: int) -> ApiError:
    """The answer for a job that does not exist; both forms were seen (facts B4)."""
    message = f"Job {job_id} does not exist."
    code = "INVALID_PARAMETER_VALUE" if status == 400 else ""  # noqa: PLR2004 - an HTTP status
    return ApiError(status, code, message)


def viewable(call: Call, job_id: int) -> Job:
    """The job, for a caller who may see it; permission is checked before existence (facts B4)."""
    job = job_rows.find(call.workspace.store, job_id)
    behaviour = call.workspace.behaviour
    if job is not None or behaviour.permission_first:
        need_view(call.workspace.directory, call.user, job_id)
    if job is None:
        raise missing(job_id, behaviour.missing_job)
    return job


def _manageable(call: Call, job_id: int) -> Job:
    job = job_rows.find(call.workspace.store, job_id)
    behaviour = call.workspace.behaviour
    if job is not None or behaviour.permission_first:
        need_manage(call.workspace.directory, call.user, job_id)
    if job is None:
        raise missing(job_id, behaviour.missing_job)
    return job


def _refuse_if_managed_by_databricks(call: Call, job: Job) -> None:
    # Facts B3 know that such a job is read-only, not how the refusal is worded.
    deployment = job.settings.get("deployment")
    kind = deployment.get("kind") if isinstance(deployment, dict) else None
    if kind == "SYSTEM_MANAGED" and call.workspace.behaviour.system_managed == "refused":
        raise permission_denied(f"Job {job.job_id} is managed by Databricks and is read-only.")


def _check(settings: JsonObject) -> None:
    """Refuse what the API refuses; everything it does not know passes unread."""
    source = settings.get("git_source")
    if isinstance(source, dict) and not source.get("git_provider"):
        raise invalid_parameter(f"git_source.git_provider must be one of: {_GIT_PROVIDERS}")
    tasks = _objects(settings, "tasks")
    if len(tasks) > MAX_TASKS:
        raise invalid_parameter(f"The job has {len(tasks)} tasks; at most {MAX_TASKS} are allowed.")
    for name, key in (("tasks", "task_key"), ("job_clusters", "job_cluster_key")):
        seen = set()
        for element in _objects(settings, name):
            value = element.get(key)
            if not isinstance(value, str) or not value:
                raise invalid_parameter(f"Missing required field: settings.{name}.{key}")
            if value in seen:
                raise invalid_parameter(f"Duplicate {key} {value} in settings.{name}")
            seen.add(value)
    for cluster in _objects(settings, "job_clusters"):
        if "libraries" in cluster or "libraries" in (cluster.get("new_cluster") or {}):
            raise invalid_parameter(
                "Libraries cannot be declared in a shared job cluster."
                " You must declare dependent libraries in task settings."
            )


def _objects(settings: JsonObject, name: str) -> list[JsonObject]:
    value = settings.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise invalid_parameter(f"Invalid value for settings.{name}")
    return value


def _check_run_as(user: User, settings: JsonObject, old: JsonObject) -> None:
    # Facts B3: sending run_as takes a role on that principal; admins have it.
    named = run_as_of(settings)
    if named and named not in (user.name, run_as_of(old)) and not user.admin:
        raise permission_denied(f"User {user.name} may not run jobs as {named}.")


def _stored(call: Call, settings: JsonObject) -> JsonObject:
    if call.workspace.behaviour.drops_write_only:
        settings = merge.without_write_only(settings)
    return settings


def _with_queue(call: Call, settings: JsonObject) -> JsonObject:
    if call.version == "2.2" and call.workspace.behaviour.queue_by_default:
        settings = {**settings, "queue": settings.get("queue") or {"enabled": True}}
    return settings


def create(call: Call) -> JsonObject:
    """POST jobs/create."""
    settings = call.body(call.workspace.behaviour.request_limit)
    access = settings.pop("access_control_list", None) or []
    _check(settings)
    _check_run_as(call.user, settings, {})
    settings = _with_queue(call, _stored(call, settings))
    if call.workspace.behaviour.create_defaults:
        settings = merge.with_defaults(settings)
    job_id = job_rows.insert(
        call.workspace.store,
        call.workspace.directory,
        settings,
        creator=call.user.name,
        run_as=run_as_of(settings) or None,
    )
    try:
        for line in access:
            call.workspace.directory.grant("jobs", str(job_id), grant_from(line))
    except ValueError as error:
        raise invalid_parameter(str(error)) from error
    return {"job_id": job_id}


def get(call: Call) -> JsonObject:
    """GET jobs/get."""
    job = viewable(call, call.number("job_id"))
    start = position_of(call)
    settings = merge.as_returned(job.settings, call.workspace.behaviour)
    more = False
    if call.workspace.behaviour.array_paging:
        settings, more = merge.cut(settings, merge.PAGED_ARRAYS, start)
    answer: JsonObject = {
        "job_id": job.job_id,
        "creator_user_name": job.creator,
        "run_as_user_name": job.run_as,
        "created_time": job.created_time,
        "settings": settings,
    }
    if more:
        answer |= {"has_more": True, "next_page_token": page_token(start + merge.PAGE)}
    return answer


def list_jobs(call: Call) -> JsonObject:
    """GET jobs/list: the newest first; a page starts after the last job of the page before.

    So jobs created meanwhile shift nothing.
    """
    workspace = call.workspace
    limit = call.number("limit", _LIST_DEFAULT)
    if not 1 <= limit <= _LIST_LIMIT:
        raise invalid_parameter(f"Invalid limit {limit}: it must be between 1 and {_LIST_LIMIT}.")
    expand = call.flag("expand_tasks")
    below = position_of(call) or 2**62
    chosen: list[Job] = []
    more = False
    for job in job_rows.named(workspace.store, call.request.args.get("name", ""), below):
        if workspace.behaviour.list_only_viewable and (
            workspace.directory.job_reach(call.user, job.job_id) < VIEW
        ):
            continue
        if workspace.behaviour.list_paging and len(chosen) == limit:
            more = True
            break
        chosen.append(job)
    answer: JsonObject = {"has_more": more}
    if chosen:
        answer["jobs"] = [_listed(call, job, expand=expand) for job in chosen]
    if more:
        answer["next_page_token"] = page_token(chosen[-1].sequence)
    return answer


def _listed(call: Call, job: Job, *, expand: bool) -> JsonObject:
    behaviour = call.workspace.behaviour
    settings = merge.as_returned(job.settings, behaviour)
    more = False
    if not expand:
        settings = {key: settings[key] for key in settings if key not in _HIDDEN_UNLESS_EXPANDED}
    elif behaviour.array_paging:
        settings, more = merge.cut(settings, merge.PAGED_ARRAYS, 0)
    answer: JsonObject = {
        "job_id": job.job_id,
        "creator_user_name": job.creator,
        "created_time": job.created_time,
        "settings": settings,
    }
    if more:
        answer["has_more"] = True
    return answer


def update(call: Call) -> JsonObject:
    """POST jobs/update."""
    behaviour = call.workspace.behaviour
    body = call.body(behaviour.request_limit)
    job = _manageable(call, whole_number(body, "job_id"))
    _refuse_if_managed_by_databricks(call, job)
    new = body.get("new_settings") or {}
    remove = body.get("fields_to_remove") or []
    if not isinstance(new, dict) or not isinstance(remove, list):
        raise invalid_parameter("new_settings is an object and fields_to_remove a list.")
    _check(new)
    _check_run_as(call.user, new, job.settings)
    try:
        settings = merge.updated(job.settings, new, [str(path) for path in remove], behaviour)
    except ValueError as error:
        raise invalid_parameter(str(error)) from error
    _check(settings)
    job_rows.replace_settings(call.workspace.store, job.job_id, _stored(call, settings))
    return {}


def reset(call: Call) -> JsonObject:
    """POST jobs/reset."""
    behaviour = call.workspace.behaviour
    body = call.body(behaviour.request_limit)
    job = _manageable(call, whole_number(body, "job_id"))
    _refuse_if_managed_by_databricks(call, job)
    new: JsonObject = required(body, "new_settings", dict)
    _check(new)
    _check_run_as(call.user, new, job.settings)
    settings = _with_queue(call, merge.reset(job.settings, new, behaviour))
    job_rows.replace_settings(call.workspace.store, job.job_id, _stored(call, settings))
    return {}


def delete(call: Call) -> JsonObject:
    """POST jobs/delete."""
    job = _manageable(call, whole_number(call.body(), "job_id"))
    job_rows.remove(call.workspace.store, call.workspace.directory, job.job_id)
    return {}


ROUTES = tuple(
    Route(method, f"/api/<any('2.1','2.2'):version>/jobs/{name}", handler)
    for method, name, handler in (
        ("POST", "create", create),
        ("GET", "get", get),
        ("GET", "list", list_jobs),
        ("POST", "update", update),
        ("POST", "reset", reset),
        ("POST", "delete", delete),
    )
)
