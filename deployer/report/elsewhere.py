"""What stands elsewhere: places outside of jobs that name the library, and what their owners do.

Owns the sentences of advice, one for each kind of place, and the part of the job summary. Values and
names are untrusted and escaped here. Must not decide what is told: see `plan.elsewhere`.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.contract import Mode
from deployer.report import view
from deployer.report.budget import Section
from deployer.report.markdown import code_cell, html, row, sentence_cell, table_head, text
from deployer.report.model import Elsewhere, Report
from deployer.report.reasons import explanation
from deployer.report.untrusted import cut

BY_HAND = "by-hand"
LISTED = "listed"  # by `status`, which deploys nothing
_CELL = 300  # characters of one value in a table; report.json has all

# By `jobs.sightings.Where`; a test compares the two. `{new}` is what to write there.
_BY_HAND = {
    "requirements file": (
        "Change this line to `{new}`: whatever installs from the file takes it with its next run."
    ),
    "base environment": (
        "Change this dependency to `{new}`: serverless tasks take it with their next run, a shared "
        "environment of the workspace once it is refreshed."
    ),
    "init script": (
        "Let the script install `{new}`: a cluster takes it when it starts the next time."
    ),
    "notebook": (
        "Install `{new}` in the notebook, or name the library in the job, where deployments move it."
    ),
    "cluster library": (
        "Install `{new}` on the cluster by hand, uninstall this one, and restart the cluster; for a file "
        "under the root `clusters: update` or `restart` does that."
    ),
    "cluster setting": "Change the setting of the cluster to `{new}`, which restarts it.",
    "policy library": (
        "Change the library of the policy to `{new}`: its clusters take it when they restart."
    ),
    "policy definition": (
        "Change the rule of the policy to `{new}`: clusters take it when they are made or edited."
    ),
    "pipeline dependency": (
        "Change the dependency of the pipeline to `{new}`: its next update takes it."
    ),
    "pipeline library": (
        "Change the library of the pipeline to `{new}`: its next update takes it."
    ),
    "pipeline setting": (
        "Change the setting of the pipeline to `{new}`: its next update takes it."
    ),
}
_SETTLED = {
    "already-current": "Nothing to do: it names this version.",
    "newer": "Nothing to do: it names a newer version.",
    "with-this-run": "Nothing to do: this deployment replaces it.",
}


def advice(where: str, standing: str, new: str) -> str:
    """One sentence to the owner of a place.

    `where` is a `jobs.sightings.Where`, `standing` a `plan.elsewhere.Standing`, LISTED or a reason to stay,
    `new` what names the new version there, "" when there is none yet.
    """
    if standing in _SETTLED:
        return _SETTLED[standing]
    by_hand = _BY_HAND[where].replace("`{new}`", f"`{new}`" if new else "the new version")
    if standing in {BY_HAND, LISTED}:
        return by_hand
    later = f"{by_hand[0].lower()}{by_hand[1:]}"
    return f"It is {explanation(standing).heading}. Once that is to change, {later}"


def section(report: Report) -> Iterator[Section]:
    """The places as a folded table: those that somebody has to change come first."""
    if not report.elsewhere:
        return
    waiting = len(view.by_hand(report))
    title = f"{view.counted(len(report.elsewhere), 'place')} outside of jobs"
    title += f", {waiting:,} to change by hand" if waiting else ""
    note = (
        "Deployments don't edit these. What their owners change, the next plan sees."
        if report.mode is not Mode.STATUS
        else "Deployments don't edit these."
    )
    start = f"<details><summary><b>{html(title)}</b></summary>\n\n{note}\n\n"
    head = table_head("Place", "What stands there", "Version", "Used by", "What to do")
    rows = tuple(_row(one) for one in view.elsewhere(report))
    yield Section(start + head, rows, "\n</details>\n\n")


def _row(one: Elsewhere) -> str:
    place = (
        f"{text(one.where)}<br>{code_cell(cut(one.holder, _CELL))}, {text(cut(one.spot, _CELL))}"
    )
    return row(
        (
            place,
            code_cell(cut(one.value, _CELL)),
            text(cut(one.version or "?", _CELL)),
            text(cut(used_by(one), _CELL)),
            sentence_cell(cut(one.advice, 600)),
        )
    )


def used_by(one: Elsewhere) -> str:
    """The jobs that use the place, a few of them by name."""
    names = ", ".join(job.name or f"job {job.job_id}" for job in one.jobs)
    more = one.jobs_count - len(one.jobs)
    return f"{names} and {more:,} more" if more > 0 else names or "no job"
