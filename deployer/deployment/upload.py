"""The library's file in the root: is it there, may it go up, and putting it there.

Owns immutability (design.md, rule 2): the same version with the same bytes goes on, other bytes are
refused. Must not overwrite anything.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from deployer.deployment.ports import (
    AlreadyExists,
    Denied,
    Interrupted,
    NotFound,
    Refused,
    Store,
    StoredFile,
    Unavailable,
)
from deployer.errors import DeployError, FailureReason, fail
from deployer.library.model import Kind, Library
from deployer.library.versions import next_free, spelled_for_jars
from deployer.plan.retention import versions_of


def is_stored(
    store: Store,
    library: Library,
    files: tuple[StoredFile, ...],
    recorded: Callable[[str], frozenset[str]] = lambda path: frozenset(),
) -> bool:
    """Whether this very file lies in the root. Raises DeployError(version-exists) for other bytes.

    `recorded` gives the hashes that the journal recorded for a path before it was uploaded. They count
    where the file can't be read back (facts C), and only when they agree: anybody may have written them.
    """
    path = f"{store.root}/{library.file_name}"
    for stored in files:
        same_place = stored.path == path
        if same_place or _same_build(stored.path.rsplit("/", 1)[-1], library):
            found = store.sha256(stored.path) if stored.size == library.size else "other"
            if found is None and recorded(stored.path) == {library.sha256}:
                found = library.sha256
            if found != library.sha256:
                raise _exists(library, stored, files, readable=found is not None)
            if same_place:
                return True
    return False


def upload(store: Store, library: Library, content: BinaryIO) -> None:
    """Put the file there by exclusive create. Raises DeployError; an identical file is fine."""
    path = f"{store.root}/{library.file_name}"
    try:
        store.create_root()
        store.upload(path, content, library.size)
    except AlreadyExists:
        # Someone uploaded since we looked; only the very same bytes are right.
        if not is_stored(store, library, store.files()):
            raise _failed(path, "the file appeared and vanished while it was uploaded") from None
    except NotFound as error:
        raise root_unavailable(store.root, error) from error
    except Denied as error:
        raise fail(
            FailureReason.PERMISSION_DENIED,
            f"The library can't be written to {store.root}.",
            detail=str(error),
            remedy="Give this identity WRITE VOLUME on the volume, or CAN MANAGE on the folder.",
        ) from error
    except (Refused, Unavailable) as error:
        raise _failed(path, str(error)) from error


class _Watched(io.BufferedReader):
    """A file whose reading ends when the run is to stop, and with it the upload that reads it."""

    def __init__(self, file: Path, stopped: Callable[[], bool]) -> None:
        super().__init__(io.FileIO(file))
        self._stopped = stopped

    def read(self, size: int | None = -1, /) -> bytes:
        """As usual. Raises Interrupted."""
        if self._stopped():
            raise Interrupted
        return super().read(size)


def opened(file: Path, stopped: Callable[[], bool]) -> BinaryIO:
    """`file` to read for an upload; reading raises Interrupted once `stopped` says so.

    No store has a file that was not sent whole, so breaking off leaves nothing behind.
    """
    return _Watched(file, stopped)


def root_unavailable(root: str, error: NotFound) -> DeployError:
    """What is told when something above the root is missing that a deployment can't make."""
    return fail(
        FailureReason.ROOT_UNAVAILABLE,
        f"The root {root} can't be made.",
        detail=str(error),
        remedy="Create the volume or the folder above it, or correct `root`.",
    )


def _failed(path: str, detail: str) -> DeployError:
    return fail(
        FailureReason.UPLOAD_FAILED,
        f"Uploading {path} failed; no job was touched.",
        detail=detail,
        remedy="Run it again: a re-run finishes the work.",
    )


def _same_build(file_name: str, library: Library) -> bool:
    """Whether `file_name` is another spelling of this library, version and tags.

    Wheels of one version for several platforms may lie side by side; two files that an installer
    could take for each other may not.
    """
    stored = versions_of(library.distribution, [(file_name, 0)])
    same_version = bool(stored) and stored[0].version == library.version
    return same_version and (
        library.kind is not Kind.WHEEL or _tags(file_name) == _tags(library.file_name)
    )


def _tags(wheel: str) -> list[str]:
    """Python, ABI and platform, which end the file name of a wheel (PEP 427)."""
    return wheel.lower().split("-")[-3:]


def _exists(
    library: Library, stored: StoredFile, files: tuple[StoredFile, ...], *, readable: bool
) -> DeployError:
    stored_files = [(file.path, 0) for file in files]
    taken = versions_of(library.distribution, stored_files)
    free = next_free(library.version, [one.version for one in taken])
    spelled = spelled_for_jars(free) if library.kind is Kind.JAR else str(free)
    detail = f"It is published at {stored.path} with other bytes, and clusters cache by path."
    if not readable:
        detail = (
            f"{stored.path} is too large to be read back, so it can't be proven to be the same."
        )
    return fail(
        FailureReason.VERSION_EXISTS,
        f"This version ({library.version}) already exists.",
        detail=detail,
        remedy=f"Raise the version of {library.display_name} to {spelled} and build it again.",
    )
