"""Every effect that a run needs from outside, as values. `main` builds them; tests build others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deployer.checks.steps import Checked
from deployer.deployment.clusters import Waiting
from deployer.deployment.ports import Workspace
from deployer.draft import Draft
from deployer.settings import Credentials, Settings


@dataclass(frozen=True)
class Doors:
    """Where files lie, how to reach the workspace, how to check a project, clock and chance.

    `stopped` says whether the run was asked to stop; `now_ms` is epoch milliseconds. `watch` gets the
    draft before anything happens, so that a run that must end at once can still tell what is known.
    `waiting` says how long clusters are waited for, `id_token` whether this GitHub job may ask for OIDC
    tokens; it is None elsewhere.
    """

    workspace_folder: Path
    connect: Callable[[Credentials], Workspace]
    check: Callable[[Path, Settings, Draft], Checked]
    stopped: Callable[[], bool]
    new_id: Callable[[], str]
    now_ms: Callable[[], int]
    watch: Callable[[Draft], None] = lambda draft: None
    waiting: Waiting = field(default_factory=Waiting)
    id_token: bool | None = None
