"""What the emulated GitHub knows: accounts, tokens, repositories, pull requests, comments.

Owns the state and its rules that have nothing to do with HTTP. Must not speak HTTP. All access is under
`World.lock`, which the server holds for one request at a time.
"""

from __future__ import annotations

import base64
import itertools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST_BODY = 65_536
"""Characters of a comment's body; more is a 422 (fact 22)."""
BOT = "github-actions[bot]"
_BOT_ID = 41_898_282


@dataclass(frozen=True)
class Account:
    """A user, bot or organisation. `kind` is GitHub's `type`."""

    login: str
    id: int
    kind: str = "User"


@dataclass(frozen=True)
class Token:
    """A token: whose it is, and what it may do, `{"pull-requests": "write"}`."""

    account: Account
    permissions: Mapping[str, str]

    def may(self, accepted: Mapping[str, str]) -> bool:
        """Whether one of the `accepted` permissions is held; an empty mapping needs none."""
        enough = {"read": {"read", "write"}, "write": {"write"}}
        return not accepted or any(
            self.permissions.get(name.replace("_", "-"), "") in enough[level]
            for name, level in accepted.items()
        )


@dataclass
class Comment:
    """One comment of an issue or pull request."""

    id: int
    number: int
    author: Account
    body: str
    minimized: str = ""  # the reason, such as "OUTDATED"
    edits: int = 0

    @property
    def node_id(self) -> str:
        """The name of the comment in GraphQL."""
        return "IC_" + base64.urlsafe_b64encode(str(self.id).encode()).decode().rstrip("=")


@dataclass
class Pull:
    """One pull request. `state` is `open` or `closed`; a merged one is closed, with its merge commit."""

    number: int
    title: str
    author: Account
    head_owner: str
    branch: str
    head_sha: str
    base: str = "main"
    state: str = "open"
    merge_sha: str = ""
    merged: bool = False
    shas: list[str] = field(default_factory=list)  # of all its commits
    locked: bool = False
    head_repository: str = ""  # "" for the same repository; else of the fork
    head_gone: bool = False  # the fork was deleted


@dataclass
class Repository:
    """One repository."""

    owner: Account
    name: str
    id: int
    private: bool = False
    default_branch: str = "main"
    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    commits: set[str] = field(default_factory=set)
    more: dict[str, Any] = field(default_factory=dict)  # what other parts of the API keep

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner.login}/{self.name}"


class World:
    """All state of one emulator."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.numbers: Iterator[int] = itertools.count(1000)
        self.accounts: dict[str, Account] = {}
        self.tokens: dict[str, Token] = {}
        self.repositories: dict[str, Repository] = {}
        self.accounts[BOT] = Account(BOT, _BOT_ID, "Bot")

    def account(self, login: str, kind: str = "User") -> Account:
        """The account of that login, made if there is none."""
        if login not in self.accounts:
            self.accounts[login] = Account(login, next(self.numbers), kind)
        return self.accounts[login]

    def repository(self, full_name: str, *, private: bool = False) -> Repository:
        """The repository of that name, made if there is none."""
        if full_name not in self.repositories:
            owner, name = full_name.split("/")
            made = Repository(self.account(owner), name, next(self.numbers), private)
            self.repositories[full_name] = made
        return self.repositories[full_name]

    def repository_by_id(self, number: int) -> Repository | None:
        """The repository with that id."""
        return next((one for one in self.repositories.values() if one.id == number), None)

    def comment_by_node(self, node_id: str) -> tuple[Repository, Comment] | None:
        """The comment that GraphQL calls `node_id`, with its repository."""
        for repository in self.repositories.values():
            for comment in repository.comments.values():
                if comment.node_id == node_id:
                    return repository, comment
        return None

    def add_comment(self, repository: Repository, number: int, author: str, body: str) -> Comment:
        """A new comment, which gets the next id."""
        made = Comment(next(self.numbers), number, self.account(author), body)
        repository.comments[made.id] = made
        return made

    def add_pull(
        self,
        repository: Repository,
        *,
        branch: str = "feature",
        sha: str = "a" * 40,
        title: str = "A change",
        author: str = "octocat",
        fork: str = "",
        number: int = 0,
    ) -> Pull:
        """A new open pull request; `fork` is the `owner/name` that its branch lies in."""
        owner = fork.split("/", maxsplit=1)[0] if fork else repository.owner.login
        at = number or max(repository.pulls, default=0) + 1
        made = Pull(at, title, self.account(author), owner, branch, sha, head_repository=fork)
        made.shas.append(sha)
        repository.commits.add(sha)
        repository.pulls[at] = made
        return made

    def push(self, repository: Repository, pull: Pull, sha: str, *, force: bool = False) -> None:
        """A new head for the pull request; with `force` the earlier commits are gone from it."""
        if force:
            pull.shas.clear()
        pull.shas.append(sha)
        pull.head_sha = sha
        repository.commits.add(sha)

    def merge(self, repository: Repository, pull: Pull, sha: str) -> None:
        """Merge the pull request as the commit `sha` of the base branch."""
        pull.state, pull.merged, pull.merge_sha = "closed", True, sha
        repository.commits.add(sha)
