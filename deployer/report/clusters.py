"""Clusters whose library a deployment replaces: what is planned, and what became of each.

Owns the sentences on them and their part of the job summary. Names and messages are untrusted and
escaped here. Must not decide anything: see `plan.clusters` and `deployment.clusters`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deployer.report import view
from deployer.report.budget import Section
from deployer.report.markdown import code_cell, row, sentence_cell, table_head, text
from deployer.report.model import ClusterChange, Report
from deployer.report.untrusted import cut

_CELL = 300  # characters of one value in a table; report.json has all
# By `deployment.clusters.Became`; a test compares the two.
OUTCOMES = {
    "updated": "replaced",
    "restarted": "replaced and restarted",
    "drifted": "⚠️ changed by someone else meanwhile",
    "gone": "⚠️ deleted meanwhile",
    "denied": "⚠️ no permission",
    "failed": "⚠️ failed",
    "pending": "⚠️ not done",
}


@dataclass(frozen=True)
class Line:
    """One cluster: its change, and in words what happens or what happened; `detail` is untrusted."""

    change: ClusterChange
    said: str
    detail: str = ""


def lines(report: Report) -> tuple[Line, ...]:
    """The clusters of the plan, with their outcome once a deployment got to them."""
    if report.plan is None:
        return ()
    outcomes = (
        {one.cluster_id: one for one in report.deployment.clusters} if report.deployment else {}
    )
    found = []
    for change in report.plan.clusters:
        outcome = outcomes.get(change.cluster_id)
        if outcome is not None:
            said = OUTCOMES.get(outcome.outcome, outcome.outcome)
            found.append(Line(change, said, outcome.detail))
        elif report.deployment is not None:
            found.append(Line(change, OUTCOMES["pending"]))
        else:
            found.append(Line(change, _planned(change)))
    return tuple(found)


def title(report: Report) -> str:
    """The heading above the clusters."""
    counted = view.counted(len(lines(report)), "cluster")
    would = "" if report.deployment is not None else " would get the new version"
    return f"{counted}{would}" if would else f"The new version on {counted}"


def section(report: Report) -> Iterator[Section]:
    """The clusters as a table."""
    found = lines(report)
    if found:
        to = text(cut(report.library.version, _CELL)) if report.library else ""
        head = f"### {text(title(report))}\n\n{table_head('Cluster', 'From', 'To', 'What happens')}"
        yield Section(head, tuple(_row(one, to) for one in found), "\n")


def _row(one: Line, to: str) -> str:
    change = one.change
    name = code_cell(cut(change.cluster_name or change.cluster_id, _CELL))
    detail = f": {sentence_cell(cut(one.detail, 1000))}" if one.detail else ""
    versions = text(cut(", ".join(change.from_versions), _CELL))
    return row((name, versions, to, f"{text(one.said)}{detail}"))


def _planned(change: ClusterChange) -> str:
    if not change.before:
        return "restarted, if it runs and no run uses it: the new version waits for that"
    if change.restart:
        return "replaced, and restarted if it runs and no run uses it"
    return "replaced, which takes effect when it restarts"
