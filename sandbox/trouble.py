"""What becomes of a call that a fault strikes.

Owns: what its client gets instead of an answer, and the end of a process in the middle of a call. Must
not decide which call is struck: faults.py does.
"""

from __future__ import annotations

import logging
import os
import signal

from werkzeug.wrappers import Request, Response

from sandbox import multipart
from sandbox.errors import ApiError
from sandbox.faults import Fault
from sandbox.wire import ENDING, RESET, TRUNCATE
from sandbox.workspace import Workspace

_LOG = logging.getLogger("sandbox.access")
_PAGE = "<html><head><title>Bad gateway</title></head><body>The proxy is sad.</body></html>"


def instead(workspace: Workspace, request: Request, fault: Fault) -> Response:
    """What the client gets of a call that is not applied."""
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    match fault.kind:
        case "status" if request.path.startswith(multipart.STORAGE):
            return multipart.refused(fault.status, fault.error_code, fault.message, headers)
        case "status":
            error = ApiError(fault.status, fault.error_code, fault.message, headers=headers)
            return error.response()
        case "html":
            return Response(_PAGE, fault.status, headers, mimetype="text/html")
        case "timeout":
            workspace.stopping.wait(fault.seconds)
        case "kill-before":
            _kill(fault.pid)
    request.environ[ENDING] = RESET
    return Response()


def afterwards(workspace: Workspace, request: Request, fault: Fault) -> None:
    """Let the answer of a call that was applied get lost, whole or in part."""
    match fault.kind:
        case "timeout-after":
            workspace.stopping.wait(fault.seconds)
        case "kill-after":
            _kill(fault.pid)
    request.environ[ENDING] = TRUNCATE if fault.kind == "truncate" else RESET


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError as error:
        # It ended by itself, or it is somebody else's: the call is reset all the same.
        _LOG.warning("the process %d of a fault can't be killed: %s", pid, error)
