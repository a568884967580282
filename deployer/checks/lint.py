"""Lints the project: ruff, or flake8 and black where the project configures them.

Owns the choice of the tools and the reading of what they print. Must not change the project.

| the project configures | linter | formatter |
|---|---|---|
| nothing, or ruff | ruff check | ruff format |
| black | ruff check | black |
| flake8, and not ruff | flake8 | none |
| flake8 and black, and not ruff | flake8 | black |
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from deployer.checks.foreign import read_foreign
from deployer.checks.process import Completed, Deadline
from deployer.checks.project import Project
from deployer.checks.session import Session, Verdict, failed, last_lines, listed, one_line
from deployer.checks.venvs import Venv, install, interpreter, make_venv
from deployer.errors import FailureReason, Problem
from deployer.report.model import Check, CheckStatus, Finding

NAME = "lint"
_FLAKE8 = re.compile(
    r"(?P<path>.+?):(?P<line>\d+):(?P<column>\d+): (?P<code>[A-Z]+\d+) (?P<text>.*)"
)
_REFORMAT = re.compile(
    r"would reformat:? (?P<path>.+)|error: cannot format (?P<broken>.+?): .*", re.I
)
_POINTS_TO = re.compile(r"\s*--> (?P<path>.+?):(?P<line>\d+):(?P<column>\d+)")
_MOST_JSON = 50_000_000  # bytes


@dataclass(frozen=True)
class Choice:
    """The two tools of a project; an empty name is none."""

    linter: str
    formatter: str

    @property
    def names(self) -> tuple[str, ...]:
        """The tools as the summary names them."""
        return tuple(name for name in (self.linter, self.formatter) if name)


def choose(project: Project) -> Choice:
    """The tools that the project asks for, as the table above says."""
    flake8 = project.configures_flake8 and not project.configures_ruff
    linter = "flake8" if flake8 else "ruff check"
    if project.configures("black"):
        return Choice(linter, "black")
    return Choice(linter, "" if flake8 else "ruff format")


def lint(session: Session) -> Verdict:
    """Run the project's linter and formatter, and list everything they find."""
    deadline = Deadline(session.timeout_s)
    choice = choose(session.project)
    commands, stopped = _provide(session, choice, deadline)
    if stopped:
        return _broken(session, "The installation of the linters", stopped, deadline)
    findings: list[Finding] = []
    for name in choice.names:
        found, completed = _READERS[name](session, commands[name.split()[0]], deadline)
        if (
            completed.timed_out
            or completed.exit_code not in (0, 1)
            or (completed.exit_code == 1 and not found)
        ):
            return _broken(session, name, completed, deadline)
        findings += found
    return _verdict(choice, findings, deadline)


def _verdict(choice: Choice, findings: Sequence[Finding], deadline: Deadline) -> Verdict:
    tools = " and ".join(choice.names)
    if not findings:
        summary = f"{tools} found nothing"
        return Verdict(Check(NAME, CheckStatus.PASSED, deadline.used_s(), summary))
    count = f"{len(findings)} finding{'s' if len(findings) > 1 else ''}"
    problem = Problem(
        FailureReason.LINT_FAILED,
        f"{tools} found {count} in the project.",
        listed(findings),
        f"Correct them; {_fixes(choice)} does most of it. `checks: false` only builds.",
    )
    return failed(NAME, deadline.used_s(), f"{count} of {tools}", problem, findings=findings)


def _fixes(choice: Choice) -> str:
    fixes = {
        "ruff check": "`ruff check --fix`",
        "ruff format": "`ruff format`",
        "black": "`black .`",
    }
    return " and ".join(fixes[name] for name in choice.names if name in fixes) or "your editor"


def _broken(session: Session, what: str, completed: Completed, deadline: Deadline) -> Verdict:
    """The verdict when a tool could not do its work."""
    if completed.timed_out:
        return session.too_slow(NAME, what, completed, deadline)
    summary = f"{what} ended with exit code {completed.exit_code}"
    problem = Problem(
        FailureReason.LINT_FAILED,
        f"The project could not be linted: {summary}.",
        last_lines(completed.tail),
        "Correct the tool's configuration in the project, or set `checks: false` to only build.",
    )
    return failed(NAME, deadline.used_s(), summary, problem, output_tail=completed.tail)


