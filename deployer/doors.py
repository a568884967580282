"""Every effect that a run needs from outside, as values. `main` builds them; tests build others."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deployer.checks.steps import Checked
from deployer.conversation.telling import Speaker
from deployer.deployment.claims import Holder
from deployer.deployment.clusters import Waiting
from deployer.deployment.holding import Taken
from deployer.deployment.ports import Workspace
from deployer.draft import Draft
from deployer.errors import FailureReason, fail
from deployer.release.ports import Releases
from deployer.settings import Credentials, Settings


class OnLock(Protocol):
    """Told of a lock: `held` says whether this run took it, or gave it back."""

    def __call__(self, taken: Taken, *, held: bool) -> None:
        """Remember, or forget."""
        ...


@dataclass(frozen=True)
class Origin:
    """Where a deployment comes from, for its journal: who started which run, on which commit."""

    actor: str = ""
    git_sha: str = ""
    run_url: str = ""


def _no_releases(_: Settings) -> Releases:
    raise fail(
        FailureReason.INVALID_INPUT,
        "No release can be reached: the repository or a token for it is not known.",
        detail="A workflow on GitHub says both; elsewhere they are variables of the environment.",
        remedy="Leave the input `github-token` to its default, or set GITHUB_REPOSITORY and GITHUB_TOKEN.",
    )


@dataclass(frozen=True)
class Releasing:
    """How to reach the releases of the repository, the tag that the run is for, and where to keep files.

    `tag` is without `refs/tags/`; "" for a run that is for no tag.
    """

    connect: Callable[[Settings], Releases] = _no_releases
    tag: str = ""
    folder: Path = Path("releases")


@dataclass(frozen=True)
class Doors:
    """Where files lie, how to reach the workspace, how to check a project, clock and chance.

    `stopped` says whether the run was asked to stop; `now_ms` is epoch milliseconds. `watch` gets the
    draft before anything happens, so that a run that must end at once can still tell what is known.
    `new_id` gives eight hex digits for the id of a deployment, `nonce` sixteen for a lock.
    `holder` is who holds the locks of this run, `alive` whether a process of this machine still runs,
    `pause` waits and raises Interrupted when the run is to stop; `on_lock` is told of each lock that is
    taken (true) or given back (false), so that a later process can give back what this one could not.
    `waiting` says how long clusters are waited for, `id_token` whether this GitHub job may ask for OIDC
    tokens; it is None elsewhere. `releasing` leads to the releases of the repository,
    `speaker` to the pull request that the run belongs to.
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
    origin: Origin = field(default_factory=Origin)
    releasing: Releasing = field(default_factory=Releasing)
    speaker: Speaker | None = None
    holder: Holder = field(default_factory=lambda: Holder(""))
    nonce: Callable[[], str] = lambda: secrets.token_hex(8)
    alive: Callable[[str], bool] = lambda process: True
    pause: Callable[[float], None] = time.sleep
    on_lock: OnLock = lambda taken, held: None
