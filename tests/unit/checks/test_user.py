"""Another user's processes: what they are, and that none outlives its command. Needs root."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from deployer.checks import user
from deployer.checks.process import Completed, Deadline, run
from deployer.checks.user import NAME, ProjectUser, project_user
from deployer.errors import DeployError, FailureReason
from tests.unit.checks.test_process import ends

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
# Users of no machine; tests of other files that run meanwhile take others, as all of one are killed.
SOMEBODY = ProjectUser(62_010, 62_020)
ANYBODY = ProjectUser(62_030, 62_030)


def shell(code: str, who: ProjectUser = SOMEBODY, lines: list[str] | None = None) -> Completed:
    """Run a shell; the interpreter of the tests may lie where no other user gets to."""
    return run(
        ["/bin/sh", "-c", code],
        cwd=Path("/"),
        env={"PATH": os.defpath},
        timeout_s=60,
        on_line=(lines if lines is not None else []).append,
        user=who,
    )


def test_a_command_runs_as_that_user_with_no_group_and_no_way_to_more_rights() -> None:
    lines: list[str] = []
    assert shell("cat /proc/self/status", lines=lines).exit_code == 0
    status = dict(line.split(":", 1) for line in lines)
    assert status["Uid"].split() == ["62010"] * 4
    assert status["Gid"].split() == ["62020"] * 4
    assert status["Groups"].split() == []
    assert status["NoNewPrivs"].split() == ["1"]
    assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")} == {0}


def test_it_can_read_neither_our_environment_nor_our_memory_and_not_signal_us() -> None:
    me = os.getpid()
    for code in (f"cat /proc/{me}/environ", f": < /proc/{me}/mem", f"kill -0 {me}"):
        assert shell(code).exit_code != 0
        root = subprocess.run(["/bin/sh", "-c", code], capture_output=True, check=False)
        assert root.returncode == 0, "the test must be about something"


def test_a_process_that_left_its_session_ends_with_the_command() -> None:
    lines: list[str] = []
    done = shell(
        "setsid sh -c 'trap \"\" TERM HUP; echo $$; exec sleep 600' & sleep 0.5", lines=lines
    )
    assert done.exit_code == 0
    assert done.seconds < 30  # although it keeps the output open
    assert ends(int(lines[0]))


def test_nothing_of_a_user_escapes_by_forking() -> None:
    # Each starts the next one and ends, so that a list of processes is old before it is read.
    chase = "f() { (f) & exit; }; f"
    shell(f"setsid sh -c '{chase}' & setsid sh -c '{chase}' & sleep 0.3")
    limit = Deadline(10)
    while _alive(SOMEBODY.uid) and limit.left_s() > 0:
        time.sleep(0.02)
    time.sleep(0.1)
    assert _alive(SOMEBODY.uid) == set()


def _alive(uid: int) -> set[int]:
    """The processes of a user, without those that ended and that nobody asked for yet."""
    found = set()
    for path in Path("/proc").iterdir():
        with suppress(OSError):
            mine = path.name.isdecimal() and path.stat().st_uid == uid
            if mine and (path / "stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX":
                found.add(int(path.name))
    return found


def test_processes_of_others_live_on() -> None:
    other = subprocess.Popen(ANYBODY.command(["sleep", "600"]))
    neighbour = ProjectUser(SOMEBODY.uid + 1, 62_020)
    try:
        shell("true")
        assert other.poll() is None
        shell("true", who=neighbour)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_it_may_open_its_output_by_name() -> None:
    lines: list[str] = []
    shell("echo by name > /dev/stdout; echo too > /proc/self/fd/2", lines=lines)
    assert lines == ["by name", "too"]


def test_a_user_that_can_not_be_tried_out_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(DeployError) as caught:
        SOMEBODY.try_out(tmp_path / "not there")
    assert caught.value.reason is FailureReason.ISOLATION_UNAVAILABLE


def test_without_the_tool_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(user, "_SETPRIV", "/nowhere/setpriv")
    with pytest.raises(DeployError) as caught:
        SOMEBODY.try_out(tmp_path)
    assert caught.value.reason is FailureReason.ISOLATION_UNAVAILABLE
    assert "setpriv" in caught.value.problem.detail


def _entry(monkeypatch: pytest.MonkeyPatch, uid: int, gid: int) -> None:
    entry = pwd.struct_passwd((NAME, "x", uid, gid, "", "/nonexistent", "/usr/sbin/nologin"))
    monkeypatch.setattr(pwd, "getpwnam", {NAME: entry}.__getitem__)


def test_the_user_is_the_one_of_that_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert project_user(tmp_path) is None, "a machine that is not our image has none"
    _entry(monkeypatch, 62_050, 62_051)
    assert project_user(tmp_path) == ProjectUser(62_050, 62_051)
    assert project_user(tmp_path / "not there") == ProjectUser(62_050, 62_051)


@pytest.mark.parametrize(("uid", "gid"), [(0, 62_051), (62_050, 0), (62_060, 62_051)])
def test_root_and_the_owner_of_the_workspace_are_not_another_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uid: int, gid: int
) -> None:
    _entry(monkeypatch, uid, gid)
    os.chown(tmp_path, 62_060, 62_060)
    with pytest.raises(DeployError) as caught:
        project_user(tmp_path)
    assert caught.value.reason is FailureReason.ISOLATION_UNAVAILABLE


def test_who_is_not_root_becomes_nobody_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _entry(monkeypatch, 62_050, 62_051)
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    assert project_user(tmp_path) is None
