"""Entries as files: what is written is read back, and whatever else lies there is refused in few words."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from deployer.deployment.intent import (
    FORMAT,
    Unusable,
    ending_from,
    entry_from,
    intent_of,
    packed,
    text,
)
from deployer.plan.history import Ending, Entry, Moved, MovedJob
from tests.unit.deployment.journals import JAR, PLACE, ROOT, WHEEL, entries, entry
from tests.unit.jobs.test_places import any_json

Document = dict[str, Any]
Way = tuple[str | int, ...]

ENTRY = entry(12)
MEBIBYTE = 1024 * 1024


def document(**changes: Any) -> Document:
    """The intent of `ENTRY` with other values at the top."""
    return {**copy.deepcopy(dict(intent_of(ENTRY))), **changes}


def of_library(**changes: Any) -> Document:
    found = document()
    return {**found, "library": {**found["library"], **changes}}


def of_job(**changes: Any) -> Document:
    found = document()
    return {**found, "jobs": [{**found["jobs"][0], **changes}]}


def of_string(**changes: Any) -> Document:
    (string,) = document()["jobs"][0]["strings"]
    return of_job(strings=[{**string, **changes}])


def squeezed(content: bytes, **more: Any) -> bytes:
    return text(
        {"format": FORMAT, "zlib": base64.b64encode(zlib.compress(content)).decode(), **more}
    )


def read(content: bytes) -> Entry:
    return entry_from(content, WHEEL, ROOT)


def read_or_refused(content: bytes, root: str = ROOT) -> Entry | None:
    """The entry, which then passes all checks; or None, with a reason that repeats nothing of it."""
    try:
        found = entry_from(content, None, root)
    except Unusable as error:
        said = str(error)
        assert 0 < len(said) < 100 + len(root)
        assert said.isascii()
        assert said.isprintable()
        return None
    assert_ours(found, root)
    return found


def assert_ours(found: Entry, root: str) -> None:
    """It is what a run could have written: whatever the next run does with it, it knows what to expect."""
    assert found.path.startswith(f"{root}/")
    assert not {"", ".", ".."} & set(found.path.removeprefix(f"{root}/").split("/"))
    versions = [found.version, *(one for job in found.jobs for one in job.versions)]
    assert [str(Version(one)) for one in versions] == versions
    numbers = [found.sequence, found.size, found.started_ms, *(job.job_id for job in found.jobs)]
    assert all(type(one) is int and 0 <= one < 2**63 for one in numbers)
    assert len({job.job_id for job in found.jobs}) == len(found.jobs)
    for job in found.jobs:
        assert len({one.place for one in job.strings}) == len(job.strings)
    for one in (found.sha256, found.digest):
        assert len(one) in {0, 64}
        assert set(one) <= set("0123456789abcdef")
    assert found.ending is None
    assert entry_from(packed(intent_of(found)), found.distribution, root) == found


# ── What is written is read back ─────────────────────────────────────────────────────────────────


@given(entries())
def test_any_entry_comes_back_as_it_was(made: Entry) -> None:
    content = packed(intent_of(made))
    assert entry_from(content, made.distribution, ROOT) == made
    assert entry_from(content, None, ROOT) == made
    assert read_or_refused(content) == made
    content.decode("ascii")


@pytest.mark.parametrize(
    "root", ["/Workspace/libs/released", "dbfs:/libs", "/Volumes/a/b/c", "/Workspace/%ODD%/{{x}}"]
)
@given(st.data())
def test_any_entry_comes_back_in_every_kind_of_root(root: str, data: st.DataObject) -> None:
    made = data.draw(entries(root))
    assert entry_from(packed(intent_of(made)), made.distribution, root) == made


@settings(max_examples=20)
@given(entries(), st.integers(2, 4))
def test_a_big_entry_is_compressed_and_comes_back_as_it_was(made: Entry, copies: int) -> None:
    whole = "-".join(chr(0xD000 + number) for number in range(0x1000)) * 30  # lone surrogates, too
    strings = tuple(Moved(replace(PLACE, steps=("x", at)), whole, "") for at in range(copies))
    big = replace(made, jobs=(MovedJob(10**12, "\ud83d", strings, ("1.0",)), *made.jobs))
    content = packed(intent_of(big))
    assert json.loads(content).keys() == {"format", "zlib"}
    assert len(content) < MEBIBYTE
    assert entry_from(content, big.distribution, ROOT) == big


def test_a_small_entry_can_be_read_by_people() -> None:
    lines = packed(intent_of(ENTRY)).decode("ascii").splitlines()
    assert ' "action": "deploy",' in lines
    assert len(lines) > 30


@given(entries())
def test_the_same_entry_is_the_same_bytes(made: Entry) -> None:
    assert packed(intent_of(made)) == packed(dict(reversed(list(intent_of(made).items()))))


def test_how_it_ended_is_no_part_of_the_intent() -> None:
    assert intent_of(replace(ENTRY, ending=Ending.FAILED)) == intent_of(ENTRY)


@pytest.mark.parametrize("ending", Ending)
def test_every_ending_comes_back(ending: Ending) -> None:
    assert ending_from(text({"format": FORMAT, "ending": ending.value, "reason": "x"})) is ending


# ── What it may not say ──────────────────────────────────────────────────────────────────────────

REFUSED: dict[str, Document] = {
    "another format": document(format=2),
    "a format that is a text": document(format="1"),
    "another action": document(action="delete"),
    "an action that is no text": document(action=["deploy"]),
    "no library": document(library=None),
    "another library": of_library(name="other"),
    "another kind": of_library(kind="jar"),
    "an unknown kind": of_library(kind="zip"),
    "another classifier": of_library(classifier="assembly"),
    "another spelling of the name": of_library(name="Sales_Metrics"),
    "a name that is half a character": of_library(name="\ud800"),
    "no name": of_library(name=""),
    "a version that is none": of_library(version="latest"),
    "another spelling of the version": of_library(version="v1.4.0"),
    "a version with a line break": of_library(version="1.4.0\n"),
    "a version that no file name can hold": of_library(version="1" * 300),
    "a version with more digits than Python reads": of_library(version="1" * 5000),
    "a version that is a number": of_library(version=1),
    "the root itself": of_library(path=ROOT),
    "the root with a slash": of_library(path=f"{ROOT}/"),
    "a file outside of the root": of_library(path="/Volumes/main/libs/evil/x.whl"),
    "a folder that begins like the root": of_library(path=f"{ROOT}-evil/x.whl"),
    "a way out of the root": of_library(path=f"{ROOT}/../evil/x.whl"),
    "a way out and back in": of_library(path=f"{ROOT}/../released/x.whl"),
    "the root in another spelling": of_library(path=f"dbfs:{ROOT}/x.whl"),
    "a step that goes nowhere": of_library(path=f"{ROOT}/./x.whl"),
    "two slashes": of_library(path=f"{ROOT}//x.whl"),
    "a hash that is too short": of_library(sha256="ab"),
    "a hash in capitals": of_library(sha256="AB" * 32),
    "a hash with a line break": of_library(sha256="ab" * 32 + "\n"),
    "a digest that is a text": document(digest="approve me"),
    "a size below nothing": of_library(size=-1),
    "a size that is a fraction": of_library(size=1.0),
    "a size that is yes": of_library(size=True),
    "a number that no service has": document(started_ms=10**300),
    "an id that is a number": document(id=12),
    "an actor that is too long": document(actor="x" * (MEBIBYTE + 1)),
    "removals that are a text": document(removals="all"),
    "removals that are numbers": document(removals=[1]),
    "undoes that hold nothing": document(undoes=[None]),
    "jobs that are an object": document(jobs={}),
    "a job that is a number": document(jobs=[7]),
    "a job twice": document(jobs=document()["jobs"] * 2),
    "a job without an id": of_job(job_id=None),
    "a job whose id is a text": of_job(job_id="7"),
    "a job that left no version": of_job(versions=["nothing"]),
    "versions that are a text": of_job(versions="1.0.0"),
    "strings that are an object": of_job(strings={}),
    "a string that is a text": of_job(strings=["x"]),
    "a place twice": of_job(strings=document()["jobs"][0]["strings"] * 2),
    "a place without steps": of_string(place=[]),
    "a place that is a text": of_string(place="tasks"),
    "a place below nothing": of_string(place=["tasks", -1]),
    "a place by a key that no array has": of_string(place=[{"path": "x"}]),
    "no string before": of_string(before=None),
    "a string after that is a list": of_string(after=["x"]),
}


@pytest.mark.parametrize("written", REFUSED.values(), ids=REFUSED)
def test_what_no_run_writes_is_refused(written: Document) -> None:
    content = json.dumps(written).encode()
    with pytest.raises(Unusable):
        read(content)
    if written.get("library", {}) is not None:
        read_or_refused(content)


def test_an_entry_of_another_library_is_refused_and_readable_where_any_will_do() -> None:
    content = packed(intent_of(replace(ENTRY, distribution=JAR)))
    with pytest.raises(Unusable, match="another library"):
        read(content)
    assert entry_from(content, None, ROOT).distribution == JAR


def test_keys_that_nobody_knows_are_passed_over() -> None:
    assert read(json.dumps(document(more={"x": [1]})).encode()) == ENTRY


def test_of_a_key_that_stands_twice_the_last_counts_in_every_check() -> None:
    content = json.dumps(of_library()).encode()
    twice = content.replace(b'"path"', b'"path": "/Volumes/main/libs/evil/x.whl", "path"', 1)
    assert read(twice) == ENTRY
    swapped = content.replace(b'"sha256"', b'"path": "/Volumes/main/libs/evil/x.whl", "sha256"', 1)
    with pytest.raises(Unusable, match="no file in"):
        read(swapped)


@pytest.mark.parametrize("name", sorted(document()))
def test_no_key_at_the_top_may_be_missing(name: str) -> None:
    lacking = {key: value for key, value in document().items() if key != name}
    with pytest.raises(Unusable):
        read(json.dumps(lacking).encode())


@pytest.mark.parametrize("name", sorted(document()["library"]))
def test_no_key_of_the_library_may_be_missing(name: str) -> None:
    lacking = document()
    del lacking["library"][name]
    with pytest.raises(Unusable):
        read(json.dumps(lacking).encode())


# ── Bytes that are something else ────────────────────────────────────────────────────────────────

PLAIN = packed(intent_of(ENTRY))
ZLIB = base64.b64encode(zlib.compress(PLAIN)).decode()


def test_what_is_compressed_may_be_small() -> None:
    assert read(squeezed(PLAIN)) == ENTRY


GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "a zero": b"\0",
    "no text": b"\xff\xfe\xfa",
    "a mark": b"\xef\xbb\xbf",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"x"',
    "an empty object": b"{}",
    "half of it": PLAIN[: len(PLAIN) // 2],
    "it twice": PLAIN * 2,
    "a page": b"<html>Sign in</html>",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"format":1,"jobs":' + b'{"x":' * 100_000,
    "deep and closed": b'{"format":1,"library":' + b"[" * 900 + b"]" * 900 + b"}",
    "a number with too many digits": b'{"format":' + b"1" * 5000 + b"}",
    "no number": b'{"format":NaN}',
    "base64 that is none": text({"format": 1, "zlib": "%%%"}),
    "base64 with a line break": text({"format": 1, "zlib": f"{ZLIB[:20]}\n{ZLIB[20:]}"}),
    "base64 that is not ASCII": text({"format": 1, "zlib": "ü"}),
    "base64 of half a character": text({"format": 1, "zlib": "\ud800"}),
    "base64 without its end": text({"format": 1, "zlib": ZLIB[:-1]}),
    "nothing compressed": text({"format": 1, "zlib": ""}),
    "a list of zlib": text({"format": 1, "zlib": [ZLIB]}),
    "zlib that is none": text({"format": 1, "zlib": base64.b64encode(b"x" * 99).decode()}),
    "zlib without its check": text(
        {"format": 1, "zlib": base64.b64encode(zlib.compress(PLAIN)[:-4]).decode()}
    ),
    "zlib with something behind": text(
        {"format": 1, "zlib": base64.b64encode(zlib.compress(PLAIN) + b"x").decode()}
    ),
    "zlib in zlib": squeezed(squeezed(PLAIN)),
    "compressed null": squeezed(b"null"),
    "compressed deep lists": squeezed(b"[" * 10_000_000),
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused(content: bytes) -> None:
    assert read_or_refused(content) is None
    with pytest.raises(Unusable):
        ending_from(content)


def test_a_zlib_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = zlib.compressobj()
    much = b"".join([*(bomb.compress(b" " * MEBIBYTE) for _ in range(64)), bomb.flush()])
    content = text({"format": FORMAT, "zlib": base64.b64encode(much).decode()})
    assert len(content) < MEBIBYTE
    with pytest.raises(Unusable, match="more than 33,554,432 bytes"):
        read(content)


@given(st.binary())
@example(b"\x00{")
@example("\ufeff{}".encode("utf-16"))
def test_any_bytes_are_refused(content: bytes) -> None:
    assert read_or_refused(content) is None


@given(st.binary())
def test_any_bytes_that_are_compressed_are_refused(content: bytes) -> None:
    assert read_or_refused(squeezed(content)) is None


@given(any_json)
def test_any_json_is_refused(anything: Any) -> None:
    assert read_or_refused(json.dumps(anything).encode()) is None
    assert read_or_refused(json.dumps({"format": FORMAT, "library": anything}).encode()) is None


# ── Entries that somebody changed ────────────────────────────────────────────────────────────────


def ways(node: Any, way: Way = ()) -> Iterator[Way]:
    """The way to everything in a document."""
    yield way
    children: Any = ()
    if isinstance(node, dict):
        children = node.items()
    elif isinstance(node, list):
        children = enumerate(node)
    for key, child in children:
        yield from ways(child, (*way, key))


def changed(document: Any, way: Way, change: Any) -> Any:
    """The document with what `change` makes of the node at `way`; without it where that is `GONE`."""
    if not way:
        return change(document)
    made = copy.copy(document)
    new = changed(made[way[0]], way[1:], change)
    if new is GONE:
        del made[way[0]]
    else:
        made[way[0]] = new
    return made


GONE = object()
_VALUES = st.one_of(
    any_json,
    st.sampled_from(
        [
            2**63,
            10**300,
            -1,
            1.5,
            True,
            float("nan"),
            "\ud800",
            "x" * (MEBIBYTE + 1),
            f"{ROOT}/../x.whl",
            "../x.whl",
            {"task_key": "x"},
            [[[[[]]]]],
        ]
    ),
)


@st.composite
def forged(draw: st.DrawFn) -> bytes:
    """A true intent, changed in one to three places."""
    made: Any = dict(intent_of(draw(entries())))
    for _ in range(draw(st.integers(1, 3))):
        way = draw(st.sampled_from([*ways(made)]))
        kind = draw(st.sampled_from(["value", "gone", "twice", "inside"]))
        value = draw(_VALUES)
        changes: dict[str, Any] = {
            "value": lambda _, value=value: value,
            "gone": lambda _, way=way: GONE if way else None,
            "twice": lambda node: node * 2 if isinstance(node, list | str) else [node, node],
            "inside": lambda node: {"x": node},
        }
        made = changed(made, way, changes[kind])
    return json.dumps(made).encode()


@given(forged(), st.booleans())
def test_an_entry_that_somebody_changed_passes_all_checks_or_is_refused(
    content: bytes, compressed: bool
) -> None:
    found = read_or_refused(squeezed(content) if compressed else content)
    if found is not None and found.distribution != WHEEL:
        with pytest.raises(Unusable):
            read(content)


@given(entries(), st.data())
def test_an_entry_with_other_bytes_somewhere_passes_all_checks_or_is_refused(
    made: Entry, data: st.DataObject
) -> None:
    content = packed(intent_of(made))
    if data.draw(st.booleans()):
        content = squeezed(content)
    at = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 20))
    read_or_refused(content[:at] + data.draw(st.binary(max_size=8)) + content[at + length :])


# ── Ends ─────────────────────────────────────────────────────────────────────────────────────────

END = {"format": FORMAT, "ending": "succeeded", "reason": "x"}


@pytest.mark.parametrize(
    "written",
    [
        {**END, "ending": "done"},
        {**END, "ending": "Succeeded"},
        {**END, "ending": "SUCCEEDED"},
        {**END, "ending": ["succeeded"]},
        {**END, "ending": None},
        {**END, "ending": "x" * 100_000},
        {**END, "format": 2},
        {"format": FORMAT},
        {"ending": "succeeded"},
    ],
    ids=range(9),
)
def test_an_end_that_is_none_is_refused_in_a_short_sentence(written: Document) -> None:
    with pytest.raises(Unusable) as refused:
        ending_from(json.dumps(written).encode())
    assert len(str(refused.value)) < 100


@given(st.binary() | any_json.map(lambda one: json.dumps(one).encode()))
def test_any_end_is_an_ending_or_refused(content: bytes) -> None:
    with pytest.raises(Unusable):
        ending_from(content)


@given(any_json)
def test_an_end_says_one_word_whatever_else_it_says(anything: Any) -> None:
    content = json.dumps({"reason": anything, **END}).encode()
    assert ending_from(content) is Ending.SUCCEEDED
