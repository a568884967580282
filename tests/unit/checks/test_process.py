from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from deployer.checks.process import LONGEST_LINE, TAIL_LINES, Completed, Deadline, run
from deployer.errors import DeployError, FailureReason


def python(
    code: str, tmp_path: Path, lines: list[str] | None = None, timeout_s: float = 30
) -> Completed:
    return run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": os.defpath},
        timeout_s=timeout_s,
        on_line=(lines if lines is not None else []).append,
    )


def ends(pid: int, within_s: float = 10) -> bool:
    """Whether the process is gone soon: a kill takes effect a moment after it was sent."""
    stat = Path(f"/proc/{pid}/stat")
    limit = Deadline(within_s)
    while limit.left_s() > 0:
        try:
            if stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_lines_come_through_unchanged(tmp_path: Path) -> None:
    lines: list[str] = []
    text = "::error::x\n\x1b[31mred\x1b[0m\n::set-output name=a::b\nüñ\n"
    code = f"import sys; sys.stdout.buffer.write({text.encode()!r})"

    completed = python(code, tmp_path, lines)

    assert lines == text.splitlines()
    assert completed.exit_code == 0


def test_standard_error_is_part_of_the_output(tmp_path: Path) -> None:
    lines: list[str] = []
    python("import sys; print('wrong', file=sys.stderr)", tmp_path, lines)
    assert lines == ["wrong"]


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"no end", ["no end"]),
        (b"10%\r20%\r\n30%\n", ["10%", "20%", "30%"]),
        (b"caf\xc3", ["caf�"]),
        (b"a\x0bb\xe2\x80\xa8c\n", ["a\x0bb\u2028c"]),
    ],
)
def test_a_line_ends_where_the_runner_sees_its_end(
    written: bytes, lines: list[str], tmp_path: Path
) -> None:
    seen: list[str] = []
    python(f"import sys; sys.stdout.buffer.write({written!r})", tmp_path, seen)
    assert seen == lines


def test_a_character_split_between_two_writes_is_one_character(tmp_path: Path) -> None:
    lines: list[str] = []
    code = (
        "import os, time; os.write(1, b'caf\\xc3'); time.sleep(0.3); os.write(1, b'\\xa9\\r');"
        "time.sleep(0.3); os.write(1, b'\\nx\\n')"
    )
    python(code, tmp_path, lines)
    assert lines == ["café", "x"]


def test_a_very_long_line_is_cut_and_the_next_one_is_whole(tmp_path: Path) -> None:
    lines: list[str] = []
    python(f"print('x' * {LONGEST_LINE * 40}); print('y' * {LONGEST_LINE})", tmp_path, lines)
    assert lines[0] == "x" * LONGEST_LINE + " … (line cut)"
    assert lines[1] == "y" * LONGEST_LINE


def test_the_last_lines_are_kept(tmp_path: Path) -> None:
    completed = python("for i in range(1000): print(i)", tmp_path)
    assert completed.tail.splitlines() == [str(i) for i in range(1000 - TAIL_LINES, 1000)]


def test_the_exit_code_is_that_of_the_command(tmp_path: Path) -> None:
    assert python("raise SystemExit(7)", tmp_path).exit_code == 7


def test_a_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert python(code, tmp_path).exit_code == -signal.SIGSEGV


def test_a_hanging_command_is_stopped_and_its_last_output_is_kept(tmp_path: Path) -> None:
    code = "import time; print('waiting for the database', flush=True); time.sleep(600)"
    completed = python(code, tmp_path, timeout_s=1.5)
    assert completed.timed_out
    assert completed.tail == "waiting for the database"


def test_a_command_that_closed_its_output_is_stopped_as_well(tmp_path: Path) -> None:
    code = "import os, time; os.close(1); os.close(2); time.sleep(600)"
    assert python(code, tmp_path, timeout_s=1.5).timed_out


def test_what_a_command_started_ends_with_the_time_limit(tmp_path: Path) -> None:
    lines: list[str] = []
    code = (
        "import subprocess, sys;"
        "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(c.pid, flush=True); c.wait()"
    )
    assert python(code, tmp_path, lines, timeout_s=2).timed_out
    assert ends(int(lines[0]))


def test_nobody_waits_for_a_child_that_keeps_the_output_open(tmp_path: Path) -> None:
    lines: list[str] = []
    code = (
        "import subprocess, sys;"
        "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(c.pid)"
    )
    completed = python(code, tmp_path, lines, timeout_s=60)
    assert completed.exit_code == 0
    assert ends(int(lines[0]))


def test_nobody_waits_for_a_child_that_left_the_group(tmp_path: Path) -> None:
    lines: list[str] = []
    code = (
        "import subprocess, sys;"
        "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        "start_new_session=True); print(c.pid)"
    )
    completed = python(code, tmp_path, lines, timeout_s=60)
    os.kill(int(lines[0]), signal.SIGKILL)
    assert completed.exit_code == 0


def test_an_error_of_the_listener_ends_the_command(tmp_path: Path) -> None:
    seen: list[int] = []

    def listen(line: str) -> None:
        seen.append(int(line))
        raise KeyboardInterrupt

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        run([sys.executable, "-c", code], cwd=tmp_path, env={}, timeout_s=60, on_line=listen)
    assert ends(seen[0])


def test_standard_input_is_empty(tmp_path: Path) -> None:
    lines: list[str] = []
    python("print(repr(input()))", tmp_path, lines)
    assert lines[-1].startswith("EOFError")


def test_the_environment_is_exactly_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-secret")
    lines: list[str] = []
    python("import os; print('DATABRICKS_TOKEN' in os.environ)", tmp_path, lines)
    assert lines == ["False"]


def test_the_modes_of_new_files_do_not_depend_on_the_caller(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        python("open('new', 'w').close()", tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644


def test_a_deadline_never_goes_below_zero() -> None:
    assert Deadline(-5).left_s() == 0


def test_a_cancelled_run_ends_the_command_and_all_that_it_started(tmp_path: Path) -> None:
    lines: list[str] = []
    code = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(DeployError) as cancelled:
        run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PATH": os.defpath},
            timeout_s=60,
            on_line=lines.append,
            stopped=lambda: bool(lines),
        )
    assert cancelled.value.reason == FailureReason.CANCELLED
    assert ends(int(lines[0]))


def test_a_cancelled_run_starts_nothing_more(tmp_path: Path) -> None:
    with pytest.raises(DeployError):
        run(
            ["touch", "made"],
            cwd=tmp_path,
            env={"PATH": os.defpath},
            timeout_s=60,
            on_line=lambda line: None,
            stopped=lambda: True,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_reads_its_own_output_is_stopped_all_the_same(tmp_path: Path) -> None:
    """What it takes back between our look and our read would be waited for without an end."""
    code = (
        "import os, pathlib, random, time\n"
        "back = os.open('/proc/self/fd/1', os.O_RDONLY | os.O_NONBLOCK)\n"
        "us = pathlib.Path(f'/proc/{os.getppid()}/wchan')\n"
        "while True:\n"
        "    os.write(1, b'x')\n"
        "    late = time.perf_counter() + random.random() / 5_000\n"
        "    while time.perf_counter() < late:\n"
        "        pass\n"
        "    try:\n"
        "        os.read(back, 10)\n"
        "    except BlockingIOError:\n"
        "        continue\n"
        "    time.sleep(0.001)\n"
        "    if 'pipe_read' in us.read_text():\n"  # we wait in a read, and nothing will come
        "        time.sleep(600)\n"
    )
    assert python(code, tmp_path, timeout_s=3).timed_out