def _provide(
    session: Session, choice: Choice, deadline: Deadline
) -> tuple[dict[str, Path], Completed | None]:
    """The command of each tool; ours where possible, else installed as the project pins it.

    A formatter of another version formats differently, so the project's own requirement counts.
    """
    tools = list(dict.fromkeys(name.split()[0] for name in choice.names))
    pinned = {tool: session.project.requirement(tool) for tool in tools}
    if "ruff" in tools and _ours_will_do(pinned["ruff"]):
        tools.remove("ruff")
    wanted = [str(pinned[tool] or tool) for tool in tools]
    if "flake8" in tools:
        wanted += [str(plugin) for plugin in session.project.requirements(_is_flake8_plugin)]
    if not wanted:
        return {"ruff": session.tools.ruff}, None
    venv = Venv(session.scratch.work / "linters")
    python = interpreter(session.project.requires_python)
    completed = make_venv(session, venv.path, python, deadline)
    if completed.exit_code == 0:
        completed = install(session, venv, wanted, deadline)
    commands = {"ruff": session.tools.ruff} | {tool: venv.bin / tool for tool in tools}
    return commands, None if completed.exit_code == 0 else completed


def _ours_will_do(pinned: Requirement | None) -> bool:
    return pinned is None or pinned.specifier.contains(metadata.version("ruff"), prereleases=True)


def _is_flake8_plugin(name: str) -> bool:
    return name.startswith("flake8-") or name == "pep8-naming"


def _ruff_check(
    session: Session, ruff: Path, deadline: Deadline
) -> tuple[list[Finding], Completed]:
    report = session.scratch.emptied(session.scratch.reports) / "ruff.json"
    argv: list[str | Path] = [ruff, "check", "--no-fix", "--no-cache", "--output-format", "json"]
    completed = session.run([*argv, "--output-file", report, "."], deadline)
    findings = [] if completed.timed_out else _of_ruff(session, report)
    for finding in findings:
        session.on_line(one_line(finding))
    return findings, completed


def _of_ruff(session: Session, report: Path) -> list[Finding]:
    """What ruff wrote; nothing where that is no report of ruff's, and then its exit code counts."""
    try:
        entries = json.loads(read_foreign(report, _MOST_JSON, owner=session.scratch.owner) or b"[]")
        return [_finding(entry, session.project.path) for entry in entries]
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return []


def _finding(entry: Any, project: Path) -> Finding:
    location = entry.get("location") or {}
    return Finding(
        message=str(entry["message"]),
        path=_relative(str(entry["filename"]), project),
        line=location.get("row"),
        column=location.get("column"),
        code=entry.get("code") or "invalid-syntax",
    )


def _ruff_format(
    session: Session, ruff: Path, deadline: Deadline
) -> tuple[list[Finding], Completed]:
    return _formatted(session, [ruff, "format", "--check", "--no-cache", "."], deadline)


def _black(session: Session, black: Path, deadline: Deadline) -> tuple[list[Finding], Completed]:
    findings, completed = _formatted(session, [black, "--check", "."], deadline)
    if completed.exit_code == 123 and findings:  # noqa: PLR2004 - a file that black can't parse
        completed = Completed(1, completed.seconds, completed.tail)
    return findings, completed


def _formatted(
    session: Session, argv: Sequence[str | Path], deadline: Deadline
) -> tuple[list[Finding], Completed]:
    """Run a formatter; old and new versions of ruff and black print one of two forms."""
    findings: dict[str, Finding] = {}

    def read(line: str) -> None:
        session.on_line(line)
        path, at, message = "", None, "File would be reformatted"
        if found := _REFORMAT.fullmatch(line):
            path = found["path"] or found["broken"]
            message = message if found["path"] else line
        elif found := _POINTS_TO.fullmatch(line):
            path, at = found["path"], int(found["line"])
        if path:
            relative = _relative(path, session.project.path)
            findings.setdefault(relative, Finding(message, relative, at, code="format"))

    completed = session.run(argv, deadline, on_line=read)
    return list(findings.values()), completed


def _flake8(session: Session, flake8: Path, deadline: Deadline) -> tuple[list[Finding], Completed]:
    findings: list[Finding] = []

    def read(line: str) -> None:
        session.on_line(line)
        if found := _FLAKE8.fullmatch(line):
            path = _relative(found["path"], session.project.path)
            at, column = int(found["line"]), int(found["column"])
            findings.append(Finding(found["text"], path, at, column or None, found["code"]))

    # Unlike ruff and black, flake8 would read virtual environments and old builds.
    argv: list[str | Path] = [
        flake8,
        "--format=default",
        "--color=never",
        "--extend-exclude=.venv,venv,build,dist",
    ]
    return findings, session.run([*argv, "."], deadline, on_line=read)


def _relative(path: str, project: Path) -> str:
    """A path as the project knows it."""
    absolute = project / path
    return absolute.relative_to(project).as_posix() if absolute.is_relative_to(project) else path


_READERS: dict[str, Callable[[Session, Path, Deadline], tuple[list[Finding], Completed]]] = {
    "ruff check": _ruff_check,
    "ruff format": _ruff_format,
    "flake8": _flake8,
    "black": _black,
}
