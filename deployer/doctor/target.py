"""Checks of what a deployment writes to: the root and the jobs.

Owns what rights mean for a deployment. Rights are read from access lists; nothing is tried out. Must not
write.
"""

from __future__ import annotations

from collections.abc import Iterable

from deployer.deployment.ports import NotFound
from deployer.deployment.scan import scan_jobs
from deployer.deployment.upload import root_unavailable
from deployer.doctor.grants import job_grants, root_grant
from deployer.doctor.patient import NAMED, Answer, CannotTell, Patient, listed
from deployer.errors import DeployError, FailureReason, fail
from deployer.jobs.inventory import Job, Owner
from deployer.plan.planner import names_library
from deployer.survey import counting


def root(patient: Patient) -> Answer:
    """Whether the root can be one, is there, and may be read and written by us."""
    workspace, identity = patient.known()
    settings = patient.draft.settings
    if not settings.root:
        raise CannotTell("No `root` is given.")
    store = workspace.store(settings.root, allow_dbfs=settings.allow_dbfs)
    try:
        there = store.exists()
    except NotFound as error:
        raise root_unavailable(store.root, error) from error
    rights = workspace.root_rights(store.root, identity)
    patient.store = store
    missing = [
        word
        for word, may in (("read", rights.may_read), ("write", rights.may_write))
        if may is False
    ]
    if missing:
        raise fail(
            FailureReason.PERMISSION_DENIED,
            f"{identity.user} may not {' or '.join(missing)} {store.root}.",
            detail="So say the access lists; nothing was tried out.",
            remedy=root_grant(store.root, identity.user),
        )
    findings = []
    if rights.may_read is None or rights.may_write is None:
        findings.append(
            "Our rights there can't be read, so whether a deployment may write is unknown."
        )
    if not there:
        findings.append("It does not exist yet: deploy makes it.")
    state = "exists" if there else "is to be made"
    return Answer(f"{store.root} {state}. {_where_it_loads(store.root)}", tuple(findings))


def _where_it_loads(root: str) -> str:
    """Which compute loads libraries from there (facts A3)."""
    if root.startswith("/Volumes/"):
        return "Volumes are for compute with Unity Catalog, serverless too."
    if root.startswith("/Workspace/"):
        return "Workspace files are for compute with Unity Catalog; jars there take runtime 14.1 or newer."
    return "Runtimes from 15.1 on and serverless compute load no library from DBFS."


def writers(patient: Patient) -> Answer:
    """Who else may write the root."""
    workspace, identity, store = patient.rooted()
    rights = workspace.root_rights(store.root, identity)
    if rights.open_to_all:
        return Answer(
            f"Everybody may write to {store.root}.",
            (
                "Whoever replaces a file there runs code in production. Use a volume or folder that only"
                " the deployer may write.",
            ),
        )
    if rights.open_to_all is None:
        raise CannotTell("The access list of the root can't be read.")
    if not rights.writers:
        return Answer(f"Besides us and admins, nobody may write to {store.root}.")
    return Answer(
        f"Others may write to {store.root}: {listed(rights.writers)}.",
        ("Each of them can replace a library, and so run code in production.",),
    )


def jobs(patient: Patient) -> Answer:
    """Which jobs a deployment would look at, and whether we may edit them."""
    workspace, identity = patient.known()
    root, library = patient.store.root if patient.store else "", patient.library

    def matters(job: Job) -> bool:
        below = bool(root) and any(_is_below(one.path, root) for one in job.references)
        return below or (library is not None and names_library(job, library))

    about = [library.display_name] if library else []
    about += ["a file in the root"] if root else []
    if not about:
        raise CannotTell(
            "Neither `wheel` nor `root` is given, so it is not known which jobs matter."
        )
    scan = scan_jobs(workspace.jobs, root, keep=matters, on_seen=counting(patient.draft))
    said = f"{len(scan.jobs):,} of {scan.jobs_seen:,} jobs that we see name {' or '.join(about)}."
    rights = {}
    for done, job in enumerate(scan.jobs, 1):
        rights[job.job_id] = workspace.jobs.may_edit(job.job_id, identity)
        patient.draft.narrator.progress("rights on jobs read", done, len(scan.jobs))
    denied = [job for job in scan.jobs if rights[job.job_id] is False]
    if denied:
        raise _may_not_edit(said, denied, identity.user)
    unclear = [job for job in scan.jobs if rights[job.job_id] is None]
    return Answer(said, tuple(_about_owners(scan.jobs, unclear)))


def _may_not_edit(said: str, denied: list[Job], user: str) -> DeployError:
    more = f"\n- and {len(denied) - NAMED:,} more" if len(denied) > NAMED else ""
    return fail(
        FailureReason.PERMISSION_DENIED,
        f"{said} {user} may not edit {len(denied):,} of them.",
        detail="\n".join(f"- {_label(job)}" for job in denied[:NAMED]) + more,
        remedy=job_grants([job.job_id for job in denied[:NAMED]], user),
    )


def _is_below(path: str | None, root: str) -> bool:
    return path is not None and path.startswith(f"{root}/")


def _about_owners(jobs: Iterable[Job], unclear: list[Job]) -> list[str]:
    found = []
    for owner, meaning in (
        (
            Owner.BUNDLE,
            "belong to an Asset Bundle, whose next deploy would undo a move; see `owned`",
        ),
        (Owner.SYSTEM, "are managed by Databricks and can't be changed"),
        (Owner.UNKNOWN, "have an owner of a kind that this version does not know; see `owned`"),
    ):
        owned = [job for job in jobs if job.owner is owner]
        if owned:
            found.append(f"{len(owned):,} jobs {meaning}: {listed(_label(job) for job in owned)}.")
    if unclear:
        names = listed(_label(job) for job in unclear)
        found.append(f"Whether we may edit {len(unclear):,} jobs can't be read: {names}.")
    return found


def _label(job: Job) -> str:
    return f"{job.name} ({job.job_id})"
