"""`SHA256SUMS`: the hashes of a release's files, as `sha256sum --check` reads them.

Owns that text, both ways. What it reads may come from anybody. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NAME = "SHA256SUMS"
LIMIT = 1024 * 1024  # bytes that are read of one
_LINE = re.compile(r"(?P<sum>[0-9a-fA-F]{64}) [ *](?P<name>[^\0]+)")


def written(sums: Mapping[str, str]) -> bytes:
    r"""The file that says of each name its SHA-256 (64 hex digits), in the order of the names.

    Raises ValueError for a name that would end its line, or that `sha256sum` would read otherwise.
    """
    lines = []
    for name, digest in sorted(sums.items()):
        if (
            not name
            or any(mark in name for mark in "\n\r\0\\")
            or not re.fullmatch(r"[0-9a-f]{64}", digest)
        ):
            raise ValueError(f"{name!r} can't stand in {NAME}")
        lines.append(f"{digest}  {name}\n")
    return "".join(lines).encode()


def sum_of(content: bytes, name: str) -> str | None:
    """What `content` says of the file `name`, in lower case; None when it says nothing, or two things."""
    found = set()
    for line in content[:LIMIT].decode("utf-8", "replace").splitlines():
        parts = _LINE.fullmatch(line)
        if parts and parts["name"] == name:
            found.add(parts["sum"].lower())
    return found.pop() if len(found) == 1 else None
