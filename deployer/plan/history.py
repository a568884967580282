"""History: what earlier deployments of one library did, as the journal tells it, and what follows.

Owns the values of a journal entry and the pure questions about them: which deployment stands, which
was left unfinished, what a rollback undoes, which old files a rollback needs. What the journal says is
data that others can write: nothing here believes it about the state of a job (design.md, rule 10).
Must not read or write: `deployment.journal` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from packaging.version import Version

from deployer.jobs.mentions import file_names_in
from deployer.jobs.places import Place
from deployer.library.model import Distribution
from deployer.plan.model import Change, Rewire


class Action(StrEnum):
    """What an entry set out to do."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"


class Ending(StrEnum):
    """How an entry ended, as its own run noted it; an entry without one was killed."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # something may have moved, and something may not
    CANCELLED = "cancelled"
    MOVED_BACK = "moved-back"  # failed, and every job that had moved went back


@dataclass(frozen=True)
class Moved:
    """One string of a job: `before` stood there when the plan was made, `after` is what was written."""

    place: Place
    before: str
    after: str


@dataclass(frozen=True)
class MovedJob:
    """One job of an entry. `versions` are those it left, as text, oldest first."""

    job_id: int
    job_name: str
    strings: tuple[Moved, ...]
    versions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One intent of the journal, complete before its first write, and how it ended.

    `sequence` orders the entries of one library; they were made under its lock. `carries` are unfinished
    deployments of the same file that this one finishes: their strings are among `jobs`. `undoes` are the
    deployments that a rollback takes back, and the unfinished rollbacks after them.
    """

    id: str
    sequence: int
    action: Action
    distribution: Distribution
    version: str
    path: str
    sha256: str
    size: int
    digest: str
    jobs: tuple[MovedJob, ...] = ()
    removals: tuple[str, ...] = ()
    carries: tuple[str, ...] = ()
    undoes: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()  # ids of the clusters whose library it replaced
    actor: str = ""
    user: str = ""
    git_sha: str = ""
    run_url: str = ""
    started_ms: int = 0  # the workspace's time, epoch milliseconds
    ending: Ending | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.ending in {Ending.SUCCEEDED, Ending.MOVED_BACK}

    @property
    def file_name(self) -> str:
        """The base name of the library's file."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class History:
    """The entries of one library, newest first, as far as they were read.

    `any_deployment` says whether some deployment of any library to this root has ended: the first one
    only lists what it would remove. `unread` are sentences on entries that can't be used.
    """

    entries: tuple[Entry, ...] = ()
    any_deployment: bool = False
    unread: tuple[str, ...] = ()

    def standing(self) -> tuple[Entry, ...]:
        """The deployments that moved jobs and were not taken back since, newest first.

        A deployment that a later one carries counts as part of that one.
        """
        return tuple(one for one in self.in_force() if one.action is Action.DEPLOY)

    def in_force(self) -> tuple[Entry, ...]:
        """Whatever still has a part in what stands in jobs, newest first.

        That is the deployments that stand, and the rollbacks that came to no end: some strings went back
        with them, and some did not.
        """
        gone: set[str] = set()
        found: list[Entry] = []
        for one in self.entries:
            if one.action is Action.ROLLBACK:
                counts, over = not one.finished, one.undoes if one.finished else ()
            else:  # what it carries goes with it, also where it was taken back itself
                counts, over = bool(one.jobs) and one.ending is not Ending.MOVED_BACK, one.carries
            if counts and one.id not in gone:
                found.append(one)
            gone.update(over)
        return tuple(found)

    def unfinished_rollback(self) -> Entry | None:
        """The newest entry, if it is a rollback that did not come to its end."""
        newest = self.entries[0] if self.entries else None
        if newest is None or newest.action is not Action.ROLLBACK or newest.finished:
            return None
        return newest

    def taken_back_last(self) -> bool:
        """Whether the newest deployment is taken back already: by a rollback, or by itself."""
        newest = self.entries[0] if self.entries else None
        if newest is None or not newest.finished:
            return False
        return newest.action is Action.ROLLBACK or newest.ending is Ending.MOVED_BACK

    def to_carry(self, sha256: str, path: str) -> tuple[Entry, ...]:
        """The unfinished deployments of this very file that a new deployment goes on with.

        Only the newest ones in a row: what came before another entry that still has a part in what
        stands in jobs is over. One that moved nothing, or was taken back since, has none.
        """
        gone: set[str] = set()
        found: list[Entry] = []
        for one in self.entries:
            same = (one.action, one.sha256, one.path) == (Action.DEPLOY, sha256, path)
            if one.action is Action.ROLLBACK and one.finished:
                gone.update(one.undoes)
            elif one.id in gone or one.ending is Ending.MOVED_BACK:
                gone.update(one.carries)
            elif same and not one.finished:
                found.append(one)
            elif one.jobs or one.action is Action.ROLLBACK:
                break
            else:
                gone.update(one.carries)
        return tuple(found)

    def doubtful_files(self) -> frozenset[str]:
        """The names of the files that unfinished entries may still make a job name.

        A write that hangs can be carried out after its run lost the lock, or was cancelled: to the new
        string, and to the old one where the run was moving back. A deployment after it that moved jobs and
        ended well is long enough for that, and stays so when it is taken back itself.
        """
        jobs: list[MovedJob] = []
        for one in self.entries:
            if one.jobs and one.action is Action.DEPLOY and one.ending is Ending.SUCCEEDED:
                break
            jobs.extend(() if one.finished else one.jobs)
        return files_before(jobs) | files_after(jobs)

    def recorded(self, path: str) -> frozenset[str]:
        """The hashes that entries recorded for the file at `path` before they uploaded it."""
        return frozenset(
            one.sha256 for one in self.entries if one.path == path and one.action is Action.DEPLOY
        )


@dataclass(frozen=True)
class Goal:
    """What a rollback goes back over, newest first, and how people call where it ends."""

    undone: tuple[Entry, ...]
    name: str

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the deployments that are taken back."""
        return tuple(one.id for one in self.undone)


