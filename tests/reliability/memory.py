"""The model: what deployments wrote into which strings, and what must stand there after the next one.

    memory = Memory(NAME, VOLUME.root)
    wanted = memory.deployed("1.5.0", jobs)                  # the jobs as they have to be then
    memory.begins("id", "1.5.0", jobs, wanted, ending="")   # a run left an entry, and no end
    memory.wrote("id", jobs, jobs_after)                     # and this is what it did
    wanted, whole = memory.gone_back(memory.goal("previous"), jobs_after, files)

A memory of strings and nothing else: a string is rewritten by a regular expression, and goes back along what
was written, as long as nobody else wrote in between. Pure, and knows nothing of the product: it says what the
product promises in other words. Places are told by the keys of tasks and environments, else by position.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.version import Version

from tests.reliability.promises import names_in
from tests.reliability.scenario import Settings

Jobs = Mapping[int, Settings]
Spot = tuple[int, tuple[str | int, ...]]
"""Where a string stands: in which job, and the way there."""
ENDS = {"succeeded", "moved-back"}
"""How an entry ends of which nothing is left to do."""
_KEYS = {"tasks": "task_key", "environments": "environment_key"}


@dataclass(frozen=True)
class Wrote:
    """One string that was written: by which entry, what stood there, and what stands there since."""

    entry: str
    before: str
    after: str


@dataclass(frozen=True)
class Remembered:
    """One deployment or rollback that left an entry, and still has a part in what stands in jobs.

    `left` are the versions that it meant to replace, `names` all files that it meant to write or to replace.
    `wanted` are the ids of the deployments that a rollback meant to undo. `meant` is what a deployment meant
    to write, and where.
    """

    id: str
    version: str
    ended: bool
    left: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    wanted: tuple[str, ...] = ()
    meant: frozenset[tuple[Spot, str]] = frozenset()

    @property
    def is_rollback(self) -> bool:
        """Whether it is one."""
        return bool(self.wanted)


@dataclass
class Memory:
    """What is remembered of one library: its entries, newest first, and what was written, oldest first."""

    name: str
    root: str
    entries: list[Remembered] = field(default_factory=list)
    writes: dict[Spot, list[Wrote]] = field(default_factory=dict)
    went_back_last: bool = False
    doubtful: frozenset[str] = frozenset()
    """The files of entries that came to no end, since the last deployment that moved jobs and ended well."""

    # ── Deploying ────────────────────────────────────────────────────────────────────────────────

    def deployed(self, version: str, jobs: Jobs) -> dict[int, Settings]:
        """The jobs with each older version of the MAJOR replaced."""
        return with_strings(
            jobs, {spot: self._moved(text, version) for spot, text in strings(jobs)}
        )

    def _moved(self, text: str, version: str) -> str:
        new = Version(version)

        def moved(found: re.Match[str]) -> str:
            old = Version(found[2])
            moves = (old.major == new.major) and old < new
            return f"{found[1]}{version if moves else found[2]}"

        return self._pattern.sub(moved, text)

    @property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(
            f"({re.escape(self.root)}/{self.name}-)" + r"(\d+\.\d+\.\d+)(?=-py3-none-any\.whl)"
        )

    def begins(self, entry: str, version: str, before: Jobs, wanted: Jobs, *, ending: str) -> None:
        """A deployment left an entry that says that it turns `before` into `wanted`, and how it ended.

        It goes on with those of the same version that came to no end right before: they are one with it.
        """
        changes = list(_differences(before, wanted))
        olds = {text for _, text, _ in changes}
        left = {found[2] for text in olds for found in self._pattern.finditer(text)}
        names = frozenset(_files(text for _, *texts in changes for text in texts))
        replaced = frozenset(_files(olds))
        meant = frozenset((spot, new) for spot, _, new in changes)
        while self.entries and self._goes_on_with(self.entries[0], version):
            carried = self.entries.pop(0)
            self._rename(carried.id, entry)
            left |= carried.left
            names |= carried.names
            meant |= carried.meant
            replaced |= frozenset(_files(one.before for one in self._writes_of({entry})))
        self.went_back_last = False
        if changes or self._writes_of({entry}):
            ended = ending in ENDS
            kept = frozenset[str]() if ending == "succeeded" else self.doubtful
            self.doubtful = kept if ended else kept | names
            found = Remembered(entry, version, ended, frozenset(left), names, replaced, meant=meant)
            self.entries.insert(0, found)

    def _goes_on_with(self, one: Remembered, version: str) -> bool:
        return not one.ended and not one.is_rollback and one.version == version

    def _rename(self, old: str, new: str) -> None:
        for spot, writes in self.writes.items():
            self.writes[spot] = [
                Wrote(new if one.entry == old else one.entry, one.before, one.after)
                for one in writes
            ]

    def wrote(self, entry: str, before: Jobs, after: Jobs) -> None:
        """The run of this entry really changed `before` into `after`."""
        for spot, old, new in _differences(before, after):
            self.writes.setdefault(spot, []).append(Wrote(entry, old, new))

    def begins_to_go_back(self, entry: str, undone: Iterable[Remembered]) -> None:
        """A rollback left an entry that says that it undoes these, and came to no end."""
        wanted = tuple(undone)
        deployments = tuple(one.id for one in wanted if not one.is_rollback)
        names = frozenset(name for one in wanted for name in one.names)
        self.entries.insert(0, Remembered(entry, "", ended=False, names=names, wanted=deployments))
        self.doubtful |= names
        self.went_back_last = False

    def forget(self, ids: Iterable[str]) -> None:
        """These entries are over: what they wrote was taken back."""
        gone = set(ids)
        self.entries = [one for one in self.entries if one.id not in gone]
        for spot, writes in self.writes.items():
            self.writes[spot] = [one for one in writes if one.entry not in gone]

    # ── Going back ───────────────────────────────────────────────────────────────────────────────

    def goal(self, to: str) -> tuple[Remembered, ...] | None:
        """What going back to `to` undoes, newest first; None when nothing is known of it."""
        deployments = [one for one in self.entries if not one.is_rollback]
        if to == "previous":
            if self.went_back_last:
                return ()
            if self.entries and self.entries[0].is_rollback:
                known = {one.id for one in self.entries}
                wanted = [one for one in self.entries[0].wanted if one in known]
                return self._down_to(wanted[-1]) if wanted else None
            return self._down_to(deployments[0].id) if deployments else None
        for one in deployments:
            if to in {one.id, one.version}:
                return self._down_to(one.id)[:-1]
        for one in reversed(deployments):
            if to in one.left:
                return self._down_to(one.id)
        return None

    def _down_to(self, entry: str) -> tuple[Remembered, ...]:
        position = [one.id for one in self.entries].index(entry)
        return tuple(self.entries[: position + 1])

    def gone_back(
        self, goal: Iterable[Remembered], jobs: Jobs, files: Iterable[str]
    ) -> tuple[dict[int, Settings], bool]:
        """The jobs after going back, and whether every string that nobody else wrote could.

        A string goes back along the writes of the goal; one whose files are not all there stays.
        """
        undone, there = {one.id for one in goal}, set(files)
        now = dict(strings(jobs))
        texts: dict[Spot, str] = {}
        whole = True
        for spot, writes in self.writes.items():
            back = self._back(writes, undone)
            if spot not in now or back is None or now[spot] != back.after:
                continue
            missing = {path for path in _files([back.before]) if self.name in path} - there
            if missing:
                whole = False
            else:
                texts[spot] = back.before
        return with_strings(jobs, texts), whole

    @staticmethod
    def _back(writes: list[Wrote], undone: set[str]) -> Wrote | None:
        """The writes of the goal at one spot as one, from the newest on, as far as one led to the next."""
        found: Wrote | None = None
        for one in reversed(writes):
            if one.entry not in undone or (found and one.after != found.before):
                break
            found = Wrote(one.entry, one.before, found.after if found else one.after)
        return found if found and found.before != found.after else None

    def _writes_of(self, ids: set[str]) -> list[Wrote]:
        return [one for writes in self.writes.values() for one in writes if one.entry in ids]

    # ── Files ────────────────────────────────────────────────────────────────────────────────────

    @property
    def way_back(self) -> frozenset[str]:
        """The files that going back to `previous` needs."""
        deployments = [one for one in self.entries if not one.is_rollback]
        return deployments[0].replaced if deployments else frozenset()

    def looks_like_ours(self, spot: Spot, text: str) -> bool:
        """Whether a deployment that came to no end meant to write just that there: nobody can tell."""
        return any((spot, text) in one.meant for one in self.entries if not one.ended)

    def versions(self, files: Iterable[str]) -> dict[str, Version]:
        """The files of this library right in the root, with their versions."""
        found = {path: self._pattern.match(path) for path in files}
        return {path: Version(one[2]) for path, one in found.items() if one}


# ── Strings ──────────────────────────────────────────────────────────────────────────────────────


def strings(jobs: Jobs) -> Iterator[tuple[Spot, str]]:
    """Every string of the jobs, with its spot."""
    for job_id, settings in jobs.items():
        for way, text in _strings(settings, ()):
            yield (job_id, way), text


def _strings(node: Any, way: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(node, str):
        yield way, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _strings(value, (*way, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _strings(value, (*way, _address(way, index, value)))


def _address(way: tuple[str | int, ...], index: int, value: Any) -> str | int:
    key = _KEYS.get(str(way[-1])) if way else None
    named = value.get(key) if key and isinstance(value, dict) else None
    return f"{key}={named}" if named else index


def with_strings(jobs: Jobs, texts: Mapping[Spot, str]) -> dict[int, Settings]:
    """The jobs with these strings."""
    found = copy.deepcopy(dict(jobs))
    for (job_id, way), text in texts.items():
        node: Any = found[job_id]
        for position, step in enumerate(way):
            if isinstance(node, list):
                addresses = [
                    _address(way[:position], index, value) for index, value in enumerate(node)
                ]
                at: Any = addresses.index(step)
            else:
                at = step
            if position == len(way) - 1:
                node[at] = text
            else:
                node = node[at]
    return found


def _differences(before: Jobs, after: Jobs) -> Iterator[tuple[Spot, str, str]]:
    then = dict(strings(after))
    for spot, text in strings(before):
        if then.get(spot, text) != text:
            yield spot, text, then[spot]


def _files(texts: Iterable[str]) -> set[str]:
    return {name for text in texts for name in names_in({"": text})}
