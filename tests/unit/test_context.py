"""Where the folders of a container lie outside of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.context import RunContext
from deployer.contract import input_named

INSIDE = RunContext.from_environ(
    {"GITHUB_WORKSPACE": "/github/workspace", "RUNNER_TEMP": "/github/runner_temp"},
    cwd=Path("/"),
    temp=Path("/tmp"),
)
TEXT = "temp=/home/runner/work/_temp:workspace=/home/runner/work/r/r"


@pytest.mark.parametrize(
    ("path", "outside"),
    [
        ("/github/workspace/dist/x.whl", "/home/runner/work/r/r/dist/x.whl"),
        ("/github/workspace", "/home/runner/work/r/r"),
        ("/github/runner_temp/a b/x", "/home/runner/work/_temp/a b/x"),
        ("/github/workspace-2/x", "/github/workspace-2/x"),
        ("/tmp/x", "/tmp/x"),
        ("relative", "relative"),
    ],
)
def test_a_path_is_told_as_the_machine_names_it(path: str, outside: str) -> None:
    assert INSIDE.with_host_paths(TEXT).outside(path) == outside


@pytest.mark.parametrize(
    "text",
    ["", ":::", "temp", "temp=", "temp=relative", "home=/x", input_named("host-paths").default],
)
def test_what_says_nothing_changes_nothing(text: str) -> None:
    context = INSIDE.with_host_paths(text)
    assert context.outside("/github/workspace/x") == "/github/workspace/x"
    assert context == INSIDE


def test_one_folder_alone_is_fine() -> None:
    context = INSIDE.with_host_paths("nonsense:workspace=/w")
    assert context.outside("/github/workspace/x") == "/w/x"
    assert context.outside("/github/runner_temp/x") == "/github/runner_temp/x"


GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.example.com",
    "GITHUB_REPOSITORY": "org/repo",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_JOB": "deploy",
    "GITHUB_ACTOR": "octocat",
    "GITHUB_SHA": "abc",
    "RUNNER_NAME": "runner-1",
}


def context_of(environ: dict[str, str]) -> RunContext:
    return RunContext.from_environ(environ, cwd=Path("/"), temp=Path("/tmp"))


def test_a_run_is_known_by_its_job_and_its_attempts_are_counted() -> None:
    first, second = context_of(GITHUB), context_of({**GITHUB, "GITHUB_RUN_ATTEMPT": "3"})
    assert first.run == second.run != ""
    assert (first.attempt, second.attempt, first.runner) == (2, 3, "runner-1")
    assert first.run_url == "https://github.example.com/org/repo/actions/runs/77"
    assert context_of({**GITHUB, "GITHUB_JOB": "other"}).run != first.run


@pytest.mark.parametrize("attempt", ["", "x", "-1", "٣", "9" * 30])
def test_an_attempt_that_is_no_number_counts_as_none(attempt: str) -> None:
    assert context_of({**GITHUB, "GITHUB_RUN_ATTEMPT": attempt}).attempt == 0


def test_gitlab_and_jenkins_tell_who_what_and_where_as_well() -> None:
    gitlab = context_of(
        {"CI_JOB_URL": "https://g/1", "CI_COMMIT_SHA": "abc", "GITLAB_USER_LOGIN": "me"}
    )
    assert (gitlab.run_url, gitlab.sha, gitlab.actor, gitlab.run) == (
        "https://g/1",
        "abc",
        "me",
        "",
    )
    jenkins = context_of({"BUILD_URL": "https://j/1", "GIT_COMMIT": "def"})
    assert (jenkins.run_url, jenkins.sha, jenkins.run) == ("https://j/1", "def", "")
