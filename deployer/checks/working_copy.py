"""Copies a checkout for the user whom its code runs as, who then may change all of it.

Owns what a copy has and what not. Links are copied as links and never followed; what is neither file, folder
nor link stays behind; so do virtual environments, which work only where they were made, and what git keeps of
credentials. Must not run while code of the project runs.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from deployer.checks.git_config import without_credentials
from deployer.checks.user import ProjectUser

_CHUNK = 1 << 20  # bytes
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def copy_tree(source: Path, target: Path, user: ProjectUser, *, leave_out: Path) -> None:
    """Copy the folder `source` to `target`, which is new, and give the copy to `user`.

    Modes and times are kept, but for rights to become another user; `user` may enter every folder and read
    every file. `leave_out` is a folder that is not copied wherever it is met: the one that `target` lies in.

    Raises:
        OSError: something can't be read, or there is no room.
    """
    unwanted = leave_out.stat()
    for here, folders, files, descriptor in os.fwalk(source, onerror=_raise):
        place, found = target / Path(here).relative_to(source), os.fstat(descriptor)
        if os.path.samestat(found, unwanted) or ("pyvenv.cfg" in files and place != target):
            folders.clear()
            continue
        place.mkdir(mode=0o700)
        user.own(place)
        place.chmod(_mode(found) | 0o700)
        is_git = _is_git(folders, files)
        for name in (*folders, *files):
            config = name == "config.worktree" or (is_git and name == "config")
            _copy(name, descriptor, place / name, user, is_git_config=config)


def _raise(error: OSError) -> None:
    raise error


def _is_git(folders: Sequence[str], files: Sequence[str]) -> bool:
    return "objects" in folders and {"HEAD", "config"} <= set(files)


def _copy(name: str, folder: int, to: Path, user: ProjectUser, *, is_git_config: bool) -> None:
    """Copy a file or a link of the folder with that descriptor; anything else is passed over."""
    kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISLNK(kind):
        to.symlink_to(os.readlink(name, dir_fd=folder))
        user.own(to)
    elif stat.S_ISREG(kind):
        with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as stream, to.open("xb") as copy:
            if is_git_config:
                copy.write(without_credentials(stream.read().decode("latin-1")).encode("latin-1"))
            else:
                shutil.copyfileobj(stream, copy, _CHUNK)
            copy.flush()
            found, descriptor = os.fstat(stream.fileno()), copy.fileno()
            os.fchown(descriptor, user.uid, user.gid)
            os.fchmod(descriptor, _mode(found) | 0o400)
            # git looks into files whose time is not the one it remembers.
            os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))


def _mode(found: os.stat_result) -> int:
    return found.st_mode & 0o777
