"""A deployment under its locks: the order of its steps, and what its journal says of it.

Owns the story of one deployment from the intent to the end. The steps themselves are told by `changes`,
the locks by `locking`, the journal by `journaling`. Must not decide what changes: the plan says it.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.approval import Approval
from deployer.changes import (
    Work,
    clean_up,
    fail_if_not_moved,
    fail_if_not_updated,
    guard_target,
    rewire,
    stop_if_asked,
    take_back,
    update_clusters,
    upload_library,
    verified,
)
from deployer.deployment.apply import FAILING, Applied, State, unverified
from deployer.deployment.holding import Holding
from deployer.deployment.moving_back import all_back
from deployer.deployment.scan import Scan
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.journaling import journaled, started
from deployer.locking import WRITER, held, writer_lock
from deployer.plan.history import Action, Entry
from deployer.planning import Planned
from deployer.report.model import Outcome
from deployer.survey import Scene


@dataclass(frozen=True)
class Deployment:
    """Everything that one deployment works with, under the library's lock."""

    draft: Draft
    doors: Doors
    scene: Scene
    planned: Planned
    lock: Holding

    def carry_out(self, approved: Approval) -> Outcome:
        """Do what the plan says. Raises DeployError, Interrupted, LockLost."""
        draft, plan = self.draft, self.planned.plan
        going = self.planned.going_by(approved)
        entry = started(self.doors, self.scene.journal, draft, self._entry(going))
        waiting = [Applied(one, State.PENDING) for one in plan.rewires]
        draft.note_applied(entry.id, waiting, uploaded=False)
        stop_if_asked(self.doors)
        self.lock.check()  # an intent of a run that was taken over must not look like the last deployment
        with journaled(draft, self.scene.journal, entry) as trail:
            scene = self.scene.fenced_by(self.lock.check)
            if plan.upload:
                upload_library(draft, self.doors, scene)
                draft.narrator.info(f"new library {self.scene.order.library.file_name} loaded")
                trail.note(uploaded=plan.target.path)
            draft.note_applied(entry.id, waiting, uploaded=plan.upload)
            work = Work(draft, self.doors, scene, self.planned, self.lock, trail)
            removed = self._change(work, going)
        return Outcome.SUCCEEDED if plan.changes or removed else Outcome.NOTHING_TO_DO

    def _change(self, work: Work, going: frozenset[str]) -> bool:
        """Everything but the upload; whether something was removed."""
        draft, doors, plan = self.draft, self.doors, self.planned.plan
        if not (plan.rewires or plan.clusters or going):
            return False
        fresh = self._move(work) if plan.rewires else verified(draft, self.scene, ())[0]
        updated = update_clusters(work)
        stop_if_asked(doors)
        fail_if_not_updated(draft, updated)
        removed = clean_up(work, fresh, going)
        if removed:
            work.trail.note(removed=[one.path for one in removed])
        return bool(removed)

    def _entry(self, going: frozenset[str]) -> Entry:
        plan, library = self.planned.plan, self.scene.order.library
        return Entry(
            id="",
            sequence=0,
            action=Action.DEPLOY,
            distribution=library.distribution,
            version=str(library.version),
            path=plan.target.path,
            sha256=plan.target.sha256,
            size=plan.target.size,
            digest=plan.digest,
            jobs=self.planned.moves,
            removals=tuple(sorted(going)),
            carries=tuple(one.id for one in self.planned.carries),
            clusters=tuple(one.cluster_id for one in plan.clusters),
        )

    def _move(self, work: Work) -> Scan:
        """Move the jobs and read them back, as the only writer; what a fresh scan of all jobs found."""
        draft, doors, scene = self.draft, self.doors, self.scene
        lock = writer_lock(draft, doors, scene.workspace, scene.store.root)
        with held(draft, doors, lock, WRITER) as writer:

            def fence() -> None:
                self.lock.check()
                writer.check()

            guard_target(scene)
            jobs = scene.workspace.fenced_by(fence).jobs
            applied = rewire(work, jobs)
            work.trail.flush()
            self._note(unverified(applied))
            fence()
            stop_if_asked(doors)
            back = draft.settings.on_failure == "rollback"
            if not (back and _failed(applied)):
                fresh, applied = verified(draft, scene, applied)
                self._note(applied)
            if back and _failed(applied):
                applied = take_back(work, applied, jobs)
                self._note(applied)
                work.trail.moved_back = all_back(applied)
            fence()  # what was read back after another run took over tells nothing
            fail_if_not_moved(draft, applied)
            return fresh

    def _note(self, applied: tuple[Applied, ...]) -> None:
        known = self.draft.deployment
        assert known is not None  # noqa: S101 - noted when it began
        self.draft.note_applied(known.id, applied, uploaded=known.uploaded)


def _failed(applied: tuple[Applied, ...]) -> bool:
    return any(one.state in FAILING for one in applied)
