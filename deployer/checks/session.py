"""What the checks of one run share, and the shape of what each gives back.

Owns how a command of a check is started. Must not know any single check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.checks.process import Completed, Deadline, OnLine, run
from deployer.checks.project import Project
from deployer.checks.toolbox import Scratch, Toolbox, install_environment, tool_environment
from deployer.errors import FailureReason, Problem
from deployer.report.model import Check, CheckStatus, Finding

MOST_FINDINGS = 500
"""How many findings one check keeps; its summary still counts all."""

LINES_IN_DETAIL = 15
_MOST_TIME_REMEDY = (
    "Raise `check-timeout`, or find out from the last output above what it waits for."
)


@dataclass(frozen=True)
class Verdict:
    """How one check ended: what the report shows and, when it failed, the problem to raise."""

    check: Check
    problem: Problem | None = None
    wheel: Path | None = None  # of a build that passed


@dataclass(frozen=True)
class Session:
    """One run of the checks over one project."""

    project: Project
    tools: Toolbox
    environ: Mapping[str, str]
    scratch: Scratch
    timeout_s: float  # for each check
    on_line: OnLine
    stopped: Callable[[], bool] = lambda: False

    def run(
        self,
        argv: Sequence[str | Path],
        deadline: Deadline,
        *,
        env: Mapping[str, str] | None = None,
        on_line: OnLine | None = None,
    ) -> Completed:
        """Run a command in the project's folder; its output goes to the log."""
        return run(
            argv,
            cwd=self.project.path,
            env=self.tool_environment() if env is None else env,
            timeout_s=deadline.left_s(),
            on_line=on_line or self.on_line,
            stopped=self.stopped,
            user=self.scratch.user,
        )

    def tool_environment(self) -> dict[str, str]:
        """The environment of commands that need no package index."""
        return {**tool_environment(self.environ, self.scratch), **self._git()}

    def install_environment(self) -> dict[str, str]:
        """The environment of uv and of build backends."""
        return {**install_environment(self.environ, self.scratch), **self._git()}

    def _git(self) -> dict[str, str]:
        """Lets git, and backends that take the version from it, read a checkout of another user.

        In a container the checkout belongs to the runner's user, and git refuses it otherwise.
        """
        if self.project.repository is None:
            return {}
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": str(self.project.repository),
        }

    def too_slow(self, name: str, what: str, completed: Completed, deadline: Deadline) -> Verdict:
        """The verdict on a check that its time limit ended; `what` is the command's name."""
        summary = f"{what} took longer than {self.timeout_s:g} s and was stopped"
        problem = Problem(
            FailureReason.TIMEOUT,
            f"The {name} check was stopped: {what} took longer than {self.timeout_s:g} s.",
            last_lines(completed.tail),
            _MOST_TIME_REMEDY,
        )
        return failed(name, deadline.used_s(), summary, problem, output_tail=completed.tail)


def failed(
    name: str,
    seconds: float,
    summary: str,
    problem: Problem,
    *,
    findings: Sequence[Finding] = (),
    output_tail: str = "",
) -> Verdict:
    """The verdict on a check that failed."""
    check = Check(
        name, CheckStatus.FAILED, seconds, summary, tuple(findings[:MOST_FINDINGS]), output_tail
    )
    return Verdict(check, problem)


def skipped(name: str, why: str) -> Check:
    """A check that did not run."""
    return Check(name, CheckStatus.SKIPPED, 0.0, why)


def last_lines(tail: str) -> str:
    """The end of an output, short enough for an error message."""
    lines = tail.splitlines()[-LINES_IN_DETAIL:]
    return "\n".join(["Its last output:", *lines]) if lines else "It printed nothing."


def listed(findings: Sequence[Finding]) -> str:
    """The first findings, one per line, short enough for an error message."""
    lines = [one_line(finding) for finding in findings[:LINES_IN_DETAIL]]
    if len(findings) > LINES_IN_DETAIL:
        lines.append(f"… and {len(findings) - LINES_IN_DETAIL} more")
    return "\n".join(lines)


def one_line(finding: Finding) -> str:
    """A finding as compilers print it: path, line, column, code, message."""
    place = ":".join(str(part) for part in (finding.path, finding.line, finding.column) if part)
    message = finding.message.splitlines()[0] if finding.message else ""
    return " ".join(part for part in (f"{place}:" if place else "", finding.code, message) if part)
