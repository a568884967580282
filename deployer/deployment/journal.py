"""The journal: one intent for each deployment, complete before its first write, and how it went on.

Owns the files of the journal and their form. They are only created, never changed: an intent, batches of
progress, an end. Whoever may write to the root can write here, too, so everything is checked when it is
read, and what does not hold is told and left out. It stores strings at places, never whole settings,
because settings hold secrets (design.md, rule 10). Must not decide what an entry means: `plan.history` does.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from deployer.deployment.intent import (
    FORMAT,
    Unusable,
    ending_from,
    entry_from,
    intent_of,
    packed,
    text,
)
from deployer.deployment.ports import (
    RECORD_LIMIT,
    AlreadyExists,
    Denied,
    Records,
    Refused,
    StoredFile,
)
from deployer.errors import FailureReason, fail
from deployer.library.model import Distribution
from deployer.plan.history import Ending, Entry, History

KEPT_ENTRIES = 50  # of one library; older ones go with later deployments
_NAME = re.compile(
    r"(?P<key>[a-z0-9-]{1,60}-[0-9a-f]{8})_(?P<id>(?P<sequence>\d{6,9})-\d{8}T\d{6}Z-[0-9a-f]{8})"
    r"\.(?P<part>intent|progress-\d{4}|end)\.json",
    re.ASCII,
)
# The last number of an entry, by the digits that its name may have; only a forger gets there.
_HIGHEST = 10**9 - 1
_ENOUGH = 30  # entries in a row, if a deployment that stands is among them
_MOST_READ = 200  # entries; a journal has more only if somebody fills it
_MOST_PRUNED = 10  # entries that one deployment deletes


@dataclass(frozen=True)
class _Files:
    """The files of one entry."""

    id: str
    sequence: int
    parts: Mapping[str, StoredFile]

    @property
    def name(self) -> str:
        """The name of the intent's file."""
        return self.parts["intent"].path.rsplit("/", 1)[-1]

    @property
    def stem(self) -> str:
        """What the names of all of its files begin with."""
        return self.name.removesuffix(".intent.json")


