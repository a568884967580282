"""Files that we write belong to whoever owns the folder around them.

In a container we are root and the mounted folders are another user's. What root leaves in them breaks
later steps and the next checkout on machines that are used again (facts, "Contract facts" 15). Owns who
owns; must not write, move or delete.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def make_folder(folder: Path) -> Path:
    """Make `folder` and what is missing above it, each as its parent's owner. Raises OSError."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        adopt(one)
    return folder


def adopt(path: Path) -> None:
    """Give `path`, which we wrote, to the owner of its folder. Never fails: it is a courtesy."""
    with suppress(OSError):
        parent = path.parent.stat()
        _give(path, parent.st_uid, parent.st_gid)


def give_back(folder: Path) -> None:
    """Give whatever below `folder` became ours to the owner of `folder`.

    A project's tests and build write where they like, so all of it is looked at. Links are not
    followed, also where a folder becomes one meanwhile; a file that has several names is left alone, as
    another of them may stand elsewhere. (It hinders nobody: who owns a folder can empty it of files.)
    Never fails.
    """
    if os.geteuid() != 0:
        return  # only root can give files away, and only root leaves what others can't remove
    with suppress(OSError, RecursionError):
        owner = folder.stat()
        if owner.st_uid != 0:
            for _, folders, files, descriptor in os.fwalk(folder):
                for name in (*folders, *files):
                    _give(Path(name), owner.st_uid, owner.st_gid, descriptor)


def _give(path: Path, uid: int, gid: int, folder: int | None = None) -> None:
    with suppress(OSError):
        found = os.stat(path, dir_fd=folder, follow_symlinks=False)
        single = found.st_nlink == 1 or stat.S_ISDIR(found.st_mode)
        if found.st_uid == os.geteuid() != uid and single:
            os.chown(path, uid, gid, dir_fd=folder, follow_symlinks=False)
