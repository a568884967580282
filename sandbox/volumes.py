"""Unity Catalog volumes: the Files API, and volumes themselves.

Owns: fs/files, fs/directories and unity-catalog/volumes with their permissions. Large uploads, in
parts, are multipart.py's. Sources: facts C and the Files API docs.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from email.utils import formatdate
from functools import partial
from typing import IO

from werkzeug.wrappers import Response

from sandbox import paths
from sandbox.errors import ApiError, JsonObject, invalid_parameter
from sandbox.permissions import MANAGE, VIEW, Grant
from sandbox.routing import Call, Route, required
from sandbox.store import now_ms
from sandbox.tree import DIRECTORY, FILE, Node
from sandbox.workspace import Workspace

_SPOOL = 1024 * 1024
_PAGE = 1000
_NO_CONTENT = 204
_MAX_PAGE = 10_000


def create_volume(workspace: Workspace, full_name: str, owner: str) -> JsonObject:
    """Add a volume and its folder; the owner may write.

    Raises:
        ValueError: not a full name, or the volume exists.
    """
    root = paths.volume_root(full_name)
    catalog, schema, name = full_name.split(".")
    with workspace.store.transaction():
        if workspace.store.document("volumes", full_name) is not None:
            raise ValueError(f"Volume '{full_name}' already exists")
        workspace.tree.make_folders(root)
        node = workspace.tree.get(root)
        document: JsonObject = {
            "full_name": full_name,
            "catalog_name": catalog,
            "schema_name": schema,
            "name": name,
            "volume_type": "MANAGED",
            "owner": owner,
            "volume_id": f"volume-{node.object_id if node else 0}",
            "created_at": now_ms(),
            "created_by": owner,
        }
        workspace.store.put_document("volumes", full_name, document)
        workspace.directory.grant("volumes", full_name, Grant("user_name", owner, "ALL_PRIVILEGES"))
    return document


def place(call: Call) -> tuple[str, str]:
    """The path of this call and the volume it lies in, which has to exist and be readable."""
    try:
        path = paths.canonical("/" + call.places["path"].lstrip("/"))
    except ValueError as error:
        raise invalid_parameter(str(error)) from error
    volume = paths.volume_of(path)
    if volume is None:
        raise ApiError(
            400, "INVALID_PARAMETER_VALUE", f"Path {path} is not in /Volumes/catalog/schema/volume."
        )
    known = call.workspace.store.document("volumes", volume) is not None
    if not known:
        raise ApiError(404, "NOT_FOUND", f"Volume '{volume}' does not exist.")
    need(call, volume, VIEW, "READ VOLUME")
    return path, volume


def need(call: Call, volume: str, level: int, privilege: str) -> None:
    """Refuse whoever reaches less far than ``level`` on a volume."""
    if call.workspace.directory.reach(call.user, "volumes", [volume]) < level:
        raise ApiError(
            403,
            "PERMISSION_DENIED",
            f"User does not have {privilege} on Volume '{volume}'.",
        )


def _file(call: Call, path: str) -> Node:
    node = call.workspace.tree.get(path)
    if node is None or node.kind != FILE:
        raise ApiError(
            404,
            "NOT_FOUND",
            "The file being accessed is not found.",
            reason="FILES_API_FILE_NOT_FOUND",
        )
    return node


def _folder(call: Call, path: str) -> Node:
    node = call.workspace.tree.get(path)
    if node is None or node.kind != DIRECTORY:
        raise ApiError(
            404,
            "NOT_FOUND",
            "The directory being accessed is not found.",
            reason="FILES_API_DIRECTORY_IS_NOT_FOUND",
        )
    return node


def _done() -> Response:
    return Response(status=_NO_CONTENT)


def upload(call: Call) -> Response:
    """PUT fs/files: an existing file is overwritten unless overwrite=false (facts C)."""
    path, volume = place(call)
    need(call, volume, MANAGE, "WRITE VOLUME")
    overwrite = call.flag("overwrite", default=True)
    limit = call.workspace.behaviour.volume_limit
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL) as spool:
        size = call.request.content_length or 0
        while size <= limit and (piece := call.request.stream.read(_SPOOL)):
            spool.write(piece)
            size = max(size, spool.tell())
        if size > limit:
            raise ApiError(
                413, "REQUEST_ENTITY_TOO_LARGE", f"The file is larger than {limit} bytes."
            )
        spool.seek(0)
        write(call, path, spool, overwrite=overwrite)
    return _done()


def write(call: Call, path: str, content: IO[bytes], *, overwrite: bool) -> None:
    """Put a file, unless the path is taken and has to be kept."""
    check = partial(check_target, call, path, keep=True)
    keep = call.workspace.keeps(check, overwrite=overwrite)
    with call.workspace.store.transaction():
        check_target(call, path, keep=keep)
        call.workspace.tree.write(path, content)


def check_target(call: Call, path: str, *, keep: bool) -> None:
    """Refuse a path without its folder, and one that is taken (facts C); a file only to ``keep`` it."""
    workspace = call.workspace
    above, node = paths.parent(path), workspace.tree.get(path)
    if workspace.behaviour.parents == "created":
        workspace.tree.make_folders(above)
    _folder(call, above)
    if node is not None and (keep or node.kind == DIRECTORY):
        raise ApiError(
            409,
            "ALREADY_EXISTS",
            "The file being created already exists.",
            reason="FILES_API_FILE_ALREADY_EXISTS",
        )


def download(call: Call) -> Response:
    """GET and HEAD fs/files; one range of bytes may be asked for."""
    path, _ = place(call)
    node = _file(call, path)
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", call.request.headers.get("Range", ""))
    start = int(wanted[1]) if wanted else 0
    stop = min(node.size, int(wanted[2]) + 1) if wanted and wanted[2] else node.size
    if wanted and start >= max(stop, 1):
        raise ApiError(416, "INVALID_RANGE", "The range lies outside of the file.")
    head = call.request.method == "HEAD"
    body: Iterator[bytes] = iter(()) if head else call.workspace.tree.pieces(node, start, stop)
    response = Response(body, 206 if wanted else 200, mimetype="application/octet-stream")
    response.headers["Content-Length"] = str(max(0, stop - start))
    response.headers["Last-Modified"] = formatdate(node.modified_at / 1000, usegmt=True)
    if wanted:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{node.size}"
    return response


def delete_file(call: Call) -> Response:
    """DELETE fs/files."""
    path, volume = place(call)
    need(call, volume, MANAGE, "WRITE VOLUME")
    call.workspace.tree.delete(_file(call, path).path)
    return _done()


def create_directory(call: Call) -> Response:
    """PUT fs/directories: with all parents; no error when it is there already."""
    path, volume = place(call)
    need(call, volume, MANAGE, "WRITE VOLUME")
    try:
        call.workspace.tree.make_folders(path)
    except FileExistsError as error:
        raise ApiError(
            409,
            "ALREADY_EXISTS",
            "A file exists at the path of the directory.",
            reason="FILES_API_FILE_ALREADY_EXISTS",
        ) from error
    return _done()


def list_directory(call: Call) -> JsonObject | Response:
    """GET fs/directories, page by page; HEAD answers whether it is there."""
    path, _ = place(call)
    folder = _folder(call, path)
    if call.request.method == "HEAD":
        return Response(status=200)
    size = call.number("page_size", _PAGE) or _PAGE
    if not 1 <= size <= _MAX_PAGE:
        raise invalid_parameter(f"Invalid page_size {size}.")
    after = call.request.args.get("page_token", "")
    nodes = call.workspace.tree.children(folder.path, after, size + 1)
    answer: JsonObject = {"contents": [_entry(node) for node in nodes[:size]]}
    if len(nodes) > size:
        answer["next_page_token"] = nodes[size - 1].path
    return answer


def _entry(node: Node) -> JsonObject:
    entry: JsonObject = {
        "path": node.path,
        "name": node.path.rpartition("/")[2],
        "is_directory": node.kind == DIRECTORY,
    }
    if node.kind != DIRECTORY:
        entry |= {"file_size": node.size, "last_modified": node.modified_at}
    return entry


def delete_directory(call: Call) -> Response:
    """DELETE fs/directories: only an empty one."""
    path, volume = place(call)
    need(call, volume, MANAGE, "WRITE VOLUME")
    folder = _folder(call, path)
    if call.workspace.tree.children(folder.path, limit=1):
        raise ApiError(
            400,
            "INVALID_PARAMETER_VALUE",
            "The directory is not empty.",
            reason="FILES_API_DIRECTORY_IS_NOT_EMPTY",
        )
    call.workspace.tree.delete(folder.path)
    return _done()


def post_volume(call: Call) -> JsonObject:
    """POST unity-catalog/volumes; catalogs and schemas are taken as they are named."""
    body = call.body()
    parts = [str(required(body, each, str)) for each in ("catalog_name", "schema_name", "name")]
    if any("." in part or "/" in part for part in parts):
        raise invalid_parameter(f"Invalid name in {'.'.join(parts)}")
    try:
        return create_volume(call.workspace, ".".join(parts), call.user.name)
    except ValueError as error:
        raise ApiError(409, "ALREADY_EXISTS", str(error)) from error


def get_volume(call: Call) -> JsonObject:
    """GET unity-catalog/volumes/{full_name}."""
    name = call.places["name"]
    document = call.workspace.store.document("volumes", name)
    reach = call.workspace.directory.reach(call.user, "volumes", [name])
    if document is None or reach < VIEW:
        raise ApiError(404, "VOLUME_DOES_NOT_EXIST", f"Volume '{name}' does not exist.")
    return document


def list_volumes(call: Call) -> JsonObject:
    """GET unity-catalog/volumes of one schema."""
    prefix = f"{call.text('catalog_name')}.{call.text('schema_name')}."
    found = [
        each
        for each in call.workspace.store.documents("volumes")
        if each["full_name"].startswith(prefix)
        and call.workspace.directory.reach(call.user, "volumes", [each["full_name"]]) >= VIEW
    ]
    return {"volumes": found}


def volume_permissions(call: Call) -> JsonObject:
    """GET unity-catalog/permissions and effective-permissions of a volume."""
    name = get_volume(call)["full_name"]
    effective = "effective" in call.request.path
    lines: list[JsonObject] = []
    for grant in call.workspace.directory.grants("volumes", name):
        privilege: object = {"privilege": grant.level} if effective else grant.level
        lines.append({"principal": grant.principal, "privileges": [privilege]})
    return {"privilege_assignments": lines}


_FILES = "/api/2.0/fs/files/<rest:path>"
_DIRECTORIES = "/api/2.0/fs/directories/<rest:path>"
_CATALOG = "/api/2.1/unity-catalog"
ROUTES = (
    Route("PUT", _FILES, upload, alone=False),
    Route("GET HEAD", _FILES, download),
    Route("DELETE", _FILES, delete_file),
    Route("PUT", _DIRECTORIES, create_directory),
    Route("GET HEAD", _DIRECTORIES, list_directory),
    Route("DELETE", _DIRECTORIES, delete_directory),
    Route("POST", f"{_CATALOG}/volumes", post_volume),
    Route("GET", f"{_CATALOG}/volumes", list_volumes),
    Route("GET", f"{_CATALOG}/volumes/<name>", get_volume),
    Route("GET", f"{_CATALOG}/permissions/volume/<name>", volume_permissions),
    Route("GET", f"{_CATALOG}/effective-permissions/volume/<name>", volume_permissions),
)
