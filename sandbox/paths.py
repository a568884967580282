"""Spellings of workspace paths.

Owns: which spellings name the same object (facts A2). Pure.
"""

from __future__ import annotations

import posixpath
import re

WORKSPACE, VOLUMES, DBFS = "/Workspace", "/Volumes", "dbfs:"
_ALIASED = ("Users", "Shared", "Repos")
_VOLUME_DEPTH = 4


def canonical(path: str, *, aliases: bool = True) -> str:
    """The one spelling under which an object is stored.

    ``//`` collapses, a trailing slash goes, ``/Users/x`` becomes ``/Workspace/Users/x``; ``dbfs:``
    before ``/Volumes`` goes, ``/dbfs/x`` becomes ``dbfs:/x``. ``..`` is resolved, so nothing escapes.

    Raises:
        ValueError: not an absolute path.
    """
    in_dbfs = path.startswith("dbfs:/") and not path.startswith("dbfs:/Volumes")
    plain = path.removeprefix(DBFS)
    if not plain.startswith("/"):
        raise ValueError(f"Path ({path}) is not absolute.")
    plain = posixpath.normpath(re.sub("/+", "/", plain))
    if in_dbfs:
        return DBFS if plain == "/" else f"{DBFS}{plain}"
    first = plain.split("/")[1]
    if first == "dbfs":
        return canonical(f"{DBFS}/{plain.removeprefix('/dbfs').lstrip('/')}")
    if f"/{first}" in (WORKSPACE, VOLUMES):
        return plain
    if first in _ALIASED and not aliases:
        return plain
    return WORKSPACE if plain == "/" else f"{WORKSPACE}{plain}"


def as_asked(path: str, asked: str) -> str:
    """A stored path in the caller's style: with ``/Workspace`` only if the question had it.

    Source: the CLI's test server keeps the prefix of the request in its answers.
    """
    if asked.lstrip("/").split("/")[0] == "Workspace" or not path.startswith(WORKSPACE):
        return path
    return path.removeprefix(WORKSPACE) or "/"


def parent(path: str) -> str:
    """The folder that holds a stored path."""
    return posixpath.dirname(path)


def ancestry(path: str) -> list[str]:
    """The path and all folders above it, nearest first."""
    found = [path]
    while path not in ("/", ""):
        path = posixpath.dirname(path)
        found.append(path)
    return found


def volume_of(path: str) -> str | None:
    """The full name ``catalog.schema.volume`` of a path in a volume, or None."""
    parts = path.split("/")
    if len(parts) <= _VOLUME_DEPTH or f"/{parts[1]}" != VOLUMES or not all(parts[2:5]):
        return None
    return ".".join(parts[2:5])


def volume_root(full_name: str) -> str:
    """The path of a volume.

    Raises:
        ValueError: the name does not have three parts.
    """
    parts = full_name.split(".")
    if len(parts) != _VOLUME_DEPTH - 1 or not all(parts):
        raise ValueError(f"A volume's full name is catalog.schema.volume, not {full_name!r}.")
    return "/".join((VOLUMES, *parts))
