"""`make image`: builds the action's image, runs the action in it as the runner would, and measures it.

Takes the first engine that works, and a base from a registry; without one a local look-alike of it, which
is named so and never pushed. Owns the order of what is tried and what is printed. Exit code 0 when all is
well, 1 when something is wrong with the image, 2 when this machine can build none.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.faults import Fault
from sandbox.options import Options
from sandbox.server import Sandbox
from tools import hostile, image_archive
from tools.engines import LOOK_ALIKE, NONE, Engine, EngineFailed, Mount, Run, candidates
from tools.runner import Machine

REPOSITORY = Path(__file__).resolve().parent.parent
ROOT = "/Volumes/main/libraries/released"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spark-deploy" / "image"
IMAGE = "localhost/spark-deploy"
GIVEN_BASE = "localhost/spark-deploy-base:given"
STARTS = 7  # containers whose start is timed
RUNNERS_USER = 1001  # whose checkout it is on GitHub's machines
ENDS_S = 60
# A stand-in for the official slim image: Debian, Python in PATH, and no bytecode, as it is there.
_TREE = (
    "mmdebstrap", "--quiet", "--variant=minbase", '--aptopt=APT::Install-Recommends "false"',
    "--include=python3,python3-venv,python3-pip,ca-certificates",
    "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    '--customize-hook=ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
    '--customize-hook=find "$1/usr/lib" -name __pycache__ -prune -exec rm -rf {} +',
    '--customize-hook=find "$1/var/cache" "$1/var/log" -type f -delete',
    "bookworm",
)  # fmt: skip


class NoBase(Exception):
    """There is no base image, and no way to make a look-alike."""


@dataclass
class Findings:
    """What was found wrong, told at once and counted at the end."""

    wrong: int = 0

    def expect(self, holds: object, sentence: str) -> None:
        """Tell whether it holds."""
        print(f"  {'ok' if holds else 'WRONG'}: {sentence}", flush=True)
        self.wrong += not holds


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, check, run and measure; the exit code."""
    parser = argparse.ArgumentParser(prog="make image", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--target", choices=("slim", "full"), default="slim")
    parser.add_argument("--ca-bundle", type=Path, default=_ca_bundle(), help="of a proxy (PEM)")
    parser.add_argument("--index-url", default=os.environ.get("PIP_INDEX_URL", ""))
    parser.add_argument("--base", default="", help="instead of the Dockerfile's, with its digest")
    parser.add_argument("--keep", action="store_true", help="keep the image")
    given = parser.parse_args(arguments)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="spark-deploy-image-", dir=CACHE) as folder:
        work = Path(folder)
        work.chmod(0o755)  # another user's checkout lies below
        found = _engine(work, given.base)
        if isinstance(found, str):
            print(found, file=sys.stderr)
            return 2
        engine, base = found
        image = f"{IMAGE}:{given.target}"
        try:
            return _build_and_try(engine, base, image, given, work)
        except EngineFailed as error:
            print(f"The image could not be built or run. {error}", file=sys.stderr)
            return 1
        finally:
            if not given.keep:
                engine.remove([image])
            if engine.name != "docker":
                engine.remove([LOOK_ALIKE])
                _clear(engine)


def _build_and_try(
    engine: Engine, base: str, image: str, given: argparse.Namespace, work: Path
) -> int:
    findings = Findings()
    secrets = _secrets(given, work)
    print(f"Build {image} with {engine.name} on {base}", flush=True)
    started = time.monotonic()
    engine.build(REPOSITORY, image, target=given.target, base=base, secrets=secrets)
    print(f"  built in {time.monotonic() - started:.0f} s")
    engine.save(base, work / "base.tar")
    engine.save(image, work / "image.tar")
    found = image_archive.read(work / "image.tar", image_archive.digests(work / "base.tar"))
    print("What is in it")
    wrong = list(image_archive.problems(found, secrets.values()))
    for sentence in wrong[:20]:
        findings.expect(False, sentence)  # noqa: FBT003
    findings.expect(
        not wrong,
        "no tests, caches or secrets; compiled; an absolute entrypoint; no USER, no WORKDIR",
    )
    _sizes(found)
    _try_out(engine, image, work, findings)
    if base == LOOK_ALIKE:
        print("The base is a local look-alike: sizes and times of the official one will differ.")
    print(f"{findings.wrong} things are wrong." if findings.wrong else "All is well.")
    return 1 if findings.wrong else 0


