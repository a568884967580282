"""Workspace files and folders: import-file, import, export, mkdirs, list, get-status, delete.

Owns: these endpoints. Sources: facts C and B4, the Workspace API docs, and the CLI's
workspace_files_client for import-file, which is undocumented.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from contextlib import closing
from functools import partial
from typing import IO

from werkzeug.wrappers import Response

from sandbox import paths
from sandbox.errors import ApiError, JsonObject, invalid_parameter, path_missing, permission_denied
from sandbox.permissions import EDIT, MANAGE, VIEW
from sandbox.routing import Call, Route, json_response, required
from sandbox.tree import DIRECTORY, FILE, NOTEBOOK, Node, in_memory, is_notebook, object_info

_SPOOL = 1024 * 1024
_LANGUAGES = {".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R", ".ipynb": "PYTHON"}


def _canonical(call: Call, path: str) -> str:
    try:
        found = paths.canonical(path, aliases=call.workspace.behaviour.path_aliases)
    except ValueError as error:
        raise invalid_parameter(str(error)) from error
    if found.startswith(paths.DBFS):
        raise invalid_parameter(f"Path ({path}) is not in the workspace.")
    return found


def _reach(call: Call, path: str) -> int:
    return call.workspace.directory.reach(call.user, "directories", paths.ancestry(path))


def _visible(call: Call, asked: str) -> Node:
    """A node that the caller may see; one that is hidden looks missing (facts B4)."""
    path = _canonical(call, asked)
    node = call.workspace.tree.get(path)
    if node is None or (_reach(call, path) < VIEW and not _above_own_home(call, path)):
        raise path_missing(asked)
    return node


def _above_own_home(call: Call, path: str) -> bool:
    # The way to what one may see is visible: /Workspace, and /Workspace/Users.
    return path in (paths.WORKSPACE, f"{paths.WORKSPACE}/Users")


def _need_write(call: Call, path: str, asked: str, *, exists: bool) -> None:
    """Creating and deleting need CAN_MANAGE on the folder, overwriting CAN_EDIT (facts D)."""
    if _reach(call, path) < (EDIT if exists else MANAGE):
        raise permission_denied(
            f"{call.user.name} does not have Manage permissions on {asked}."
            " Please contact the owner or an administrator for access."
        )


def _write(
    call: Call, asked: str, content: IO[bytes], *, overwrite: bool, kind: str, language: str = ""
) -> Node:
    """Put a file or a notebook where the caller may.

    Raises:
        ApiError: 404 missing folder, 403 no right, 409 a file is there, 400 a notebook is there.
    """
    workspace = call.workspace
    keep = workspace.keeps(partial(_target, call, asked, kind, keep=True), overwrite=overwrite)
    with workspace.store.transaction():
        path = _target(call, asked, kind, keep=keep)
        return workspace.tree.write(path, content, kind, language)


def _target(call: Call, asked: str, kind: str, *, keep: bool) -> str:
    """The stored path of what is to be written, when it may be."""
    tree = call.workspace.tree
    path = _canonical(call, asked)
    above = paths.parent(path)
    if tree.get(above) is None and call.workspace.behaviour.parents == "created":
        tree.make_folders(above)
    if tree.get(above) is None:
        raise ApiError(
            404, "RESOURCE_DOES_NOT_EXIST", f"The parent folder ({above}) does not exist."
        )
    node = tree.get(path)
    _need_write(call, path, asked, exists=node is not None)
    if node is not None and node.kind in (NOTEBOOK, DIRECTORY) and node.kind != kind:
        raise ApiError(400, "", f"Path ({asked}) already exists.")
    if node is not None and keep:
        raise ApiError(409, "RESOURCE_ALREADY_EXISTS", f"Path ({asked}) already exists.")
    return path


def import_file(call: Call) -> JsonObject:
    """POST workspace-files/import-file/{path}?overwrite=: the raw body becomes a file."""
    asked = "/" + call.places["path"].lstrip("/")
    overwrite = call.flag("overwrite")
    _check_size(call.request.content_length or 0, call.workspace.behaviour.import_file_limit)
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL) as spool:
        while piece := call.request.stream.read(_SPOOL):
            spool.write(piece)
            _check_size(spool.tell(), call.workspace.behaviour.import_file_limit)
        spool.seek(0)
        _write(call, asked, spool, overwrite=overwrite, kind=FILE)
    return {}


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise ApiError(
            400,
            "MAX_NOTEBOOK_SIZE_EXCEEDED",
            f"File size imported is ({size} bytes), exceeded max size ({limit} bytes)",
        )


def import_(call: Call) -> JsonObject:
    """POST workspace/import: JSON with base64, or a form with the content as a file."""
    form = call.request.mimetype == "multipart/form-data"
    fields = dict(call.request.form) if form else call.body()
    asked = str(required(fields, "path", str))
    overwrite = str(fields.get("overwrite", "false")).lower() == "true"
    if form:
        with closing(call.request.files["content"]) as upload:
            content = upload.stream.read()
    else:
        content = _decoded(str(fields.get("content", "")))
    _check_size(len(content), call.workspace.behaviour.import_limit)
    kind, language = _kind(asked, content, fields)
    if kind == NOTEBOOK:
        asked = _without_suffix(asked)
    try:
        _write(call, asked, in_memory(content), overwrite=overwrite, kind=kind, language=language)
    except ApiError as error:
        if error.status == 409:  # noqa: PLR2004 - import tells of an existing object with 400
            raise ApiError(400, error.code, error.message) from error
        raise
    return {}


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise invalid_parameter(f"content is not base64: {error}") from error


def _kind(asked: str, content: bytes, fields: JsonObject) -> tuple[str, str]:
    """FILE or NOTEBOOK, and the language; format defaults to SOURCE (facts C)."""
    form = str(fields.get("format", "SOURCE"))
    suffix = asked[asked.rfind(".") :].lower() if "." in asked else ""
    language = str(fields.get("language", "")) or _LANGUAGES.get(suffix, "")
    if form == "RAW" or (form == "AUTO" and not is_notebook(asked, content)):
        return FILE, ""
    if form not in ("AUTO", "SOURCE", "JUPYTER"):
        raise invalid_parameter(f"The format {form} is not played by the sandbox.")
    if form == "SOURCE" and not fields.get("language"):
        raise invalid_parameter("The language is required when the format is SOURCE.")
    return NOTEBOOK, language


def _without_suffix(path: str) -> str:
    stem, dot, suffix = path.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in _LANGUAGES else path


def export(call: Call) -> JsonObject | Response:
    """GET workspace/export: at most 10 MB (facts C); raw with direct_download=true.

    A notebook is exported as the source it was put in with, whether SOURCE or AUTO is asked for.
    """
    asked = call.text("path")
    form = call.request.args.get("format", "SOURCE")
    if form not in ("SOURCE", "AUTO", "RAW"):
        raise invalid_parameter(f"The format {form} is not played by the sandbox.")
    node = _visible(call, asked)
    if node.kind == DIRECTORY:
        raise invalid_parameter("The sandbox exports files and notebooks, not folders.")
    limit = call.workspace.behaviour.export_limit
    if node.size > limit:
        raise ApiError(
            400,
            "MAX_NOTEBOOK_SIZE_EXCEEDED",
            f"Path ({asked}) has {node.size} bytes; exports end at {limit} bytes.",
        )
    content = call.workspace.tree.read(node)
    if call.flag("direct_download"):
        return Response(content, mimetype="application/octet-stream")
    suffix = node.path.rpartition(".")[2] if "." in node.path else ""
    return {"content": base64.b64encode(content).decode(), "file_type": suffix}


def mkdirs(call: Call) -> JsonObject:
    """POST workspace/mkdirs: with all parents; no error when it is there already."""
    asked = str(required(call.body(), "path", str))
    path = _canonical(call, asked)
    tree = call.workspace.tree
    if tree.get(path) is None:
        above = next(each for each in paths.ancestry(path) if each == "/" or tree.get(each))
        _need_write(call, above, asked, exists=False)
    try:
        tree.make_folders(path)
    except FileExistsError as error:
        raise ApiError(
            400, "RESOURCE_ALREADY_EXISTS", f"Path ({error.args[0]}) already exists."
        ) from error
    return {}


def list_(call: Call) -> JsonObject:
    """GET workspace/list: the objects in a folder, or the one object that is no folder."""
    asked = call.text("path")
    node = _visible(call, asked)
    if node.kind != DIRECTORY:
        found = [node]
    else:
        found = [
            child
            for child in call.workspace.tree.children(node.path)
            if _reach(call, child.path) >= VIEW
        ]
    if not found:
        return {}
    return {"objects": [object_info(each, paths.as_asked(each.path, asked)) for each in found]}


def get_status(call: Call) -> Response:
    """GET workspace/get-status."""
    asked = call.text("path")
    node = _visible(call, asked)
    return json_response(object_info(node, paths.as_asked(node.path, asked)))


def delete(call: Call) -> JsonObject:
    """POST workspace/delete: a folder with content needs recursive=true (facts B4)."""
    body = call.body()
    asked = str(required(body, "path", str))
    node = _visible(call, asked)
    _need_write(call, node.path, asked, exists=False)
    guarded = call.workspace.behaviour.delete_guard and body.get("recursive") is not True
    if node.kind == DIRECTORY and guarded and call.workspace.tree.children(node.path, limit=1):
        raise ApiError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({asked}) is not empty.")
    call.workspace.tree.delete(node.path)
    return {}


ROUTES = (
    Route("POST", "/api/2.0/workspace-files/import-file/<rest:path>", import_file, alone=False),
    Route("POST", "/api/2.0/workspace/import", import_, alone=False),
    Route("GET", "/api/2.0/workspace/export", export),
    Route("POST", "/api/2.0/workspace/mkdirs", mkdirs),
    Route("GET", "/api/2.0/workspace/list", list_),
    Route("GET", "/api/2.0/workspace/get-status", get_status),
    Route("POST", "/api/2.0/workspace/delete", delete),
)
