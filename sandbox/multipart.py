"""Large uploads to volumes: multipart as on Amazon S3 and Azure, resumable as on Google Cloud.

Owns: the calls of the Files API around such an upload, and the cloud storage that takes the bytes.
The storage knows no token of the workspace: it takes who holds a signed address, and only until that
expires. Sources: facts C, SDK mixins/files.py and its tests, CLI libs/upload.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, cast
from urllib.parse import quote
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from sandbox.errors import ApiError, JsonObject, invalid_parameter
from sandbox.options import MIB
from sandbox.permissions import MANAGE
from sandbox.routing import Call, Route, required, whole_number
from sandbox.store import now_ms
from sandbox.uploads import Joined, Part, Session, received
from sandbox.volumes import check_target, need, place, write

STORAGE = "/storage/"
"""Where the cloud storage answers; no bearer token counts there."""
_SMALLEST_PART = 5 * MIB
_MOST_PARTS = 10_000
_MOST_URLS = 100
_CHUNK_UNIT = 256 * 1024
CLOSED = 499
"""Google's answer to the DELETE of a resumable upload: done."""
# A header that belongs to the signature, as encryption headers do: who leaves it out is refused.
_SIGNED_HEADER = ("x-storage-class", "STANDARD")


def post_file(call: Call) -> JsonObject | Response:
    """POST fs/files: begin a large upload, or complete one."""
    action = call.text("action", "")
    kind = call.workspace.behaviour.large_uploads
    if kind == "missing":
        raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for 'POST {call.request.path}'")
    if action == "initiate-upload":
        return _initiate(call, kind)
    if action == "complete-upload":
        return _complete(call)
    raise invalid_parameter(f"Invalid action: {action!r}")


def _initiate(call: Call, kind: str) -> JsonObject:
    path, volume = place(call)
    need(call, volume, MANAGE, "WRITE VOLUME")
    overwrite = call.flag("overwrite", default=True)
    # That a file is there shows only when the upload is completed (CLI libs/upload/files).
    behaviour = call.workspace.behaviour
    early = behaviour.upload_conflict == "initiate" and behaviour.exclusive_create != "ignored"
    check_target(call, path, keep=early and not overwrite)
    session = call.workspace.uploads.begin(path, call.user.name, overwrite=overwrite)
    field = "resumable_upload" if kind == "resumable" else "multipart_upload"
    return {field: {"session_token": session.token}}


def _session(call: Call, path: str, token: str) -> Session:
    """The session of this path and this user.

    Raises:
        ApiError: there is none (any more).
    """
    session = call.workspace.uploads.session(token)
    if session is None or session.path != path or session.user != call.user.name:
        raise ApiError(
            404,
            "NOT_FOUND",
            "The upload session does not exist or has expired.",
            reason="FILES_API_UPLOAD_SESSION_NOT_FOUND",
        )
    return session


def _complete(call: Call) -> JsonObject:
    """Make one file of the parts; it appears at once or not at all."""
    path, volume = place(call)
    need(call, volume, MANAGE, "WRITE VOLUME")
    session = _session(call, path, call.text("session_token"))
    if call.text("upload_type") != "multipart":
        raise invalid_parameter("Only a multipart upload is completed.")
    parts = _named_parts(session, required(call.body(), "parts", list))
    _finish(call, session, parts)
    return {}


def _named_parts(session: Session, named: list[object]) -> list[Part]:
    """The parts that a client names, all of them and in order, checked as Amazon S3 checks them."""
    found: list[Part] = []
    before = 0
    for each in named:
        line = each if isinstance(each, dict) else {}
        number = whole_number(line, "part_number")
        part = session.parts.get(number)
        if number <= before:
            raise invalid_parameter("The list of parts is not in ascending order.")
        if part is None or part.etag != line.get("etag"):
            raise invalid_parameter(f"Part {number} was not uploaded, or its ETag is another one.")
        found.append(part)
        before = number
    if not found:
        raise invalid_parameter("The list of parts is empty.")
    if any(part.size < _SMALLEST_PART for part in found[:-1]):
        raise invalid_parameter("A part other than the last is smaller than 5 MiB.")
    return found


