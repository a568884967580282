"""What a handler gets and how it is found: `Call`, `Route`, errors as GitHub words them, pages.

Must not hold state.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from tests.github.world import Account, Repository, Token, World

Json = dict[str, Any]
_PAGE, _LARGEST_PAGE = 30, 100
_DOCS = "https://docs.github.com/rest"


class ApiError(Exception):
    """An answer that says no."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[Json] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = dict(headers or {})

    def response(self) -> Response:
        body: Json = {"message": self.message}
        if self.errors:
            body["errors"] = list(self.errors)
        body |= {"documentation_url": _DOCS, "status": str(self.status)}
        return json_response(body, self.status, self.headers)


def not_found() -> ApiError:
    """What is not there, or may not be seen."""
    return ApiError(404, "Not Found")


def invalid(resource: str, code: str, name: str, message: str = "") -> ApiError:
    """422, as GitHub says which field is wrong."""
    error = {"resource": resource, "code": code, "field": name}
    return ApiError(
        422, "Validation Failed", errors=[error | ({"message": message} if message else {})]
    )


def accepted_header(accepted: Mapping[str, str]) -> dict[str, str]:
    """The header that names the permissions that an endpoint takes."""
    said = "; ".join(f"{name.replace('-', '_')}={level}" for name, level in accepted.items())
    return {"X-Accepted-GitHub-Permissions": said} if said else {}


def json_response(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A response with `body` as JSON."""
    return Response(
        json.dumps(body),
        status,
        dict(headers or {}),
        content_type="application/json; charset=utf-8",
    )


@dataclass(frozen=True)
class Call:
    """One request. `token` is None for an anonymous one; `base` is the API's address."""

    world: World
    token: Token | None
    request: Request
    places: Mapping[str, Any]
    base: str
    html: str

    @property
    def repository(self) -> Repository:
        """The repository of the path. Raises ApiError(404)."""
        if "repository_id" in self.places:
            found = self.world.repository_by_id(int(self.places["repository_id"]))
        else:
            name = f"{self.places['owner']}/{self.places['name']}"
            found = self.world.repositories.get(name)
        if found is None or (found.private and self.token is None):
            raise not_found()
        return found

    @property
    def account(self) -> Account:
        """Who calls. Raises ApiError(401)."""
        if self.token is None:
            raise ApiError(401, "Requires authentication")
        return self.token.account

    def body(self) -> Json:
        """The JSON object of the body. Raises ApiError(400)."""
        try:
            found = json.loads(self.request.get_data() or b"{}")
        except ValueError:
            raise ApiError(400, "Problems parsing JSON") from None
        if not isinstance(found, dict):
            raise ApiError(400, "Body should be a JSON object")
        return found

    def page(self, entries: Sequence[Any]) -> Response:
        """One page of `entries`, with the `Link` header; 30 a page unless asked, 100 at most."""
        size = min(max(_number(self.request, "per_page", _PAGE), 1), _LARGEST_PAGE)
        page = max(_number(self.request, "page", 1), 1)
        last = max((len(entries) + size - 1) // size, 1)
        links = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        wanted = [] if page == 1 else ["prev"]
        wanted += ["next", "last"] if page < last else []
        wanted += ["first"] if page > 1 else []
        said = ", ".join(f'<{self._page_url(links[rel])}>; rel="{rel}"' for rel in wanted)
        shown = list(entries[(page - 1) * size : page * size])
        return json_response(shown, headers={"Link": said} if said else {})

    def _page_url(self, page: int) -> str:
        """Links of pages name the repository by its id, unlike the request."""
        path = self.request.path.partition("/repos/")[2].split("/", 2)
        name = f"/repositories/{self.repository.id}/{path[2]}" if len(path) == 3 else ""
        own = name or self.request.path.removeprefix(self.places.get("_prefix", ""))
        query = {**self.request.args.to_dict(), "page": str(page)}
        return f"{self.base}{own}?{urlencode(query)}"


def _number(request: Request, name: str, default: int) -> int:
    text = request.args.get(name, "")
    return int(text) if text.isdecimal() else default


@dataclass(frozen=True, eq=False)
class Route:
    """One endpoint. `accepts` are the permissions of which the token needs one."""

    method: str
    rule: str
    handler: Callable[[Call], Response | Json]
    accepts: Mapping[str, str] = field(default_factory=dict)
    success: int = 200


def url_map(routes: Sequence[Route]) -> Map:
    """The routes, for werkzeug; those of a repository also by its id, as links of pages use it."""
    rules = []
    for route in routes:
        rules.append(Rule(route.rule, methods=[route.method], endpoint=route))
        if route.rule.startswith("/repos/<owner>/<name>"):
            tail = route.rule.removeprefix("/repos/<owner>/<name>")
            by_id = f"/repositories/<int:repository_id>{tail}"
            rules.append(Rule(by_id, methods=[route.method], endpoint=route))
    return Map(rules, strict_slashes=False, merge_slashes=False)
