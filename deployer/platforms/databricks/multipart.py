"""Large uploads to a volume: in parts, straight to the cloud storage behind it.

Owns the session with the Files API, from its beginning to its end or its abort, and the parts in it
(facts C; SDK mixins/files.py). Nothing stands at the path before the last call, so the file is never
there half. Must not decide what an answer means for the upload: `folder_store` does, as for one PUT.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from deployer.deployment.ports import Denied, NotFound, Refused, Unavailable
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.answers import BAD_REQUEST, NOT_THERE, Answer
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.clock import date_of
from deployer.platforms.databricks.documents import mapping, objects, quoted, text
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.parts import Source, Window
from deployer.platforms.databricks.presigned import EXPIRED, Address, Storage, address_in
from deployer.platforms.databricks.resumable import send_chunks
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.transport import UPLOAD_TIMEOUT_S, Call, Content

log = logging.getLogger(__name__)

_MIB = 1024 * 1024
LARGE = 50 * _MIB
"""Files from this size on are sent in parts, as the SDK does, in bytes."""
# The SDK's sizes: the smallest that needs at most a hundred parts.
PART_SIZES = tuple(size * _MIB for size in (10, 20, 50, 100, 200, 500, 1024, 2048, 4096))
_MOST_PARTS = 100
_AT_ONCE = 4
_RENEWALS = 3
_LIFE = timedelta(hours=1)
_METHOD_NOT_ALLOWED, _NOT_IMPLEMENTED, _UNAVAILABLE = 405, 501, 503
# A storage that a firewall hides should not be knocked at for long: one PUT is left to be tried.
_FIRST_PART = RetryPolicy(budget_s=30)
_ABORT = RetryPolicy(budget_s=5)


class _NoParts(Exception):
    """This workspace, or the way to its storage, takes no parts."""


def send_large(client: Client, path: str, content: Content, size: int) -> Answer | None:
    """Create the file at `path` in parts; the session is aborted on every other way out.

    Returns:
        The answer that decided it, to be read like that of an exclusive PUT; None when there is no
        way to send parts here, so that one PUT has to do it.

    Raises:
        NotFound, Denied, Refused, Unavailable: a later part could not be sent.
        Exception: whatever reading `content` raised.
    """
    begun = client.send(_on_file(path, {"action": "initiate-upload", "overwrite": "false"}))
    if not begun.ok:
        # Nothing was created yet, so a file that is there is somebody else's.
        return None if _knows_no_parts(begun) else replace(begun, doubtful=False)
    multipart = text(mapping(begun.document.get("multipart_upload")).get("session_token"))
    resumable = text(mapping(begun.document.get("resumable_upload")).get("session_token"))
    if not multipart and not resumable:
        return None
    client.learn(multipart or resumable)
    expires = expiry(begun.headers)
    session = _Session(client, path, multipart or resumable, Source(content, size), expires)
    try:
        answer = session.send_parts() if multipart else session.send_chunks()
    except _NoParts as error:
        session.abort()
        log.info("No large upload to %s: %s One PUT is tried instead.", path, error)
        return None
    except BaseException:
        session.abort()
        raise
    if not answer.ok:
        session.abort()
    return answer


def part_size(size: int) -> int:
    """How large each part of `size` bytes is, but for the last, in bytes."""
    return next((each for each in PART_SIZES if size <= each * _MOST_PARTS), PART_SIZES[-1])


@dataclass(frozen=True)
class _Session:
    """One upload under way. Its token and addresses are not printed.

    `chunks_to` is the address of a resumable upload, once there is one.
    """

    client: Client
    path: str
    token: str = field(repr=False)
    source: Source
    expires: str
    chunks_to: list[Address] = field(default_factory=list, repr=False)

    def send_parts(self) -> Answer:
        """Send all parts, the first one alone, and complete the upload.

        Raises:
            _NoParts: the first part could not be sent.
        """
        with closing(Storage(self.client, _FIRST_PART)) as storage:
            try:
                tags = {1: self._part(storage, 1)}
            except (NotFound, Denied, Refused, Unavailable) as error:
                raise _NoParts(str(error)) from None
        with closing(Storage(self.client)) as storage:
            tags |= self._other_parts(storage)
        return self._completed(tags)

    def send_chunks(self) -> Answer:
        """Send all chunks, one after the other; the last one completes the upload (Google Cloud).

        Raises:
            _NoParts: there is no address.
        """
        try:
            address = self._address("resumable_upload_url", {})
        except (NotFound, Denied, Refused) as error:
            raise _NoParts(str(error)) from None
        self.chunks_to.append(address)
        with closing(Storage(self.client)) as storage:
            return send_chunks(storage, address, self.source)

    def abort(self) -> None:
        """Let the storage forget the parts; it does so by itself, some day, where this fails."""
        try:
            address = next(iter(self.chunks_to), None) or self._abort_address()
            with closing(Storage(self.client, _ABORT)) as storage:
                storage.send("DELETE", address, f"DELETE of the upload of {self.path}")
        except Exception as error:  # noqa: BLE001 - what ended the upload is told, not this
            log.info("The upload of %s could not be aborted: %s", self.path, error)

    def _abort_address(self) -> Address:
        client = self.client.beside(policy=_ABORT)
        return self._address("abort_upload_url", {"expire_time": self.expires}, client)

    @property
    def _count(self) -> int:
        return -(-self.source.size // part_size(self.source.size))

    def _other_parts(self, storage: Storage) -> dict[int, str]:
        """The tags of all parts but the first, a few sent at once; one failure stops the others."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="part") as pool:
            numbers = {
                pool.submit(self._part, storage, number): number
                for number in range(2, self._count + 1)
            }
            try:
                return {numbers[each]: each.result() for each in as_completed(numbers)}
            except BaseException:
                self.source.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _part(self, storage: Storage, number: int) -> str:
        """Send one part; its tag, which Azure leaves empty."""
        size = part_size(self.source.size)
        start = (number - 1) * size
        window = Window(self.source, start, min(size, self.source.size - start))
        what = f"PUT of part {number} of {self._count} of {self.path}"
        for _ in range(1 + _RENEWALS):
            self.source.check()
            answer = storage.send("PUT", self._part_address(number), what, content=window)
            if answer.ok:
                return answer.headers.get("ETag", "")
            if answer.message != EXPIRED:
                break
            window.seek(0)
        said = f"{answer.status} {answer.message}".rstrip()
        raise Refused(f"{what} was refused by the storage: {said}.")

    def _part_address(self, number: int) -> Address:
        more: JsonObject = {"start_part_number": number, "count": 1, "expire_time": self.expires}
        return self._address("upload_part_urls", more)

    def _address(self, field: str, more: JsonObject, client: Client | None = None) -> Address:
        """An address for the next step. Raises Refused (none given), and as `Client.json`."""
        call = "create-" + field.replace("_", "-")
        body = {"path": self.path, "session_token": self.token, **more}
        document = (client or self.client).post(f"/api/2.0/fs/{call}", Family.FILES, body)
        found = document.get(field)
        return address_in(
            next(iter(objects(found)), {}) if isinstance(found, list) else mapping(found)
        )

    def _completed(self, tags: Mapping[int, str]) -> Answer:
        """Make one file of the parts. What fails for good is in doubt, as a lost answer is."""
        query = {
            "action": "complete-upload",
            "upload_type": "multipart",
            "session_token": self.token,
        }
        parts = [{"part_number": number, "etag": tags[number]} for number in sorted(tags)]
        call = _on_file(self.path, query, {"parts": parts})
        try:  # named, because its query holds the session's token
            return self.client.send(replace(call, name=call.what))
        except Unavailable as error:
            return Answer(_UNAVAILABLE, message=str(error), doubtful=True)


def _on_file(path: str, query: Mapping[str, str], body: JsonObject | None = None) -> Call:
    address = f"/api/2.0/fs/files{quoted(path)}"
    return Call(
        "POST", address, Family.FILES, query=query, body=body, read_timeout_s=UPLOAD_TIMEOUT_S
    )


def _knows_no_parts(answer: Answer) -> bool:
    """Whether the service does not know such uploads, or not for this volume (facts C).

    A 404 with the code of a missing object means what it says.
    """
    if answer.status == NOT_THERE:
        return answer.code in ("", "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED")
    return answer.status in (BAD_REQUEST, _METHOD_NOT_ALLOWED, _NOT_IMPLEMENTED) or (
        "not enabled" in answer.message
    )


def expiry(headers: Mapping[str, str]) -> str:
    """When addresses shall expire, by the clock of the service: ours may be wrong (RFC 3339)."""
    said = date_of(headers)
    now = datetime.now(UTC) if said is None else datetime.fromtimestamp(said, UTC)
    return (now + _LIFE).strftime("%Y-%m-%dT%H:%M:%SZ")
