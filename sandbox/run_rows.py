"""Runs as the store keeps them.

Owns: the rows of runs and of the runs of their tasks. Must not start or end anything: runner.py does.
"""

from __future__ import annotations

import json
from typing import Any

from sandbox.errors import JsonObject
from sandbox.run_states import ACTIVE
from sandbox.store import Store


class RunRows:
    """All runs; bodies are as runs/get gives them back."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, body: JsonObject, plan: JsonObject) -> int:
        """Store a new run; ``plan`` holds ``settings``, ``tasks``, ``parameters`` and ``held``."""
        with self._store.transaction():
            run_id = self._store.next_id()
            body |= {"run_id": run_id, "job_run_id": run_id, "original_attempt_run_id": run_id}
            for task in body["tasks"]:
                task["run_id"] = self._store.next_id()
                self._store.run(
                    "INSERT INTO task_runs (run_id, parent, output) VALUES (?, ?, '{}')",
                    task["run_id"],
                    run_id,
                )
            self._store.run(
                "INSERT INTO runs (run_id, job_id, active, start_time, body, plan)"
                " VALUES (?, ?, 1, ?, ?, ?)",
                run_id,
                body["job_id"],
                body["start_time"],
                json.dumps(body),
                json.dumps(plan),
            )
        return run_id

    def body(self, run_id: int) -> JsonObject | None:
        """A run as stored."""
        found = self._store.row("SELECT body FROM runs WHERE run_id = ?", run_id)
        return None if found is None else dict(json.loads(found[0]))

    def bodies(self) -> list[JsonObject]:
        """All runs as stored, the oldest first."""
        rows = self._store.rows("SELECT body FROM runs ORDER BY run_id")
        return [json.loads(body) for (body,) in rows]

    def active(self, job_id: int) -> int:
        """How many runs of a job are not over and not queued."""
        found = self._store.rows("SELECT body FROM runs WHERE job_id = ? AND active = 1", job_id)
        states = [json.loads(body)["state"]["life_cycle_state"] for (body,) in found]
        return sum(each != "QUEUED" for each in states)

    def put(self, run_id: int, body: JsonObject) -> None:
        """Replace a run; it is active as long as its state says so."""
        self._store.run(
            "UPDATE runs SET body = ?, active = ? WHERE run_id = ?",
            json.dumps(body),
            int(body["state"]["life_cycle_state"] in ACTIVE),
            run_id,
        )

    def change(self, run_id: int, changes: JsonObject) -> None:
        """Set some fields of a run."""
        with self._store.transaction():
            body = self.body(run_id)
            if body is not None:
                self.put(run_id, {**body, **changes})

    def change_task(self, run_id: int, task_key: str, changes: JsonObject) -> None:
        """Set some fields of a task in a run."""
        with self._store.transaction():
            body = self.body(run_id)
            if body is None:
                return
            for task in body["tasks"]:
                if task["task_key"] == task_key:
                    task.update(changes)
            self.put(run_id, body)

    def plan(self, run_id: int) -> dict[str, Any]:
        """What a run set out to do: ``settings``, ``tasks``, ``parameters``, ``held``."""
        found = self._store.row("SELECT plan FROM runs WHERE run_id = ?", run_id)
        return dict(json.loads(found[0])) if found else {"tasks": [], "settings": {}}

    def put_output(self, run_id: int, task_key: str, output: JsonObject) -> None:
        """Store what a task left: ``logs``, ``error``, ``error_trace``."""
        for task in (self.body(run_id) or {"tasks": []})["tasks"]:
            if task["task_key"] == task_key:
                self._store.run(
                    "UPDATE task_runs SET output = ? WHERE run_id = ?",
                    json.dumps(output),
                    task["run_id"],
                )

    def output(self, task_run_id: int) -> tuple[int, JsonObject] | None:
        """The run a task belongs to, and what the task left."""
        found = self._store.row(
            "SELECT parent, output FROM task_runs WHERE run_id = ?", task_run_id
        )
        return None if found is None else (found[0], json.loads(found[1]))