class Journal:
    """The journal of one root. Writers hold the lock of the library whose entries they write."""

    def __init__(self, records: Records, root: str) -> None:
        self._records = records
        self._root = root
        self._batches: defaultdict[str, int] = defaultdict(int)

    def history(self, distribution: Distribution, *, deep: bool = False) -> History:
        """The entries of one library, newest first.

        Read are the newest ones down to the first deployment that ended well and moved jobs; with `deep`
        all that are kept. What is not read although it may matter is told. Raises Denied, NotFound,
        Unavailable.
        """
        everything = _grouped(self._records.listed())
        ours = everything.get(key_of(distribution), ())
        entries: list[Entry] = []
        unread: list[str] = []
        for position, files in enumerate(ours):
            if not deep and _is_ground(entries, position):
                break
            if position == _MOST_READ:
                left = len(ours) - position
                unread.append(
                    f"the journal's {left} oldest entries were not read, they are too many"
                )
                break
            try:
                entry = self._read(files, distribution)
            except (Unusable, Refused, Denied) as error:
                unread.append(f"the journal's entry {files.id} can't be used: {error}")
                continue
            if entry is not None:
                entries.append(entry)
        ended = any("end" in files.parts for each in everything.values() for files in each)
        return History(tuple(entries), any_deployment=ended, unread=tuple(unread))

    def libraries(self) -> tuple[Distribution, ...]:
        """The libraries that have entries, by the newest of each that can be used. Raises as `history`."""
        found: set[Distribution] = set()
        for key, entries in _grouped(self._records.listed()).items():
            named = (self._library_of(one) for one in entries[:_ENOUGH])
            found.update(islice((one for one in named if one and key_of(one) == key), 1))
        return tuple(sorted(found))

    def next_sequence(self, distribution: Distribution) -> int:
        """The number of the next entry of that library. Raises DeployError when there is none left."""
        ours = _grouped(self._records.listed()).get(key_of(distribution), ())
        if ours and ours[0].sequence >= _HIGHEST:
            # A number of more digits would not be found again, and with it neither the way back.
            raise fail(
                FailureReason.JOURNAL_UNUSABLE,
                "The journal has no number left for another entry; nothing was changed.",
                detail=f"Its last entry is {ours[0].id}, and no deployment counts that far.",
                remedy=f"Find out who wrote {self._records.folder}/{ours[0].name}, and delete it.",
            )
        return ours[0].sequence + 1 if ours else 1

    def begin(self, entry: Entry) -> None:
        """Write the intent. Nothing may be written anywhere before this returned.

        Raises DeployError (too large, not to be read back, or the place is taken), Denied, NotFound,
        Refused, Unavailable.
        """
        content = packed(intent_of(entry))
        objection = self._objection(entry, content)
        if objection:
            raise fail(
                FailureReason.JOURNAL_UNUSABLE,
                f"The plan can't stand in the journal: {objection}.",
                detail="Nothing was changed: without a complete journal there is no way back.",
                remedy="If it is the size, deploy in parts, such as with `policy: exact` and "
                "`from-versions`. Else please report it, with this message.",
            )
        try:
            self._records.create(f"{_stem(entry)}.intent.json", content)
        except AlreadyExists as error:
            raise fail(
                FailureReason.JOURNAL_UNUSABLE,
                f"The journal has an entry {entry.id} already.",
                detail=str(error),
                remedy="Run it again.",
            ) from error

    def _objection(self, entry: Entry, content: bytes) -> str:
        """Why nobody could go back by what would be written; "" if all is well."""
        named = _NAME.fullmatch(f"{_stem(entry)}.intent.json")
        if named is None or int(named["sequence"]) != entry.sequence:
            return f"its name {_stem(entry)} would not be found again"
        if len(content) > RECORD_LIMIT:
            return f"it is too large, {len(content):,} bytes packed"
        try:
            again = entry_from(content, entry.distribution, self._root)
        except Unusable as error:
            return str(error)
        return "" if again == replace(entry, ending=None) else "it would be read as something else"

    def progress(self, entry: Entry, note: Mapping[str, object]) -> None:
        """Write one more batch: what was done since the last. For people; the jobs tell the truth."""
        self._batches[entry.id] += 1
        name = f"{_stem(entry)}.progress-{self._batches[entry.id]:04d}.json"
        self._records.create(name, text({**note, "format": FORMAT}))

    def end(self, entry: Entry, ending: Ending, note: Mapping[str, object]) -> None:
        """Write how it ended; a second end changes nothing."""
        document = {**note, "format": FORMAT, "ending": ending.value}
        try:
            self._records.create(f"{_stem(entry)}.end.json", text(document))
        except AlreadyExists:
            return

    def prune(self, distribution: Distribution) -> None:
        """Delete entries beyond `KEPT_ENTRIES`, a few at a time: the oldest first, its intent last."""
        ours = _grouped(self._records.listed()).get(key_of(distribution), ())
        for files in reversed(ours[KEPT_ENTRIES:][-_MOST_PRUNED:]):
            for part in sorted(files.parts, key=lambda one: one == "intent"):
                self._records.delete(files.parts[part].path.rsplit("/", 1)[-1])

    def _library_of(self, files: _Files) -> Distribution | None:
        """Which library an entry is about; None when it can't be used."""
        with contextlib.suppress(Unusable, Refused, Denied):
            content = self._records.read(files.name)
            if content is not None:
                return entry_from(content, None, self._root).distribution
        return None

    def _read(self, files: _Files, distribution: Distribution) -> Entry | None:
        content = self._records.read(files.name)
        if content is None:
            return None
        entry = entry_from(content, distribution, self._root)
        if (entry.id, entry.sequence) != (files.id, files.sequence):
            raise Unusable("it names another deployment than its file does")
        if "end" not in files.parts:
            return entry
        ended = self._records.read(f"{files.stem}.end.json")
        return entry if ended is None else replace(entry, ending=ending_from(ended))


def key_of(distribution: Distribution) -> str:
    """What the names of a library's own files begin with: readable, and different for each library."""
    whole = f"{distribution.kind.value}/{distribution.name}/{distribution.classifier}"
    readable = re.sub(r"[^a-z0-9]+", "-", distribution.name.lower()).strip("-")[:48] or "library"
    return f"{readable}-{hashlib.sha256(whole.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def id_for(sequence: int, stamp: str, chance: str) -> str:
    """The id of a deployment: `000012-20261128T154200Z-3f2a9c1d`; ids of one library sort by age."""
    return f"{sequence:06d}-{stamp}-{chance}"


def _is_ground(entries: list[Entry], looked_at: int) -> bool:
    """Whether nothing older matters for the next deployment, or for going back to `previous`.

    Beyond a deployment that ended well and still stands nothing is carried (`History.to_carry`).
    """
    standing = History(tuple(entries)).standing()
    return any(one.finished for one in standing) or (bool(standing) and looked_at >= _ENOUGH)


def _stem(entry: Entry) -> str:
    return f"{key_of(entry.distribution)}_{entry.id}"


def _grouped(listed: Iterable[StoredFile]) -> Mapping[str, tuple[_Files, ...]]:
    """The entries of each library by its key, newest first; files of other names are none of ours."""
    parts: defaultdict[tuple[str, int, str], dict[str, StoredFile]] = defaultdict(dict)
    for file in listed:
        found = _NAME.fullmatch(file.path.rsplit("/", 1)[-1])
        if found is not None:
            parts[found["key"], int(found["sequence"]), found["id"]][found["part"]] = file
    by_key: defaultdict[str, list[_Files]] = defaultdict(list)
    for (key, sequence, entry_id), files in sorted(parts.items(), reverse=True):
        if "intent" in files:
            by_key[key].append(_Files(entry_id, sequence, files))
    return {key: tuple(found) for key, found in by_key.items()}
