"""How an egg gets on the path."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sandbox.eggs import path_entry
from sandbox.requirement_lines import InstallationError


def make_egg(folder: Path, mark: str) -> Path:
    egg = folder / "my_lib-1.0.0-py3.11.egg"
    with zipfile.ZipFile(egg, "w") as archive:
        archive.writestr("my_lib/__init__.py", "")
        archive.writestr(f"EGG-INFO/{mark}", "")
    return egg


def test_a_zip_safe_egg_is_imported_from_as_it_is(tmp_path: Path) -> None:
    egg = make_egg(tmp_path, "zip-safe")
    assert path_entry(egg, tmp_path / "scratch") == egg
    assert not (tmp_path / "scratch").exists()


def test_an_egg_that_needs_real_files_is_unpacked_under_its_name(tmp_path: Path) -> None:
    egg = make_egg(tmp_path, "not-zip-safe")
    entry = path_entry(egg, tmp_path / "scratch")
    assert entry == tmp_path / "scratch" / egg.name
    assert (entry / "my_lib" / "__init__.py").is_file()


def test_a_file_that_is_no_egg_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.egg").write_bytes(b"no zip")
    with pytest.raises(InstallationError, match=r"a\.egg is no egg"):
        path_entry(tmp_path / "a.egg", tmp_path)
