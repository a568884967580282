"""Name and payload of an event → `Event`, or a DeployError that says why not.

Owns where each fact stands in a payload (GitHub docs, "Webhook events and payloads", and what the runner
writes for `schedule`). Pure: whoever calls it has read the file. Must not decide what a run does.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from deployer.errors import DeployError, FailureReason, fail
from deployer.event.fields import REPOSITORY, SHA, Fields, fields_in, unusable
from deployer.event.model import Event, Kind, Release, Side, WorkflowRun

_HEADS, _TAGS = "refs/heads/", "refs/tags/"
_DEPENDABOT = "dependabot[bot]"
_LONGEST_INPUT = 65_535  # characters of all inputs of a form (facts, "Contract facts" 23)
_NAMES_SHOWN = 40
_COMMENTED = "issue_comment"
AT_SECOND_HAND = frozenset({Kind.WORKFLOW_RUN.value, _COMMENTED})
"""Events with the rights of the repository that a proposal may have caused all the same."""


def read_event(name: str, payload: bytes) -> Event:
    """The event `name`, the value of GITHUB_EVENT_NAME, with its `payload`.

    Raises:
        DeployError: invalid-event, for an event that is not known or a payload that is none of it.
    """
    if name not in set(Kind):
        raise _unknown(name)
    kind = Kind(name)
    return _READERS[kind](kind, fields_in(name, payload))


def is_of_a_proposal(name: str, payload: bytes) -> bool:
    """Whether the event `name`, one of `AT_SECOND_HAND`, follows a proposal: its run, or a comment on it.

    What can't be read counts as one, so that nothing in a payload gets around a rule.
    """
    try:
        fields = fields_in(name, payload)
        if name == _COMMENTED:
            return bool(fields.table("issue").table("pull_request").values)
        return fields.table("workflow_run").text("event", needed=True).startswith("pull_request")
    except DeployError:
        return True


def _unknown(name: str) -> DeployError:
    known = ", ".join(f"`{kind.value}`" for kind in Kind)
    shown = re.sub(r"[^\w.-]", "?", name, flags=re.ASCII)[:_NAMES_SHOWN]
    return fail(
        FailureReason.INVALID_EVENT,
        f"What to do on the event `{shown}` is not known." if shown else "There is no event.",
        detail=f"`mode: auto` knows {known}.",
        remedy="Say what the run should do:\n\n```yaml\nwith:\n  mode: plan\n```",
    )


def _pull_request(kind: Kind, payload: Fields) -> Event:
    proposal = payload.table("pull_request")
    head, base = _side(proposal.table("head")), _side(proposal.table("base"))
    if not base.repository:
        raise unusable(kind.value, "`pull_request.base.repo.full_name` is missing")
    action = payload.text("action", needed=True)
    return Event(
        kind,
        action=action,
        repository=_repository(payload) or base.repository,
        default_branch=_default_branch(payload),
        number=proposal.number("number"),
        head=head,
        base=base,
        # A repository that was deleted meanwhile was none of ours.
        is_fork=head.repository.casefold() != base.repository.casefold(),
        by_dependabot=proposal.table("user").text("login") == _DEPENDABOT,
        closed=action == "closed" or proposal.text("state") == "closed",
        merged=proposal.flag("merged"),
    )


def _side(side: Fields) -> Side:
    return Side(
        branch=side.text("ref", needed=True),
        sha=side.text("sha", needed=True, form=SHA),
        repository=side.table("repo").text("full_name", form=REPOSITORY),
    )


def _push(kind: Kind, payload: Fields) -> Event:
    ref = payload.text("ref", needed=True)
    branch = ref.removeprefix(_HEADS) if ref.startswith(_HEADS) else ""
    tag = ref.removeprefix(_TAGS) if ref.startswith(_TAGS) else ""
    if not (branch or tag):
        raise unusable(kind.value, "`ref` is neither a branch nor a tag")
    repository = _repository(payload)
    return Event(
        kind,
        repository=repository,
        default_branch=_default_branch(payload),
        head=Side(branch, payload.text("after", form=SHA), repository),
        deleted=payload.flag("deleted"),
        tag=tag,
    )


def _release(kind: Kind, payload: Fields) -> Event:
    released = payload.table("release")
    tag = released.text("tag_name", needed=True)
    return Event(
        kind,
        action=payload.text("action", needed=True),
        repository=_repository(payload),
        default_branch=_default_branch(payload),
        tag=tag,
        release=Release(
            id=released.number("id"),
            tag=tag,
            draft=released.flag("draft"),
            prerelease=released.flag("prerelease"),
        ),
    )


def _workflow_dispatch(kind: Kind, payload: Fields) -> Event:
    ref = payload.text("ref")
    return Event(
        kind,
        repository=_repository(payload),
        default_branch=_default_branch(payload),
        head=Side(branch=ref.removeprefix(_HEADS) if ref.startswith(_HEADS) else ""),
        tag=ref.removeprefix(_TAGS) if ref.startswith(_TAGS) else "",
        inputs=_inputs(payload.table("inputs")),
    )


def _inputs(form: Fields) -> dict[str, str | bool]:
    """What was filled in; a field that was left empty is not given."""
    found: dict[str, str | bool] = {}
    for name, value in form.values.items():
        if isinstance(value, bool | str):
            if value != "":
                found[name] = value
        elif isinstance(value, int | float):
            found[name] = str(value)
        elif value is not None:
            raise unusable(form.event, "an input of the form is neither a text nor a boolean")
    if sum(len(str(value)) for value in found.values()) > _LONGEST_INPUT:
        raise unusable(form.event, "its inputs are longer than GitHub takes them")
    return found


def _schedule(kind: Kind, payload: Fields) -> Event:
    return Event(kind, repository=_repository(payload), default_branch=_default_branch(payload))


def _merge_group(kind: Kind, payload: Fields) -> Event:
    group, repository = payload.table("merge_group"), _repository(payload)
    head, base = group.text("head_ref", needed=True), group.text("base_ref", needed=True)
    return Event(
        kind,
        action=payload.text("action", needed=True),
        repository=repository,
        default_branch=_default_branch(payload),
        head=Side(
            head.removeprefix(_HEADS), group.text("head_sha", needed=True, form=SHA), repository
        ),
        base=Side(base.removeprefix(_HEADS), group.text("base_sha", form=SHA), repository),
    )


def _workflow_run(kind: Kind, payload: Fields) -> Event:
    run = payload.table("workflow_run")
    head = Side(
        branch=run.text("head_branch"),
        sha=run.text("head_sha", needed=True, form=SHA),
        repository=run.table("head_repository").text("full_name", form=REPOSITORY),
    )
    repository = _repository(payload)
    return Event(
        kind,
        action=payload.text("action", needed=True),
        repository=repository,
        default_branch=_default_branch(payload),
        head=head,
        is_fork=head.repository.casefold() != repository.casefold(),
        run=WorkflowRun(
            id=run.number("id"),
            event=run.text("event", needed=True),
            conclusion=run.text("conclusion"),
            head=head,
        ),
    )


def _repository(payload: Fields) -> str:
    return payload.table("repository").text("full_name", form=REPOSITORY)


def _default_branch(payload: Fields) -> str:
    return payload.table("repository").text("default_branch")


_READERS: dict[Kind, Callable[[Kind, Fields], Event]] = {
    Kind.PULL_REQUEST: _pull_request,
    Kind.PULL_REQUEST_TARGET: _pull_request,
    Kind.PUSH: _push,
    Kind.RELEASE: _release,
    Kind.WORKFLOW_DISPATCH: _workflow_dispatch,
    Kind.SCHEDULE: _schedule,
    Kind.MERGE_GROUP: _merge_group,
    Kind.WORKFLOW_RUN: _workflow_run,
}
