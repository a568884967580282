"""Small files of our own in one folder, for locks and the journal.

Owns the order of calls that keeps the usual case cheap. How a file is created exclusively, and when a
retry has met its own first attempt, is the store's business (`folder_store`). Must not know what the
files mean.
"""

from __future__ import annotations

import io

from deployer.deployment.ports import RECORD_LIMIT, NotFound, StoredFile
from deployer.platforms.databricks.folder_store import FolderStore, need_within


class FolderRecords:
    """Implements `ports.Records`; `store` has the folder as its root."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store

    @property
    def folder(self) -> str:
        """The folder's complete path."""
        return self._store.root

    def listed(self) -> tuple[StoredFile, ...]:
        """The files right in the folder, by path; () when there is no folder."""
        try:
            return self._store.files_in(self.folder)
        except NotFound:
            self._store.exists()  # raises NotFound when it is the volume that is missing
            return ()

    def read(self, name: str) -> bytes | None:
        """The content of one file; None when there is none."""
        try:
            return self._store.read(self._path(name), RECORD_LIMIT)
        except NotFound:
            return None

    def create(self, name: str, content: bytes) -> None:
        """Exclusive create, with the folders above.

        The folder is there in all cases but the first, so it is made only when it is missed. The
        stored size is compared each time; the bytes are read back only when an earlier attempt is in
        doubt. Then equal bytes count as ours, so whoever needs to know its own from another's puts
        something of its own into them.
        """
        path = self._path(name)
        need_within(path, len(content), RECORD_LIMIT)
        try:
            self._store.upload(path, io.BytesIO(content), len(content))
        except NotFound:
            self._store.create_root()
            self._store.upload(path, io.BytesIO(content), len(content))

    def delete(self, name: str) -> None:
        """Delete one file; a missing one is fine."""
        self._store.delete(self._path(name))

    def _path(self, name: str) -> str:
        """The path of a file; a name that leads elsewhere is a mistake of ours."""
        if "/" in name or name in ("", ".", ".."):
            raise ValueError(f"{name!r} is no name of a file.")
        return f"{self.folder}/{name}"
