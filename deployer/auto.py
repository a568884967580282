"""What `mode: auto` does: an event → a mode, an environment, and why.

Owns the decision and its one sentence. It reuses what the file's `branches` mean (`config.choice`) and adds
which environment releases go to. Pure; what it decides, `request` turns into settings as if it had been
given. Must not read, and must not weigh what a run may do: that is `trust`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from deployer.config.choice import fitting_environments, release_environment, takes_releases
from deployer.config.environments import Configuration, Environment
from deployer.config.trust import CONNECTION
from deployer.contract import INPUTS, InputType, Mode
from deployer.errors import DeployError, FailureReason, fail
from deployer.event.model import Event, Kind
from deployer.library.versions import parse_tag

_PUBLISHED = "published"  # comes for drafts, too, that became public (facts, "Contract facts" 26)
# `v1` and `v1.2` move on with every release; what people pin has all its parts.
_FULL_VERSION = re.compile(r"v?\d+\.\d+\.\d+.*", re.I | re.S)
# What a form never says: secrets, where they go, what would let strangers' code have them, and what is
# known before the form is read.
_NEVER_BY_FORM = frozenset(
    {*CONNECTION, "trust-project", "host-paths", "config", "log-level", "notify", "report-path"}
)
_PROPOSALS = frozenset({"pull_request", "pull_request_target"})
_DOES = {
    Mode.CHECK: "check",
    Mode.PLAN: "plan",
    Mode.DEPLOY: "deploy",
    Mode.STATUS: "list what the workspace uses",
}


@dataclass(frozen=True)
class Given:
    """What is known besides the event.

    `texts` are the inputs that were given, `configuration` the file's content if there is one;
    `can_log_in` says whether credentials for a workspace are at hand.
    """

    texts: Mapping[str, str]
    configuration: Configuration | None
    can_log_in: bool

    @property
    def environments(self) -> tuple[Environment, ...]:
        """Those of the file that this run may be for: all, or the one that the input names."""
        every = self.configuration.environments if self.configuration else ()
        named = self.texts.get("environment", "").strip()
        return tuple(one for one in every if not named or one.name == named)


@dataclass(frozen=True)
class Decision:
    """What the run does; `mode` is `auto` where there is nothing to do. `why` begins after "because".

    `environment` is empty where the usual choice stands. `publish`: the release gets the file first.
    `checks_too`: the project is checked as well. `texts` are inputs that a form gave.
    """

    mode: Mode
    why: str
    environment: str = ""
    publish: bool = False
    checks_too: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)
    more: str = ""

    @property
    def told(self) -> str:
        """One line for the beginning of the log."""
        does = "nothing to do" if self.mode is Mode.AUTO else _DOES.get(self.mode, self.mode.value)
        does = f"publish and {does}" if self.publish else does
        to = f" to `{self.environment}`" if self.environment and self.mode is Mode.DEPLOY else ""
        checks = ", and check the project" if self.checks_too else ""
        more = f" {self.more}" if self.more else ""
        return f"Mode auto: {does}{to}{checks}, because {self.why}.{more}"


def decide(event: Event, given: Given) -> Decision:
    """What a run for `event` does.

    Raises:
        DeployError: invalid-input, where nothing says which environment releases go to.
    """
    return _DECISIONS[event.kind](event, given)


def nothing(why: str) -> Decision:
    """There is nothing to do."""
    return Decision(Mode.AUTO, why)


def not_on_github() -> DeployError:
    """`auto` decides by GitHub's events, and there are none."""
    return fail(
        FailureReason.INVALID_EVENT,
        "`mode: auto` decides by the event of a GitHub Actions run, and this is none.",
        remedy="Say what to do: `spark-deploy check`, `plan`, `deploy`, `rollback` or `status`.",
    )


# ── Proposals ────────────────────────────────────────────────────────────────────────────────────


