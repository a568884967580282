"""Which branch a run is for, and whether what it checked out is somebody's proposal.

Owns the variables by which GitHub, GitLab and Jenkins say so (GitHub docs, "Variables reference"; GitLab
docs, "Predefined CI/CD variables"; Jenkins docs, "Branches and pull requests"). Must not run git: the branch
that a laptop happens to be on chooses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_HEADS = "refs/heads/"
_QUEUE = "gh-readonly-queue/"  # then the branch that is merged into, and /pr-7-<sha>


@dataclass(frozen=True)
class Revision:
    """`branch` is empty where there is none, as for a tag. A proposal is for the branch it goes to.

    So is what a merge queue makes of it, which somebody approved already.
    """

    branch: str
    under_review: bool = False


def revision(environ: Mapping[str, str]) -> Revision:
    """What `environ`, the variables of the run, says about it."""
    for service in (_github, _gitlab, _jenkins):
        if (found := service(environ)) is not None:
            return found
    return Revision("")


def _github(environ: Mapping[str, str]) -> Revision | None:
    ref, event = environ.get("GITHUB_REF", ""), environ.get("GITHUB_EVENT_NAME", "")
    if event.startswith("pull_request"):
        return Revision(environ.get("GITHUB_BASE_REF", ""), under_review=True)
    if not ref:
        return None
    branch = ref.removeprefix(_HEADS) if ref.startswith(_HEADS) else ""
    if event == "merge_group" and branch.startswith(_QUEUE):
        branch = branch.removeprefix(_QUEUE).rpartition("/")[0]
    return Revision(branch)


def _gitlab(environ: Mapping[str, str]) -> Revision | None:
    for kind in ("CI_MERGE_REQUEST", "CI_EXTERNAL_PULL_REQUEST"):
        if environ.get(f"{kind}_IID"):
            return Revision(environ.get(f"{kind}_TARGET_BRANCH_NAME", ""), under_review=True)
    if environ.get("GITLAB_CI") != "true":
        return None
    return Revision(environ.get("CI_COMMIT_BRANCH", ""))


def _jenkins(environ: Mapping[str, str]) -> Revision | None:
    if not (environ.get("JENKINS_URL") or environ.get("JENKINS_HOME")):
        return None
    if environ.get("CHANGE_ID"):
        return Revision(environ.get("CHANGE_TARGET", ""), under_review=True)
    if environ.get("TAG_NAME"):
        return Revision("")
    # Outside of multibranch projects only the git plugin speaks, and it names the remote, too.
    git = environ.get("GIT_BRANCH", "").removeprefix("refs/remotes/").removeprefix("origin/")
    return Revision(environ.get("BRANCH_NAME") or git)
