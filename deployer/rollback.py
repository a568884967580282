"""Going back: the story of a rollback, from the journal to jobs that name again what they named before.

Owns which library and which deployments a rollback is about, and the order of its steps. What goes back
in a job is decided by `plan.undo`; what the journal says is checked there against the jobs as they are.
A rollback removes nothing and builds nothing, and is journaled itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name
from packaging.version import Version

from deployer.advice import warn_if_blind
from deployer.changes import fail_if_not_moved, stop_if_asked
from deployer.deployment.apply import Applied, State, apply_rewires, unverified, verify
from deployer.deployment.journal import Journal
from deployer.deployment.moving_back import still_undone
from deployer.deployment.ports import Store, Workspace
from deployer.deployment.scan import Scan, scan_jobs
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import FailureReason, fail
from deployer.gate import approved
from deployer.jobs.mentions import file_names_in
from deployer.journaling import Trail, journaled, started
from deployer.library.model import Distribution
from deployer.library.names import parse_file_name
from deployer.locking import WRITER, held, library_lock, writer_lock
from deployer.plan.digest import digest
from deployer.plan.history import Action, Entry, Goal, History, goal_of, merged, undo_of
from deployer.plan.model import Plan, Reason, Target
from deployer.plan.undo import UndoOrder, plan_undo
from deployer.report.model import Outcome
from deployer.survey import connect, counting, files_in, journal_of

PREVIOUS = "previous"


@dataclass(frozen=True)
class _Ground:
    """Where a rollback happens, and of what."""

    draft: Draft
    doors: Doors
    workspace: Workspace
    store: Store
    journal: Journal
    distribution: Distribution


@dataclass(frozen=True)
class _Way:
    """The way back: how far, through which jobs, and the plan of it."""

    goal: Goal
    order: UndoOrder
    plan: Plan
    history: History


def plan_rollback(draft: Draft, doors: Doors) -> Outcome:
    """Show what a rollback would change, and change nothing. Raises DeployError."""
    way = _way(_ground(draft, doors))
    return Outcome.SUCCEEDED if way.plan.rewires else Outcome.NOTHING_TO_DO


def roll_back(draft: Draft, doors: Doors) -> Outcome:
    """Take the jobs back, as the only writer. Raises DeployError, Interrupted, and as the ports."""
    ground = _ground(draft, doors)
    workspace, root = ground.workspace, ground.store.root
    own = library_lock(draft, doors, workspace, root, ground.distribution)
    writers = writer_lock(draft, doors, workspace, root)
    with (
        held(draft, doors, own, f"{ground.distribution.name} in its root") as lock,
        held(draft, doors, writers, WRITER) as writer,
    ):

        def fence() -> None:
            lock.check()
            writer.check()

        way = _way(ground)
        fence()  # what was read after another run took over tells nothing
        approved(draft.settings, doors.workspace_folder, way.plan, way.history)
        draft.note_applied("", (), uploaded=False)
        if not way.plan.rewires and way.history.unfinished_rollback() is None:
            _fail_if_no_way(way.plan)
            return Outcome.NOTHING_TO_DO
        entry = started(doors, ground.journal, draft, _entry(ground, way))
        waiting = [Applied(one, State.PENDING) for one in way.plan.rewires]
        draft.note_applied(entry.id, waiting, uploaded=False)
        stop_if_asked(doors)
        fence()  # an intent of a run that was taken over must not look like the last one
        with journaled(draft, ground.journal, entry) as trail:
            applied = _moved_back(ground, way, trail, fence)
            fence()  # nor does what was read back then
            fail_if_not_moved(draft, applied)
            _fail_if_no_way(way.plan)
    return Outcome.SUCCEEDED if way.plan.rewires else Outcome.NOTHING_TO_DO


def _moved_back(
    ground: _Ground, way: _Way, trail: Trail, fence: Callable[[], None]
) -> tuple[Applied, ...]:
    """Write each job and read all of them back; one job's failure keeps no other from going back."""
    draft, doors = ground.draft, ground.doors
    done = 0

    def told(applied: Applied) -> None:
        nonlocal done
        done += 1
        trail.note_job(applied)
        draft.narrator.debug(f"job {applied.rewire.job_id}: {applied.state.value} {applied.detail}")
        draft.narrator.progress("jobs moved back", done, len(way.plan.rewires))

    with draft.phase("rewire", f"Move {len(way.plan.rewires)} jobs back"):
        applied = apply_rewires(
            ground.workspace.fenced_by(fence).jobs,
            way.plan.rewires,
            ready=still_undone(way.order),
            stopped=doors.stopped,
            on_done=told,
            on_state=draft.note_moving,
        )
    draft.note_applied(trail.entry.id, unverified(applied), uploaded=False)
    fence()
    stop_if_asked(doors)
    with draft.phase("verify", "Verify by reading back"):
        fresh = _jobs(ground, way.goal)
    applied = verify(applied, fresh.settings)
    draft.note_applied(trail.entry.id, applied, uploaded=False)
    return applied