def _sizes(found: image_archive.Image) -> None:
    print("Sizes in MB (10^6 bytes), plain and compressed")
    base = image_archive.BASE
    rows = [(one.part, one.size, one.compressed) for one in found.layers if one.part != base]
    of_base = [one for one in found.layers if one.part == base]
    rows.insert(0, (base, sum(one.size for one in of_base), sum(one.compressed for one in of_base)))
    rows.append(("all", found.size, found.compressed))
    for name, size, compressed in rows:
        mb = image_archive.MB
        print(f"  {size / mb:7.1f} {compressed / mb:7.1f}  {name}")


# ── Engine and base ──────────────────────────────────────────────────────────────────────────────


def _engine(work: Path, base_given: str) -> tuple[Engine, str] | str:
    """The first engine that runs a container of the base, with that base; else why there is none."""
    said: list[str] = []
    for engine in candidates(work / "storage"):
        if not engine.answers():
            said.append(f"{engine.name}: it does not answer.")
            continue
        try:
            base = _base(engine, base_given)
        except NoBase as error:
            return str(error)
        except EngineFailed as error:
            said.append(str(error))
            continue
        why_not = engine.why_not(base)
        if not why_not:
            return engine, base
        said.append(f"{engine.name}: {why_not}")
        _clear(engine)
    return "\n".join([NONE, *said])


def _base(engine: Engine, given: str) -> str:
    """The base that is given, or the Dockerfile's, or its look-alike when no registry answers.

    Raises NoBase, EngineFailed.
    """
    if given:  # a release: nothing may take its place
        if not engine.pull(given):
            raise NoBase(f"No registry gives {given}.")
        engine.do("tag", given, GIVEN_BASE)  # not every engine saves an image by its digest
        return GIVEN_BASE
    dockerfile = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    [official] = re.findall(r"^ARG BASE=(\S+)$", dockerfile, re.M)
    if engine.pull(f"docker.io/library/{official}"):
        return f"docker.io/library/{official}"
    print(f"No registry gives {official}; a local look-alike takes its place.", flush=True)
    tree = CACHE / "look-alike.tar"
    if not tree.is_file():
        if not shutil.which("mmdebstrap"):
            raise NoBase(
                f"No registry gives {official}, and mmdebstrap is not here to make a look-alike: "
                "apt-get install --no-install-recommends mmdebstrap"
            )
        new = tree.with_name("making.tar")  # the suffix says what mmdebstrap makes
        made = subprocess.run([*_TREE, str(new)], check=False, stdin=subprocess.DEVNULL)
        if made.returncode:
            raise NoBase("mmdebstrap could not make the look-alike; see above.")
        new.rename(tree)
    engine.load(tree, LOOK_ALIKE)
    return LOOK_ALIKE


def _ca_bundle() -> Path | None:
    """The certificates that this machine is told to trust, which a build behind its proxy needs too."""
    for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        if os.environ.get(name):
            return Path(os.environ[name])
    return None


def _secrets(given: argparse.Namespace, work: Path) -> dict[str, Path]:
    secrets: dict[str, Path] = {}
    if given.ca_bundle:
        secrets["ca-bundle"] = given.ca_bundle
    if given.index_url:
        secrets["index-url"] = work / "index-url"
        secrets["index-url"].write_text(given.index_url, encoding="utf-8")
    return secrets


def _clear(engine: Engine) -> None:
    """Take away the engine's own storage, whose folders may be mounted."""
    if engine.name == "docker":
        return
    subprocess.run([*engine.call, "umount", "--all"], capture_output=True, check=False)
    for option in ("--root", "--runroot"):
        shutil.rmtree(engine.call[engine.call.index(option) + 1], ignore_errors=True)