def _finish(call: Call, session: Session, parts: list[Part]) -> None:
    write(call, session.path, cast("IO[bytes]", Joined(parts)), overwrite=session.overwrite)
    call.workspace.uploads.end(session.token)


# ── Signed addresses ─────────────────────────────────────────────────────────────────────────────


def _addressed(call: Call) -> tuple[JsonObject, Session]:
    if call.workspace.behaviour.large_uploads == "disabled":
        raise ApiError(
            403,
            "PERMISSION_DENIED",
            "Signed addresses are not enabled for this workspace.",
            reason="FILES_API_API_IS_NOT_ENABLED",
        )
    body = call.body()
    path = str(required(body, "path", str))
    return body, _session(call, path, str(required(body, "session_token", str)))


def _address(call: Call, method: str, target: str, body: JsonObject) -> JsonObject:
    """An address that is good for one method, one target, and a while."""
    life_s = call.workspace.behaviour.address_life_s
    expires = now_ms() // 1000 + life_s
    asked = body.get("expire_time")
    if isinstance(asked, str):
        expires = min(expires, _seconds(asked))
    path = f"{STORAGE}{target}"
    signature = call.workspace.uploads.signature(method, path, expires)
    name, value = _SIGNED_HEADER
    return {
        "url": f"{call.workspace.url}{quote(path)}?expires={expires}&signature={signature}",
        "headers": [{"name": name, "value": value}],
    }


def _seconds(time: str) -> int:
    try:
        when = datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise invalid_parameter(f"Invalid expire_time: {time}") from None
    return int(when.timestamp())


def part_urls(call: Call) -> JsonObject:
    """POST fs/create-upload-part-urls: addresses of parts from ``start_part_number`` on."""
    body, session = _addressed(call)
    first, count = whole_number(body, "start_part_number"), whole_number(body, "count")
    if not 1 <= count <= _MOST_URLS or not 1 <= first <= _MOST_PARTS - count + 1:
        raise invalid_parameter("Invalid start_part_number or count.")
    required(body, "expire_time", str)
    numbers = range(first, first + count)
    urls = [
        {"part_number": number, **_address(call, "PUT", f"{session.token}/{number}", body)}
        for number in numbers
    ]
    return {"upload_part_urls": urls}


def resumable_url(call: Call) -> JsonObject:
    """POST fs/create-resumable-upload-url: the one address of a resumable upload."""
    body, session = _addressed(call)
    return {"resumable_upload_url": _address(call, "PUT", session.token, body)}


def abort_url(call: Call) -> JsonObject:
    """POST fs/create-abort-upload-url."""
    body, session = _addressed(call)
    return {"abort_upload_url": _address(call, "DELETE", session.token, body)}


# ── The storage ──────────────────────────────────────────────────────────────────────────────────


