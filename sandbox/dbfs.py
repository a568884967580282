"""The DBFS root, as it was before volumes: everybody may read and write all of it.

Owns: the DBFS API. A file that is written through a handle can be seen while it grows, and nobody's
permission is asked. Mounts are not played. Sources: facts C, the DBFS API docs, SDK service/files.py.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import closing
from functools import partial

from sandbox import paths
from sandbox.errors import ApiError, JsonObject, invalid_parameter, not_found, permission_denied
from sandbox.options import MIB
from sandbox.routing import Call, Route, required, whole_number
from sandbox.store import now_ms
from sandbox.tree import DIRECTORY, FILE, Node, in_memory

_BLOCK = MIB
_READ = 512 * 1024
_HANDLES = "dbfs_handles"
_IDLE_MS = 10 * 60 * 1000


def _path(call: Call, given: str) -> str:
    """The stored path of an absolute DBFS path, with or without its scheme."""
    if call.workspace.behaviour.dbfs == "disabled":
        raise permission_denied(f"Public DBFS root is disabled. Access is denied on path: {given}")
    plain = given.removeprefix("dbfs:")
    if not plain.startswith("/"):
        raise invalid_parameter(f"Path must be absolute: {given}")
    path = paths.canonical(f"dbfs:{plain}")
    if not path.startswith(paths.DBFS):
        raise invalid_parameter(f"Volumes are not served by the DBFS API: {given}")
    return path


def _shown(node: Node) -> JsonObject:
    is_dir = node.kind == DIRECTORY
    return {
        "path": node.path.removeprefix(paths.DBFS) or "/",
        "is_dir": is_dir,
        "file_size": 0 if is_dir else node.size,
        "modification_time": node.modified_at,
    }


def _node(call: Call, given: str) -> Node:
    path = _path(call, given)
    if path == paths.DBFS:
        call.workspace.tree.make_folders(path)
    node = call.workspace.tree.get(path)
    if node is None:
        raise not_found(f"No file or directory exists on path {given}.")
    return node


def _exists(given: str) -> ApiError:
    return ApiError(
        400, "RESOURCE_ALREADY_EXISTS", f"A file or directory already exists at {given}."
    )


def _begin_file(call: Call, given: str, content: bytes, *, overwrite: bool) -> Node:
    """Put a file with its folders, unless the path is taken and has to be kept."""
    check = partial(_make_way, call, given, keep=True)
    keep = call.workspace.keeps(check, overwrite=overwrite)
    with call.workspace.store.transaction():
        path = _make_way(call, given, keep=keep)
        return call.workspace.tree.write(path, in_memory(content))


def _make_way(call: Call, given: str, *, keep: bool) -> str:
    """The stored path of a file that may be written; its folders are made."""
    path, tree = _path(call, given), call.workspace.tree
    node = tree.get(path)
    if node is not None and (keep or node.kind == DIRECTORY):
        raise _exists(given)
    _make_folders(call, paths.parent(path), given)
    return path


def _make_folders(call: Call, path: str, given: str) -> None:
    try:
        call.workspace.tree.make_folders(path)
    except FileExistsError as error:
        raise _exists(given) from error


def _bytes(data: object) -> bytes:
    try:
        content = base64.b64decode(str(data), validate=True)
    except binascii.Error as error:
        raise invalid_parameter(f"The data is not base64: {error}") from error
    if len(content) > _BLOCK:
        raise ApiError(
            400, "MAX_BLOCK_SIZE_EXCEEDED", f"A block has {len(content)} bytes; the limit is 1 MB."
        )
    return content


def put(call: Call) -> JsonObject:
    """POST dbfs/put: a small file at once, as base64 in JSON; or of any size, as a form."""
    form = call.request.mimetype == "multipart/form-data"
    fields = dict(call.request.form) if form else call.body()
    given = str(required(fields, "path", str))
    if form:
        with closing(call.request.files["contents"]) as upload:
            content = upload.stream.read()
    else:
        content = _bytes(fields.get("contents", ""))
    overwrite = str(fields.get("overwrite", "false")).lower() == "true"
    _begin_file(call, given, content, overwrite=overwrite)
    return {}


def create(call: Call) -> JsonObject:
    """POST dbfs/create: an empty file, and a handle to write to it."""
    body = call.body()
    given = str(required(body, "path", str))
    node = _begin_file(call, given, b"", overwrite=body.get("overwrite") is True)
    store = call.workspace.store
    handle = store.next_id()
    document = {"path": node.path, "object_id": node.object_id, "used_ms": now_ms()}
    store.put_document(_HANDLES, str(handle), document)
    return {"handle": handle}


def _handle(call: Call, body: JsonObject) -> tuple[str, JsonObject]:
    """An open handle; one that was idle for ten minutes is closed."""
    name = str(whole_number(body, "handle"))
    found = call.workspace.store.document(_HANDLES, name)
    if found is None or now_ms() - found["used_ms"] > _IDLE_MS:
        raise not_found(f"No stream is open for handle {name}.")
    return name, found


def add_block(call: Call) -> JsonObject:
    """POST dbfs/add-block: the same block sent twice is there twice."""
    body = call.body()
    name, handle = _handle(call, body)
    node = call.workspace.tree.by_id(handle["object_id"])
    if node is None:
        raise not_found(f"The file of handle {name} is gone.")
    call.workspace.tree.append(node, _bytes(required(body, "data", str)))
    call.workspace.store.put_document(_HANDLES, name, {**handle, "used_ms": now_ms()})
    return {}


def close(call: Call) -> JsonObject:
    """POST dbfs/close."""
    name, _ = _handle(call, call.body())
    call.workspace.store.delete_document(_HANDLES, name)
    return {}


def get_status(call: Call) -> JsonObject:
    """GET dbfs/get-status."""
    return _shown(_node(call, call.text("path")))


def list_(call: Call) -> JsonObject:
    """GET dbfs/list: what is in a folder, or the one file; without pages."""
    node = _node(call, call.text("path"))
    if node.kind == FILE:
        return {"files": [_shown(node)]}
    found = call.workspace.tree.children(node.path)
    return {"files": [_shown(each) for each in found]} if found else {}


def read(call: Call) -> JsonObject:
    """GET dbfs/read: at most 1 MB from an offset; fewer bytes at the end."""
    node = _node(call, call.text("path"))
    offset, length = call.number("offset", 0), call.number("length", _READ)
    if length > _BLOCK:
        raise ApiError(400, "MAX_READ_SIZE_EXCEEDED", "At most 1 MB is read at once.")
    if node.kind == DIRECTORY or offset < 0 or length < 0:
        raise invalid_parameter("Can't read a directory, or with a negative offset or length.")
    stop = min(offset + length, node.size)
    found = b"".join(call.workspace.tree.pieces(node, offset, stop)) if offset < stop else b""
    return {"bytes_read": len(found), "data": base64.b64encode(found).decode()}


def mkdirs(call: Call) -> JsonObject:
    """POST dbfs/mkdirs: with all parents; no error when it is there already."""
    given = str(required(call.body(), "path", str))
    _make_folders(call, _path(call, given), given)
    return {}


def move(call: Call) -> JsonObject:
    """POST dbfs/move: of a file; onto a file that is there only where creates are not exclusive."""
    body = call.body()
    source = str(required(body, "source_path", str))
    target = str(required(body, "destination_path", str))
    check = partial(_movable, call, source, target, keep=True)
    keep = call.workspace.keeps(check, overwrite=False)
    with call.workspace.store.transaction():
        node, path = _movable(call, source, target, keep=keep)
        call.workspace.tree.delete(path)
        call.workspace.tree.move(node, path)
    return {}


def _movable(call: Call, source: str, target: str, *, keep: bool) -> tuple[Node, str]:
    """A file that may be moved, and the stored path of where it goes."""
    node, path = _node(call, source), _path(call, target)
    if node.kind == DIRECTORY:
        raise invalid_parameter("The sandbox moves files, not folders.")
    there = call.workspace.tree.get(path)
    if there is not None and (keep or there.kind == DIRECTORY or there == node):
        raise _exists(target)
    if call.workspace.tree.get(paths.parent(path)) is None:
        raise not_found(f"No file or directory exists on path {paths.parent(path)}.")
    return node, path


def delete(call: Call) -> JsonObject:
    """POST dbfs/delete: a folder with content needs recursive=true; what is missing is fine."""
    body = call.body()
    path = _path(call, str(required(body, "path", str)))
    node = call.workspace.tree.get(path)
    filled = node is not None and call.workspace.tree.children(path, limit=1)
    if filled and body.get("recursive") is not True:
        raise ApiError(400, "IO_ERROR", f"{path} is a folder with content.")
    call.workspace.tree.delete(path)
    return {}


_DBFS = "/api/2.0/dbfs"
ROUTES = (
    Route("POST", f"{_DBFS}/put", put, alone=False),
    Route("POST", f"{_DBFS}/create", create, alone=False),
    Route("POST", f"{_DBFS}/add-block", add_block),
    Route("POST", f"{_DBFS}/close", close),
    Route("GET", f"{_DBFS}/get-status", get_status),
    Route("GET", f"{_DBFS}/list", list_),
    Route("GET", f"{_DBFS}/read", read),
    Route("POST", f"{_DBFS}/mkdirs", mkdirs),
    Route("POST", f"{_DBFS}/move", move, alone=False),
    Route("POST", f"{_DBFS}/delete", delete),
)
