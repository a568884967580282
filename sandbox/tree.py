"""Files and folders, in workspace and volumes alike.

Owns: the rows of nodes and their content, kept in pieces so that a big file never sits in memory.
Must not know HTTP or permissions: files.py and volumes.py do.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from sandbox import paths
from sandbox.store import Store, now_ms

FILE, DIRECTORY, NOTEBOOK = "FILE", "DIRECTORY", "NOTEBOOK"
_PIECE = 1024 * 1024
_SELECT = "SELECT path, object_id, kind, language, size, created_at, modified_at FROM nodes"


@dataclass(frozen=True)
class Node:
    """A file, a folder or a notebook; times in milliseconds since the epoch, size in bytes."""

    path: str
    object_id: int
    kind: str
    language: str
    size: int
    created_at: int
    modified_at: int


class Tree:
    """All nodes by canonical path (see paths.py)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, path: str) -> Node | None:
        """The node at a path."""
        found = self._store.row(_SELECT + " WHERE path = ?", path)
        return None if found is None else Node(*found)

    def by_id(self, object_id: int) -> Node | None:
        """The node with an object id."""
        found = self._store.row(
            _SELECT + " WHERE object_id = ?",
            object_id,
        )
        return None if found is None else Node(*found)

    def children(self, path: str, after: str = "", limit: int = -1) -> list[Node]:
        """The nodes directly in a folder, ordered by path, from the one after ``after`` on."""
        rows = self._store.rows(
            _SELECT + " WHERE parent = ? AND path > ? ORDER BY path LIMIT ?",
            path,
            after,
            limit,
        )
        return [Node(*row) for row in rows]

    def files(self) -> list[Node]:
        """Everything that is not a folder, ordered by path."""
        rows = self._store.rows(
            _SELECT + " WHERE kind != ? ORDER BY path",
            DIRECTORY,
        )
        return [Node(*row) for row in rows]

    def make_folders(self, path: str) -> None:
        """Create a folder and those above it.

        Raises:
            FileExistsError: something on the way is no folder.
        """
        with self._store.transaction():
            for each in reversed(paths.ancestry(path)[:-1]):
                node = self.get(each)
                if node is None:
                    self._add(each, DIRECTORY)
                elif node.kind != DIRECTORY:
                    raise FileExistsError(each)

    def write(self, path: str, content: IO[bytes], kind: str = FILE, language: str = "") -> Node:
        """Create or replace a file; a replaced one keeps its object id.

        Raises:
            FileNotFoundError: the folder above is missing.
            IsADirectoryError: the path is a folder.
        """
        with self._store.transaction():
            above = self.get(paths.parent(path))
            if above is None or above.kind != DIRECTORY:
                raise FileNotFoundError(paths.parent(path))
            node = self.get(path)
            if node is None:
                object_id = self._add(path, kind)
            elif node.kind == DIRECTORY:
                raise IsADirectoryError(path)
            else:
                object_id = node.object_id
            self._store.run("DELETE FROM chunks WHERE object_id = ?", object_id)
            size = self._fill(object_id, content)
            self._store.run(
                "UPDATE nodes SET kind = ?, language = ?, size = ?, modified_at = ? WHERE path = ?",
                kind,
                language,
                size,
                now_ms(),
                path,
            )
            written = self.get(path)
            if written is None:  # pragma: no cover - it was written in this transaction
                raise FileNotFoundError(path)
            return written

    def _add(self, path: str, kind: str) -> int:
        object_id = self._store.next_id()
        now = now_ms()
        self._store.run(
            "INSERT INTO nodes (path, parent, object_id, kind, created_at, modified_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            path,
            paths.parent(path),
            object_id,
            kind,
            now,
            now,
        )
        return object_id

    def _fill(self, object_id: int, content: IO[bytes], place: int = 0) -> int:
        size = 0
        while piece := content.read(_PIECE):
            self._store.run(
                "INSERT INTO chunks (object_id, place, data) VALUES (?, ?, ?)",
                object_id,
                place,
                piece,
            )
            size, place = size + len(piece), place + 1
        return size

    def append(self, node: Node, data: bytes) -> None:
        """Add bytes to the end of a file."""
        with self._store.transaction():
            place, start = node.size // _PIECE, node.size // _PIECE * _PIECE
            whole = b"".join(self.pieces(node, start)) + data
            self._store.run(
                "DELETE FROM chunks WHERE object_id = ? AND place >= ?", node.object_id, place
            )
            self._fill(node.object_id, io.BytesIO(whole), place)
            self._store.run(
                "UPDATE nodes SET size = ?, modified_at = ? WHERE path = ?",
                node.size + len(data),
                now_ms(),
                node.path,
            )

    def move(self, node: Node, path: str) -> None:
        """Give a file another path; nothing may be there."""
        self._store.run(
            "UPDATE nodes SET path = ?, parent = ? WHERE path = ?",
            path,
            paths.parent(path),
            node.path,
        )

    def pieces(self, node: Node, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The content from byte ``start`` up to ``stop``, piece by piece.

        Each piece is read on its own; a file that is replaced meanwhile reads as a mixture.
        """
        end = node.size if stop is None else min(stop, node.size)
        for place in range(start // _PIECE, -(-end // _PIECE)):
            found = self._store.row(
                "SELECT data FROM chunks WHERE object_id = ? AND place = ?", node.object_id, place
            )
            data = b"" if found is None else bytes(found[0])
            base = place * _PIECE
            yield data[max(0, start - base) : max(0, end - base)]

    def read(self, node: Node) -> bytes:
        """The whole content."""
        return b"".join(self.pieces(node))

    def delete(self, path: str) -> None:
        """Delete a node and everything below it."""
        # GLOB and LIKE would read * and % in names; a range over the prefix does not.
        below = (path, f"{path}/", f"{path}0")
        with self._store.transaction():
            self._store.run(
                "DELETE FROM chunks WHERE object_id IN"
                " (SELECT object_id FROM nodes WHERE path = ? OR (path >= ? AND path < ?))",
                *below,
            )
            self._store.run("DELETE FROM nodes WHERE path = ? OR (path >= ? AND path < ?)", *below)
            self._store.run(
                "DELETE FROM acl WHERE kind = 'directories'"
                " AND (object = ? OR (object >= ? AND object < ?))",
                *below,
            )


def in_memory(content: bytes) -> IO[bytes]:
    """Bytes as something to read from."""
    return io.BytesIO(content)


def is_notebook(path: str, head: bytes) -> bool:
    """Whether an import with format AUTO makes a notebook of this (facts C, SDK mixins/workspace).

    Args:
        path: where it goes.
        head: the first bytes of the content.
    """
    marks: dict[str, tuple[bytes, ...]] = {
        ".py": (b"# Databricks notebook source",),
        ".r": (b"# Databricks notebook source",),
        ".sql": (b"-- Databricks notebook source",),
        ".scala": (b"// Databricks notebook source",),
    }
    suffix = path[path.rfind(".") :].lower() if "." in path else ""
    return suffix == ".ipynb" or head.startswith(marks.get(suffix, (b"\0never",)))


def object_info(node: Node, shown_path: str) -> dict[str, Any]:
    """A node as the Workspace API shows it (Workspace API docs, ObjectInfo)."""
    info: dict[str, Any] = {
        "object_type": node.kind,
        "path": shown_path,
        "object_id": node.object_id,
        "resource_id": str(node.object_id),
    }
    if node.kind != DIRECTORY:
        info |= {"created_at": node.created_at, "modified_at": node.modified_at}
    if node.kind == FILE:
        info["size"] = node.size
    if node.language:
        info["language"] = node.language
    return info
