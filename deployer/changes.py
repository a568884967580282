"""The changes: what a deployment does to the workspace, one step after the other.

Owns the doing half of a deployment, and what is told of it while it happens; `survey` is the reading
half. At every instant each job points at files that exist (design.md, rule 5). Must not decide what
changes: the plan says it.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.deployment import clusters, removal, upload
from deployer.deployment.apply import Applied, State, apply_rewires, verify
from deployer.deployment.clusters import FAILURES, Became, Site, Updated
from deployer.deployment.ports import Store
from deployer.deployment.scan import Scan
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, fail
from deployer.plan.model import Plan
from deployer.plan.retention import Stored
from deployer.report import model
from deployer.survey import Scene, look, scan_for, users_after, verdicts_on


def upload_library(draft: Draft, doors: Doors, scene: Scene) -> None:
    """Put the library into the root, beside the old versions. Raises DeployError, Interrupted."""
    with (
        draft.phase("upload", f"Upload {scene.order.path}"),
        upload.opened(scene.file, doors.stopped) as content,
    ):
        upload.upload(scene.store, scene.order.library, content)


def rewire(draft: Draft, doors: Doors, scene: Scene, plan: Plan) -> tuple[Applied, ...]:
    """Move each job of the plan; what became of it is noted as it happens."""
    done = 0

    def told(applied: Applied) -> None:
        nonlocal done
        done += 1
        draft.narrator.debug(f"job {applied.rewire.job_id}: {applied.state.value} {applied.detail}")
        draft.narrator.progress("jobs rewired", done, len(plan.rewires))

    with draft.phase("rewire", f"Rewire {len(plan.rewires)} jobs"):
        return apply_rewires(
            scene.workspace.jobs,
            scene.order,
            plan.rewires,
            stopped=doors.stopped,
            on_done=told,
            on_state=draft.note_moving,
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


def update_clusters(draft: Draft, doors: Doors, scene: Scene, plan: Plan) -> tuple[Updated, ...]:
    """Replace the library of each cluster of the plan; the jobs are moved and verified by then."""
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
        return clusters.update_clusters(
            site,
            plan.clusters,
            waiting=doors.waiting,
            stopped=doors.stopped,
            on_wait=draft.narrator.info,
            on_done=told,
        )


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


def clean_up(
    draft: Draft, doors: Doors, scene: Scene, fresh: Scan, approved: set[str]
) -> tuple[model.Removal, ...]:
    """Remove what the plan named and a scan made after the rewire still finds unused.

    Only who is about to remove something has to look elsewhere once more.
    """
    elsewhere = scene.elsewhere
    if approved and draft.settings.cleanup:
        order = scene.order
        elsewhere = look(draft, scene.workspace, fresh, order.root, order.library)
    users = users_after(scene, fresh, (), elsewhere)
    verdicts = [
        one.kept_unless(one.stored.path in approved, "the plan did not name it for removal")
        for one in verdicts_on(draft, scene.workspace, scene.order, scene.store.files(), users)
    ]
    draft.note_versions(verdicts, cleanup=draft.settings.cleanup)
    if not draft.settings.cleanup:
        return ()
    return remove(draft, doors, scene.store, [one.stored for one in verdicts if one.goes])


def remove(
    draft: Draft, doors: Doors, store: Store, going: Sequence[Stored]
) -> tuple[model.Removal, ...]:
    """Remove these old versions, and note each when it is gone. Raises DeployError."""
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
