"""An event as a value: what a run may know of why it was started.

Owns the names; where they stand in a payload is `reading`'s business. Texts are those of the payload,
verbatim: whoever opens a pull request chooses them. Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The events that are understood, by their names (GitHub docs, "Events that trigger workflows")."""

    PULL_REQUEST = "pull_request"
    PULL_REQUEST_TARGET = "pull_request_target"
    PUSH = "push"
    RELEASE = "release"
    WORKFLOW_DISPATCH = "workflow_dispatch"
    SCHEDULE = "schedule"
    MERGE_GROUP = "merge_group"
    WORKFLOW_RUN = "workflow_run"


@dataclass(frozen=True)
class Side:
    """One end of a proposal. `repository` is `owner/name`, empty when it was deleted meanwhile."""

    branch: str = ""
    sha: str = ""
    repository: str = ""


@dataclass(frozen=True)
class Release:
    """A release of the repository."""

    id: int
    tag: str
    draft: bool
    prerelease: bool


@dataclass(frozen=True)
class WorkflowRun:
    """The run that a `workflow_run` follows. `event` started it; its own code may be a proposal's."""

    id: int
    event: str
    conclusion: str  # empty while it runs
    head: Side


@dataclass(frozen=True)
class Event:
    """What started the run. Parts that an event of this kind has not are empty."""

    kind: Kind
    action: str = ""  # such as `opened` or `published`
    repository: str = ""  # `owner/name` of the repository that the run is for
    default_branch: str = ""
    number: int = 0  # of the pull request
    head: Side = Side()  # what is proposed, or was pushed
    base: Side = Side()  # where a proposal goes
    is_fork: bool = False
    by_dependabot: bool = False  # the pull request was opened by Dependabot
    closed: bool = False
    merged: bool = False
    deleted: bool = False  # the push removed its branch or tag
    tag: str = ""  # of a push of a tag, or of a release
    release: Release | None = None
    inputs: Mapping[str, str | bool] = field(default_factory=dict)  # of a form
    run: WorkflowRun | None = None