def refused(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An error in the form of Amazon S3."""
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{escape(code)}</Code>"
    body += f"<Message>{escape(message)}</Message></Error>"
    return Response(body, status, headers, mimetype="application/xml")


def _refusal(call: Call) -> Response | None:
    """Why the storage does not take this request, in the form of Amazon S3; None when it does."""
    request = call.request
    if "Authorization" in request.headers:
        return refused(400, "InvalidArgument", "Only one auth mechanism allowed.")
    try:
        expires = int(request.args.get("expires", "0"))
    except ValueError:
        expires = 0
    # The address of a resumable upload takes chunks and, to cancel it, a DELETE.
    methods = ("PUT",) if request.method == "DELETE" and _is_resumable(call) else (request.method,)
    right = [call.workspace.uploads.signature(method, request.path, expires) for method in methods]
    name, value = _SIGNED_HEADER
    if request.args.get("signature") not in right or request.headers.get(name) != value:
        given = f"The signature we calculated does not match: {request.url}"
        return refused(403, "SignatureDoesNotMatch", given)
    if expires <= now_ms() / 1000:
        return refused(403, "AccessDenied", "Request has expired")
    return None


def _is_resumable(call: Call) -> bool:
    return call.workspace.behaviour.large_uploads == "resumable"


def put_part(call: Call) -> Response:
    """PUT of one part; the same part again replaces it."""
    refusal = _refusal(call)
    if refusal is not None:
        return refusal
    session = call.workspace.uploads.session(call.places["session"])
    if session is None:
        return refused(404, "NoSuchUpload", "The specified upload does not exist.")
    part = received(call.request.stream)
    call.workspace.uploads.put(session, int(call.places["number"]), part)
    return Response(status=200, headers={"ETag": part.etag})


def put_chunk(call: Call) -> Response:
    """PUT of the next bytes of a resumable upload; 308 says how far it is (Google Cloud Storage).

    Bytes that are there already are skipped, chunks but the last are multiples of 256 KiB.
    """
    refusal = _refusal(call)
    if refusal is not None:
        return refusal
    token = call.places["session"]
    session = call.workspace.uploads.session(token)
    if session is None and token in call.workspace.uploads.finished:
        return _uploaded()
    if session is None:
        return refused(404, "NoSuchUpload", "The upload does not exist or has ended.")
    asked = re.fullmatch(
        r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", call.request.headers.get("Content-Range", "")
    )
    if asked is None:
        return refused(400, "InvalidArgument", "Content-Range is missing or wrong.")
    if asked[1] is not None:
        problem = _take_chunk(call, session, int(asked[1]), int(asked[2]))
        if problem is not None:
            return problem
    if asked[3] != "*" and session.size == int(asked[3]):
        return _finish_resumable(call, session)
    headers = {"Range": f"bytes=0-{session.size - 1}"} if session.size else {}
    return Response(status=308, headers=headers)


def _take_chunk(call: Call, session: Session, start: int, end: int) -> Response | None:
    have = session.size
    if start > have:
        return refused(503, "Gap", "The chunk begins behind what was received.")
    if start < have:
        call.request.stream.read(min(have, end + 1) - start)
    part = received(call.request.stream)
    last = (call.request.headers["Content-Range"].rpartition("/")[2]) == str(end + 1)
    wrong = not last and (have + part.size) % _CHUNK_UNIT
    if wrong or not part.size:
        part.content.close()
    else:
        call.workspace.uploads.put(session, len(session.parts) + 1, part)
    return refused(400, "InvalidArgument", "A chunk is no multiple of 256 KiB.") if wrong else None


def _finish_resumable(call: Call, session: Session) -> Response:
    try:
        _finish(call, session, list(session.parts.values()))
    except ApiError:
        return refused(
            412, "PreconditionFailed", "At least one of the pre-conditions did not hold."
        )
    call.workspace.uploads.finished.add(session.token)
    return _uploaded()


def _uploaded() -> Response:
    return Response('{"kind": "storage#object"}', 200, mimetype="application/json")


def abort(call: Call) -> Response:
    """DELETE of a session: its parts go."""
    refusal = _refusal(call)
    if refusal is not None:
        return refusal
    if not call.workspace.uploads.end(call.places["session"]):
        return refused(404, "NoSuchUpload", "The specified upload does not exist.")
    return Response(status=CLOSED if _is_resumable(call) else 204)


_FS = "/api/2.0/fs"
ROUTES = (
    Route("POST", f"{_FS}/files/<rest:path>", post_file, alone=False),
    Route("POST", f"{_FS}/create-upload-part-urls", part_urls),
    Route("POST", f"{_FS}/create-resumable-upload-url", resumable_url),
    Route("POST", f"{_FS}/create-abort-upload-url", abort_url),
    Route("PUT", f"{STORAGE}<session>/<number>", put_part, alone=False),
    Route("PUT", f"{STORAGE}<session>", put_chunk, alone=False),
    Route("DELETE", f"{STORAGE}<session>", abort, alone=False),
)