# ── The action in the image ──────────────────────────────────────────────────────────────────────


def _try_out(engine: Engine, image: str, work: Path, findings: Findings) -> None:
    machine = Machine(Path("/github"), work=work / "runner")
    machine.make(on_host=True)
    seed = _seed(machine, work)
    with _workspace(seed) as workspace:
        door = _Door(engine, image, machine, workspace)
        print("Plan, as the runner starts it")
        done = door.step("plan")
        findings.expect(done.code == 0, f"exit code 0 (it is {done.code})")
        findings.expect(
            str(done.outputs.get("report-path", "")).startswith(str(machine.host["runner_temp"])),
            "`report-path` names a file of the machine",
        )
        findings.expect(done.report.get("outcome") == "succeeded", "and the report is there")
        print("Plan in a workspace that is read-only")
        findings.expect(door.step("plan", read_only=True).code == 0, "exit code 0")
        _apart(door, findings)
        _cancel(door, findings)
        print("Deploy")
        done = door.step("deploy", report_path="out/report.json")
        findings.expect(done.code == 0, f"exit code 0 (it is {done.code})")
        moved = len((done.report.get("deployment") or {}).get("applied", []))
        findings.expect(moved, f"{moved} jobs moved")
        findings.expect(
            _owners(machine.host["workspace"]) == {RUNNERS_USER}, "no file of root is left"
        )
        if done.code != 0:
            print(done.log)
        _measure(door)


def _apart(door: _Door, findings: Findings) -> None:
    print("Build a project that takes whatever it can get")
    folder = door.machine.host["workspace"] / "hostile"
    hostile.write_project(folder)
    token = door.machine.host["runner_temp"] / "git-credentials.config"
    token.write_text("marked-temp", encoding="utf-8")
    _give_to_runner(folder)
    with hostile.docker_socket(door.machine.work / "docker.sock") as path:
        docker = (path, "/var/run/docker.sock", False)
        done = door.step("check", more=(docker,), wheel="", project="hostile", checks="false")
    findings.expect(done.code == 0, f"exit code 0 (it is {done.code})")
    findings.expect(hostile.tried(done.log) == {"the build"}, "it tried everything")
    got = sorted(hostile.loot(done.log))
    findings.expect(not got, f"it got {', '.join(got) or 'nothing'}")
    shutil.rmtree(folder)


def _cancel(door: _Door, findings: Findings) -> None:
    print("Cancel while writes get no answer")
    door.workspace.set_faults([Fault(kind="timeout", path="*/jobs/update", times=0)])
    seen: list[float] = []

    def interrupt(process: subprocess.Popen[bytes]) -> None:
        updates = door.workspace._workspace.faults  # noqa: SLF001 - unanswered calls are not listed
        while process.poll() is None and not sum(updates._seen):  # noqa: SLF001
            time.sleep(0.01)
        seen.append(time.monotonic())
        door.engine.interrupt(process, signal.SIGINT)

    done = door.step("deploy", meanwhile=interrupt)
    ended = time.monotonic() - seen[0]
    door.workspace.set_faults([])
    findings.expect(done.code == 1, f"exit code 1 (it is {done.code})")
    findings.expect(done.report.get("outcome") == "cancelled", "outcome `cancelled`")
    told = (done.report.get("deployment") or {}).get("failed")
    findings.expect(told, "the unanswered jobs are told")
    findings.expect(ended < 7, f"ended {ended:.1f} s after SIGINT, within 7 s")  # noqa: PLR2004
    if not told:
        print(done.log)


def _measure(door: _Door) -> None:
    """Container start, and start to the first request that the workspace sees; medians."""
    first: list[float] = []
    empty: list[float] = []
    for _ in range(STARTS):
        started = time.monotonic()
        door.engine.start(Run(door.image, ["/bin/true"])).communicate()
        empty.append(time.monotonic() - started)
        door.workspace.forget_calls()
        first.append(door.first_request())
    print(f"From start to first API request: {statistics.median(first):.2f} s", end="")
    print(f" (median of {STARTS}; {min(first):.2f} to {max(first):.2f}),", end=" ")
    print(f"of which the container itself {statistics.median(empty):.2f} s")


