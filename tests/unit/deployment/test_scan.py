"""One pass over the jobs of a workspace, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployer.deployment.ports import JobDocument
from deployer.deployment.scan import NamedJob, scan_jobs
from deployer.jobs.leads import Lead, LeadKind
from tests.fake_workspace import FakeWorkspace
from tests.job_settings import (
    ROOT,
    job_with,
    job_with_lines,
    stored_settings,
    wheel,
)
from tests.unit.deployment.looks import OLD, scan_of, workspace_with


def test_a_pass_keeps_jobs_of_the_library_and_of_others_only_the_names_of_files() -> None:
    other = job_with(f"/Volumes/else/{wheel('1.0', 'other')}", name="other")
    scan = scan_of(workspace_with(other, job_with(f"{ROOT}/{OLD}"), {"name": "empty"}))
    assert [job.job_id for job in scan.jobs] == [2]
    assert scan.jobs_seen == 3
    assert scan.others == {wheel("1.0", "other"): ("job 1 (other)",)}


def test_the_settings_of_a_job_tell_seen_from_kept_and_from_gone() -> None:
    kept = job_with(f"{ROOT}/{OLD}")
    scan = scan_of(workspace_with(kept, {}))
    assert scan.settings(1) == kept
    assert scan.settings(2) == {}
    assert scan.settings(3) is None


def test_progress_counts_jobs_and_a_job_that_is_listed_twice_counts_once() -> None:
    class Twice(FakeWorkspace):
        def all_jobs(self) -> Iterator[JobDocument]:
            yield from super().all_jobs()
            yield from super().all_jobs()

    workspace = Twice()
    for _ in range(3):
        workspace.add_job(job_with(f"{ROOT}/{OLD}"))
    seen: list[int] = []
    scan = scan_jobs(workspace.jobs, ROOT, keep=lambda _: True, on_seen=seen.append)
    assert seen == [1, 2, 3]
    assert (scan.jobs_seen, len(scan.jobs)) == (3, 3)


def test_a_pass_knows_which_jobs_point_to_what() -> None:
    workspace = workspace_with(
        {**job_with_lines("-r /Shared/r.txt", "-r /Shared/s.txt"), "name": "first"},
        {**job_with({"requirements": "/Workspace/Shared/r.txt"}), "name": "second"},
        {},
    )
    first, second = NamedJob(1, "first"), NamedJob(2, "second")
    assert scan_of(workspace).leads == {
        Lead(LeadKind.REQUIREMENTS, "/Workspace/Shared/r.txt"): (first, second),
        Lead(LeadKind.REQUIREMENTS, "/Workspace/Shared/s.txt"): (first,),
    }


@pytest.mark.parametrize("trait", stored_settings())
def test_every_stored_job_that_names_the_library_is_kept(trait: str) -> None:
    scan = scan_of(workspace_with(stored_settings()[trait]))
    assert len(scan.jobs) == 1


def test_a_kept_job_knows_that_it_was_read_in_part() -> None:
    workspace = workspace_with(job_with(f"{ROOT}/{OLD}"))
    workspace.unreadable.add(1)
    assert [job.complete for job in scan_of(workspace).jobs] == [False]
