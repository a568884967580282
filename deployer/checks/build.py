"""Builds the wheel, so that the same commit gives the same bytes.

Owns the time stamp and the place of the build. Must not look into the wheel: see `hygiene`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from deployer.checks.foreign import copy_foreign
from deployer.checks.process import Completed, Deadline
from deployer.checks.session import Session, Verdict, failed, last_lines
from deployer.checks.venvs import interpreter
from deployer.errors import FailureReason, Problem
from deployer.library.archive import LIMITS
from deployer.report.model import Check, CheckStatus

NAME = "build"
OLDEST_TIME = 315_532_800
"""1980-01-01T00:00:00Z in epoch seconds: a zip file can't hold an earlier time."""


def build(session: Session) -> Verdict:
    """Build exactly one wheel and take it into a folder of ours in the scratch folder."""
    deadline = Deadline(session.timeout_s)
    dist = session.scratch.emptied(session.scratch.dist)
    env = {
        **session.install_environment(),
        **_build_environment(session, _time_stamp(session)),
    }
    python = interpreter(session.project.requires_python)
    argv: list[str | Path] = [
        session.tools.uv,
        "build",
        "--wheel",
        "--python",
        python,
        "--no-create-gitignore",
    ]
    argv += ["--out-dir", dist, "."]
    completed = session.run(argv, deadline, env=env)
    if completed.timed_out:
        return session.too_slow(NAME, "the build", completed, deadline)
    if completed.exit_code != 0:
        return _failed(completed, "The wheel could not be built.", deadline)
    wheels = sorted(dist.glob("*.whl"))
    if len(wheels) != 1:
        names = ", ".join(wheel.name for wheel in wheels) or "none"
        return _failed(completed, f"The build must give one wheel, it gave: {names}.", deadline)
    try:
        wheel = _take(session, wheels[0])
    except OSError as error:
        return _failed(completed, f"The wheel that was built can't be used: {error}.", deadline)
    summary = f"{wheel.name}, {wheel.stat().st_size:,} bytes"
    check = Check(NAME, CheckStatus.PASSED, deadline.used_s(), summary)
    return Verdict(check, wheel=wheel)


def _take(session: Session, wheel: Path) -> Path:
    """A copy of `wheel` that nobody else can change any more. Raises OSError."""
    taken = session.scratch.root / "taken"
    shutil.rmtree(taken, ignore_errors=True)
    taken.mkdir()
    copy_foreign(wheel, taken / wheel.name, LIMITS.uncompressed, owner=session.scratch.owner)
    return taken / wheel.name


def _failed(completed: Completed, title: str, deadline: Deadline) -> Verdict:
    problem = Problem(
        FailureReason.BUILD_FAILED,
        title,
        last_lines(completed.tail),
        "Run `uv build --wheel` in the project's folder, and correct what it reports. With "
        "setuptools the backend is `setuptools.build_meta`.",
    )
    return failed(NAME, deadline.used_s(), title, problem, output_tail=completed.tail)


def _build_environment(session: Session, epoch: int) -> dict[str, str]:
    # setuptools packs whatever an earlier build left in ./build; this moves that folder away.
    settings = session.scratch.root / "setuptools.cfg"
    base = session.scratch.work / "build"
    settings.write_text(f"[build]\nbuild_base = {base}\n", encoding="utf-8")
    return {"DIST_EXTRA_CONFIG": str(settings), "SOURCE_DATE_EPOCH": str(epoch)}


def _time_stamp(session: Session) -> int:
    """SOURCE_DATE_EPOCH: the caller's, else the oldest time that a zip archive can hold.

    Not the commit's time: the bytes are the identity of a version (design.md, rule 2), so a commit
    that changes nothing in the library must give the same bytes, and the plan of a pull request the
    same digest as the deployment of its merge.
    """
    given = session.environ.get("SOURCE_DATE_EPOCH", "")
    return max(OLDEST_TIME, int(given)) if given.isdecimal() else OLDEST_TIME
