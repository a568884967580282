"""Runs on their way: starting, ordering tasks, cancelling, ending.

Owns: the rows of runs and the threads that drive them. Tasks are executed by sandbox.execution; the
endpoints stand in runs.py, the rules in run_states.py.

A run keeps the settings it started with, but a task reads its libraries when it starts: a file
deleted meanwhile is missing then, as in the real service (facts B3, databricks/cli #2958).
"""

from __future__ import annotations

import json
import logging
import queue
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from sandbox import paths
from sandbox.errors import JsonObject
from sandbox.run_states import (
    ACTIVE,
    CANCELED,
    FAILED,
    SUCCESS,
    dependencies,
    run_result,
    state,
    verdict,
)
from sandbox.store import Store, now_ms
from sandbox.tree import DIRECTORY, Tree

if TYPE_CHECKING:
    from sandbox.execution import TaskResult

_LOG = logging.getLogger("sandbox.runs")
_JOIN_S = 0.5
_FAILURE = "Workload failed, see run output for details"


class Executes(Protocol):
    """What executes a task: ``sandbox.execution.Executor``, or a test's own."""

    def run_task(
        self,
        task: Mapping[str, object],
        *,
        settings: Mapping[str, object],
        parameters: Mapping[str, str],
        cancelled: threading.Event,
    ) -> TaskResult:
        """Execute one task to its end."""
        ...

    def restart_cluster(self, cluster_id: str) -> None:
        """Let a running cluster forget its libraries."""
        ...


