"""Every effect that a run needs from outside, as values. `main` builds them; tests build others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployer.checks.steps import Checked
from deployer.deployment.ports import Workspace
from deployer.draft import Draft
from deployer.settings import Credentials, Settings


@dataclass(frozen=True)
class Doors:
    """Where files lie, how to reach the workspace, how to check a project, clock and chance.

    `stopped` says whether the run was asked to stop; `now_ms` is epoch milliseconds.
    """

    workspace_folder: Path
    connect: Callable[[Credentials], Workspace]
    check: Callable[[Path, Settings, Draft], Checked]
    stopped: Callable[[], bool]
    new_id: Callable[[], str]
    now_ms: Callable[[], int]
