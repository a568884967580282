"""Comments and pull requests of one repository, over GitHub's API.

Owns paths and shapes of the API; what has not the shape that is expected is left out, or is an error of
`forge`. Must not decide anything. See `conversation.ports`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployer.conversation.ports import Posted, Proposal
from deployer.forge import Rejected, Unavailable
from deployer.gh.api import Api

_NAME = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MINIMISE = """\
mutation($input: MinimizeCommentInput!) {
  minimizeComment(input: $input) { minimizedComment { isMinimized } }
}"""


class GitHubComments:
    """The port `Comments` for one repository."""

    def __init__(self, api: Api, repository: str) -> None:
        """`repository` is `owner/name`. Raises Rejected for anything else."""
        if not _NAME.fullmatch(repository):
            raise Rejected("the name of the repository is none")
        self._api = api
        self._base = f"/repos/{repository}"

    def viewer(self) -> str:
        """Who the token is; the token of a workflow may ask only GraphQL."""
        viewer = self._api.ask("query { viewer { login } }").get("viewer")
        login = viewer.get("login") if isinstance(viewer, Mapping) else None
        if not isinstance(login, str) or not login:
            raise Unavailable("GitHub does not say who the token is")
        return login

    def of(self, number: int) -> Iterator[Posted]:
        """All comments, the oldest first, over all pages."""
        for one in self._api.pages(f"{self._base}/issues/{int(number)}/comments"):
            found = _posted(one)
            if found is not None:
                yield found

    def create(self, number: int, body: str) -> Posted:
        """A new comment; it is not asked for twice."""
        path = f"{self._base}/issues/{int(number)}/comments"
        return _needed(self._api.change("POST", path, {"body": body}, repeatable=False))

    def edit(self, comment: Posted, body: str) -> Posted:
        """Replace the body."""
        path = f"{self._base}/issues/comments/{int(comment.id)}"
        return _needed(self._api.change("PATCH", path, {"body": body}, repeatable=True))

    def minimise(self, comment: Posted) -> None:
        """Fold the comment as outdated; REST has no way."""
        wanted = {"subjectId": comment.node, "classifier": "OUTDATED"}
        self._api.ask(_MINIMISE, {"input": wanted}, write=True)

    def proposal(self, number: int) -> Proposal:
        """The pull request `number`."""
        found = _proposal(self._api.get(f"{self._base}/pulls/{int(number)}"))
        if found is None:
            raise Unavailable("GitHub's answer is no pull request")
        return found

    def proposals_from(self, repository: str, branch: str) -> Sequence[Proposal]:
        """Open pull requests by their head. GitHub knows only the owner, not the repository."""
        owner = repository.partition("/")[0]
        query = {"state": "open", "head": f"{owner}:{branch}"}
        found = (_proposal(one) for one in self._api.pages(f"{self._base}/pulls", query))
        return tuple(
            one
            for one in found
            if one is not None
            and one.head_branch == branch
            and one.head_repository.casefold() == repository.casefold()
        )

    def proposals_of(self, sha: str) -> Sequence[Proposal]:
        """Pull requests that hold the commit, or that it merged."""
        if not _SHA.fullmatch(sha):
            raise Rejected("the name of the commit is none")
        found = (_proposal(one) for one in self._api.pages(f"{self._base}/commits/{sha}/pulls"))
        return tuple(one for one in found if one is not None)


def _posted(found: Any) -> Posted | None:
    if not isinstance(found, Mapping):
        return None
    author = found.get("user")  # None when the account was deleted
    author = author if isinstance(author, Mapping) else {}
    number = found.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return Posted(
        id=number,
        node=_text(found, "node_id"),
        author=_text(author, "login"),
        by_bot=author.get("type") == "Bot",
        body=_text(found, "body"),
        url=_text(found, "html_url"),
    )


def _needed(found: Any) -> Posted:
    posted = _posted(found)
    if posted is None:
        raise Unavailable("GitHub's answer is no comment")
    return posted


def _proposal(found: Any) -> Proposal | None:
    if not isinstance(found, Mapping):
        return None
    head = found.get("head")
    head = head if isinstance(head, Mapping) else {}
    repository = head.get("repo")
    number = found.get("number")
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return Proposal(
        number=number,
        is_open=found.get("state") == "open",
        merged=bool(found.get("merged") or found.get("merged_at")),
        head_sha=_text(head, "sha"),
        head_branch=_text(head, "ref"),
        head_repository=_text(repository, "full_name") if isinstance(repository, Mapping) else "",
        merge_sha=_text(found, "merge_commit_sha"),
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
