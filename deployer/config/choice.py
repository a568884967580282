"""Which environment a run is for.

Owns the order: the one that is named, else the one whose branches fit, else the only one; and which one
releases go to. A guess is never made: where nothing decides, the run asks. Must not know what an environment
holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployer.config.environments import Configuration, Environment
from deployer.config.revision import Revision
from deployer.errors import DeployError, FailureReason, fail
from deployer.settings import did_you_mean

_USUAL_RELEASES = "production"
_SIGN = re.compile(r"\*\*|.", re.S)


@dataclass(frozen=True)
class Chosen:
    """The environment, and half a sentence on why it is this one."""

    environment: Environment
    why: str


def choose(configuration: Configuration, named: str, revision: Revision) -> Chosen:
    """The environment that the run is for; `named` is the input `environment`, blank if not given.

    Raises:
        DeployError: invalid-input, when there is no such environment or several could be meant.
    """
    environments = configuration.environments
    if named:
        for one in environments:
            if one.name == named:
                return Chosen(one, "as asked")
        raise _unknown(configuration, named)
    fitting = fitting_environments(environments, revision.branch)
    if len(fitting) == 1:
        return Chosen(fitting[0], f"by its branches, for `{revision.branch}`")
    if len(environments) == 1 and not (environments[0].branches and revision.branch):
        return Chosen(environments[0], "the only one there is")
    raise _undecided(configuration, revision.branch, fitting)


def fitting_environments(
    environments: Sequence[Environment], branch: str
) -> tuple[Environment, ...]:
    """The environments of `branch`. One that has its very name counts more than those with patterns."""
    if not branch:
        return ()
    exact = tuple(one for one in environments if branch in one.branches)
    return exact or tuple(
        one for one in environments if any(fits(pattern, branch) for pattern in one.branches)
    )


def takes_releases(environments: Sequence[Environment]) -> tuple[Environment, ...]:
    """The environment with `releases: true`, else the one with the usual name, if there is one."""
    said = tuple(one for one in environments if one.releases)
    return said or tuple(one for one in environments if one.name == _USUAL_RELEASES)


def release_environment(configuration: Configuration) -> Environment:
    """The environment that releases go to: the one that takes them, else the only one.

    Raises:
        DeployError: invalid-input, when neither is there.
    """
    environments = configuration.environments
    if found := takes_releases(environments):
        return found[0]
    if len(environments) == 1:
        return environments[0]
    names = _listed(one.name for one in environments)
    raise fail(
        FailureReason.INVALID_INPUT,
        f"It is not known which environment of {configuration.file} releases go to.",
        detail=f"It has {names}; none has `releases: true`, and none is called `{_USUAL_RELEASES}`.",
        remedy="Say it there:\n\n```yaml\n"
        f"environments:\n  {environments[-1].name}:\n    releases: true\n```",
    )


def fits(pattern: str, branch: str) -> bool:
    """Whether `branch` is one that `pattern` means.

    As in GitHub's own filters `*` is any text without `/`, `**` any text, `?` one character but `/`;
    everything else is itself. No expression is built from a pattern: it may come from a pull request.
    """
    ends = {0}  # how much of the branch the pattern so far can stand for
    for sign in _SIGN.findall(pattern):
        if sign in {"*", "**"}:
            for at, character in enumerate(branch):
                if at in ends and (sign == "**" or character != "/"):
                    ends.add(at + 1)
        else:
            ends = {
                at + 1
                for at in ends
                if at < len(branch) and (branch[at] == sign or (sign == "?" and branch[at] != "/"))
            }
    return len(branch) in ends


def _unknown(configuration: Configuration, named: str) -> DeployError:
    names = [one.name for one in configuration.environments]
    return fail(
        FailureReason.INVALID_INPUT,
        f"There is no environment `{named}` in {configuration.file}{did_you_mean(named, names)}.",
        detail=f"It has {_listed(names)}.",
        remedy="Name one of them, or add it to the file.",
    )


def _undecided(
    configuration: Configuration, branch: str, fitting: Sequence[Environment]
) -> DeployError:
    names = [one.name for one in configuration.environments]
    if fitting:
        title = f"The branch `{branch}` fits the branches of {len(fitting)} environments."
        detail = f"In {configuration.file} they are {_listed(one.name for one in fitting)}."
    else:
        title = f"It is not known which environment of {configuration.file} is meant."
        why = (
            f"this run is for the branch `{branch}`, which fits the `branches` of none"
            if branch
            else "this run is for no branch that could say it"
        )
        detail = f"The file has {_listed(names)}; the input `environment` names none, and {why}."
    example = fitting[0].name if fitting else names[0]
    mapped = all(one.branches for one in configuration.environments)
    or_else = "" if mapped else "\n\nor give each environment its `branches` in the file."
    return fail(
        FailureReason.INVALID_INPUT,
        title,
        detail=detail,
        remedy=f"Name it, on a command line by `--environment {example}`:\n\n"
        f"```yaml\nwith:\n  environment: {example}\n```{or_else}",
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{one}`" for one in names)
