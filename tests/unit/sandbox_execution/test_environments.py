"""What names an environment, and what a running cluster remembers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sandbox.environments import (
    ClusterFiles,
    Environment,
    Environments,
    WorkspaceFiles,
    environment_key,
)
from sandbox.requirement_lines import InstallationError, Requirements, of_libraries
from sandbox.runtimes import Runtime

WHEEL = "/Workspace/libs/my_lib-1.0.0-py3-none-any.whl"


class Workspace:
    """Files that a test can replace."""

    def __init__(self, **files: bytes) -> None:
        self.files = {WHEEL: b"old", **files}

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def files(workspace: Workspace, tmp_path: Path) -> WorkspaceFiles:
    return WorkspaceFiles(tmp_path, workspace.read)


def key_of(files: WorkspaceFiles) -> str:
    return environment_key(of_libraries([{"whl": WHEEL}], files.fetch, Runtime()))


def test_a_file_keeps_its_base_name_and_its_content(files: WorkspaceFiles) -> None:
    local = files.fetch(WHEEL)
    assert local.name == "my_lib-1.0.0-py3-none-any.whl"
    assert local.read_bytes() == b"old"


def test_equal_content_has_one_environment_and_replaced_content_another(
    workspace: Workspace, files: WorkspaceFiles
) -> None:
    first = key_of(files)
    assert key_of(files) == first
    workspace.files[WHEEL] = b"new"
    assert key_of(files) != first


def test_jars_need_no_environment_of_their_own() -> None:
    assert environment_key(Requirements((), (Path("a.jar"),))) == environment_key(Requirements())


def test_a_missing_file_fails_as_an_installation_on_the_driver(files: WorkspaceFiles) -> None:
    with pytest.raises(InstallationError) as failure:
        files.fetch("/Workspace/gone-1.0-py3-none-any.whl")
    assert "Library from /Workspace/gone-1.0-py3-none-any.whl : file not found" in str(
        failure.value
    )
    assert "DRIVER_LIBRARY_INSTALLATION_FAILURE" in str(failure.value)


def test_a_file_that_may_not_be_read_fails_the_same_way(tmp_path: Path) -> None:
    def refuse(path: str) -> bytes:
        raise PermissionError(path)

    with pytest.raises(InstallationError, match="no permission"):
        WorkspaceFiles(tmp_path, refuse).fetch(WHEEL)


@pytest.mark.parametrize("path", ["/Workspace/..", "/Workspace/", ""])
def test_a_path_without_a_file_name_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(InstallationError, match="no file name"):
        WorkspaceFiles(tmp_path, lambda _: b"").fetch(path)


def test_a_running_cluster_keeps_the_code_it_has_for_a_path(
    workspace: Workspace, files: WorkspaceFiles
) -> None:
    clusters = ClusterFiles(files)
    first = clusters.view("c-1")
    first.fetch(WHEEL)
    first.installed()
    workspace.files[WHEEL] = b"new"
    assert clusters.view("c-1").fetch(WHEEL).read_bytes() == b"old"
    assert clusters.view("c-2").fetch(WHEEL).read_bytes() == b"new"


def test_a_running_cluster_keeps_its_code_even_when_the_file_is_gone(
    workspace: Workspace, files: WorkspaceFiles
) -> None:
    clusters = ClusterFiles(files)
    first = clusters.view("c-1")
    first.fetch(WHEEL)
    first.installed()
    del workspace.files[WHEEL]
    assert clusters.view("c-1").fetch(WHEEL).read_bytes() == b"old"


def test_a_restarted_cluster_takes_what_the_path_holds_then(
    workspace: Workspace, files: WorkspaceFiles
) -> None:
    clusters = ClusterFiles(files)
    for name in ("c-1", "c-2"):
        view = clusters.view(name)
        view.fetch(WHEEL)
        view.installed()
    workspace.files[WHEEL] = b"new"
    clusters.restart("c-1")
    assert clusters.view("c-1").fetch(WHEEL).read_bytes() == b"new"
    assert clusters.view("c-2").fetch(WHEEL).read_bytes() == b"old"


def test_a_library_that_failed_to_install_is_read_again(
    workspace: Workspace, files: WorkspaceFiles
) -> None:
    clusters = ClusterFiles(files)
    clusters.view("c-1").fetch(WHEEL)  # and its installation fails
    workspace.files[WHEEL] = b"new"
    assert clusters.view("c-1").fetch(WHEEL).read_bytes() == b"new"


def test_an_environment_that_is_there_is_used_without_an_installation(tmp_path: Path) -> None:
    ready = Environment(tmp_path / environment_key(Requirements()))
    ready.python.parent.mkdir(parents=True)
    ready.python.touch()
    # An environment without PATH and index would fail to build anything.
    assert Environments(tmp_path, {}).provide(Requirements(), threading.Event()) == ready


def test_a_cancelled_installation_leaves_nothing_behind(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(InstallationError):
        Environments(tmp_path, {}).provide(Requirements(), cancelled)
    assert [each.name for each in tmp_path.iterdir() if each.is_dir()] == []
