"""The story of a run, top to bottom. Newcomers start here.

A deployment is a pure plan, made from what the workspace says now, applied, verified by reading back,
and told in one report. Every effect comes in through `Doors`; nothing here knows a platform, GitHub or
the environment.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from deployer.advice import list_elsewhere, warn_if_blind
from deployer.approval import Approval
from deployer.changes import remove
from deployer.commenting import comment
from deployer.configure import write_first_files
from deployer.contract import Mode
from deployer.deploying import Deployment
from deployer.deployment import upload
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
from deployer.gate import approved
from deployer.locking import WRITER, held, writer_lock
from deployer.narrator import Narrator
from deployer.obtain import built_library, given_library, obtain_library
from deployer.planning import Planned, planned, verdicts_on_all
from deployer.releasing import publish_library
from deployer.report.model import Outcome, Report
from deployer.rollback import plan_rollback, roll_back
from deployer.settings import Settings
from deployer.survey import (
    Scene,
    connect,
    counting,
    files_in,
    look,
    scan_for,
    survey,
    survey_again,
    warn_if_locked,
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
    if draft.settings.to:
        return plan_rollback(draft, doors)
    scene = survey(draft, doors)
    warn_if_locked(draft, scene)
    plan = planned(draft, scene)
    return Outcome.SUCCEEDED if plan.plan.changes or plan.going else Outcome.NOTHING_TO_DO


def _deploy(draft: Draft, doors: Doors) -> Outcome:
    scene = survey(draft, doors)
    plan, allowed = _approved(draft, doors, scene)
    if (
        draft.settings.publish
    ):  # ADR 25: what was refused is not published, what isn't published not deployed
        publish_library(draft, doors, scene.order.library, scene.file)
    if not plan.has_work(allowed):
        return _nothing_to_do(draft)
    with held(draft, doors, scene.lock, f"{scene.order.library.display_name} in its root") as lock:
        if lock.taken.number != scene.lock_number + 1:  # somebody else deployed since we looked
            scene = survey_again(draft, scene)
            plan, allowed = _approved(draft, doors, scene)
            if not plan.has_work(allowed):
                return _nothing_to_do(draft)
        return Deployment(draft, doors, scene, plan, lock).carry_out(allowed)


def _approved(draft: Draft, doors: Doors, scene: Scene) -> tuple[Planned, Approval]:
    """The plan of what was seen, and what of it may be done."""
    plan = planned(draft, scene)
    folder = doors.workspace_folder
    return plan, approved(draft.settings, folder, plan.plan, scene.history, plan.going)


def _nothing_to_do(draft: Draft) -> Outcome:
    draft.note_applied("", (), uploaded=False)
    return Outcome.NOTHING_TO_DO


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


def _publish(draft: Draft, doors: Doors) -> Outcome:
    """Make the release of the tag. No workspace is asked."""
    library, file = obtain_library(draft, doors)
    changed = publish_library(draft, doors, library, file)
    return Outcome.SUCCEEDED if changed else Outcome.NOTHING_TO_DO


def _cleanup(draft: Draft, doors: Doors) -> Outcome:
    """Remove old versions of one library (with `wheel`) or of every library in the root.

    It is the only writer meanwhile: what a deployment just uploaded, or a rollback is about to name, stays.
    """
    library = given_library(draft, doors)[0] if draft.settings.wheel else None
    workspace, identity = connect(draft, doors)
    store = workspace.store(draft.settings.root, allow_dbfs=draft.settings.allow_dbfs)
    draft.note_applied(doors.new_id(), (), uploaded=False)
    if not files_in(draft, store):
        return Outcome.NOTHING_TO_DO
    with held(draft, doors, writer_lock(draft, doors, workspace, store.root), WRITER) as lock:
        with draft.phase("scan", "Read the jobs"):
            scan = scan_jobs(
                workspace.jobs, store.root, keep=mentions_library_files, on_seen=counting(draft)
            )
        users = users_of_files(
            scan, (), look(draft, workspace, scan, store.root, library), identity
        )
        verdicts = verdicts_on_all(draft, workspace, store, library, users)
        draft.note_versions(verdicts, cleanup=draft.settings.cleanup)
        going = [one.stored for one in verdicts if one.goes] if draft.settings.cleanup else []
        fenced = workspace.fenced_by(lock.check).store(store.root, allow_dbfs=True)
        removed = remove(draft, doors, fenced, going)
    return Outcome.SUCCEEDED if removed else Outcome.NOTHING_TO_DO


def _status(draft: Draft, doors: Doors) -> Outcome:
    """List every library reference of the workspace; with `wheel` those of that library.

    What `auto` wants checked besides is checked first, as ever; its failure does not hide the list.
    """
    failed = _check_too(draft, doors) if draft.settings.checks_too else None
    library = given_library(draft, doors)[0] if draft.settings.wheel else None
    workspace, identity = connect(draft, doors)
    warn_if_blind(draft, identity)
    with draft.phase("scan", "Read the jobs"):
        scan = scan_for(draft, workspace, "", library)
    draft.note_inventory(scan.jobs)
    list_elsewhere(draft, look(draft, workspace, scan, "", library))
    if failed is not None:
        raise failed
    return Outcome.SUCCEEDED


def _check_too(draft: Draft, doors: Doors) -> DeployError | None:
    """How the checks of the project failed, if they did."""
    try:
        built_library(draft, doors)
    except DeployError as error:
        return error
    return None


def _nothing(draft: Draft, doors: Doors) -> Outcome:
    """What `mode: auto` found to be nothing to do; the log says why. Nothing is asked or changed."""
    return Outcome.NOTHING_TO_DO


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
    Mode.ROLLBACK: roll_back,
    Mode.UPLOAD: _upload,
    Mode.PUBLISH: _publish,
    Mode.CLEANUP: _cleanup,
    Mode.STATUS: _status,
    Mode.DOCTOR: _doctor,
    Mode.CONFIGURE: _configure,
    Mode.COMMENT: comment,
    Mode.AUTO: _nothing,
}
