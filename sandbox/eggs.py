"""Eggs on the path of Python.

Owns: what of an egg goes on the path. Must not know where the egg comes from.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from sandbox.requirement_lines import InstallationError

_NOT_ZIP_SAFE = "EGG-INFO/not-zip-safe"


def path_entry(egg: Path, scratch: Path) -> Path:
    """What to put on the path for `egg`: the file itself, or its content in the folder `scratch`.

    As setuptools does it: an egg whose code needs real files says so with a mark, and is unpacked
    (setuptools docs, "The Internal Structure of Python Eggs").

    Raises:
        InstallationError: the file is no zip archive.
    """
    try:
        with zipfile.ZipFile(egg) as archive:
            if _NOT_ZIP_SAFE not in archive.namelist():
                return egg
            folder = scratch / egg.name
            archive.extractall(folder)
            return folder
    except (zipfile.BadZipFile, OSError) as broken:
        raise InstallationError(
            f"Library installation failed: {egg.name} is no egg: {broken}"
        ) from broken
