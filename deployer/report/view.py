"""What a report means to a reader: which jobs moved, which stay, and the headline.

Owns the facts that all renderers share, so that they can't disagree. Texts are plain and hold
untrusted names verbatim; must not escape or format for any sink.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from deployer.contract import Mode
from deployer.report.model import (
    CheckStatus,
    Decision,
    Elsewhere,
    JobOutcome,
    Outcome,
    Removal,
    Report,
    Rewire,
    StoredVersion,
    Untouched,
)
from deployer.report.reasons import EXPLANATIONS, group_of

MOVING = frozenset({Mode.DEPLOY, Mode.ROLLBACK})
"""The modes that write jobs."""


@dataclass(frozen=True)
class Headline:
    """The one line that everyone understands; `text` is untrusted, `icon` is ours."""

    icon: str
    text: str

    def __str__(self) -> str:
        return f"{self.icon} {self.text}"


@dataclass(frozen=True)
class Left:
    """A job that should have moved and did not; `status` says how it ended."""

    status: str
    job: JobOutcome


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 job`, `2,000 jobs`; `plural` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def was_applied(report: Report) -> bool:
    """Whether a deployment was begun, as opposed to a plan or a run that stopped before."""
    return report.mode in MOVING and report.deployment is not None


def moved(report: Report) -> tuple[Rewire, ...]:
    """The rewires that were done and verified; where nothing was applied, those that would be."""
    if report.plan is None:
        return ()
    if report.deployment is None or report.mode not in MOVING:  # see `was_applied`
        return report.plan.rewires
    done = {job.job_id for job in report.deployment.applied}
    return tuple(rewire for rewire in report.plan.rewires if rewire.job_id in done)


def moving(report: Report) -> str:
    """What is told of the rewires of `moved`: `moved`, or `would move back`."""
    verb = "moved" if was_applied(report) else "would move"
    return f"{verb} back" if report.back_to else verb


def moved_to(report: Report) -> str:
    """What the moved jobs name; in a rollback each names what it named before."""
    if report.back_to:
        return "as before"
    return report.library.version if report.library else ""


def left(report: Report) -> tuple[Left, ...]:
    """The jobs that should have moved and did not, the worst first."""
    if report.deployment is None:
        return ()
    groups: tuple[tuple[str, tuple[JobOutcome, ...]], ...] = (
        ("failed", report.deployment.failed),
        ("edited by someone else meanwhile", report.deployment.drifted),
        ("moved back", report.deployment.rolled_back),
        ("not tried", report.deployment.pending),
    )
    return tuple(Left(status, job) for status, jobs in groups for job in jobs)


def staying_jobs(report: Report) -> int:
    """How many jobs name the library and are not among the plan's rewires."""
    if report.plan is None:
        return 0
    rewired = {rewire.job_id for rewire in report.plan.rewires}
    return len({entry.job_id for entry in report.plan.untouched} - rewired)


def stays_by_reason(report: Report) -> dict[str, tuple[Untouched, ...]]:
    """The untouched references by reason: first those that somebody can do something about.

    Those that are never edited are parted by place; see `reasons.group_of`.
    """
    order = {reason: position for position, reason in enumerate(EXPLANATIONS)}
    groups: dict[str, list[Untouched]] = {}
    for entry in report.plan.untouched if report.plan else ():
        groups.setdefault(group_of(entry.reason, entry.place), []).append(entry)
    ranked = sorted(groups, key=lambda one: (order.get(one.split("/")[0], len(order)), one))
    return {reason: tuple(groups[reason]) for reason in ranked}


def elsewhere(report: Report) -> tuple[Elsewhere, ...]:
    """The places outside of jobs: first those that somebody has to change."""
    return tuple(sorted(report.elsewhere, key=lambda one: one.standing != "by-hand"))


def by_hand(report: Report) -> tuple[Elsewhere, ...]:
    """The places outside of jobs that somebody has to change."""
    return tuple(one for one in report.elsewhere if one.standing == "by-hand")


def removals(report: Report) -> tuple[Removal, ...]:
    """The files that were removed, or, where nothing was applied, that would be."""
    if report.deployment is not None:
        return report.deployment.removed
    return report.plan.removals if report.plan and report.mode is Mode.PLAN else ()


def list_only(report: Report) -> tuple[StoredVersion, ...]:
    """The versions that cleanup would have removed, had it been on."""
    return tuple(one for one in report.versions if one.decision is Decision.LIST_ONLY)


def newest(versions: Iterable[str]) -> str:
    """The newest of `versions` by PEP 440; whatever is no version counts as oldest. "" for none."""
    return max(versions, key=version_key, default="")


def version_key(version: str) -> tuple[int, Version]:
    """A key that sorts versions by PEP 440, with whatever is no version first."""
    try:
        return (1, Version(version))
    except InvalidVersion:
        return (0, Version("0"))


def headline(report: Report) -> Headline:
    """What the run did, in one line."""
    if report.outcome is Outcome.FAILED:
        return Headline("❌", _unfinished(report, "failed"))
    if report.outcome is Outcome.REFUSED:
        return Headline("✋", _unfinished(report, "refused"))
    if report.outcome is Outcome.CANCELLED:
        return Headline("🛑", _unfinished(report, "cancelled"))
    by_mode = {
        Mode.ROLLBACK: _rollback_headline,
        Mode.CHECK: _check_headline,
        Mode.UPLOAD: _upload_headline,
        Mode.PUBLISH: _publish_headline,
        Mode.CLEANUP: _cleanup_headline,
        Mode.STATUS: _status_headline,
        Mode.DOCTOR: _doctor_headline,
        Mode.CONFIGURE: _configure_headline,
        Mode.COMMENT: _comment_headline,
        Mode.AUTO: _auto_headline,
    }
    return by_mode.get(report.mode, _deploy_headline)(report)


