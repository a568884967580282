"""A root in DBFS, the legacy file system that every user of a workspace may write to.

Owns its calls and limits (facts C), and an exclusive create out of calls that have none which is whole:
a file that is written through a handle can be seen while it grows, so it is written beside, compared,
and moved to its name, which fails where a file is. What the stores share stands in `folder_store`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from deployer.deployment.ports import (
    OWN_FOLDER,
    AlreadyExists,
    Denied,
    NotFound,
    Refused,
    StoredFile,
    Unavailable,
)
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.documents import number, objects, text
from deployer.platforms.databricks.folder_store import FolderStore, need_within
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.parts import Source
from deployer.platforms.databricks.roots import DBFS, canonical, dbfs_is_gone
from deployer.platforms.databricks.transport import Call, Query

BLOCK = 720_000
"""Bytes of one block: below the limit of 1 MB before and after base64, whichever it means (facts C)."""
READ = 1_000_000
"""Bytes read at once: below the limit of 1 MB, whichever megabyte it means."""
_TRIES = 3


class _HandleLost(Exception):
    """The stream is gone, or holds a block twice: the file has to be written anew."""


class DbfsStore(FolderStore):
    """A folder in DBFS. Implements `ports.Store`."""

    def exists(self) -> bool:
        """Whether the folder is there.

        Raises:
            DeployError: ROOT_NOT_ALLOWED: this workspace has its DBFS root turned off.
        """
        try:
            return self._status(self.root).get("is_dir") is True
        except NotFound:
            return False
        except Denied as error:
            if "disabled" in str(error):
                raise dbfs_is_gone(self.root, str(error)) from error
            raise

    def create_root(self) -> None:
        """Create the folder and its parents; one that is there is fine."""
        self._make_folder(self.root)

    def open_to_all(self) -> bool | None:
        """Always: DBFS asks for nobody's rights (facts C)."""
        return True

    def sha256(self, path: str) -> str | None:
        """SHA-256 of the file, whatever its size."""
        digest = hashlib.sha256()
        for block in self._read(path, self._size(path) or 0):
            digest.update(block)
        return digest.hexdigest()

    def read(self, path: str, limit: int) -> bytes:
        """The content of one file."""
        status = self._status(path)
        if status.get("is_dir") is True:
            raise NotFound(f"{path} is a folder.")
        size = number(status.get("file_size")) or 0
        need_within(path, size, limit)
        return b"".join(self._read(path, size))

    def _read(self, path: str, size: int) -> Iterator[bytes]:
        """The first `size` bytes of a file, block by block. Raises Refused when it is shorter."""
        offset = 0
        while offset < size:
            query: Query = {"path": _plain(path), "offset": offset, "length": READ}
            block = _decoded(self._client.get("/api/2.0/dbfs/read", Family.DBFS, query))
            if not block:
                raise Refused(f"{path} ended at {offset} of {size} bytes while it was read.")
            yield block
            offset += len(block)

    def delete(self, path: str) -> None:
        """Delete one file; a missing one is fine."""
        body: JsonObject = {"path": _plain(path), "recursive": False}
        try:
            self._client.post("/api/2.0/dbfs/delete", Family.DBFS, body)
        except NotFound:
            return

    def _listed(self, folder: str) -> Iterator[StoredFile | str]:
        query = {"path": _plain(folder)}
        listing = self._client.get("/api/2.0/dbfs/list", Family.DBFS, query)
        for each in objects(listing.get("files")):
            path = canonical(f"{DBFS}{text(each.get('path'))}")
            if each.get("is_dir") is True:
                yield path
            else:
                size = number(each.get("file_size")) or 0
                yield StoredFile(path, size, number(each.get("modification_time")) or 0)

    def _size(self, path: str) -> int | None:
        return number(self._status(path).get("file_size"))

    def _status(self, path: str) -> JsonObject:
        return self._client.get("/api/2.0/dbfs/get-status", Family.DBFS, {"path": _plain(path)})

    def _make_folder(self, path: str) -> None:
        try:
            self._client.post("/api/2.0/dbfs/mkdirs", Family.DBFS, {"path": _plain(path)})
        except AlreadyExists as error:
            raise Refused(f"{path} is not a folder.") from error

    # --- the exclusive create

    def _create(self, path: str, content: BinaryIO, size: int) -> Answer:
        folder = path.rpartition("/")[0]
        if self._status(folder).get("is_dir") is not True:
            raise NotFound(f"The folder {folder} does not exist.")
        self._make_folder(f"{self.root}/{OWN_FOLDER}")
        aside = self._written_aside(Source(content, size))
        answer = None
        try:
            body: JsonObject = {"source_path": _plain(aside), "destination_path": _plain(path)}
            answer = self._client.send(_post("move", body))
        finally:
            if answer is None or not answer.ok:
                self._discard(aside)
        return answer

    def _written_aside(self, source: Source) -> str:
        """The path of a file below `.spark-deploy` that holds all of `source`.

        Raises:
            Unavailable: the stream broke off again and again. Others as `Client.json`.
        """
        why = ""
        for _ in range(_TRIES):
            path = f"{self.root}/{OWN_FOLDER}/{uuid.uuid4().hex}.part"
            try:
                self._write(path, source)
                self._check_size(path, source.size)
            except _HandleLost as lost:
                self._discard(path)
                why = str(lost)
            except BaseException:
                self._discard(path)
                raise
            else:
                return path
        raise Unavailable(f"Writing to {self.root} broke off {_TRIES} times: {why}")

    def _write(self, path: str, source: Source) -> None:
        """Write the file at `path`, which is ours alone: at once, or block by block."""
        if source.size <= BLOCK:
            contents = _encoded(b"".join(_blocks(source)))
            body: JsonObject = {"path": _plain(path), "contents": contents, "overwrite": True}
            self._client.json(_post("put", body))
            return
        body = {"path": _plain(path), "overwrite": True}
        handle = number(self._client.json(_post("create", body)).get("handle"))
        for block in _blocks(source):
            self._stream("add-block", {"handle": handle, "data": _encoded(block)})
        self._stream("close", {"handle": handle})

    def _check_size(self, path: str, size: int) -> None:
        arrived = self._size(path)
        if arrived != size:
            raise _HandleLost(f"{arrived} of {size} bytes arrived.")

    def _stream(self, call: str, body: JsonObject) -> None:
        """One call on a handle; a block that a retry wrote twice shows in the size."""
        try:
            self._client.json(_post(call, body))
        except NotFound as error:
            raise _HandleLost(str(error)) from error

    def _discard(self, path: str) -> None:
        """Remove what was written aside, as far as that works; it is in nobody's way."""
        with contextlib.suppress(Exception):  # what ended the upload is told, not this
            self.delete(path)


def _post(call: str, body: JsonObject) -> Call:
    return Call("POST", f"/api/2.0/dbfs/{call}", Family.DBFS, body=body)


def _plain(path: str) -> str:
    """The path as the DBFS API takes it, without its scheme."""
    return path.removeprefix(DBFS)


def _blocks(source: Source) -> Iterator[bytes]:
    offset = 0
    while offset < source.size:
        wanted = min(BLOCK, source.size - offset)
        block = b""
        while len(block) < wanted:
            block += source.read(offset + len(block), wanted - len(block))
        yield block
        offset += wanted


def _encoded(block: bytes) -> str:
    return base64.b64encode(block).decode("ascii")


def _decoded(document: JsonObject) -> bytes:
    try:
        return base64.b64decode(text(document.get("data")), validate=True)
    except ValueError as error:  # also of what is no ASCII
        raise Refused("A block of the file came as something that is no base64.") from error
