"""What the stores in the workspace, in volumes and in DBFS share.

Owns exclusive uploads and their doubtful cases, and the walk through folders (facts C). Must not
decide what is uploaded or deleted.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from deployer.deployment.ports import OWN_FOLDER, AlreadyExists, NotFound, Refused, StoredFile
from deployer.platforms.databricks import answers
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.roots import Root
from deployer.platforms.databricks.transport import Call

MOST_FOLDERS = 5_000
"""Below one root; a listing that goes on and on would be followed for ever."""
_CHUNK = 1024 * 1024


class FolderStore(ABC):
    """What all kinds of root share. Implements `ports.Store`."""

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
    def read(self, path: str, limit: int) -> bytes:
        """The content of one file. Raises NotFound, and Refused above `limit` bytes."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete one file; a missing one is fine."""

    @abstractmethod
    def _listed(self, folder: str) -> Iterable[StoredFile | str]:
        """The files in `folder`, and the paths of its folders."""

    @abstractmethod
    def _create(self, path: str, content: BinaryIO, size: int) -> Answer:
        """The answer to the exclusive create of `path` with `size` bytes of `content`."""

    @abstractmethod
    def _size(self, path: str) -> int | None:
        """Size of a stored file in bytes; None when the service does not say. Raises NotFound."""

    def files(self) -> tuple[StoredFile, ...]:
        """All files at or below the root, by path, without `.spark-deploy/`.

        Raises:
            Refused: there are more folders than anybody's libraries have.
        """
        found: list[StoredFile] = []
        folders, seen = [self.root], 0
        while folders:
            folder, seen = folders.pop(), seen + 1
            if seen > MOST_FOLDERS:
                raise Refused(f"{self.root} has more than {MOST_FOLDERS:,} folders.")
            try:
                for each in self._right_in(folder):
                    if isinstance(each, StoredFile):
                        found.append(each)
                    elif each != f"{self.root}/{OWN_FOLDER}":
                        folders.append(each)
            except NotFound:
                continue  # no root, or a folder that went while we listed
        return tuple(sorted(found, key=lambda file: file.path))

    def files_in(self, folder: str) -> tuple[StoredFile, ...]:
        """The files right in `folder`, by path. Raises NotFound."""
        found = (each for each in self._right_in(folder) if isinstance(each, StoredFile))
        return tuple(sorted(found, key=lambda file: file.path))

    def _right_in(self, folder: str) -> Iterator[StoredFile | str]:
        """What a listing of `folder` names there; whatever else it names is none of ours to delete."""
        for each in self._listed(folder):
            parent, _, name = (each if isinstance(each, str) else each.path).rpartition("/")
            if parent == folder and name not in ("", ".", ".."):
                yield each

    def upload(self, path: str, content: BinaryIO, size: int) -> None:
        """Exclusive create, checked by the stored size.

        A retry may meet the file that its own first attempt made. It counts as ours when it has our
        size and, where it can be read, our hash.
        """
        start = content.tell()
        answer = self._create(path, content, size)
        if not answer.ok:
            content.seek(start)
            if not (answer.doubtful and self._holds(path, content, size)):
                error = answers.problem(answer, f"The upload of {path}")
                taken = isinstance(error, AlreadyExists) or answer.status == answers.CONFLICT
                raise AlreadyExists(f"{path} exists already.") if taken else error
        content.seek(start)
        self._check_arrival(path, content, size)

    def _check_arrival(self, path: str, content: BinaryIO, size: int) -> None:
        """Compare the stored size with ours; half a file goes again if it is provably ours.

        Raises:
            Refused: it has another size, or is gone.
        """
        try:
            stored = self._size(path)
            if stored in (None, size):
                return
            half = self.sha256(path) == _digest(_first(content, stored or 0))
        except NotFound:
            raise Refused(f"{path} was gone right after it was uploaded.") from None
        if half:
            self.delete(path)
            raise Refused(f"{path} arrived with {stored} of {size} bytes and was deleted again.")
        raise Refused(
            f"{path} has {stored} bytes where {size} were sent. They are not the beginning of ours,"
            " so the file was left there: somebody else may have written it."
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

    def download_sha256(self, call: Call) -> str:
        """SHA-256 of what a GET gives, in chunks, begun anew when a retry begins anew."""
        return self._downloaded(call).decode("ascii")

    def download(self, path: str, call: Call, limit: int) -> bytes:
        """What a GET of `path` gives, which reads `at_most(limit)` bytes. Raises Refused if it is more."""
        content = self._downloaded(call)
        need_within(path, len(content), limit)
        return content

    def _downloaded(self, call: Call) -> bytes:
        answer = self._client.send(call)
        if not answer.ok:
            raise answers.unread(answer, call.what)
        return answer.body


def need_within(path: str, size: int, limit: int) -> None:
    """Raise Refused when a file has more than `limit` bytes."""
    if size > limit:
        raise Refused(f"{path} is larger than {limit:,} bytes.")


def _digest(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _first(content: BinaryIO, size: int) -> Iterator[bytes]:
    """The first `size` bytes of `content`, in chunks."""
    while size > 0 and (chunk := content.read(min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk


def digest_body(chunks: Iterator[bytes]) -> bytes:
    """Read a download as its SHA-256 in hex, without holding it."""
    return _digest(chunks).encode("ascii")
