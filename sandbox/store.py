"""The state of the workspace: one SQLite database, in a file or in memory.

Owns: the connection, the tables, transactions and identifiers. Must not know what the rows mean:
the modules that play an API write their own statements.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.errors import JsonObject

_SCHEMA_VERSION = 1
_FIRST_ID = 100_001
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE users (name TEXT PRIMARY KEY, id INTEGER NOT NULL, token TEXT UNIQUE NOT NULL,
    groups TEXT NOT NULL);
CREATE TABLE acl (kind TEXT NOT NULL, object TEXT NOT NULL, principal_kind TEXT NOT NULL,
    principal TEXT NOT NULL, level TEXT NOT NULL, cap INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, object, principal_kind, principal, level, cap));
CREATE TABLE jobs (job_id INTEGER PRIMARY KEY, sequence INTEGER UNIQUE NOT NULL,
    name TEXT NOT NULL, creator TEXT NOT NULL, run_as TEXT NOT NULL,
    created_time INTEGER NOT NULL, settings TEXT NOT NULL);
CREATE INDEX jobs_by_name ON jobs (name);
CREATE TABLE nodes (path TEXT PRIMARY KEY, parent TEXT NOT NULL, object_id INTEGER UNIQUE NOT NULL,
    kind TEXT NOT NULL, language TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL, modified_at INTEGER NOT NULL);
CREATE INDEX nodes_by_parent ON nodes (parent, path);
CREATE TABLE chunks (object_id INTEGER NOT NULL, place INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (object_id, place));
CREATE TABLE documents (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, id));
CREATE TABLE runs (run_id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, active INTEGER NOT NULL,
    start_time INTEGER NOT NULL, body TEXT NOT NULL, plan TEXT NOT NULL);
CREATE INDEX runs_by_job ON runs (job_id, active);
CREATE TABLE task_runs (run_id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, output TEXT NOT NULL);
CREATE TABLE idempotency (token TEXT NOT NULL, kind TEXT NOT NULL, run_id INTEGER NOT NULL,
    PRIMARY KEY (token, kind));
"""


def now_ms() -> int:
    """The time in milliseconds since the epoch, as the APIs give it."""
    return time.time_ns() // 1_000_000


class StoreClosedError(Exception):
    """The sandbox has stopped; what is still under way has nowhere to write."""


class Store:
    """The database; every use stands in a ``transaction``, one at a time."""

    def __init__(self, file: Path | None) -> None:
        """Open, and create where needed.

        Raises:
            ValueError: the file is no state of this version; names the file.
        """
        self._lock = threading.RLock()
        self._depth = 0
        self._closed = False
        try:
            self._connection = sqlite3.connect(
                ":memory:" if file is None else file, check_same_thread=False, isolation_level=None
            )
        except sqlite3.Error as error:
            raise ValueError(f"The state file {file} can't be opened: {error}.") from error
        try:
            self._prepare(file)
        except (sqlite3.Error, ValueError) as error:
            self._connection.close()
            raise ValueError(f"The state file {file} can't be used: {error}.") from error

    def _prepare(self, file: Path | None) -> None:
        if file is not None:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            # executescript would end our transaction, so the script brings its own.
            self._connection.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;"
            )
        elif version != _SCHEMA_VERSION:
            raise ValueError(f"it has format {version}, and this sandbox reads {_SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the database; what was committed stays."""
        with self._lock:
            self._closed = True
            self._connection.close()

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Nobody else meanwhile: enough for a single statement that reads.

        Raises:
            StoreClosedError: after ``close``.
        """
        with self._lock:
            if self._closed:
                raise StoreClosedError
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and nobody else meanwhile; nests into the outer one.

        Raises:
            StoreClosedError: after ``close``.
        """
        with self._open():
            outermost = self._depth == 0
            if outermost:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self._connection.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def run(self, statement: str, *values: Any) -> int:
        """Execute a statement; the number of rows it changed."""
        with self.transaction():
            return self._connection.execute(statement, values).rowcount

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._open():
            return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        with self._open():
            found: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
            return found

    def next_id(self) -> int:
        """A number that no job, run, user or file has yet."""
        with self.transaction():
            value = int(self.meta("next_id", str(_FIRST_ID)))
            self.put_meta("next_id", str(value + 1))
            return value

    def reserve_id(self, taken: int) -> None:
        """Keep ``next_id`` above a number that came from outside."""
        with self.transaction():
            if taken >= int(self.meta("next_id", str(_FIRST_ID))):
                self.put_meta("next_id", str(taken + 1))

    def meta(self, key: str, default: str) -> str:
        """A single value, or the default."""
        found = self.row("SELECT value FROM meta WHERE key = ?", key)
        return default if found is None else str(found[0])

    def put_meta(self, key: str, value: str) -> None:
        """Set a single value."""
        self.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, value)

    def document(self, kind: str, name: str) -> JsonObject | None:
        """A JSON document by kind and id, or None."""
        found = self.row("SELECT body FROM documents WHERE kind = ? AND id = ?", kind, name)
        return None if found is None else dict(json.loads(found[0]))

    def documents(self, kind: str) -> list[JsonObject]:
        """All documents of a kind, ordered by id."""
        found = self.rows("SELECT body FROM documents WHERE kind = ? ORDER BY id", kind)
        return [json.loads(body) for (body,) in found]

    def put_document(self, kind: str, name: str, body: JsonObject) -> None:
        """Create or replace a document."""
        self.run(
            "INSERT OR REPLACE INTO documents (kind, id, body) VALUES (?, ?, ?)",
            kind,
            name,
            json.dumps(body),
        )

    def delete_document(self, kind: str, name: str) -> bool:
        """Delete a document; False when there is none."""
        return self.run("DELETE FROM documents WHERE kind = ? AND id = ?", kind, name) > 0
