"""The story of a run, top to bottom. Newcomers start here.

A deployment is a pure plan, made from what the workspace says now, applied, verified by reading back,
and told in one report. Every effect comes in through `Doors`; nothing here knows a platform, GitHub or
the environment.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from deployer.advice import list_elsewhere, warn_if_blind
from deployer.approval import Approval, approval_of
from deployer.changes import (
    clean_up,
    fail_if_not_moved,
    fail_if_not_updated,
    remove,
    rewire,
    stop_if_asked,
    update_clusters,
    upload_library,
    verified,
)
from deployer.configure import write_first_files
from deployer.contract import Mode
from deployer.deployment import upload
from deployer.deployment.apply import Applied, State, unverified
from deployer.deployment.ports import (
    Denied,
    Interrupted,
    NotFound,
    Refused,
    Unavailable,
    api_error,
)
from deployer.deployment.scan import mentions_library_files, scan_jobs
from deployer.deployment.users import users_of_files
from deployer.doctor.examination import examine
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, fail
from deployer.narrator import Narrator
from deployer.obtain import given_library, obtain_library
from deployer.plan.model import Plan
from deployer.plan.retention import Verdict, decide, lines_of
from deployer.report.model import Outcome, Report
from deployer.settings import Settings
from deployer.survey import (
    connect,
    counting,
    files_in,
    keeping,
    look,
    planned,
    scan_for,
    survey,
)


def run(
    settings: Settings, doors: Doors, narrator: Narrator, warnings: Sequence[str] = ()
) -> Report:
    """Do what `settings` ask and report it. Never raises: a failure is a report, too."""
    draft = Draft(settings, narrator)
    doors.watch(draft)
    for warning in warnings:
        draft.warn(warning)
    try:
        return draft.report(_STORIES[settings.mode](draft, doors))
    except DeployError as error:
        return draft.failed(error)
    except Interrupted:
        return draft.cancelled()
    except (Denied, NotFound, Refused, Unavailable) as error:
        return draft.failed(api_error(error))
    except Exception as error:  # noqa: BLE001 - whatever happened, the report must be written
        narrator.debug(traceback.format_exc())
        return draft.failed(
            fail(
                FailureReason.INTERNAL,
                f"spark-deploy has a bug: {type(error).__name__}.",
                detail="The log at level `debug` shows where.",
                remedy="Please report it, with that part of the log.",
            )
        )


# ── The stories ──────────────────────────────────────────────────────────────────────────────────


def _check(draft: Draft, doors: Doors) -> Outcome:
    obtain_library(draft, doors)
    return Outcome.SUCCEEDED


def _plan(draft: Draft, doors: Doors) -> Outcome:
    scene = survey(draft, doors)
    plan, verdicts = planned(draft, scene)
    removals = draft.settings.cleanup and any(one.goes for one in verdicts)
    changes = plan.upload or plan.rewires or plan.clusters or removals
    return Outcome.SUCCEEDED if changes else Outcome.NOTHING_TO_DO


def _deploy(draft: Draft, doors: Doors) -> Outcome:
    scene = survey(draft, doors)
    plan, verdicts = planned(draft, scene)
    approved = _approved(plan, verdicts, draft.settings.approval)
    deployment_id = doors.new_id()
    waiting = [Applied(one, State.PENDING) for one in plan.rewires]
    draft.note_applied(deployment_id, waiting, uploaded=False)
    stop_if_asked(doors)

    if plan.upload:
        upload_library(draft, doors, scene)
        draft.narrator.info(f"new library {scene.order.library.file_name} loaded")
    draft.note_applied(deployment_id, waiting, uploaded=plan.upload)

    going = {one.stored.path for one in verdicts if one.goes and approved.allows(one.stored.path)}
    if not (plan.rewires or plan.clusters or going):
        return Outcome.SUCCEEDED if plan.upload else Outcome.NOTHING_TO_DO
    applied = rewire(draft, doors, scene, plan)
    draft.note_applied(deployment_id, unverified(applied), uploaded=plan.upload)
    stop_if_asked(doors)
    fresh, applied = verified(draft, scene, applied)
    draft.note_applied(deployment_id, applied, uploaded=plan.upload)
    fail_if_not_moved(draft, applied)

    updated = update_clusters(draft, doors, scene, plan)
    stop_if_asked(doors)
    fail_if_not_updated(draft, updated)
    removed = clean_up(draft, doors, scene, fresh, going)
    changed = plan.upload or plan.rewires or plan.clusters or removed
    return Outcome.SUCCEEDED if changed else Outcome.NOTHING_TO_DO


def _upload(draft: Draft, doors: Doors) -> Outcome:
    """Upload only; to `folder` when given. No job is read or touched."""
    library, file = obtain_library(draft, doors)
    workspace, _ = connect(draft, doors)
    root = draft.settings.folder or draft.settings.root
    store = workspace.store(root, allow_dbfs=draft.settings.allow_dbfs)
    draft.note_library(library, str(file), f"{store.root}/{library.file_name}")
    if upload.is_stored(store, library, files_in(draft, store)):
        draft.note_applied(doors.new_id(), (), uploaded=False)
        return Outcome.NOTHING_TO_DO
    deployment_id = doors.new_id()
    draft.note_applied(deployment_id, (), uploaded=False)
    with draft.phase("upload", "Upload"), upload.opened(file, doors.stopped) as content:
        upload.upload(store, library, content)
    draft.note_applied(deployment_id, (), uploaded=True)
    return Outcome.SUCCEEDED


def _cleanup(draft: Draft, doors: Doors) -> Outcome:
    """Remove old versions of one library (with `wheel`) or of every library in the root."""
    library = given_library(draft, doors)[0] if draft.settings.wheel else None
    workspace, identity = connect(draft, doors)
    store = workspace.store(draft.settings.root, allow_dbfs=draft.settings.allow_dbfs)
    with draft.phase("scan", "Read the jobs"):
        files = files_in(draft, store)
        scan = scan_jobs(
            workspace.jobs,
            store.root,
            keep=mentions_library_files,
            on_seen=counting(draft),
        )
    users = users_of_files(scan, (), look(draft, workspace, scan, store.root, library), identity)
    wanted = None if library is None else (library.distribution, library.version)
    verdicts: list[Verdict] = []
    for current, stored in lines_of([(one.path, one.modified_ms) for one in files], wanted):
        verdicts += decide(current, stored, users, keeping(draft, workspace))
    draft.note_versions(verdicts, cleanup=draft.settings.cleanup)
    draft.note_applied(doors.new_id(), (), uploaded=False)
    going = [one.stored for one in verdicts if one.goes] if draft.settings.cleanup else []
    return Outcome.SUCCEEDED if remove(draft, doors, store, going) else Outcome.NOTHING_TO_DO


def _status(draft: Draft, doors: Doors) -> Outcome:
    """List every library reference of the workspace; with `wheel` those of that library."""
    library = given_library(draft, doors)[0] if draft.settings.wheel else None
    workspace, identity = connect(draft, doors)
    warn_if_blind(draft, identity)
    with draft.phase("scan", "Read the jobs"):
        scan = scan_for(draft, workspace, "", library)
    draft.note_inventory(scan.jobs)
    list_elsewhere(draft, look(draft, workspace, scan, "", library))
    return Outcome.SUCCEEDED


def _doctor(draft: Draft, doors: Doors) -> Outcome:
    """Look at everything that a deployment needs, and tell it as checks. Nothing is changed."""
    examine(draft, doors)
    return Outcome.SUCCEEDED


def _configure(draft: Draft, doors: Doors) -> Outcome:
    """Write a first spark-deploy.yml and workflow. No workspace is asked."""
    written = write_first_files(draft, doors.workspace_folder)
    return Outcome.SUCCEEDED if written else Outcome.NOTHING_TO_DO


_STORIES: dict[Mode, Callable[[Draft, Doors], Outcome]] = {
    Mode.CHECK: _check,
    Mode.PLAN: _plan,
    Mode.DEPLOY: _deploy,
    Mode.UPLOAD: _upload,
    Mode.CLEANUP: _cleanup,
    Mode.STATUS: _status,
    Mode.DOCTOR: _doctor,
    Mode.CONFIGURE: _configure,
}


def _approved(plan: Plan, verdicts: Sequence[Verdict], expected: Approval | None) -> Approval:
    """What may be done: what was approved, or all of the plan where no approval is asked for."""
    if expected is None:
        return approval_of(plan.digest, (one.stored.path for one in verdicts if one.goes))
    if expected.digest != plan.digest:
        raise fail(
            FailureReason.PLAN_CHANGED,
            "The plan is not the one that was approved; nothing was changed.",
            detail=f"Approved: {expected.digest}. Now: {plan.digest}.",
            remedy="Read the new plan in the report, and approve its digest. After a run that stopped "
            "halfway, plan again: what is left to do is another plan.",
        )
    return expected
