"""The vocabulary of failure: every way a run can end badly, said once.

Owns the closed list of reasons, the exit code of each, and the exception that carries them.
Must not import anything of the project: every other module raises these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

DOCS = "docs/errors.md"


class FailureReason(StrEnum):
    """Why a run did not do what was asked; each is an anchor of docs/errors.md."""

    INVALID_INPUT = "invalid-input"
    INVALID_CONFIGURATION = "invalid-configuration"
    UNTRUSTED_CONFIGURATION = "untrusted-configuration"
    UNTRUSTED_CODE = "untrusted-code"
    INVALID_EVENT = "invalid-event"
    INVALID_REPORT = "invalid-report"
    NO_LIBRARY_FILE = "no-library-file"
    SEVERAL_LIBRARY_FILES = "several-library-files"
    INVALID_LIBRARY = "invalid-library"
    PROJECT_INVALID = "project-invalid"
    LINT_FAILED = "lint-failed"
    TESTS_FAILED = "tests-failed"
    BUILD_FAILED = "build-failed"
    TIMEOUT = "timeout"
    JAVA_UNAVAILABLE = "java-unavailable"
    ISOLATION_UNAVAILABLE = "isolation-unavailable"
    AUTHENTICATION_FAILED = "authentication-failed"
    HOST_UNREACHABLE = "host-unreachable"
    PERMISSION_DENIED = "permission-denied"
    ROOT_NOT_ALLOWED = "root-not-allowed"
    ROOT_UNAVAILABLE = "root-unavailable"
    VERSION_EXISTS = "version-exists"
    UPLOAD_FAILED = "upload-failed"
    JOBS_NOT_MOVED = "jobs-not-moved"
    CLUSTERS_NOT_UPDATED = "clusters-not-updated"
    REMOVAL_FAILED = "removal-failed"
    NOT_READY = "not-ready"
    LOCK_HELD = "lock-held"
    LOCK_LOST = "lock-lost"
    JOURNAL_UNUSABLE = "journal-unusable"
    UNKNOWN_DEPLOYMENT = "unknown-deployment"
    PLAN_CHANGED = "plan-changed"
    TAG_MISMATCH = "tag-mismatch"
    RELEASE_CONFLICT = "release-conflict"
    RELEASE_UNVERIFIED = "release-unverified"
    RELEASE_UNAVAILABLE = "release-unavailable"
    API_ERROR = "api-error"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class ExitCode:
    """The exit codes of the program (design.md, "Exit codes")."""

    OK = 0
    FAILED = 1
    INVALID = 2
    REFUSED = 3
    BUG = 70


_INVALID = {
    FailureReason.INVALID_INPUT,
    FailureReason.INVALID_CONFIGURATION,
    FailureReason.INVALID_EVENT,
    FailureReason.INVALID_REPORT,
    FailureReason.NO_LIBRARY_FILE,
    FailureReason.SEVERAL_LIBRARY_FILES,
    FailureReason.INVALID_LIBRARY,
    FailureReason.PROJECT_INVALID,
    FailureReason.ROOT_NOT_ALLOWED,
    FailureReason.UNKNOWN_DEPLOYMENT,
    FailureReason.TAG_MISMATCH,
}
_REFUSED = {
    FailureReason.PLAN_CHANGED,
    FailureReason.VERSION_EXISTS,
    FailureReason.UNTRUSTED_CONFIGURATION,
    FailureReason.UNTRUSTED_CODE,
    FailureReason.LOCK_HELD,
    FailureReason.RELEASE_CONFLICT,
    FailureReason.RELEASE_UNVERIFIED,
}


def exit_code(reason: FailureReason) -> int:
    """The process exit code that tells `reason` to a caller that reads nothing else."""
    if reason is FailureReason.INTERNAL:
        return ExitCode.BUG
    if reason in _INVALID:
        return ExitCode.INVALID
    return ExitCode.REFUSED if reason in _REFUSED else ExitCode.FAILED


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and the way out.

    `title` is one sentence: what happened. `detail` says why, and may have several lines.
    `remedy` says what to do, with the YAML to paste where there is some.
    None of the three may hold a secret; all may hold text that others wrote, so sinks escape them.
    """

    reason: FailureReason
    title: str
    detail: str = ""
    remedy: str = ""

    @property
    def docs_anchor(self) -> str:
        """Where docs/errors.md explains this reason."""
        return f"{DOCS}#{self.reason.value}"


class DeployError(Exception):
    """A failure that the program expected and can explain; it carries one problem or several."""

    def __init__(self, first: Problem, *others: Problem) -> None:
        super().__init__(first.title)
        self.problems: tuple[Problem, ...] = (first, *others)

    @property
    def problem(self) -> Problem:
        """The problem that names the failure; the others are listed below it."""
        return self.problems[0]

    @property
    def reason(self) -> FailureReason:
        """The reason of the first problem: it decides the exit code."""
        return self.problem.reason

    def __str__(self) -> str:
        return "\n".join(
            " ".join(part for part in (p.title, p.detail, p.remedy) if part) for p in self.problems
        )


def fail(reason: FailureReason, title: str, *, detail: str = "", remedy: str = "") -> DeployError:
    """A `DeployError` with one problem; the caller raises it."""
    return DeployError(Problem(reason, title, detail, remedy))


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise one `DeployError` with all `problems`, so that a run tells them all at once."""
    found = tuple(problems)
    if found:
        raise DeployError(*found)


@contextmanager
def gather(problems: list[Problem]) -> Iterator[None]:
    """Add the problems of a `DeployError` raised inside to `problems`, instead of raising it."""
    try:
        yield
    except DeployError as error:
        problems.extend(error.problems)
