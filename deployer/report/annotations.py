"""The report as annotations: what a reader of the run's page or of the changed files must see.

Owns which facts become errors, warnings and notices, and the runner's limits on them (fact 21). The
runner shows them in its log as well, so nothing hidden stands in them; `gh.core` escapes. Must not print.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from deployer.report import view
from deployer.report.model import Check, CheckStatus, Failure, Finding, Outcome, Report
from deployer.report.untrusted import cut, units, visible, visible_lines

LIMIT = 10  # annotations of one level that the runner keeps per step
MESSAGE_LIMIT = 4_096  # UTF-16 code units of a message, which is how the runner counts
_TITLE_LIMIT = 200
_LONGEST_PATH = 1_000  # characters; GitHub shows nothing at a longer one


class Level(StrEnum):
    """How much an annotation matters; also the name of the runner's command."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True)
class Annotation:
    """One annotation; `line` and `column` count from 1 and need a `file`."""

    level: Level
    message: str
    title: str = ""
    file: str = ""
    line: int | None = None
    column: int | None = None


def to_annotations(report: Report) -> tuple[Annotation, ...]:
    """At most ten annotations of each level; the tenth counts those that are left out."""
    found = [*_failures(report), *_checks(report), *_jobs(report), *_warnings(report)]
    if report.outcome in {Outcome.SUCCEEDED, Outcome.NOTHING_TO_DO}:
        found.append(Annotation(Level.NOTICE, view.headline(report).text))
    return tuple(
        one
        for level in Level
        for one in map(_cut, _limited([one for one in found if one.level is level]))
    )


def _failures(report: Report) -> Iterator[Annotation]:
    if report.failure:
        for problem in report.failure.problems or (report.failure,):
            yield _failure(problem)


def _failure(problem: Failure) -> Annotation:
    said = "\n".join(part for part in (problem.detail, problem.remedy) if part.strip())
    return Annotation(Level.ERROR, said or problem.title, problem.title if said else "")


def _checks(report: Report) -> Iterator[Annotation]:
    for check in report.checks:
        if check.status in {CheckStatus.FAILED, CheckStatus.WARNED}:
            for finding in check.findings:
                yield _finding(check, finding)


def _finding(check: Check, finding: Finding) -> Annotation:
    level = Level.ERROR if check.status is CheckStatus.FAILED else Level.WARNING
    title = f"{check.name}: {finding.code}" if finding.code else check.name
    line = finding.line if finding.path else None
    column = finding.column if line is not None else None
    return Annotation(level, finding.message, title, finding.path, line, column)


def _jobs(report: Report) -> Iterator[Annotation]:
    for one in view.left(report):
        said = f"{one.job.job_name} ({one.job.job_id}) did not move: {one.status}"
        detail = f". {one.job.detail}" if one.job.detail else ""
        yield Annotation(Level.WARNING, f"{said}{detail}", "Job did not move")


def _warnings(report: Report) -> Iterator[Annotation]:
    for warning in report.warnings:
        yield Annotation(Level.WARNING, warning)


def _cut(one: Annotation) -> Annotation:
    file = visible(one.file)
    known = len(file) <= _LONGEST_PATH
    return Annotation(
        one.level,
        _cut_units("\n".join(visible_lines(one.message))),
        cut(visible(one.title), _TITLE_LIMIT),
        file if known else "",
        one.line if known else None,
        one.column if known else None,
    )


def _cut_units(message: str) -> str:
    """`message`, shortened to what the runner keeps of it, with no character cut in two."""
    short = cut(message, MESSAGE_LIMIT)
    while (more := units(short) - MESSAGE_LIMIT) > 0:
        short = cut(short, len(short) - (more + 1) // 2)
    return short


def _limited(found: list[Annotation]) -> list[Annotation]:
    if len(found) <= LIMIT:
        return found
    more = len(found) - (LIMIT - 1)
    return [*found[: LIMIT - 1], Annotation(found[0].level, f"and {more:,} more, see the summary")]
