"""A project that attacks whoever checks it gets nothing (design.md, rule 10; ADR 18).

The same attacks run twice: as the image has it, where none may work, and without its user, where each must
work: an attack that fails by itself would show nothing.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deployer.checks.java import installer_environment
from tests.contract.container_door import Door, a_door, command
from tests.contract.runner_files import read_key_values
from tests.end_to_end.container_of_the_image import entering, needs_containers

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]
RUNNER = 1_001  # the runner's user on GitHub's machines
ATTACK = r"""
import glob, os, signal, socket, subprocess, sys, time

PLACES = ["/", "/etc", "/opt", "/usr/local/bin", "/github/workspace", "/github/runner_temp"]

def environment():
    return any("marked" in value for value in os.environ.values())

def processes():
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            if b"marked-environ" in open(path, "rb").read():
                return True
        except OSError:
            pass

def memory():
    return open("/proc/1/mem", "rb")

def descriptors():
    return os.listdir("/proc/1/fd")

def files():
    for folder, _, names in os.walk("/github"):
        for name in names:
            try:
                if b"marked" in open(os.path.join(folder, name), "rb").read():
                    return True
            except OSError:
                pass

def known_files():
    for path in ["workflow/event.json", "home/.netrc", "runner_temp/git-credentials.config"]:
        try:
            return b"marked" in open("/github/" + path, "rb").read()
        except OSError:
            pass

def git():
    said = subprocess.run(["git", "config", "--list"], capture_output=True, text=True).stdout
    return "marked" in said

def output():
    with open("/github/file_commands/output", "a") as stream:
        stream.write("outcome=pwned\n")
    return True

def path():
    with open("/github/file_commands/path", "a") as stream:
        stream.write("/tmp/evil\n")
    return True

