"""Looks at a workspace in memory, as the story takes them."""

from __future__ import annotations

from typing import Any

from deployer.deployment.elsewhere import Elsewhere, Looking, look_elsewhere
from deployer.deployment.scan import Scan, scan_jobs
from deployer.deployment.users import users_of_files
from deployer.plan.model import Rewire
from deployer.plan.planner import names_library
from deployer.plan.retention import Users
from tests.fake_workspace import FakeWorkspace
from tests.job_settings import ROOT, Settings, library, wheel

OLD = wheel("1.2.0")


def workspace_with(*all_settings: Settings) -> FakeWorkspace:
    """A workspace with these jobs, whose ids count from 1."""
    workspace = FakeWorkspace()
    for job_id, each in enumerate(all_settings, start=1):
        workspace.add_job(each, job_id)
    return workspace


def scan_of(workspace: FakeWorkspace) -> Scan:
    """One pass that keeps the jobs of the library."""
    ours = library()
    return scan_jobs(
        workspace.jobs, ROOT, keep=lambda job: names_library(job, ours), on_seen=lambda _: None
    )


def look(workspace: FakeWorkspace, **more: Any) -> Elsewhere:
    """One look elsewhere for the library; `more` are fields of `Looking`."""
    ours = library()
    looking = Looking(ROOT, wanted=lambda one: one.names(ours.name, ours.kind), **more)
    return look_elsewhere(scan_of(workspace), workspace.usage, looking)


def users_of(workspace: FakeWorkspace, rewires: tuple[Rewire, ...] = ()) -> Users:
    """Who uses which file once `rewires` are applied."""
    return users_of_files(scan_of(workspace), rewires, look(workspace), workspace.identity())
