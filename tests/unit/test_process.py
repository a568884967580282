"""Which process holds a lock, and whether it still runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deployer import process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_this_process_runs_on_this_machine() -> None:
    assert process.is_alive(process.this_process())
    assert process.machine() == process.machine() != ""


def test_a_process_that_ended_does_not_run_even_while_its_remains_are_there() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        named = f"{child.pid}:{process._started(child.pid)}"
        assert process.is_alive(named)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, but not collected
        assert not process.is_alive(named)
    assert not process.is_alive(named)


def test_a_number_that_was_given_again_is_another_process() -> None:
    number, _, started = process.this_process().partition(":")
    assert not process.is_alive(f"{number}:{int(started) + 1}")


@pytest.mark.parametrize("named", ["", "12", "x:1", "12:", "-1:5", "1/../2:3"])
def test_what_names_no_process_counts_as_alive(named: str) -> None:
    assert process.is_alive(named)