def _pull_request(event: Event, given: Given) -> Decision:
    called = f"pull request #{event.number}"
    if event.closed:
        return nothing(f"{called} was {'merged' if event.merged else 'closed'}")
    if event.is_fork:
        why = f"{called} comes from a fork, and such a run gets no secrets and may write nothing"
        return Decision(Mode.CHECK, why, more=_SECOND_HALF)
    if event.by_dependabot:
        why = f"{called} is Dependabot's, and such a run gets no secrets of Actions"
        return Decision(Mode.CHECK, why, more=_SECOND_HALF)
    return _planned(called, given)


def _merge_group(event: Event, given: Given) -> Decision:
    if event.action != "checks_requested":
        return nothing(f"the merge group was {_said(event.action)}")
    return _planned(f"a merge queue asks before it merges into `{event.base.branch}`", given)


def _planned(called: str, given: Given) -> Decision:
    if given.can_log_in:
        return Decision(Mode.PLAN, f"{_is_open(called)}, and credentials are at hand")
    return Decision(Mode.CHECK, f"{_is_open(called)}, and no credentials are at hand for a plan")


def _is_open(called: str) -> str:
    return f"{called} is open" if called.startswith("pull request") else called


_SECOND_HALF = (
    "What it finds is in its summary and report; a second workflow, on `workflow_run`, "
    "writes the comment from it and runs none of this code."
)


def _workflow_run(event: Event, _given: Given) -> Decision:
    run = event.run
    if run is None or event.action != "completed":
        return nothing("the workflow that this one follows is not completed")
    if run.event not in _PROPOSALS:
        return nothing(f"the workflow that this one follows ran on `{run.event}`, for no proposal")
    return Decision(Mode.COMMENT, "the workflow that this one follows has checked a pull request")


# ── What was merged, tagged, released ────────────────────────────────────────────────────────────


def _push(event: Event, given: Given) -> Decision:
    if event.tag:
        return _tag(event, given)
    branch = event.head.branch
    if event.deleted:
        return nothing(f"the branch `{branch}` was deleted")
    environments = given.environments
    if fitting := fitting_environments(environments, branch):
        # Where several fit, the usual choice says so.
        name = fitting[0].name if len(fitting) == 1 else ""
        return Decision(Mode.DEPLOY, f"`{branch}` is one of its branches", environment=name)
    if any(one.branches for one in environments):
        return Decision(Mode.CHECK, f"the branch `{branch}` fits the `branches` of no environment")
    if not event.default_branch:
        return Decision(Mode.CHECK, "the event does not say which branch is the default one")
    if branch != event.default_branch:
        why = f"the branch `{branch}` is not the default branch `{event.default_branch}`"
        return Decision(Mode.CHECK, why)
    why = f"`{branch}` is the default branch"
    name = given.texts.get("environment", "").strip() or _first(environments)
    return Decision(Mode.DEPLOY, why, environment=name)


def _first(environments: Sequence[Environment]) -> str:
    """The first environment of the file; where there are others, not the one of releases."""
    released = takes_releases(environments)
    others = [one for one in environments if one not in released]
    return next((one.name for one in (*others, *environments)), "")


def _tag(event: Event, given: Given) -> Decision:
    if event.deleted:
        return nothing(f"the tag `{event.tag}` was deleted")
    if not is_version(event.tag):
        return nothing(f"the tag `{event.tag}` is no full version, such as `v1.4.2`")
    return _to_releases(f"the tag `{event.tag}` is a version", given)


def _release(event: Event, given: Given) -> Decision:
    released = event.release
    called = f"the release `{event.tag}`"
    if released is None or released.draft or event.action != _PUBLISHED:
        what = "is a draft" if released and released.draft else f"was {_said(event.action)}"
        return nothing(f"{called} {what}, and only what is published is deployed")
    if not is_version(event.tag):
        return nothing(f"{called} has a tag that is no full version, such as `v1.4.2`")
    name = _releases_go_to(given)
    if released.prerelease and not _allows_prereleases(given, name):
        return nothing(f"{called} is a pre-release, and `allow-prereleases` is not set")
    return _to_releases(f"{called} was published", given)


