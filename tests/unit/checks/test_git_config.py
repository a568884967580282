from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.checks.git_config import without_credentials

CHECKOUT = """\
[core]
\trepositoryformatversion = 1
\tfilemode = true
\tbare = false
[remote "origin"]
\turl = https://user:secret@github.com/acme/retail
\tfetch = +refs/heads/*:refs/remotes/origin/*
[extensions]
\tobjectformat = sha256
[http "https://github.com/"]
\textraheader = AUTHORIZATION: basic secret
[includeIf "gitdir:/github/workspace/.git"]
\tpath = /github/runner_temp/git-credentials-secret.config
"""


def listed(folder: Path, text: str) -> list[str]:
    """What git makes of a configuration; nothing when it finds it broken."""
    path = folder / "config"
    path.write_text(text, encoding="utf-8")
    argv = ["git", "config", "--file", str(path), "--list", "--no-includes", "-z"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return [] if done.returncode else done.stdout.split("\0")[:-1]


def test_what_is_needed_to_read_the_repository_stays_and_no_credential_does(tmp_path: Path) -> None:
    left = without_credentials(CHECKOUT)
    assert "secret" not in left
    assert listed(tmp_path, left) == [
        "core.repositoryformatversion\n1",
        "core.filemode\ntrue",
        "core.bare\nfalse",
        "extensions.objectformat\nsha256",
    ]


LINES = st.sampled_from(
    [
        "[core]\n",
        "  [CORE]  \n",
        "[core] a = 1\n",
        "[core][http]\n",
        "[core] [http] # x\n",
        '[core "a"]\n',
        "[core.a]\n",
        "[corex]\n",
        "[http]\n",
        '[http "a]b"]\n',
        "[extensions]\n",
        "a = 1\n",
        "a = 1 \\\n",
        "a = [core]\n",
        "[core]\\\n",
        "# [core]\n",
        "\n",
        "secret = s\n",
    ]
)


@given(st.lists(LINES, max_size=12).map("".join))
def test_git_finds_nothing_but_the_two_sections_in_what_stays(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = listed(folder, text)
    left = listed(folder, without_credentials(text))
    assert all(each.startswith(("core.", "extensions.")) for each in left)
    if whole:
        assert not [each for each in left if each not in whole]
