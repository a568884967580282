"""Which branch a run is for, by the variables of each service."""

from __future__ import annotations

import pytest

from deployer.config.revision import Revision, revision

PROPOSAL = {
    "GITHUB_REF": "refs/pull/7/merge",
    "GITHUB_HEAD_REF": "feature/x",
    "GITHUB_BASE_REF": "main",
}
JENKINS = {"JENKINS_URL": "https://ci.example.com/"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Revision("")),
        (
            {"GITHUB_REF": "refs/heads/release/1.2", "GITHUB_EVENT_NAME": "push"},
            Revision("release/1.2"),
        ),
        ({"GITHUB_REF": "refs/tags/v1.2", "GITHUB_EVENT_NAME": "release"}, Revision("")),
        ({"GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "schedule"}, Revision("main")),
        (
            {
                "GITHUB_REF": "refs/heads/gh-readonly-queue/release/1.4/pr-7-c3d0be4",
                "GITHUB_EVENT_NAME": "merge_group",
            },
            Revision("release/1.4"),
        ),
        (
            {
                "GITHUB_REF": "refs/heads/gh-readonly-queue/main/pr-7-c3d0be4",
                "GITHUB_EVENT_NAME": "push",
            },
            Revision("gh-readonly-queue/main/pr-7-c3d0be4"),
        ),
        ({**PROPOSAL, "GITHUB_EVENT_NAME": "pull_request"}, Revision("main", under_review=True)),
        (
            {
                **PROPOSAL,
                "GITHUB_REF": "refs/heads/main",
                "GITHUB_EVENT_NAME": "pull_request_target",
            },
            Revision("main", under_review=True),
        ),
        ({"GITHUB_EVENT_NAME": "pull_request_review"}, Revision("", under_review=True)),
        ({"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "develop"}, Revision("develop")),
        ({"GITLAB_CI": "true", "CI_COMMIT_TAG": "v1", "CI_COMMIT_REF_NAME": "v1"}, Revision("")),
        (
            {
                "GITLAB_CI": "true",
                "CI_MERGE_REQUEST_IID": "7",
                "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
                "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature/x",
            },
            Revision("main", under_review=True),
        ),
        (
            {
                "CI_EXTERNAL_PULL_REQUEST_IID": "7",
                "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME": "main",
            },
            Revision("main", under_review=True),
        ),
        ({**JENKINS, "BRANCH_NAME": "feature/x"}, Revision("feature/x")),
        ({"JENKINS_HOME": "/var/jenkins", "BRANCH_NAME": "main"}, Revision("main")),
        (
            {**JENKINS, "BRANCH_NAME": "PR-7", "CHANGE_ID": "7", "CHANGE_TARGET": "main"},
            Revision("main", under_review=True),
        ),
        ({**JENKINS, "BRANCH_NAME": "v1.2", "TAG_NAME": "v1.2"}, Revision("")),
        ({**JENKINS, "GIT_BRANCH": "origin/release/1"}, Revision("release/1")),
        ({"BRANCH_NAME": "main", "CHANGE_ID": "7"}, Revision("")),
    ],
)
def test_the_variables_say_the_branch_and_whether_it_is_a_proposal(
    environ: dict[str, str], expected: Revision
) -> None:
    assert revision(environ) == expected