# ── Where from, how far, and what of it ──────────────────────────────────────────────────────────


def _ground(draft: Draft, doors: Doors) -> _Ground:
    workspace, identity = connect(draft, doors)
    warn_if_blind(draft, identity)
    store = workspace.store(draft.settings.root, allow_dbfs=draft.settings.allow_dbfs)
    with draft.phase("journal", "Read the journal"):
        files_in(draft, store)
        journal = journal_of(draft, workspace, store.root)
        return _Ground(draft, doors, workspace, store, journal, _which(draft, journal, store.root))


def _which(draft: Draft, journal: Journal, root: str) -> Distribution:
    """The library that goes back: the one that is named, or the only one there is."""
    wanted = draft.settings.library
    known = journal.libraries()
    found = [one for one in known if not wanted or canonicalize_name(wanted) == one.name]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{one.name} ({one.kind.value})" for one in found or known)
    of_it = f" of {wanted}" if wanted else ""
    if not found:
        raise fail(
            FailureReason.UNKNOWN_DEPLOYMENT,
            f"The journal in {root} knows no deployment{of_it}, so there is nothing to go back to.",
            detail=f"It knows {names}."
            if names
            else "Only what spark-deploy deployed can be rolled back.",
            remedy="Correct `library` or `root`; or deploy the old version again, with `policy: any`.",
        )
    raise fail(
        FailureReason.INVALID_INPUT,
        f"The journal in {root} has {len(found)} libraries: {names}.",
        detail="Which of them goes back would be a guess.",
        remedy=f"Name one:\n\n  with:\n    library: {found[0].name}",
    )


def _way(ground: _Ground) -> _Way:
    """How far back, and the plan of it from what the workspace says now. Raises DeployError."""
    draft = ground.draft
    history, goal = _goal(ground)
    if not goal.undone:
        draft.warn(
            f"The jobs are at {goal.name} already. To go further back, name a version or a deployment "
            "by `to`."
        )
    for one in goal.undone:
        draft.narrator.info(f"takes back {one.version}, deployment {one.id}")
        if one.clusters:
            draft.warn(
                f"Deployment {one.id} replaced the library of clusters, too ({', '.join(one.clusters)}): a "
                "rollback moves jobs only, so their owners install the old version."
            )
    with draft.phase("scan", "Read the jobs"):
        scan = _jobs(ground, goal)
    files = ground.store.files()
    leaves = goal.undone[0].version if goal.undone else "0"
    order = UndoOrder(
        ground.distribution,
        ground.store.root,
        frozenset(one.path for one in files),
        Version(leaves),
    )
    jobs = {job.job_id: job for job in scan.jobs}
    undo = undo_of(goal.undone)
    with draft.phase("plan", "Plan"):
        plan = plan_undo(order, Target("", "", 0), undo, jobs)
        plan = replace(plan, target=_target(ground, history, plan))
        plan = replace(plan, digest=digest(plan.target, plan.rewires))
        for gone in (one for one in undo if one.job_id not in jobs):
            draft.warn(f"Job {gone.job_id} ({gone.job_name}) is not there any more.")
        draft.note_way_back(ground.distribution.name, plan.target)
        draft.note_plan(plan, scan.jobs_seen, scan.jobs)
        approval = draft.note_approval(plan.digest)
        draft.narrator.info(f"{len(plan.rewires)} jobs go back; plan digest {approval}")
    return _Way(goal, order, plan, history)


