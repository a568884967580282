"""The doctor's round: every check in its order, and the failure that sums them up.

Owns the order, and what becomes of a check that fails or can't be made: it is told, and the others go on.
Must not write to the workspace, and builds no project.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from deployer.deployment.ports import Denied, NotFound, Refused, Unavailable, api_error
from deployer.doctor import set_up, target
from deployer.doctor.patient import Answer, CannotTell, Patient
from deployer.doors import Doors
from deployer.draft import Draft
from deployer.errors import DeployError, FailureReason, Problem
from deployer.report.model import Check, CheckStatus, Finding

# Later checks need what earlier ones found.
CHECKS: tuple[tuple[str, Callable[[Patient], Answer]], ...] = (
    ("versions", set_up.versions),
    ("configuration", set_up.configuration),
    ("library", set_up.library),
    ("github", set_up.github),
    ("connection", set_up.connection),
    ("identity", set_up.identity),
    ("clock", set_up.clock),
    ("root", target.root),
    ("writers", target.writers),
    ("jobs", target.jobs),
    ("limits", set_up.limits),
)


def examine(draft: Draft, doors: Doors) -> None:
    """Make all checks and note them.

    Raises:
        DeployError: NOT_READY when a check failed, with the problems of all that did.
        Interrupted: the run is to stop.
    """
    patient = Patient(draft, doors)
    with draft.phase("examination", "Look at what a deployment needs"):
        for name, check in CHECKS:
            draft.note_check(_made(patient, name, check))
    if patient.problems:
        named = ", ".join(patient.problems)
        raise DeployError(
            Problem(
                FailureReason.NOT_READY,
                f"{len(patient.problems)} of {len(CHECKS)} checks failed: {named}.",
                "Nothing was changed.",
                "Solve what stands below, and run the doctor again.",
            ),
            *(problem for problems in patient.problems.values() for problem in problems),
        )


def _made(patient: Patient, name: str, check: Callable[[Patient], Answer]) -> Check:
    """One check, whatever becomes of it."""
    started = time.monotonic()
    try:
        answer = check(patient)
    except CannotTell as reason:
        answer = Answer(str(reason), status=CheckStatus.SKIPPED)
    except DeployError as error:
        patient.problems[name] = error.problems
        titles = tuple(one.title for one in error.problems)
        answer = Answer(titles[0], titles[1:], CheckStatus.FAILED)
    except (Denied, NotFound, Refused, Unavailable) as error:
        patient.problems[name] = api_error(error).problems
        answer = Answer(str(error), (), CheckStatus.FAILED)
    if answer.status is CheckStatus.PASSED and answer.findings:
        answer = Answer(answer.said, answer.findings, CheckStatus.WARNED)
    findings = tuple(Finding(one) for one in answer.findings)
    patient.draft.narrator.debug(f"{name}: {answer.status.value}: {answer.said}")
    return Check(name, answer.status, time.monotonic() - started, answer.said, findings)
