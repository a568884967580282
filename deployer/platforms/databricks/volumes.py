"""A root in a Unity Catalog volume: the Files API.

Owns its calls (facts C). What the stores share stands in `folder_store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from deployer.deployment.ports import Denied, NotFound, Refused, StoredFile
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks import answers
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.documents import mapping, number, objects, quoted, text
from deployer.platforms.databricks.folder_store import FolderStore, digest_body
from deployer.platforms.databricks.jobs import EVERYBODY
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.multipart import LARGE, send_large
from deployer.platforms.databricks.roots import canonical
from deployer.platforms.databricks.transport import UPLOAD_TIMEOUT_S, Call
from deployer.session import at_most

_PAGE = 1000
_WRITING_PRIVILEGES = frozenset({"WRITE_VOLUME", "ALL_PRIVILEGES"})


class VolumeStore(FolderStore):
    """A folder of a Unity Catalog volume: the Files API."""

    def exists(self) -> bool:
        """Whether the folder is there; a missing volume, which we never make, is NotFound."""
        if self._is_folder(self.root):
            return True
        if not self._is_folder(self._volume):
            raise NotFound(f"The volume {self._volume} does not exist, or we may not see it.")
        return False

    def create_root(self) -> None:
        """Create the folder and its parents inside the volume; one that is there is fine."""
        if not self.exists():
            self._client.json(self._call("PUT", "directories", self.root))

    def open_to_all(self) -> bool | None:
        """Whether `account users` may write to the volume, by its own or inherited grants."""
        name = quoted(self._root.volume, safe="")
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
        return self.download_sha256(self._call("GET", "files", path, digest_body))

    def read(self, path: str, limit: int) -> bytes:
        """The content of one file."""
        return self.download(path, self._call("GET", "files", path, at_most(limit)), limit)

    def delete(self, path: str) -> None:
        """Delete one file; a missing one is fine."""
        try:
            self._client.json(self._call("DELETE", "files", path))
        except NotFound:
            return

    def _listed(self, folder: str) -> Iterator[StoredFile | str]:
        address = f"/api/2.0/fs/directories{quoted(folder)}"
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

    def _create(self, path: str, content: BinaryIO, size: int) -> Answer:
        if size >= LARGE:
            start = content.tell()
            answer = send_large(self._client, path, content, size)
            if answer is not None:
                return answer
            content.seek(start)
        call = Call(
            "PUT",
            f"/api/2.0/fs/files{quoted(path)}",
            Family.FILES,
            query={"overwrite": "false"},
            content=content,
            read_timeout_s=UPLOAD_TIMEOUT_S,
            is_json=False,
        )
        return self._client.send(call)

    @property
    def _volume(self) -> str:
        return "/Volumes/" + self._root.volume.replace(".", "/")

    def _is_folder(self, path: str) -> bool:
        answer = self._client.send(self._call("HEAD", "directories", path))
        if answer.ok:
            return True
        error = answers.unread(answer, f"HEAD {path}")
        if isinstance(error, NotFound):
            return False
        raise error

    def _size(self, path: str) -> int | None:
        answer = self._client.send(self._call("HEAD", "files", path))
        if not answer.ok:
            raise answers.unread(answer, f"HEAD {path}")
        return number(answer.headers.get("Content-Length"))

    @staticmethod
    def _call(
        method: str, kind: str, path: str, read: Callable[[Iterator[bytes]], bytes] = b"".join
    ) -> Call:
        address = f"/api/2.0/fs/{kind}{quoted(path)}"
        return Call(method, address, Family.FILES, read=read, is_json=False)


def _privileges(line: JsonObject) -> set[str]:
    """The privileges of one principal: objects in effective permissions, strings elsewhere."""
    given = line.get("privileges")
    names = given if isinstance(given, list) else []
    return {text(each) or text(mapping(each).get("privilege")) for each in names}
