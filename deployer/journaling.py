"""The journal around a run's changes: the intent before the first write, progress, and how it ended.

Owns when the journal is written and what an ending means for it. What an entry is made of is the business
of `plan.history`, its files that of `deployment.journal`. After the intent nothing of it may stop a run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from deployer.deployment.apply import Applied
from deployer.deployment.holding import API_ERRORS
from deployer.deployment.journal import Journal, id_for
from deployer.deployment.ports import AlreadyExists, Interrupted, LockLost
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason
from deployer.plan.history import Ending, Entry

BATCH = 100  # jobs of one batch of progress


@dataclass
class Trail:
    """The journal of the deployment that runs. `moved_back` is set once every job went back."""

    journal: Journal
    entry: Entry
    moved_back: bool = False
    _batch: list[Mapping[str, object]] = field(default_factory=list)

    def note(self, **facts: object) -> None:
        """One batch of progress, as far as that works."""
        with suppress(*API_ERRORS, AlreadyExists, Interrupted):
            self.journal.progress(self.entry, facts)

    def note_job(self, applied: Applied) -> None:
        """What became of one job; written with those after it."""
        self._batch.append({"job_id": applied.rewire.job_id, "state": applied.state.value})
        if len(self._batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write the jobs that were not written yet."""
        if self._batch:
            jobs, self._batch = self._batch, []
            self.note(jobs=jobs)

    def end(self, ending: Ending, **facts: object) -> None:
        """Write how it ended, as far as that works; without it the next run finds it unfinished."""
        with suppress(*API_ERRORS, Interrupted):
            self.journal.end(self.entry, ending, facts)


def started(doors: Doors, journal: Journal, draft: Draft, entry: Entry) -> Entry:
    """`entry` with its number, its id, and by whom it was begun and when."""
    assert draft.workspace is not None  # noqa: S101 - a plan was made in it
    now_ms = draft.workspace.now_ms()
    sequence = journal.next_sequence(entry.distribution)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_ms / 1000))
    return replace(
        entry,
        sequence=sequence,
        id=id_for(sequence, stamp, doors.new_id()),
        started_ms=now_ms,
        user=draft.identity.user if draft.identity else "",
        actor=doors.origin.actor,
        git_sha=doors.origin.git_sha,
        run_url=doors.origin.run_url,
    )


@contextmanager
def journaled(draft: Draft, journal: Journal, entry: Entry) -> Iterator[Trail]:
    """Write the intent, and at the end of the block how it ended.

    Who lost the lock writes no end: another run may go on with this entry. Raises as `Journal.begin`.
    """
    with draft.phase("journal", f"Write the journal of deployment {entry.id}"):
        journal.begin(entry)
    trail = Trail(journal, entry)
    try:
        yield trail
    except LockLost:
        raise
    except DeployError as error:
        trail.flush()
        if error.reason is not FailureReason.LOCK_LOST:
            trail.end(_ending(error, trail), reason=error.reason.value)
        raise
    except BaseException as error:
        trail.flush()
        cancelled = isinstance(error, Interrupted)
        trail.end(Ending.CANCELLED if cancelled else Ending.FAILED, reason=type(error).__name__)
        raise
    trail.flush()
    trail.end(Ending.SUCCEEDED)
    with suppress(*API_ERRORS, Interrupted):
        journal.prune(entry.distribution)


def _ending(error: DeployError, trail: Trail) -> Ending:
    if trail.moved_back:
        return Ending.MOVED_BACK
    return Ending.CANCELLED if error.reason is FailureReason.CANCELLED else Ending.FAILED
