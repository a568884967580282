"""A container of our image, as far as a machine can play it that has no engine and no registry.

A root of its own above the machine's, its own processes, the runner's mounts below /github and a stand-in
for Docker's socket. What the image does for a project's user is done by the very line of the Dockerfile.
Needs root.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("workspace", "runner_temp", "file_commands", "workflow", "home")
_USER = re.compile(r"^RUN (groupadd .+?[^\\])$", re.M | re.S)
# Runs as process 1 of the container, and becomes the command.
_ENTER = """
import json, os, pathlib, subprocess, sys
given = json.loads(sys.argv[1])

def call(*argv):
    subprocess.run(argv, check=True)

base = pathlib.Path(given["base"])
call("mount", "-t", "tmpfs", "none", base)
for name in ("upper", "work", "root"):
    (base / name).mkdir()
root = base / "root"
call("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={base}/upper,workdir={base}/work", root)
call("mount", "-t", "proc", "proc", root / "proc")
call("mount", "--rbind", "/dev", root / "dev")
call("mount", "-t", "tmpfs", "none", root / "run")
(root / "run").chmod(0o755)
for each in given["reached"]:
    # An interpreter in somebody's home is in no image: here it is opened to all, in this root alone.
    for folder in (pathlib.Path(each), *pathlib.Path(each).parents):
        inside = root / str(folder).lstrip("/")
        if inside.is_dir() and not inside.is_symlink():
            inside.chmod(inside.stat().st_mode | 0o055)
for line in given["lines"]:
    call("chroot", root, "/bin/sh", "-ec", line)
for name, folder in given["mounts"].items():
    inside = root / name.lstrip("/")
    if pathlib.Path(folder).is_dir():
        inside.mkdir(parents=True, exist_ok=True)
    else:
        inside.touch()
    call("mount", "--bind", folder, inside)
os.chroot(root)
os.chdir("/github/workspace")
os.execvp(given["argv"][0], given["argv"])
"""


def users_line() -> str:
    """The command of the Dockerfile that makes the project's user and closes what it may not enter."""
    [line] = _USER.findall((REPOSITORY / "Dockerfile").read_text(encoding="utf-8"))
    return str(line).replace("\\\n", " ")


def entering(
    base: Path, github: Path, socket: Path, argv: Sequence[str], *, as_in_image: bool = True
) -> list[str]:
    """The command that runs `argv` in a container whose /github is the folder `github`.

    `base` is an empty folder. Without `as_in_image` it has no user for projects, as other images.
    """
    mounts = {f"/github/{name}": str(github / name) for name in FOLDERS}
    given = {
        "base": str(base),
        "reached": [sys.base_prefix, sys.prefix, str(REPOSITORY)],
        "lines": [users_line()] if as_in_image else [],
        "mounts": {**mounts, "/run/docker.sock": str(socket)},
        "argv": list(argv),
    }
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    return [*apart, sys.executable, "-c", _ENTER, json.dumps(given)]


def needs_containers(folder: Path) -> None:
    """Skip the test where nobody may make one."""
    base = folder / "probe"
    base.mkdir()
    code = (
        "mount -t tmpfs none $0 && mkdir $0/u $0/w $0/r"
        " && mount -t overlay overlay -o lowerdir=/,upperdir=$0/u,workdir=$0/w $0/r"
    )
    argv = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", code, str(base)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine lets nobody make a container: {done.stderr.strip()}")
