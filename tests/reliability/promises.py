"""What holds after every write, whoever writes: programs that race, and people.

    promises = Promises(workspace)
    with workspace.watch(promises):
        ...
        promises.somebody_edits(job_id, new_settings)     # what a person may do, and the program may not

Owns an oracle of its own: it knows regular expressions and nothing of the product. Each library file that a
job names is there; nothing of a job but the versions of the libraries differs from what people made of it;
a published file keeps its bytes.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sandbox.calls import CallRecord
from sandbox.server import Sandbox
from tests.reliability.scenario import NAME, OTHER, OWN, Settings, comparable

_FILE = re.compile(r"(?:dbfs:/|/Workspace/|/Volumes/)[^\s\[\],;'\"#]*?\.(?:whl|jar|egg)")
_VERSION = re.compile(rf"(/(?:{NAME}|{OTHER})-)\d+\.\d+\.\d+(?=-py3-none-any\.whl)")


class Broken(AssertionError):
    """A promise that was not kept, and by which call."""


def names_in(settings: Settings) -> set[str]:
    """Every library file that settings name by a complete path."""
    return set(_FILE.findall(json.dumps(settings)))


@dataclass
class Promises:
    """Called after each write; raises Broken. Programs and people may come from any thread.

    `needed` are files that something else than jobs uses, such as runs.
    """

    workspace: Sandbox
    writes: int = 0
    needed: set[str] = field(default_factory=set)
    _frames: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    _stamps: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _missing: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        with self.workspace.frozen():
            jobs = self.workspace.jobs()
            for job_id in jobs:
                self._accept(job_id)
            named = {name for settings in jobs.values() for name in names_in(settings)}
            self._missing |= named - self.workspace.files().keys()
            self._stamps |= self._published()

    # ── What people do ───────────────────────────────────────────────────────────────────────────

    def somebody_edits(self, job_id: int, settings: Settings) -> None:
        """A person gives a job these settings."""
        with self.workspace.frozen():
            self.workspace.set_job(job_id, settings)
            self._accept(job_id)

    def somebody_adds(self, settings: Settings, job_id: int | None = None) -> int:
        """A person makes a job; its id."""
        with self.workspace.frozen():
            made = self.workspace.add_job(settings, job_id=job_id)
            self._accept(made)
            return made

    def somebody_puts(self, path: str, content: bytes) -> None:
        """A person puts a file there, or replaces one."""
        with self.workspace.frozen():
            self.workspace.put_file(path, content)
            self._stamps |= {path: self._published()[path]}

    def _accept(self, job_id: int) -> None:
        self._frames[job_id].add(self._frame(self.workspace.job(job_id)))

    # ── What has to hold ─────────────────────────────────────────────────────────────────────────

    def __call__(self, call: CallRecord | None = None) -> None:
        """Check everything. Raises Broken."""
        with self.workspace.frozen():  # first, as whoever edits has it first
            self.writes += 1
            told = [*self._of_jobs(self.workspace.jobs()), *self._of_files()]
        if told:
            by = f"after {call.method} {call.path} by {call.user}: " if call else ""
            raise Broken(by + "; ".join(told))

    def _of_jobs(self, jobs: Mapping[int, Settings]) -> Iterator[str]:
        files = self.workspace.files()
        for job_id, settings in jobs.items():
            if self._frame(settings) not in self._frames[job_id]:
                yield f"job {job_id} has something that nobody gave it: {json.dumps(settings)}"
            for path in sorted(names_in(settings) - files.keys() - self._missing):
                yield f"job {job_id} names {path}, which is not there"

    def _of_files(self) -> Iterable[str]:
        for path in sorted(self.needed - self.workspace.files().keys()):
            yield f"{path} is gone, and a run uses it"
        before, self._stamps = self._stamps, self._published()
        for path, stamp in self._stamps.items():
            if before.get(path, stamp) != stamp:
                yield f"{path} got other bytes"

    def _published(self) -> dict[str, tuple[int, int, int]]:
        """Object, size and time of each published file: while they stay, its bytes do."""
        nodes = self.workspace._workspace.tree.files()
        return {
            one.path: (one.object_id, one.size, one.modified_at)
            for one in nodes
            if f"/{OWN}/" not in one.path
        }

    def _frame(self, settings: Settings) -> str:
        """The settings without the versions of our libraries."""
        return _VERSION.sub(r"\1*", comparable({0: settings})[0])