def subject(report: Report) -> str:
    """What the run is about: the library and its version, or the mode."""
    library = report.library
    return f"{library.name} {library.version}".strip() if library else report.mode.value


def _deploy_headline(report: Report) -> Headline:
    staying = staying_jobs(report)
    verb = "stays" if staying == 1 else "stay"
    hand = len(by_hand(report))
    also = f", {counted(hand, 'place')} elsewhere to change by hand" if hand else ""
    stay = f"{staying:,} {verb}{also}"
    jobs = counted(len(moved(report)), "job")
    if report.outcome is Outcome.NOTHING_TO_DO:
        said = f"nothing to do, {counted(staying, 'job')} {verb}{also}"
        return Headline("✅", f"{subject(report)}: {said}")
    if report.mode is Mode.PLAN:
        back = " back" if report.back_to else ""
        return Headline("🔍", f"{subject(report)}: {jobs} would move{back}, {stay}")
    missed = f"{len(left(report)):,} did not, " if left(report) else ""
    return Headline("🚀", f"{subject(report)}: {jobs} moved, {missed}{stay}")


def _rollback_headline(report: Report) -> Headline:
    staying = staying_jobs(report)
    stay = f", {counted(staying, 'job')} {'stays' if staying == 1 else 'stay'}" if staying else ""
    if report.outcome is Outcome.NOTHING_TO_DO:
        return Headline("✅", f"{subject(report)}: nothing to take back{stay}")
    return Headline(
        "⏪", f"{subject(report)}: {counted(len(moved(report)), 'job')} moved back{stay}"
    )


def _auto_headline(report: Report) -> Headline:
    return Headline("✅", "Nothing to do for this event")


def _upload_headline(report: Report) -> Headline:
    uploaded = report.deployment is not None and report.deployment.uploaded
    said = "uploaded; no job was touched" if uploaded else "is there already"
    return Headline("📦", f"{subject(report)}: {said}")


def _publish_headline(report: Report) -> Headline:
    done = report.outcome is Outcome.NOTHING_TO_DO
    said = "is published already" if done else "published; no job was touched"
    return Headline("🔖", f"{subject(report)}: {said}")


def _cleanup_headline(report: Report) -> Headline:
    name = report.library.name if report.library else "cleanup"
    if list_only(report):
        versions = counted(len(list_only(report)), "old version")
        return Headline("🧹", f"{name}: {versions} would be removed")
    if not removals(report):
        return Headline("✅", f"{name}: nothing to remove")
    return Headline("🧹", f"{name}: {counted(len(removals(report)), 'old version')} removed")


def _check_headline(report: Report) -> Headline:
    names = ", ".join(one.name for one in report.checks if one.status is not CheckStatus.SKIPPED)
    about = f"{subject(report)}: " if report.library else ""
    return Headline("✅", f"{about}checks passed{': ' + names if names else ''}")


def _configure_headline(report: Report) -> Headline:
    written = [one.name for one in report.checks if one.status is CheckStatus.PASSED]
    if not written:
        return Headline("✅", "configure: both files are there, and stay as they are")
    return Headline("📝", f"configure: {' and '.join(written)} written")


def _comment_headline(report: Report) -> Headline:
    if report.outcome is Outcome.NOTHING_TO_DO:
        return Headline("✅", "comment: there is no pull request to write it on any more")
    return Headline("💬", "comment: it stands on the pull request")


def _doctor_headline(report: Report) -> Headline:
    count = {status: sum(one.status is status for one in report.checks) for status in CheckStatus}
    said = f"{counted(count[CheckStatus.PASSED], 'check')} passed"
    warned, skipped = count[CheckStatus.WARNED], count[CheckStatus.SKIPPED]
    said += f", {warned} warned" if warned else ""
    said += f", {skipped} skipped" if skipped else ""
    return Headline("🩺", f"{said}; nothing failed, and nothing was changed")


def _status_headline(report: Report) -> Headline:
    libraries = len({entry.name for entry in report.inventory if entry.name})
    jobs = len({entry.job_id for entry in report.inventory})
    found = f"{counted(libraries, 'library', 'libraries')} in {counted(jobs, 'job')}"
    also = (
        f", {counted(len(report.elsewhere), 'place')} outside of jobs" if report.elsewhere else ""
    )
    return Headline("📋", f"{found}, {counted(len(report.inventory), 'reference')}{also}")


def _unfinished(report: Report, word: str) -> str:
    word = f"{report.mode.value} {word}"
    if report.library is None:
        return word
    if was_applied(report) and report.plan is not None and report.plan.rewires:
        total = counted(len(report.plan.rewires), "job")
        back = report.deployment.rolled_back if report.deployment else ()
        also = f", {len(back):,} moved back" if back else ""
        return f"{subject(report)}: {word}, {len(moved(report)):,} of {total} moved{also}"
    return f"{subject(report)}: {word}"
