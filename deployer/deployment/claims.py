"""What lies in the folder of a lock: generations, the signs of those who stand for them, and who they are.

Owns the names and the form of a lock's files. Pure. Anybody may have written them, so whatever can't be
read counts as somebody unknown. Must not take or release anything: `lock` and `holding` do.

Files of generation 8, which are created and never changed:

    00000008.intent-<nonce>-<lease>.json    somebody stands for it; its signs count for so many seconds
    00000008.claim.json                     somebody took it, by exclusive create
    00000008.alive-<sign>.json              its holder lives
    00000008.<secret>.released.json         whoever stood for it with the digest of this secret is done

The nonce is the digest of a secret, so nobody but its maker can say that its maker is done. The lease
stands in a name, so that a listing tells everything that matters.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from deployer.deployment.ports import StoredFile

SHORTEST_LEASE_S, LONGEST_LEASE_S = 1, 3600
_ANY_TIME = 10**8
"""From this number on, no number is above the time of its file in milliseconds: it would be made up.

Else one file could use all numbers up. Time goes on faster than a lock is taken.
"""
_FORMAT = 1
_NAME = re.compile(
    r"(?P<number>[0-9]{8}|[1-9][0-9]{8,12})\."
    r"(?P<part>claim|alive-[0-9a-f]{16}|intent-[0-9a-f]{16}-[0-9]{1,4}|[0-9a-f]{16}\.released)\.json"
)
_LONGEST_TEXT = 500  # characters of what a claim says of its holder


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, for people, and how the same run or a dead process of this machine is told.

    `run` names one job of one CI run, "" elsewhere; `attempt` counts its re-runs, `runner` is the machine
    that executes it, one job at a time. `machine` and `process` name a process of a machine. `since` is
    the workspace's time in words.
    """

    name: str
    run_url: str = ""
    run: str = ""
    attempt: int = 0
    runner: str = ""
    machine: str = ""
    process: str = ""
    since: str = ""

    @property
    def label(self) -> str:
        """The holder in a sentence."""
        since = f"since {self.since}" if self.since else ""
        return ", ".join(filter(None, (self.name or "somebody unknown", self.run_url, since)))


@dataclass(frozen=True)
class Claim:
    """What an intent and a claim say: whose they are."""

    nonce: str
    holder: Holder

    def to_bytes(self) -> bytes:
        """The claim as the bytes of its file."""
        document = {"format": _FORMAT, "nonce": self.nonce, "holder": asdict(self.holder)}
        return (json.dumps(document, indent=1) + "\n").encode("ascii")


def claim_from(content: bytes | None) -> Claim:
    """The claim that `content` holds; of somebody unknown where it holds none."""
    document = _document(content or b"")
    nonce = document.get("nonce")
    return Claim(nonce if isinstance(nonce, str) else "", _holder_of(document.get("holder")))


@dataclass(frozen=True)
class Taken:
    """One generation that a run stands for, as a later process of it needs it to give it back.

    Only who took it knows the `nonce`, until it is given back; files name its digest.
    """

    folder: str
    number: int
    nonce: str

    @property
    def public(self) -> str:
        """What files say instead of the nonce."""
        return _digest(self.nonce)

    def intent(self, lease_s: float) -> str:
        """The name of the file that says that somebody stands for it, with signs good for that long."""
        return file_name(self.number, f"intent-{self.public}-{math.ceil(lease_s)}")

    def sign(self, count: int) -> str:
        """The name of the file that shows that its holder lives; nobody else can have made it before."""
        return file_name(self.number, f"alive-{_digest(f'{self.nonce} {count}')}")

    @property
    def released(self) -> str:
        """The name of the file that says that whoever took it is done."""
        return file_name(self.number, f"{self.nonce}.released")


