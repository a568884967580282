"""What the output of a task says about how it went: its error, and the trace of it.

Owns: finding tracebacks of Python and stack traces of the JVM among whatever a task printed. Pure.
"""

from __future__ import annotations

import re
from typing import Final

from sandbox.processes import Ended, Stop
from sandbox.task_values import TaskError

_TRACE_LIMIT: Final = 32_768
_TRACEBACK: Final = re.compile(r"^Traceback \(most recent call last\):$", re.MULTILINE)
_SPARK_LOG: Final = re.compile(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d [A-Z]+ ", re.MULTILINE)
_RAISED: Final = re.compile(r"^(?![Tt]raceback )\S.*$", re.MULTILINE)
_THROWN: Final = re.compile(r'^Exception in thread "main" (?P<error>\S.*)$', re.MULTILINE)
# spark-submit catches the ClassNotFoundException and tells no more than this.
_NO_CLASS: Final = re.compile(r"^Error: Failed to load class (?P<name>\S+)\.$", re.MULTILINE)


def logs_of(ended: Ended, limit_s: int) -> str:
    """The logs of a task that succeeded.

    Args:
        ended: how its process ended.
        limit_s: the time limit that it had, in seconds.

    Raises:
        TaskError: it did not succeed.
    """
    if ended.succeeded:
        return ended.output
    if ended.stop is Stop.TIMEOUT:
        message = f"Timed out: the task ran longer than {limit_s} seconds."
        raise TaskError(message, logs=ended.output)
    error, trace = failure_of(ended.output)
    error = error or f"The task ended with exit code {ended.code}."
    raise TaskError(error, logs=ended.output, trace=trace)


def failure_of(logs: str) -> tuple[str, str]:
    """The error that ended a task, one line, and its trace, at most 32 K characters; else nothing.

    A traceback of Python wins over what the JVM says, because it has the JVM's words in it.
    """
    if starts := [found.start() for found in _TRACEBACK.finditer(logs)]:
        trace = _until_spark_logs(logs[starts[-1] :])
        raised = _RAISED.search(trace)
        return raised[0] if raised else "", trace
    if thrown := list(_THROWN.finditer(logs)):
        trace = _until_spark_logs(logs[thrown[-1].start("error") :])
        return thrown[-1]["error"], trace
    if missing := _NO_CLASS.search(logs):
        return f"java.lang.ClassNotFoundException: {missing['name']}", missing[0]
    return "", ""


def _until_spark_logs(text: str) -> str:
    spark_log = _SPARK_LOG.search(text)
    return text[: spark_log.start() if spark_log else None][:_TRACE_LIMIT].strip()
