"""Spellings of one path: which strings mean the same file, and how to write the new one.

Owns the equivalences of facts A2. Paths are compared in canonical form and written back in the
spelling that was there. Must not decide whether a path may be changed.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_WORKSPACE_ALIASES = ("/Users/", "/Shared/", "/Repos/")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ENCODED = re.compile(r"(?:file|https?):", re.I)  # schemes whose paths are percent-encoded
_UNRESOLVED = re.compile(r"\{\{[^{}]*\}\}|\$\{[^{}]*\}|%[A-Z_]{2,}%")


def canonical(path: str) -> str | None:
    """The one spelling that stands for all spellings of `path`; None when it can't be known.

    `/Shared/x` is `/Workspace/Shared/x`, `dbfs:/Volumes/x` and `file:///Volumes/x` are `/Volumes/x`,
    `/dbfs/x` is `dbfs:/x`, double slashes collapse. Object storage (`s3://…`) stands for itself.
    Relative paths, `..` and unresolved variables are None.
    """
    if not path or is_unresolved(path):
        return None
    scheme = _SCHEME.match(path)
    if scheme is None:
        return _absolute(path)
    name, rest = scheme.group().lower(), path[scheme.end() :]
    if name == "file:":
        rest = unquote(rest)
        rest = rest.removeprefix("//localhost") if rest.startswith("//localhost/") else rest
    if name not in {"file:", "dbfs:"} or (rest.startswith("//") and not rest.startswith("///")):
        return _itself(path)  # dbfs://aa/bb: `aa` reads as an authority
    return _absolute(rest) if name == "file:" else _in_dbfs(rest)


def file_name(path: str) -> str:
    """The last part of `path`, as the file is called."""
    return decoded(path).rsplit("/", 1)[-1]


def decoded(path: str) -> str:
    """`path` without the percent-encoding that a URL has; elsewhere `%2B` is part of the name."""
    return unquote(path) if _ENCODED.match(path) else path


def is_unresolved(path: str) -> bool:
    """Whether `path` holds a variable that only the run resolves, such as `{{job.parameters.x}}`."""
    return _UNRESOLVED.search(decoded(path)) is not None


def is_inside(path: str, root: str) -> bool:
    """Whether canonical `path` lies at or below canonical `root`."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def respelled(spelling: str, root: str, name: str) -> str | None:
    """`<root>/<name>` in the spelling that `spelling`, a path below `root`, has.

    `root` is canonical. The directory keeps its characters; of a path in a folder below the root the
    folder goes, because the file lies in the root itself. None when `spelling` is not below `root`.
    """
    new = quote(name, safe="+") if _ENCODED.match(spelling) else name
    directory, slash, _ = spelling.rpartition("/")
    if slash and canonical(directory) == root:
        return f"{directory}/{new}"
    for cut, character in enumerate(spelling):
        # Of several slashes in a row only the first ends a directory.
        if character == "/" and spelling[cut - 1] != "/" and canonical(spelling[:cut]) == root:
            return f"{spelling[:cut]}/{new}"
    return None


def _itself(path: str) -> str | None:
    return None if ".." in decoded(path).split("/") else path


def _absolute(path: str) -> str | None:
    whole = _collapsed(path)
    if whole is None:
        return None
    if whole.startswith("/dbfs/"):
        return _in_dbfs(whole.removeprefix("/dbfs"))
    if f"{whole}/".startswith(_WORKSPACE_ALIASES):
        return f"/Workspace{whole}"
    return whole


def _in_dbfs(path: str) -> str | None:
    whole = _collapsed(path)
    if whole is None or whole.startswith("/Volumes/"):
        return whole
    return f"dbfs:{whole}"


def _collapsed(path: str) -> str | None:
    """The absolute `path` without empty parts; None when it is relative or goes up."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if not path.startswith("/") or ".." in parts:
        return None
    return "/" + "/".join(parts)