@dataclass(frozen=True)
class Done:
    """What the runner has after a step."""

    code: int
    log: str
    outputs: dict[str, str]
    report: dict[str, Any]


@dataclass(frozen=True)
class _Door:
    """Starts steps of the image."""

    engine: Engine
    image: str
    machine: Machine
    workspace: Sandbox

    def run(
        self, mode: str, *, read_only: bool = False, more: Sequence[Mount] = (), **inputs: str
    ) -> Run:
        given = {"mode": mode, "wheel": "dist/*.whl", "root": ROOT}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        own = {"DATABRICKS_HOST": self.workspace.url, "DATABRICKS_TOKEN": self.workspace.token}
        own |= hostile.SECRET
        mounts: list[Mount] = [
            (host, inside, read_only and inside.endswith("/workspace"))
            for host, inside in self.machine.mounts()
        ]
        environ = self.machine.container_environment(given, own)
        return Run(self.image, (), environ, [*mounts, *more], "/github/workspace")

    def step(
        self,
        mode: str,
        meanwhile: object = None,
        *,
        read_only: bool = False,
        more: Sequence[Mount] = (),
        **inputs: str,
    ) -> Done:
        """Run one step to its end, with `meanwhile` called with its process in a thread."""
        output = self.machine.host["file_commands"] / "output"
        output.write_bytes(b"")
        process = self.engine.start(self.run(mode, read_only=read_only, more=more, **inputs))
        if callable(meanwhile):
            threading.Thread(target=meanwhile, args=(process,), daemon=True).start()
        out, err = process.communicate(timeout=ENDS_S * 5)
        outputs = _outputs(output.read_text(encoding="utf-8"))
        report = Path(outputs.get("report-path") or "/nowhere")
        document = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
        return Done(process.returncode, (out + err).decode(errors="replace"), outputs, document)

    def first_request(self) -> float:
        """Seconds from the start of a container to the first request that the workspace sees."""
        run = self.run("plan")
        started = time.monotonic()
        process = self.engine.start(run)
        while process.poll() is None and not self.workspace.calls():
            time.sleep(0.001)
        seen = time.monotonic() - started
        process.communicate(timeout=ENDS_S)
        return seen


def _outputs(text: str) -> dict[str, str]:
    """The outputs in a command file; the tests have a stricter reader."""
    entries = re.findall(r"^([a-z0-9-]+)<<(\S+)\n(.*?)\n\2$", text, re.M | re.S)
    return {name: value for name, _, value in entries}


def _seed(machine: Machine, work: Path) -> Path:
    """The example's jobs and old release for the workspace, and its new wheel in the checkout."""
    seed = work / "seed"
    shutil.copytree(REPOSITORY / "examples" / "jobs", seed)
    released, dist = seed / "files" / ROOT.lstrip("/"), machine.host["workspace"] / "dist"
    for folder, version in ((released, "1.4.0"), (dist, "1.5.0")):
        folder.mkdir(parents=True)
        build = [sys.executable, str(REPOSITORY / "examples" / "build_releases.py")]
        subprocess.run([*build, str(folder), version], check=True, stdin=subprocess.DEVNULL)
    _give_to_runner(machine.work)
    return seed


def _give_to_runner(folder: Path) -> None:
    if os.geteuid() == 0:
        for one in (folder, *folder.rglob("*")):
            os.chown(one, RUNNERS_USER, RUNNERS_USER)


def _owners(folder: Path) -> set[int]:
    mine = os.geteuid()
    found = {one.lstat().st_uid for one in (folder, *folder.rglob("*"))}
    return {RUNNERS_USER if uid == mine != 0 else uid for uid in found}


@contextmanager
def _workspace(seed: Path) -> Iterator[Sandbox]:
    with Sandbox(Options(seed=seed)) as workspace:
        yield workspace


if __name__ == "__main__":
    sys.exit(main())
