"""The emulated GitHub as a server: start it, seed it, call it, stop it.

Owns authentication, permissions, dispatch, faults, hooks and the log of calls. Must not play any part of
the API itself.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer
from werkzeug.wrappers import Request, Response

from sandbox.wire import ENDING, RESET, Connections, listen
from tests.github import accounts, comments, graphql, pulls, releases
from tests.github.faults import Fault, Faults
from tests.github.routing import (
    ApiError,
    Call,
    Route,
    accepted_header,
    json_response,
    not_found,
    url_map,
)
from tests.github.world import BOT, Comment, Pull, Repository, Token, World

PARTS = (accounts, pulls, comments, releases)
"""Modules with `ROUTES`."""
_ENTERPRISE = "/api/v3"
_CLOSE_S = 0.5


@dataclass(frozen=True)
class Seen:
    """One call as it was answered; `path` is that of the API, without the base."""

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    login: str
    body: str


@dataclass
class _Hook:
    method: str
    path: str
    action: Callable[[], object]


class GitHub:
    """One emulated GitHub; a context manager.

    Attributes:
        url: the web server, as `GITHUB_SERVER_URL` names it.
        api_url: as `GITHUB_API_URL`; with `enterprise` below `/api/v3`.
        graphql_url: as `GITHUB_GRAPHQL_URL`.
        world: the state, to look at and to change.
        calls: every call so far.
    """

    def __init__(self, *, enterprise: bool = False) -> None:
        self.world = World()
        self.faults = Faults()
        self.calls: list[Seen] = []
        self._hooks: list[_Hook] = []
        self._prefix = _ENTERPRISE if enterprise else ""
        self._graphql = "/api/graphql" if enterprise else "/graphql"
        self._map = url_map([route for part in PARTS for route in part.ROUTES])
        self._server: BaseWSGIServer | None = None
        self._connections = Connections()
        self._thread: threading.Thread | None = None
        self.url = ""

    # ── Seeds and levers ─────────────────────────────────────────────────────────────────────────

    def token(self, login: str = BOT, permissions: Mapping[str, str] | None = None) -> str:
        """A new token of that account. Without `permissions` it may write comments and contents."""
        all_of_it = {"contents": "write", "issues": "write", "pull-requests": "write"}
        given = all_of_it if permissions is None else permissions
        secret = f"ghs_{next(self.world.numbers)}{'x' * 30}"
        self.world.tokens[secret] = Token(self.world.account(login), {"metadata": "read", **given})
        return secret

    def repository(self, name: str = "octo/library", *, private: bool = False) -> Repository:
        """The repository of that name, made if there is none."""
        return self.world.repository(name, private=private)

    def pull(self, repository: Repository | None = None, **given: Any) -> Pull:
        """A new open pull request; see `World.add_pull`."""
        return self.world.add_pull(repository or self.repository(), **given)

    def comments_of(self, pull: Pull, repository: Repository | None = None) -> list[Comment]:
        """The comments of a pull request, in their order."""
        found = (repository or self.repository()).comments.values()
        return sorted((one for one in found if one.number == pull.number), key=lambda one: one.id)

    def fail(self, fault: Fault) -> None:
        """Let calls meet a fault."""
        self.faults.waiting.append(fault)

    def before(self, method: str, path: str, action: Callable[[], object]) -> None:
        """Do `action` once, right before the next such call is carried out: what others do meanwhile."""
        self._hooks.append(_Hook(method, path, action))

    def writes(self) -> list[Seen]:
        """The calls that were to change something and did."""
        return [
            one
            for one in self.calls
            if one.method != "GET" and one.status < 400 and "viewer" not in one.body
        ]

    # ── Start and stop ───────────────────────────────────────────────────────────────────────────

    @property
    def api_url(self) -> str:
        return self.url + self._prefix

    @property
    def graphql_url(self) -> str:
        return self.url + self._graphql

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which the runner says where GitHub is."""
        return {
            "GITHUB_SERVER_URL": self.url,
            "GITHUB_API_URL": self.api_url,
            "GITHUB_GRAPHQL_URL": self.graphql_url,
        }

    def __enter__(self) -> GitHub:
        self._server, self._connections = listen(self._answer, 0)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._connections.close_all(_CLOSE_S)

    # ── One call ─────────────────────────────────────────────────────────────────────────────────

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        content = request.get_data(cache=True)
        path = request.path.removeprefix(self._prefix)
        fault = self.faults.strike(request.method, path)
        response = fault.answer() if fault and fault.answer and not fault.applied else None
        lost = fault is not None and fault.answer is None
        if fault is None or fault.applied:
            response = self._carried_out(request, path)
        if fault is not None and fault.applied and fault.answer is not None:
            response = fault.answer()
        if lost:
            environ[ENDING] = RESET
        response = response or Response()
        login = self._login(request)
        self.calls.append(
            Seen(
                request.method,
                path,
                request.args.to_dict(),
                0 if lost else response.status_code,
                login,
                content.decode("utf-8", "replace"),
            )
        )
        response.headers.setdefault("X-RateLimit-Limit", "5000")
        response.headers.setdefault("X-RateLimit-Remaining", "4999")
        response.headers.setdefault("X-RateLimit-Reset", "2000000000")
        return response(environ, start_response)

    def _carried_out(self, request: Request, path: str) -> Response:
        for hook in [one for one in self._hooks if self._meets(one, request.method, path)]:
            self._hooks.remove(hook)
            hook.action()
        try:
            with self.world.lock:
                return self._routed(request, path)
        except ApiError as error:
            return error.response()
        except HTTPException as error:
            return ApiError(error.code or 400, str(error.name)).response()

    @staticmethod
    def _meets(hook: _Hook, method: str, path: str) -> bool:
        return hook.method == method and re.search(hook.path, path) is not None

    def _routed(self, request: Request, path: str) -> Response:
        token = self._token(request)
        if not request.headers.get("User-Agent"):
            raise ApiError(403, "Request forbidden by administrative rules.")
        if request.path == self._graphql:
            call = Call(self.world, token, request, {}, self.api_url, self.url)
            return json_response(graphql.answer(call))
        if not request.path.startswith(self._prefix):
            raise not_found()
        adapter = self._map.bind("localhost")
        route, places = adapter.match(path, method=request.method)
        assert isinstance(route, Route)
        call = Call(
            self.world, token, request, {**places, "_prefix": self._prefix}, self.api_url, self.url
        )
        self._check(call, route)
        answer = route.handler(call)
        if isinstance(answer, Response):
            return answer
        return json_response(answer, route.success, accepted_header(route.accepts))

    def _check(self, call: Call, route: Route) -> None:
        """Whether the token may do this. Reading what is public needs no permission at all."""
        reads = route.method == "GET"
        if not route.accepts:
            return
        if reads and not call.repository.private:
            return
        if call.token is None:
            raise ApiError(401, "Requires authentication")
        if not call.token.may(route.accepts):
            bot = call.token.account.kind == "Bot"
            who = "integration" if bot else "personal access token"
            message = f"Resource not accessible by {who}"
            raise ApiError(403, message, headers=accepted_header(route.accepts))

    def _token(self, request: Request) -> Token | None:
        given = request.headers.get("Authorization", "")
        if not given:
            return None
        found = self.world.tokens.get(given.partition(" ")[2].strip())
        if found is None:
            raise ApiError(401, "Bad credentials")
        return found

    def _login(self, request: Request) -> str:
        try:
            found = self._token(request)
        except ApiError:
            return ""
        return found.account.login if found else ""
