"""Really runs tasks: a fresh environment with the job's libraries, and local PySpark in it.

Owns the course of one task from its settings to its result. What is played and what not: classic
and serverless libraries are installed for real, as far as the runtime takes them; wheel, script, jar,
spark-submit, notebook (Python source), for_each and condition tasks run; other kinds, Git sources,
init scripts, cluster Spark settings and base environments do not. Must not know of HTTP, runs or
permissions.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from deployer.checks.java import JavaHome, provide_java
from deployer.errors import DeployError
from sandbox import eggs, processes, spark_presets, task_commands
from sandbox.environments import ClusterFiles, Environment, Environments, WorkspaceFiles
from sandbox.requirement_lines import NOT_PLAYED, InstallationError, Requirements
from sandbox.run_logs import logs_of
from sandbox.runtimes import Runtime, runtime_of
from sandbox.task_libraries import checking_scala, requirements_of
from sandbox.task_values import TaskError, decide, iterations, job_values, substitute

DEFAULT_LIMIT_S: Final = 600
"""Time for a task that sets no timeout_seconds; installing its libraries has a limit of its own."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_OUTPUT_IN_TRACE: Final = 32_768


@dataclass(frozen=True)
class TaskResult:
    """How one task ended; times in milliseconds since the epoch.

    `logs` holds both output streams, at most their last 1 MB; of a condition_task it is its
    outcome, `true` or `false`. `error` and `error_trace` are empty when the task succeeded.
    """

    task_key: str
    succeeded: bool
    logs: str
    error: str
    error_trace: str
    started_ms: int
    ended_ms: int


@dataclass(frozen=True)
class _Run:
    """What all tasks of one run share."""

    settings: Mapping[str, object]
    parameters: Mapping[str, str]
    cancelled: threading.Event


