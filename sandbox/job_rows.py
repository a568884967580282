"""Jobs as the store keeps them.

Owns: the rows of jobs. Must not refuse or change anything that settings hold: jobs.py does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.errors import JsonObject
from sandbox.permissions import Directory, Grant
from sandbox.store import Store, now_ms

_BATCH = 101


@dataclass(frozen=True)
class Job:
    """One row of jobs; ``settings`` as stored, in the order in which they came."""

    job_id: int
    sequence: int
    creator: str
    run_as: str
    created_time: int
    settings: JsonObject


_SELECT = "SELECT job_id, sequence, creator, run_as, created_time, settings FROM jobs"


def _job(row: tuple[Any, ...]) -> Job:
    job_id, sequence, creator, run_as, created_time, settings = row
    return Job(job_id, sequence, creator, run_as, created_time, json.loads(settings))


def find(store: Store, job_id: int) -> Job | None:
    """The job with this id."""
    found = store.row(_SELECT + " WHERE job_id = ?", job_id)
    return None if found is None else _job(found)


def all_jobs(store: Store) -> list[Job]:
    """All jobs, the newest first."""
    rows = store.rows(_SELECT + " ORDER BY sequence DESC")
    return [_job(row) for row in rows]


def insert(
    store: Store,
    directory: Directory,
    settings: JsonObject,
    *,
    creator: str,
    job_id: int | None = None,
    run_as: str | None = None,
    created_time: int | None = None,
) -> int:
    """Add a job without any check; its creator owns it.

    Raises:
        ValueError: the id is taken.
    """
    with store.transaction():
        sequence = store.next_id()
        number = sequence if job_id is None else job_id
        if find(store, number) is not None:
            raise ValueError(f"There is a job {number} already.")
        store.reserve_id(number)
        store.run(
            "INSERT INTO jobs (job_id, sequence, creator, run_as, created_time, settings, name)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            number,
            sequence,
            creator,
            run_as or creator,
            now_ms() if created_time is None else created_time,
            json.dumps(settings),
            _folded_name(settings),
        )
        directory.grant("jobs", str(number), Grant("user_name", creator, "IS_OWNER"))
    return number


def replace_settings(store: Store, job_id: int, settings: JsonObject) -> None:
    """Store other settings for a job; run_as of the settings, where given, is who it runs as."""
    with store.transaction():
        store.run(
            "UPDATE jobs SET settings = ?, name = ? WHERE job_id = ?",
            json.dumps(settings),
            _folded_name(settings),
            job_id,
        )
        run_as = run_as_of(settings)
        if run_as:
            store.run("UPDATE jobs SET run_as = ? WHERE job_id = ?", run_as, job_id)


def _folded_name(settings: JsonObject) -> str:
    return str(settings.get("name", "Untitled")).casefold()


def run_as_of(settings: JsonObject) -> str:
    """Who the settings say that the job runs as, or empty."""
    given = settings.get("run_as")
    if not isinstance(given, dict):
        return ""
    return str(given.get("user_name") or given.get("service_principal_name") or "")


def named(store: Store, name: str, below: int) -> Iterator[Job]:
    """Jobs older than a sequence number, the newest first; a name has to match but for case."""
    while True:
        rows = store.rows(
            _SELECT + " WHERE sequence < ? AND (? = '' OR name = ?) ORDER BY sequence DESC LIMIT ?",
            below,
            name,
            name.casefold(),
            _BATCH,
        )
        yield from map(_job, rows)
        if len(rows) < _BATCH:
            return
        below = rows[-1][1]


def remove(store: Store, directory: Directory, job_id: int) -> None:
    """Delete a job and its access list; its runs stay."""
    with store.transaction():
        store.run("DELETE FROM jobs WHERE job_id = ?", job_id)
        directory.clear("jobs", str(job_id))
