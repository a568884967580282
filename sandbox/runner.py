"""Runs on their way: starting, ordering tasks, cancelling, ending.

Owns: the threads that drive runs. Must not execute tasks: sandbox.execution does. The endpoints stand
in runs.py, the rules in run_states.py.

A run keeps the settings it started with, but a task reads its libraries when it starts: a file
deleted meanwhile is missing then, as in the real service (facts B3, databricks/cli #2958).
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from sandbox import paths
from sandbox.cluster_libraries import on_its_cluster
from sandbox.errors import JsonObject
from sandbox.run_rows import RunRows
from sandbox.run_states import (
    ACTIVE,
    CANCELED,
    FAILED,
    SUCCESS,
    ready,
    run_result,
    state,
    verdict_of,
)
from sandbox.store import Store, StoreClosedError, now_ms
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


@dataclass(frozen=True)
class _Ended:
    """How a task ended; a condition task has an outcome, ``"true"`` or ``"false"``."""

    key: str
    result: str
    outcome: str = ""


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
        self.rows = RunRows(store)
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
                self._close(run_id, "INTERNAL_ERROR", FAILED, "The sandbox was stopped.")

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
        self.rows.change(run_id, state("TERMINATING"))
        event.set()

    def finish(self, run_id: int, life_cycle: str, result: str, message: str = "") -> None:
        """End a run that is not over; start the next queued one of its job."""
        job_id = self._close(run_id, life_cycle, result, message)
        if job_id and not self._stopping.is_set():
            self._start_next(job_id)

    def _close(self, run_id: int, life_cycle: str, result: str, message: str) -> int:
        """End a run and what of it was not over; its job's id, or 0 when it was over."""
        with self._store.transaction():
            body = self.rows.body(run_id)
            if body is None or body["state"]["life_cycle_state"] not in ACTIVE:
                return 0
            end = now_ms()
            over = state(life_cycle, result, message)
            for task in body["tasks"]:
                if task["state"]["life_cycle_state"] in ACTIVE:
                    task.update(over, end_time=end)
            duration = end - body["start_time"]
            self.rows.put(run_id, {**body, **over, "end_time": end, "run_duration": duration})
        return int(body["job_id"])

    def _start_next(self, job_id: int) -> None:
        rows = self._store.rows(
            "SELECT run_id, body, plan FROM runs WHERE job_id = ? AND active = 1 ORDER BY run_id",
            job_id,
        )
        for run_id, body, plan in rows:
            queued = json.loads(body)["state"]["life_cycle_state"] == "QUEUED"
            if queued and not json.loads(plan)["held"]:
                self.rows.change(run_id, state("PENDING"))
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
        with contextlib.suppress(StoreClosedError):
            self._drive_to_the_end(run_id)

    def _drive_to_the_end(self, run_id: int) -> None:
        try:
            results = self._run_tasks(run_id)
        except StoreClosedError:
            raise
        except Exception:  # noqa: BLE001 - the run has to end whatever broke; the log tells
            _LOG.exception("run %d broke", run_id)
            self.finish(run_id, "INTERNAL_ERROR", FAILED, "The sandbox could not go on; see log.")
        else:
            tasks = self.rows.plan(run_id)["tasks"]
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

    def _run_tasks(self, run_id: int) -> dict[str, str]:
        """Run all tasks in the order of their dependencies; how each ended."""
        plan, cancelled = self.rows.plan(run_id), self._cancelled[run_id]
        self.rows.change(run_id, state("RUNNING"))
        tasks = {str(task["task_key"]): task for task in plan["tasks"]}
        started: set[str] = set()
        results: dict[str, str] = {}
        outcomes: dict[str, str] = {}
        ended: queue.Queue[_Ended] = queue.Queue()
        while len(results) < len(tasks):
            for key in ready(tasks, started, results):
                started.add(key)
                task = tasks[key]
                skipped = verdict_of(task, results, outcomes)
                if cancelled.is_set():
                    skipped = CANCELED
                if skipped:
                    self.rows.change_task(run_id, key, _over(skipped))
                    ended.put(_Ended(key, skipped))
                else:
                    arguments = (run_id, plan, task, ended)
                    threading.Thread(target=self._run_task, args=arguments, daemon=True).start()
            if len(started) == len(results):
                # What is left waits for itself; the real API refuses such a job.
                return {**dict.fromkeys(tasks, FAILED), **results}
            end = ended.get()
            results[end.key], outcomes[end.key] = end.result, end.outcome
        return results

    def _run_task(
        self,
        run_id: int,
        plan: Mapping[str, Any],
        task: Mapping[str, Any],
        ended: queue.Queue[_Ended],
    ) -> None:
        key = str(task["task_key"])
        end = _Ended(key, FAILED)
        try:
            self.rows.change_task(run_id, key, {**state("RUNNING"), "start_time": now_ms()})
            end = self._execute(run_id, plan, task)
        except StoreClosedError:
            _LOG.info("task %s of run %d was left behind", key, run_id)
        except Exception as error:  # noqa: BLE001 - the task has to end whatever broke
            _LOG.exception("task %s of run %d broke", key, run_id)
            message = f"The sandbox could not execute the task: {error}"
            changes = {**state("INTERNAL_ERROR", FAILED, message), "end_time": now_ms()}
            self.rows.change_task(run_id, key, changes)
            self.rows.put_output(run_id, key, {"error": message})
        finally:
            ended.put(end)

    def _execute(self, run_id: int, plan: Mapping[str, Any], task: Mapping[str, Any]) -> _Ended:
        cancelled = self._cancelled[run_id]
        done = self._with_executor().run_task(
            on_its_cluster(self._store, task),
            settings=plan["settings"],
            parameters=plan["parameters"],
            cancelled=cancelled,
        )
        result = SUCCESS if done.succeeded else CANCELED if cancelled.is_set() else FAILED
        output: JsonObject = {"logs": done.logs, "logs_truncated": False}
        if not done.succeeded:
            output |= {"error": done.error, "error_trace": done.error_trace}
        self.rows.put_output(run_id, done.task_key, output)
        times = {
            "start_time": done.started_ms,
            "end_time": done.ended_ms,
            "execution_duration": done.ended_ms - done.started_ms,
        }
        self.rows.change_task(run_id, str(task["task_key"]), {**_over(result), **times})
        outcome = done.logs.strip() if "condition_task" in task else ""
        return _Ended(str(task["task_key"]), result, outcome)

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
                self._executor = Executor(
                    self._cache, self.read_file, self._environ, self._version_of_cluster
                )
            return self._executor

    def restart_cluster(self, cluster_id: str) -> None:
        """Restart an all-purpose cluster: its next task loads its libraries anew."""
        with self._lock:
            executor = self._executor
        if executor is not None:
            executor.restart_cluster(cluster_id)

    def _version_of_cluster(self, cluster_id: str) -> str:
        cluster = self._store.document("clusters", cluster_id) or {}
        return str(cluster.get("spark_version") or "")

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