def _to_releases(why: str, given: Given) -> Decision:
    return Decision(Mode.DEPLOY, why, environment=_releases_go_to(given), publish=True)


def _releases_go_to(given: Given) -> str:
    """The environment of releases; empty without a file. Raises DeployError(invalid-input)."""
    named = given.texts.get("environment", "").strip()
    if named or given.configuration is None:
        return named
    return release_environment(given.configuration).name


def is_version(tag: str) -> bool:
    """Whether `tag` names one release: `v1.4.2`, but not `v1`, which moves on."""
    if not _FULL_VERSION.fullmatch(tag):
        return False
    try:
        parse_tag(tag)
    except ValueError:
        return False
    return True


def _allows_prereleases(given: Given, name: str) -> bool:
    entries = next(
        (one.entries for one in given.environments if one.name == name),
        given.configuration.defaults if given.configuration else {},
    )
    in_file = entries["allow-prereleases"].text if "allow-prereleases" in entries else ""
    said = given.texts.get("allow-prereleases", "").strip() or in_file
    return said.lower() in {"true", "yes", "on", "1"}


# ── By hand and by the clock ─────────────────────────────────────────────────────────────────────


def _workflow_dispatch(event: Event, given: Given) -> Decision:
    texts, left = _form(event.inputs, given.texts)
    asked = texts.pop("mode", "").strip()
    more = f"Not taken from the form: {', '.join(f'`{one}`' for one in left)}." if left else ""
    if asked in {"", Mode.AUTO.value}:
        why = "it was started by hand, and its form does not say what to do"
        return Decision(Mode.PLAN, why, texts=texts, more=more)
    if asked not in set(Mode):
        modes = ", ".join(f"`{mode.value}`" for mode in Mode)
        raise fail(
            FailureReason.INVALID_INPUT,
            f"The form's `mode` can't be `{asked[:60]}`.",
            remedy=f"It takes one of {modes}.",
        )
    return Decision(Mode(asked), "it was started by hand with this mode", texts=texts, more=more)


def _form(
    inputs: Mapping[str, str | bool], given: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Inputs that the form of the workflow gives, and the names of those that it may not give.

    What the step says counts more; its other fields are the workflow's own. The runner hands over every
    default of action.yml as if the step said it.
    """
    texts: dict[str, str] = {}
    left: list[str] = []
    for one in INPUTS:
        value = inputs.get(one.name, inputs.get(one.name.replace("-", "_")))
        if value is None:
            continue
        if one.type is InputType.SECRET or one.name in _NEVER_BY_FORM:
            left.append(one.name)
        elif given.get(one.name, one.action_default) == one.action_default:
            texts[one.name] = str(value).lower() if isinstance(value, bool) else value
    return texts, left


def _schedule(_event: Event, given: Given) -> Decision:
    nightly = given.texts.get("checks", "").strip().lower() in {"true", "yes", "on", "1"}
    why = "it was started by the clock"
    if nightly:
        return Decision(Mode.STATUS, f"{why}, and `checks: true` is given", checks_too=True)
    return Decision(Mode.STATUS, why)


def _said(action: str) -> str:
    """The action of an event as it stands in a sentence."""
    return f"`{action}`"


_DECISIONS: dict[Kind, Callable[[Event, Given], Decision]] = {
    Kind.PULL_REQUEST: _pull_request,
    Kind.PULL_REQUEST_TARGET: _pull_request,
    Kind.MERGE_GROUP: _merge_group,
    Kind.WORKFLOW_RUN: _workflow_run,
    Kind.PUSH: _push,
    Kind.RELEASE: _release,
    Kind.WORKFLOW_DISPATCH: _workflow_dispatch,
    Kind.SCHEDULE: _schedule,
}
