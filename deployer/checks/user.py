"""The user whom a project's code runs as where the machine has one for it, as our image does (ADR 18).

It owns nothing but what it is given, has no login, no group of others and no way to more rights; so its
processes can't read ours. Owns becoming that user, and ending all that runs as it. Must not decide what runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import DeployError, FailureReason, fail

NAME = "spark-deploy-project"
"""The user's name in /etc/passwd: whoever makes it asks for this separation."""

_SETPRIV = "/usr/bin/setpriv"  # of util-linux, which every Debian has
_LIMIT_S = 60
# The kernel sends this to all at once that the caller may signal, and no fork slips through (kill(2)).
# Its own real and saved user is one that nobody has: so they can't kill it first.
_END_ALL = """
import os, signal, sys
uid, gid = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([])
os.setresgid(gid, gid, gid)
os.setresuid(uid + 1, uid, uid + 1)
try:
    os.kill(-1, signal.SIGKILL)
except ProcessLookupError:
    pass
"""


@dataclass(frozen=True)
class ProjectUser:
    """A user of whom no process but those of the checks runs. The user id after it must be nobody's."""

    uid: int
    gid: int

    def command(self, argv: Sequence[str | Path]) -> list[str | Path]:
        """`argv`, run as this user; to be started by root."""
        become = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        return [_SETPRIV, *become, "--inh-caps=-all", "--no-new-privs", "--", *argv]

    def own(self, path: Path) -> None:
        """Give `path`, which is ours, to this user. Raises OSError."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def end_all(self) -> None:
        """Kill every process of this user, also one that left its group or session.

        Raises:
            DeployError: ISOLATION_UNAVAILABLE.
        """
        self._try([sys.executable, "-I", "-S", "-c", _END_ALL, str(self.uid), str(self.gid)])

    def try_out(self, folder: Path) -> None:
        """Make sure that commands do run as this user, and reach Python and `folder`.

        Raises:
            DeployError: ISOLATION_UNAVAILABLE.
        """
        self._try(self.command([sys.executable, "-I", "-S", "-c", ""]), folder)

    def _try(self, argv: Sequence[str | Path], folder: Path = Path("/")) -> None:
        try:
            done = subprocess.run(
                argv,
                cwd=folder,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                check=False,
                timeout=_LIMIT_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise unavailable(str(error)) from error
        if done.returncode:
            raise unavailable(done.stdout.strip() or f"exit code {done.returncode}")


def project_user(workspace: Path) -> ProjectUser | None:
    """The user for the project's code; None where there is none, or where we can't become another one.

    Raises:
        DeployError: ISOLATION_UNAVAILABLE when that user is root, or the owner of `workspace`.
    """
    if os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415 - not on every system

    try:
        found = pwd.getpwnam(NAME)
    except KeyError:
        return None
    others = {0}
    with suppress(OSError):
        others.add(workspace.stat().st_uid)
    if found.pw_uid in others or found.pw_gid == 0:
        raise unavailable(f"The user {NAME} is root, or owns the workspace.")
    return ProjectUser(found.pw_uid, found.pw_gid)


def unavailable(detail: str) -> DeployError:
    """The failure that says why the project's code was not run."""
    return fail(
        FailureReason.ISOLATION_UNAVAILABLE,
        "The project's code was not run: it can't be kept apart from the credentials of this run.",
        detail=detail,
        remedy="Let the container run as root with Docker's usual capabilities, or build the library "
        "in an earlier step and name it with `wheel`.",
    )
