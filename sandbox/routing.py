"""What a handler gets and how it is found.

Owns: ``Call`` (one request with its user and the workspace), ``Route``, and reading of arguments.
Must not hold state.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox.errors import ApiError, JsonObject, invalid_parameter, malformed
from sandbox.permissions import User

if TYPE_CHECKING:
    from sandbox.workspace import Workspace


@dataclass(frozen=True)
class Call:
    """One authenticated request.

    Attributes:
        workspace: the workspace it goes to.
        user: who calls.
        request: the request as werkzeug parsed it.
        places: the variable parts of the path.
    """

    workspace: Workspace
    user: User
    request: Request
    places: Mapping[str, str]

    @property
    def version(self) -> str:
        """The API version in the path, such as ``2.2``."""
        return self.places.get("version", "")

    def text(self, name: str, default: str | None = None) -> str:
        """A query argument.

        Raises:
            ApiError: it is missing and has no default.
        """
        value = self.request.args.get(name, default)
        if value is None:
            raise invalid_parameter(f"Missing required field: {name}")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number from the query."""
        given = self.text(name, None if default is None else str(default))
        try:
            return int(given)
        except ValueError:
            raise invalid_parameter(f"Invalid value for {name}: {given}") from None

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean from the query."""
        given = self.text(name, "true" if default else "false").lower()
        if given not in ("true", "false"):
            raise invalid_parameter(f"Invalid value for {name}: {given}")
        return given == "true"

    def body(self, limit: int | None = None) -> JsonObject:
        """The JSON object in the body.

        Args:
            limit: the largest body in bytes.

        Raises:
            ApiError: too large, or no JSON object.
        """
        if limit is not None and (self.request.content_length or 0) > limit:
            raise ApiError(413, "REQUEST_TOO_LARGE", f"The request is larger than {limit} bytes.")
        try:
            value = json.loads(self.request.get_data() or b"{}")
        except ValueError as error:
            raise malformed(f"Could not parse request object: {error}") from error
        if not isinstance(value, dict):
            raise malformed("Could not parse request object: Expected 'START_OBJECT'.")
        return value


Handler = Callable[[Call], "JsonObject | Response"]


@dataclass(frozen=True)
class Route:
    """An endpoint: methods, werkzeug rule, handler.

    ``alone`` handlers run inside one transaction, so that calls take effect one after the other;
    those that stream bodies, or create files exclusively, take their own, shorter ones.
    """

    methods: str
    rule: str
    handler: Handler
    alone: bool = True


class _Rest(BaseConverter):
    """All that follows, slashes included, even a leading one."""

    regex = ".+"
    part_isolating = False


@cache
def url_map(routes: tuple[Route, ...]) -> Map:
    """The map that finds a route for a path; slashes are never merged by a redirect.

    Compiled once for all sandboxes of a process: that is most of what starting one takes.
    """
    rules = [
        Rule(route.rule, methods=route.methods.split(), endpoint=route, strict_slashes=False)
        for route in routes
    ]
    return Map(rules, merge_slashes=False, redirect_defaults=False, converters={"rest": _Rest})


def json_response(value: JsonObject) -> Response:
    """200 with a JSON body."""
    return Response(json.dumps(value), mimetype="application/json")


def required(body: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    """A field of a request body.

    Raises:
        ApiError: it is missing or of another type.
    """
    value = body.get(name)
    if value is None:
        raise invalid_parameter(f"Missing required field: {name}")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise invalid_parameter(f"Invalid value for {name}: {value!r}")
    return value


def whole_number(body: Mapping[str, Any], name: str) -> int:
    """A whole number of a request body; the service takes a string of digits too."""
    value = required(body, name, (int, str))
    try:
        return int(value)
    except ValueError:
        raise invalid_parameter(f"Invalid value for {name}: {value!r}") from None


def page_token(position: int) -> str:
    """An opaque token for a position; clients must not read it."""
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode()


def position_of(call: Call) -> int:
    """The position that the caller's page_token stands for; 0 without one.

    Raises:
        ApiError: it is no token of ours.
    """
    token = call.request.args.get("page_token", "")
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("at:"))
    except ValueError:
        raise invalid_parameter(f"Invalid page token: {token}") from None
