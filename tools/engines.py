"""What builds and runs images on this machine: docker, podman or buildah, whichever works.

Owns the command lines of the three. Must not know what is in an image. Installs nothing; `NONE` says what
to install.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NONE = """\
Nothing here can build an image: docker, podman and buildah were looked for, and none of them works.
Start a Docker Engine (20.10 or newer, with BuildKit), or install buildah, which needs neither a daemon nor
a registry: apt-get install --no-install-recommends buildah mmdebstrap"""
LOOK_ALIKE = "localhost/spark-deploy-look-alike:never-push"
_PROBE_S = 120
_PULL_S = 600


class EngineFailed(Exception):
    """A command of an engine failed; the message ends with what it printed last."""


Mount = tuple[Path, str, bool]
"""A folder or file of the machine, where it is inside, and whether it is read-only there."""


@dataclass(frozen=True)
class Run:
    """One container to run."""

    image: str
    command: Sequence[str] = ()  # instead of the image's ENTRYPOINT
    environ: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    folder: str = "/"


@dataclass(frozen=True)
class Engine:
    """`docker` and `podman`, whose command lines are the same as far as it matters here."""

    name: str
    call: tuple[str, ...]
    run_options: tuple[str, ...] = ()
    # A build can't take the local look-alike for something that a registry may have.
    build_options: tuple[str, ...] = ()

    def do(self, *arguments: str | Path, timeout_s: float = 3600) -> str:
        """Run one command; what it printed. Raises EngineFailed."""
        try:
            done = subprocess.run(
                [*self.call, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env=self._environ(),
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineFailed(f"{self.name} {arguments[0]} took over {timeout_s:.0f} s") from error
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip())[-2000:]
            raise EngineFailed(f"{self.name} {arguments[0]} failed:\n{last}")
        return done.stdout

    def pull(self, image: str) -> bool:
        """Fetch `image`; whether a registry had it."""
        try:
            self.do("pull", image, timeout_s=_PULL_S)
        except EngineFailed:
            return False
        return True

    def load(self, tree: Path, image: str) -> None:
        """Make `image` of a tar with a file system."""
        self.do("import", tree, image)

    def build(
        self, folder: Path, image: str, *, target: str, base: str, secrets: Mapping[str, Path]
    ) -> None:
        """Build a target of the Dockerfile of `folder`."""
        given = [f"--secret=id={name},src={path}" for name, path in secrets.items()]
        options = ["--build-arg", f"BASE={base}", "--target", target, "--tag", image]
        self.do("build", *self.build_options, *given, *options, folder)

    def save(self, image: str, archive: Path) -> None:
        """Write the image as a `docker save` archive."""
        self.do("save", "--output", archive, image)

    def start(self, run: Run) -> subprocess.Popen[bytes]:
        """Start a container as the runner does, on the machine's network; it is gone at its end."""
        arguments = ["run", "--rm", "--network", "host", "--workdir", run.folder, *self.run_options]
        for host, inside, read_only in run.mounts:
            arguments += ["-v", f"{host}:{inside}" + (":ro" if read_only else "")]
        for name in run.environ:
            arguments += ["-e", name]
        if run.command:
            arguments += ["--entrypoint", run.command[0]]
        return subprocess.Popen(
            [*self.call, *arguments, run.image, *run.command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self._environ(), **run.environ},
        )

    def interrupt(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Send a signal as the runner does: to the client, which hands it on."""
        process.send_signal(number)

    def answers(self) -> bool:
        """Whether the engine is there at all: for docker, whether its daemon is."""
        try:
            self.do("info", timeout_s=_PROBE_S)
        except (EngineFailed, OSError):
            return False
        return True

    def why_not(self, image: str) -> str:
        """Empty when a container of `image` runs; else why not."""
        try:
            probe = self.start(Run(image, ["/bin/true"]))
            out, err = probe.communicate(timeout=_PROBE_S)
        except (EngineFailed, OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return "" if probe.returncode == 0 else (err or out).decode(errors="replace").strip()[-500:]

    def remove(self, images: Iterable[str]) -> None:
        """Remove images; those that are not there are fine."""
        for image in images:
            subprocess.run(
                [*self.call, "rmi", "--force", image],
                capture_output=True,
                env=self._environ(),
                check=False,
            )

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDAH_ISOLATION": "chroot"}


@dataclass(frozen=True)
class Buildah(Engine):
    """Builds and runs with nothing but a changed root: no daemon, no runtime, no registry."""

    def load(self, tree: Path, image: str) -> None:
        """Make `image` of a tar with a file system."""
        container = self.do("from", "scratch").strip()
        self.do("add", container, tree, "/")
        self.do("commit", "--quiet", "--rm", container, image)

    def save(self, image: str, archive: Path) -> None:
        """Write the image as a `docker save` archive."""
        self.do("push", "--quiet", image, f"docker-archive:{archive}:{image}")

    def start(self, run: Run) -> subprocess.Popen[bytes]:
        """As the others, in a container that `remove` takes away with its image."""
        container = self.do("from", "--pull-never", run.image).strip()
        config = json.loads(self.do("inspect", "--type", "image", run.image))
        command = run.command or config["Docker"]["config"]["Entrypoint"]
        options = ["--isolation", "chroot", "--workingdir", run.folder]
        for host, inside, read_only in run.mounts:
            options += ["--volume", f"{host}:{inside}" + (":ro" if read_only else "")]
        for name, value in run.environ.items():
            options += ["--env", f"{name}={value}"]
        return subprocess.Popen(
            [*self.call, "run", *options, container, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environ(),
        )

    def interrupt(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Send a signal to the program itself: with a changed root there is no process 1 between."""
        os.kill(_last_child(process.pid), number)

    def remove(self, images: Iterable[str]) -> None:
        """Remove images and all containers, which are ours: the storage is our own."""
        subprocess.run([*self.call, "rm", "--all"], capture_output=True, check=False)
        super().remove(images)


def _last_child(pid: int) -> int:
    """The end of the chain of processes that `pid` began, whichever of its threads began one."""
    while found := [
        int(child)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]:
        pid = found[0]
    return pid


def candidates(storage: Path) -> list[Engine]:
    """The engines that are installed, the most usual first; but for docker with a storage of their own."""
    # Machines without the right to raise limits take only those that are no higher than theirs.
    limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
    local = ("--format", "docker", "--pull=never", "--layers", "--isolation", "chroot")
    found: list[Engine] = []
    if shutil.which("docker"):
        found.append(Engine("docker", ("docker",)))
    if shutil.which("podman"):
        for runtime in filter(shutil.which, ("crun", "runc")):
            call = ("podman", *_own(storage / runtime), "--runtime", runtime)
            found.append(Engine(f"podman ({runtime})", call, limits, local))
    if shutil.which("buildah"):
        call = ("buildah", *_own(storage / "buildah"))
        found.append(Buildah("buildah", call, (), local))
    return found


def _own(storage: Path) -> tuple[str, ...]:
    # Sockets lie below `run`, whose path podman wants to be no longer than 50 characters.
    run = Path(tempfile.gettempdir(), f"deploy-{os.getpid()}-{storage.name}")
    return ("--root", str(storage), "--runroot", str(run))
