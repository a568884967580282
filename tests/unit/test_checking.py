"""The folders around the checks."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from deployer import checking


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(checking, "_OWN_PLACE", tmp_path / "place")
    return tmp_path / "place"


def test_the_place_of_a_project_apart_is_always_the_same_and_gone_afterwards(place: Path) -> None:
    for _ in range(2):
        with checking._place_of_its_own() as folder:
            assert folder == place
            assert stat.S_IMODE(folder.stat().st_mode) == 0o711, (
                "others enter it, and can't list it"
            )
            (folder / "litter").mkdir(mode=0o000)
        assert not place.exists()


def test_a_place_that_is_taken_is_not_used(place: Path) -> None:
    for is_link in (False, True):
        place.symlink_to("/etc") if is_link else place.mkdir()
        with checking._place_of_its_own() as folder:
            assert folder != place
            assert folder.name.startswith("place-")
        assert not folder.exists()
        place.unlink() if is_link else place.rmdir()


def test_folders_without_a_bottom_do_not_end_the_run(place: Path) -> None:
    with checking._place_of_its_own() as folder:
        here = os.open(folder, os.O_RDONLY)
        for _ in range(1_500):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
    subprocess.run(["rm", "-rf", place], check=True)


def test_a_wheel_is_kept_in_place_of_what_has_its_name_and_through_no_link(tmp_path: Path) -> None:
    wheel, kept, other = tmp_path / "a.whl", tmp_path / "kept", tmp_path / "other"
    wheel.write_text("new")
    other.write_text("other")
    kept.mkdir()
    for left in (None, "old", other):
        if isinstance(left, str):
            (kept / "a.whl").write_text(left)
        elif left:
            (kept / "a.whl").unlink()
            (kept / "a.whl").symlink_to(left)
        assert checking._keep(wheel, kept) == kept / "a.whl"
        assert [path.name for path in kept.iterdir()] == ["a.whl"]
        assert not (kept / "a.whl").is_symlink()
        assert (kept / "a.whl").read_text() == "new"
        assert stat.S_IMODE((kept / "a.whl").stat().st_mode) == 0o644
    assert other.read_text() == "other"
