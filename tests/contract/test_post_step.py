"""The action's post step gives back locks that a killed main step left, and nothing else (fact 12)."""

from __future__ import annotations

import importlib.util
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployer.context import RunContext
from deployer.delivery import Streams
from deployer.deployment.holding import Taken
from deployer.leftover import STATE, noted
from deployer.main import give_back_locks
from tests.contract.container_door import REPOSITORY, Door, a_door, command
from tests.contract.runner_files import read_key_values
from tests.pipeline.stage import ROOT, path
from tests.pipeline.test_locks import LIBRARY, WRITER, lock_at, taken
from tools.runner import Machine


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[Door]:
    """A job on 1.4.0, and 1.5.0 to deploy."""
    with a_door(tmp_path) as door:
        door.stage.publish("1.4.0")
        door.stage.job(path("1.4.0"))
        door.stage.build("1.5.0")
        yield door


def killed(door: Door, start: list[str], environ: Mapping[str, str]) -> None:
    """Run the main step, and kill it when it has written a job: it holds both locks then."""
    process: list[subprocess.Popen[bytes]] = []

    def kill(call: Any) -> None:
        if call.path.endswith("/jobs/update"):
            process[0].send_signal(signal.SIGKILL)

    with door.stage.workspace.watch(kill):
        process.append(
            subprocess.Popen(
                start,
                env=dict(environ),
                cwd=door.machine.inside / "workspace",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        assert process[0].wait(timeout=60) == -signal.SIGKILL
    door.stage.workspace.raise_watched()
    assert locks(door) == [-1, -1]


def locks(door: Door) -> list[int]:
    """The numbers of both locks; negative while one is not given back."""
    return [lock_at(door.stage, folder).number() for folder in (LIBRARY, WRITER)]


def note_of(machine: Machine) -> str:
    """What the runner carries from the main step to the post step."""
    return read_key_values(machine.inside / "file_commands" / "state").get(STATE, "")


def post(door: Door, note: str, **inputs: str) -> subprocess.CompletedProcess[bytes]:
    """The post step as the runner starts it: another process, the same inputs, and the note."""
    (first, *_) = (REPOSITORY / "post.py").read_text(encoding="utf-8").splitlines()
    environ = door.environment({"mode": "deploy", **inputs}, {f"STATE_{STATE}": note})
    return subprocess.run(
        [sys.executable, *first.split()[1:], str(REPOSITORY / "post.py")],
        env=environ,
        cwd=door.machine.inside / "workspace",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


# ── As the runner starts it ──────────────────────────────────────────────────────────────────────


def test_locks_that_a_killed_main_step_left_are_given_back(ready: Door) -> None:
    killed(ready, command(), ready.environment({"mode": "deploy"}))
    left = noted(note_of(ready.machine))
    assert [one.folder for one in left] == [LIBRARY, WRITER]
    done = post(ready, note_of(ready.machine))
    assert (done.returncode, done.stderr) == (0, b"")
    assert locks(ready) == [1, 1]
    for folder in (LIBRARY, WRITER):
        assert f"The lock in {folder} was given back.".encode() in done.stdout
    elsewhere = {"GITHUB_RUN_ID": "8", "RUNNER_NAME": "another"}
    again = ready.step(mode="deploy", lock_timeout="0s", environ=elsewhere)
    assert again.code == 0, again.stdout


def test_a_main_step_that_ended_by_itself_leaves_nothing_to_do(ready: Door) -> None:
    assert ready.step(mode="deploy").code == 0
    assert note_of(ready.machine) == "[]"
    ready.stage.workspace.forget_calls()
    done = post(ready, "[]")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert ready.stage.workspace.calls() == []


@pytest.mark.parametrize("mode", ["plan", "status"])
def test_a_main_step_that_took_no_lock_notes_none(ready: Door, mode: str) -> None:
    assert ready.step(mode=mode).code == 0
    assert note_of(ready.machine) == ""


@pytest.mark.parametrize("note", ["", "null", "x", '[{"folder": 1}]', "[" * 100_000])
def test_a_note_that_is_none_makes_no_call_and_fails_no_job(ready: Door, note: str) -> None:
    done = post(ready, note)
    assert (done.returncode, done.stderr) == (0, b"")
    assert ready.stage.workspace.calls() == []


def test_in_the_usual_case_nothing_is_loaded() -> None:
    code = (
        "import runpy, sys\n"
        f"try: runpy.run_path({str(REPOSITORY / 'post.py')!r}, run_name='__main__')\n"
        "except SystemExit as ended: assert not ended.code\n"
        "sys.exit(bool({'deployer.main', 'databricks', 'requests'} & set(sys.modules)))"
    )
    environ = {"PATH": os.environ["PATH"], f"STATE_{STATE}": "[]"}
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environ, check=False)
    assert done.returncode == 0


def test_a_lock_that_another_run_took_over_meanwhile_is_theirs(ready: Door) -> None:
    killed(ready, command(), ready.environment({"mode": "deploy"}))
    lock_at(ready.stage, LIBRARY).take(wait_s=0, force=True, on_wait=lambda holder: None)
    done = post(ready, note_of(ready.machine))
    assert done.returncode == 0
    assert locks(ready) == [-2, 1]


@pytest.mark.parametrize(
    "inputs", [{"databricks_token": "wrong"}, {"keep": "many"}, {"databricks_host": "x y"}]
)
def test_what_keeps_it_from_giving_back_is_told_and_fails_no_job(
    ready: Door, inputs: dict[str, str]
) -> None:
    killed(ready, command(), ready.environment({"mode": "deploy"}))
    done = post(ready, note_of(ready.machine), **inputs)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"A lock could not be given back, and is void soon" in done.stdout
    assert locks(ready) == [-1, -1]


# ── What it does, in this process ────────────────────────────────────────────────────────────────


def give_back(door: Door, *left: Taken) -> str:
    texts = {
        "databricks-host": door.stage.workspace.url,
        "databricks-token": door.stage.workspace.token,
        "root": ROOT,
    }
    folder = door.machine.inside / "workspace"
    context = RunContext.from_environ({}, cwd=folder, temp=folder)
    printed = io.StringIO()
    streams = Streams(printed, printed, json_output=False)
    give_back_locks(left, texts, environ={}, context=context, streams=streams)
    return printed.getvalue()


def test_only_the_very_generation_that_was_left_is_given_back(ready: Door) -> None:
    held = taken(ready.stage, LIBRARY)
    for other in (replace(held.taken, number=2), replace(held.taken, nonce="0" * 16)):
        assert "given back" not in give_back(ready, other)
        assert lock_at(ready.stage, LIBRARY).number() == -1
    assert "given back" in give_back(ready, held.taken)
    assert lock_at(ready.stage, LIBRARY).number() == 1
    assert "given back" not in give_back(ready, held.taken)


# ── The composite twin ───────────────────────────────────────────────────────────────────────────


START = REPOSITORY / "composite" / "start.py"


@pytest.fixture
def installed(ready: Door, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of the composite action's steps, with its packages in place already."""
    machine = ready.machine
    _installed_below(machine.inside / "runner_temp", monkeypatch)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(machine.inside / "home"),
        **{name: machine.to_container(value) for name, value in machine.variables()},
        "DATABRICKS_HOST": ready.stage.workspace.url,
        "DATABRICKS_TOKEN": ready.stage.workspace.token,
        "INPUT_MODE": "deploy",
        "INPUT_WHEEL": "dist/*.whl",
        "INPUT_ROOT": ROOT,
    }


def _installed_below(temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `start.py` would install once per job is this environment."""
    spec = importlib.util.spec_from_file_location("start", START)
    assert spec is not None
    assert spec.loader is not None
    start = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(start)

    def call(*command: str) -> None:
        if "venv" in command:
            Path(command[-1], "bin").mkdir(parents=True)

    monkeypatch.setattr(start, "_call", call)
    python = start.environment(temp)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)


def composite(script: str) -> list[str]:
    return [sys.executable, "-I", str(START), script]


def test_the_last_step_of_the_composite_action_gives_back_what_the_first_left(
    ready: Door, installed: dict[str, str]
) -> None:
    killed(ready, composite("entrypoint.py"), installed)
    done = subprocess.run(
        composite("post.py"), env=installed, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert locks(ready) == [1, 1]


def test_the_last_step_of_the_composite_action_does_nothing_where_nothing_was_left(
    ready: Door, installed: dict[str, str]
) -> None:
    first = subprocess.run(
        composite("entrypoint.py"),
        env=installed,
        cwd=ready.machine.inside / "workspace",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert first.returncode == 0, first.stdout
    calls = len(ready.stage.workspace.calls())
    for _ in range(2):  # the second time the note is gone, too
        done = subprocess.run(
            composite("post.py"), env=installed, capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert len(ready.stage.workspace.calls()) == calls


def test_a_note_of_a_step_before_is_not_believed_by_the_next_one(
    ready: Door, installed: dict[str, str]
) -> None:
    """Two uses of the action in one job share the folder of the note."""
    killed(ready, composite("entrypoint.py"), installed)
    subprocess.run(
        composite("entrypoint.py"),
        env={**installed, "INPUT_MODE": "plan"},
        cwd=ready.machine.inside / "workspace",
        capture_output=True,
        timeout=60,
        check=True,
    )
    done = subprocess.run(
        composite("post.py"), env=installed, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")
    assert locks(ready) == [-1, -1]  # void after their lease
