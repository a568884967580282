"""The story of a run, top to bottom. Newcomers start here.

A deployment is a pure plan, made from what the workspace says now, applied, verified by reading back,
and told in one report. Every effect comes in through `Doors`; nothing here knows a platform, GitHub or
the environment.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deployer.advice import warn_if_blind, warn_of_root, warn_of_unread
from deployer.contract import Mode
from deployer.deployment import removal, upload
from deployer.deployment.apply import Applied, State, apply_rewires, verify
from deployer.deployment.ports import (
    Denied,
    Identity,
    NotFound,
    Refused,
    Store,
    StoredFile,
    Unavailable,
    Workspace,
    api_error,
)
from deployer.deployment.scan import Scan, scan_jobs, users_of_files
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, Problem, fail, gather, raise_if_any
from deployer.library.model import Library
from deployer.narrator import Narrator
from deployer.obtain import built_library, given_library, obtain_library
from deployer.plan.model import Plan, Rewire
from deployer.plan.planner import Order, make_plan, names_library
from deployer.plan.policy import Policy, Rule
from deployer.plan.retention import Keeping, Stored, Users, Verdict, decide, lines_of, versions_of
from deployer.report import model
from deployer.report.model import Outcome, Report
from deployer.settings import Settings


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
    scene = _survey(draft, doors)
    plan, verdicts = _planned(draft, doors, scene)
    changes = plan.upload or plan.rewires or any(one.goes for one in verdicts)
    return Outcome.SUCCEEDED if changes else Outcome.NOTHING_TO_DO


def _deploy(draft: Draft, doors: Doors) -> Outcome:
    scene = _survey(draft, doors)
    plan, verdicts = _planned(draft, doors, scene)
    _refuse_another_plan(plan, draft.settings.expected_plan_digest)
    deployment_id = doors.new_id()
    draft.note_applied(deployment_id, (), uploaded=False)
    _stop_if_asked(doors)

    if plan.upload:
        with draft.phase("upload", f"Upload {plan.target.path}"), scene.file.open("rb") as content:
            upload.upload(scene.store, scene.order.library, content)
        draft.narrator.info(f"new library {scene.order.library.file_name} loaded")
    draft.note_applied(deployment_id, (), uploaded=plan.upload)

    applied = _rewire(draft, doors, scene, plan)
    draft.note_applied(deployment_id, applied, uploaded=plan.upload)
    _stop_if_asked(doors)
    fresh, applied = _verified(draft, scene, applied)
    draft.note_applied(deployment_id, applied, uploaded=plan.upload)
    _fail_if_not_moved(draft, applied)

    planned = {one.stored.path for one in verdicts if one.goes}
    removed = _clean_up(draft, doors, scene, fresh, planned)
    changed = plan.upload or plan.rewires or removed
    return Outcome.SUCCEEDED if changed else Outcome.NOTHING_TO_DO


def _upload(draft: Draft, doors: Doors) -> Outcome:
    """Upload only; to `folder` when given. No job is read or touched."""
    library, file = obtain_library(draft, doors)
    workspace, _ = _connect(draft, doors)
    store = workspace.store(draft.settings.folder or draft.settings.root)
    draft.note_library(library, str(file), f"{store.root}/{library.file_name}")
    if upload.is_stored(store, library, store.files()):
        draft.note_applied(doors.new_id(), (), uploaded=False)
        return Outcome.NOTHING_TO_DO
    with draft.phase("upload", "Upload"), file.open("rb") as content:
        upload.upload(store, library, content)
    draft.note_applied(doors.new_id(), (), uploaded=True)
    return Outcome.SUCCEEDED


def _cleanup(draft: Draft, doors: Doors) -> Outcome:
    """Remove old versions of one library (with `wheel`) or of every library in the root."""
    library = given_library(draft, doors)[0] if draft.settings.wheel else None
    workspace, identity = _connect(draft, doors)
    store = workspace.store(draft.settings.root)
    with draft.phase("scan", "Read the jobs"):
        files = store.files()
        scan = scan_jobs(workspace.jobs, store.root, keep=lambda _: False, on_seen=_counting(draft))
        users = users_of_files(scan, (), workspace.usage, identity, store.root)
    wanted = None if library is None else (library.name, library.kind, library.version)
    verdicts: list[Verdict] = []
    for current, stored in lines_of([(one.path, one.modified_ms) for one in files], wanted):
        verdicts += decide(current, stored, users, _keeping(draft, doors))
    draft.note_versions(verdicts, cleanup=draft.settings.cleanup)
    draft.note_applied(doors.new_id(), (), uploaded=False)
    going = [one.stored for one in verdicts if one.goes] if draft.settings.cleanup else []
    return Outcome.SUCCEEDED if _remove(draft, doors, store, going) else Outcome.NOTHING_TO_DO


def _status(draft: Draft, doors: Doors) -> Outcome:
    """List every library reference of the workspace; with `wheel` those of that library."""
    library = given_library(draft, doors)[0] if draft.settings.wheel else None
    workspace, identity = _connect(draft, doors)
    warn_if_blind(draft, identity)
    with draft.phase("scan", "Read the jobs"):
        scan = scan_jobs(
            workspace.jobs,
            "",
            keep=lambda job: library is None or names_library(job, library),
            on_seen=_counting(draft),
        )
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


@dataclass(frozen=True)
class _Scene:
    """What a plan is made from."""

    order: Order
    file: Path
    workspace: Workspace
    identity: Identity
    store: Store
    files: tuple[StoredFile, ...]
    scan: Scan


def _connect(draft: Draft, doors: Doors) -> tuple[Workspace, Identity]:
    with draft.phase("connect", "Connect to the workspace"):
        draft.workspace = workspace = doors.connect(draft.settings.credentials)
        identity = workspace.identity()
        draft.note_identity(identity)
        role = "a workspace admin" if identity.admin else "not a workspace admin"
        draft.narrator.info(f"{identity.user} at {workspace.host}, {role}")
    return workspace, identity


def _survey(draft: Draft, doors: Doors) -> _Scene:
    """Everything that a plan is made from. Problems of the file and of the workspace are told together.

    A project's own code has run by then, before any credential was used (design.md, rule 10).
    """
    if not draft.settings.wheel:
        library, file = built_library(draft, doors)
        workspace, identity = _connect(draft, doors)
    else:
        problems: list[Problem] = []
        with gather(problems):
            library, file = given_library(draft, doors)
        with gather(problems):
            workspace, identity = _connect(draft, doors)
        raise_if_any(problems)
    store = workspace.store(draft.settings.root)
    draft.note_library(library, str(file), f"{store.root}/{library.file_name}")
    with draft.phase("scan", "Read the root and the jobs"):
        files = _files(store)
        warn_of_root(draft, store)
        stored = upload.is_stored(store, library, files)
        order = Order(library, store.root, _policy(draft.settings), stored)
        scan = scan_jobs(
            workspace.jobs,
            store.root,
            keep=lambda job: names_library(job, library),
            on_seen=_counting(draft),
        )
    warn_if_blind(draft, identity)
    warn_of_unread(draft, scan)
    return _Scene(order, file, workspace, identity, store, files, scan)


def _planned(draft: Draft, doors: Doors, scene: _Scene) -> tuple[Plan, tuple[Verdict, ...]]:
    with draft.phase("plan", "Plan"):
        plan = _plan_with_rights(scene)
        draft.note_plan(plan, scene.scan.jobs_seen)
        users = _users(scene, scene.scan, plan.rewires)
        verdicts = _verdicts(draft, doors, scene.order.library, scene.files, users)
        draft.note_versions(verdicts, cleanup=draft.settings.cleanup)
        for one in plan.untouched:
            draft.narrator.debug(f"job {one.job_id} {one.pointer}: {one.reason.value} {one.note}")
        draft.narrator.info(
            f"{len(plan.rewires)} of {scene.scan.jobs_seen} jobs move; plan digest {plan.digest}"
        )
    return plan, verdicts


def _plan_with_rights(scene: _Scene) -> Plan:
    """The plan; who is no admin asks first which of the jobs may be edited, so that it says so."""
    plan = make_plan(scene.order, scene.scan.jobs)
    if scene.identity.admin or not plan.rewires:
        return plan
    rights = {
        one.job_id: scene.workspace.jobs.may_edit(one.job_id, scene.identity) is not False
        for one in plan.rewires
    }
    return make_plan(replace(scene.order, may_edit=rights), scene.scan.jobs)


def _refuse_another_plan(plan: Plan, expected: str) -> None:
    if expected and expected != plan.digest:
        raise fail(
            FailureReason.PLAN_CHANGED,
            "The plan is not the one that was approved; nothing was changed.",
            detail=f"Approved: {expected}. Now: {plan.digest}.",
            remedy="Read the new plan in the report, and approve its digest.",
        )


def _rewire(draft: Draft, doors: Doors, scene: _Scene, plan: Plan) -> tuple[Applied, ...]:
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
    draft: Draft, scene: _Scene, applied: tuple[Applied, ...]
) -> tuple[Scan, tuple[Applied, ...]]:
    """One pass over all jobs: did our version win? It is also the fresh scan that removal needs."""
    with draft.phase("verify", "Verify by reading back"):
        fresh = scan_jobs(
            scene.workspace.jobs,
            scene.store.root,
            keep=lambda job: names_library(job, scene.order.library),
            on_seen=_counting(draft),
        )
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
    draft: Draft, doors: Doors, scene: _Scene, fresh: Scan, planned: set[str]
) -> tuple[model.Removal, ...]:
    """Remove what the plan named and a scan made after the rewire still finds unused."""
    users = _users(scene, fresh, ())
    verdicts = _verdicts(draft, doors, scene.order.library, scene.store.files(), users)
    draft.note_versions(verdicts, cleanup=draft.settings.cleanup)
    if not draft.settings.cleanup:
        return ()
    going = [one.stored for one in verdicts if one.goes and one.stored.path in planned]
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


# ── Small questions ──────────────────────────────────────────────────────────────────────────────


def _files(store: Store) -> tuple[StoredFile, ...]:
    try:
        return store.files()
    except Denied as error:
        raise fail(
            FailureReason.PERMISSION_DENIED,
            f"The root {store.root} can't be read.",
            detail=str(error),
            remedy="Give this identity READ VOLUME and WRITE VOLUME, or CAN MANAGE on the folder.",
        ) from error


def _users(scene: _Scene, scan: Scan, rewires: Sequence[Rewire]) -> Users:
    return users_of_files(scan, rewires, scene.workspace.usage, scene.identity, scene.store.root)


def _verdicts(
    draft: Draft, doors: Doors, library: Library, files: Sequence[StoredFile], users: Users
) -> tuple[Verdict, ...]:
    stored = versions_of(library.name, library.kind, [(one.path, one.modified_ms) for one in files])
    return decide(library.version, stored, users, _keeping(draft, doors))


def _keeping(draft: Draft, doors: Doors) -> Keeping:
    return Keeping(draft.settings.keep, draft.settings.min_age_s * 1000, doors.now_ms())


def _policy(settings: Settings) -> Policy:
    return Policy(
        rule=Rule(settings.policy),
        versions=settings.from_versions,
        allow_prereleases=settings.allow_prereleases,
        move_owned=settings.owned == "move",
    )


def _counting(draft: Draft) -> Callable[[int], None]:
    return lambda seen: draft.narrator.progress("jobs read", seen, None)


def _stop_if_asked(doors: Doors) -> None:
    if doors.stopped():
        raise fail(
            FailureReason.CANCELLED,
            "The run was cancelled between two changes.",
            detail="Every job is runnable: each points at a file that is there.",
            remedy="Run it again to finish the work.",
        )
