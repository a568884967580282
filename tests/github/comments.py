"""Comments of issues and pull requests: list, read, create, edit, delete."""

from __future__ import annotations

from werkzeug.wrappers import Response

from tests.github.accounts import account_json
from tests.github.pulls import find_pull
from tests.github.routing import ApiError, Call, Json, Route, invalid, not_found
from tests.github.world import LONGEST_BODY, Comment

_READ = {"issues": "read", "pull_requests": "read"}
_WRITE = {"issues": "write", "pull_requests": "write"}


def _comment_json(call: Call, comment: Comment) -> Json:
    name = call.repository.full_name
    return {
        "id": comment.id,
        "node_id": comment.node_id,
        "user": account_json(call, comment.author),
        "body": comment.body,
        "created_at": "2026-11-28T12:00:00Z",
        "updated_at": "2026-11-28T12:00:00Z",
        "author_association": "NONE",
        "url": f"{call.base}/repos/{name}/issues/comments/{comment.id}",
        "html_url": f"{call.html}/{name}/pull/{comment.number}#issuecomment-{comment.id}",
        "issue_url": f"{call.base}/repos/{name}/issues/{comment.number}",
    }


def _list(call: Call) -> Response:
    pull = find_pull(call)
    found = [one for one in call.repository.comments.values() if one.number == pull.number]
    return call.page([_comment_json(call, one) for one in sorted(found, key=lambda one: one.id)])


def _find(call: Call) -> Comment:
    found = call.repository.comments.get(int(call.places["comment"]))
    if found is None:
        raise not_found()
    return found


def _text(call: Call) -> str:
    body = call.body().get("body")
    if not isinstance(body, str) or not body.strip():
        raise invalid("IssueComment", "missing_field", "body")
    if len(body) > LONGEST_BODY:
        message = f"Body is too long (maximum is {LONGEST_BODY} characters)"
        raise invalid("IssueComment", "unprocessable", "data", message)
    return body


def _create(call: Call) -> Json:
    pull = find_pull(call)
    if pull.locked:
        raise ApiError(403, "Unable to create comment because issue is locked.")
    text = _text(call)
    made = call.world.add_comment(call.repository, pull.number, call.account.login, text)
    return _comment_json(call, made)


def _edit(call: Call) -> Json:
    comment = _find(call)
    comment.body = _text(call)
    comment.edits += 1
    return _comment_json(call, comment)


def _delete(call: Call) -> Response:
    del call.repository.comments[_find(call).id]
    return Response(status=204)


_ONE = "/repos/<owner>/<name>/issues/comments/<int:comment>"
_ALL = "/repos/<owner>/<name>/issues/<int:number>/comments"
ROUTES = (
    Route("GET", _ALL, _list, _READ),
    Route("POST", _ALL, _create, _WRITE, success=201),
    Route("GET", _ONE, lambda call: _comment_json(call, _find(call)), _READ),
    Route("PATCH", _ONE, _edit, _WRITE),
    Route("DELETE", _ONE, _delete, _WRITE),
)
