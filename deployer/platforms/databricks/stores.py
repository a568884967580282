"""The folder of the libraries, in the workspace or in a Unity Catalog volume.

Owns exclusive uploads and their doubtful cases, listing, hashing and deleting (facts C). Must not
decide what is uploaded or deleted.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import BinaryIO
from urllib.parse import quote

from deployer.deployment.ports import (
    AlreadyExists,
    Denied,
    NotFound,
    Refused,
    StoredFile,
    Unavailable,
)
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks import answers
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.documents import mapping, number, objects, text
from deployer.platforms.databricks.jobs import EVERYBODY
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.roots import Kind, Root, canonical
from deployer.platforms.databricks.transport import UPLOAD_TIMEOUT_S, Call

OWN_FOLDER = ".spark-deploy"
"""Where lock and journal lie below the root (design.md); no library is there."""
EXPORT_LIMIT = 10 * 1024 * 1024
"""The largest workspace file that can be read back, in bytes (facts C)."""
_PAGE = 1000
_CHUNK = 1024 * 1024
_WRITING_LEVELS = frozenset({"CAN_EDIT", "CAN_MANAGE", "IS_OWNER"})
_WRITING_PRIVILEGES = frozenset({"WRITE_VOLUME", "ALL_PRIVILEGES"})


def store_at(client: Client, root: Root) -> FolderStore:
    """The store that serves `root`."""
    if root.kind is Kind.VOLUME:
        return VolumeStore(client, root)
    return WorkspaceStore(client, root)


class FolderStore(ABC):
    """What both kinds of root share. Implements `ports.Store`."""

    def __init__(self, client: Client, root: Root) -> None:
        self._client = client
        self._root = root

    @property
    def root(self) -> str:
        """The root's path in the form that new references are compared with."""
        return self._root.path

    @abstractmethod
    def exists(self) -> bool:
        """Whether the root is there."""

    @abstractmethod
    def create_root(self) -> None:
        """Create the root and its parents."""

    @abstractmethod
    def open_to_all(self) -> bool | None:
        """Whether every user may write here; None when that can't be read."""

    @abstractmethod
    def sha256(self, path: str) -> str | None:
        """SHA-256 (hex) of the stored file; None when it can't be read back."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete one file; a missing one is fine."""

    @abstractmethod
    def _listed(self, folder: str) -> Iterable[StoredFile | str]:
        """The files in `folder`, and the paths of its folders."""

    @abstractmethod
    def _upload_call(self, path: str, content: BinaryIO) -> Call:
        """The exclusive create of `path`."""

    @abstractmethod
    def _size(self, path: str) -> int | None:
        """Size of a stored file in bytes; None when the service does not say. Raises NotFound."""

    def files(self) -> tuple[StoredFile, ...]:
        """All files at or below the root, by path, without `.spark-deploy/`."""
        found: list[StoredFile] = []
        folders = [self.root]
        while folders:
            folder = folders.pop()
            try:
                for each in self._listed(folder):
                    if isinstance(each, StoredFile):
                        found.append(each)
                    elif each != f"{self.root}/{OWN_FOLDER}":
                        folders.append(each)
            except NotFound:
                continue  # no root, or a folder that went while we listed
        return tuple(sorted(found, key=lambda file: file.path))

    def upload(self, path: str, content: BinaryIO, size: int) -> None:
        """Exclusive create, checked by the stored size.

        A retry may meet the file that its own first attempt made. It counts as ours when it has our
        size and, where it can be read, our hash.
        """
        start = content.tell()
        call = self._upload_call(path, content)
        answer = self._client.send(call)
        if not answer.ok:
            error = answers.problem(answer, call.what)
            exists = isinstance(error, AlreadyExists) or answer.status == answers.CONFLICT
            if not exists:
                raise error
            content.seek(start)
            if not (answer.doubtful and self._holds(path, content, size)):
                raise AlreadyExists(f"{path} exists already.")
        stored = self._size(path)
        if stored not in (None, size):
            self.delete(path)
            raise Unavailable(
                f"{path} arrived with {stored} of {size} bytes and was deleted again."
            )

    def _holds(self, path: str, content: BinaryIO, size: int) -> bool:
        """Whether the stored file is what we tried to upload."""
        try:
            if self._size(path) != size:
                return False
            stored = self.sha256(path)
        except NotFound:
            return False
        return stored is None or stored == _digest(iter(lambda: content.read(_CHUNK), b""))

    def _download_sha256(self, call: Call) -> str:
        """SHA-256 of what a GET gives, in chunks, begun anew when a retry begins anew."""
        answer = self._client.send(call)
        if not answer.ok:
            raise answers.problem(answer, call.what)
        return answer.body.decode("ascii")


