"""Pull requests: one, the list with its filters, and those that a commit belongs to."""

from __future__ import annotations

from werkzeug.wrappers import Response

from tests.github.accounts import account_json
from tests.github.routing import ApiError, Call, Json, Route, not_found
from tests.github.world import Pull, Repository

_READ = {"pull_requests": "read"}


def _pull_json(call: Call, repository: Repository, pull: Pull) -> Json:
    url = f"{call.base}/repos/{repository.full_name}"
    return {
        "id": 900_000 + pull.number,
        "node_id": f"PR_{pull.number}",
        "number": pull.number,
        "state": pull.state,
        "locked": pull.locked,
        "title": pull.title,
        "user": account_json(call, pull.author),
        "body": None,
        "draft": False,
        "merged": pull.merged,
        "merged_at": "2026-11-28T12:00:00Z" if pull.merged else None,
        "merge_commit_sha": pull.merge_sha or None,
        "url": f"{url}/pulls/{pull.number}",
        "html_url": f"{call.html}/{repository.full_name}/pull/{pull.number}",
        "issue_url": f"{url}/issues/{pull.number}",
        "comments_url": f"{url}/issues/{pull.number}/comments",
        "head": _head(call, repository, pull),
        "base": {
            "label": f"{repository.owner.login}:{pull.base}",
            "ref": pull.base,
            "sha": "b" * 40,
            "user": account_json(call, repository.owner),
            "repo": _repository_json(repository.full_name, repository.id),
        },
    }


def _head(call: Call, repository: Repository, pull: Pull) -> Json:
    name = pull.head_repository or repository.full_name
    number = repository.id if name == repository.full_name else repository.id + 500_000
    return {
        "label": f"{pull.head_owner}:{pull.branch}",
        "ref": pull.branch,
        "sha": pull.head_sha,
        "user": account_json(call, call.world.account(pull.head_owner)),
        "repo": None if pull.head_gone else _repository_json(name, number),
    }


def _repository_json(full_name: str, number: int) -> Json:
    return {"id": number, "full_name": full_name, "name": full_name.split("/")[1]}


def find_pull(call: Call) -> Pull:
    """The pull request of the path. Raises ApiError(404)."""
    found = call.repository.pulls.get(int(call.places["number"]))
    if found is None:
        raise not_found()
    return found


def _one(call: Call) -> Json:
    return _pull_json(call, call.repository, find_pull(call))


def _list(call: Call) -> Response:
    """All pull requests, newest first. `head` without a colon filters nothing, as on GitHub."""
    wanted = call.request.args.get("state", "open")
    head = call.request.args.get("head", "")
    base = call.request.args.get("base", "")
    found = [
        pull
        for pull in sorted(call.repository.pulls.values(), key=lambda one: -one.number)
        if wanted in {"all", pull.state}
        and (":" not in head or head == f"{pull.head_owner}:{pull.branch}")
        and base in {"", pull.base}
    ]
    return call.page([_pull_json(call, call.repository, pull) for pull in found])


def _of_commit(call: Call) -> Response:
    """The pull requests of a commit: the merged one that brought it, or those that hold it."""
    sha = call.places["sha"]
    if sha not in call.repository.commits:
        raise ApiError(422, f"No commit found for SHA: {sha}")
    found = [
        pull for pull in call.repository.pulls.values() if sha == pull.merge_sha or sha in pull.shas
    ]
    return call.page([_pull_json(call, call.repository, pull) for pull in found])


ROUTES = (
    Route("GET", "/repos/<owner>/<name>/pulls", _list, _READ),
    Route("GET", "/repos/<owner>/<name>/pulls/<int:number>", _one, _READ),
    Route("GET", "/repos/<owner>/<name>/commits/<sha>/pulls", _of_commit, _READ),
)
