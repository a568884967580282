"""The changes: what a deployment does to the workspace, one step after the other.

Owns the doing half of a deployment, and what is told of it while it happens; `survey` is the reading
half. At every instant each job points at files that exist (design.md, rule 5). Must not decide what
changes: the plan says it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from deployer.deployment import clusters, removal, upload
from deployer.deployment.apply import (
    FAILING,
    Applied,
    State,
    apply_rewires,
    still_planned,
    verify,
)
from deployer.deployment.clusters import FAILURES, Became, Site, Updated
from deployer.deployment.holding import Holding
from deployer.deployment.moving_back import move_back
from deployer.deployment.ports import Jobs, Store
from deployer.deployment.scan import Scan
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, fail
from deployer.journaling import Trail
from deployer.plan.history import as_rewires
from deployer.plan.retention import Stored
from deployer.plan.undo import UndoOrder
from deployer.planning import Planned, users_after, verdicts_on
from deployer.report import model
from deployer.survey import Scene, look, scan_for


@dataclass(frozen=True)
class Work:
    """What the steps of one deployment share: what is to be done, where, and under which lock."""

    draft: Draft
    doors: Doors
    scene: Scene
    planned: Planned
    lock: Holding
    trail: Trail


def upload_library(draft: Draft, doors: Doors, scene: Scene) -> None:
    """Put the library into the root, beside the old versions. Raises DeployError, Interrupted."""
    with (
        draft.phase("upload", f"Upload {scene.order.path}"),
        upload.opened(scene.file, doors.stopped) as content,
    ):
        if scene.replaces:
            scene.store.delete(scene.order.path)
        upload.upload(scene.store, scene.order.library, content)


def guard_target(scene: Scene) -> None:
    """The file has to be there before the first job names it, whoever deleted it. Raises DeployError."""
    if scene.order.path not in {one.path for one in scene.store.files()}:
        raise fail(
            FailureReason.UPLOAD_FAILED,
            f"{scene.order.path} is not there any more; no job was touched.",
            detail="Somebody deleted it after it was uploaded.",
            remedy="Run it again: a re-run uploads it and finishes the work.",
        )


def rewire(work: Work, jobs: Jobs) -> tuple[Applied, ...]:
    """Move each job of the plan; what became of it is noted as it happens.

    Unless the others are to go on, a job that does not move keeps those from moving that were not begun.
    """
    draft, rewires = work.draft, work.planned.plan.rewires
    done = 0
    failed = threading.Event()

    def told(applied: Applied) -> None:
        nonlocal done
        done += 1
        work.trail.note_job(applied)
        draft.narrator.debug(f"job {applied.rewire.job_id}: {applied.state.value} {applied.detail}")
        draft.narrator.progress("jobs rewired", done, len(rewires))

    def became(applied: Applied) -> None:
        draft.note_moving(applied)
        if applied.state in FAILING and draft.settings.on_failure != "continue":
            failed.set()

    with draft.phase("rewire", f"Rewire {len(rewires)} jobs"):
        return apply_rewires(
            jobs,
            rewires,
            ready=still_planned(work.scene.order),
            stopped=lambda: work.doors.stopped() or failed.is_set(),
            on_done=told,
            on_state=became,
        )


def take_back(work: Work, applied: tuple[Applied, ...], jobs: Jobs) -> tuple[Applied, ...]:
    """Move back what has moved, in this run or in those that it goes on with; and say what became of it."""
    draft, scene = work.draft, work.scene
    known = {one.rewire.job_id for one in applied}
    earlier = tuple(
        Applied(one, State.WRITTEN)
        for one in as_rewires(work.planned.moves)
        if one.job_id not in known
    )
    order = UndoOrder(
        scene.order.library.distribution,
        scene.store.root,
        frozenset(one.path for one in scene.store.files()),
        scene.order.library.version,
    )
    count = 0

    def told(one: Applied) -> None:
        nonlocal count
        count += 1
        draft.narrator.debug(f"job {one.rewire.job_id} back: {one.state.value} {one.detail}")
        draft.narrator.progress("jobs moved back", count, None)

    with draft.phase("rollback", "Move back what has moved"):
        return move_back(
            jobs, order, (*applied, *earlier), stopped=work.doors.stopped, on_done=told
        )


def verified(
    draft: Draft, scene: Scene, applied: tuple[Applied, ...]
) -> tuple[Scan, tuple[Applied, ...]]:
    """One pass over all jobs: did our version win? It is also the fresh scan that removal needs."""
    with draft.phase("verify", "Verify by reading back"):
        fresh = scan_for(draft, scene.workspace, scene.store.root, scene.order.library)
    return fresh, verify(applied, fresh.settings)


def fail_if_not_moved(draft: Draft, applied: Sequence[Applied]) -> None:
    """Partial is never called success (design.md, "outcome"). Old versions stay when it is partial."""
    missing = [one for one in applied if one.state in FAILING or one.state is State.STAYS]
    for one in applied:
        if one.state is State.GONE:
            draft.warn(f"Job {one.rewire.job_id} ({one.rewire.job_name}): {one.detail}.")
    if missing:
        back = sum(one.state is State.MOVED_BACK for one in applied)
        stays = sum(one.state is State.STAYS for one in applied)
        raise fail(
            FailureReason.JOBS_NOT_MOVED,
            f"{len(missing)} of {len(applied)} jobs did not move{_of_others(back, stays)}.",
            detail="\n".join(
                f"- {one.rewire.job_name} ({one.rewire.job_id}): {one.detail}"
                for one in missing[:20]
            ),
            remedy="Every job is runnable and nothing was removed. Solve what is said, and run it again."
            + (_LET_OTHERS_GO_ON if back else ""),
        )


_LET_OTHERS_GO_ON = " To let the other jobs move all the same:\n\n  with:\n    on-failure: continue"


def _of_others(back: int, stays: int) -> str:
    """What became of the jobs that had moved, after a failure."""
    told = f"; {back} that had moved {'was' if back == 1 else 'were'} moved back" if back else ""
    return told + (f", and {stays} could not be moved back" if stays else "")


def update_clusters(work: Work) -> tuple[Updated, ...]:
    """Replace the library of each cluster of the plan; the jobs are moved and verified by then.

    Raises LockLost: another run deploys this library now.
    """
    draft, scene, plan = work.draft, work.scene, work.planned.plan
    if not plan.clusters:
        return ()
    known = {one.cluster_id: Updated(one, Became.PENDING) for one in plan.clusters}
    draft.note_clusters(known.values())

    def told(updated: Updated) -> None:
        known[updated.change.cluster_id] = updated
        draft.note_clusters(known.values())
        draft.narrator.info(
            f"cluster {updated.change.cluster_id}: {updated.became.value} {updated.detail}".rstrip()
        )

    site = Site(
        scene.workspace.clusters,
        scene.workspace.usage,
        scene.identity,
        scene.order,
        scene.clusters,
        restart=draft.settings.clusters == "restart",
    )
    with draft.phase("clusters", f"Replace the library of {len(plan.clusters)} clusters"):
        updated = clusters.update_clusters(
            site,
            plan.clusters,
            waiting=work.doors.waiting,
            stopped=work.doors.stopped,
            on_wait=draft.narrator.info,
            on_done=told,
        )
    work.lock.check()
    return updated


def fail_if_not_updated(draft: Draft, updated: Sequence[Updated]) -> None:
    """A cluster that keeps its old library is no success, and no failure of a job."""
    missing = [one for one in updated if one.became in FAILURES]
    for one in updated:
        if one.became is Became.GONE:
            draft.warn(f"Cluster {one.change.cluster_id}: {one.detail}.")
    if missing:
        raise fail(
            FailureReason.CLUSTERS_NOT_UPDATED,
            f"All jobs moved, but {len(missing)} of {len(updated)} clusters did not get the new version.",
            detail="\n".join(
                f"- {one.change.cluster_name} ({one.change.cluster_id}): {one.detail}"
                for one in missing[:20]
            ),
            remedy="No old version was removed. Solve what is said, and run it again; or leave the "
            "clusters alone:\n\n  with:\n    clusters: report",
        )


def clean_up(work: Work, fresh: Scan, approved: frozenset[str]) -> tuple[model.Removal, ...]:
    """Remove what the plan named and a scan made after the rewire still finds unused.

    Only who is about to remove something has to look elsewhere once more.
    """
    draft, scene, planned = work.draft, work.scene, work.planned
    elsewhere = scene.elsewhere
    if approved:
        order = scene.order
        elsewhere = look(draft, scene.workspace, fresh, order.root, order.library)
    users = users_after(scene, fresh, (), elsewhere)
    verdicts = [
        one.kept_unless(
            one.stored.path in approved or not planned.removing,
            "the plan did not name it for removal",
        )
        for one in verdicts_on(draft, scene, scene.store.files(), users, planned.moves)
    ]
    draft.note_versions(verdicts, cleanup=planned.removing)
    going = [one.stored for one in verdicts if one.goes] if planned.removing else []
    return remove(draft, work.doors, scene.store, going)


def remove(
    draft: Draft,
    doors: Doors,
    store: Store,
    going: Sequence[Stored],
) -> tuple[model.Removal, ...]:
    """Remove these old versions, and note each when it is gone. Raises DeployError, LockLost."""
    if not going:
        return ()
    told: list[model.Removal] = []

    def gone(one: Stored) -> None:
        told.append(model.Removal(one.path, str(one.version)))
        draft.note_removed(told)

    with draft.phase("remove", f"Remove {len(going)} old versions"):
        _, problems = removal.remove(store, going, stopped=doors.stopped, on_removed=gone)
    if problems:
        raise DeployError(*problems)
    stop_if_asked(doors)
    return tuple(told)


def stop_if_asked(doors: Doors) -> None:
    """Between two changes: end here when the run was asked to stop. Raises DeployError(cancelled)."""
    if doors.stopped():
        raise fail(
            FailureReason.CANCELLED,
            "The run was cancelled between two changes.",
            detail="Every job is runnable: each points at a file that is there.",
            remedy="Run it again to finish the work.",
        )