def _goal(ground: _Ground) -> tuple[History, Goal]:
    draft = ground.draft
    to = draft.settings.to or PREVIOUS
    with draft.phase("journal", "Read the journal"):
        history = ground.journal.history(ground.distribution, deep=to != PREVIOUS)
        if history.unfinished_rollback() is not None:
            history = ground.journal.history(ground.distribution, deep=True)
    if history.unread:
        raise fail(
            FailureReason.JOURNAL_UNUSABLE,
            "The journal can't be used for a rollback; no job was touched.",
            detail="\n".join(f"- {one}" for one in history.unread[:20]),
            remedy="Find out who wrote those files; delete them to go by the other entries.",
        )
    goal = goal_of(history, to)
    if goal is None:
        known = "\n".join(
            f"- {one.version}, deployment {one.id}" for one in history.standing()[:20]
        )
        raise fail(
            FailureReason.UNKNOWN_DEPLOYMENT,
            f"The journal knows nothing that `to: {to}` could mean.",
            detail=f"It knows, newest first:\n{known}" if known else "No deployment in it stands.",
            remedy="Give `previous`, one of these versions, or one of these ids.",
        )
    return history, goal


def _jobs(ground: _Ground, goal: Goal) -> Scan:
    """The jobs that the goal is about, as they are now."""
    wanted = {job.job_id for one in goal.undone for job in one.jobs}
    return scan_jobs(
        ground.workspace.jobs,
        ground.store.root,
        keep=lambda job: job.job_id in wanted,
        on_seen=counting(ground.draft),
    )


def _target(ground: _Ground, history: History, plan: Plan) -> Target:
    """The newest file that the jobs name again, with the hash that the journal has of it."""
    found: dict[Version, str] = {}
    for name in file_names_in([one.after for rewire in plan.rewires for one in rewire.changes]):
        parsed = parse_file_name(name)
        one = parsed.certain if parsed is not None else None
        if parsed and one and one.version and parsed.distribution(one) == ground.distribution:
            found[one.version] = name
    if not found:
        return Target("", "", 0)
    path = f"{ground.store.root}/{found[max(found)]}"
    known = [one for one in history.entries if one.path == path and one.action is Action.DEPLOY]
    return Target(path, known[0].sha256 if known else "", known[0].size if known else 0)


def _entry(ground: _Ground, way: _Way) -> Entry:
    plan = way.plan
    return Entry(
        id="",
        sequence=0,
        action=Action.ROLLBACK,
        distribution=ground.distribution,
        version=str(way.order.version),
        path=plan.target.path or way.goal.undone[0].path,
        sha256=plan.target.sha256,
        size=plan.target.size,
        digest=plan.digest,
        jobs=merged(plan.rewires, ()),
        undoes=way.goal.ids,
    )


def _fail_if_no_way(plan: Plan) -> None:
    """References that should have gone back and can't: partial is never called success."""
    stuck = [one for one in plan.untouched if one.reason is not Reason.CHANGED_SINCE]
    if stuck:
        raise fail(
            FailureReason.JOBS_NOT_MOVED,
            f"{len(stuck)} references can't go back.",
            detail="\n".join(
                f"- {one.job_name} ({one.job_id}): {one.reason.value}, {one.note}"
                for one in stuck[:20]
            ),
            remedy="Put the old file back into the root, or go back to another version with `to`.",
        )
