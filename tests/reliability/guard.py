"""What must hold after every single write that reaches the workspace, whatever happens to the run.

    guard = Guard(workspace, ground, before, after)
    with workspace.watch(guard):
        ...
    workspace.raise_watched()

Owns the promises of design.md as an oracle of its own: it knows regular expressions and states, and nothing
of the product. Each job is, as a whole, as it was before or as the plan said; every library file that a job
names is there; a published file keeps its bytes; and nothing but what the plan named goes.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from sandbox.calls import CallRecord
from sandbox.server import Sandbox
from tests.reliability.scenario import OWN, Ground, Settings, State, comparable

_FILE = re.compile(r"(?:dbfs:/|/Workspace/|/Volumes/)[^\s\[\],;'\"#]*?\.(?:whl|jar|egg)")
Stamp = tuple[int, int, int]
"""Object id, size and time of a file: as long as they stay, its bytes do."""


class Broken(AssertionError):
    """A promise that was not kept, and by which call."""


def named_files(settings: Settings) -> set[str]:
    """Every library file that a job's settings name by a complete path."""
    return set(_FILE.findall(json.dumps(settings)))


@lru_cache(1000)
def _seen(settings: str) -> tuple[str, frozenset[str]]:
    """A job's settings as `comparable` spells them, and what they name; most writes change no job."""
    job = json.loads(settings)
    return comparable({0: job})[0], frozenset(named_files(job))


@dataclass
class Guard:
    """Called after each write; raises Broken. Use it in one thread or in many.

    `allowed` has each job's settings as `comparable` spells them, in all states that it may be in; `contents`
    the bytes that may lie at a path below the root, our own files aside; `staying` the paths that may not go.
    """

    workspace: Sandbox
    ground: Ground
    allowed: dict[int, set[str]]
    contents: dict[str, set[bytes]]
    staying: frozenset[str]
    writes: int = 0
    _known: dict[str, Stamp] = field(default_factory=dict)
    _one: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def between(cls, workspace: Sandbox, ground: Ground, *states: State) -> Guard:
        """Everything may be as in any of these states, each job and each file by itself."""
        allowed: dict[int, set[str]] = {}
        contents: dict[str, set[bytes]] = {}
        for state in states:
            for job_id, text in comparable(state.jobs).items():
                allowed.setdefault(job_id, set()).add(text)
            for path, content in state.published.items():
                contents.setdefault(path, set()).add(content)
        staying = frozenset.intersection(*(frozenset(one.published) for one in states))
        return cls(workspace, ground, allowed, contents, staying)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Nothing is checked while the block sets what is allowed."""
        with self._one:
            yield

    def __call__(self, call: CallRecord) -> None:
        """Check everything. Raises Broken."""
        with self._one:
            self.writes += 1
            with self.workspace.frozen():
                jobs = self.workspace.jobs()
                files = self._files()
                told = [*self._of_jobs(jobs, files), *self._of_files(files)]
        if told:
            raise Broken(f"after {call.method} {call.path}: " + "; ".join(told))

    def _files(self) -> Mapping[str, Stamp]:
        nodes = self.workspace._workspace.tree.files()
        return {one.path: (one.object_id, one.size, one.modified_at) for one in nodes}

    def _of_jobs(self, jobs: Mapping[int, Settings], files: Mapping[str, Stamp]) -> Iterable[str]:
        for job_id, settings in jobs.items():
            text, named = _seen(json.dumps(settings))
            if text not in self.allowed.get(job_id, set()):
                yield f"job {job_id} is in no state that the plan knows: {text}"
            for path in sorted(named - files.keys()):
                yield f"job {job_id} names {path}, which is not there"
        for job_id in self.allowed.keys() - jobs.keys():
            yield f"job {job_id} is gone"

    def _of_files(self, files: Mapping[str, Stamp]) -> Iterable[str]:
        for path in sorted(self.staying - files.keys()):
            yield f"{path} is gone"
        for path, stamp in files.items():
            if f"/{OWN}/" in path or self._known.get(path) == stamp:
                continue
            if self.workspace.file(path) not in self.contents.get(path, set()):
                yield f"{path} has bytes that nobody published"
            else:
                self._known[path] = stamp
