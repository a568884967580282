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
