"""Who is who: `/user`, `/users/{login}`, and the state of the rate limit."""

from __future__ import annotations

from tests.github.routing import ApiError, Call, Json, Route, accepted_header, not_found
from tests.github.world import Account

FORBIDDEN = "Resource not accessible by integration"


def account_json(call: Call, account: Account) -> Json:
    """An account as it stands in other objects."""
    return {
        "login": account.login,
        "id": account.id,
        "node_id": f"U_{account.id}",
        "type": account.kind,
        "site_admin": False,
        "url": f"{call.base}/users/{account.login}",
        "html_url": f"{call.html}/{account.login}",
    }


def _user(call: Call) -> Json:
    """Who the token is; the token of a workflow is no user, and may not ask."""
    if call.account.kind == "Bot":
        raise ApiError(
            403, FORBIDDEN, headers=accepted_header({"allows_permissionless_access": "true"})
        )
    return account_json(call, call.account)


def _by_login(call: Call) -> Json:
    found = call.world.accounts.get(call.places["login"])
    if found is None:
        raise not_found()
    return account_json(call, found)


def _repository(call: Call) -> Json:
    repository = call.repository
    return {
        "id": repository.id,
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
        "owner": account_json(call, repository.owner),
        "default_branch": repository.default_branch,
        "url": f"{call.base}/repos/{repository.full_name}",
        "html_url": f"{call.html}/{repository.full_name}",
    }


def _rate_limit(_: Call) -> Json:
    rate = {"limit": 5000, "remaining": 4999, "reset": 2_000_000_000, "used": 1}
    return {"resources": {"core": rate}, "rate": rate}


ROUTES = (
    Route("GET", "/user", _user),
    Route("GET", "/users/<login>", _by_login),
    Route("GET", "/repos/<owner>/<name>", _repository, {"metadata": "read"}),
    Route("GET", "/rate_limit", _rate_limit),
)
