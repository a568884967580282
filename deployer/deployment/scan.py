"""One pass over the workspace: who names the library, and who uses which file.

Owns the reading order and what is kept of what was read. A pass keeps the jobs that name the library
and, of all others, only the file names they mention, so that 10,000 jobs fit in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from deployer.deployment.ports import Denied, Identity, Jobs, NotFound, Refused, Unavailable, Usage
from deployer.jobs.inventory import Job, file_names_in, read_job, searches_folder
from deployer.jobs.places import JsonObject
from deployer.jobs.references import Site
from deployer.plan.model import Rewire
from deployer.plan.retention import Users


@dataclass(frozen=True)
class Scan:
    """What one pass found.

    `jobs` are those that were kept, in the order of their ids; `others` maps file names to all other
    jobs that mention them.
    """

    jobs: tuple[Job, ...]
    jobs_seen: int
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder_searchers: tuple[str, ...] = ()
    requirements_jobs: int = 0

    def settings(self, job_id: int) -> JsonObject | None:
        """The settings of a job that names the library, or None."""
        return next((job.settings for job in self.jobs if job.job_id == job_id), None)


def scan_jobs(
    jobs: Jobs, root: str, *, keep: Callable[[Job], bool], on_seen: Callable[[int], None]
) -> Scan:
    """Read every visible job once; those that `keep` wants are kept whole.

    `on_seen` gets the count so far. Raises Denied, Unavailable.
    """
    kept: dict[int, Job] = {}
    others: defaultdict[str, list[str]] = defaultdict(list)
    searchers: list[str] = []
    seen: set[int] = set()
    requirements = 0
    for document in jobs.all_jobs():
        if document.job_id in seen:  # a job can appear twice while jobs are added during paging
            continue
        seen.add(document.job_id)
        on_seen(len(seen))
        job = read_job(document.job_id, document.settings)
        requirements += any(one.site is Site.REQUIREMENTS for one in job.references)
        label = f"job {job.job_id} ({job.name})"
        if searches_folder(job.settings, root):
            searchers.append(label)
        if keep(job):
            kept[job.job_id] = job
        else:
            for name in file_names_in(job.settings):
                others[name].append(label)
    return Scan(
        jobs=tuple(kept[one] for one in sorted(kept)),
        jobs_seen=len(seen),
        others={name: tuple(labels) for name, labels in others.items()},
        folder_searchers=tuple(searchers),
        requirements_jobs=requirements,
    )


def users_of_files(
    scan: Scan, rewires: Iterable[Rewire], usage: Usage, identity: Identity, root: str
) -> Users:
    """Who uses which file once `rewires` are applied to the jobs of `scan`; and what can't be seen.

    After an apply, give a fresh scan and no rewires.
    """
    by_file: defaultdict[str, list[str]] = defaultdict(list)
    for name, labels in scan.others.items():
        by_file[name].extend(labels)
    planned = {rewire.job_id: rewire for rewire in rewires}
    for job in scan.jobs:
        rewire = planned.get(job.job_id)
        settings = rewire.applied_to(job.settings) if rewire else job.settings
        for name in file_names_in(settings):
            by_file[name].append(f"job {job.job_id} ({job.name})")
    blind = [f"{one} searches the whole folder" for one in scan.folder_searchers]
    if not identity.admin:
        blind.append("not a workspace admin: other jobs may use it unseen")
    blind += _of_others(usage, root, by_file)
    return Users({name: tuple(users) for name, users in by_file.items()}, tuple(blind))


def _of_others(usage: Usage, root: str, by_file: defaultdict[str, list[str]]) -> list[str]:
    """Add what runs, clusters, policies and pipelines use; returns what could not be seen."""
    blind: list[str] = []
    for what, read in (
        ("active runs", usage.active_runs),
        ("clusters and pipelines", usage.other_users),
    ):
        try:
            for found in read():
                label = f"{found.kind} {found.id}" + (f" ({found.name})" if found.name else "")
                for name in file_names_in(found.document):
                    by_file[name].append(label)
                if searches_folder(found.document, root):
                    blind.append(f"{label} searches the whole folder")
                if found.kind == "run" and _hides_environment(found.document):
                    blind.append(f"{label} is active, and its environment can't be seen")
        except (Denied, NotFound, Refused, Unavailable) as error:
            blind.append(f"the {what} can't be read: {error}")
    return blind


def _hides_environment(run: JsonObject) -> bool:
    """Whether a task names an environment whose dependencies the run's document does not show."""
    return bool(_environment_keys(run.get("tasks")) - _environment_keys(run.get("environments")))


def _environment_keys(array: object) -> set[object]:
    items = array if isinstance(array, list) else []
    return {one.get("environment_key") for one in items if isinstance(one, dict)} - {None}
