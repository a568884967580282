"""RECORD: the list of a wheel's files with their hashes, and whether it is true.

Owns reading RECORD and verifying every file against it (PyPA "Recording installed projects" and
"Binary distribution format"). Memory stays bounded: files are hashed as streams.
"""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from deployer.library.archive import Archive, Fault, UnsoundArchiveError

_ALGORITHMS = {"sha256", "sha384", "sha512"}  # "sha256 or better"; md5 and sha1 are not allowed
_SIGNATURES = (".jws", ".p7s")  # written after RECORD, so it can't list them
_COLUMNS = 3


@dataclass(frozen=True)
class Row:
    """What RECORD says of one file."""

    algorithm: str
    digest: str  # URL-safe base64 without padding
    size: str


def parse_record(text: str) -> dict[str, Row]:
    """Path to row.

    Raises:
        ValueError: It is no such table; the message says why.
    """
    rows: dict[str, Row] = {}
    try:
        for cells in csv.reader(text.splitlines()):
            if not cells:
                continue
            if len(cells) != _COLUMNS:
                raise ValueError(f"a line has {len(cells)} columns instead of path, hash and size")
            path, stated, size = cells
            algorithm, _, digest = stated.partition("=")
            row = Row(algorithm.lower(), digest.rstrip("="), size)
            if rows.setdefault(path, row) != row:
                raise ValueError(f"it lists {path!r} twice, and differently")
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return rows


def verify_record(archive: Archive, record: str, rows: dict[str, Row]) -> Iterator[Fault]:
    """Compare every file of `archive` with its row; `record` is the path of RECORD itself."""
    exempt = {record, *(record + suffix for suffix in _SIGNATURES)}
    files = archive.files.keys() - exempt
    listed = rows.keys() - exempt
    yield from _fault("holds files that RECORD does not list", files - listed)
    yield from _fault("lacks files that RECORD lists", listed - files)
    weak = {path for path in files & listed if rows[path].algorithm not in _ALGORITHMS}
    yield from _fault("has files whose hash in RECORD is missing or weaker than SHA-256", weak)
    changed, damaged = set(), set()
    for path in (files & listed) - weak:
        try:
            same = _digest(archive, path, rows[path].algorithm) == rows[path].digest
            if not same or rows[path].size not in {"", str(archive.files[path].file_size)}:
                changed.add(path)
        except UnsoundArchiveError:
            damaged.add(path)
    yield from _fault("holds files that are not what RECORD says", changed)
    yield from _fault("holds files that are damaged and can't be read", damaged)


def _digest(archive: Archive, path: str, algorithm: str) -> str:
    hasher = hashlib.new(algorithm)
    for chunk in archive.chunks(path):
        hasher.update(chunk)
    return base64.urlsafe_b64encode(hasher.digest()).rstrip(b"=").decode()


def _fault(what: str, paths: set[str]) -> Iterator[Fault]:
    if paths:
        yield Fault(what, tuple(sorted(paths)))
