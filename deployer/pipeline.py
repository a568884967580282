"""The story of a run, top to bottom. Newcomers start here.

A deployment is a pure plan, made from what the workspace says now, applied, verified by reading back,
and told in one report. Every effect comes in through `Doors`; nothing here knows a platform, GitHub or
the environment.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from deployer.advice import warn_if_blind
from deployer.contract import Mode
from deployer.deployment import removal, upload
from deployer.deployment.apply import Applied, State, apply_rewires, unverified, verify
from deployer.deployment.ports import (
    Denied,
    NotFound,
    Refused,
    Store,
    Unavailable,
    api_error,
)
from deployer.deployment.scan import Scan, mentions_library_files, scan_jobs, users_of_files
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, fail
from deployer.narrator import Narrator
from deployer.obtain import given_library, obtain_library
from deployer.plan.model import Plan
from deployer.plan.retention import Stored, Verdict, decide, lines_of
from deployer.report import model
from deployer.report.model import Outcome, Report
from deployer.settings import Settings
from deployer.survey import (
    Scene,
    connect,
    counting,
    files_in,
    keeping,
    planned,
    scan_for,
    survey,
    users_after,
    verdicts_on,
)


def run(
    settings: Settings, doors: Doors, narrator: Narrator, warnings: Sequence[str] = ()
) -> Report:
    """Do what `settings` ask and report it. Never raises: a failure is a report, too."""
    draft = Draft(settings, narrator)
    for warning in warnings:
        draft.warn(warning)
    try:
        return draft.report(_STORIES[settings.mode](draft, doors))
    except DeployError as error:
        return draft.failed(error)
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
    plan, verdicts = planned(draft, doors, scene)
    removals = draft.settings.cleanup and any(one.goes for one in verdicts)
    changes = plan.upload or plan.rewires or removals
    return Outcome.SUCCEEDED if changes else Outcome.NOTHING_TO_DO


def _deploy(draft: Draft, doors: Doors) -> Outcome:
    scene = survey(draft, doors)
    plan, verdicts = planned(draft, doors, scene)
    _refuse_another_plan(plan, draft.settings.expected_plan_digest)
    deployment_id = doors.new_id()
    draft.note_applied(deployment_id, (), uploaded=False)
    _stop_if_asked(doors)

    if plan.upload:
        with draft.phase("upload", f"Upload {plan.target.path}"), scene.file.open("rb") as content:
            upload.upload(scene.store, scene.order.library, content)
        draft.narrator.info(f"new library {scene.order.library.file_name} loaded")
    draft.note_applied(deployment_id, (), uploaded=plan.upload)

    going = {one.stored.path for one in verdicts if one.goes}
    if not plan.rewires and not going:
        return Outcome.SUCCEEDED if plan.upload else Outcome.NOTHING_TO_DO
    applied = _rewire(draft, doors, scene, plan)
    draft.note_applied(deployment_id, unverified(applied), uploaded=plan.upload)
    _stop_if_asked(doors)
    fresh, applied = _verified(draft, scene, applied)
    draft.note_applied(deployment_id, applied, uploaded=plan.upload)
    _fail_if_not_moved(draft, applied)

    removed = _clean_up(draft, doors, scene, fresh, going)
    changed = plan.upload or plan.rewires or removed
    return Outcome.SUCCEEDED if changed else Outcome.NOTHING_TO_DO


def _upload(draft: Draft, doors: Doors) -> Outcome:
    """Upload only; to `folder` when given. No job is read or touched."""
    library, file = obtain_library(draft, doors)
    workspace, _ = connect(draft, doors)
    store = workspace.store(draft.settings.folder or draft.settings.root)
    draft.note_library(library, str(file), f"{store.root}/{library.file_name}")
    if upload.is_stored(store, library, files_in(draft, store)):
        draft.note_applied(doors.new_id(), (), uploaded=False)
        return Outcome.NOTHING_TO_DO
    with draft.phase("upload", "Upload"), file.open("rb") as content:
        upload.upload(store, library, content)
    draft.note_applied(doors.new_id(), (), uploaded=True)
    return Outcome.SUCCEEDED


def _cleanup(draft: Draft, doors: Doors) -> Outcome:
    """Remove old versions of one library (with `wheel`) or of every library in the root."""
    library = given_library(draft, doors)[0] if draft.settings.wheel else None
    workspace, identity = connect(draft, doors)
    store = workspace.store(draft.settings.root)
    with draft.phase("scan", "Read the jobs"):
        files = files_in(draft, store)
        scan = scan_jobs(
            workspace.jobs,
            store.root,
            keep=mentions_library_files,
            on_seen=counting(draft),
        )
        users = users_of_files(scan, (), workspace.usage, identity, store.root)
    wanted = None if library is None else (library.name, library.kind, library.version)
    verdicts: list[Verdict] = []
    for current, stored in lines_of([(one.path, one.modified_ms) for one in files], wanted):
        verdicts += decide(current, stored, users, keeping(draft, doors))
    draft.note_versions(verdicts, cleanup=draft.settings.cleanup)
    draft.note_applied(doors.new_id(), (), uploaded=False)
    going = [one.stored for one in verdicts if one.goes] if draft.settings.cleanup else []
    return Outcome.SUCCEEDED if _remove(draft, doors, store, going) else Outcome.NOTHING_TO_DO


def _status(draft: Draft, doors: Doors) -> Outcome:
    """List every library reference of the workspace; with `wheel` those of that library."""
    library = given_library(draft, doors)[0] if draft.settings.wheel else None
    workspace, identity = connect(draft, doors)
    warn_if_blind(draft, identity)
    with draft.phase("scan", "Read the jobs"):
        scan = scan_for(draft, workspace, "", library)
    draft.note_inventory(scan.jobs)
    return Outcome.SUCCEEDED


_STORIES: dict[Mode, Callable[[Draft, Doors], Outcome]] = {
    Mode.CHECK: _check,
    Mode.PLAN: _plan,
    Mode.DEPLOY: _deploy,
    Mode.UPLOAD: _upload,
    Mode.CLEANUP: _cleanup,
    Mode.STATUS: _status,
}


# ── Their parts, in the order in which they are needed ───────────────────────────────────────────


def _refuse_another_plan(plan: Plan, expected: str) -> None:
    if expected and expected != plan.digest:
        raise fail(
            FailureReason.PLAN_CHANGED,
            "The plan is not the one that was approved; nothing was changed.",
            detail=f"Approved: {expected}. Now: {plan.digest}.",
            remedy="Read the new plan in the report, and approve its digest.",
        )


def _rewire(draft: Draft, doors: Doors, scene: Scene, plan: Plan) -> tuple[Applied, ...]:
    done = 0

    def told(applied: Applied) -> None:
        nonlocal done
        done += 1
        draft.narrator.debug(f"job {applied.rewire.job_id}: {applied.state.value} {applied.detail}")
        draft.narrator.progress("jobs rewired", done, len(plan.rewires))

    with draft.phase("rewire", f"Rewire {len(plan.rewires)} jobs"):
        return apply_rewires(
            scene.workspace.jobs, scene.order, plan.rewires, stopped=doors.stopped, on_done=told
        )


def _verified(
    draft: Draft, scene: Scene, applied: tuple[Applied, ...]
) -> tuple[Scan, tuple[Applied, ...]]:
    """One pass over all jobs: did our version win? It is also the fresh scan that removal needs."""
    with draft.phase("verify", "Verify by reading back"):
        fresh = scan_for(draft, scene.workspace, scene.store.root, scene.order.library)
    return fresh, verify(applied, fresh.settings)


def _fail_if_not_moved(draft: Draft, applied: Sequence[Applied]) -> None:
    """Partial is never called success (design.md, "outcome"). Old versions stay when it is partial."""
    missing = [one for one in applied if one.state in {State.DENIED, State.FAILED, State.DRIFTED}]
    for one in applied:
        if one.state is State.GONE:
            draft.warn(f"Job {one.rewire.job_id} ({one.rewire.job_name}): {one.detail}.")
    if missing:
        raise fail(
            FailureReason.JOBS_NOT_MOVED,
            f"{len(missing)} of {len(applied)} jobs did not move.",
            detail="\n".join(
                f"- {one.rewire.job_name} ({one.rewire.job_id}): {one.detail}"
                for one in missing[:20]
            ),
            remedy="Every job is runnable and nothing was removed. Solve what is said, and run it again.",
        )


def _clean_up(
    draft: Draft, doors: Doors, scene: Scene, fresh: Scan, approved: set[str]
) -> tuple[model.Removal, ...]:
    """Remove what the plan named and a scan made after the rewire still finds unused."""
    users = users_after(scene, fresh, ())
    verdicts = verdicts_on(draft, doors, scene.order, scene.store.files(), users)
    draft.note_versions(verdicts, cleanup=draft.settings.cleanup)
    if not draft.settings.cleanup:
        return ()
    going = [one.stored for one in verdicts if one.goes and one.stored.path in approved]
    return _remove(draft, doors, scene.store, going)


def _remove(
    draft: Draft, doors: Doors, store: Store, going: Sequence[Stored]
) -> tuple[model.Removal, ...]:
    if not going:
        return ()
    with draft.phase("remove", f"Remove {len(going)} old versions"):
        removed, problems = removal.remove(store, going, stopped=doors.stopped)
        told = tuple(model.Removal(one.path, str(one.version)) for one in removed)
        draft.note_removed(told)
    if problems:
        raise DeployError(*problems)
    _stop_if_asked(doors)
    return told


def _stop_if_asked(doors: Doors) -> None:
    if doors.stopped():
        raise fail(
            FailureReason.CANCELLED,
            "The run was cancelled between two changes.",
            detail="Every job is runnable: each points at a file that is there.",
            remedy="Run it again to finish the work.",
        )
