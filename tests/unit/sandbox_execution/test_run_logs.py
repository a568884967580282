"""Which error and which trace a task's output tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.processes import Ended, Stop
from sandbox.run_logs import failure_of, logs_of
from sandbox.task_values import TaskError

LOGS = """\
before
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 'first'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
ValueError: Traceback (most recent call last): inside a message
26/11/21 08:02:49 WARN Shutdown: late
after
"""


def test_the_trace_is_the_last_one_and_ends_before_what_spark_logs() -> None:
    error, trace = failure_of(LOGS)
    assert trace.splitlines()[1].strip() == 'File "a.py", line 3, in <module>'
    assert trace.endswith("inside a message")
    assert error == "ValueError: Traceback (most recent call last): inside a message"


JVM_LOGS = """\
retail-metrics 1.5.0
Exception in thread "main" java.lang.IllegalStateException: no orders
on this day
\tat com.example.retail.Report$.main(Report.scala:17)
Caused by: java.lang.RuntimeException: nothing
\t... 4 more
26/11/21 08:02:49 WARN Shutdown: late
"""


def test_an_exception_of_a_main_class_is_told_with_its_whole_stack_trace() -> None:
    error, trace = failure_of(JVM_LOGS)
    assert error == "java.lang.IllegalStateException: no orders"
    assert trace.splitlines()[0] == "java.lang.IllegalStateException: no orders"
    assert trace.endswith("\t... 4 more")


def test_a_main_class_that_no_jar_has_is_a_class_not_found_exception() -> None:
    logs = "WARNING: x\nError: Failed to load class com.example.Report.\n"
    assert failure_of(logs)[0] == "java.lang.ClassNotFoundException: com.example.Report"


def test_a_traceback_of_python_wins_over_what_the_jvm_says() -> None:
    assert failure_of(LOGS + JVM_LOGS)[0].startswith("ValueError")


def test_logs_without_a_failure_have_no_trace() -> None:
    assert failure_of("all well\n") == ("", "")


@given(st.text(), st.text())
def test_a_trace_is_a_part_of_the_logs_and_bounded(before: str, after: str) -> None:
    logs = f"{before}\nTraceback (most recent call last):\n{after}"
    _, trace = failure_of(logs)
    assert trace in logs
    assert len(failure_of(f"{logs}{'x' * 50_000}")[1]) <= 32_768


def test_an_end_without_any_words_is_told_by_its_exit_code() -> None:
    with pytest.raises(TaskError, match="exit code 3"):
        logs_of(Ended(3, "silence"), 60)
    with pytest.raises(TaskError, match="longer than 60 seconds"):
        logs_of(Ended(-9, "", Stop.TIMEOUT), 60)
    assert logs_of(Ended(0, JVM_LOGS), 60) == JVM_LOGS
