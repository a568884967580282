"""What we write belongs to the owner of the folder around it. Needs root, as containers have it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.ownership import adopt, give_back, make_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
SOMEBODY, ANYBODY = 12_345, 23_456


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, SOMEBODY, SOMEBODY)
    return folder


def owner(path: Path) -> int:
    return path.lstat().st_uid


def test_new_folders_are_the_owners_of_the_one_above(theirs: Path) -> None:
    deep = make_folder(theirs / "a" / "b")
    assert [owner(deep), owner(deep.parent), owner(theirs.parent)] == [SOMEBODY, SOMEBODY, 0]
    assert make_folder(deep) == deep


def test_a_file_goes_to_the_owner_of_its_folder(theirs: Path) -> None:
    (theirs / "x").touch()
    adopt(theirs / "x")
    assert owner(theirs / "x") == SOMEBODY


def test_what_became_ours_is_given_back_and_nobody_elses(theirs: Path) -> None:
    (theirs / "ours").mkdir()
    (theirs / "ours" / "file").touch()
    (theirs / "another").touch()
    os.chown(theirs / "another", ANYBODY, ANYBODY)
    give_back(theirs)
    assert owner(theirs / "ours") == owner(theirs / "ours" / "file") == SOMEBODY
    assert owner(theirs / "another") == ANYBODY


def test_links_are_given_back_and_not_followed(theirs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (theirs / "link").symlink_to(outside)
    give_back(theirs)
    adopt(theirs / "link")
    assert owner(theirs / "link") == SOMEBODY
    assert owner(outside) == owner(outside / "file") == 0


def test_a_file_of_ours_that_has_another_name_elsewhere_stays_ours(
    theirs: Path, tmp_path: Path
) -> None:
    (tmp_path / "ours").touch()
    (theirs / "link").hardlink_to(tmp_path / "ours")
    (theirs / "a" / "b").mkdir(parents=True)
    give_back(theirs)
    adopt(theirs / "link")
    assert owner(tmp_path / "ours") == 0
    assert owner(theirs / "a") == owner(theirs / "a" / "b") == SOMEBODY


def test_our_own_folder_stays_ours(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    os.chown(tmp_path / "x", ANYBODY, ANYBODY)
    give_back(tmp_path)
    assert owner(tmp_path / "x") == ANYBODY


def test_a_folder_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    give_back(tmp_path / "nothing")
    adopt(tmp_path / "nothing")
