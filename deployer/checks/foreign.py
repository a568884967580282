"""Reads files that code which is not trusted may have put there, and nothing in their place.

A link would lead to files that only we may read, a pipe would be waited for, a file without an end would
fill the memory. Owns that none of them is read. Must not interpret what it reads.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_CHUNK = 1 << 20  # bytes


class UnwantedFile(OSError):
    """The file is none that we want to read; the message is the end of a sentence about it."""


def read_foreign(path: Path, largest: int, *, owner: int | None = None) -> bytes:
    """The content of a regular file of at most `largest` bytes, which belongs to `owner` if given.

    A link in the last part of `path` is not followed; folders above it must be ours.

    Raises:
        OSError: there is no such file, or it is an `UnwantedFile`.
    """
    with _opened(path, largest, owner) as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:  # it grew
        raise _too_large(largest)
    return content


def copy_foreign(path: Path, to: Path, largest: int, *, owner: int | None = None) -> None:
    """Copy such a file to `to`, a new file in a folder of ours. Raises OSError as `read_foreign`."""
    with _opened(path, largest, owner) as stream, to.open("xb") as copy:
        left = largest
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise _too_large(largest)
            copy.write(chunk)


def read_inside(path: Path, top: Path, largest: int, *, owner: int | None = None) -> bytes:
    """As `read_foreign`, but a link is followed as far as it stays below `top`, a resolved path.

    Projects do have such links. Raises OSError.
    """
    try:
        leads_to = path.resolve(strict=True)
    except (RuntimeError, ValueError) as error:  # links in a circle; a NUL in the name
        raise UnwantedFile(str(error)) from error
    if not leads_to.is_relative_to(top):
        raise UnwantedFile("it is a link that leads out of the project")
    return read_foreign(leads_to, largest, owner=owner)


@contextmanager
def _opened(path: Path, largest: int, owner: int | None) -> Iterator[IO[bytes]]:
    # Without O_NONBLOCK, opening a pipe waits for whoever writes to it.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:  # a NUL in the name
        raise UnwantedFile(str(error)) from error
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UnwantedFile("it is a link") from error
    try:
        _want(os.fstat(descriptor), largest, owner)
    except UnwantedFile:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def _want(found: os.stat_result, largest: int, owner: int | None) -> None:
    """Raise UnwantedFile for what is none that we want."""
    if not stat.S_ISREG(found.st_mode):
        raise UnwantedFile("it is no regular file")
    if owner is not None and found.st_uid != owner:
        raise UnwantedFile("it belongs to somebody else")  # by a hard link
    if found.st_size > largest:
        raise _too_large(largest)


def _too_large(largest: int) -> UnwantedFile:
    return UnwantedFile(f"it is too large, with more than {largest:,} bytes")
