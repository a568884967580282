"""Signals become one flag, a hanging run gets a last word, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from deployer import stopping
from deployer.stopping import Stop


def test_a_signal_ends_a_wait() -> None:
    stop = Stop()
    with stop.listening():
        assert not stop.wait(0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(60)
        assert stop.asked()


def test_many_signals_are_one_wish() -> None:
    stop = Stop()
    with stop.listening():
        for _ in range(500):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(60)


def test_signals_mean_afterwards_what_they_meant_before() -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    threads = threading.active_count()
    for _ in range(3):
        with Stop().listening():
            assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    for one in threading.enumerate():
        if one.name == "stop":
            one.join(60)
    assert threading.active_count() <= threads


def test_where_the_process_listens_itself_no_signal_changes_its_end() -> None:
    code = (
        "import os, signal; from deployer.stopping import Stop; stop = Stop(); stop.listen()\n"
        "with stop.listening(): pass\n"
        "os.kill(os.getpid(), signal.SIGTERM); os.kill(os.getpid(), signal.SIGINT); print('alive')\n"
        "import atexit, time; atexit._run_exitfuncs()\n"
        "class Late:\n"
        "    def __del__(self, kill=os.kill, me=os.getpid(), number=signal.SIGTERM): kill(me, number)\n"
        "late = Late()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_a_run_in_time_has_no_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "GRACE_S", 60.0)
    said: list[str] = []
    stop = Stop()
    stop.overdue(lambda: said.append("overdue"))
    with stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(60)
    stop._time_out()  # what the thread does; it returns at once, because the run is over
    assert said == []


def test_a_run_that_hangs_has_its_last_word_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "GRACE_S", 0.0)
    monkeypatch.setattr(stopping, "LAST_WORD_S", 60.0)
    said = threading.Event()
    count: list[int] = []
    stop = Stop()

    def last_word() -> None:
        count.append(1)
        said.set()

    stop.overdue(last_word)
    with stop.listening():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert said.wait(60)
    assert count == [1]


def test_a_last_word_that_hangs_too_ends_with_the_process() -> None:
    code = (
        "import os, signal, time; from deployer import stopping\n"
        "stopping.GRACE_S = stopping.LAST_WORD_S = 0.05\n"
        "stop = stopping.Stop(); stop.overdue(lambda: time.sleep(600)); stop.listen()\n"
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(600)"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == 1


def test_one_caller_alone_ends_the_run() -> None:
    stop = Stop()
    assert [stop.claim(), stop.claim(), stop.claim()] == [True, False, False]


def test_a_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    found: list[object] = []

    def listen() -> None:
        with Stop().listening():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join(60)
    assert found == [before]
