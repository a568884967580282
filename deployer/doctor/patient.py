"""What the doctor knows so far, and what one check answers.

Owns the values that pass between checks. Must not ask anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from deployer.deployment.ports import Identity, Store, Workspace
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import Problem
from deployer.library.model import Library
from deployer.report.model import CheckStatus

NAMED = 20
"""How many jobs, or names of others, one check lists; the rest is counted."""


class CannotTell(Exception):
    """A check can't be made; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What one check found: a sentence, and findings where something is to be done or known."""

    said: str
    findings: tuple[str, ...] = ()
    status: CheckStatus = CheckStatus.PASSED


@dataclass
class Patient:
    """What is known so far; later checks need what earlier ones found."""

    draft: Draft
    doors: Doors
    library: Library | None = None
    workspace: Workspace | None = None
    identity: Identity | None = None
    store: Store | None = None
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)

    def reached(self) -> Workspace:
        """The workspace. Raises CannotTell."""
        if self.workspace is None:
            out = "we could not log in" if "identity" in self.problems else "there is no connection"
            raise CannotTell(f"The workspace was not asked, because {out}.")
        return self.workspace

    def known(self) -> tuple[Workspace, Identity]:
        """The workspace, and who we are there. Raises CannotTell."""
        workspace = self.reached()
        if self.identity is None:
            raise CannotTell("The workspace did not say who we are.")
        return workspace, self.identity

    def rooted(self) -> tuple[Workspace, Identity, Store]:
        """The same and the root. Raises CannotTell."""
        workspace, identity = self.known()
        if self.store is None:
            given = self.draft.settings.root
            raise CannotTell("The root can't be used." if given else "No `root` is given.")
        return workspace, identity, self.store


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - NAMED:,} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more
