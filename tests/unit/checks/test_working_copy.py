"""The copy of a checkout that another user may change. Needs root, as it gives files away."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.checks.user import ProjectUser
from deployer.checks.working_copy import copy_tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
SOMEBODY = ProjectUser(62_110, 62_120)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def copied(source: Path, scratch: Path) -> Path:
    copy_tree(source, scratch / "copy", SOMEBODY, leave_out=scratch)
    return scratch / "copy"


def test_all_of_it_belongs_to_the_user(source: Path, scratch: Path) -> None:
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "file").write_text("x")
    (source / "link").symlink_to("a")
    copy = copied(source, scratch)
    found = {path.relative_to(copy): path.lstat() for path in (copy, *copy.rglob("*"))}
    assert len(found) == 5
    assert {(one.st_uid, one.st_gid) for one in found.values()} == {(62_110, 62_120)}
    assert (copy / "a" / "b" / "file").read_text() == "x"


def test_the_checkout_itself_stays_as_it_was(source: Path, scratch: Path) -> None:
    (source / "file").write_text("x")
    copy = copied(source, scratch)
    (copy / "file").write_text("changed")
    assert (source / "file").read_text() == "x"
    assert (source / "file").stat().st_uid == 0


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0o644, 0o644), (0o755, 0o755), (0o600, 0o600), (0o040, 0o440), (0o4755, 0o755)],
)
def test_a_file_keeps_its_mode_and_the_user_may_read_it(
    source: Path, scratch: Path, mode: int, expected: int
) -> None:
    (source / "file").touch()
    (source / "file").chmod(mode)
    assert stat.S_IMODE((copied(source, scratch) / "file").stat().st_mode) == expected


def test_a_closed_folder_is_open_to_the_user(source: Path, scratch: Path) -> None:
    (source / "closed").mkdir(mode=0o000)
    (source / "closed" / "file").touch()
    copy = copied(source, scratch)
    assert stat.S_IMODE((copy / "closed").stat().st_mode) == 0o700
    assert (copy / "closed" / "file").exists()


def test_times_are_kept(source: Path, scratch: Path) -> None:
    (source / "file").touch()
    os.utime(source / "file", ns=(1_000_000_001, 1_234_567_890_123_456_789))
    assert (copied(source, scratch) / "file").stat().st_mtime_ns == 1_234_567_890_123_456_789


def test_links_are_copied_and_not_followed(source: Path, scratch: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("secret")
    leads_to = {
        "to a file": "../elsewhere/secret",
        "to a folder": str(tmp_path / "elsewhere"),
        "to a process": "/proc/self/environ",
        "to nothing": "nothing",
        "to itself": "to itself",
    }
    for name, target in leads_to.items():
        (source / name).symlink_to(target)
    copy = copied(source, scratch)
    assert {path.name: str(path.readlink()) for path in copy.iterdir()} == leads_to


def test_pipes_and_sockets_stay_behind(source: Path, scratch: Path) -> None:
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "socket"))
        assert list(copied(source, scratch).iterdir()) == []


def test_a_virtual_environment_stays_behind_and_a_project_with_such_a_file_does_not(
    source: Path, scratch: Path
) -> None:
    (source / ".venv" / "lib").mkdir(parents=True)
    (source / ".venv" / "pyvenv.cfg").touch()
    (source / "pyvenv.cfg").touch()
    assert {path.name for path in copied(source, scratch).iterdir()} == {"pyvenv.cfg"}


def test_a_folder_is_not_copied_into_itself(source: Path) -> None:
    scratch = source / "deep" / "scratch"
    scratch.mkdir(parents=True)
    copy = copied(source, scratch)
    assert [path.name for path in copy.rglob("*")] == ["deep"]


def test_two_names_of_one_file_become_two_files(source: Path, scratch: Path) -> None:
    (source / "a").touch()
    (source / "b").hardlink_to(source / "a")
    copy = copied(source, scratch)
    assert not (copy / "a").samefile(copy / "b")


@pytest.fixture
def repository(source: Path) -> Path:
    """A checkout with a submodule, a second worktree, and credentials in each configuration."""

    def git(folder: Path, *arguments: str) -> None:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=a"]
        more = ["-c", "protocol.file.allow=always"]
        argv = ["git", *who, *more, "-C", str(folder), *arguments]
        subprocess.run(argv, check=True, capture_output=True)

    other = source.parent / "other"
    for folder in (other, source):
        folder.mkdir(exist_ok=True)
        git(folder, "init")
        git(folder, "commit", "--allow-empty", "--message", "first")
        git(folder, "tag", "1.5.0")
    git(source, "submodule", "add", str(other), "sub")
    git(source, "commit", "--message", "second")
    git(source, "config", "extensions.worktreeConfig", "true")
    git(
        source, "worktree", "add", "tree", "-b", "config"
    )  # a branch of that name is no configuration
    for folder, scope in (
        (source, "--local"),
        (source / "sub", "--local"),
        (source / "tree", "--worktree"),
    ):
        git(folder, "config", scope, "http.extraheader", "AUTHORIZATION: basic secret")
    return source


def test_what_git_keeps_of_credentials_stays_behind_and_git_still_works(
    repository: Path, scratch: Path
) -> None:
    copy = copied(repository, scratch)
    assert [
        path for path in repository.rglob("*") if path.is_file() and b"secret" in path.read_bytes()
    ]
    assert not [
        path for path in copy.rglob("*") if path.is_file() and b"secret" in path.read_bytes()
    ]
    scratch.chmod(0o755)
    for folder, says in ((copy, "1.5.0-1-g"), (copy / "sub", "1.5.0")):
        argv = ["git", "-c", "safe.directory=*", "-C", str(folder), "describe", "--tags", "--dirty"]
        said = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert said.stdout.startswith(says), said.stderr
        assert "dirty" not in said.stdout
    assert (copy / ".git" / "refs" / "heads" / "config").read_text().strip()


@pytest.fixture
def bottomless(source: Path) -> Iterator[Path]:
    here = os.open(source, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    yield source
    subprocess.run(["rm", "-rf", source / "d", source.parent / "scratch"], check=True)


def test_folders_without_a_bottom_are_refused(bottomless: Path, scratch: Path) -> None:
    with pytest.raises((OSError, RecursionError)):
        copied(bottomless, scratch)
