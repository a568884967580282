"""What lies in the folder of a lock: generations of claims, and who made them.

Owns the names and the form of a lock's files. Pure. Anybody may have written them, so whatever can't be
read counts as somebody unknown. Must not take or release anything: `lock` and `holding` do.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from deployer.deployment.ports import StoredFile

SHORTEST_LEASE_S, LONGEST_LEASE_S = 1.0, 3600.0
_FORMAT = 1
_NAME = re.compile(
    r"(?P<number>\d{8,10})\.(?P<part>claim|released|intent-[0-9a-f]{16}|alive-\d{6})\.json"
)
HIGHEST = 10**10 - 1  # number of a generation; only a forger gets there
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
    """What a claim says: whose it is, and after how many seconds without a sign of life it is void."""

    nonce: str
    holder: Holder
    lease_s: float

    def to_bytes(self) -> bytes:
        """The claim as the bytes of its file."""
        document = {
            "format": _FORMAT,
            "nonce": self.nonce,
            "lease_s": self.lease_s,
            "holder": asdict(self.holder),
        }
        return (json.dumps(document, indent=1) + "\n").encode("ascii")


def claim_from(content: bytes | None, lease_s: float) -> Claim:
    """The claim that `content` holds; with `lease_s` where it says none, and always within bounds."""
    document = _document(content or b"")
    said = document.get("lease_s")
    if isinstance(said, int | float) and 0 < said <= LONGEST_LEASE_S:
        lease_s = float(said)
    nonce = document.get("nonce")
    return Claim(
        nonce=nonce if isinstance(nonce, str) else "",
        holder=_holder_of(document.get("holder")),
        lease_s=min(max(lease_s, SHORTEST_LEASE_S), LONGEST_LEASE_S),
    )


@dataclass(frozen=True)
class Generation:
    """What a look says of one generation."""

    number: int
    parts: Mapping[str, StoredFile]

    @property
    def claimed(self) -> bool:
        """Whether somebody made the claim."""
        return "claim" in self.parts

    @property
    def released(self) -> bool:
        """Whether it was given back."""
        return "released" in self.parts

    @property
    def last_sign_ms(self) -> int:
        """When its holder was last heard of, by the service's time of files, epoch milliseconds."""
        signs = (f for part, f in self.parts.items() if not part.startswith("intent"))
        return max((one.modified_ms for one in signs), default=0)

    def intents(self, but: str = "") -> tuple[StoredFile, ...]:
        """The intents to claim it, but for that of the nonce `but`."""
        return tuple(
            file
            for part, file in self.parts.items()
            if part.startswith("intent-") and part != f"intent-{but}"
        )


@dataclass(frozen=True)
class View:
    """One look at a lock: its generations by number."""

    generations: Mapping[int, Generation]

    @property
    def top(self) -> Generation | None:
        """The highest generation that was claimed: the one that counts."""
        claimed = [number for number, one in self.generations.items() if one.claimed]
        return self.generations[max(claimed)] if claimed else None

    def names_before(self, number: int) -> tuple[str, ...]:
        """The files of generations below `number`, the oldest first."""
        older = sorted(one for one in self.generations if one < number)
        return tuple(
            file.path.rsplit("/", 1)[-1]
            for one in older
            for file in self.generations[one].parts.values()
        )


def view_of(files: Iterable[StoredFile]) -> View:
    """The look that a listing gives; files of other names are none of ours."""
    parts: defaultdict[int, dict[str, StoredFile]] = defaultdict(dict)
    for file in files:
        found = _NAME.fullmatch(file.path.rsplit("/", 1)[-1])
        if found is not None:
            parts[int(found["number"])][found["part"]] = file
    return View({number: Generation(number, one) for number, one in parts.items()})


def file_name(number: int, part: str) -> str:
    """The name of one file of a generation."""
    return f"{number:08d}.{part}.json"


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
        return value[:_LONGEST_TEXT] if isinstance(value, str) else ""

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
