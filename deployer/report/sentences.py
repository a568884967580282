"""The five log sentences of apparate, so that its users and their chat filters find their feet.

Owns their wording (facts G4): only what follows the colon is ours. Names stand verbatim; each
sink escapes. Must not print.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.contract import Mode
from deployer.errors import FailureReason
from deployer.report import view
from deployer.report.model import Report

NAMES_SHOWN = 50  # a sentence is read by people; the tables and report.json have all names


def apparate_sentences(report: Report) -> tuple[str, ...]:
    """Those of the five sentences that are true of this run, in apparate's order."""
    return (*_loaded(report), *_used_by(report), *_updated(report), *_removed(report))


def _loaded(report: Report) -> tuple[str, ...]:
    library = report.library
    if library is None:
        return ()
    if report.deployment is not None and report.deployment.uploaded:
        return (f"new library {library.name}-{library.version} loaded to Databricks",)
    exists = f"This version ({library.version}) already exists:"
    if report.failure and report.failure.reason == FailureReason.VERSION_EXISTS.value:
        return (f"{exists} with other content, so the change needs a new version number",)
    found = report.plan is not None and report.plan.upload is None and not report.back_to
    if found and report.mode in {Mode.PLAN, Mode.DEPLOY, Mode.UPLOAD} and not report.failure:
        return (f"{exists} the same file is there, so nothing is uploaded again",)
    return ()


def _used_by(report: Report) -> tuple[str, ...]:
    if report.plan is None or report.library is None or report.back_to:
        return ()
    if report.mode not in {Mode.PLAN, Mode.DEPLOY}:
        return ()
    names = _listed([rewire.job_name for rewire in report.plan.rewires])
    return (f"current major version of library used by jobs: {names}",)


def _updated(report: Report) -> tuple[str, ...]:
    jobs = view.moved(report) if view.was_applied(report) else ()
    return (f"updated jobs: {_listed([job.job_name for job in jobs])}",) if jobs else ()


def _removed(report: Report) -> tuple[str, ...]:
    removed = report.deployment.removed if report.deployment else ()
    name = f"{report.library.name}-" if report.library else ""
    versions = [f"{name}{removal.version}" for removal in removed]
    return (f"removed old versions: {_listed(versions)}",) if versions else ()


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    shown = ", ".join(names[:NAMES_SHOWN])
    return f"{shown} and {more:,} more" if more > 0 else shown or "none"
