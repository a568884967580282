"""What may lie where we expect a file of a project's code, and is not read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.checks.foreign import UnwantedFile, copy_foreign, read_foreign, read_inside

LARGEST = 1_000  # bytes
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("secret")
    return path


def _file(path: Path, _: Path) -> None:
    path.write_bytes(bytes(LARGEST + 1))


def _sparse(path: Path, _: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


def _nothing(path: Path, _: Path) -> None:
    assert not path.exists()


UNWANTED: dict[str, Callable[[Path, Path], None]] = {
    "a link": lambda path, secret: path.symlink_to(secret),
    "a link to this process": lambda path, _: path.symlink_to("/proc/self/environ"),
    "a link in a circle": lambda path, _: path.symlink_to(path.name),
    "a pipe": lambda path, _: os.mkfifo(path),
    "a folder": lambda path, _: path.mkdir(),
    "a large file": _file,
    "a file with a hole": _sparse,
    "nothing": _nothing,
}


@pytest.mark.parametrize("made", UNWANTED)
def test_what_is_no_file_of_a_sane_size_is_not_read(
    tmp_path: Path, secret: Path, made: str
) -> None:
    path, copy = tmp_path / "expected", tmp_path / "copy"
    UNWANTED[made](path, secret)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises((UnwantedFile, FileNotFoundError)):
        read_foreign(path, LARGEST)
    with pytest.raises((UnwantedFile, FileNotFoundError)):
        copy_foreign(path, copy, LARGEST)
    assert not copy.exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_without_an_end_is_not_read() -> None:
    with pytest.raises(UnwantedFile, match="too large"):
        read_foreign(Path("/proc/kallsyms"), LARGEST)  # its size is told as 0


def test_a_name_that_no_file_can_have_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UnwantedFile):
        read_foreign(tmp_path / "a\0b", LARGEST)
    with pytest.raises(UnwantedFile):
        read_inside(tmp_path / "a\0b", tmp_path, LARGEST)


def test_a_file_is_read_and_copied_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(LARGEST))
    assert read_foreign(path, LARGEST) == bytes(LARGEST)
    copy_foreign(path, tmp_path / "copy", LARGEST)
    assert (tmp_path / "copy").read_bytes() == bytes(LARGEST)


def test_a_copy_goes_over_nothing_that_is_there(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(secret)
    with pytest.raises(FileExistsError):
        copy_foreign(tmp_path / "file", tmp_path / "link", LARGEST)
    assert secret.read_text() == "secret"


@AS_ROOT
def test_a_hard_link_to_a_file_of_somebody_else_is_not_read(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "link").hardlink_to(secret)
    with pytest.raises(UnwantedFile, match="somebody else"):
        read_foreign(tmp_path / "link", LARGEST, owner=12_345)
    os.chown(secret, 12_345, 12_345)
    assert read_foreign(tmp_path / "link", LARGEST, owner=12_345) == b"secret"


def test_a_link_is_followed_as_far_as_it_stays_inside(tmp_path: Path, secret: Path) -> None:
    top = tmp_path / "top"
    (top / "deep").mkdir(parents=True)
    (top / "file").write_text("inside")
    (top / "deep" / "in").symlink_to("../file")
    (top / "deep" / "out").symlink_to(secret)
    (top / "up").symlink_to("..")
    assert read_inside(top / "deep" / "in", top, LARGEST) == b"inside"
    for out in (top / "deep" / "out", top / "up" / "secret"):
        with pytest.raises(UnwantedFile, match="leads out"):
            read_inside(out, top, LARGEST)
