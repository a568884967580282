"""Builds the wheel, so that the same commit gives the same bytes.

Owns the time stamp and the place of the build. Must not look into the wheel: see `hygiene`.
"""

from __future__ import annotations

from pathlib import Path

from deployer.checks.process import Completed, Deadline
from deployer.checks.session import Session, Verdict, failed, last_lines
from deployer.checks.venvs import interpreter
from deployer.errors import FailureReason, Problem
from deployer.report.model import Check, CheckStatus

NAME = "build"
OLDEST_TIME = 315_532_800
"""1980-01-01T00:00:00Z in epoch seconds: a zip file can't hold an earlier time."""


def build(session: Session) -> Verdict:
    """Build exactly one wheel into the scratch folder."""
    deadline = Deadline(session.timeout_s)
    for old in session.scratch.dist.glob("*"):
        old.unlink()
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
    argv += ["--out-dir", session.scratch.dist, "."]
    completed = session.run(argv, deadline, env=env)
    if completed.timed_out:
        return session.too_slow(NAME, "the build", completed, deadline)
    if completed.exit_code != 0:
        return _failed(completed, "The wheel could not be built.", deadline)
    wheels = sorted(session.scratch.dist.glob("*.whl"))
    if len(wheels) != 1:
        names = ", ".join(wheel.name for wheel in wheels) or "none"
        return _failed(completed, f"The build must give one wheel, it gave: {names}.", deadline)
    summary = f"{wheels[0].name}, {wheels[0].stat().st_size:,} bytes"
    check = Check(NAME, CheckStatus.PASSED, deadline.used_s(), summary)
    return Verdict(check, wheel=wheels[0])


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
    base = session.scratch.root / "build"
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
