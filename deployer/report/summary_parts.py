"""Parts of summaries and comments that stand for themselves: failure, checks, versions, inventory, the run.

Owns their Markdown; `summary` and `comment` put them in order. Must not decide what a run did: see `view`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployer.contract import Mode
from deployer.errors import DOCS
from deployer.report import view
from deployer.report.budget import Section
from deployer.report.markdown import (
    code,
    code_block,
    code_cell,
    html,
    job_url,
    link,
    page,
    prose,
    row,
    sentence,
    sentence_cell,
    table_head,
    text,
)
from deployer.report.model import (
    Check,
    CheckStatus,
    Decision,
    Failure,
    Finding,
    InventoryEntry,
    Outcome,
    Report,
    StoredVersion,
)
from deployer.report.reasons import explanation
from deployer.report.untrusted import cut

_CELL = 300  # characters of one value in a table; report.json has all
FOLDED_FROM = 15  # a longer table starts folded
_TAIL = 4_000  # characters of a tool's output
_FINDINGS = 200  # per check; more help nobody
_MARKS = {
    CheckStatus.PASSED: "✅ passed",
    CheckStatus.WARNED: "⚠️ warned",
    CheckStatus.FAILED: "❌ failed",
    CheckStatus.SKIPPED: "⏭️ skipped",
}


def shortened(untrusted: str, limit: int = _CELL) -> str:
    """`untrusted`, cut where it is too long for its place."""
    return cut(untrusted, limit)


def versions_cell(versions: Sequence[str]) -> str:
    """Several versions in one table cell."""
    return text(shortened(", ".join(versions))) or "?"


def failure(report: Report) -> Iterator[Section]:
    """Why the run failed or refused, and what to do."""
    failed = report.failure
    if failed is None:
        return
    heads = {Outcome.REFUSED: "Why it was refused", Outcome.CANCELLED: "Why it stopped"}
    head = f"### {heads.get(report.outcome, 'What went wrong')}\n\n"
    problems = failed.problems
    if len(problems) > 1:
        counted = view.counted(len(problems), "problem")
        yield Section(f"{head}{counted}:\n\n", tuple(_problem(one) for one in problems))
        return
    yield Section(head + _problem(problems[0] if problems else failed))


def _problem(problem: Failure) -> str:
    """One problem: what happened, why, what to do, and where that is explained."""
    parts = [f"**{sentence(shortened(problem.title, 500))}**\n"]
    if problem.detail.strip():
        parts.append(prose(shortened(problem.detail, 6000)))
    if problem.remedy.strip():
        remedy = prose(shortened(problem.remedy, 3000))
        parts.append(f"➡️\n\n{remedy}" if remedy.startswith("```") else f"➡️ {remedy}")
    parts.append(f"Explained in {code(f'{DOCS}#{problem.reason}')}\n")
    return "\n".join(parts) + "\n"


def left(report: Report) -> Iterator[Section]:
    """The jobs that should have moved and did not."""
    jobs = view.left(report)
    if not jobs:
        return
    head = f"### ⚠️ {view.counted(len(jobs), 'job')} did not move\n\n"
    rows = tuple(
        row(
            (
                job_cell(report, one.job.job_id, one.job.job_name),
                one.status,
                sentence_cell(shortened(one.job.detail)),
            )
        )
        for one in jobs
    )
    yield Section(head + table_head("Job", "What happened", "Why"), rows, "\n")


def job_cell(report: Report, job_id: int, name: str) -> str:
    """A job in a table cell, by name and with a link to it."""
    label = code_cell(shortened(name)) if name.strip() else f"job {job_id}"
    return link(label, job_url(report.host, job_id))


def folding(
    title: str, advice: str, head: str, rows: tuple[str, ...], *, level: int = 3
) -> Section:
    """A section that starts folded when it is long."""
    if len(rows) >= FOLDED_FROM:
        return folded(title, advice, head, rows)
    lead = f"{advice}\n\n" if advice else ""
    return Section(f"{'#' * level} {text(title)}\n\n{lead}{head}", rows, "\n")


def folded(title: str, advice: str, head: str, rows: tuple[str, ...]) -> Section:
    """A section that starts folded."""
    lead = f"{advice}\n\n" if advice else ""
    start = f"<details><summary><b>{html(title)}</b></summary>\n\n{lead}{head}"
    return Section(start, rows, "\n</details>\n\n")


def checks(report: Report) -> Iterator[Section]:
    """The table of checks, then for each that failed or warned its findings and last output."""
    if not report.checks:
        return
    rows = tuple(
        row(
            (
                text(one.name),
                _MARKS[one.status],
                f"{one.seconds:.1f} s",
                sentence_cell(shortened(one.summary)),
            )
        )
        for one in report.checks
    )
    yield Section("### Checks\n\n" + table_head("Check", "Result", "Took", "What"), rows, "\n")
    for one in report.checks:
        if one.status in {CheckStatus.FAILED, CheckStatus.WARNED}:
            yield from _details(one)


def _details(check: Check) -> Iterator[Section]:
    found = check.findings[:_FINDINGS]
    if found:
        title = f"#### {text(check.name)}: {view.counted(len(check.findings), 'finding')}\n\n"
        rows = tuple(_finding(one) for one in found)
        more = len(check.findings) - len(found)
        tail = f"\n{more:,} more are in the report\n\n" if more else "\n"
        yield Section(title + table_head("Where", "What"), rows, tail)
    if check.output_tail.strip():
        start = f"<details><summary>Last output of {html(check.name)}</summary>\n\n"
        yield Section(start + code_block(check.output_tail[-_TAIL:]) + "\n</details>\n\n")


def _finding(finding: Finding) -> str:
    line = f":{finding.line}" if finding.line is not None else ""
    where = code_cell(shortened(finding.path + line)) if finding.path else ""
    rule = f"{code_cell(finding.code)} " if finding.code else ""
    return row((where, rule + sentence_cell(shortened(finding.message, 600))))


def stored_versions(report: Report) -> Iterator[Section]:
    """The versions in the root, and what becomes of each."""
    if not report.versions:
        return
    rows = tuple(
        row(
            (
                text(shortened(one.version)),
                _decision(report, one),
                sentence_cell(shortened("; ".join(one.reasons), 600)),
            )
        )
        for one in report.versions
    )
    head = "### Versions in the root\n\n" + table_head("Version", "Stays or goes", "Why")
    yield Section(head, rows, "\n")


def _decision(report: Report, stored: StoredVersion) -> str:
    if stored.decision is Decision.CURRENT:
        return "this version"
    if stored.decision is Decision.KEEP:
        return "stays"
    if stored.decision is Decision.LIST_ONLY:
        return "could go, only listed"
    if report.deployment is None:
        return "would go"
    gone = any(removal.path == stored.path for removal in report.deployment.removed)
    return "removed" if gone else "not removed"


def inventory(report: Report) -> Iterator[Section]:
    """For `status`: one row per library and version, what has no version, then all references."""
    if report.mode is not Mode.STATUS:
        return
    if not report.inventory:
        yield Section("No job of this workspace names a library file.\n\n")
        return
    head = "### Libraries in use\n\n" + table_head(
        "Library", "Version", "Kind", "Jobs", "References"
    )
    yield Section(head, tuple(_usage_rows(report.inventory)), "\n")
    unnamed = tuple(_unnamed_rows(report.inventory))
    if unnamed:
        yield Section("### Without a version\n\n" + table_head("Why", "References"), unnamed, "\n")
    start = f"<details><summary><b>Every reference ({len(report.inventory):,})</b></summary>\n\n"
    rows = tuple(_inventory_row(report, entry) for entry in report.inventory)
    columns = table_head("Job", "Library", "Version", "Reference", "Place")
    yield Section(start + columns, rows, "\n</details>\n\n", detail=True)


def _usage_rows(entries: Sequence[InventoryEntry]) -> Iterator[str]:
    groups: dict[tuple[str, str, str], list[InventoryEntry]] = {}
    for entry in entries:
        if entry.name and entry.version:
            groups.setdefault((entry.name, entry.version, entry.kind), []).append(entry)
    ranked = sorted(groups, key=lambda key: (key[0], view.version_key(key[1]), key))
    for key in ranked:
        found = groups[key]
        name, version, kind = (text(shortened(part)) for part in key)
        jobs = len({entry.job_id for entry in found})
        yield row((name, version, kind, f"{jobs:,}", f"{len(found):,}"))


def _unnamed_rows(entries: Sequence[InventoryEntry]) -> Iterator[str]:
    counts: dict[str, int] = {}
    for entry in entries:
        if not (entry.name and entry.version):
            counts[entry.reason or "unknown"] = counts.get(entry.reason or "unknown", 0) + 1
    for reason in sorted(counts):
        yield row((text(shortened(explanation(reason).heading)), f"{counts[reason]:,}"))


def _inventory_row(report: Report, entry: InventoryEntry) -> str:
    label = (
        code_cell(shortened(entry.job_name)) if entry.job_name.strip() else code(str(entry.job_id))
    )
    version = entry.version or (explanation(entry.reason).heading if entry.reason else "?")
    return row(
        (
            link(label, job_url(report.host, entry.job_id)),
            text(shortened(entry.name or "?")),
            text(shortened(version)),
            code_cell(shortened(entry.value)),
            code_cell(shortened(entry.place)),
        )
    )


def about(report: Report, report_path: str) -> str:
    """The facts of the run that somebody needs when they come back later."""
    plan, library, deployment = report.plan, report.library, report.deployment
    user = report.identity.user if report.identity else ""
    facts = (
        ("Environment", report.environment),
        ("Workspace", report.host),
        ("Root", report.root),
        ("File", library.remote_path if library else ""),
        ("SHA-256", library.sha256 if library else ""),
        ("Plan digest", plan.digest if plan else ""),
        ("Deployment", deployment.id if deployment else ""),
        ("As", user),
        ("Comment", report.comment_url),
        ("Full report", report_path),
    )
    lines = [f"- {name}: {code(shortened(value, 500))}\n" for name, value in facts if value]
    if report.release_url:
        lines.append(f"- Release: {page(shortened(report.release_url, 500))}\n")
    if plan and plan.jobs_seen:
        lines.append(f"- Jobs seen: {plan.jobs_seen:,}{_not_admin(report)}\n")
    if report.api.calls:
        waited = (
            f", which waited {report.api.waited_s:.0f} s in all" if report.api.waited_s >= 1 else ""
        )
        lines.append(f"- API calls: {report.api.calls:,}{waited}\n")
    spent = ", ".join(f"{text(phase)} {s:.1f} s" for phase, s in list(report.timings.items())[:20])
    lines += [f"- Time: {spent}\n"] if spent else []
    return f"### About this run\n\n{''.join(lines)}\n" if lines else ""


def _not_admin(report: Report) -> str:
    if report.identity is None or report.identity.admin:
        return ""
    return " (not a workspace admin: jobs that it can't see are not listed)"
