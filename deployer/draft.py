"""The draft of the report: what is known so far, so that every ending can tell the truth.

Owns the growing state of one run and the retelling of plans and verdicts as report values. It is the
one mutable thing of the story; must not decide or do anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from deployer.approval import Approval, approval_of
from deployer.contract import Mode
from deployer.deployment.apply import Applied, State, unverified
from deployer.deployment.clusters import Updated
from deployer.deployment.ports import Identity, Workspace
from deployer.errors import DeployError, ExitCode, FailureReason, Problem, exit_code, fail
from deployer.jobs.circumstances import owner_of, runs_when
from deployer.jobs.inventory import Job
from deployer.jobs.references import Reference
from deployer.library.model import Library
from deployer.library.names import NameProblem, parse_file_name
from deployer.narrator import Narrator
from deployer.plan.model import Plan, Target
from deployer.plan.retention import Verdict
from deployer.report import model
from deployer.settings import Settings


@dataclass
class Draft:
    """What is known so far. `report` can be asked for at any moment."""

    settings: Settings
    narrator: Narrator
    warnings: list[str] = field(default_factory=list)
    checks: tuple[model.Check, ...] = ()
    library: model.Library | None = None
    identity: model.Identity | None = None
    plan: model.Plan | None = None
    versions: tuple[model.StoredVersion, ...] = ()
    deployment: model.Deployment | None = None
    inventory: tuple[model.InventoryEntry, ...] = ()
    elsewhere: tuple[model.Elsewhere, ...] = ()
    next_steps: tuple[str, ...] = ()
    release_url: str = ""
    comment_url: str = ""
    workspace: Workspace | None = None
    timings: dict[str, float] = field(default_factory=dict)
    doing: str = ""  # the phase that runs now
    _applied: dict[int, Applied] = field(default_factory=dict)  # by job id, in the plan's order

    @contextmanager
    def phase(self, name: str, title: str) -> Iterator[None]:
        """One phase, told and timed."""
        started = time.monotonic()
        self.doing = name
        try:
            with self.narrator.phase(title):
                yield
            self.doing = ""  # after an error it still says where
        finally:
            spent = time.monotonic() - started
            self.timings[name] = round(self.timings.get(name, 0.0) + spent, 3)

    def warn(self, text: str) -> None:
        """A warning for the report, told once."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.narrator.info(f"Warning: {text}")

    def note_library(self, library: Library, file: str, remote_path: str) -> None:
        """The library of this run."""
        self.library = model.Library(
            name=library.display_name,
            version=str(library.version),
            sha256=library.sha256,
            file=file,
            remote_path=remote_path,
            size=library.size,
        )

    def note_way_back(self, name: str, target: Target) -> None:
        """The library of a rollback, with the newest file that jobs name again; it is not here."""
        file = target.path.rsplit("/", 1)[-1]
        parsed = parse_file_name(file)
        one = parsed.certain if parsed is not None else None
        version = str(one.version) if one is not None and one.version is not None else ""
        self.library = model.Library(name, version, target.sha256, "", target.path, target.size)

    def note_identity(self, identity: Identity) -> None:
        """Who the workspace says we are."""
        self.identity = model.Identity(identity.user, identity.admin)

    def note_plan(self, plan: Plan, jobs_seen: int, jobs: Iterable[Job] = ()) -> None:
        """The plan, made from `jobs_seen` jobs; its removals are told by `note_versions`.

        `jobs` tell who answers for those that move, and when they run.
        """
        target = plan.target
        around = {
            job.job_id: (owner_of(job.settings, job.creator), runs_when(job.settings))
            for job in jobs
        }
        self.plan = model.Plan(
            digest=plan.digest,
            upload=model.Upload(target.path, target.sha256, target.size) if plan.upload else None,
            rewires=tuple(
                model.Rewire(
                    job_id=one.job_id,
                    job_name=one.job_name,
                    references=tuple(
                        model.ChangedReference(change.pointer, change.before, change.after)
                        for change in one.changes
                    ),
                    from_versions=tuple(str(version) for version in one.versions),
                    note=one.note,
                    owner=around.get(one.job_id, ("", ""))[0],
                    runs=around.get(one.job_id, ("", ""))[1],
                )
                for one in plan.rewires
            ),
            removals=(),
            untouched=tuple(
                model.Untouched(
                    job_id=one.job_id,
                    job_name=one.job_name,
                    place=one.pointer,
                    value=one.value,
                    version=one.version,
                    reason=one.reason.value,
                    note=one.note,
                )
                for one in plan.untouched
            ),
            jobs_seen=jobs_seen,
            clusters=tuple(
                model.ClusterChange(
                    cluster_id=one.cluster_id,
                    cluster_name=one.cluster_name,
                    before=one.before,
                    after=one.after,
                    from_versions=tuple(str(version) for version in one.versions),
                    restart=one.restart,
                )
                for one in plan.clusters
            ),
        )

    def note_versions(self, verdicts: Iterable[Verdict], *, cleanup: bool) -> None:
        """What becomes of the stored versions; with `cleanup` those that nothing keeps will go."""
        leaving = model.Decision.REMOVE if cleanup else model.Decision.LIST_ONLY
        self.versions = tuple(
            model.StoredVersion(
                version=str(one.stored.version),
                path=one.stored.path,
                decision=model.Decision.CURRENT
                if one.current
                else leaving
                if one.goes
                else model.Decision.KEEP,
                reasons=one.reasons or ("nothing uses it",),
            )
            for one in verdicts
        )
        if self.plan is not None:
            going = tuple(
                model.Removal(one.path, one.version)
                for one in self.versions
                if one.decision is model.Decision.REMOVE
            )
            self.plan = replace(self.plan, removals=going)

    def note_check(self, check: model.Check) -> None:
        """A check that ended, or was skipped."""
        self.checks = (*self.checks, check)

    def note_moving(self, applied: Applied) -> None:
        """What becomes of one rewire, while others still go on. Threads may call it."""
        self._applied[applied.rewire.job_id] = applied

    def note_approval(self, digest: str) -> Approval:
        """What an approval of this plan, with the removals that are known by now, will say."""
        assert self.plan is not None  # noqa: S101 - only a plan can be approved
        approval = approval_of(digest, (one.path for one in self.plan.removals))
        self.plan = replace(self.plan, digest=str(approval))
        return approval

    def note_applied(
        self, deployment_id: str, applied: Iterable[Applied], *, uploaded: bool
    ) -> None:
        """What became of the upload and of each rewire so far."""
        self._applied = {one.rewire.job_id: one for one in applied}
        self.deployment = model.Deployment(id=deployment_id, uploaded=uploaded)

    def note_removed(self, removed: Iterable[model.Removal]) -> None:
        """What was really removed."""
        assert self.deployment is not None  # noqa: S101 - nothing is removed before a deployment began
        self.deployment = replace(self.deployment, removed=tuple(removed))

    def note_clusters(self, updated: Iterable[Updated]) -> None:
        """What became of each cluster so far."""
        assert self.deployment is not None  # noqa: S101 - clusters come after the jobs
        outcomes = tuple(
            model.ClusterOutcome(
                one.change.cluster_id, one.change.cluster_name, one.became.value, one.detail
            )
            for one in updated
        )
        self.deployment = replace(self.deployment, clusters=outcomes)

    def note_comment(self, url: str) -> None:
        """The comment that was written."""
        self.comment_url = url

    def note_inventory(self, jobs: Iterable[Job]) -> None:
        """Every library reference of `jobs`, for `status`."""
        self.inventory = tuple(_entry(job, one) for job in jobs for one in job.references)

    def report(self, outcome: model.Outcome) -> model.Report:
        """The report of a run that ended with `outcome`."""
        return self._report(outcome, None)

    def failed(self, error: DeployError) -> model.Report:
        """The report of a run that `error` ended."""
        first, *others = [_failure(problem) for problem in error.problems]
        problems = (first, *others) if others else ()
        return self._report(outcome_of(error.reason), replace(first, problems=problems))

    def cancelled(self) -> model.Report:
        """The report of a run that was stopped, with what is known of the work it was at."""
        if self.doing == "publish":
            detail = (
                "The release may be a draft with some of its files, or public with all of them. "
                "Nothing was deployed."
            )
        elif self.deployment is None:
            released = "The release is public, and nothing was deployed."
            detail = released if self.release_url else "Nothing was changed."
        elif self.doing == "upload":
            detail = (
                "The file may be there, whole, or not at all; no job names it. "
                "Every job is runnable: each points at a file that is there."
            )
        else:
            detail = "Every job is runnable: each points at a file that is there."
        if self.doing == "rewire":
            self._applied = {one.rewire.job_id: one for one in unverified(self._applied.values())}
        at = f" in the phase `{self.doing}`" if self.doing else " between two changes"
        return self.failed(
            fail(
                FailureReason.CANCELLED,
                f"The run was cancelled{at}.",
                detail=detail,
                remedy="Run it again to finish the work.",
            )
        )

    def _report(self, outcome: model.Outcome, failure: model.Failure | None) -> model.Report:
        calls = self.workspace.calls() if self.workspace else (0, 0, 0.0)
        return model.Report(
            mode=self.settings.mode,
            environment=self.settings.environment,
            why=self.settings.why,
            outcome=outcome,
            failure=failure,
            identity=self.identity,
            library=self.library,
            checks=self.checks,
            plan=self.plan,
            versions=self.versions,
            deployment=_with_jobs(self.deployment, self._applied.copy().values()),
            inventory=self.inventory,
            elsewhere=self.elsewhere,
            next_steps=self.next_steps,
            release_url=self.release_url,
            comment_url=self.comment_url,
            warnings=tuple(self.warnings),
            timings=dict(self.timings),
            api=model.ApiUse(*calls),
            host=self.workspace.host if self.workspace else "",
            root=self.settings.root,
            back_to=self.settings.to or ("previous" if self.settings.mode is Mode.ROLLBACK else ""),
        )


