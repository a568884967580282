"""A cancelled step: SIGINT, 7.5 s later SIGTERM, 2.5 s later the end (facts, "Contract facts" 13).

Wherever it hits, the step ends by itself with a true report: outcome `cancelled`, and each job told as it
stands. A run that waits for something that does not come ends without it. Bounds here are generous; what
is asserted is that the run ended by itself before it would be killed, and what it said.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployer.deployment.apply import PARALLEL_JOBS
from sandbox.faults import Fault
from tests.contract.container_door import Door, Step, a_door, command
from tests.pipeline.stage import NAME, ROOT, path

COMES_S = 60.0  # for what must happen before the signal
ENDS_S = 60.0  # far above what the runner gives; a hanging run fails here
SILENT = {"kind": "timeout", "times": 0}
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with a_door(tmp_path) as one:
        yield one


class Running:
    """A step that runs, to be cancelled."""

    def __init__(self, door: Door, process: subprocess.Popen[bytes]) -> None:
        self._door = door
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def when(self, happened: Callable[[], object]) -> None:
        """Wait until something happened while the step runs."""
        end = time.monotonic() + COMES_S
        while not happened():
            assert self._process.poll() is None, self._process.communicate()
            assert time.monotonic() < end, "what the test waits for did not happen"
            time.sleep(0.01)

    def when_met(self, count: int = 1) -> None:
        """Wait until that many calls matched the faults, whether or not they were answered."""
        faults = self._door.stage.workspace._workspace.faults
        self.when(lambda: sum(faults._seen) >= count)

    def cancel(self, *signals: signal.Signals) -> Step:
        """Send `signals` and wait for the end."""
        for one in signals or (signal.SIGINT,):
            self._process.send_signal(one)
        out, err = self._process.communicate(timeout=ENDS_S)
        return Step(self._process.returncode, out.decode(), err.decode(), self._door.machine)


@contextmanager
def running(door: Door, **inputs: str) -> Iterator[Running]:
    process = subprocess.Popen(
        command(),
        env=door.environment({"mode": "deploy", **inputs}),
        cwd=door.machine.inside / "workspace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Running(door, process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def assert_cancelled(done: Step) -> dict[str, Any]:
    """The report of a run that was cancelled and said so everywhere; gives the document."""
    assert done.code == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    document = done.document
    assert document["outcome"] == done.outputs["outcome"] == "cancelled"
    assert document["failure"]["reason"] == done.outputs["failure-reason"] == "cancelled"
    assert "cancelled" in done.summary
    assert any("cancelled" in one.properties["title"] for one in done.runner.named("error"))
    return document


def assert_told_as_it_stands(door: Door, jobs: list[int], document: dict[str, Any]) -> None:
    """Each job is told once, and what is told is so; each names one file that is there."""
    told = {
        state: {one["job_id"] for one in document["deployment"][state]}
        for state in ("applied", "failed", "pending", "drifted")
    }
    assert sorted(job for ids in told.values() for job in ids) == sorted(jobs)
    assert not told["drifted"]
    for job in jobs:
        [version] = door.stage.version_of(job)
        assert version in door.stage.stored()
        if job in told["applied"]:
            assert version == "1.5.0"
        if job in told["pending"]:
            assert version == "1.4.0"


@pytest.fixture
def jobs(door: Door) -> list[int]:
    """Thirty jobs on 1.4.0, 1.3.0 that nothing uses, and 1.5.0 to deploy."""
    door.stage.publish("1.3.0", "1.4.0")
    door.stage.build("1.5.0")
    return [door.stage.job(path("1.4.0"), name=f"job {number}") for number in range(30)]


def moved(door: Door, jobs: list[int]) -> int:
    return sum(door.stage.version_of(job) == ["1.5.0"] for job in jobs)


def with_faults(door: Door, *faults: dict[str, Any]) -> None:
    door.stage.workspace.set_faults([Fault(**one) for one in faults])


def deploy_again(door: Door, jobs: list[int]) -> None:
    """Whatever was cancelled, the same deployment finishes the work."""
    with_faults(door)
    done = door.step(mode="deploy")
    assert done.code == 0, done.stdout
    assert moved(door, jobs) == len(jobs)
    assert door.stage.stored() == {"1.4.0", "1.5.0"}  # a rollback needs what was replaced


# ── Before anything is changed ───────────────────────────────────────────────────────────────────


def test_while_the_program_is_still_loading(door: Door, jobs: list[int]) -> None:
    def listens() -> bool:
        status = Path(f"/proc/{step.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return all(caught >> (one - 1) & 1 for one in SIGNALS)

    with running(door) as step:
        step.when(listens)
        document = assert_cancelled(step.cancel())
    assert document["failure"]["detail"] == "Nothing was changed."
    assert moved(door, jobs) == 0
    assert door.stage.stored() == {"1.3.0", "1.4.0"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            {"kind": "status", "status": 503, "retry_after": "120", "times": 0}, id="retry"
        ),
        pytest.param(
            {"kind": "status", "status": 429, "retry_after": "120", "times": 0}, id="rate-limit"
        ),
        pytest.param(SILENT, id="silence"),
    ],
)
@pytest.mark.parametrize("call", ["/.well-known/databricks-config", "*/scim/v2/Me", "*/jobs/list"])
def test_while_a_read_waits(door: Door, jobs: list[int], fault: dict[str, Any], call: str) -> None:
    with_faults(door, {"path": call, **fault})
    with running(door) as step:
        step.when_met()
        document = assert_cancelled(step.cancel())
    assert document["failure"]["detail"] == "Nothing was changed."
    assert document["deployment"] is None
    assert moved(door, jobs) == 0


def test_while_a_build_runs_what_it_started_ends_with_it(door: Door) -> None:
    workspace = door.machine.inside / "workspace"
    (workspace / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{NAME}"\nversion = "1.5.0"\n'
    )
    (workspace / "backend.py").write_text(
        "import os, pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path('pids').write_text(f'{os.getpid()} {child.pid}\\n')\n"
        "time.sleep(600)\n"
    )
    pids = workspace / "pids"
    with running(door, wheel="-", checks="false") as step:
        step.when(lambda: pids.is_file() and pids.read_text().endswith("\n"))
        document = assert_cancelled(step.cancel())
    assert "during the checks" in document["failure"]["title"]
    assert [one["name"] for one in document["checks"]] == ["lint", "test"]
    for pid in pids.read_text().split():
        stat = Path("/proc", pid, "stat")
        assert not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"


# ── While the library goes up ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("folder", ["locks", "journal"])
def test_while_a_lock_or_the_journal_gets_no_answer(
    door: Door, jobs: list[int], folder: str
) -> None:
    with_faults(door, {"method": "PUT", "path": f"*/{folder}/*", **SILENT})
    with running(door) as step:
        step.when_met()
        assert_cancelled(step.cancel())
    assert moved(door, jobs) == 0
    assert door.stage.stored() == {"1.3.0", "1.4.0"}
    deploy_again(door, jobs)


def test_while_the_upload_gets_no_answer(door: Door, jobs: list[int]) -> None:
    with_faults(door, {"method": "PUT", "path": f"*{path('1.5.0')}", **SILENT})
    with running(door) as step:
        step.when_met()
        document = assert_cancelled(step.cancel())
    assert "no job names it" in document["failure"]["detail"]
    assert len(document["deployment"]["pending"]) == len(jobs)
    assert document["deployment"]["uploaded"] is False
    assert_told_as_it_stands(door, jobs, document)
    deploy_again(door, jobs)


# ── While jobs move ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param((signal.SIGINT,), id="SIGINT"),
        pytest.param((signal.SIGTERM,), id="SIGTERM"),
        pytest.param((signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGTERM), id="several"),
    ],
)
def test_between_two_jobs(door: Door, jobs: list[int], signals: tuple[signal.Signals, ...]) -> None:
    with running(door) as step:
        step.when(lambda: moved(door, jobs) >= 3)
        document = assert_cancelled(step.cancel(*signals))
    assert 3 <= moved(door, jobs) < len(jobs)
    assert len(document["deployment"]["applied"]) == moved(door, jobs)
    assert_told_as_it_stands(door, jobs, document)
    assert document["deployment"]["removed"] == []
    deploy_again(door, jobs)


def test_while_writes_get_no_answer(door: Door, jobs: list[int]) -> None:
    """What was sent and not answered is told as unknown, and as runnable; the others as they stand."""
    with_faults(door, {"path": "*/jobs/update", "nth": 4, **SILENT})
    with running(door) as step:
        step.when_met(3 + PARALLEL_JOBS)
        document = assert_cancelled(step.cancel())
    assert_told_as_it_stands(door, jobs, document)
    deployment = document["deployment"]
    assert len(deployment["applied"]) == 3
    assert all("not read back" in one["detail"] for one in deployment["applied"])
    assert len(deployment["failed"]) == PARALLEL_JOBS
    assert all("before the answer came" in one["detail"] for one in deployment["failed"])
    assert "Every job is runnable" in document["failure"]["detail"]
    deploy_again(door, jobs)


def test_while_a_write_that_was_carried_out_waits_to_be_tried_again(
    door: Door, jobs: list[int]
) -> None:
    with_faults(
        door,
        {"path": "*/jobs/update", "kind": "reset-after", "nth": 3},
        {"path": "*/jobs/update", "kind": "status", "retry_after": "120", "nth": 4, "times": 0},
    )
    with running(door) as step:
        step.when_met(2 + 2 * PARALLEL_JOBS)
        document = assert_cancelled(step.cancel())
    assert_told_as_it_stands(door, jobs, document)
    assert all("before the answer" in one["detail"] for one in document["deployment"]["failed"])
    deploy_again(door, jobs)


def test_while_the_result_is_read_back(door: Door, jobs: list[int]) -> None:
    with_faults(door, {"path": "*/jobs/list", "nth": 2, **SILENT})
    with running(door) as step:
        step.when(lambda: moved(door, jobs) == len(jobs))
        document = assert_cancelled(step.cancel())
    assert_told_as_it_stands(door, jobs, document)
    assert len(document["deployment"]["applied"]) == len(jobs)
    assert all("not read back" in one["detail"] for one in document["deployment"]["applied"])
    assert door.stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}


# ── While old versions go ────────────────────────────────────────────────────────────────────────


def test_while_old_versions_go(door: Door, jobs: list[int]) -> None:
    door.stage.publish("1.1.0", "1.2.0")
    with_faults(door, {"method": "DELETE", "path": f"*{ROOT}/*", "nth": 2, **SILENT})
    with running(door) as step:
        step.when_met(2)
        document = assert_cancelled(step.cancel())
    assert len(document["deployment"]["removed"]) == 1
    assert "phase `remove`" in document["failure"]["title"]
    assert moved(door, jobs) == len(jobs)
    gone = {one["version"] for one in document["deployment"]["removed"]}
    assert not gone & door.stage.stored()


def has_given_back(door: Door) -> bool:
    """Whether both locks were given back, which is the end of the story."""
    released = [one for one in door.stage.workspace.files() if one.endswith(".released.json")]
    return len(released) == len(("the library's", "the writer's"))


def test_a_signal_after_the_end_of_the_story_changes_nothing(door: Door, jobs: list[int]) -> None:
    """The report is being delivered: the log's reader is slow, and the run still says what it did."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        command(),
        env=door.environment({"mode": "deploy", "log-level": "debug"}),
        cwd=door.machine.inside / "workspace",
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as log:
            lines = iter(log.readline, b"")
            for line in lines:
                if b"new library" in line and has_given_back(door):
                    break
            process.send_signal(signal.SIGTERM)
            list(lines)
        process.communicate(timeout=ENDS_S)
    finally:
        process.kill()
    done = Step(process.returncode, "", "", door.machine)
    assert (done.code, done.outputs["outcome"]) == (0, "succeeded")
    assert moved(door, jobs) == len(jobs)