def _digest(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _digest_body(chunks: Iterator[bytes]) -> bytes:
    return _digest(chunks).encode("ascii")


class WorkspaceStore(FolderStore):
    """A workspace folder: the Workspace API, and the raw import endpoint that the CLI uses."""

    def exists(self) -> bool:
        """Whether the folder is there; a folder that we can't read counts as missing (facts B4)."""
        try:
            return self._status(self.root).get("object_type") == "DIRECTORY"
        except NotFound:
            return False

    def create_root(self) -> None:
        """Create the folder and its parents; one that is there is fine."""
        try:
            self._client.post("/api/2.0/workspace/mkdirs", Family.OTHER, {"path": self.root})
        except AlreadyExists as error:
            raise Refused(f"{self.root} is not a folder.") from error

    def open_to_all(self) -> bool | None:
        """Whether `users` may edit the folder, or the nearest one above that is there.

        All users may edit what lies in /Workspace/Shared, whatever the list of a folder there says.
        """
        if f"{self.root}/".startswith("/Workspace/Shared/"):
            return True
        try:
            folder_id = self._nearest_folder()
            if folder_id is None:
                return None
            lines = self._client.get(f"/api/2.0/permissions/directories/{folder_id}", Family.OTHER)
        except (NotFound, Denied, Refused):
            return None
        return any(
            text(each.get("permission_level")) in _WRITING_LEVELS
            for line in objects(lines.get("access_control_list"))
            if text(line.get("group_name")) in EVERYBODY
            for each in objects(line.get("all_permissions"))
        )

    def _nearest_folder(self) -> int | None:
        folder = self.root
        while folder not in ("", "/Workspace"):
            try:
                return number(self._status(folder).get("object_id"))
            except NotFound:
                folder = folder.rpartition("/")[0]
        return None

    def sha256(self, path: str) -> str | None:
        """SHA-256 of the file; None above 10 MB, which is all that can be exported (facts C)."""
        if (self._size(path) or 0) > EXPORT_LIMIT:
            return None
        query = {"path": path, "format": "AUTO", "direct_download": "true"}
        try:
            return self._download_sha256(
                Call(
                    "GET",
                    "/api/2.0/workspace/export",
                    Family.EXPORT,
                    query=query,
                    read=_digest_body,
                    is_json=False,
                )
            )
        except Refused as error:
            if "MAX_NOTEBOOK_SIZE_EXCEEDED" in str(error) or "max size" in str(error):
                return None
            raise

    def delete(self, path: str) -> None:
        """Delete one file; a missing one is fine."""
        try:
            self._client.post("/api/2.0/workspace/delete", Family.DELETE, {"path": path})
        except NotFound:
            return

    def _listed(self, folder: str) -> Iterator[StoredFile | str]:
        listing = self._client.get("/api/2.0/workspace/list", Family.LIST, {"path": folder})
        for each in objects(listing.get("objects")):
            path = canonical(text(each.get("path")))
            kind = each.get("object_type")
            if kind == "DIRECTORY":
                yield path
            elif kind == "FILE":
                size = number(each.get("size"))
                stored = each if size is not None else self._status(path)
                yield StoredFile(
                    path, number(stored.get("size")) or 0, number(stored.get("modified_at")) or 0
                )

    def _upload_call(self, path: str, content: BinaryIO) -> Call:
        # The whole path is one segment, its slashes quoted, as the Databricks CLI sends it.
        name = quote(path.lstrip("/"), safe="")
        return Call(
            "POST",
            f"/api/2.0/workspace-files/import-file/{name}",
            Family.IMPORT,
            query={"overwrite": "false"},
            content=content,
            read_timeout_s=UPLOAD_TIMEOUT_S,
            is_json=False,
        )

    def _size(self, path: str) -> int | None:
        return number(self._status(path).get("size"))

    def _status(self, path: str) -> JsonObject:
        return self._client.get("/api/2.0/workspace/get-status", Family.LIST, {"path": path})


class VolumeStore(FolderStore):
    """A folder of a Unity Catalog volume: the Files API."""

    def exists(self) -> bool:
        """Whether the folder is there."""
        answer = self._client.send(self._call("HEAD", "directories", self.root))
        if answer.ok:
            return True
        error = answers.problem(answer, f"HEAD {self.root}")
        if isinstance(error, NotFound):
            return False
        raise error

    def create_root(self) -> None:
        """Create the folder and its parents inside the volume; one that is there is fine."""
        if self.exists():
            return
        volume = "/Volumes/" + self._root.volume.replace(".", "/")
        try:
            self._client.json(self._call("PUT", "directories", self.root))
        except NotFound as error:
            raise NotFound(
                f"The volume {volume} does not exist, or we may not see it: {error}"
            ) from error

    def open_to_all(self) -> bool | None:
        """Whether `account users` may write to the volume, by its own or inherited grants."""
        name = quote(self._root.volume, safe="")
        try:
            pages = list(
                self._client.pages(
                    f"/api/2.1/unity-catalog/effective-permissions/volume/{name}",
                    Family.OTHER,
                    {"max_results": 0},
                )
            )
        except (NotFound, Denied, Refused):
            return None
        return any(
            _privileges(line) & _WRITING_PRIVILEGES
            for page in pages
            for line in objects(page.get("privilege_assignments"))
            if text(line.get("principal")) in EVERYBODY
        )

    def sha256(self, path: str) -> str | None:
        """SHA-256 of the file, whatever its size."""
        return self._download_sha256(self._call("GET", "files", path, digest=True))

    def delete(self, path: str) -> None:
        """Delete one file; a missing one is fine."""
        try:
            self._client.json(self._call("DELETE", "files", path))
        except NotFound:
            return

    def _listed(self, folder: str) -> Iterator[StoredFile | str]:
        address = f"/api/2.0/fs/directories{quote(folder)}"
        for page in self._client.pages(address, Family.FILES, {"page_size": _PAGE}):
            for each in objects(page.get("contents")):
                path = canonical(text(each.get("path")))
                if each.get("is_directory") is True:
                    yield path
                else:
                    size = number(each.get("file_size"))
                    modified = number(each.get("last_modified"))
                    yield StoredFile(
                        path, size if size is not None else self._size(path) or 0, modified or 0
                    )

    def _upload_call(self, path: str, content: BinaryIO) -> Call:
        return Call(
            "PUT",
            f"/api/2.0/fs/files{quote(path)}",
            Family.FILES,
            query={"overwrite": "false"},
            content=content,
            read_timeout_s=UPLOAD_TIMEOUT_S,
            is_json=False,
        )

    def _size(self, path: str) -> int | None:
        answer = self._client.send(self._call("HEAD", "files", path))
        if not answer.ok:
            raise answers.problem(answer, f"HEAD {path}")
        return number(answer.headers.get("Content-Length"))

    @staticmethod
    def _call(method: str, kind: str, path: str, *, digest: bool = False) -> Call:
        address = f"/api/2.0/fs/{kind}{quote(path)}"
        if digest:
            return Call(method, address, Family.FILES, read=_digest_body, is_json=False)
        return Call(method, address, Family.FILES, is_json=False)


def _privileges(line: JsonObject) -> set[str]:
    """The privileges of one principal: objects in effective permissions, strings elsewhere."""
    given = line.get("privileges")
    names = given if isinstance(given, list) else []
    return {text(each) or text(mapping(each).get("privilege")) for each in names}
