"""Builds the Python environments that tasks run in, and keeps them by content.

Owns workspace files as local files, what an all-purpose cluster remembers of them, and the real
installation by uv into a fresh virtual environment. Must not know what the task then runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import posixpath
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from deployer.checks.java import installer_environment
from sandbox import processes
from sandbox.requirement_lines import InstallationError, Requirements, Step

BASE = ("pyspark[sql]==4.3.0", "pandas<3")
"""What every environment starts with: as a runtime does, Spark with pandas, NumPy and PyArrow,
which libraries use without declaring them. A library that wants another version replaces it."""

INSTALL_LIMIT_S = 900
"""Time for one installation; the first download of PySpark is 450 MB."""


Command = list[str | Path]
"""A program and its arguments."""

_LOOK_S = 0.1
_TOLD_CHARACTERS = 500


class WorkspaceFiles:
    """Local copies of workspace files: each under its real base name, in a folder per content."""

    def __init__(self, store: Path, read_file: Callable[[str], bytes]) -> None:
        self._store = store
        self._read_file = read_file

    def fetch(self, path: str) -> Path:
        """The file at `path` as it is now.

        Raises:
            InstallationError: there is no such file, or it may not be read.
        """
        name = posixpath.basename(path)
        try:
            content = self._read_file(path)
        except FileNotFoundError as missing:
            raise _missing(path, "file not found") from missing
        except PermissionError as refused:
            raise _missing(path, "no permission to read it") from refused
        if name in {"", ".", ".."}:
            raise _missing(path, "it has no file name")
        local = self._store / hashlib.sha256(content).hexdigest() / name
        if not local.exists():
            local.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=local.parent, delete=False) as writing:
                writing.write(content)
            Path(writing.name).replace(local)
        return local


def _missing(path: str, why: str) -> InstallationError:
    return InstallationError(
        f"Library installation failed: Library from {path} : {why}. "
        "Error code: DRIVER_LIBRARY_INSTALLATION_FAILURE"
    )


class ClusterFiles:
    """Workspace files as one running all-purpose cluster sees them: a path is read once.

    A running cluster caches libraries by path, not by content, so it keeps the old code when the
    file at the path is replaced (facts C, "same path, new content"; databricks/cli #1050
    and #2502). What failed to install is not kept: call `keep` once the installation worked.
    """

    def __init__(self, files: WorkspaceFiles) -> None:
        self._files = files
        self._known: dict[tuple[str, str], Path] = {}

    def restart(self, cluster_id: str) -> None:
        """Forget what the cluster knows: after a restart it installs what the paths hold then."""
        self._known = {key: file for key, file in self._known.items() if key[0] != cluster_id}

    def view(self, cluster_id: str) -> ClusterView:
        """The files as this cluster sees them."""
        return ClusterView(self, cluster_id)

    def known(self, cluster_id: str, path: str) -> Path | None:
        """The file that the cluster installed from `path`, if it did."""
        return self._known.get((cluster_id, path))

    def read(self, path: str) -> Path:
        """The file as the workspace has it now."""
        return self._files.fetch(path)

    def keep(self, cluster_id: str, installed: Mapping[str, Path]) -> None:
        """Remember what was installed; of two tasks that were at it at once, the first counts."""
        for path, file in installed.items():
            self._known.setdefault((cluster_id, path), file)


class ClusterView:
    """One task's look at the files of its cluster."""

    def __init__(self, files: ClusterFiles, cluster_id: str) -> None:
        self._files = files
        self._cluster_id = cluster_id
        self._used: dict[str, Path] = {}

    def fetch(self, path: str) -> Path:
        """The file that the cluster has for `path`, or the present one when it has none."""
        known = self._files.known(self._cluster_id, path)
        self._used[path] = known or self._files.read(path)
        return self._used[path]

    def installed(self) -> None:
        """Say that the installation of all fetched files worked."""
        self._files.keep(self._cluster_id, self._used)


@dataclass(frozen=True)
class Environment:
    """A virtual environment that is ready to use."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def spark_submit(self) -> Path:
        """The `spark-submit` of its PySpark."""
        return self.folder / "bin" / "spark-submit"

    @property
    def spark_jars(self) -> Path:
        """The folder with the jars of its PySpark, Scala and its compiler among them."""
        (packages,) = self.folder.glob("lib/python3*/site-packages")
        return packages / "pyspark" / "jars"


def environment_key(requirements: Requirements) -> str:
    """A name for the environment that `requirements` make: equal content, equal name.

    The lines hold the SHA-256 of each workspace file, as the folder of its local copy. Names that
    are not pinned resolve once: as on a real cluster, the installed version stays.
    """
    steps = [[list(step.lines), list(step.constraints)] for step in requirements.steps]
    content = json.dumps([BASE, sys.version, steps])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


class Environments:
    """The environments below one folder, which several threads and processes may share."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {"PATH": os.defpath, **installer_environment(environ)}

    def provide(self, requirements: Requirements, cancelled: threading.Event) -> Environment:
        """The environment with `requirements`, built when there is none yet.

        Raises:
            InstallationError: uv refused; its output says why. Nothing of it stays.
        """
        ready = Environment(self._folder / environment_key(requirements))
        if ready.python.exists():
            return ready
        base = self.provide(Requirements(), cancelled) if requirements.steps else None
        self._folder.mkdir(parents=True, exist_ok=True)
        with _alone(ready.folder.with_suffix(".lock"), cancelled):
            if not ready.python.exists():
                self._build(requirements, base, ready, cancelled)
        return ready

    def _build(
        self,
        requirements: Requirements,
        base: Environment | None,
        ready: Environment,
        cancelled: threading.Event,
    ) -> None:
        """Make the environment beside its place and move it there, so that it is never partial.

        All start as copies of one that has `BASE` alone: as in a runtime, what is installed
        stays, unless a library wants another (delta-spark, for one, wants a certain PySpark).
        """
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=self._folder))
        new = Environment(work / "environment")
        try:
            if base:
                # Links, not copies: PySpark has 500 MB, and installers replace files, never edit.
                shutil.copytree(base.folder, new.folder, symlinks=True, copy_function=os.link)
            else:
                place: Command = ["--python", sys.executable, "--relocatable", new.folder]
                self._uv(["venv", *place], cancelled)
                base_packages: Command = ["--compile-bytecode", "--python", new.python, *BASE]
                self._uv(["pip", "install", *base_packages], cancelled)
            for step in requirements.steps:
                self._install(step, new, work, cancelled)
            # What stands there has lost its interpreter, else it would have been used.
            shutil.rmtree(ready.folder, ignore_errors=True)
            new.folder.rename(ready.folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _install(
        self, step: Step, new: Environment, work: Path, cancelled: threading.Event
    ) -> None:
        """Let uv install one step into a new environment."""
        command: Command = ["pip", "install", "--python", new.python]
        for option, lines in (("--requirements", step.lines), ("--constraints", step.constraints)):
            if lines:
                listed = work / f"{option.strip('-')}.txt"
                listed.write_text("\n".join(lines), encoding="utf-8")
                command += [option, listed]
        self._uv(command, cancelled)

    def _uv(self, arguments: Command, cancelled: threading.Event) -> None:
        ended = processes.run(
            [find_uv_bin(), "--no-progress", "--no-python-downloads", *arguments],
            environ=self._environ,
            folder=self._folder,
            limit_s=INSTALL_LIMIT_S,
            cancelled=cancelled,
        )
        if ended.stop is processes.Stop.TIMEOUT:
            raise InstallationError(
                f"Library installation failed: it took longer than {INSTALL_LIMIT_S} seconds.",
                ended.output,
            )
        if not ended.succeeded:
            raise InstallationError(f"Library installation failed: {_told(ended)}", ended.output)


def _told(ended: processes.Ended) -> str:
    """The lines of uv's output that say what went wrong; progress stands before them."""
    lines = [line.strip() for line in ended.output.splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if line.startswith(("error:", "×"))]
    told = " ".join(lines[starts[0] :] if starts else lines[-1:]).removeprefix("error:").strip("× ")
    return told[:_TOLD_CHARACTERS] or f"exit code {ended.code}"


@contextlib.contextmanager
def _alone(lock: Path, cancelled: threading.Event) -> Iterator[None]:
    """Hold `lock` against other threads and processes; it ends with its holder, even by a kill.

    Raises:
        InstallationError: cancelled while waiting.
    """
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled.wait(_LOOK_S):
                    raise InstallationError("Library installation cancelled.") from None
        yield
