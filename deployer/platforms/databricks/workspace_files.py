"""A root in the workspace: the Workspace API, and the raw import endpoint that the CLI uses.

Owns their calls and limits (facts B4, C). What the stores share stands in `folder_store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from deployer.deployment.ports import AlreadyExists, Denied, NotFound, Refused, StoredFile
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.documents import number, objects, quoted, text
from deployer.platforms.databricks.folder_store import FolderStore, digest_body
from deployer.platforms.databricks.jobs import EVERYBODY
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.roots import canonical
from deployer.platforms.databricks.transport import UPLOAD_TIMEOUT_S, Call
from deployer.session import at_most

EXPORT_LIMIT = 10 * 1024 * 1024
"""The largest workspace file that can be read back, in bytes (facts C)."""
_WRITING_LEVELS = frozenset({"CAN_EDIT", "CAN_MANAGE", "IS_OWNER"})


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
        try:
            return self.download_sha256(_export(path, digest_body))
        except Refused as error:
            if "MAX_NOTEBOOK_SIZE_EXCEEDED" in str(error) or "max size" in str(error):
                return None
            raise

    def read(self, path: str, limit: int) -> bytes:
        """The content of one file; the service gives back at most `EXPORT_LIMIT` bytes."""
        return self.download(path, _export(path, at_most(limit)), limit)

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

    def _create(self, path: str, content: BinaryIO, size: int) -> Answer:
        # The whole path is one segment, its slashes quoted, as the Databricks CLI sends it.
        name = quoted(path.lstrip("/"), safe="")
        call = Call(
            "POST",
            f"/api/2.0/workspace-files/import-file/{name}",
            Family.IMPORT,
            query={"overwrite": "false"},
            content=content,
            read_timeout_s=UPLOAD_TIMEOUT_S,
            is_json=False,
        )
        return self._client.send(call)

    def _size(self, path: str) -> int | None:
        return number(self._status(path).get("size"))

    def _status(self, path: str) -> JsonObject:
        return self._client.get("/api/2.0/workspace/get-status", Family.LIST, {"path": path})


def _export(path: str, read: Callable[[Iterator[bytes]], bytes]) -> Call:
    query = {"path": path, "format": "AUTO", "direct_download": "true"}
    address = "/api/2.0/workspace/export"
    return Call("GET", address, Family.EXPORT, query=query, read=read, is_json=False)
