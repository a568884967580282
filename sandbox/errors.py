"""The shapes in which the workspace says no.

Owns: turning a refusal into the status, error code and body that the real APIs answer with (facts
B4). Must not decide when to refuse: the handlers do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from werkzeug.wrappers import Response

JsonObject = dict[str, Any]
"""A JSON object as a client sent it or will read it: settings stay raw, so nothing gets lost."""


class ApiError(Exception):
    """An answer with a status of 400 or more.

    Args:
        status: the HTTP status.
        code: the ``error_code``; empty where the real API sends none.
        message: the ``message``.
        reason: the machine-readable reason in ``details`` (the Files API sends one).
        headers: further response headers, such as ``Retry-After``.
    """

    def __init__(
        self,
        status: int,
        code: str | int,
        message: str,
        *,
        reason: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.reason = reason
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The HTTP response that carries this error."""
        body: JsonObject = {"error_code": self.code} if self.code else {}
        body["message"] = self.message
        if self.reason:
            info = "type.googleapis.com/google.rpc.ErrorInfo"
            domain = "filesystem.databricks.com"
            body["details"] = [{"@type": info, "reason": self.reason, "domain": domain}]
        text = json.dumps(body)
        return Response(text, self.status, self.headers, mimetype="application/json")


def invalid_parameter(message: str) -> ApiError:
    """400 INVALID_PARAMETER_VALUE: the Jobs API's answer to most wrong requests."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def permission_denied(message: str) -> ApiError:
    """403 PERMISSION_DENIED."""
    return ApiError(403, "PERMISSION_DENIED", message)


def not_found(message: str) -> ApiError:
    """404 RESOURCE_DOES_NOT_EXIST."""
    return ApiError(404, "RESOURCE_DOES_NOT_EXIST", message)


def malformed(message: str) -> ApiError:
    """400 MALFORMED_REQUEST: the body is not the JSON object that the endpoint takes."""
    return ApiError(400, "MALFORMED_REQUEST", message)


def unauthenticated(*, token_sent: bool) -> ApiError:
    """401; the real API sends the number as ``error_code`` and a request id in the message.

    Source: databricks-sdk-go #953 and Pipedream #20701 show the shape.
    """
    if token_sent:
        message = "Invalid access token."
    else:
        message = "Credential was not sent or was of an unsupported type for this API."
    return ApiError(401, 401, f"{message} [ReqId: {uuid4()}]")


def path_missing(path: str) -> ApiError:
    """404 for a workspace path; the message repeats the path as it was asked for."""
    return not_found(f"Path ({path}) doesn't exist.")