def outcome_of(reason: FailureReason) -> model.Outcome:
    """How a run ended that `reason` ended."""
    if reason is FailureReason.CANCELLED:
        return model.Outcome.CANCELLED
    refused = exit_code(reason) == ExitCode.REFUSED
    return model.Outcome.REFUSED if refused else model.Outcome.FAILED


def _with_jobs(
    deployment: model.Deployment | None, applied: Iterable[Applied]
) -> model.Deployment | None:
    """`deployment` with what became of each job."""
    if deployment is None:
        return None
    by_state: dict[State, list[model.JobOutcome]] = {state: [] for state in State}
    for one in applied:
        outcome = model.JobOutcome(one.rewire.job_id, one.rewire.job_name, one.detail)
        by_state[one.state].append(outcome)
    failed = (State.DENIED, State.FAILED, State.STAYS, State.UNANSWERED)
    return replace(
        deployment,
        applied=(*by_state[State.WRITTEN], *by_state[State.ALREADY]),
        drifted=(*by_state[State.DRIFTED], *by_state[State.GONE]),
        failed=tuple(outcome for state in failed for outcome in by_state[state]),
        rolled_back=tuple(by_state[State.MOVED_BACK]),
        pending=tuple(by_state[State.PENDING]),
    )


def _failure(problem: Problem) -> model.Failure:
    return model.Failure(problem.reason.value, problem.title, problem.detail, problem.remedy)


def named_by(reference: Reference) -> tuple[str, str | None, str | None]:
    """Kind, name and version that a reference names, the latter as far as they are certain."""
    name = version = None
    if reference.coordinate is not None:
        kind, name = reference.site.value, reference.coordinate.name
        exact = reference.coordinate.problem in {None, NameProblem.INVALID_VERSION}
        version = reference.coordinate.raw_version or None if exact else None
    elif reference.parsed is not None and reference.parsed.candidates:
        kind = reference.parsed.kind.value
        first = reference.parsed.candidates[0]
        name, version = first.name, first.raw_version or None
    else:
        kind = reference.parsed.kind.value if reference.parsed else reference.site.value
    return kind, name, version


def _entry(job: Job, reference: Reference) -> model.InventoryEntry:
    kind, name, version = named_by(reference)
    return model.InventoryEntry(
        job_id=job.job_id,
        job_name=job.name,
        place=reference.place.pointer(job.settings),
        value=reference.text,
        kind=kind,
        name=name,
        version=version,
        reason=reference.why,
    )
