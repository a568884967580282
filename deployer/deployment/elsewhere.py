"""A look elsewhere: everything besides jobs that may name the library, read once.

Owns the order of reading (runs, clusters, policies, pipelines, then the texts that these and the jobs
point to, then what those include), its bounds, and what is said of what can't be read. Nothing here
ends a run: what can't be read keeps files (design.md, rule 7) and is told. Must not decide anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from deployer.deployment.ports import Denied, NotFound, Refused, Unavailable, Usage, UsageDocument
from deployer.deployment.scan import NamedJob, Scan
from deployer.jobs.installs import included_by
from deployer.jobs.leads import TEXTS, Lead, LeadKind, leads_in
from deployer.jobs.mentions import file_names_in, searches_folder
from deployer.jobs.places import JsonObject
from deployer.jobs.sightings import Sighting, in_document, in_text

PARALLEL_TEXTS = 8  # the export limit is 60 a second and workspace (facts B5); the limiter paces
MOST_LEVELS = 10  # of files that include files
MOST_SIGHTINGS = 100  # of one holder; a generated script can name a library on every line
MOST_TOLD = 10  # texts that can't be read and are named; a folder without rights can hold thousands


@dataclass(frozen=True)
class Elsewhere:
    """What one look found.

    `by_file` maps file names to whoever mentions them, in words. `blind` are sentences on what could not
    be seen, or may use any file; `unread` are those of them that say what could not be read. `users` maps
    each lead to the jobs that come to it, directly or through clusters, policies and other files.
    """

    by_file: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    blind: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    users: Mapping[Lead, frozenset[NamedJob]] = field(default_factory=dict)

    def jobs_of(self, sighting: Sighting) -> tuple[NamedJob, ...]:
        """The jobs that use what holds `sighting`, by id."""
        return tuple(sorted(self.users.get(sighting.holder, ())))


@dataclass(frozen=True)
class Looking:
    """What to look for: files below `root` ("" for none), sightings that `wanted` takes.

    `notebooks` says whether notebooks are read (the input `read-notebooks`); `on_read` gets how many
    texts were read so far, and of how many.
    """

    root: str
    wanted: Callable[[Sighting], bool]
    notebooks: bool = True
    on_read: Callable[[int, int], None] = lambda _done, _total: None


def look_elsewhere(scan: Scan, usage: Usage, looking: Looking) -> Elsewhere:
    """Read what else may use the library; never raises one of the ports' exceptions."""
    seen = _Seen(looking)
    for lead, jobs in scan.leads.items():
        seen.points(jobs[0].label, lead)
    kept = frozenset(job.job_id for job in scan.jobs)
    _see_documents(seen, usage, strangers=scan.seen - kept)
    _see_texts(seen, usage)
    return Elsewhere(
        by_file={name: tuple(labels) for name, labels in seen.by_file.items()},
        blind=tuple(seen.blind) + tuple(seen.unread),
        unread=tuple(seen.unread),
        sightings=tuple(seen.sightings),
        users=_users(scan.leads, seen.holders),
    )


@dataclass
class _Seen:
    """What was seen so far, and what could not be seen.

    `labels` holds each lead with one that points to it, in words; `holders` the leads that point to each.
    """

    looking: Looking
    by_file: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    blind: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    labels: dict[Lead, str] = field(default_factory=dict)
    holders: defaultdict[Lead, set[Lead]] = field(default_factory=lambda: defaultdict(set))

    def points(self, label: str, lead: Lead, holder: Lead | None = None) -> None:
        """Somebody called `label`, perhaps itself the lead `holder`, points to `lead`."""
        self.labels.setdefault(lead, label)
        if holder is not None:
            self.holders[lead].add(holder)

    def add(self, label: str, facts: _Facts) -> None:
        """What one text or document says, told of `label`."""
        for name in facts.file_names:
            self.by_file[name].append(label)
        if facts.searches:
            self.blind.append(f"{label} searches the whole folder")
        self.sightings += facts.sightings


@dataclass(frozen=True)
class _Facts:
    """What one text or document says; small, whatever the size of the text."""

    file_names: frozenset[str]
    searches: bool
    sightings: tuple[Sighting, ...] = ()
    leads: frozenset[Lead] = frozenset()


def _facts(
    looking: Looking, content: object, sightings: Iterable[Sighting], leads: frozenset[Lead]
) -> _Facts:
    wanted = tuple(one for one in sightings if looking.wanted(one))
    searches = searches_folder(content, looking.root)
    return _Facts(file_names_in(content), searches, wanted[:MOST_SIGHTINGS], leads)


# ── Runs, clusters, policies, pipelines ──────────────────────────────────────────────────────────


def _see_documents(seen: _Seen, usage: Usage, *, strangers: frozenset[int]) -> None:
    """Look at runs, clusters, policies and pipelines.

    `strangers` are jobs that do not name the library: what their serverless runs hide does not
    matter. One-time runs, and runs of jobs that were not seen, may hide anything.
    """
    for what, read in (
        ("active runs", usage.active_runs),
        ("clusters and pipelines", usage.other_users),
    ):
        try:
            for found in read():
                label = f"{found.kind} {found.id}" + (f" ({found.name})" if found.name else "")
                _see_document(seen, label, found)
                job_id = found.document.get("job_id")
                ours = not isinstance(job_id, int) or job_id not in strangers
                if found.kind == "run" and ours and _hides_environment(found.document):
                    seen.blind.append(f"{label} is active, and its environment can't be seen")
        except (Denied, NotFound, Refused, Unavailable) as error:
            seen.unread.append(f"the {what} can't be read: {error}")


