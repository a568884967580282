"""The jobs of a workspace over the Jobs API 2.2.

Owns reading all pages of jobs, writing settings, and the question who may edit a job. Settings stay
the JSON that the API gave. Must not decide what to change.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.deployment.ports import (
    AlreadyExists,
    Denied,
    Identity,
    JobDocument,
    NotFound,
    Refused,
)
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.documents import (
    JOB_ARRAYS,
    PAGE,
    is_cut,
    mapping,
    merged,
    number,
    objects,
    text,
)
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.transport import Query

_LIST = "/api/2.2/jobs/list"
_GET = "/api/2.2/jobs/get"
_EDITING = frozenset({"CAN_MANAGE", "IS_OWNER"})
# Groups that hold every user and that SCIM's "Me" does not list.
EVERYBODY = frozenset({"users", "account users"})


class DatabricksJobs:
    """Implements `ports.Jobs`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def all_jobs(self) -> Iterator[JobDocument]:
        """Every job that the caller can see, page-merged.

        The list shows the first 100 elements of an array; a job that may have more is read again
        (facts B1). A job that appears or goes while the pages are read is given once or not at all;
        one that can be listed but not read comes as it was listed, marked as not complete.
        """
        seen: set[int] = set()
        query: Query = {"limit": PAGE, "expand_tasks": "true"}
        for page in self._client.pages(_LIST, Family.JOBS_READ, query):
            for listed in objects(page.get("jobs")):
                job_id = number(listed.get("job_id"))
                if job_id is None or job_id in seen:
                    continue
                seen.add(job_id)
                whole = self._completed(job_id, listed)
                if whole is not None:
                    yield whole

    def _completed(self, job_id: int, listed: JsonObject) -> JobDocument | None:
        if not is_cut(listed):
            return _document(job_id, listed)
        try:
            return self.job(job_id)
        except NotFound:
            return None
        except (Denied, Refused):
            return _document(job_id, listed, complete=False)

    def job(self, job_id: int) -> JobDocument:
        """One job with all its pages, as it is now."""
        pages = list(self._client.pages(_GET, Family.JOBS_READ, {"job_id": job_id}))
        settings = merged([mapping(page.get("settings")) for page in pages], JOB_ARRAYS)
        return _document(job_id, {**pages[0], "settings": settings})

    def update(self, job_id: int, new_settings: JsonObject) -> None:
        """Replace these top-level fields; elements of keyed arrays are merged (facts B3)."""
        self._write("update", Family.JOBS_UPDATE, job_id, new_settings)

    def reset(self, job_id: int, settings: JsonObject) -> None:
        """Replace all settings; the caller merged all pages and pinned `queue` (facts B3)."""
        self._write("reset", Family.JOBS_RESET, job_id, settings)

    def _write(self, verb: str, family: Family, job_id: int, settings: JsonObject) -> None:
        body: JsonObject = {"job_id": job_id, "new_settings": settings}
        try:
            self._client.post(f"/api/2.2/jobs/{verb}", family, body)
        except AlreadyExists as error:
            raise Refused(str(error)) from error

    def may_edit(self, job_id: int, identity: Identity) -> bool | None:
        """Whether the access list of the job lets `identity` edit; None when it can't be read.

        Workspace admins may edit every job, so nothing is asked for them.
        """
        if identity.admin:
            return True
        try:
            answer = self._client.get(f"/api/2.0/permissions/jobs/{job_id}", Family.OTHER)
        except (NotFound, Denied, Refused):
            return None
        return any(
            _EDITING & _levels(line)
            for line in objects(answer.get("access_control_list"))
            if _is_about(line, identity)
        )


def _document(job_id: int, job: JsonObject, *, complete: bool = True) -> JobDocument:
    return JobDocument(
        job_id=job_id,
        settings=mapping(job.get("settings")),
        creator=text(job.get("creator_user_name")),
        complete=complete,
    )


def _is_about(line: JsonObject, identity: Identity) -> bool:
    """Whether a line of an access list is about `identity` or a group that holds it.

    A service principal's user name is its application id, which is what the list names it by.
    """
    name = text(line.get("user_name")) or text(line.get("service_principal_name"))
    if name:
        return name.casefold() == identity.user.casefold()
    return text(line.get("group_name")) in identity.groups | EVERYBODY


def _levels(line: JsonObject) -> set[str]:
    """The permission levels that a line gives, directly or by inheritance."""
    return {text(each.get("permission_level")) for each in objects(line.get("all_permissions"))}
