from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.checks.toolbox import Scratch, install_environment, tool_environment
from deployer.checks.user import ProjectUser

SECRETS = {
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
    "ARM_CLIENT_SECRET": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "DATABRICKS_HOST": "x",
    "DATABRICKS_TOKEN": "x",
    "GH_TOKEN": "x",
    "GITHUB_OUTPUT": "x",
    "GITHUB_TOKEN": "x",
    "INPUT_DATABRICKS-TOKEN": "x",
    "PYTHONPATH": "x",
    "TWINE_PASSWORD": "x",
    "UV_GITHUB_TOKEN": "x",
    "UV_PUBLISH_TOKEN": "x",
}
CALLER = {
    "HOME": "/home/runner",
    "HTTPS_PROXY": "http://proxy",
    "LANG": "de_DE.UTF-8",
    "PATH": "/bin",
    "PIP_EXTRA_INDEX_URL": "https://user:password@extra/simple",
    "PIP_INDEX_URL": "https://user:password@index/simple",
    "REQUESTS_CA_BUNDLE": "/ca.pem",
    "TMPDIR": "/elsewhere",
    **SECRETS,
}


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path)


def test_no_credential_reaches_a_tool(scratch: Scratch) -> None:
    assert not tool_environment(CALLER, scratch).keys() & SECRETS.keys()
    assert not install_environment(CALLER, scratch).keys() & SECRETS.keys()


@given(
    st.from_regex(r"(DATABRICKS|ARM|AWS|GITHUB|GH|INPUT|ACTIONS|RUNNER)_[A-Z_]+", fullmatch=True)
)
def test_no_variable_of_a_cloud_or_the_runner_reaches_a_tool(name: str) -> None:
    scratch = Scratch(Path("/scratch"))
    assert name not in tool_environment({name: "x"}, scratch)
    assert name not in install_environment({name: "x"}, scratch)


def test_a_tool_gets_locale_proxy_and_certificates(scratch: Scratch) -> None:
    got = tool_environment(CALLER, scratch)
    names = ("LANG", "PATH", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE")
    assert {name: got[name] for name in names} == {name: CALLER[name] for name in names}


def test_home_and_temporary_folder_are_ours(scratch: Scratch) -> None:
    for got in (tool_environment(CALLER, scratch), install_environment(CALLER, scratch)):
        assert (got["HOME"], got["TMPDIR"]) == (str(scratch.home), str(scratch.temporary))


def test_package_indexes_and_their_passwords_reach_only_installations(scratch: Scratch) -> None:
    assert "password" not in str(tool_environment(CALLER, scratch))
    got = install_environment(CALLER, scratch)
    assert got["UV_DEFAULT_INDEX"] == CALLER["PIP_INDEX_URL"]
    assert got["UV_INDEX"] == CALLER["PIP_EXTRA_INDEX_URL"]


def test_uv_keeps_the_cache_and_the_settings_of_the_real_home(
    scratch: Scratch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").touch()
    got = install_environment({"HOME": str(tmp_path)}, scratch)
    assert got["UV_CACHE_DIR"] == f"{tmp_path}/.cache/uv"
    assert got["XDG_CONFIG_HOME"] == f"{tmp_path}/.config"
    assert got["NETRC"] == f"{tmp_path}/.netrc"


def test_a_cache_that_the_caller_chose_stays(scratch: Scratch) -> None:
    got = install_environment({"HOME": "/home/runner", "UV_CACHE_DIR": "/cache"}, scratch)
    assert got["UV_CACHE_DIR"] == "/cache"


def _filled(folder: Path) -> None:
    (folder / "x.whl").mkdir()
    (folder / "x.whl" / "file").touch()
    (folder / "link").symlink_to(folder.parent / "elsewhere")


def _linked(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to(folder.parent / "elsewhere")


def _gone(folder: Path) -> None:
    folder.rmdir()


@pytest.mark.parametrize("left", [_filled, _linked, _gone])
def test_a_folder_is_empty_again_whatever_was_left_in_its_place(
    scratch: Scratch, left: Callable[[Path], None]
) -> None:
    scratch.make()
    elsewhere = scratch.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    left(scratch.dist)
    assert scratch.emptied(scratch.dist) == scratch.dist
    assert not scratch.dist.is_symlink()
    assert list(scratch.dist.iterdir()) == []
    assert (elsewhere / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_all_but_the_folder_itself_belongs_to_the_projects_user(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch", ProjectUser(62_310, 62_320))
    scratch.make()
    scratch.emptied(scratch.dist)
    assert {path.stat().st_uid for path in scratch.root.iterdir()} == {62_310}
    assert scratch.root.stat().st_uid == 0
