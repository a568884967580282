"""The locks of a run: which there are, waiting for them out loud, and saying who holds them.

Owns the two locks of design.md ("One writer"): the library's, for a whole deployment to a root, and
the writer's, while jobs are written; and the sentences that people read when a lock is in the way.
How a lock is taken is the business of `deployment.lock`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployer.deployment.claims import Holder
from deployer.deployment.holding import Holding, Me
from deployer.deployment.journal import key_of
from deployer.deployment.lock import Contended, Held, Lock
from deployer.deployment.ports import (
    OWN_FOLDER,
    Denied,
    LockLost,
    NotFound,
    Refused,
    Unavailable,
    Workspace,
)
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, fail
from deployer.library.model import Distribution

WRITER = "the workspace's jobs"
"""What the writer's lock is the lock of, in words."""


def library_lock(
    draft: Draft, doors: Doors, workspace: Workspace, root: str, distribution: Distribution
) -> Lock:
    """The lock that one deployment of this library to this root holds at a time."""
    folder = f"{root}/{OWN_FOLDER}/locks/{key_of(distribution)}"
    return _lock(draft, doors, workspace, folder)


def writer_lock(draft: Draft, doors: Doors, workspace: Workspace, root: str) -> Lock:
    """The lock that one run at a time holds while it writes jobs: `update` replaces whole tasks."""
    place = draft.settings.lock_path.rstrip("/") or f"{root}/{OWN_FOLDER}/locks"
    return _lock(draft, doors, workspace, f"{place}/writer")


def _lock(draft: Draft, doors: Doors, workspace: Workspace, folder: str) -> Lock:
    me = Me(
        holder=doors.holder,
        nonce=doors.nonce,
        pause=doors.pause,
        now_ms=workspace.now_ms,
        alive=doors.alive,
        lease_s=draft.settings.lock_expiry_s,
    )
    return Lock(workspace.records(folder, allow_dbfs=draft.settings.allow_dbfs), me)


@contextmanager
def held(draft: Draft, doors: Doors, lock: Lock, what: str) -> Iterator[Holding]:
    """Hold `lock` while the block runs; `what` says in words what it is the lock of.

    Raises DeployError (LOCK_HELD, LOCK_LOST, and what `_unwritable` says), Interrupted, and what the
    block raises.
    """
    with draft.phase("lock", f"Lock {what}"):
        holding = _taken(draft, lock, what)
    doors.on_lock(holding.taken, held=True)
    try:
        with holding.kept():
            yield holding
    except LockLost as error:
        raise _lock_lost(what, error.why or holding.lost) from error
    finally:
        if holding.given_back:
            doors.on_lock(holding.taken, held=False)


def _lock_lost(what: str, why: str) -> DeployError:
    """What is told when another run writes now, so that this one stopped."""
    return fail(
        FailureReason.LOCK_LOST,
        f"The lock of {what} was lost while this run worked, so it stopped.",
        detail=f"Why: {why}. Every job is runnable: each points at a file that is there.",
        remedy="Run it again: it finds in the journal what is left to do. If the run was only slow, give the "
        "lock more time:\n\n  with:\n    lock-expiry: 5m",
    )


def _taken(draft: Draft, lock: Lock, what: str) -> Holding:
    settings = draft.settings

    def told(holder: Holder) -> None:
        draft.narrator.info(f"The lock of {what} is held by {holder.label}; waiting.")

    if settings.force_unlock:
        draft.warn(f"`force-unlock` takes the lock of {what} from whoever holds it.")
    try:
        return lock.take(wait_s=settings.lock_timeout_s, force=settings.force_unlock, on_wait=told)
    except Held as error:
        raise fail(
            FailureReason.LOCK_HELD,
            f"Another run holds the lock of {what}: {error.holder.label}.",
            detail=f"It was waited for {settings.lock_timeout_s} s, and this run changed nothing more. "
            f"Without a sign of life the lock is void in {error.seconds_left:.0f} s.",
            remedy="Run it again when that run is over, or wait longer:\n\n  with:\n    lock-timeout: 30m",
        ) from error
    except Contended as error:
        raise fail(
            FailureReason.LOCK_HELD,
            f"The lock of {what} can't be taken: its storage lets two runs create the same file.",
            detail=f"{error}. Nothing was changed.",
            remedy="Run it again when no other run deploys. If it happens again, keep the lock in a "
            "volume:\n\n  with:\n    lock-path: /Volumes/main/libraries/locks",
        ) from error
    except (Denied, NotFound, Refused, Unavailable) as error:
        raise _unwritable(what, error) from error


def _unwritable(what: str, error: Exception) -> DeployError:
    """What is told when a lock can't be written; a lock comes before every other write."""
    title = f"The lock of {what} can't be written; no job was touched."
    match error:
        case Denied():
            reason = FailureReason.PERMISSION_DENIED
            remedy = "Give this identity WRITE VOLUME on the volume, or CAN MANAGE on the folder."
        case NotFound():
            reason = FailureReason.ROOT_UNAVAILABLE
            remedy = "Create the volume or the folder above it, or correct `root` or `lock-path`."
        case _:
            reason = FailureReason.API_ERROR
            remedy = "Run it again: a re-run finishes the work."
    return fail(reason, title, detail=str(error), remedy=remedy)
