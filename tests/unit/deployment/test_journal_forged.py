"""What others put among the journal's files: it is read or told, and nothing else comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from deployer.deployment.intent import intent_of, packed, text
from deployer.deployment.journal import KEPT_ENTRIES, Journal, id_for, key_of
from deployer.deployment.ports import Denied
from deployer.errors import DeployError
from deployer.library.model import Distribution, Kind
from deployer.plan.history import Ending, goal_of
from tests.unit.deployment.journals import (
    JAR,
    ROOT,
    WHEEL,
    Watched,
    done,
    entry,
    file_of,
    in_memory,
    numbers,
    write,
)
from tests.unit.deployment.test_intent import GARBAGE, forged

_STRANGE = (
    "readme.txt",
    "intent.json",
    ".intent.json",
    "sales-metrics_000009.intent.json",
    file_of(done(9)).upper(),
    f"{file_of(done(9))}.bak",
    f" {file_of(done(9))}",
    f"{file_of(done(9))}\n",
    file_of(done(9)).replace("_", "-"),
    file_of(done(9)).replace("000009", "00009"),
    file_of(done(9)).replace("000009", "0000000009"),
    file_of(done(9)).replace("000009", "00000٩"),
    file_of(done(9)).replace("Z-", "Z-g"),
    file_of(done(9), "progress"),
    file_of(done(9), "progress-00001"),
    file_of(done(9), "intent.end"),
    "x" * 255,
)


def test_files_of_other_names_are_none_of_ours(journal: Journal, records: Watched) -> None:
    write(journal, done(1))
    before = [journal.history(WHEEL, deep=True), journal.libraries(), journal.next_sequence(WHEEL)]
    for name in _STRANGE:
        records.create(name, packed(intent_of(done(9))))
    found = [journal.history(WHEEL, deep=True), journal.libraries(), journal.next_sequence(WHEEL)]
    assert found == before
    assert not set(_STRANGE) & set(records.read_names)
    for number in range(10, KEPT_ENTRIES + 20):
        write(journal, done(number))
    journal.prune(WHEEL)
    assert set(_STRANGE) <= set(records.names())


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("part", ["intent", "end"])
def test_an_entry_that_is_none_is_told_and_the_others_are_read(
    journal: Journal, records: Watched, part: str, content: bytes
) -> None:
    write(journal, done(1), done(3))
    if part == "end":
        write(journal, entry(2))
    records.create(file_of(entry(2), part), content)
    found = journal.history(WHEEL, deep=True)
    assert numbers(found.entries) == [3, 1]
    (told,) = found.unread
    assert told.startswith(f"the journal's entry {entry(2).id} can't be used: ")
    assert len(told) < 200


def test_an_entry_under_the_name_of_another_can_not_be_used(
    journal: Journal, records: Watched
) -> None:
    write(journal, done(1))
    records.create(file_of(done(2)), packed(intent_of(done(1))))
    same_id = {**intent_of(done(3)), "sequence": 4}
    records.create(file_of(done(3)), packed(same_id))
    records.create(file_of(done(5)), packed(intent_of(done(5, distribution=JAR))))
    found = journal.history(WHEEL, deep=True)
    assert numbers(found.entries) == [1]
    assert [one.split(": ")[1] for one in found.unread] == [
        "it is about another library",
        "it names another deployment than its file does",
        "it names another deployment than its file does",
    ]


def test_an_entry_of_another_root_can_not_be_used(records: Watched) -> None:
    write(Journal(records, ROOT), done(1))
    found = Journal(records, "/Volumes/main/libs/other").history(WHEEL)
    assert (found.entries, len(found.unread)) == ((), 1)


def test_libraries_are_those_of_the_newest_entry_that_can_be_used(
    journal: Journal, records: Watched
) -> None:
    write(journal, done(1), done(2))
    records.create(file_of(done(3)), b"{}")
    records.create(file_of(done(4)), packed(intent_of(done(4, distribution=JAR))))
    records.trouble[file_of(done(2))] = Denied("No.")
    assert journal.libraries() == (WHEEL,)


@pytest.mark.parametrize("name", ["\ud800", "Sales_Metrics", "", "x\n", "[x](y)"], ids=range(5))
def test_a_library_that_somebody_made_up_is_none(
    journal: Journal, records: Watched, name: str
) -> None:
    write(journal, done(1))
    odd = done(1, distribution=Distribution(canonicalize_name("x"), Kind.JAR))
    document: Any = intent_of(odd)
    document = {**document, "library": {**document["library"], "name": name}}
    records.create(file_of(odd), packed(document))
    assert journal.libraries() == (WHEEL,)


_file_names = st.one_of(
    st.sampled_from(_STRANGE),
    st.builds(
        file_of,
        st.integers(1, 4).map(done),
        st.sampled_from(["intent", "end", "progress-0001", "progress-9999", "intent.json"]),
    ),
    st.builds(
        lambda key, number, stamp, chance, part: f"{key}_{number}-{stamp}-{chance}.{part}.json",
        st.sampled_from([key_of(WHEEL), key_of(JAR), "a-00000000", "-" * 60 + "-00000000"]),
        st.sampled_from(["000000", "000002", "0000002", "999999999", "9999999999", "-00001"]),
        st.sampled_from(["20260102T030405Z", "99999999T999999Z", "00000000T000000Z"]),
        st.sampled_from(["00000002", "ffffffff", "FFFFFFFF"]),
        st.sampled_from(["intent", "end", "progress-0000"]),
    ),
    st.text(st.characters(exclude_characters="/"), min_size=1).filter(
        lambda one: one not in {".", ".."}
    ),
)
_contents = st.one_of(
    st.binary(),
    st.sampled_from(sorted(GARBAGE.values())),
    forged(),
    st.sampled_from([*Ending, "done"]).map(lambda one: text({"format": 1, "ending": one})),
    st.builds(lambda number: packed(intent_of(done(number))), st.integers(1, 4)),
)


@settings(max_examples=200)
@given(st.dictionaries(_file_names, _contents, max_size=8))
def test_whatever_lies_there_is_read_or_told_and_nothing_is_raised(
    files: dict[str, bytes],
) -> None:
    records = in_memory()
    journal = Journal(records, ROOT)
    write(journal, done(1), done(3, ending=None))
    for name, content in files.items():
        if name in records.names():
            records.records.delete(name)
        records.create(name, content)
    whole = journal.history(WHEEL, deep=True)
    found = journal.history(WHEEL)
    ours = [
        one
        for one in records.names()
        if one.startswith(f"{key_of(WHEEL)}_") and one.endswith(".intent.json")
    ]
    assert len(whole.entries) + len(whole.unread) <= len(ours)
    assert set(found.entries) <= set(whole.entries)
    assert set(found.unread) <= set(whole.unread)
    assert [one.sequence for one in whole.entries] == sorted(numbers(whole.entries), reverse=True)
    assert all(one.distribution == WHEEL for one in whole.entries)
    assert all(file_of(one) in ours for one in whole.entries)
    assert all(len(one) < 250 and one.isascii() for one in whole.unread)
    assert set(journal.libraries()) <= {WHEEL, JAR}
    for to in ("previous", "1.4.1", done(1).id):
        goal_of(whole, to)
    whole.to_carry("ab" * 32, done(3).path)
    whole.doubtful_files()
    if numbers(whole.entries)[:1] != [999_999_999]:
        next_one(journal, records)
    journal.prune(WHEEL)


def next_one(journal: Journal, records: Watched) -> None:
    """The next run's entry is the newest, whatever lies there; unless somebody used the numbers up."""
    try:
        number = journal.next_sequence(WHEEL)
    except DeployError:
        assert any("_999999999-" in one for one in records.names())
        return
    # Nobody can write the end of an entry beforehand: each id has a part that chance chose.
    mine = done(number, id=id_for(number, "20260102T030405Z", "5eed5eed"))
    write(journal, mine)
    assert journal.history(WHEEL).entries[0] == mine
