"""What is brought to a project that is kept apart. Needs root, as it gives files away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.checks.apart import Apart
from deployer.checks.toolbox import Scratch, install_environment, tool_environment
from deployer.checks.user import ProjectUser
from deployer.errors import DeployError, FailureReason

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


class Anybody(ProjectUser):
    """A user who need not get to where the tests' interpreter lies."""

    def try_out(self, folder: Path) -> None:
        assert folder.is_dir()


SOMEBODY = Anybody(62_210, 62_220)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / "libs" / "a").mkdir(parents=True)
    (folder / "libs" / "a" / "pyproject.toml").touch()
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    made = Scratch(tmp_path / "scratch", SOMEBODY)
    made.make()
    return made


def bring(workspace: Path, scratch: Scratch, **environ: str) -> dict[str, str]:
    return Apart(SOMEBODY, workspace).bring(workspace / "libs" / "a", environ, scratch)[1]


def test_the_project_lies_in_the_copy_where_it_lies_in_the_workspace(
    workspace: Path, scratch: Scratch
) -> None:
    project, _ = Apart(SOMEBODY, workspace).bring(workspace / "libs" / "a", {}, scratch)
    assert project == scratch.workspace / "libs" / "a"
    assert (project / "pyproject.toml").stat().st_uid == SOMEBODY.uid


def test_a_project_that_leads_out_of_the_workspace_is_not_copied(
    workspace: Path, scratch: Scratch, tmp_path: Path
) -> None:
    """A pull request could make its project a link to the runner's folder with a token."""
    (tmp_path / "secrets").mkdir()
    (workspace / "libs" / "b").symlink_to(tmp_path / "secrets")
    for project in (workspace / "libs" / "b", tmp_path / "secrets", workspace / ".."):
        with pytest.raises(DeployError, match="outside of the workspace") as caught:
            Apart(SOMEBODY, workspace).bring(project, {}, scratch)
        assert caught.value.reason is FailureReason.PROJECT_INVALID
    assert not scratch.workspace.exists()


def test_a_workspace_that_there_is_no_room_for_is_told(
    workspace: Path, scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deployer.checks.apart.copy_tree", full)
    with pytest.raises(DeployError, match="No space left") as caught:
        bring(workspace, scratch)
    assert caught.value.reason is FailureReason.ISOLATION_UNAVAILABLE


def test_variables_with_a_path_of_the_workspace_lead_into_the_copy(
    workspace: Path, scratch: Scratch
) -> None:
    got = bring(
        workspace,
        scratch,
        UV_FIND_LINKS=f"{workspace}/wheels {workspace}/more",
        UV_INDEX=f"file://{workspace}/simple",
        SSL_CERT_FILE=f"{workspace}/ca.pem",
        PATH=f"{workspace}/bin:/usr/bin:{workspace}",
        UV_CONFIG_FILE=f"{workspace}-of-somebody/uv.toml",
    )
    copy = scratch.workspace
    assert got["UV_FIND_LINKS"] == f"{copy}/wheels {copy}/more"
    assert got["UV_INDEX"] == f"file://{copy}/simple"
    assert got["SSL_CERT_FILE"] == f"{copy}/ca.pem"
    assert got["PATH"] == f"{copy}/bin:/usr/bin:{copy}"
    assert got["UV_CONFIG_FILE"] == f"{workspace}-of-somebody/uv.toml"


def test_certificates_from_elsewhere_are_at_hand(
    workspace: Path, scratch: Scratch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("certificate")
    (tmp_path / "ca.pem").chmod(0o600)
    got = bring(
        workspace, scratch, SSL_CERT_FILE=str(tmp_path / "ca.pem"), CURL_CA_BUNDLE="/not/there.pem"
    )
    bundle = Path(got["SSL_CERT_FILE"])
    assert bundle.is_relative_to(scratch.root)
    assert bundle.read_text() == "certificate"
    assert bundle.stat().st_mode & 0o777 == 0o644
    assert got["CURL_CA_BUNDLE"] == "/not/there.pem"


def test_certificates_of_the_workspace_are_not_read_by_us(
    workspace: Path, scratch: Scratch, tmp_path: Path
) -> None:
    """A pull request could make them a link to any file."""
    (tmp_path / "secret").write_text("secret")
    (workspace / "ca.pem").symlink_to(tmp_path / "secret")
    got = bring(workspace, scratch, REQUESTS_CA_BUNDLE=f"{workspace}/ca.pem")
    assert got["REQUESTS_CA_BUNDLE"] == f"{scratch.workspace}/ca.pem"
    assert not [
        path
        for path in scratch.root.rglob("*")
        if not path.is_symlink() and path.is_file() and "secret" in path.read_text()
    ]


def test_nothing_of_the_callers_home_and_no_shared_cache_is_named(
    workspace: Path, scratch: Scratch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").touch()
    home = str(tmp_path)
    caller = {
        "HOME": home,
        "NETRC": f"{home}/.netrc",
        "UV_CACHE_DIR": f"{home}/cache",
        "UV_CREDENTIALS_DIR": f"{home}/credentials",
        "XDG_CACHE_HOME": f"{home}/cache",
        "XDG_CONFIG_HOME": f"{home}/config",
        "UV_INDEX_URL": "https://user:password@index/simple",
    }
    got = bring(workspace, scratch, **caller)
    for environment in (tool_environment(got, scratch), install_environment(got, scratch)):
        paths = {name: value for name, value in environment.items() if value.startswith(home)}
        assert all(Path(value).is_relative_to(scratch.root) for value in paths.values())
    installing = install_environment(got, scratch)
    assert Path(installing["UV_CACHE_DIR"]).parent.stat().st_uid == SOMEBODY.uid
    assert installing["UV_INDEX_URL"] == caller["UV_INDEX_URL"]
