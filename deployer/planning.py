"""Planning: the plan made from what the survey found, and what becomes of each stored version.

Owns what goes with a plan: the unfinished deployments that it goes on with, the files that a rollback
needs, and whether anything may be removed. What changes is decided by `plan`. Must not read the
workspace, but for the rights on single jobs, and must not change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from deployer.advice import tell_elsewhere, warn_if_unknown, warn_of_clusters, warn_of_first
from deployer.approval import Approval
from deployer.deployment.elsewhere import Elsewhere
from deployer.deployment.ports import Store, StoredFile, Workspace
from deployer.deployment.scan import Scan
from deployer.deployment.users import users_of_files
from deployer.draft import Draft
from deployer.jobs.places import Place, PlaceGone
from deployer.library.model import Distribution, Library
from deployer.plan.clusters import decide_clusters
from deployer.plan.digest import digest
from deployer.plan.history import (
    Entry,
    History,
    MovedJob,
    as_rewires,
    carried,
    files_before,
    merged,
)
from deployer.plan.model import ClusterChange, Plan, Rewire
from deployer.plan.planner import make_plan
from deployer.plan.retention import Keeping, Users, Verdict, decide, lines_of, versions_of
from deployer.survey import Scene, journal_of


@dataclass(frozen=True)
class Planned:
    """A plan with all that goes with it.

    `carries` are unfinished deployments of the same file, which this one goes on with; `moves` are all
    jobs that the deployment moves, those too that they had moved. `verdicts` say what becomes of each
    stored version, and `removing` whether those that nothing keeps may go.
    """

    plan: Plan
    verdicts: tuple[Verdict, ...]
    moves: tuple[MovedJob, ...] = ()
    carries: tuple[Entry, ...] = ()
    removing: bool = True

    @property
    def going(self) -> frozenset[str]:
        """The paths of the files that go."""
        if not self.removing:
            return frozenset()
        return frozenset(one.stored.path for one in self.verdicts if one.goes)

    def going_by(self, approved: Approval) -> frozenset[str]:
        """The paths of the files that go, of those that were approved."""
        return frozenset(path for path in self.going if approved.allows(path))

    def has_work(self, approved: Approval) -> bool:
        """Whether there is anything to do, and be it to close the journal of an unfinished run."""
        return bool(self.plan.changes or self.carries or self.going_by(approved))


def planned(draft: Draft, scene: Scene) -> Planned:
    """The plan, what it goes on with, and what becomes of each stored version once it is applied."""
    with draft.phase("plan", "Plan"):
        clusters = decide_clusters(
            scene.order,
            scene.clusters.clusters,
            scene.clusters.policies,
            restart=draft.settings.clusters == "restart",
        )
        warn_of_clusters(draft, clusters.stays)
        plan, moves, carries = _with_unfinished(scene, _plan_with_rights(scene, clusters.changes))
        draft.note_plan(plan, scene.scan.jobs_seen, scene.scan.jobs)
        tell_elsewhere(draft, scene.elsewhere, scene.order, plan.clusters)
        users = users_after(scene, scene.scan, plan.rewires, scene.elsewhere)
        verdicts = verdicts_on(draft, scene, scene.files, users, moves)
        found = Planned(plan, verdicts, moves, carries, may_remove(draft, scene.history))
        draft.note_versions(verdicts, cleanup=found.removing)
        warn_of_first(draft, verdicts, found.removing)
        approval = draft.note_approval(plan.digest)
        warn_if_unknown(draft, scene.order.library, plan)
        for one in plan.untouched:
            draft.narrator.debug(f"job {one.job_id} {one.pointer}: {one.reason.value} {one.note}")
        draft.narrator.info(
            f"{len(plan.rewires)} of {scene.scan.jobs_seen} jobs move; plan digest {approval}"
        )
        for entry in carries:
            draft.narrator.info(f"goes on with deployment {entry.id}, which was left unfinished")
    return found


def _with_unfinished(
    scene: Scene, plan: Plan
) -> tuple[Plan, tuple[MovedJob, ...], tuple[Entry, ...]]:
    """The plan as part of the whole that unfinished deployments of this file began.

    Its digest is that of the whole, so that an approval outlives a crash: what was moved by then counts
    with the strings that stood there before.
    """
    carries = scene.history.to_carry(plan.target.sha256, plan.target.path)
    if not carries:
        return plan, merged(plan.rewires, ()), ()
    done = carried(carries, _strings_now(scene, carries))
    moves = merged(plan.rewires, done)
    if done:
        whole = digest(plan.target, as_rewires(moves), plan.clusters)
        plan = replace(plan, digest=whole)
    return plan, moves, carries


def _strings_now(scene: Scene, entries: Iterable[Entry]) -> dict[int, dict[Place, str]]:
    """What stands now in the places of `entries`, by job; what is not there is left out."""
    found: dict[int, dict[Place, str]] = {}
    for job in (job for entry in entries for job in entry.jobs):
        settings = scene.scan.settings(job.job_id) or {}
        for one in job.strings:
            with suppress(PlaceGone):
                found.setdefault(job.job_id, {})[one.place] = one.place.read(settings)
    return found


def _way_back(history: History, moves: Sequence[MovedJob]) -> frozenset[str]:
    """The files that a rollback needs: of these moves, or of the last deployment where nothing moves."""
    standing = history.standing()
    return files_before(moves or (standing[0].jobs if standing else ()))


def may_remove(draft: Draft, history: History) -> bool:
    """Whether files that nothing keeps may go: the first deployment to a root only lists them."""
    return draft.settings.cleanup and history.any_deployment


def _plan_with_rights(scene: Scene, clusters: Sequence[ClusterChange]) -> Plan:
    """The plan; who is no admin asks first which of the jobs may be edited, so that it says so."""
    plan = make_plan(scene.order, scene.scan.jobs, clusters)
    if scene.identity.admin or not plan.rewires:
        return plan
    rights = {
        one.job_id: scene.workspace.jobs.may_edit(one.job_id, scene.identity) is not False
        for one in plan.rewires
    }
    return make_plan(replace(scene.order, may_edit=rights), scene.scan.jobs, clusters)


def users_after(scene: Scene, scan: Scan, rewires: Sequence[Rewire], elsewhere: Elsewhere) -> Users:
    """Who uses which file once `rewires` are applied to what `scan` found."""
    return users_of_files(scan, rewires, elsewhere, scene.identity)


def verdicts_on(
    draft: Draft,
    scene: Scene,
    files: Sequence[StoredFile],
    users: Users,
    moves: Sequence[MovedJob],
) -> tuple[Verdict, ...]:
    """What becomes of each version of the library in the root, the one of this run among them."""
    order, workspace = scene.order, scene.workspace
    listed = [(one.path, one.modified_ms) for one in files]
    if order.path not in {path for path, _ in listed}:
        listed.append((order.path, workspace.now_ms()))
    stored = versions_of(order.library.distribution, listed)
    keeping = _keeping(draft, workspace, scene.history, moves)
    return decide(order.library.version, stored, _as_far_as_seen(users, scene.history), keeping)


def verdicts_on_all(
    draft: Draft, workspace: Workspace, store: Store, library: Library | None, users: Users
) -> tuple[Verdict, ...]:
    """What becomes of each stored version of `library`, or of every library, when nothing is deployed."""
    wanted = None if library is None else (library.distribution, library.version)
    journal = journal_of(draft, workspace, store.root)
    verdicts: list[Verdict] = []
    histories: dict[Distribution, History] = {}
    listed = [(one.path, one.modified_ms) for one in store.files()]
    for line in lines_of(listed, wanted):
        if line.distribution not in histories:
            histories[line.distribution] = journal.history(line.distribution)
        history = histories[line.distribution]
        seen, keeping = _as_far_as_seen(users, history), _keeping(draft, workspace, history, ())
        verdicts += decide(line.current, line.stored, seen, keeping)
    return tuple(verdicts)


def _as_far_as_seen(users: Users, history: History) -> Users:
    """The users, blind also where an entry can't be read: it may be the one that needs a file."""
    return replace(users, blind=(*users.blind, *history.unread))


def _keeping(
    draft: Draft, workspace: Workspace, history: History, moves: Sequence[MovedJob]
) -> Keeping:
    """What the settings say about old versions, which files a rollback needs, and which are in doubt."""
    settings = draft.settings
    return Keeping(
        settings.keep,
        settings.min_age_s * 1000,
        workspace.now_ms(),
        _way_back(history, moves),
        history.doubtful_files(),
    )