def docker():
    for path in ("/run/docker.sock", "/var/run/docker.sock"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            return b"marked" in client.recv(100)

def signals():
    os.kill(1, 0)
    return True

def writes():
    scratch = os.path.dirname(os.environ["HOME"])
    for folder in [*PLACES, scratch]:
        try:
            with open(os.path.join(folder, "litter"), "x"):
                return True
        except OSError:
            pass

def root():
    os.setuid(0)
    return True

def more_rights():
    return "NoNewPrivs:\t1" not in open("/proc/self/status").read()

def groups():
    return 0 in (os.getgid(), *os.getgroups())

def survivor():
    found = [open(path, "rb").read().split(b"\0") for path in glob.glob("/proc/[0-9]*/cmdline")]
    return any(b"the-daemon" in each and str(os.getpid()).encode() not in each for each in found)

ATTACKS = [environment, processes, memory, descriptors, files, known_files, git, output, path, docker]
ATTACKS += [signals, writes, root, more_rights, groups, survivor]

def leave_a_daemon(out):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    argv = [sys.executable, "-c", code, "the-daemon", str(os.getpid())]
    subprocess.Popen(argv, start_new_session=True, stdout=out, stderr=out)

def attack(where, out=None):
    for one in ATTACKS:
        try:
            worked = one()
        except Exception:
            worked = False
        if worked:
            print(f"LOOT {one.__name__} in {where}", flush=True, file=out)
    leave_a_daemon(subprocess.DEVNULL)
    if "test" in where:  # elsewhere uv would wait for it, until the time is up
        leave_a_daemon(None)
    print(f"TRIED {len(ATTACKS)} in {where}", flush=True, file=out)
"""
BACKEND = r"""
import base64, hashlib, os, pathlib, sys, zipfile

sys.path.insert(0, os.getcwd())
from attack import attack

def wheel(folder, files):
    info = "retail_metrics-1.5.0.dist-info"
    files[f"{info}/METADATA"] = "Metadata-Version: 2.1\nName: retail-metrics\nVersion: 1.5.0\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    name = "retail_metrics-1.5.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name

def build_wheel(folder, config_settings=None, metadata_directory=None):
    attack("the build")
    return wheel(folder, {"retail_metrics/__init__.py": ""})

def build_editable(folder, config_settings=None, metadata_directory=None):
    with open("said", "w") as out:  # uv shows nothing of an installation that works
        attack("the installation", out)
    return wheel(folder, {"retail_metrics.pth": os.getcwd()})
"""
PROJECT = {
    "attack.py": ATTACK,
    "conftest.py": 'from attack import attack\n\nprint(open("said").read())\nattack("conftest")\n',
    "test_hostile.py": 'from attack import attack\n\ndef test_it():\n    attack("a test")\n',
    "build_backend/backend.py": BACKEND,
    "pyproject.toml": """
        [build-system]
        requires = []
        build-backend = "backend"
        backend-path = ["build_backend"]
        [project]
        name = "retail-metrics"
        version = "1.5.0"
        [tool.ruff]
        extend-exclude = ["*.py"]
        [tool.pytest.ini_options]
        addopts = "-s"
    """,
}
PLACES = {"the installation", "conftest", "a test", "the build"}
KINDS = set(re.findall(r"^def (\w+)\(\):$", ATTACK, re.M))


@dataclass(frozen=True)
class Ended:
    """How a step in a container ended."""

    code: int
    log: str
    outputs: dict[str, str]

    @property
    def loot(self) -> set[str]:
        return set(re.findall(r"LOOT (\w+) in", self.log))

    @property
    def tried(self) -> set[str]:
        return set(re.findall(r"TRIED \d+ in ([\w ]+)", self.log))


@contextmanager
def docker_socket(path: Path) -> Iterator[Path]:
    """Stands in for Docker's: it tells a secret to everybody who gets through to it."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o666)  # as carelessly as some machines have it
        server.listen()

        def answer() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.sendall(b"marked-docker")

        threading.Thread(target=answer, daemon=True).start()
        yield path
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A hostile project in a checkout of the runner's user, and secrets wherever there may be some."""
    with needs_containers(tmp_path), a_door(tmp_path) as one:
        github = one.machine.inside
        for name, text in PROJECT.items():
            path = github / "workspace" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        git = ["git", "-C", str(github / "workspace")]
        subprocess.run([*git, "init", "--quiet"], check=True)
        header = "http.https://github.com/.extraheader"
        subprocess.run([*git, "config", header, "AUTHORIZATION: basic marked-git"], check=True)
        (github / "workflow" / "event.json").write_text('{"token": "marked-event"}')
        (github / "home" / ".netrc").write_text("machine x login y password marked-netrc")
        (github / "runner_temp" / "git-credentials.config").write_text("marked-temp")
        for path in (github, *github.rglob("*")):
            os.chown(path, RUNNER, RUNNER, follow_symlinks=False)
        yield one


def step(door: Door, *, as_in_image: bool, **inputs: str) -> Ended:
    """The step, in a container."""
    github = door.machine.inside
    base = github.parent / "container"
    base.mkdir()
    secret = {"MY_SECRET": "marked-environ"}
    environ = {**installer_environment(os.environ), "PATH": os.environ["PATH"], **secret}
    environ.pop("TMPDIR", None)
    inside = replace(door, machine=replace(door.machine, inside=Path("/github")))
    given = {"mode": "plan", "wheel": "-", **inputs}
    with docker_socket(github.parent / "docker.sock") as path:
        done = subprocess.run(
            entering(base, github, path, command(), as_in_image=as_in_image),
            env={**inside.environment(given), **environ, "HOME": "/github/home"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
    output = github / "file_commands" / "output"
    outputs = read_key_values(output) if as_in_image else {}
    return Ended(done.returncode, done.stdout, outputs)


def listing(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path): (path.lstat().st_uid, path.lstat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_a_hostile_project_gets_nothing_and_changes_nothing(door: Door) -> None:
    github = door.machine.inside
    before = listing(github / "workspace")
    ended = step(door, as_in_image=True)
    assert ended.code == 0, ended.log
    assert ended.tried == PLACES, ended.log
    assert ended.loot == set(), ended.log
    assert ended.outputs["outcome"] == "succeeded"
    assert ended.outputs["version"] == "1.5.0"
    assert door.machine.from_host(ended.outputs["wheel-path"]).is_file()
    assert listing(github / "workspace") == before
    assert (github / "file_commands" / "path").read_bytes() == b""
    owners = {str(path): path.lstat().st_uid for path in github.rglob("*")}
    assert {path for path, uid in owners.items() if uid != RUNNER} == set()
    assert "marked" not in ended.log


def test_each_of_these_attacks_works_where_the_project_is_not_kept_apart(door: Door) -> None:
    ended = step(door, as_in_image=False)
    assert len(KINDS) == 16
    assert ended.tried == PLACES, ended.log
    # What is not there: variables, which are scrubbed everywhere.
    assert ended.loot == KINDS - {"environment"}, ended.log


def test_no_request_is_made_before_the_projects_code_has_ended(door: Door) -> None:
    test = door.machine.inside / "workspace" / "test_hostile.py"
    test.write_text(test.read_text() + "    assert False\n")
    ended = step(door, as_in_image=True)
    assert ended.code == 1, ended.log
    assert ended.outputs["failure-reason"] == "tests-failed"
    assert door.stage.workspace.calls() == []
    report = json.loads(door.machine.from_host(ended.outputs["report-path"]).read_text())
    [test_check] = [one for one in report["checks"] if one["name"] == "test"]
    [finding] = test_check["findings"]
    assert (finding["path"], finding["line"]) == ("test_hostile.py", 5)


def test_a_container_that_may_not_become_another_user_runs_no_code(door: Door) -> None:
    kept = (
        "import ctypes, os, sys; libc = ctypes.CDLL(None); [libc.prctl(24, one) for one in (6, 7)]"
    )
    code = f"{kept}; os.execvp(sys.argv[1], sys.argv[1:])"
    github = door.machine.inside
    base = github.parent / "container"
    base.mkdir()
    inside = replace(door, machine=replace(door.machine, inside=Path("/github")))
    with docker_socket(github.parent / "docker.sock") as path:
        argv = [sys.executable, "-c", code, *command()]
        done = subprocess.run(
            entering(base, github, path, argv),
            env=inside.environment({"mode": "plan", "wheel": "-"}),
            capture_output=True,
            text=True,
            check=False,
        )
    outputs = read_key_values(github / "file_commands" / "output")
    assert outputs["failure-reason"] == "isolation-unavailable", done.stdout + done.stderr
    assert "TRIED" not in done.stdout
