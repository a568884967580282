"""The comment on a pull request: the report in GitHub Markdown, for whoever reviews or merges.

Owns the order of its story: what would happen or what became of it, whom it reaches, what moves, what stays
and why, what the checks found. GitHub takes 65,536 characters (fact 22); a comment of as many bytes has no
more of anything. Everything from outside is escaped by `markdown`. The summary has the full text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from deployer.contract import Mode
from deployer.report import view
from deployer.report.budget import Section, fit
from deployer.report.clusters import section as clusters
from deployer.report.elsewhere import section as elsewhere
from deployer.report.markdown import (
    code,
    code_cell,
    link,
    row,
    sentence,
    sentence_cell,
    table_head,
    text,
)
from deployer.report.model import CheckStatus, Outcome, Report, Rewire, Untouched
from deployer.report.reasons import explanation
from deployer.report.summary_parts import (
    checks,
    failure,
    folded,
    folding,
    job_cell,
    left,
    shortened,
    versions_cell,
)
from deployer.report.untrusted import cut

LIMIT = 65_536
"""Bytes, so that characters of any kind are no more."""
_NAMES = 5  # jobs that are named per reason to stay
_CELL = 100  # characters of a name, an owner, a time
_RUN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?/[\w./-]+", re.ASCII)
_CLAIM = (
    "_This is what the code of this pull request reported of itself: it may say anything. The log of its run "
    "is linked below._\n\n"
)
_CLEAN_CHECK = frozenset({CheckStatus.PASSED, CheckStatus.SKIPPED})
_MARKS = {
    CheckStatus.PASSED: "✅",
    CheckStatus.WARNED: "⚠️",
    CheckStatus.FAILED: "❌",
    CheckStatus.SKIPPED: "⏭️",
}


@dataclass(frozen=True)
class Around:
    """What is known beside the report: the run's page, the commit, and whether it follows a merge.

    `claimed`: the report comes from a run of code that nobody here has reviewed, and may say anything.
    """

    run_url: str = ""
    sha: str = ""
    after_merge: bool = False
    claimed: bool = False


def to_comment(report: Report, around: Around | None = None, budget: int = LIMIT) -> str:
    """The comment in Markdown, at most `budget` bytes in UTF-8.

    A long one first goes without its folded list of references, then without links to jobs; then rows go.
    """
    around = around or Around()
    report = _without_advice(report) if around.claimed else report
    left_out = _left_out(around)
    for links, references in ((True, True), (True, False), (False, False)):
        shown = report if links else replace(report, host="")
        sections = tuple(_sections(shown, report.host, around, references=references))
        # Each list keeps room for the line that stands for what had to go, so that is counted, too.
        needed = sum(len(_whole(one).encode()) for one in sections)
        needed += sum(len(left_out(len(one.rows)).encode()) for one in sections if one.rows)
        if needed <= budget:
            break
    return fit(sections, budget, left_out)


def _sections(report: Report, host: str, around: Around, *, references: bool) -> Iterator[Section]:
    claim = _CLAIM if around.claimed else ""
    head = f"## {_headline(report)}\n\n{claim}{_became(report, around)}"
    yield Section(f"{head}{_reach(report, around)}")
    yield from failure(report)
    yield from left(report)
    yield from _warnings(report)
    yield from _moves(report)
    yield from clusters(report)
    yield from elsewhere(report)
    yield from _stays(report)
    yield from _checks(report)
    if references:
        yield from _references(report)
    yield Section(_foot(report, host, around))


def _without_advice(report: Report) -> Report:
    """A claim, without what could make somebody follow a link or an order of its author."""
    failed = report.failure
    if failed is not None:
        failed = replace(failed, detail="", remedy="", problems=())
    return replace(report, host="", failure=failed, warnings=(), next_steps=(), elsewhere=())


def _whole(section: Section) -> str:
    return f"{section.head}{''.join(section.rows)}{section.tail}"


def _left_out(around: Around) -> Callable[[int], str]:
    where = link("the summary of the run", _plain(around.run_url))
    return lambda count: f"\n_{count:,} more left out for space: {where} has all._\n\n"


def _plain(url: str) -> str:
    return url if _RUN_URL.fullmatch(url) else ""


def _headline(report: Report) -> str:
    headline = view.headline(report)
    return f"{headline.icon} {text(shortened(headline.text, 300))}"


def _became(report: Report, around: Around) -> str:
    """What became of the plan that stood here, once it was merged."""
    if not around.after_merge:
        return ""
    to = code(shortened(report.environment)) if report.environment.strip() else "the workspace"
    said = {
        Outcome.SUCCEEDED: f"Merged, and deployed to {to}.",
        Outcome.NOTHING_TO_DO: f"Merged; {to} had all of it already, so nothing was changed.",
        Outcome.FAILED: f"Merged, but the deployment to {to} failed.",
        Outcome.REFUSED: f"Merged, but the deployment to {to} was refused. Nothing was changed.",
        Outcome.CANCELLED: f"Merged, but the deployment to {to} was cancelled.",
    }
    return f"**{said[report.outcome]}**\n\n"


# ── Whom it reaches ──────────────────────────────────────────────────────────────────────────────


def _reach(report: Report, around: Around) -> str:
    """The blast radius in one paragraph: where, jobs, owners, and what starts by itself."""
    rewires = view.moved(report)
    parts = []
    if report.environment.strip() and not around.after_merge:
        parts.append(f"In {code(shortened(report.environment))}")
    if rewires:
        parts.append(f"**{view.counted(len(rewires), 'job')}** {view.moving(report)}")
        owners = {one.owner for one in rewires if one.owner.strip()}
        if owners:
            parts.append(f"**{view.counted(len(owners), 'owner')}**")
        parts += _starts(rewires)
    if report.plan is not None and report.plan.clusters:
        parts.append(view.counted(len(report.plan.clusters), "all-purpose cluster"))
    gone = view.removals(report)
    if gone:
        verb = "removed" if report.deployment is not None else "would be removed"
        versions = text(shortened(", ".join(one.version for one in gone), 200))
        parts.append(f"{view.counted(len(gone), 'old version')} {verb} ({versions})")
    return f"{' · '.join(parts)}\n\n" if parts else ""


def _starts(rewires: tuple[Rewire, ...]) -> Iterator[str]:
    """How many jobs start by themselves, and so take the version without anybody watching."""
    kinds = [_start(one.runs) for one in rewires]
    for kind, said in (
        ("continuous", "{} continuously"),
        ("by itself", "{} by schedule or trigger"),
        ("paused", "{} paused"),
        ("by hand", "{} by hand only"),
    ):
        count = kinds.count(kind)
        if count and (kind != "by hand" or count < len(kinds)):
            runs = "runs" if count == 1 else "run"
            verb = "" if kind == "paused" else f" {runs}"
            yield said.format(f"{count:,}{verb}")


def _start(runs: str) -> str:
    if runs.startswith("paused"):
        return "paused"
    if runs == "continuously":
        return "continuous"
    return "by itself" if runs.strip() else "by hand"


# ── What moves and what stays ────────────────────────────────────────────────────────────────────


def _moves(report: Report) -> Iterator[Section]:
    rewires = view.moved(report)
    if not rewires:
        return
    owners = any(one.owner.strip() for one in rewires)
    starts = any(one.runs.strip() for one in rewires)
    notes = any(one.note.strip() for one in rewires)
    titles = (
        "Job",
        *(("Owner",) if owners else ()),
        *(("Runs",) if starts else ()),
        "From",
        *(("Takes effect",) if notes else ()),
    )
    to = view.moved_to(report)
    where = f" {to}" if report.back_to else f" to {to}" if to else ""
    title = shortened(f"{view.counted(len(rewires), 'job')} {view.moving(report)}{where}")
    rows = tuple(
        _moves_row(report, one, owners=owners, starts=starts, notes=notes) for one in rewires
    )
    yield folding(title, "", table_head(*titles), rows)


def _moves_row(report: Report, one: Rewire, *, owners: bool, starts: bool, notes: bool) -> str:
    cells = [job_cell(report, one.job_id, shortened(one.job_name, _CELL))]
    if owners:
        cells.append(code_cell(shortened(one.owner, _CELL)) if one.owner.strip() else "")
    if starts:
        cells.append(text(shortened(one.runs, _CELL)) or "by hand")
    cells.append(versions_cell(one.from_versions))
    if notes:
        cells.append(sentence_cell(shortened(one.note)) or "with the next run")
    return row(cells)


def _stays(report: Report) -> Iterator[Section]:
    """One row a reason: how many jobs, the first of them by name, and what their owners can do."""
    groups = view.stays_by_reason(report)
    if not groups:
        return
    rows = tuple(_stays_row(reason, entries) for reason, entries in groups.items())
    jobs = view.staying_jobs(report)
    title = f"{view.counted(jobs, 'job')} {'stays' if jobs == 1 else 'stay'}, and why"
    if not jobs:
        title = "References that stay, and why"
    yield folded(title, "", table_head("Why", "Jobs", "Which", "What can be done"), rows)


def _stays_row(reason: str, entries: tuple[Untouched, ...]) -> str:
    meaning = explanation(reason)
    names = {one.job_id: one.job_name for one in entries}
    first = [
        code_cell(shortened(name or f"job {job_id}", _CELL))
        for job_id, name in list(names.items())[:_NAMES]
    ]
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    at = {one.version for one in entries if one.version}
    versions = text(shortened(next(iter(at)))) if len(at) == 1 else f"{len(at):,} versions"
    said = f" ({versions})" if at else ""
    return row(
        (
            f"{text(meaning.heading)}{said}",
            f"{len(names):,}",
            ", ".join(first) + more,
            sentence_cell(shortened(meaning.advice, 400)),
        )
    )


# ── Checks, warnings, references, the run ────────────────────────────────────────────────────────


def _checks(report: Report) -> Iterator[Section]:
    """One line when nothing was found; else the table with its findings."""
    if not report.checks:
        return
    if all(one.status in _CLEAN_CHECK for one in report.checks):
        said = " · ".join(
            f"{_MARKS[one.status]} {text(shortened(one.name, _CELL))}" for one in report.checks
        )
        yield Section(f"**Checks:** {said}\n\n")
        return
    yield from checks(report)


def _warnings(report: Report) -> Iterator[Section]:
    said = [warning for warning in report.warnings if warning.strip()]
    if said:
        rows = tuple(f"- {sentence(shortened(warning, 600))}\n" for warning in said)
        yield Section("### ⚠️ Warnings\n\n", rows, "\n")


def _references(report: Report) -> Iterator[Section]:
    rows = tuple(
        row(
            (
                code_cell(shortened(one.job_name or f"job {one.job_id}", _CELL)),
                code_cell(cut(each.place, 200)),
                code_cell(cut(each.before, 600)),
                code_cell(cut(each.after, 600)),
            )
        )
        for one in view.moved(report)
        for each in one.references
    )
    if rows:
        head = table_head("Job", "Place", "Before", "After")
        yield folded(f"Every reference ({len(rows):,})", "", head, rows)


def _foot(report: Report, host: str, around: Around) -> str:
    """What names the plan and the run: the last line."""
    parts = []
    if report.environment.strip():
        parts.append(f"environment {code(shortened(report.environment))}")
    if host.strip():
        parts.append(code(shortened(host)))
    if around.sha:
        parts.append(f"commit {code(around.sha[:12])}")
    if report.plan is not None and report.plan.digest:
        parts.append(f"plan {code(report.plan.digest[:12])}")
    if report.deployment is not None and report.deployment.id:
        parts.append(f"deployment {code(shortened(report.deployment.id))}")
    url = _plain(around.run_url)
    parts += [link("run and full summary", url)] if url else []
    note = ""
    planned = report.mode is Mode.PLAN and report.plan is not None and not around.claimed
    if planned and report.plan is not None and report.plan.digest:
        note = (
            "Nothing has changed yet. The digest of this plan, for `expected-plan-digest`:\n\n"
            f"{code(report.plan.digest)}\n\n"
        )
        if report.outcome is Outcome.NOTHING_TO_DO:
            note = ""
    if report.mode is Mode.CHECK and report.failure is None:
        note = "Only checked: the run had no access to a workspace, so there is no plan.\n\n"
    return f"\n{note}---\n{' · '.join(parts)}\n" if parts else note
