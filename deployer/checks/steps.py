"""The checks of a project, in their order; the way in for the pipeline.

Owns what runs after what: lint and test both run, so that all problems are listed at once; the
build runs when both passed. Must not raise for what is wrong with the project.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.checks import build, hygiene, lint, unit_tests
from deployer.checks.apart import Apart
from deployer.checks.process import OnLine
from deployer.checks.project import open_project
from deployer.checks.session import Session, Verdict, failed, skipped
from deployer.checks.toolbox import Scratch, Toolbox
from deployer.errors import DeployError, FailureReason, Problem
from deployer.report.model import Check

PROJECT = "project"


@dataclass(frozen=True)
class Checked:
    """What the checks found. `wheel` is None exactly when there are `problems`."""

    checks: tuple[Check, ...]
    problems: tuple[Problem, ...] = ()
    wheel: Path | None = None


def failure(checked: Checked) -> DeployError | None:
    """All problems of the checks as one error, or None when there are none."""
    return DeployError(*checked.problems) if checked.problems else None


def run_checks(
    project: Path,
    *,
    tools: Toolbox,
    environ: Mapping[str, str],
    scratch: Path,
    timeout_s: float,
    on_line: OnLine,
    on_check: Callable[[Check], None],
    on_start: Callable[[str], None] = lambda name: None,
    only_build: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    apart: Apart | None = None,
) -> Checked:
    """Lint, test and build the project, and look at the wheel.

    Args:
        project: the folder of the project.
        tools: what the checks start.
        environ: the caller's environment, of which only named variables are passed on.
        scratch: a folder of ours, which holds the wheel afterwards; the caller removes it.
        timeout_s: how long each of lint, test and build may take, in seconds.
        on_line: takes each line that a tool or the project prints. The text is untrusted: whoever
            prints it where the runner reads must stop workflow commands first.
        on_check: takes each check when it ended or was skipped.
        on_start: takes the name of each check before it runs; skipped ones are not announced.
        only_build: skip lint and test.
        stopped: whether the run was cancelled; what runs then is killed.
        apart: as whom the project's code runs, in a copy of what; else as ourselves, in the project.

    Raises:
        DeployError: CANCELLED, ISOLATION_UNAVAILABLE.
    """
    verdicts: list[Verdict] = []

    def step(name: str, check: Callable[[], Verdict], *, skip: str = "") -> Verdict:
        if not skip:
            on_start(name)
        verdict = Verdict(skipped(name, skip)) if skip else check()
        verdicts.append(verdict)
        on_check(verdict.check)
        return verdict

    def checked(wheel: Path | None = None) -> Checked:
        problems = tuple(each.problem for each in verdicts if each.problem)
        found = tuple(each.check for each in verdicts)
        return Checked(found, problems, None if problems else wheel)

    folder = Scratch(scratch.resolve(), apart.user if apart else None)
    folder.make()
    try:
        opened = open_project(project)
        if apart:
            project, environ = apart.bring(project, environ, folder)
            tools = tools.apart(environ, folder.root / "java", apart.user)
            opened = open_project(project, owner=folder.owner)
    except DeployError as invalid:
        if invalid.reason is not FailureReason.PROJECT_INVALID:
            raise
        told = failed(PROJECT, 0.0, invalid.problem.title, invalid.problem)
        step(PROJECT, lambda: told)
        return checked()
    session = Session(opened, tools, environ, folder, timeout_s, on_line, stopped)
    skip = "`checks: false`" if only_build else ""
    step(lint.NAME, lambda: lint.lint(session), skip=skip)
    step(unit_tests.NAME, lambda: unit_tests.run_tests(session), skip=skip)
    stop = "an earlier check failed" if checked().problems else ""
    wheel = step(build.NAME, lambda: build.build(session), skip=stop).wheel
    if wheel:
        step(hygiene.NAME, lambda: hygiene.inspect(wheel))
    return checked(wheel)
