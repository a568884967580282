"""What is news of a run: whether anybody is told, and what.

Owns the choice (`notify`), and the facts that all messages tell, as plain text. Must not know a receiver,
escape or send. What others wrote stands verbatim here, but for addresses, which no message holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployer.contract import Mode
from deployer.notify.texts import without_addresses
from deployer.report import view
from deployer.report.model import Deployment, Failure, Outcome, Report
from deployer.report.texts import with_texts

_HOST = re.compile(r"^(?:[^/?#]*://)?(?:[^/?#]*@)?([^/?#@]*).*$", re.DOTALL)
_WELL = frozenset({Outcome.SUCCEEDED, Outcome.NOTHING_TO_DO})
_LOOKS_ONLY = frozenset({Mode.CHECK, Mode.PLAN})


@dataclass(frozen=True)
class News:
    """One run as a chat is told of it. `moved` and `left` are one line for each job."""

    headline: str
    about: str
    moved: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    failure: Failure | None = None
    run_url: str = ""


def is_news(report: Report, wish: str, *, under_review: bool) -> bool:
    """Whether somebody who asked for `wish`, a value of the input `notify`, is told of `report`.

    `under_review` says that the run is about a pull request: what is looked at there is told there.
    """
    if wish == "off":
        return False
    if wish == "always":
        return True
    if under_review and report.mode in _LOOKS_ONLY:
        return False
    return report.outcome not in _WELL or (wish == "changes" and _changed(report.deployment))


def _changed(done: Deployment | None) -> bool:
    if done is None:
        return False
    parts = (done.applied, done.rolled_back, done.failed, done.removed, done.clusters)
    return done.uploaded or any(parts)


def without_hosts(report: Report, hosts: tuple[str, ...] = ()) -> Report:
    """`report` without the addresses of workspaces, nor any other."""
    names = (_host(one) for one in (report.host, *hosts))
    known = tuple(sorted({one for one in names if one}, key=len, reverse=True))
    return with_texts(report, lambda text: without_addresses(text, known))


def news_of(report: Report, run_url: str = "") -> News:
    """What is told of `report`, which holds no address any more; `run_url` shows the run."""
    to = view.moved_to(report)
    moved = tuple(
        f"{one.job_name} ({one.job_id}): {', '.join(one.from_versions) or '?'} → {to}"
        for one in view.moved(report)
    )
    left = tuple(
        f"{one.job.job_name} ({one.job.job_id}): {one.status}"
        + (f" – {one.job.detail}" if one.job.detail else "")
        for one in view.left(report)
    )
    return News(str(view.headline(report)), _about(report), moved, left, report.failure, run_url)


def _about(report: Report) -> str:
    parts = [report.environment, report.mode.value]
    if report.deployment is not None and report.deployment.id:
        parts.append(f"deployment {report.deployment.id}")
    removed = len(view.removals(report))
    if report.deployment is not None and removed:
        parts.append(f"{view.counted(removed, 'old version')} removed")
    if report.warnings:
        parts.append(view.counted(len(report.warnings), "warning"))
    return " · ".join(part for part in parts if part)


def _host(address: str) -> str:
    """The host that an address names, with or without scheme; empty for what is too short to be one."""
    found = _HOST.sub(r"\1", address.strip())
    return found if len(found) > 3 else ""  # noqa: PLR2004 - `a.b` would be found in words
