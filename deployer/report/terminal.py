"""The report for a person at a terminal: a rich rendering, and plain lines where there is none.

Owns the terminal's layout. Text from outside goes through `visible` and `rich.text.Text`, so that
neither escape sequences nor rich's own markup in a job's name take effect. Must not print.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from deployer.contract import Mode
from deployer.errors import DOCS
from deployer.report import clusters, view
from deployer.report.elsewhere import used_by
from deployer.report.model import (
    CheckStatus,
    Decision,
    Failure,
    Outcome,
    Report,
    StoredVersion,
    Untouched,
)
from deployer.report.reasons import explanation
from deployer.report.untrusted import cut, visible, visible_lines

ROWS = 50  # of one table; report.json has all
_STYLES = {
    Outcome.SUCCEEDED: "green",
    Outcome.NOTHING_TO_DO: "green",
    Outcome.FAILED: "red",
    Outcome.REFUSED: "yellow",
    Outcome.CANCELLED: "yellow",
}
_CHECK_STYLES = {
    CheckStatus.PASSED: "green",
    CheckStatus.WARNED: "yellow",
    CheckStatus.FAILED: "red",
    CheckStatus.SKIPPED: "dim",
}


def to_renderable(report: Report, *, report_path: str = "") -> RenderableType:
    """The report for `rich.console.Console.print`."""
    style = _STYLES[report.outcome]
    parts: list[RenderableType] = [
        *_checks(report),
        *_moved(report),
        *_clusters(report),
        *_left(report),
        *_stays(report),
        *_elsewhere(report),
        *_versions(report),
        *_inventory(report),
        *(Text(f"⚠ {_shown(warning, 1000)}", style="yellow") for warning in report.warnings),
        *_failure(report, style),
        Rule(Text(str(_headline(report)), style=f"bold {style}"), style=style),
        *(Text(step) for step in _next_steps(report)),
        *(Text(f"{name}: {value}", style="dim") for name, value in _facts(report, report_path)),
    ]
    return Group(*parts)


def to_lines(report: Report, *, report_path: str = "") -> tuple[str, ...]:
    """The report as plain lines, for a log or a pipe. No line holds a control character."""
    return (
        *(_check_lines(report)),
        *(
            f"{view.moving(report)}: "
            f"{_job(one.job_name, one.job_id)}, from {_shown(', '.join(one.from_versions))}, "
            f"{view.counted(len(one.references), 'place')}"
            for one in view.moved(report)
        ),
        *(
            f"cluster {_cluster(one)}, from {_shown(', '.join(one.change.from_versions))}: {one.said}"
            + (f": {_shown(one.detail, 1000)}" if one.detail else "")
            for one in clusters.lines(report)
        ),
        *(
            f"did not move: {_job(one.job.job_name, one.job.job_id)}: {one.status}"
            + (f": {_shown(one.job.detail, 1000)}" if one.job.detail else "")
            for one in view.left(report)
        ),
        *(
            f"stays: {_job(entry.job_name, entry.job_id)}: {_why(reason, entry)}: {_shown(entry.value)}"
            for reason, entries in view.stays_by_reason(report).items()
            for entry in entries
        ),
        *(
            f"elsewhere: {one.where} {_shown(one.holder)}, {_shown(one.spot)}: {_shown(one.value)}: "
            f"{_shown(one.advice, 600)}"
            for one in view.elsewhere(report)
        ),
        *(
            f"version {_shown(one.version)}: {_decided(one, report)}: {_shown('; '.join(one.reasons))}"
            for one in report.versions
        ),
        *(
            f"{_job(entry.job_name, entry.job_id)}: {_shown(entry.name or '?')} "
            f"{_shown(entry.version or entry.reason or '?')}: {_shown(entry.value)}"
            for entry in report.inventory
        ),
        *(f"warning: {_shown(warning, 1000)}" for warning in report.warnings),
        *_failure_lines(report),
        str(_headline(report)),
        *_next_steps(report),
        *(f"{name}: {value}" for name, value in _facts(report, report_path)),
    )


def _headline(report: Report) -> view.Headline:
    headline = view.headline(report)
    return view.Headline(headline.icon, _shown(headline.text))


def _checks(report: Report) -> Iterator[RenderableType]:
    if not report.checks:
        return
    table = _table("Checks", "Check", "Result", "Took", "What")
    for one in report.checks:
        result = Text(one.status.value, style=_CHECK_STYLES[one.status])
        took = f"{one.seconds:.1f} s"
        table.add_row(Text(_shown(one.name)), result, took, Text(_shown(one.summary)))
    yield table
    for one in report.checks:
        if one.status is CheckStatus.FAILED and one.output_tail.strip():
            tail = "\n".join(visible_lines(one.output_tail[-4_000:]))
            yield Panel(Text(tail), title=Text(f"last output of {_shown(one.name)}"))


def _check_lines(report: Report) -> Iterator[str]:
    for one in report.checks:
        said = f"{_shown(one.name)}: {one.status.value}, {one.seconds:.1f} s: {_shown(one.summary)}"
        yield said.removesuffix(": ")
        for finding in one.findings:
            place = f"{finding.path}:{finding.line}" if finding.line else finding.path
            yield f"  {_shown(' '.join(part for part in (place, finding.code, finding.message) if part))}"
        if one.status is CheckStatus.FAILED and one.output_tail.strip():
            yield from (f"  | {line}" for line in visible_lines(one.output_tail[-4_000:]))


def _moved(report: Report) -> Iterator[RenderableType]:
    rewires = view.moved(report)
    if not rewires:
        return
    to = _shown(view.moved_to(report))
    title = f"{view.counted(len(rewires), 'job')} {view.moving(report)}"
    table = _table(title, "Job", "From", "To", "Places")
    for one in rewires[:ROWS]:
        versions = Text(_shown(", ".join(one.from_versions)))
        table.add_row(_job(one.job_name, one.job_id), versions, Text(to), str(len(one.references)))
    yield from _with_more(table, len(rewires))


def _clusters(report: Report) -> Iterator[RenderableType]:
    found = clusters.lines(report)
    if not found:
        return
    table = _table(clusters.title(report), "Cluster", "From", "What happens", "Why")
    for one in found[:ROWS]:
        versions = Text(_shown(", ".join(one.change.from_versions)))
        table.add_row(Text(_cluster(one)), versions, one.said, Text(_shown(one.detail, 1000)))
    yield from _with_more(table, len(found))


def _cluster(one: clusters.Line) -> str:
    name, cluster_id = _shown(one.change.cluster_name), _shown(one.change.cluster_id)
    return f"{name} ({cluster_id})" if name.strip() else cluster_id


def _left(report: Report) -> Iterator[RenderableType]:
    jobs = view.left(report)
    if not jobs:
        return
    table = _table(f"{view.counted(len(jobs), 'job')} did not move", "Job", "What happened", "Why")
    for one in jobs[:ROWS]:
        name = _job(one.job.job_name, one.job.job_id)
        table.add_row(name, one.status, Text(_shown(one.job.detail, 1000)))
    yield from _with_more(table, len(jobs))


def _stays(report: Report) -> Iterator[RenderableType]:
    groups = view.stays_by_reason(report)
    if not groups:
        return
    table = _table("What stays, and why", "Why", "Job", "Version", "Reference")
    entries = [(reason, entry) for reason, found in groups.items() for entry in found]
    for reason, entry in entries[:ROWS]:
        name = _job(entry.job_name, entry.job_id)
        version = Text(_shown(entry.version or "?"))
        table.add_row(Text(_why(reason, entry)), name, version, Text(_shown(entry.value)))
    yield from _with_more(table, len(entries))


def _why(reason: str, entry: Untouched) -> str:
    heading = explanation(reason).heading
    return f"{heading} ({_shown(entry.note)})" if entry.note.strip() else heading


def _elsewhere(report: Report) -> Iterator[RenderableType]:
    places = view.elsewhere(report)
    if not places:
        return
    table = _table("Outside of jobs", "Place", "What stands there", "Used by", "What to do")
    for one in places[:ROWS]:
        where = Text(f"{one.where} {_shown(one.holder)}, {_shown(one.spot)}")
        cells = (Text(_shown(one.value)), Text(_shown(used_by(one))))
        table.add_row(where, *cells, Text(_shown(one.advice, 600)))
    yield from _with_more(table, len(places))


def _versions(report: Report) -> Iterator[RenderableType]:
    if not report.versions:
        return
    table = _table("Versions in the root", "Version", "Decision", "Why")
    for one in report.versions[:ROWS]:
        reasons = Text(_shown("; ".join(one.reasons)))
        table.add_row(Text(_shown(one.version)), _decided(one, report), reasons)
    yield from _with_more(table, len(report.versions))


def _decided(one: StoredVersion, report: Report) -> str:
    """What becomes of a version; of one that was to go whether it did."""
    if one.decision is not Decision.REMOVE or report.deployment is None:
        return one.decision.value
    gone = one.path in {each.path for each in report.deployment.removed}
    return "removed" if gone else "not removed yet"


def _inventory(report: Report) -> Iterator[RenderableType]:
    if report.mode is not Mode.STATUS or not report.inventory:
        return
    table = _table("Libraries in use", "Library", "Version", "Job", "Reference")
    for one in report.inventory[:ROWS]:
        version = one.version or (explanation(one.reason).heading if one.reason else "?")
        name = _job(one.job_name, one.job_id)
        cells = (Text(_shown(one.name or "?")), Text(_shown(version)), name)
        table.add_row(*cells, Text(_shown(one.value)))
    yield from _with_more(table, len(report.inventory))


def _failure(report: Report, style: str) -> Iterator[RenderableType]:
    for problem in _problems(report):
        lines = "\n".join(_problem_lines(problem)[1:])
        title = Text(_shown(problem.title, 200), style=f"bold {style}")
        yield Panel(Group(title, Text(lines)), border_style=style)


def _failure_lines(report: Report) -> Iterator[str]:
    for problem in _problems(report):
        yield from _problem_lines(problem)


def _problems(report: Report) -> tuple[Failure, ...]:
    if report.failure is None:
        return ()
    return report.failure.problems or (report.failure,)


def _problem_lines(problem: Failure) -> list[str]:
    parts = (problem.detail, problem.remedy)
    return [
        _shown(problem.title, 500),
        *(line for part in parts if part.strip() for line in visible_lines(part)),
        f"Explained in {DOCS}#{_shown(problem.reason)}",
    ]


def _next_steps(report: Report) -> Iterator[str]:
    for number, step in enumerate(report.next_steps, start=1):
        yield f"next, {number}: {_shown(step, 1000)}"


def _facts(report: Report, report_path: str) -> Iterator[tuple[str, str]]:
    if report.plan and report.plan.digest:
        yield "plan digest", _shown(report.plan.digest)
    if report.deployment and report.deployment.id:
        yield "deployment", _shown(report.deployment.id)
    if report.release_url:
        yield "release", _shown(report.release_url, 1000)
    if report_path:
        yield "full report", _shown(report_path, 1000)


def _with_more(table: Table, total: int) -> Iterator[RenderableType]:
    yield table
    if total > ROWS:
        yield Text(f"… and {total - ROWS:,} more, see the full report", style="dim")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", expand=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _job(name: str, job_id: int) -> Text:
    return Text(f"{_shown(name)} ({job_id})" if name.strip() else f"job {job_id}")


def _shown(untrusted: str, limit: int = 300) -> str:
    return cut(visible(untrusted), limit)