class Runner:
    """Drives the runs of one workspace; a run has a thread, and each of its tasks has one."""

    def __init__(
        self,
        store: Store,
        tree: Tree,
        *,
        cache: Path | None,
        environ: Mapping[str, str],
        stopping: threading.Event,
        executor: Executes | None = None,
    ) -> None:
        """Take over a store.

        Args:
            store: where runs are kept.
            tree: where libraries are read from.
            cache: where the executor keeps environments; None for a folder of its own.
            environ: the environment that the executor may draw on (PATH, JAVA_HOME, proxies).
            stopping: set when the sandbox stops, so that no queued run starts.
            executor: what executes tasks; None takes ``sandbox.execution`` when it is needed.
        """
        self._store = store
        self._tree = tree
        self._cache = cache
        self._environ = environ
        self._stopping = stopping
        self._executor = executor
        self._own_cache: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()
        self._threads: dict[int, threading.Thread] = {}
        self._cancelled: dict[int, threading.Event] = {}
        self._end_interrupted()

    def _end_interrupted(self) -> None:
        """What ran when the sandbox stopped can't go on; held runs can."""
        for run_id, plan in self._store.rows("SELECT run_id, plan FROM runs WHERE active = 1"):
            if not json.loads(plan)["held"]:
                self.finish(run_id, "INTERNAL_ERROR", FAILED, "The sandbox was stopped.")

    # --- rows

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

    def _put(self, run_id: int, body: JsonObject) -> None:
        self._store.run(
            "UPDATE runs SET body = ?, active = ? WHERE run_id = ?",
            json.dumps(body),
            int(body["state"]["life_cycle_state"] in ACTIVE),
            run_id,
        )

    def _change(self, run_id: int, changes: JsonObject) -> None:
        with self._store.transaction():
            body = self.body(run_id)
            if body is not None:
                self._put(run_id, {**body, **changes})

    def _change_task(self, run_id: int, task_key: str, changes: JsonObject) -> None:
        with self._store.transaction():
            body = self.body(run_id)
            if body is None:
                return
            for task in body["tasks"]:
                if task["task_key"] == task_key:
                    task |= changes
            self._put(run_id, body)

    # --- life

    def start(self, run_id: int) -> None:
        """Drive a run in a thread of its own."""
        with self._lock:
            self._cancelled[run_id] = threading.Event()
            thread = threading.Thread(
                target=self._drive, args=(run_id,), name=f"run-{run_id}", daemon=True
            )
            self._threads[run_id] = thread
            thread.start()

    def cancel(self, run_id: int) -> None:
        """Ask a run to end; one that is held or queued ends at once."""
        with self._lock:
            event = self._cancelled.get(run_id)
        if event is None:
            self.finish(run_id, "TERMINATED", CANCELED, "Run cancelled.")
            return
        self._change(run_id, state("TERMINATING"))
        event.set()

    def finish(self, run_id: int, life_cycle: str, result: str, message: str = "") -> None:
        """End a run and what of it was not over; start the next queued one of its job."""
        with self._store.transaction():
            body = self.body(run_id)
            if body is None or body["state"]["life_cycle_state"] not in ACTIVE:
                return
            end = now_ms()
            over = state(life_cycle, result, message)
            for task in body["tasks"]:
                if task["state"]["life_cycle_state"] in ACTIVE:
                    task.update(over, end_time=end)
            duration = end - body["start_time"]
            self._put(run_id, {**body, **over, "end_time": end, "run_duration": duration})
        if not self._stopping.is_set():
            self._start_next(body["job_id"])

    def _start_next(self, job_id: int) -> None:
        rows = self._store.rows(
            "SELECT run_id, body, plan FROM runs WHERE job_id = ? AND active = 1 ORDER BY run_id",
            job_id,
        )
        for run_id, body, plan in rows:
            queued = json.loads(body)["state"]["life_cycle_state"] == "QUEUED"
            if queued and not json.loads(plan)["held"]:
                self._change(run_id, state("PENDING"))
                self.start(run_id)
                return

    def stop(self) -> None:
        """Cancel everything and wait a moment for the threads."""
        with self._lock:
            threads, events = list(self._threads.values()), list(self._cancelled.values())
        for event in events:
            event.set()
        deadline = monotonic() + _JOIN_S
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))
        if self._own_cache is not None:
            self._own_cache.cleanup()

    # --- one run

    def _drive(self, run_id: int) -> None:
        try:
            results = self._run_tasks(run_id)
        except Exception:  # noqa: BLE001 - the run has to end whatever broke; the log tells
            _LOG.exception("run %d broke", run_id)
            self.finish(run_id, "INTERNAL_ERROR", FAILED, "The sandbox could not go on; see log.")
        else:
            tasks = self._plan(run_id)["tasks"]
            result = run_result(tasks, results)
            failed = [key for key, each in results.items() if each == FAILED]
            message = f"Task {failed[0]} failed with message: {_FAILURE}." if failed else ""
            if self._cancelled[run_id].is_set():
                result, message = CANCELED, "Run cancelled."
            # A run with a failed task ends as INTERNAL_ERROR, the task itself as TERMINATED.
            life_cycle = "INTERNAL_ERROR" if result == FAILED else "TERMINATED"
            self.finish(run_id, life_cycle, result, message)
        finally:
            with self._lock:
                self._cancelled.pop(run_id, None)
                self._threads.pop(run_id, None)

    def _plan(self, run_id: int) -> dict[str, Any]:
        found = self._store.row("SELECT plan FROM runs WHERE run_id = ?", run_id)
        return dict(json.loads(found[0])) if found else {"tasks": [], "settings": {}}

    def _run_tasks(self, run_id: int) -> dict[str, str]:
        """Run all tasks in the order of their dependencies; how each ended."""
        plan, cancelled = self._plan(run_id), self._cancelled[run_id]
        self._change(run_id, state("RUNNING"))
        waiting = {str(task["task_key"]): task for task in plan["tasks"]}
        results: dict[str, str] = {}
        ended: queue.Queue[tuple[str, str]] = queue.Queue()
        running = 0
        while waiting or running:
            for key, task in list(waiting.items()):
                upstream = [
                    each for each in dependencies(task) if each in waiting or each in results
                ]
                if not all(each in results for each in upstream):
                    continue
                del waiting[key]
                skipped = verdict(str(task.get("run_if", "")), [results[each] for each in upstream])
                if cancelled.is_set():
                    skipped = CANCELED
                if skipped:
                    self._change_task(run_id, key, _over(skipped))
                    ended.put((key, skipped))
                else:
                    worker = threading.Thread(
                        target=self._run_task, args=(run_id, plan, task, ended), daemon=True
                    )
                    worker.start()
                running += 1
            if not running:
                # What is left waits for itself; the real API refuses such a job.
                results.update(dict.fromkeys(waiting, FAILED))
                break
            key, result = ended.get()
            running -= 1
            results[key] = result
        return results

    def _run_task(
        self,
        run_id: int,
        plan: Mapping[str, Any],
        task: Mapping[str, Any],
        ended: queue.Queue[tuple[str, str]],
    ) -> None:
        key, result = str(task["task_key"]), FAILED
        try:
            self._change_task(run_id, key, {**state("RUNNING"), "start_time": now_ms()})
            result = self._execute(run_id, plan, task)
        except Exception as error:  # noqa: BLE001 - the task has to end whatever broke
            _LOG.exception("task %s of run %d broke", key, run_id)
            message = f"The sandbox could not execute the task: {error}"
            changes = {**state("INTERNAL_ERROR", FAILED, message), "end_time": now_ms()}
            self._change_task(run_id, key, changes)
            self._put_output(run_id, key, {"error": message})
        finally:
            ended.put((key, result))

    def _execute(self, run_id: int, plan: Mapping[str, Any], task: Mapping[str, Any]) -> str:
        cancelled = self._cancelled[run_id]
        outcome = self._with_executor().run_task(
            task, settings=plan["settings"], parameters=plan["parameters"], cancelled=cancelled
        )
        result = SUCCESS if outcome.succeeded else CANCELED if cancelled.is_set() else FAILED
        output: JsonObject = {"logs": outcome.logs, "logs_truncated": False}
        if not outcome.succeeded:
            output |= {"error": outcome.error, "error_trace": outcome.error_trace}
        self._put_output(run_id, outcome.task_key, output)
        times = {
            "start_time": outcome.started_ms,
            "end_time": outcome.ended_ms,
            "execution_duration": outcome.ended_ms - outcome.started_ms,
        }
        self._change_task(run_id, str(task["task_key"]), {**_over(result), **times})
        return result

    def _put_output(self, run_id: int, task_key: str, output: JsonObject) -> None:
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

    def _with_executor(self) -> Executes:
        """The executor, made at the first use: it brings Spark along.

        Raises:
            RuntimeError: this installation can't execute tasks.
        """
        with self._lock:
            if self._executor is None:
                try:
                    from sandbox.execution import Executor  # noqa: PLC0415 - see above
                except ImportError as error:
                    raise RuntimeError(f"sandbox.execution is not there ({error})") from error
                if self._cache is None:
                    self._own_cache = tempfile.TemporaryDirectory(
                        prefix="sandbox-runs-", ignore_cleanup_errors=True
                    )
                    self._cache = Path(self._own_cache.name)
                self._executor = Executor(self._cache, self.read_file, self._environ)
            return self._executor

    def restart_cluster(self, cluster_id: str) -> None:
        """Restart an all-purpose cluster: its next task loads its libraries anew."""
        with self._lock:
            executor = self._executor
        if executor is not None:
            executor.restart_cluster(cluster_id)

    def read_file(self, path: str) -> bytes:
        """The content of a file by any spelling of its path.

        Raises:
            FileNotFoundError: there is no such file.
        """
        try:
            node = self._tree.get(paths.canonical(path))
        except ValueError:
            node = None
        if node is None or node.kind == DIRECTORY:
            raise FileNotFoundError(path)
        return self._tree.read(node)


def _over(result: str) -> JsonObject:
    if result in (SUCCESS, FAILED, CANCELED):
        return state("TERMINATED", result, _FAILURE if result == FAILED else "")
    return {**state("TERMINATED", result), "end_time": now_ms()}
