"""Spellings of one path: which strings mean the same file, and how to write the new one.

Owns the equivalences of facts A2. Paths are compared in canonical form and written back in the
spelling that was there. Must not decide whether a path may be changed.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_WORKSPACE_ALIASES = ("/Users/", "/Shared/", "/Repos/")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNRESOLVED = re.compile(r"\{\{.*?\}\}|\$\{[^}]*\}|%[A-Z_]{2,}%")


def canonical(path: str) -> str | None:
    """The one spelling that stands for all spellings of `path`; None when it can't be known.

    `/Shared/x` is `/Workspace/Shared/x`, `dbfs:/Volumes/x` and `file:///Volumes/x` are `/Volumes/x`,
    `/dbfs/x` is `dbfs:/x`, double slashes collapse. Object storage (`s3://…`) stands for itself.
    Relative paths, `..` and unresolved variables are None.
    """
    if is_unresolved(path) or not path:
        return None
    scheme = _SCHEME.match(path)
    if scheme is None:
        return _absolute(path)
    name, rest = scheme.group().lower(), path[scheme.end() :]
    if name == "file:":
        return _absolute(_without_authority(unquote(rest)))
    if name == "dbfs:":
        local = _without_authority(rest)
        if not local.startswith("/") or local.startswith("//"):
            return path  # dbfs://aa/bb: `aa` reads as an authority; it stands for itself
        inner = _absolute(local)
        if inner is None or inner.startswith("/Volumes/"):
            return inner
        return f"dbfs:{inner}"
    return path


def is_unresolved(path: str) -> bool:
    """Whether `path` holds a variable that only the run resolves, such as `{{job.parameters.x}}`."""
    return _UNRESOLVED.search(path) is not None


def is_inside(path: str, root: str) -> bool:
    """Whether canonical `path` lies at or below canonical `root`."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def respelled(spelling: str, root: str, file_name: str) -> str | None:
    """`<root>/<file_name>` in the spelling that `spelling`, a path below `root`, has.

    `root` is canonical. The directory keeps its characters; of a path in a folder below the root the
    folder goes, because the file lies in the root itself. None when `spelling` is not below `root`.
    """
    name = quote(file_name, safe="+") if spelling[:5].lower() == "file:" else file_name
    cuts = [at for at, character in enumerate(spelling) if character == "/"]
    if not cuts:
        return None
    directory = spelling[: cuts[-1]]
    if canonical(directory) == root:
        return f"{directory}/{name}"
    for cut in cuts:
        if canonical(spelling[:cut]) == root:
            return f"{spelling[:cut]}/{name}"
    return None


def _absolute(path: str) -> str | None:
    if not path.startswith("/"):
        return None
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts:
        return None
    whole = "/" + "/".join(parts)
    if whole.startswith("/dbfs/"):
        inner = whole.removeprefix("/dbfs")
        return inner if inner.startswith("/Volumes/") else f"dbfs:{inner}"
    if any(f"{whole}/".startswith(alias) for alias in _WORKSPACE_ALIASES):
        return f"/Workspace{whole}"
    return whole


def _without_authority(rest: str) -> str:
    """`///x` (an empty authority) is `/x`; `//host/x` stays."""
    return "/" + rest.lstrip("/") if rest.startswith("///") else rest
