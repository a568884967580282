"""One pass over the workspace: who names the library, and who uses which file.

Owns the reading order and what is kept of what was read. A pass keeps the jobs that name the library
and, of all others, only the file names they mention, so that 10,000 jobs fit in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from deployer.deployment.ports import Denied, Identity, Jobs, NotFound, Refused, Unavailable, Usage
from deployer.jobs.installers import installers_in
from deployer.jobs.inventory import Job, read_job
from deployer.jobs.mentions import file_names_in, searches_folder
from deployer.jobs.places import JsonObject
from deployer.jobs.references import Site
from deployer.plan.model import Rewire
from deployer.plan.retention import Users


@dataclass(frozen=True)
class Scan:
    """What one pass found.

    `jobs` are those that were kept, in the order of their ids; `seen` are the ids of all; `others` maps
    file names to all other jobs that mention them; `unread` are jobs that could only be read in part;
    `installers` maps text files that install what they name to one job that names each.
    """

    jobs: tuple[Job, ...]
    seen: frozenset[int]
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder_searchers: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    requirements_jobs: int = 0
    installers: Mapping[str, str] = field(default_factory=dict)

    @property
    def jobs_seen(self) -> int:
        """How many jobs there are to see."""
        return len(self.seen)

    @cached_property
    def _by_id(self) -> Mapping[int, JsonObject]:
        return {job.job_id: job.settings for job in self.jobs}

    def settings(self, job_id: int) -> JsonObject | None:
        """The settings of a job that was kept; {} when it was seen, but not kept; else None."""
        return self._by_id.get(job_id, {} if job_id in self.seen else None)


def scan_jobs(
    jobs: Jobs, root: str, *, keep: Callable[[Job], bool], on_seen: Callable[[int], None]
) -> Scan:
    """Read every visible job once; those that `keep` wants are kept whole.

    `on_seen` gets the count so far. Raises Denied, Unavailable.
    """
    kept: dict[int, Job] = {}
    others: defaultdict[str, list[str]] = defaultdict(list)
    searchers: list[str] = []
    unread: list[str] = []
    seen: set[int] = set()
    requirements = 0
    installers: dict[str, str] = {}
    for document in jobs.all_jobs():
        if document.job_id in seen:  # a job can appear twice while jobs are added during paging
            continue
        seen.add(document.job_id)
        on_seen(len(seen))
        job = read_job(document.job_id, document.settings, complete=document.complete)
        requirements += any(one.site is Site.REQUIREMENTS for one in job.references)
        label = _label(job)
        installers.update((path, label) for path in installers_in(job.settings))
        if not job.complete:
            unread.append(label)
        if searches_folder(job.settings, root):
            searchers.append(label)
        if keep(job):
            kept[job.job_id] = job
        else:
            for name in file_names_in(job.settings):
                others[name].append(label)
    return Scan(
        jobs=tuple(kept[one] for one in sorted(kept)),
        seen=frozenset(seen),
        others={name: tuple(labels) for name, labels in others.items()},
        folder_searchers=tuple(searchers),
        unread=tuple(unread),
        requirements_jobs=requirements,
        installers=installers,
    )


def mentions_library_files(job: Job) -> bool:
    """Whether any string of the job mentions any library file."""
    return bool(file_names_in(job.settings))


def users_of_files(
    scan: Scan, rewires: Iterable[Rewire], usage: Usage, identity: Identity, root: str
) -> Users:
    """Who uses which file once `rewires` are applied to the jobs of `scan`; and what can't be seen.

    After an apply, give a fresh scan and no rewires.
    """
    seen = _Sightings(root, scan)
    if not identity.admin:
        seen.blind.append("not a workspace admin: other jobs may use it unseen")
    planned = {rewire.job_id: rewire for rewire in rewires}
    for job in scan.jobs:
        rewire = planned.get(job.job_id)
        seen.names(_label(job), rewire.applied_to(job.settings) if rewire else job.settings)
    kept = frozenset(job.job_id for job in scan.jobs)
    _see_others(seen, usage, strangers=scan.seen - kept)
    _see_installers(seen, usage)
    return Users({name: tuple(users) for name, users in seen.by_file.items()}, tuple(seen.blind))


class _Sightings:
    """What was seen so far of who uses which file, and what could not be seen."""

    def __init__(self, root: str, scan: Scan) -> None:
        self._root = root
        self.by_file = defaultdict(list, {name: list(users) for name, users in scan.others.items()})
        self.blind = [f"{one} searches the whole folder" for one in scan.folder_searchers]
        self.blind += [f"{one} can't be read whole" for one in scan.unread]
        self.installers = dict(scan.installers)

    def names(self, label: str, document: object) -> None:
        """All library files that `document` names are used by `label`."""
        for name in file_names_in(document):
            self.by_file[name].append(label)

    def all_of(self, label: str, document: object) -> None:
        """As `names`, and what `document` searches or has installed by other files."""
        self.names(label, document)
        if searches_folder(document, self._root):
            self.blind.append(f"{label} searches the whole folder")
        self.installers.update((path, label) for path in installers_in(document))


def _see_others(seen: _Sightings, usage: Usage, *, strangers: frozenset[int]) -> None:
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
                seen.all_of(label, found.document)
                job_id = found.document.get("job_id")
                ours = not isinstance(job_id, int) or job_id not in strangers
                if found.kind == "run" and ours and _hides_environment(found.document):
                    seen.blind.append(f"{label} is active, and its environment can't be seen")
        except (Denied, NotFound, Refused, Unavailable) as error:
            seen.blind.append(f"the {what} can't be read: {error}")


def _see_installers(seen: _Sightings, usage: Usage) -> None:
    """Look into requirements files and init scripts; one that is not there installs nothing.

    What such a file includes in turn is not followed.
    """
    for path, label in sorted(seen.installers.items()):
        try:
            seen.all_of(f"{path} of {label}", usage.read_text(path))
        except (Denied, NotFound, Refused, Unavailable) as error:
            seen.blind.append(f"{path} of {label} can't be read: {error}")


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


def _label(job: Job) -> str:
    return f"job {job.job_id} ({job.name})"