@dataclass(frozen=True)
class Generation:
    """What a look says of one generation: its files by what stands between number and `.json`."""

    number: int
    parts: Mapping[str, StoredFile]

    @property
    def claimed(self) -> bool:
        """Whether somebody took it."""
        return "claim" in self.parts

    @cached_property
    def standing(self) -> Mapping[str, str]:
        """Who stands for it and did not say to be done: the names of their intents by nonce."""
        done = {_digest(part.split(".")[0]) for part in self.parts if part.endswith(".released")}
        intents = {part.split("-")[1]: part for part in self._intents}
        return {nonce: part for nonce, part in intents.items() if nonce not in done}

    @property
    def is_over(self) -> bool:
        """Whether everybody who stood for it is done. A claim of nobody is over by its age only."""
        nobody = self.number == 0 or not self.claimed or bool(self._intents)
        return nobody and not self.standing

    @property
    def signs(self) -> frozenset[str]:
        """Everything in it that tells of life."""
        silent = {part for part in self._intents if part not in self.standing.values()}
        return frozenset(
            part for part in self.parts if part not in silent and not part.endswith(".released")
        )

    @property
    def last_sign_ms(self) -> int:
        """When somebody who stands for it was last heard of, epoch milliseconds by the times of files."""
        return max((self.parts[part].modified_ms for part in self.signs), default=0)

    def lease_s(self, otherwise: float) -> float:
        """How long its signs count, in seconds; `otherwise` where none of its files says so."""
        said = [int(part.split("-")[2]) for part in self.standing.values()]
        return min(max([*said, *([] if said else [otherwise]), SHORTEST_LEASE_S]), LONGEST_LEASE_S)

    @property
    def _intents(self) -> list[str]:
        return [part for part in self.parts if part.startswith("intent-")]


@dataclass(frozen=True)
class View:
    """One look at a lock: its generations by number."""

    generations: Mapping[int, Generation]

    @property
    def highest(self) -> int:
        """The highest number that was used, 0 for none."""
        return max(self.generations, default=0)

    @property
    def top(self) -> Generation | None:
        """The highest generation that somebody took: the one that counts."""
        taken = [number for number, one in self.generations.items() if one.claimed]
        return self.generations[max(taken)] if taken else None

    def below(self, number: int) -> tuple[Generation, ...]:
        """The generations below `number`, the highest first."""
        return tuple(
            self.generations[one] for one in sorted(self.generations, reverse=True) if one < number
        )

    def names_below(self, number: int) -> tuple[str, ...]:
        """The files of generations below `number`, first of those that are not over, then the oldest.

        Of each, what says that it is over comes last, so that half of it is over, too.
        """
        below = sorted(self.below(number), key=lambda one: (one.is_over, one.number))
        return tuple(
            file_name(one.number, part)
            for one in below
            for part in sorted(one.parts, key=lambda part: (part.endswith(".released"), part))
        )


def view_of(files: Iterable[StoredFile]) -> View:
    """The look that a listing gives; files of other names, or of made up numbers, are none of ours."""
    parts: defaultdict[int, dict[str, StoredFile]] = defaultdict(dict)
    for file in files:
        found = _NAME.fullmatch(file.path.rsplit("/", 1)[-1])
        number = int(found["number"]) if found else 0
        if found and (number < _ANY_TIME or number <= file.modified_ms):
            parts[number][found["part"]] = file
    return View({number: Generation(number, one) for number, one in parts.items()})


def file_name(number: int, part: str) -> str:
    """The name of one file of a generation."""
    return f"{number:08d}.{part}.json"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).hexdigest()[:16]


def _document(content: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _holder_of(told: object) -> Holder:
    known = told if isinstance(told, dict) else {}

    def said(name: str) -> str:
        value = known.get(name)
        if not isinstance(value, str):
            return ""
        # JSON may hold halves of characters, which can't be written anywhere.
        return value[:_LONGEST_TEXT].encode("utf-8", errors="replace").decode("utf-8")

    attempt = known.get("attempt")
    return Holder(
        name=said("name"),
        run_url=said("run_url"),
        run=said("run"),
        attempt=attempt if isinstance(attempt, int) else 0,
        runner=said("runner"),
        machine=said("machine"),
        process=said("process"),
        since=said("since"),
    )
