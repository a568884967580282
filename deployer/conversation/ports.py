"""What the conversation needs of GitHub: comments, and the pull requests that a run belongs to.

Owns the port `Comments` and its values. What was written by others stands verbatim in them: it is data,
and nothing that a comment says is believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Posted:
    """One comment as it stands there. `node` is its name in GraphQL."""

    id: int
    node: str
    author: str
    by_bot: bool
    body: str
    url: str


@dataclass(frozen=True)
class Proposal:
    """One pull request as it stands now. `head_repository` is `owner/name`, "" when it was deleted."""

    number: int
    is_open: bool
    merged: bool
    head_sha: str
    head_branch: str
    head_repository: str
    merge_sha: str = ""


class Comments(Protocol):
    """Comments of one repository. Every method raises the errors of `forge`."""

    def viewer(self) -> str:
        """The login of whom the token is for; a bot's ends in `[bot]`."""
        ...

    def of(self, number: int) -> Iterator[Posted]:
        """All comments of the pull request `number`, the oldest first."""
        ...

    def create(self, number: int, body: str) -> Posted:
        """A new comment. Raises Uncertain when it may be there although the answer was lost."""
        ...

    def edit(self, comment: Posted, body: str) -> Posted:
        """Replace the body; NotFound when the comment was deleted."""
        ...

    def minimise(self, comment: Posted) -> None:
        """Fold the comment as outdated."""
        ...

    def proposal(self, number: int) -> Proposal:
        """The pull request `number`."""
        ...

    def proposals_from(self, repository: str, branch: str) -> Sequence[Proposal]:
        """The open pull requests whose head is that branch of that repository."""
        ...

    def proposals_of(self, sha: str) -> Sequence[Proposal]:
        """The pull requests that hold the commit, or that it merged."""
        ...
