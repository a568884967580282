"""Programs that end, hang, shout and leave children behind."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from sandbox.processes import OUTPUT_LIMIT_BYTES, Ended, Stop, run


def python(code: str, folder: Path, *, limit_s: float = 60, **environ: str) -> Ended:
    return run(
        [sys.executable, "-c", code],
        environ=environ,
        folder=folder,
        limit_s=limit_s,
        cancelled=threading.Event(),
    )


def wait_until_gone(pid: int) -> None:
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is still there")


def test_both_streams_and_the_exit_code_are_told(tmp_path: Path) -> None:
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
    assert python(code, tmp_path) == Ended(3, "out\nerr\n")


def test_a_program_sees_only_the_environment_that_it_is_given(tmp_path: Path) -> None:
    ended = python("import os; print(sorted(os.environ))", tmp_path, LANG="C.UTF-8")
    assert ended.succeeded
    assert "LANG" in ended.output
    assert "PATH" not in ended.output


def test_only_the_end_of_a_long_output_is_kept(tmp_path: Path) -> None:
    ended = python("print('x' * 3_000_000); print('the end')", tmp_path)
    assert ended.output.endswith("x\nthe end\n")
    assert len(ended.output) == OUTPUT_LIMIT_BYTES


def test_bytes_that_are_no_text_are_shown_all_the_same(tmp_path: Path) -> None:
    ended = python(r"import sys; sys.stdout.buffer.write(b'a\xff\n')", tmp_path)
    assert ended.output == "a\ufffd\n"


def test_a_program_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(300)\n"
    )
    ended = python(code, tmp_path, limit_s=2)
    assert ended.stop is Stop.TIMEOUT
    assert not ended.succeeded
    wait_until_gone(int(ended.output))


def test_what_a_program_leaves_running_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "print(child.pid, flush=True)\n"
    )
    ended = python(code, tmp_path)
    assert ended.succeeded
    wait_until_gone(int(ended.output))


def test_a_program_that_closes_its_output_is_still_waited_for(tmp_path: Path) -> None:
    code = "import os, time; os.close(1); os.close(2); time.sleep(0.5); os._exit(7)"
    assert python(code, tmp_path).code == 7


def test_a_cancelled_program_is_killed(tmp_path: Path) -> None:
    cancelled = threading.Event()
    started = tmp_path / "started"

    def cancel_once_started() -> None:
        for _ in range(600):
            if started.exists():
                break
            time.sleep(0.05)
        cancelled.set()

    canceller = threading.Thread(target=cancel_once_started)
    canceller.start()
    code = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(300)"
    ended = run(
        [sys.executable, "-c", code],
        environ={},
        folder=tmp_path,
        limit_s=60,
        cancelled=cancelled,
    )
    canceller.join()
    assert ended.stop is Stop.CANCELLED


def test_a_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(
            [tmp_path / "nothing"],
            environ={},
            folder=tmp_path,
            limit_s=1,
            cancelled=threading.Event(),
        )