_HOLDERS = {
    "cluster": LeadKind.CLUSTER,
    "policy": LeadKind.POLICY,
    "pipeline": LeadKind.PIPELINE,
}


def _see_document(seen: _Seen, label: str, found: UsageDocument) -> None:
    sightings = in_document(found.kind, found.id, found.name, found.document)
    seen.add(label, _facts(seen.looking, found.document, sightings, frozenset()))
    holder = Lead(_HOLDERS[found.kind], found.id) if found.kind in _HOLDERS else None
    for lead in leads_in(found.document):
        if lead != holder:  # every policy and pipeline names its own id
            seen.points(label, lead, holder)


def _hides_environment(run: JsonObject) -> bool:
    """Whether a task names an environment whose dependencies the run's document does not show."""
    shown = [
        one.get("environment_key")
        for one in _objects(run.get("environments"))
        if isinstance(one.get("spec"), dict)
    ]
    return any(key not in shown for key in _environments_used(run.get("tasks")))


def _environments_used(tasks: object) -> Iterator[str]:
    waiting = _objects(tasks)
    while waiting:
        task = waiting.pop()
        key = task.get("environment_key")
        if isinstance(key, str):
            yield key
        loop = task.get("for_each_task")
        waiting += _objects([loop.get("task")] if isinstance(loop, dict) else None)


def _objects(array: object) -> list[JsonObject]:
    return [one for one in array if isinstance(one, dict)] if isinstance(array, list) else []


# ── Texts ────────────────────────────────────────────────────────────────────────────────────────


def _see_texts(seen: _Seen, usage: Usage) -> None:
    """Read the texts, level by level: what one includes is read in the next, each lead but once."""
    reader = _Reader(usage, seen.looking)
    read: set[Lead] = set()
    for _ in range(MOST_LEVELS):
        waiting = sorted(one for one in seen.labels if one.kind in TEXTS and one not in read)
        read.update(waiting)
        for lead, facts in reader.read(waiting):
            seen.add(f"{lead.target} of {seen.labels[lead]}", facts)
            for included in facts.leads:
                seen.points(seen.labels[lead], included, lead)
    deeper = [one for one in seen.labels if one.kind in TEXTS and one not in read]
    if deeper:
        seen.unread.append(f"{deeper[0].target} is included by too many files in a row")
    seen.unread += reader.told(seen.labels)


class _Reader:
    """Reads texts in parallel, and remembers which it could not read.

    When the service fails in spite of all retries, nothing more is asked of it: every further text would
    wait as long, and a plan must not take hours.
    """

    def __init__(self, usage: Usage, looking: Looking) -> None:
        self._usage = usage
        self._looking = looking
        self._failed: list[tuple[Lead, str]] = []
        self._given_up = ""
        self._skipped = 0
        self._done = 0

    def read(self, leads: list[Lead]) -> Iterator[tuple[Lead, _Facts]]:
        """What each text says; one that is not there says nothing."""
        wanted = [one for one in leads if self._looking.notebooks or one.kind != LeadKind.NOTEBOOK]
        self._skipped += len(leads) - len(wanted)
        total = self._done + len(wanted)
        with ThreadPoolExecutor(PARALLEL_TEXTS, thread_name_prefix="texts") as pool:
            for lead, facts in zip(wanted, pool.map(self._one, wanted), strict=True):
                self._done += 1
                self._looking.on_read(self._done, total)
                if isinstance(facts, _Facts):
                    yield lead, facts
                elif facts is not None:
                    self._failed.append((lead, facts))

    def _one(self, lead: Lead) -> _Facts | str | None:
        """What a text says; None when there is none, or why it can't be read."""
        if self._given_up:
            return self._given_up
        try:
            notebook = lead.kind is LeadKind.NOTEBOOK
            ask = self._usage.read_notebook if notebook else self._usage.read_text
            text = ask(lead.target)
        except NotFound:
            return None
        except (Denied, Refused) as error:
            return str(error)
        except Unavailable as error:
            self._given_up = str(error)
            return self._given_up
        if text is None:
            return None
        return _facts(self._looking, text, in_text(lead, text), included_by(lead, text))

    def told(self, labels: Mapping[Lead, str]) -> list[str]:
        """Sentences on what was not read."""
        said = [
            f"{lead.target} of {labels[lead]} can't be read: {why}"
            for lead, why in self._failed[:MOST_TOLD]
        ]
        more = len(self._failed) - MOST_TOLD
        if more > 0:
            said.append(f"{more:,} more files and notebooks can't be read")
        if self._skipped:
            notebooks = (
                "1 notebook was" if self._skipped == 1 else f"{self._skipped:,} notebooks were"
            )
            said.append(f"{notebooks} not read (read-notebooks: false)")
        return said


def _users(
    direct: Mapping[Lead, tuple[NamedJob, ...]], holders: Mapping[Lead, set[Lead]]
) -> Mapping[Lead, frozenset[NamedJob]]:
    """The jobs that come to each lead, however many holders lie between."""
    return {
        lead: frozenset(job for one in _reach(lead, holders) for job in direct.get(one, ()))
        for lead in {*direct, *holders}
    }


def _reach(lead: Lead, holders: Mapping[Lead, set[Lead]]) -> set[Lead]:
    """`lead` and all that point to it, directly or not; includes may go round in a circle."""
    found = {lead}
    waiting = [lead]
    while waiting:
        for holder in holders.get(waiting.pop(), ()):
            if holder not in found:
                found.add(holder)
                waiting.append(holder)
    return found
