"""One pass over the jobs: who names the library, which files others mention, and what jobs point to.

Owns the reading order and what is kept of what was read. A pass keeps the jobs that name the library
and, of all others, only the file names they mention, so that 10,000 jobs fit in memory. What jobs point
to (their leads) is read by `elsewhere`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from deployer.deployment.ports import Jobs
from deployer.jobs.inventory import Job, read_job
from deployer.jobs.leads import Lead, leads_in
from deployer.jobs.mentions import file_names_in, searches_folder
from deployer.jobs.places import JsonObject


@dataclass(frozen=True, order=True)
class NamedJob:
    """A job as people know it."""

    job_id: int
    name: str

    @property
    def label(self) -> str:
        """The job in a sentence."""
        return f"job {self.job_id} ({self.name})"


@dataclass(frozen=True)
class Scan:
    """What one pass found.

    `jobs` are those that were kept, in the order of their ids; `seen` are the ids of all; `others` maps
    file names to all other jobs that mention them; `unread` are jobs that could only be read in part;
    `leads` maps what jobs point to to the jobs that do.
    """

    jobs: tuple[Job, ...]
    seen: frozenset[int]
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder_searchers: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    leads: Mapping[Lead, tuple[NamedJob, ...]] = field(default_factory=dict)

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
    leads: defaultdict[Lead, list[NamedJob]] = defaultdict(list)
    searchers: list[str] = []
    unread: list[str] = []
    seen: set[int] = set()
    for document in jobs.all_jobs():
        if document.job_id in seen:  # a job can appear twice while jobs are added during paging
            continue
        seen.add(document.job_id)
        on_seen(len(seen))
        job = read_job(
            document.job_id,
            document.settings,
            complete=document.complete,
            creator=document.creator,
        )
        named = NamedJob(job.job_id, job.name)
        for lead in leads_in(job.settings):
            leads[lead].append(named)
        if not job.complete:
            unread.append(named.label)
        if searches_folder(job.settings, root):
            searchers.append(named.label)
        if keep(job):
            kept[job.job_id] = job
        else:
            for name in file_names_in(job.settings):
                others[name].append(named.label)
    return Scan(
        jobs=tuple(kept[one] for one in sorted(kept)),
        seen=frozenset(seen),
        others={name: tuple(labels) for name, labels in others.items()},
        folder_searchers=tuple(searchers),
        unread=tuple(unread),
        leads={lead: tuple(sorted(using)) for lead, using in leads.items()},
    )


def mentions_library_files(job: Job) -> bool:
    """Whether any string of the job mentions any library file."""
    return bool(file_names_in(job.settings))
