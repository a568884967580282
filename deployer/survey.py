"""The survey: everything that a plan is made from, and the plan made from it.

Owns the reading half of a deployment. Must not change the workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from deployer.advice import (
    warn_if_blind,
    warn_of_journal,
    warn_of_root,
    warn_of_unread,
)
from deployer.deployment.elsewhere import Elsewhere, Looking, look_elsewhere
from deployer.deployment.journal import Journal
from deployer.deployment.lock import Lock
from deployer.deployment.ports import (
    OWN_FOLDER,
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
from deployer.errors import DeployError, FailureReason, Problem, fail, gather, raise_if_any
from deployer.library.model import Library
from deployer.locking import library_lock
from deployer.obtain import built_library, given_library
from deployer.plan.history import Action, Ending, History
from deployer.plan.planner import Order, asks_for_runtimes, names_library
from deployer.plan.policy import Policy, Rule
from deployer.plan.retention import Users
from deployer.settings import Settings


@dataclass(frozen=True)
class Scene:
    """What a plan is made from.

    `lock_number` is the last number of the library's lock when the look began; see `Lock.number`.
    `replaces` says that other bytes of an unfinished deployment lie where the file goes.
    """

    order: Order
    file: Path
    workspace: Workspace
    identity: Identity
    store: Store
    files: tuple[StoredFile, ...]
    scan: Scan
    elsewhere: Elsewhere
    clusters: ClusterListing
    journal: Journal
    history: History
    lock: Lock
    lock_number: int
    replaces: bool = False

    def fenced_by(self, fence: Callable[[], None]) -> Scene:
        """The same, with `fence` asked before each write; but for the journal, which tells of lost locks."""
        workspace = self.workspace.fenced_by(fence)
        store = workspace.store(self.store.root, allow_dbfs=True)  # a root that was allowed before
        return replace(self, workspace=workspace, store=store)


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
    if draft.settings.builds:
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
    lock = library_lock(draft, doors, workspace, store.root, library.distribution)
    return _looked(draft, _Ground(library, file, workspace, identity, store, lock))


def survey_again(draft: Draft, scene: Scene) -> Scene:
    """The same library in the workspace as it is now: somebody may have changed it meanwhile."""
    ground = _Ground(
        scene.order.library, scene.file, scene.workspace, scene.identity, scene.store, scene.lock
    )
    return _looked(draft, ground)


@dataclass(frozen=True)
class _Ground:
    """What a look needs."""

    library: Library
    file: Path
    workspace: Workspace
    identity: Identity
    store: Store
    lock: Lock


def journal_of(draft: Draft, workspace: Workspace, root: str) -> Journal:
    """The journal of a root."""
    folder = f"{root}/{OWN_FOLDER}/journal"
    return Journal(workspace.records(folder, allow_dbfs=draft.settings.allow_dbfs), root)


def _looked(draft: Draft, ground: _Ground) -> Scene:
    """One look at root, journal, jobs and whatever else may name the library."""
    library, workspace, store = ground.library, ground.workspace, ground.store
    with draft.phase("scan", "Read the root and the jobs"):
        number = _number(ground.lock)
        files = files_in(draft, store)
        journal = journal_of(draft, workspace, store.root)
        history = journal.history(library.distribution)
        warn_of_journal(draft, history)
        taken: list[Problem] = []
        stored = False
        with gather(taken):
            stored = is_stored(store, library, files, _recorded(journal, library, history))
        order = Order(library, store.root, _policy(draft.settings), stored)
        scan = scan_for(draft, workspace, store.root, library)
        if asks_for_runtimes(order, scan.jobs):
            order = replace(order, runtimes=workspace.usage.runtimes())
    elsewhere = look(draft, workspace, scan, store.root, library)
    warn_if_blind(draft, ground.identity)
    if taken:
        users = users_of_files(scan, (), elsewhere, ground.identity)
        if not _is_our_leftover(order.path, files, history, users):
            raise DeployError(*taken)
        draft.warn(
            f"{order.path} was left by a deployment that did not finish, with other bytes, and nothing "
            "uses it: it is replaced."
        )
    return Scene(
        order=order,
        file=ground.file,
        workspace=workspace,
        identity=ground.identity,
        store=store,
        files=files,
        scan=scan,
        elsewhere=elsewhere,
        clusters=_clusters(draft, workspace),
        journal=journal,
        history=history,
        lock=ground.lock,
        lock_number=number,
        replaces=bool(taken),
    )


def _number(lock: Lock) -> int:
    """The lock's last number; where its folder can't be read, the look at the root tells why better."""
    try:
        return lock.number()
    except (Denied, NotFound):
        return 0


def _is_our_leftover(
    path: str, files: Iterable[StoredFile], history: History, users: Users
) -> bool:
    """Whether other bytes in the place of our file may be replaced (design.md, rule 2).

    Only those that a deployment had announced that was killed or cancelled and not taken back since,
    that no other entry names, and that nothing uses as far as everything can be seen.
    """
    named = [one for one in history.entries if one.path == path]
    undone = {taken_back for one in history.entries for taken_back in one.undoes}
    announced = bool(named) and all(
        one.action is Action.DEPLOY
        and one.ending in {None, Ending.CANCELLED}
        and one.id not in undone
        for one in named
    )
    in_place = any(one.path == path for one in files)
    used = users.by_file.get(path.rsplit("/", 1)[-1])
    return in_place and announced and not used and not users.blind


def warn_if_locked(draft: Draft, scene: Scene) -> None:
    """A deployment that is under way, or that died: the plan may be out of date soon."""
    if scene.lock_number < 0:
        draft.warn(
            "Another run deploys this library right now, or died while it did: its lock is not given back, "
            "and this plan may change."
        )


def _recorded(
    journal: Journal, library: Library, history: History
) -> Callable[[str], frozenset[str]]:
    """What the journal recorded of a path: usually in its last entries, and else somewhere in all."""

    def recorded(path: str) -> frozenset[str]:
        known = history.recorded(path)
        return known or journal.history(library.distribution, deep=True).recorded(path)

    return recorded


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
