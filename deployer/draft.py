"""The draft of the report: what is known so far, so that every ending can tell the truth.

Owns the growing state of one run and the retelling of plans and verdicts as report values. It is the
one mutable thing of the story; must not decide or do anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from deployer.deployment.apply import Applied, State
from deployer.deployment.ports import Identity, Workspace
from deployer.errors import DeployError, ExitCode, FailureReason, Problem, exit_code
from deployer.jobs.inventory import Job
from deployer.jobs.references import Reference
from deployer.library.model import Library
from deployer.library.names import NameProblem
from deployer.narrator import Narrator
from deployer.plan.model import Plan
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
    workspace: Workspace | None = None
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, title: str) -> Iterator[None]:
        """One phase, told and timed."""
        started = time.monotonic()
        try:
            with self.narrator.phase(title):
                yield
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

    def note_identity(self, identity: Identity) -> None:
        """Who the workspace says we are."""
        self.identity = model.Identity(identity.user, identity.admin)

    def note_plan(self, plan: Plan, jobs_seen: int) -> None:
        """The plan, made from `jobs_seen` jobs; its removals are told by `note_versions`."""
        target = plan.target
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

    def note_applied(
        self, deployment_id: str, applied: Iterable[Applied], *, uploaded: bool
    ) -> None:
        """What became of the rewires."""
        by_state: dict[State, list[model.JobOutcome]] = {state: [] for state in State}
        for one in applied:
            outcome = model.JobOutcome(one.rewire.job_id, one.rewire.job_name, one.detail)
            by_state[one.state].append(outcome)
        self.deployment = model.Deployment(
            id=deployment_id,
            uploaded=uploaded,
            applied=(*by_state[State.WRITTEN], *by_state[State.ALREADY]),
            drifted=(*by_state[State.DRIFTED], *by_state[State.GONE]),
            failed=(*by_state[State.DENIED], *by_state[State.FAILED]),
            pending=tuple(by_state[State.PENDING]),
        )

    def note_removed(self, removed: Iterable[model.Removal]) -> None:
        """What was really removed."""
        assert self.deployment is not None  # noqa: S101 - nothing is removed before a deployment began
        self.deployment = replace(self.deployment, removed=tuple(removed))

    def note_inventory(self, jobs: Iterable[Job]) -> None:
        """Every library reference of `jobs`, for `status`."""
        self.inventory = tuple(_entry(job, one) for job in jobs for one in job.references)

    def report(self, outcome: model.Outcome) -> model.Report:
        """The report of a run that ended with `outcome`."""
        return self._report(outcome, None)

    def failed(self, error: DeployError) -> model.Report:
        """The report of a run that `error` ended."""
        outcome = model.Outcome.FAILED
        if error.reason is FailureReason.CANCELLED:
            outcome = model.Outcome.CANCELLED
        elif exit_code(error.reason) == ExitCode.REFUSED:
            outcome = model.Outcome.REFUSED
        first, *others = [_failure(problem) for problem in error.problems]
        problems = (first, *others) if others else ()
        return self._report(outcome, replace(first, problems=problems))

    def _report(self, outcome: model.Outcome, failure: model.Failure | None) -> model.Report:
        calls = self.workspace.calls() if self.workspace else (0, 0, 0.0)
        return model.Report(
            mode=self.settings.mode,
            environment=self.settings.environment,
            outcome=outcome,
            failure=failure,
            identity=self.identity,
            library=self.library,
            checks=self.checks,
            plan=self.plan,
            versions=self.versions,
            deployment=self.deployment,
            inventory=self.inventory,
            warnings=tuple(self.warnings),
            timings=dict(self.timings),
            api=model.ApiUse(*calls),
            host=self.workspace.host if self.workspace else "",
            root=self.settings.root,
        )


def _failure(problem: Problem) -> model.Failure:
    return model.Failure(problem.reason.value, problem.title, problem.detail, problem.remedy)


def _entry(job: Job, reference: Reference) -> model.InventoryEntry:
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
