"""A zip that others made, read with care: members are bounded, soundly named and never unpacked.

Owns the limits against zip bombs and the rules for member names; `wheel`, `jar` and `egg` give the
members their meaning. Must not write anything: members are read as streams of bounded size.
"""

from __future__ import annotations

import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

CHUNK = 1 << 20  # bytes read at a time
_SHOWN = 10  # names shown of a list of offenders
_READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # what PyPI and uv accept as well
_ENCRYPTED = 0x1  # bit of a member's flags

# What zipfile and zlib raise on bytes that are no sound archive; the fuzz test keeps it complete.
_UNSOUND = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold: generous for real libraries, bearable for machines."""

    members: int = 100_000
    directory: int = 64 << 20  # bytes of the central directory, which is read at once
    uncompressed: int = 8 << 30  # bytes of all members together
    ratio: int = 200  # uncompressed to compressed; deflate can reach 1032
    ratio_from: int = 64 << 20  # uncompressed bytes below which no ratio is a danger
    metadata: int = 16 << 20  # bytes of one metadata file, which is read at once
    statement: int = 4 << 20  # bytes of one that is not a list of all files
    lines: int = 5_000  # that state one thing each: requirements, tags


LIMITS = Limits()


class UnsoundArchiveError(Exception):
    """The archive or a member can't be read; the message is the end of a sentence about it."""


@dataclass(frozen=True)
class Fault:
    """Members that no honest library holds; `what` is the end of a sentence about the file."""

    what: str
    members: tuple[str, ...]


class Archive:
    """The members of a zip. The stream stays the caller's, and open."""

    def __init__(self, stream: BinaryIO, size: int, limits: Limits = LIMITS) -> None:
        """Read the directory of the zip in `stream`, which holds `size` bytes.

        Raises:
            UnsoundArchiveError: It is no zip, or holds more than the limits allow.
        """
        self._limits = limits
        try:
            self._zip = zipfile.ZipFile(_BoundedReads(stream, limits.directory))
        except _UNSOUND as error:
            raise UnsoundArchiveError(f"is no complete zip archive ({error})") from None
        self._entries = self._zip.infolist()
        self._check_bounds(size)
        self.files: Mapping[str, zipfile.ZipInfo] = {
            entry.filename: entry
            for entry in self._entries
            if not entry.filename.endswith("/")  # is_dir() fails on an empty name (Python 3.11)
        }

    def faults(self) -> Iterator[Fault]:
        """Everything about the members that makes the file unsafe, one fault for each sort."""
        for what, is_faulty in _RULES:
            if offenders := [e.orig_filename for e in self._entries if is_faulty(e)]:
                yield Fault(what, tuple(offenders))
        if self._entries and min(entry.header_offset for entry in self._entries) > 0:
            yield Fault("has other data in front of the archive", ())

    def clashes(self) -> Iterator[Fault]:
        """Names that stand for more than one thing, so that unpacking loses one of them."""
        counts = Counter(entry.filename for entry in self._entries)
        if twice := [name for name, count in counts.items() if count > 1]:
            yield Fault("holds several members of one name", tuple(twice))
        folders = {name[:i] for name in counts for i, c in enumerate(name) if c == "/"}
        if both := sorted(folders & self.files.keys()):
            yield Fault("holds members that are a file and a folder at once", tuple(both))

    def damaged(self) -> Iterator[Fault]:
        """Files whose bytes can't be read whole; every file is read for it."""
        if broken := [name for name in self.files if not self._is_whole(name)]:
            yield Fault("holds files that are damaged and can't be read", tuple(broken))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member, in pieces of at most `CHUNK` bytes.

        Raises:
            UnsoundArchiveError: It is damaged, encrypted or compressed in an unknown way.
        """
        try:
            with self._zip.open(self.files[name]) as member:
                while chunk := member.read(CHUNK):
                    yield chunk
        except _UNSOUND as error:
            raise UnsoundArchiveError(
                f"holds {shown([name])}, which can't be read ({error})"
            ) from None

    def read(self, name: str, *, is_list: bool = False) -> bytes:
        """The whole content of a metadata file; `is_list` says that it lists all files.

        Raises:
            UnsoundArchiveError: As `chunks`, or it is larger than any metadata.
        """
        limits = self._limits
        most = limits.metadata if is_list else min(limits.metadata, limits.statement)
        if self.files[name].file_size > most:
            raise UnsoundArchiveError(
                f"holds {shown([name])} of {self.files[name].file_size} bytes; "
                f"metadata has at most {most}"
            )
        return b"".join(self.chunks(name))

    def _is_whole(self, name: str) -> bool:
        try:
            for _ in self.chunks(name):
                pass
        except UnsoundArchiveError:
            return False
        return True

    def _check_bounds(self, size: int) -> None:
        limits = self._limits
        if len(self._entries) > limits.members:
            raise UnsoundArchiveError(
                f"holds {len(self._entries)} members; at most {limits.members} are allowed"
            )
        # zipfile never yields more than the declared size of a member, so their sum is a bound.
        total = sum(entry.file_size for entry in self._entries)
        if total > limits.uncompressed:
            raise UnsoundArchiveError(
                f"unpacks to {total} bytes; at most {limits.uncompressed} are allowed"
            )
        if total > max(limits.ratio_from, limits.ratio * size):
            raise UnsoundArchiveError(
                f"is a zip bomb: {size} bytes unpack to {total}, more than {limits.ratio} to one"
            )


def shown(names: Sequence[str]) -> str:
    """The first of `names`, quoted, control characters escaped, and how many more there are."""
    first = ", ".join(repr(name) for name in names[:_SHOWN])
    return first + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


class _BoundedReads:
    """A stream that refuses to be read in one piece beyond `limit` bytes.

    zipfile reads the whole central directory at once, as large as the file says it is.
    """

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size if 0 <= size <= self._limit else self._limit + 1)
        if len(data) > self._limit:
            raise zipfile.BadZipFile(f"its directory is larger than {self._limit} bytes")
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return self._stream.seekable()


def _leaves_folder(entry: zipfile.ZipInfo) -> bool:
    name = entry.orig_filename
    return name.startswith("/") or name[1:2] == ":" or ".." in name.split("/")


def _has_odd_name(entry: zipfile.ZipInfo) -> bool:
    name = entry.orig_filename
    parts = name.removesuffix("/").split("/")
    return (
        "\\" in name
        or any(unicodedata.category(char) in {"Cc", "Cs"} for char in name)
        or any(part in {"", "."} for part in parts if not name.startswith("/"))
    )


def _is_special(entry: zipfile.ZipInfo) -> bool:
    # What ends in a slash is a folder to whoever unpacks; Maven has given folders strange modes.
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return not entry.filename.endswith("/") and kind not in {0, stat.S_IFREG, stat.S_IFDIR}


def _is_encrypted(entry: zipfile.ZipInfo) -> bool:
    return bool(entry.flag_bits & _ENCRYPTED)


def _has_other_compression(entry: zipfile.ZipInfo) -> bool:
    return entry.compress_type not in _READABLE


_RULES: tuple[tuple[str, Callable[[zipfile.ZipInfo], bool]], ...] = (
    ("holds members that would be written outside the folder they are unpacked to", _leaves_folder),
    (
        "holds members with backslashes, control characters or empty parts in the name",
        _has_odd_name,
    ),
    ("holds symbolic links or other special files", _is_special),
    ("holds encrypted members", _is_encrypted),
    ("holds members compressed in another way than deflate", _has_other_compression),
)
