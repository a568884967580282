"""Has a project checked: where the checks work, as whom its code runs, and what is kept of it all.

Owns the folders around `checks.steps` and what they are told of this run. What the checks do and what they
find is theirs.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deployer.checks.apart import Apart
from deployer.checks.steps import Checked, run_checks
from deployer.checks.toolbox import Toolbox
from deployer.checks.user import project_user
from deployer.context import RunContext
from deployer.draft import Draft
from deployer.narrator import Narrator
from deployer.ownership import adopt, give_back, make_folder
from deployer.report.model import Check
from deployer.settings import Settings

_OWN_PLACE = Path("/tmp/spark-deploy-project")  # noqa: S108 - of a container of our own, and made exclusively


@dataclass(frozen=True)
class Checking:
    """How a project is checked in this run."""

    context: RunContext
    environ: Mapping[str, str]
    narrator: Narrator
    stopped: Callable[[], bool]

    def __call__(self, project: Path, settings: Settings, draft: Draft) -> Checked:
        """Lint, test and build a project. The built wheel outlives the scratch folder.

        Raises:
            DeployError: CANCELLED, ISOLATION_UNAVAILABLE.
        """
        # Made before the project's code runs: it can't put something else there, where it gets that far.
        kept, workspace = (
            make_folder(self.context.temp / "spark-deploy" / "dist"),
            self.context.workspace,
        )
        user = project_user(workspace)
        apart = Apart(user, workspace) if user else None
        try:
            with _place_of_its_own() if apart else _place_in(self.context.temp) as scratch:
                checked = self._checked(project, settings, draft, scratch, apart)
                if checked.wheel is None:
                    return checked
                return Checked(checked.checks, checked.problems, _keep(checked.wheel, kept))
        finally:
            if not apart:
                self._give_back()

    def _give_back(self) -> None:
        """Give the runner's user what the project's code left in its folders as root.

        Elsewhere than on GitHub these may be a person's own, with files of root's.
        """
        if self.context.on_github:
            home = self.environ.get("HOME", "")
            theirs = (self.context.workspace, self.context.temp)
            for folder in (*theirs, *([Path(home)] if home else [])):
                give_back(folder)

    def _checked(
        self, project: Path, settings: Settings, draft: Draft, scratch: Path, apart: Apart | None
    ) -> Checked:
        def told(check: Check) -> None:
            draft.note_check(check)
            on_line(f"{check.name}: {check.status.value} - {check.summary}")

        with (
            draft.phase("checks", f"Check and build {project}"),
            self.narrator.untrusted() as on_line,
        ):
            return run_checks(
                project,
                tools=Toolbox.installed(self.environ, self._cache(scratch)),
                environ=self.environ,
                scratch=scratch,
                timeout_s=settings.check_timeout_s,
                on_line=on_line,
                on_start=lambda name: on_line(f"{name} …"),
                on_check=told,
                only_build=not settings.checks,
                stopped=self.stopped,
                apart=apart,
            )

    def _cache(self, scratch: Path) -> Path:
        """Where a Java is installed, so that the next run finds it."""
        home = self.environ.get("HOME") or str(scratch)
        return Path(self.environ.get("XDG_CACHE_HOME") or f"{home}/.cache", "spark-deploy")


@contextmanager
def _place_in(temp: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="spark-deploy-", dir=temp) as scratch:
        yield Path(scratch)


@contextmanager
def _place_of_its_own() -> Iterator[Path]:
    """A folder that every user of the container may enter, as none of the runner's need be.

    Its name is always the same, because compilers write the paths of sources into what they build, and the
    same commit must give the same bytes.
    """
    try:
        _OWN_PLACE.mkdir()
        place = _OWN_PLACE
    except FileExistsError:
        place = Path(tempfile.mkdtemp(prefix=f"{_OWN_PLACE.name}-", dir=_OWN_PLACE.parent))
    place.chmod(0o711)
    try:
        yield place
    finally:
        with suppress(RecursionError):  # folders without a bottom; the container goes with them
            shutil.rmtree(place, ignore_errors=True)


def _keep(wheel: Path, folder: Path) -> Path:
    """A copy of `wheel` in `folder`, in place of whatever has its name there."""
    number, name = tempfile.mkstemp(prefix=".spark-deploy-", dir=folder)
    with wheel.open("rb") as built, os.fdopen(number, "wb") as copy:
        shutil.copyfileobj(built, copy)
    kept = folder / wheel.name
    copied = Path(name)
    copied.chmod(0o644)
    copied.replace(kept)
    adopt(kept)
    return kept
