"""The embedded workspace as a server: start it, call it, stop it.

Owns: authentication, dispatch, faults and limits on the way, the log of calls, start and stop. Must
not play any API itself.

    with Sandbox(Options()) as workspace:
        client = WorkspaceClient(host=workspace.url, token=workspace.token)
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.serving import BaseWSGIServer
from werkzeug.wrappers import Request, Response

from sandbox import (
    compute,
    control,
    dbfs,
    files,
    identity,
    jobs,
    multipart,
    oidc,
    runs,
    trouble,
    volumes,
)
from sandbox.calls import CallRecord
from sandbox.errors import ApiError, unauthenticated
from sandbox.faults import NOT_APPLIED, Fault
from sandbox.levers import Levers
from sandbox.options import Options
from sandbox.permissions import ADMINS, User
from sandbox.routing import Call, Route, json_response, url_map
from sandbox.runner import Executes
from sandbox.seed import seed
from sandbox.wire import ENDING, RESET, Connections, listen
from sandbox.workspace import Workspace

_LOG = logging.getLogger("sandbox.access")
_ROUTES: tuple[Route, ...] = (
    *jobs.ROUTES,
    *runs.ROUTES,
    *files.ROUTES,
    *volumes.ROUTES,
    *multipart.ROUTES,
    *dbfs.ROUTES,
    *identity.ROUTES,
    *compute.ROUTES,
)
_HOST_METADATA = "/.well-known/databricks-config"
_NOBODY = User("", 0)
_KEPT_BODY = 1024 * 1024
_READS = ("GET", "HEAD")
_REFUSED = 400  # the first status that says no
_POLL_S, _CLOSE_S = 0.02, 0.5


class Sandbox(Levers):
    """One embedded workspace, from ``start`` to ``stop``.

    A ``with`` block that ends well raises what callbacks of ``watch`` and ``before`` raised.

    Attributes:
        url: where it serves, ``http://127.0.0.1:PORT``.
        token: the token of the admin ``Options.user``.
        control_token: the token for the levers under /sandbox/.
    """

    def __init__(self, options: Options | None = None, executor: Executes | None = None) -> None:
        """Open the state and seed it; nothing is served yet.

        Args:
            options: how to start.
            executor: what executes tasks instead of ``sandbox.execution``.

        Raises:
            ValueError: state or seed can't be used.
        """
        self.options = options or Options()
        super().__init__(Workspace(self.options, executor))
        self._thread: threading.Thread | None = None
        self._server: BaseWSGIServer | None = None
        self._connections = Connections()
        self.url = ""
        try:
            with self._workspace.store.transaction():
                self.token = identity.add_user(self._workspace, self.options.user, (ADMINS,))
                self._seed()
        except BaseException:
            self._workspace.close()
            raise
        self.control_token = control.control_token(self.token)

    def _seed(self) -> None:
        """Seed once in the life of a state."""
        store = self._workspace.store
        if self.options.seed is None:
            return
        if store.meta("seeded", ""):
            _LOG.info("the state was seeded before; the seed folder is not read again")
            return
        seeded = seed(self._workspace, self.options.seed)
        store.put_meta("seeded", "yes")
        _LOG.info("seeded %d jobs and %d files", seeded.jobs, seeded.files)

    def start(self) -> Sandbox:
        """Serve from now on.

        Raises:
            OSError: the port is taken.
        """
        application = _Application(self._workspace, self.token)
        try:
            self._server, self._connections = listen(application, self.options.port)
        except OSError:
            self._workspace.close()
            raise
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._workspace.url = self.url
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": _POLL_S},
            name="sandbox",
            daemon=True,
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """End connections and runs, close the state; takes about a second at most."""
        self._workspace.stopping.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._connections.close_all(_CLOSE_S)
            self._server, self._thread = None, None
        self._workspace.close()

    def wait_until_alone(self, seconds: float = 30.0) -> None:
        """Wait until nobody is connected: what a client that died had sent is carried out by then.

        Raises:
            TimeoutError: somebody still is.
        """
        if self._server is not None and not self._connections.wait_until_none(
            self._server.port, seconds
        ):
            raise TimeoutError(f"Somebody is still connected after {seconds} s.")

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if error is None:
            self.raise_watched()


class _Application:
    """The WSGI application."""

    def __init__(self, workspace: Workspace, admin_token: str) -> None:
        self._workspace = workspace
        self._admin_token = admin_token
        self._map = url_map(_ROUTES)

    def clock_offset_s(self) -> int:
        """By how many seconds the workspace's clock is ahead, for Date headers."""
        return self._workspace.behaviour.clock_offset_s

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        started = perf_counter()
        if request.path.startswith(control.PREFIX):
            return self._control(request)(environ, start_response)
        user = self._user(request)
        fault = self._workspace.faults.strike(request.method, request.path)
        self._workspace.stopping.wait(self._workspace.latency_ms / 1000)
        seen = _Seen(request, user, fault, started)
        response = self._respond(seen)
        if environ.get(ENDING) == RESET:
            response = Response()
        record = seen.record(0 if environ.get(ENDING) == RESET else response.status_code)
        self._workspace.calls.append(record)
        target = request.full_path.rstrip("?")
        _LOG.info("%s %s %d %.1f ms", record.method, target, record.status, record.milliseconds)
        return response(environ, start_response)

    def _control(self, request: Request) -> Response:
        if request.headers.get("Authorization") != (
            f"Bearer {control.control_token(self._admin_token)}"
        ):
            return ApiError(
                401, 401, "The levers under /sandbox/ take the control token."
            ).response()
        try:
            return json_response(control.answer(self._workspace, request))
        except ApiError as error:
            return error.response()

    def _user(self, request: Request) -> User | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return None
        given = token.strip()
        return self._workspace.directory.user_for(given) or oidc.user_for(self._workspace, given)

    def _respond(self, seen: _Seen) -> Response:
        """The response; a fault may come in between."""
        fault = seen.fault
        if fault is not None and fault.kind in NOT_APPLIED:
            return trouble.instead(self._workspace, seen.request, fault)
        response, seen.body = self._answer(seen.request, seen.user)
        if seen.request.method not in _READS and _applied(response):
            self._workspace.watchers.tell_after(seen.record(response.status_code))
        if fault is not None:
            trouble.afterwards(self._workspace, seen.request, fault)
        return response

    def _answer(self, request: Request, user: User | None) -> tuple[Response, Any]:
        try:
            if request.path == _HOST_METADATA:
                return json_response(identity.host_metadata(self._workspace)), None
            if oidc.is_open(request.path):
                self._workspace.watchers.tell_before(request.method, request.path)
                return oidc.open_answer(self._workspace, request), None
            with self._admitted(request):
                return self._handle(request, user)
        except ApiError as error:
            return error.response(), _json_body(request)
        except HTTPException as error:
            code = error.code or 400
            return ApiError(code, "BAD_REQUEST", str(error.description)).response(), None
        except Exception:  # noqa: BLE001 - the outermost door; the log has the traceback
            # The client gets what a broken service answers; the reason is ours to read.
            _LOG.exception("%s %s broke", request.method, request.path)
            return ApiError(
                500, "INTERNAL_ERROR", "The sandbox broke; see its log."
            ).response(), None

    @contextmanager
    def _admitted(self, request: Request) -> Iterator[None]:
        """Take a token of the rate limits and a place among those at once (facts B5)."""
        limits = self._workspace.rate_limits
        if limits is None:
            yield
            return
        if limits.admit(request.method, request.path) and limits.enter(request.path):
            try:
                yield
            finally:
                limits.leave(request.path)
            return
        style = self._workspace.behaviour.retry_after
        sometimes = style == "sometimes" and limits.refused % 2 == 1
        headers = {"Retry-After": "1"} if style == "always" or sometimes else {}
        raise ApiError(
            429,
            "REQUEST_LIMIT_EXCEEDED",
            f"Workspace API {request.path} has exceeded its rate limit.",
            headers=headers,
        )

    def _handle(self, request: Request, user: User | None) -> tuple[Response, Any]:
        if user is None and not request.path.startswith(multipart.STORAGE):
            raise unauthenticated(token_sent="Authorization" in request.headers)
        try:
            route, places = self._map.bind_to_environ(request.environ).match()
        except (NotFound, MethodNotAllowed):
            raise ApiError(
                404, "ENDPOINT_NOT_FOUND", f"No API found for '{request.method} {request.path}'"
            ) from None
        found = {key: str(value) for key, value in places.items()}
        call = Call(self._workspace, user or _NOBODY, request, found)
        if route.alone:
            # Read the body first: a slow client must not keep the others waiting.
            request.get_data(cache=True, parse_form_data=True)
        self._workspace.watchers.tell_before(request.method, request.path)
        if route.alone:
            with self._workspace.store.transaction():
                answer = route.handler(call)
        else:
            answer = route.handler(call)
        response = answer if isinstance(answer, Response) else json_response(answer)
        return response, _json_body(request)


@dataclass
class _Seen:
    """One call on its way; ``body`` comes with the answer."""

    request: Request
    user: User | None
    fault: Fault | None
    started: float
    body: Any = None

    def record(self, status: int) -> CallRecord:
        """What is remembered of it."""
        return CallRecord(
            method=self.request.method,
            path=self.request.path,
            query=self.request.args.to_dict(),
            status=status,
            user=self.user.name if self.user else "",
            fault=self.fault.kind if self.fault else "",
            body=self.body,
            milliseconds=round((perf_counter() - self.started) * 1000, 2),
        )


def _applied(response: Response) -> bool:
    return response.status_code < _REFUSED or response.status_code == multipart.CLOSED


def _json_body(request: Request) -> Any:
    if request.mimetype != "application/json" or (request.content_length or 0) > _KEPT_BODY:
        return None
    try:
        return json.loads(request.get_data())
    except ValueError:
        return None