class Executor:
    """Runs tasks, several at once if asked to; it remembers what running clusters have loaded."""

    def __init__(
        self,
        cache: Path,
        read_file: Callable[[str], bytes],
        environ: Mapping[str, str] = _NOTHING,
        version_of_cluster: Callable[[str], str] = lambda _: "",
    ) -> None:
        """Make an executor.

        Args:
            cache: a folder of ours for environments, Java and scratch; it may outlive us.
            read_file: gives a workspace file; raises FileNotFoundError or PermissionError.
            environ: where PATH, JAVA_HOME and what installing needs (proxies, certificates,
                package indexes) are taken from; tasks see only its PATH.
            version_of_cluster: gives the `spark_version` of an all-purpose cluster; empty where
                it is unknown.
        """
        self._cache = cache.resolve()
        self._environ = environ
        self._version_of_cluster = version_of_cluster
        self._files = WorkspaceFiles(self._cache / "files", read_file)
        self._clusters = ClusterFiles(self._files)
        self._environments = Environments(self._cache / "environments", environ)
        self._java: JavaHome | None = None
        self._java_guard = threading.Lock()

    def restart_cluster(self, cluster_id: str) -> None:
        """Let an all-purpose cluster forget its libraries, as a restart does."""
        self._clusters.restart(cluster_id)

    def run_task(
        self,
        task: Mapping[str, object],
        *,
        settings: Mapping[str, object],
        parameters: Mapping[str, str],
        cancelled: threading.Event,
    ) -> TaskResult:
        """Run one task and tell how it ended; a task that fails is a result, not an exception.

        Args:
            task: the task's raw settings.
            settings: the raw settings of its whole job, for `environments`.
            parameters: the job parameters of this run.
            cancelled: set it to kill the task.
        """
        return self._result(task, _Run(settings, parameters, cancelled))

    def _result(self, task: Mapping[str, object], run: _Run) -> TaskResult:
        """Play a task, and catch the failures that are the task's own."""
        started = _now_ms()
        error = trace = ""
        try:
            logs = self._play(task, run)
        except TaskError as failure:
            error, logs, trace = str(failure), failure.logs, failure.trace
        except InstallationError as failure:
            error, logs, trace = str(failure), failure.output, failure.output[-_OUTPUT_IN_TRACE:]
        except DeployError as failure:
            error = logs = str(failure)
        if error and run.cancelled.is_set():
            error = "Run cancelled."
        return TaskResult(_key(task), not error, logs, error, trace, started, _now_ms())

    def _play(self, task: Mapping[str, object], run: _Run) -> str:
        """Run a task of any kind; its logs."""
        values = job_values(run.parameters)
        if isinstance(for_each := task.get("for_each_task"), Mapping):
            return self._for_each(substitute(for_each, values), run)
        if isinstance(condition := substitute(task.get("condition_task"), values), Mapping):
            return str(decide(condition)).lower()
        for kind in sorted(task_commands.CODE_KINDS & task.keys()):
            code = substitute(task[kind], {**values, "task.name": _key(task)})
            if isinstance(code, Mapping):
                return self._run_code(kind, {**task, kind: code}, run)
        kinds = sorted(name for name in task if name.endswith("_task")) or ["task without a kind"]
        raise TaskError(f"{kinds[0]} {NOT_PLAYED}.")

    def _for_each(self, for_each: object, run: _Run) -> str:
        """Run the nested task once per input, one after the other; all logs, each under its input.

        Raises:
            TaskError: an iteration failed; the others ran all the same.
        """
        nested = for_each.get("task") if isinstance(for_each, Mapping) else None
        if not isinstance(for_each, Mapping) or not isinstance(nested, Mapping):
            raise TaskError("The for_each_task has no task.")
        logs: list[str] = []
        failures: list[TaskResult] = []
        inputs = iterations(for_each)
        for values in inputs:
            iteration = substitute(nested, values)
            if not isinstance(iteration, Mapping) or run.cancelled.is_set():
                break
            result = self._result(iteration, run)
            logs += [f"--- input {values['input']}", result.logs]
            failures += [] if result.succeeded else [result]
        if failures or run.cancelled.is_set():
            first = failures[0] if failures else None
            raise TaskError(
                f"{len(failures)} of {len(inputs)} iterations failed"
                + (f"; the first: {first.error}" if first else "."),
                logs="\n".join(logs),
                trace=first.error_trace if first else "",
            )
        return "\n".join(logs)

    def _run_code(self, kind: str, task: Mapping[str, object], run: _Run) -> str:
        """Install what the task needs and execute it; its logs."""
        runtime = runtime_of(task, run.settings, self._version_of_cluster)
        requirements, environment = self._environment(task, run, runtime)
        command = task_commands.command_of(
            kind,
            task,
            environment=environment,
            parameters=run.parameters,
            fetch=checking_scala(self._files.fetch, runtime),
        )
        java = self._provide_java()
        limit = task.get("timeout_seconds")
        limit_s = limit if isinstance(limit, int) and limit > 0 else DEFAULT_LIMIT_S
        runs = self._cache / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=runs, ignore_cleanup_errors=True) as folder:
            scratch = spark_presets.Scratch(Path(folder))
            scratch.make()
            spark_presets.write_conf(scratch, requirements.jars)
            ended = processes.run(
                command,
                environ=spark_presets.task_environment(
                    self._environ,
                    scratch=scratch,
                    python=environment.python,
                    java_home=java.path,
                    python_path=[eggs.path_entry(egg, scratch.eggs) for egg in requirements.eggs],
                ),
                folder=scratch.home,
                limit_s=limit_s,
                cancelled=run.cancelled,
            )
        return logs_of(ended, limit_s)

    def _environment(
        self, task: Mapping[str, object], run: _Run, runtime: Runtime
    ) -> tuple[Requirements, Environment]:
        """What the task's compute has installed; a running cluster has what it had before."""
        cluster = task.get("existing_cluster_id")
        view = self._clusters.view(cluster) if isinstance(cluster, str) else None
        fetch = checking_scala(view.fetch if view else self._files.fetch, runtime)
        requirements = requirements_of(task, run.settings, runtime, fetch)
        environment = self._environments.provide(requirements, run.cancelled)
        if view:
            view.installed()
        return requirements, environment

    def _provide_java(self) -> JavaHome:
        with self._java_guard:
            self._java = self._java or provide_java(self._environ, self._cache)
            return self._java


def _key(task: Mapping[str, object]) -> str:
    return str(task.get("task_key", ""))


def _now_ms() -> int:
    return int(time.time() * 1000)