def goal_of(history: History, to: str) -> Goal | None:
    """What `to` (`previous`, a version or the id of a deployment) means; None when nothing fits.

    `previous` is the state before the newest deployment that stands. The same command again goes no
    further back: it finishes a rollback that was left unfinished, and else there is nothing to undo.
    A version or a deployment is the state right after it: whatever came later is undone, and be it a
    rollback that came to no end. A version that was there before the journal began is the state before
    the first deployment that left it.
    """
    if to == "previous":
        return _previous(history)
    in_force = history.in_force()
    deployments = [
        (position, one) for position, one in enumerate(in_force) if one.action is Action.DEPLOY
    ]
    for position, one in deployments:
        if to == one.id or _same_version(to, one.version):
            return Goal(in_force[:position], f"{one.version}, deployment {one.id}")
    # The first that left it, so that all jobs go back, those too that left it later.
    for position, one in reversed(deployments):
        if any(_same_version(to, left) for job in one.jobs for left in job.versions):
            return Goal(in_force[: position + 1], f"the state before deployment {one.id}")
    return None


def _previous(history: History) -> Goal | None:
    name = "the state before the last deployment"
    if history.taken_back_last():
        return Goal((), name)
    unfinished = history.unfinished_rollback()
    wanted = unfinished.undoes if unfinished else [one.id for one in history.standing()[:1]]
    in_force = history.in_force()
    oldest = max((at for at, one in enumerate(in_force) if one.id in wanted), default=None)
    return None if oldest is None else Goal(in_force[: oldest + 1], name)


def _same_version(given: str, version: str) -> bool:
    if given == version:
        return True
    try:
        return Version(given) == Version(version)
    except ValueError:  # no version, or one with more digits than Python reads
        return False


@dataclass(frozen=True)
class Undo:
    """One string that a rollback takes back: where `now` stands, `back` is to stand again.

    So it is where `unmoved` stands, the string before the last write, which came to no end. None: that
    write is known to have been made.
    """

    place: Place
    now: str
    back: str
    unmoved: str | None = None

    def stands(self, text: str) -> bool:
        """Whether `text` is what the entries left there."""
        return text in {self.now, self.unmoved}


@dataclass(frozen=True)
class UndoJob:
    """What a rollback takes back in one job."""

    job_id: int
    job_name: str
    strings: tuple[Undo, ...]


