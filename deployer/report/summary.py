"""The job summary: the report in GitHub Markdown, for somebody who has a minute.

Owns the order of the story: headline, what went wrong, what moved, what stays and why, versions,
checks, what to do next. Everything from outside is escaped by `markdown`. Must not write files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from deployer.contract import Mode
from deployer.report import view
from deployer.report.budget import Section, fit
from deployer.report.clusters import section as clusters
from deployer.report.elsewhere import section as elsewhere
from deployer.report.markdown import (
    code,
    code_block,
    code_cell,
    row,
    sentence,
    sentence_cell,
    table_head,
    text,
)
from deployer.report.model import Outcome, Report, Rewire, Untouched
from deployer.report.reasons import explanation
from deployer.report.sentences import apparate_sentences
from deployer.report.summary_parts import (
    about,
    checks,
    failure,
    folded,
    folding,
    inventory,
    job_cell,
    left,
    shortened,
    stored_versions,
    versions_cell,
)

BUDGET = 1_000_000  # bytes; the runner drops more than 1 MiB = 1,048,576 (fact 20)
_TRY_AGAIN = "Run the same {} again: it goes on with the jobs that did not move."


def to_summary(report: Report, *, report_path: str = "", budget: int = BUDGET) -> str:
    """The summary in Markdown, at most `budget` bytes in UTF-8.

    `report_path` is where the reader finds `report.json`, which has what is left out here.
    """
    sections = [
        Section(f"## {_headline(report)}\n\n{_uploaded(report)}"),
        *_why(report),
        *failure(report),
        *left(report),
        *_moved(report),
        *clusters(report),
        *_stays(report),
        *elsewhere(report),
        *stored_versions(report),
        *_removed(report),
        *inventory(report),
        *checks(report),
        *_warnings(report),
        *_next(report),
        *_sentences(report),
        *_references(report),
        Section(about(report, report_path)),
    ]
    return fit(sections, budget, _left_out(report_path))


def _left_out(report_path: str) -> Callable[[int], str]:
    where = f"the full report is in {code(report_path)}" if report_path else "see the full report"
    return lambda count: f"\n_{count:,} more left out for space: {where}._\n\n"


def _headline(report: Report) -> str:
    headline = view.headline(report)
    return f"{headline.icon} {text(shortened(headline.text, 300))}"


def _why(report: Report) -> Iterator[Section]:
    """What `mode: auto` chose: who reads the summary did not see the log."""
    if report.why:
        yield Section(f"{sentence(shortened(report.why, 1000))}\n\n")


def _uploaded(report: Report) -> str:
    """One line on the file itself, where the run got that far."""
    plan, deployment = report.plan, report.deployment
    if deployment and deployment.uploaded and report.library:
        return f"Uploaded to {code(shortened(report.library.remote_path, 500))}.\n\n"
    if plan and plan.upload:
        verb = "was not uploaded" if report.failure or deployment else "would be uploaded"
        size = f"{plan.upload.size / 1000:,.1f} kB"
        return f"The file ({size}) {verb} to {code(shortened(plan.upload.path, 500))}.\n\n"
    if report.mode is Mode.ROLLBACK or report.back_to:
        return "No file is uploaded or removed: jobs name again what they named before.\n\n"
    if plan and report.library and report.mode is not Mode.CLEANUP:
        return "The file is in the workspace already, with the same content.\n\n"
    return ""


def _moved(report: Report) -> Iterator[Section]:
    rewires = view.moved(report)
    if not rewires:
        return
    title = f"{view.counted(len(rewires), 'job')} {view.moving(report)}"
    to = text(view.moved_to(report))
    notes = any(rewire.note for rewire in rewires)
    head = table_head("Job", "From", "To", "Places", *(("Takes effect",) if notes else ()))
    rows = tuple(_moved_row(report, rewire, to, notes=notes) for rewire in rewires)
    yield folding(title, "", head, rows)


def _moved_row(report: Report, rewire: Rewire, to: str, *, notes: bool) -> str:
    cells = [
        job_cell(report, rewire.job_id, rewire.job_name),
        versions_cell(rewire.from_versions),
        to,
        str(len(rewire.references)),
    ]
    return row(
        (*cells, sentence_cell(shortened(rewire.note or "with the next run"))) if notes else cells
    )


def _stays(report: Report) -> Iterator[Section]:
    groups = view.stays_by_reason(report)
    if not groups:
        return
    yield Section("### What stays, and why\n\n")
    for reason, entries in groups.items():
        meaning = explanation(reason)
        jobs = view.counted(len({entry.job_id for entry in entries}), "job")
        rows = tuple(_untouched_row(report, entry) for entry in entries)
        head = table_head("Job", "Version", "Reference", "Place")
        title = f"{jobs}: {meaning.heading}"
        yield folding(title, sentence(meaning.advice), head, rows, level=4)


def _untouched_row(report: Report, entry: Untouched) -> str:
    note = f"<br>{sentence_cell(shortened(entry.note))}" if entry.note else ""
    return row(
        (
            job_cell(report, entry.job_id, entry.job_name) + note,
            text(shortened(entry.version or "?")),
            code_cell(shortened(entry.value)),
            code_cell(shortened(entry.place)),
        )
    )


def _removed(report: Report) -> Iterator[Section]:
    removed = view.removals(report)
    if not removed:
        return
    verb = "removed" if report.deployment is not None else "would be removed"
    title = f"{view.counted(len(removed), 'old version')} {verb}"
    rows = tuple(
        row((text(shortened(one.version)), code_cell(shortened(one.path)))) for one in removed
    )
    yield folding(title, "", table_head("Version", "File"), rows)


def _warnings(report: Report) -> Iterator[Section]:
    said = [warning for warning in report.warnings if warning.strip()]
    if said:
        rows = tuple(f"- {sentence(shortened(warning, 1000))}\n" for warning in said)
        yield Section("### ⚠️ Warnings\n\n", rows, "\n")


def _next(report: Report) -> Iterator[Section]:
    """What to do next, where there is something to do."""
    steps: list[str] = []
    if report.mode is Mode.PLAN and report.plan and report.outcome is Outcome.SUCCEEDED:
        mode = f"rollback\n  to: {json.dumps(report.back_to)}" if report.back_to else "deploy"
        yaml = f"with:\n  mode: {mode}\n  expected-plan-digest: {json.dumps(report.plan.digest)}"
        steps.append(
            "Nothing has changed yet. To carry out exactly this plan, add these lines to the inputs of "
            "the step that does it; any other plan is then refused:\n\n" + code_block(yaml, "yaml")
        )
    if view.left(report):
        what = "rollback" if report.mode is Mode.ROLLBACK else "deployment"
        steps.append(f"{_TRY_AGAIN.format(what)}\n")
    if view.was_applied(report) and view.moved(report):
        steps.append(
            "A moved job takes the version that it names now with its next run; a run that has started, "
            "and an all-purpose cluster that is running, keep the code that they loaded.\n"
        )
    if view.list_only(report):
        kept = view.counted(len(view.list_only(report)), "old version")
        steps.append(
            f"{kept} could go: a later deployment, or `mode: cleanup`, removes them unless `cleanup` is "
            "`false`.\n"
        )
    steps += [
        f"{number}. {sentence(shortened(step, 1000))}\n"
        for number, step in enumerate(report.next_steps, start=1)
    ]
    if steps:
        yield Section("### What to do next\n\n" + "\n".join(steps) + "\n")


def _sentences(report: Report) -> Iterator[Section]:
    said = apparate_sentences(report)
    if said:
        lines = "".join(f"- {text(shortened(one, 2000))}\n" for one in said)
        yield folded("In apparate's words", "", lines, ())


def _references(report: Report) -> Iterator[Section]:
    """Every string that changes, folded: the part that a reviewer checks."""
    rewires = view.moved(report)
    rows = tuple(
        row(
            (
                job_cell(report, rewire.job_id, rewire.job_name),
                code_cell(shortened(reference.place)),
                code_cell(shortened(reference.before, 1000)),
                code_cell(shortened(reference.after, 1000)),
            )
        )
        for rewire in rewires
        for reference in rewire.references
    )
    if rows:
        title = f"Every reference ({len(rows):,})"
        head = table_head("Job", "Place", "Before", "After")
        yield replace(folded(title, "", head, rows), detail=True)
