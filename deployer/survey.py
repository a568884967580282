"""The survey: everything that a plan is made from, and the plan made from it.

Owns the reading half of a deployment. Must not change the workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deployer.advice import (
    tell_elsewhere,
    warn_if_blind,
    warn_if_unknown,
    warn_of_clusters,
    warn_of_root,
    warn_of_unread,
)
from deployer.deployment.elsewhere import Elsewhere, Looking, look_elsewhere
from deployer.deployment.ports import (
    ClusterListing,
    Denied,
    Identity,
    NotFound,
    Store,
    StoredFile,
    Workspace,
)
from deployer.deployment.scan import Scan, scan_jobs
from deployer.deployment.upload import is_stored, root_unavailable
from deployer.deployment.users import users_of_files
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import FailureReason, Problem, fail, gather, raise_if_any
from deployer.library.model import Library
from deployer.obtain import built_library, given_library
from deployer.plan.clusters import decide_clusters
from deployer.plan.model import ClusterChange, Plan, Rewire
from deployer.plan.planner import Order, asks_for_runtimes, make_plan, names_library
from deployer.plan.policy import Policy, Rule
from deployer.plan.retention import Keeping, Users, Verdict, decide, versions_of
from deployer.settings import Settings


@dataclass(frozen=True)
class Scene:
    """What a plan is made from."""

    order: Order
    file: Path
    workspace: Workspace
    identity: Identity
    store: Store
    files: tuple[StoredFile, ...]
    scan: Scan
    elsewhere: Elsewhere
    clusters: ClusterListing


def connect(draft: Draft, doors: Doors) -> tuple[Workspace, Identity]:
    """The workspace, and who it says we are. Raises DeployError."""
    with draft.phase("connect", "Connect to the workspace"):
        draft.workspace = workspace = doors.connect(draft.settings.credentials)
        identity = workspace.identity()
        draft.note_identity(identity)
        role = "a workspace admin" if identity.admin else "not a workspace admin"
        credential = workspace.credential()
        draft.narrator.info(f"{identity.user} by {credential.kind} at {workspace.host}, {role}")
        if credential.caution:
            draft.warn(credential.caution)
    return workspace, identity


def survey(draft: Draft, doors: Doors) -> Scene:
    """Everything that a plan is made from. Problems of the file and of the workspace are told together.

    A project's own code has run by then, before any credential was used (design.md, rule 10).
    """
    if not draft.settings.wheel:
        library, file = built_library(draft, doors)
        workspace, identity = connect(draft, doors)
    else:
        problems: list[Problem] = []
        with gather(problems):
            library, file = given_library(draft, doors)
        with gather(problems):
            workspace, identity = connect(draft, doors)
        raise_if_any(problems)
    store = workspace.store(draft.settings.root, allow_dbfs=draft.settings.allow_dbfs)
    draft.note_library(library, str(file), f"{store.root}/{library.file_name}")
    with draft.phase("scan", "Read the root and the jobs"):
        files = files_in(draft, store)
        stored = is_stored(store, library, files)
        order = Order(library, store.root, _policy(draft.settings), stored)
        scan = scan_for(draft, workspace, store.root, library)
        if asks_for_runtimes(order, scan.jobs):
            order = replace(order, runtimes=workspace.usage.runtimes())
    elsewhere = look(draft, workspace, scan, store.root, library)
    warn_if_blind(draft, identity)
    clusters = _clusters(draft, workspace)
    return Scene(order, file, workspace, identity, store, files, scan, elsewhere, clusters)


def _clusters(draft: Draft, workspace: Workspace) -> ClusterListing:
    """The clusters, if their libraries are to be replaced."""
    if draft.settings.clusters == "report":
        return ClusterListing()
    with draft.phase("clusters", "Read the clusters"):
        return workspace.clusters.listing()


def look(
    draft: Draft, workspace: Workspace, scan: Scan, root: str, library: Library | None
) -> Elsewhere:
    """Everything besides jobs that may name `library`, for None any library file; and warn of the unread."""
    looking = Looking(
        root,
        wanted=lambda one: (
            one.is_file if library is None else one.names(library.name, library.kind)
        ),
        notebooks=draft.settings.read_notebooks,
        on_read=lambda done, total: draft.narrator.progress("texts read", done, total),
    )
    with draft.phase("elsewhere", "Read what else may name the library"):
        found = look_elsewhere(scan, workspace.usage, looking)
    warn_of_unread(draft, found)
    return found


def scan_for(draft: Draft, workspace: Workspace, root: str, library: Library | None) -> Scan:
    """One pass over all jobs that keeps those that name `library`; all of them for None."""
    return scan_jobs(
        workspace.jobs,
        root,
        keep=lambda job: library is None or names_library(job, library),
        on_seen=counting(draft),
    )


def planned(draft: Draft, scene: Scene) -> tuple[Plan, tuple[Verdict, ...]]:
    """The plan, and what becomes of each stored version once it is applied."""
    with draft.phase("plan", "Plan"):
        clusters = decide_clusters(
            scene.order,
            scene.clusters.clusters,
            scene.clusters.policies,
            restart=draft.settings.clusters == "restart",
        )
        warn_of_clusters(draft, clusters.stays)
        plan = _plan_with_rights(scene, clusters.changes)
        draft.note_plan(plan, scene.scan.jobs_seen)
        tell_elsewhere(draft, scene.elsewhere, scene.order, plan.clusters)
        users = users_after(scene, scene.scan, plan.rewires, scene.elsewhere)
        verdicts = verdicts_on(draft, scene.workspace, scene.order, scene.files, users)
        draft.note_versions(verdicts, cleanup=draft.settings.cleanup)
        approval = draft.note_approval(plan.digest)
        warn_if_unknown(draft, scene.order.library, plan)
        for one in plan.untouched:
            draft.narrator.debug(f"job {one.job_id} {one.pointer}: {one.reason.value} {one.note}")
        draft.narrator.info(
            f"{len(plan.rewires)} of {scene.scan.jobs_seen} jobs move; plan digest {approval}"
        )
    return plan, verdicts


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


def files_in(draft: Draft, store: Store) -> tuple[StoredFile, ...]:
    """The files of the root, () when it is still to be made. Raises DeployError."""
    try:
        exists = store.exists()
        warn_of_root(draft, store, exists=exists)
        return store.files() if exists else ()
    except NotFound as error:
        raise root_unavailable(store.root, error) from error
    except Denied as error:
        raise fail(
            FailureReason.PERMISSION_DENIED,
            f"The root {store.root} can't be read.",
            detail=str(error),
            remedy="Give this identity READ VOLUME and WRITE VOLUME, or CAN MANAGE on the folder.",
        ) from error


def users_after(scene: Scene, scan: Scan, rewires: Sequence[Rewire], elsewhere: Elsewhere) -> Users:
    """Who uses which file once `rewires` are applied to what `scan` found."""
    return users_of_files(scan, rewires, elsewhere, scene.identity)


def verdicts_on(
    draft: Draft, workspace: Workspace, order: Order, files: Sequence[StoredFile], users: Users
) -> tuple[Verdict, ...]:
    """What becomes of each version of the library in the root, the one of this run among them."""
    listed = [(one.path, one.modified_ms) for one in files]
    if order.path not in {path for path, _ in listed}:
        listed.append((order.path, workspace.now_ms()))
    stored = versions_of(order.library.distribution, listed)
    return decide(order.library.version, stored, users, keeping(draft, workspace))


def keeping(draft: Draft, workspace: Workspace) -> Keeping:
    """What the settings say about old versions."""
    return Keeping(draft.settings.keep, draft.settings.min_age_s * 1000, workspace.now_ms())


def _policy(settings: Settings) -> Policy:
    return Policy(
        rule=Rule(settings.policy),
        versions=settings.from_versions,
        allow_prereleases=settings.allow_prereleases,
        move_owned=settings.owned == "move",
    )


def counting(draft: Draft) -> Callable[[int], None]:
    """Tells how many jobs were read."""
    return lambda seen: draft.narrator.progress("jobs read", seen, None)