def undo_of(entries: Sequence[Entry]) -> tuple[UndoJob, ...]:
    """What taking back `entries`, newest first, means for each job, by job id.

    A string is followed back through all of them as long as one's `before` is the other's `after`, and over
    those that came to no end and did not move it. Where somebody else changed it in between, it goes back to
    what stood there after that.
    """
    names: dict[int, str] = {}
    strings: dict[tuple[int, Place], Undo] = {}
    others: set[tuple[int, Place]] = set()  # where somebody else's string was met
    for entry in entries:
        for job in entry.jobs:
            names.setdefault(job.job_id, job.job_name)
            for one in job.strings:
                key = (job.job_id, one.place)
                known = strings.get(key)
                if known is None:
                    unmoved = None if entry.finished else one.before
                    strings[key] = Undo(one.place, one.after, one.before, unmoved)
                elif key not in others and known.back == one.after:
                    strings[key] = replace(known, back=one.before)
                elif entry.finished or known.back != one.before:
                    others.add(key)
    jobs: dict[int, list[Undo]] = {}
    for (job_id, _), undo in sorted(
        strings.items(), key=lambda item: (item[0][0], str(item[0][1]))
    ):
        jobs.setdefault(job_id, []).append(undo)
    return tuple(UndoJob(job_id, names[job_id], tuple(found)) for job_id, found in jobs.items())


def carried(
    entries: Iterable[Entry], reads: Mapping[int, Mapping[Place, str]]
) -> tuple[MovedJob, ...]:
    """What `entries` moved already, as far as it still stands: `reads` has each job's strings now."""
    jobs: dict[int, dict[Place, Moved]] = {}
    known: dict[int, MovedJob] = {}
    for entry in entries:
        for job in entry.jobs:
            for one in job.strings:
                stands = reads.get(job.job_id, {}).get(one.place) == one.after
                if stands and one.before != one.after:
                    jobs.setdefault(job.job_id, {}).setdefault(one.place, one)
                    known.setdefault(job.job_id, job)
    return tuple(
        MovedJob(job_id, known[job_id].job_name, tuple(found.values()), known[job_id].versions)
        for job_id, found in sorted(jobs.items())
    )


def merged(rewires: Iterable[Rewire], carried_jobs: Iterable[MovedJob]) -> tuple[MovedJob, ...]:
    """All that a deployment moves: what its plan still has to do, and what it carries.

    A string that was moved and moves on, in another part of it, goes back to what stood there at first.
    """
    jobs: dict[int, MovedJob] = {one.job_id: one for one in carried_jobs}
    for rewire in rewires:
        old = jobs.get(rewire.job_id)
        strings = tuple(Moved(one.place, one.before, one.after) for one in rewire.changes)
        versions = tuple(str(version) for version in rewire.versions)
        if old is not None:
            first = {(one.place, one.after): one.before for one in old.strings}
            strings = tuple(
                replace(one, before=first.get((one.place, one.before), one.before))
                for one in strings
            )
            planned = {one.place for one in strings}
            strings += tuple(one for one in old.strings if one.place not in planned)
            versions = tuple(sorted({*versions, *old.versions}, key=Version))
        jobs[rewire.job_id] = MovedJob(rewire.job_id, rewire.job_name, strings, versions)
    return tuple(jobs[job_id] for job_id in sorted(jobs))


def as_rewires(jobs: Iterable[MovedJob]) -> tuple[Rewire, ...]:
    """The jobs as rewires, for the digest: it hashes ids, places and strings."""
    return tuple(
        Rewire(
            one.job_id,
            one.job_name,
            tuple(Change(s.place, "", s.before, s.after) for s in one.strings),
            (),
        )
        for one in jobs
    )


def files_before(jobs: Iterable[MovedJob]) -> frozenset[str]:
    """The names of the library files that stood in the strings before: a rollback needs them."""
    return frozenset(
        name for job in jobs for one in job.strings for name in file_names_in(one.before)
    )


def files_after(jobs: Iterable[MovedJob]) -> frozenset[str]:
    """The names of the library files in the strings that were, or are to be, written."""
    return frozenset(
        name for job in jobs for one in job.strings for name in file_names_in(one.after)
    )
