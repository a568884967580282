"""A journal in memory, and its entries: one by hand, and any that a run could write.

journal = Journal(FakeWorkspace().records(f"{ROOT}/journal"), ROOT)
journal.begin(entry(1))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from deployer.deployment.journal import Journal, id_for, key_of
from deployer.deployment.ports import StoredFile
from deployer.jobs.places import Place
from deployer.library.model import Distribution, Kind
from deployer.plan.history import Action, Ending, Entry, Moved, MovedJob
from tests.fake_workspace import FakeRecords, FakeWorkspace
from tests.unit.jobs.test_places import places

ROOT = "/Volumes/main/libs/released"
FOLDER = f"{ROOT}/.spark-deploy/journal"
DONE = Ending.SUCCEEDED
WHEEL = Distribution(canonicalize_name("sales-metrics"), Kind.WHEEL)
JAR = Distribution(canonicalize_name("sales-metrics"), Kind.JAR, "assembly")
PLACE = Place(("tasks", 0, "libraries", 0, "whl"))


def entry(sequence: int, version: str = "1.4.0", **more: Any) -> Entry:
    """A deployment that moved job 7 from 1.0.0, unless `more` says otherwise."""
    file = f"{ROOT}/sales_metrics-{version}-py3-none-any.whl"
    old = f"{ROOT}/sales_metrics-1.0.0-py3-none-any.whl"
    fields: dict[str, Any] = {
        "id": id_for(sequence, "20260102T030405Z", f"{sequence:08x}"),
        "sequence": sequence,
        "action": Action.DEPLOY,
        "distribution": WHEEL,
        "version": version,
        "path": file,
        "sha256": "ab" * 32,
        "size": 4096,
        "digest": "cd" * 32,
        "jobs": (MovedJob(7, "nightly", (Moved(PLACE, old, file),), ("1.0.0",)),),
    }
    return Entry(**{**fields, **more})


# ── Generated ────────────────────────────────────────────────────────────────────────────────────


def _as_json_reads(text: str) -> str:
    """A text that an answer of the API can hold: two halves of a pair are one character there."""
    found: str = json.loads(json.dumps(text))
    return found


def _place_as_json_reads(place: Place) -> Place:
    return Place.from_json(json.loads(json.dumps(place.to_json())))


texts = st.text(st.characters(exclude_categories=()), max_size=30).map(_as_json_reads)
versions = st.one_of(
    st.sampled_from(["1.0.0", "1.4.0rc1", "2!1.0", "1.4.0+abc.7", "0.0.1.dev0", "1.2.3.post4"]),
    st.builds("{}.{}.{}".format, *[st.integers(0, 10**9)] * 3),
)
_numbers = st.integers(0, 2**63 - 1)
_hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
_ids = st.builds(
    id_for,
    st.integers(1, 999_999_999),
    st.just("20261128T154200Z"),
    st.text("0123456789abcdef", min_size=8, max_size=8),
)
_below = st.lists(
    texts.map(lambda one: one.replace("/", "")).filter(lambda one: one not in {"", ".", ".."}),
    min_size=1,
    max_size=2,
).map("/".join)
distributions = st.builds(
    Distribution,
    st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)?", fullmatch=True).map(canonicalize_name),
    st.sampled_from(Kind),
    st.sampled_from(["", "assembly", "ü"]),
)
_lists = st.lists(texts, max_size=2).map(tuple)
_jobs = st.lists(
    st.builds(
        MovedJob,
        _numbers,
        texts,
        st.lists(
            st.builds(Moved, places.map(_place_as_json_reads), texts, texts),
            max_size=4,
            unique_by=lambda one: one.place,
        ).map(tuple),
        st.lists(versions, max_size=3).map(tuple),
    ),
    max_size=4,
    unique_by=lambda one: one.job_id,
).map(tuple)


@st.composite
def entries(draw: st.DrawFn, root: str = ROOT) -> Entry:
    """Any entry of any library that a run could begin in `root`."""
    id_ = draw(_ids)
    return Entry(
        id=id_,
        sequence=int(id_.split("-")[0]),
        action=draw(st.sampled_from(Action)),
        distribution=draw(distributions),
        version=draw(versions),
        path=f"{root}/{draw(_below)}",
        sha256=draw(_hashes | st.just("")),
        size=draw(_numbers),
        digest=draw(_hashes),
        jobs=draw(_jobs),
        removals=draw(_lists),
        carries=draw(st.lists(_ids, max_size=2).map(tuple)),
        undoes=draw(st.lists(_ids, max_size=2).map(tuple)),
        clusters=draw(_lists),
        actor=draw(texts),
        user=draw(texts),
        git_sha=draw(texts),
        run_url=draw(texts),
        started_ms=draw(_numbers),
    )


@dataclass
class Watched:
    """Implements `ports.Records` in memory; `read_names` are the files that were read, in order.

    `trouble` has what reading a file raises, by its name.
    """

    records: FakeRecords
    read_names: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    listings: int = 0
    trouble: dict[str, Exception] = field(default_factory=dict)
    before_read: Callable[[str], None] = lambda _: None

    @property
    def folder(self) -> str:
        return self.records.folder

    def listed(self) -> tuple[StoredFile, ...]:
        self.listings += 1
        return self.records.listed()

    def read(self, name: str) -> bytes | None:
        self.read_names.append(name)
        self.before_read(name)
        if name in self.trouble:
            raise self.trouble[name]
        return self.records.read(name)

    def create(self, name: str, content: bytes) -> None:
        self.records.create(name, content)

    def delete(self, name: str) -> None:
        self.deleted.append(name)
        self.records.delete(name)

    def names(self) -> list[str]:
        return [one.path.rsplit("/", 1)[-1] for one in self.records.listed()]

    def content(self, name: str) -> bytes:
        found = self.records.read(name)
        assert found is not None
        return found


def in_memory() -> Watched:
    return Watched(FakeWorkspace(volumes={"main.libs.released"}).records(FOLDER))


def write(journal: Journal, *written: Entry) -> None:
    """The entries, each with its end if it has one."""
    for one in written:
        journal.begin(one)
        if one.ending is not None:
            journal.end(one, one.ending, {})


def done(sequence: int, **more: Any) -> Entry:
    return entry(sequence, f"1.4.{sequence}", **{"ending": DONE, **more})


def numbers(found: Iterable[Entry]) -> list[int]:
    return [one.sequence for one in found]


def file_of(one: Entry, part: str = "intent") -> str:
    return f"{key_of(one.distribution)}_{one.id}.{part}.json"
