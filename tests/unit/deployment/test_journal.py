"""The journal's files: how they are written, which are read and which go, and in which order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from deployer.deployment.intent import FORMAT, ending_from, intent_of, packed, text
from deployer.deployment.journal import KEPT_ENTRIES, Journal, id_for, key_of
from deployer.deployment.ports import AlreadyExists, Denied, Refused, Unavailable
from deployer.errors import DeployError, FailureReason
from deployer.library.model import Distribution, Kind
from deployer.plan.history import Action, Ending, Entry, History, Moved, MovedJob, goal_of
from tests.unit.deployment.journals import (
    DONE,
    FOLDER,
    JAR,
    PLACE,
    ROOT,
    WHEEL,
    Watched,
    distributions,
    done,
    entries,
    entry,
    file_of,
    in_memory,
    numbers,
    write,
)


def parts(names: Iterable[str]) -> list[str]:
    """The names without the library: `000001.intent`."""
    return [
        f"{one.split('_')[1][:6]}.{one.split('.', 1)[1].removesuffix('.json')}" for one in names
    ]


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────


def test_an_intent_is_one_file_that_is_complete_when_it_begins(
    journal: Journal, records: Watched
) -> None:
    journal.begin(entry(1))
    assert records.names() == [
        f"sales-metrics-{key_of(WHEEL)[-8:]}_000001-20260102T030405Z-00000001.intent.json"
    ]
    assert records.content(records.names()[0]) == packed(intent_of(entry(1)))


def test_the_first_end_counts(journal: Journal) -> None:
    write(journal, done(1))
    journal.end(done(1), Ending.FAILED, {})
    assert journal.history(WHEEL).entries == (done(1),)


def test_an_end_says_how_it_ended_whatever_the_note_says(
    journal: Journal, records: Watched
) -> None:
    write(journal, entry(1))
    journal.end(entry(1), Ending.FAILED, {"ending": "succeeded", "format": 9, "reason": "x"})
    content = records.content(file_of(entry(1), "end"))
    assert ending_from(content) is Ending.FAILED
    assert b'"reason": "x"' in content


def test_progress_is_counted_for_each_entry(journal: Journal, records: Watched) -> None:
    for one in (entry(1), entry(1), entry(2), entry(1)):
        journal.progress(one, {"jobs": [], "format": 9})
    assert parts(records.names()) == [
        "000001.progress-0001",
        "000001.progress-0002",
        "000001.progress-0003",
        "000002.progress-0001",
    ]
    assert records.content(records.names()[0]) == text({"format": FORMAT, "jobs": []})


def test_progress_and_ends_alone_are_no_entry(journal: Journal, records: Watched) -> None:
    journal.progress(entry(1), {})
    journal.end(entry(1), DONE, {})
    assert journal.history(WHEEL) == History()
    assert records.read_names == []
    assert journal.next_sequence(WHEEL) == 1


def test_an_entry_whose_place_is_taken_is_not_begun(journal: Journal) -> None:
    journal.begin(entry(1))
    with pytest.raises(DeployError) as refused:
        journal.begin(entry(1, "1.5.0"))
    assert refused.value.problems[0].reason is FailureReason.JOURNAL_UNUSABLE
    assert journal.history(WHEEL).entries == (entry(1),)


def jobs_with(*texts: str) -> tuple[MovedJob, ...]:
    return tuple(
        MovedJob(number, "big", (Moved(PLACE, one, ""),)) for number, one in enumerate(texts)
    )


def noise(length: int) -> str:
    """Text that does not get smaller."""
    return random.Random(0).randbytes(length // 2).hex()


@pytest.mark.parametrize(
    "unwritable",
    [
        entry(1, jobs=jobs_with(*[noise(1_000_000)] + [noise(999_998 - at) for at in range(14)])),
        entry(1, jobs=jobs_with(*["x" * 1_000_000] * 34)),
        entry(1, jobs=jobs_with("x" * 1_100_000)),
        entry(1, id="000001-202601020T030405Z-00000001"),
        entry(1, id="000002-20260102T030405Z-00000001"),
        entry(1, id="../000001-20260102T030405Z-00000001"),
        entry(10**9),
        entry(1, path=f"{ROOT}/../x.whl"),
        entry(1, jobs=(*entry(1).jobs, *entry(1).jobs)),
        entry(1, actor="\ud83d\ude00"),
        entry(1, size=-1),
    ],
    ids=[
        "more than 8 MB packed",
        "more than 32 MB unpacked",
        "a string that is not read back",
        "a clock that is beyond all years",
        "the number of another",
        "a name that leads elsewhere",
        "a number with too many digits",
        "a file outside of the root",
        "a job twice",
        "a text that JSON reads as another",
        "a size below nothing",
    ],
)
def test_what_would_not_be_read_back_is_refused_before_anything_is_written(
    journal: Journal, records: Watched, unwritable: Entry
) -> None:
    with pytest.raises(DeployError) as refused:
        journal.begin(unwritable)
    (problem,) = refused.value.problems
    assert problem.reason is FailureReason.JOURNAL_UNUSABLE
    assert len(problem.title) < 200
    assert "Nothing was changed" in problem.detail
    assert records.names() == []


@given(entries())
def test_whatever_began_is_read_back(made: Entry) -> None:
    journal = Journal(in_memory(), ROOT)
    write(journal, made)
    assert journal.history(made.distribution) == History((made,))
    assert journal.libraries() == (made.distribution,)
    assert made.sequence == 999_999_999 or (
        journal.next_sequence(made.distribution) == made.sequence + 1
    )


def test_a_record_that_exists_is_never_written_over(journal: Journal, records: Watched) -> None:
    write(journal, entry(1))
    journal.progress(entry(1), {"first": 1})
    with pytest.raises(AlreadyExists):
        Journal(records, ROOT).progress(entry(1), {"second": 2})
    assert b"first" in records.content(file_of(entry(1), "progress-0001"))


# ── Names ────────────────────────────────────────────────────────────────────────────────────────


def test_ids_of_one_library_sort_by_age() -> None:
    ids = [id_for(number, "20260102T030405Z", "ffffffff") for number in (1, 2, 10, 99, 999_999)]
    assert ids == sorted(ids)


@given(distributions, distributions)
def test_two_libraries_have_two_keys(one: Distribution, other: Distribution) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)


@given(st.text(st.characters(exclude_categories=())), st.sampled_from(Kind), st.text())
def test_any_name_of_a_library_can_stand_in_a_file_name(
    name: str, kind: Kind, classifier: str
) -> None:
    found = Distribution(canonicalize_name(name), kind, classifier)
    key = key_of(found)
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(key) <= 60


@pytest.mark.parametrize(
    "name",
    ["", "ü", "x" * 200, "1-2-3", "--", "\ud800"],
    ids=range(6),
)
def test_files_of_any_library_are_found_again(name: str) -> None:
    """Also of one that no entry could be about."""
    odd = Distribution(canonicalize_name(name), Kind.JAR)
    records = in_memory()
    records.create(file_of(entry(1, distribution=odd)), b"{}")
    (told,) = Journal(records, ROOT).history(odd).unread
    assert entry(1).id in told


def test_libraries_don_t_mix(journal: Journal) -> None:
    others = [
        JAR,
        Distribution(WHEEL.name, Kind.JAR),
        Distribution(WHEEL.name, Kind.EGG),
        Distribution(canonicalize_name("sales"), Kind.WHEEL),
    ]
    write(journal, done(1), *(done(at, distribution=one) for at, one in enumerate(others, 5)))
    assert numbers(journal.history(WHEEL, deep=True).entries) == [1]
    assert [numbers(journal.history(one).entries) for one in others] == [[5], [6], [7], [8]]
    assert journal.libraries() == tuple(sorted([WHEEL, *others]))
    assert journal.next_sequence(WHEEL) == 2
    assert journal.next_sequence(others[3]) == 9


# ── What is read, and what not ───────────────────────────────────────────────────────────────────


def test_an_empty_folder_or_none_is_an_empty_history(journal: Journal, records: Watched) -> None:
    assert journal.history(WHEEL) == History()
    assert journal.libraries() == ()
    assert journal.next_sequence(WHEEL) == 1
    journal.prune(WHEEL)
    assert (records.read_names, records.deleted) == ([], [])


def test_usually_the_last_entry_and_its_end_are_read(journal: Journal, records: Watched) -> None:
    write(journal, *(done(number) for number in range(1, KEPT_ENTRIES + 1)))
    found = journal.history(WHEEL)
    assert numbers(found.entries) == [KEPT_ENTRIES]
    assert parts(records.read_names) == ["000050.intent", "000050.end"]
    assert records.listings == 1


def test_all_that_are_kept_are_read_where_it_is_asked_for(
    journal: Journal, records: Watched
) -> None:
    written = [done(number) for number in range(1, KEPT_ENTRIES + 1)]
    write(journal, *written)
    assert journal.history(WHEEL, deep=True).entries == tuple(reversed(written))
    assert len(records.read_names) == 2 * KEPT_ENTRIES


def back(sequence: int, *undoes: int, ending: Ending | None = DONE) -> Entry:
    ids = tuple(done(one).id for one in undoes)
    return done(sequence, action=Action.ROLLBACK, undoes=ids, ending=ending)


@pytest.mark.parametrize(
    ("later", "read"),
    [
        ([done(9, ending=None)], ["9", "8+"]),
        ([done(9, ending=Ending.FAILED)], ["9+", "8+"]),
        ([done(9, ending=Ending.MOVED_BACK)], ["9+", "8+"]),
        ([done(9, jobs=())], ["9+", "8+"]),
        ([back(9, 8)], ["9+", "8+", "7+"]),
        ([back(9, 8, ending=None)], ["9", "8+"]),
        ([back(9, 8, 7)], ["9+", "8+", "7+", "6+"]),
        ([done(9, ending=None), done(10, ending=None)], ["10", "9", "8+"]),
        ([done(9, ending=None), done(10)], ["10+"]),
    ],
)
def test_what_is_read_ends_with_the_first_deployment_that_stands_and_ended_well(
    journal: Journal, records: Watched, later: list[Entry], read: list[str]
) -> None:
    """`8+` is the intent of entry 8 and its end."""
    write(journal, *(done(number) for number in range(1, 9)), *later)
    journal.history(WHEEL)
    expected = [
        f"{int(one.rstrip('+')):06d}.{part}"
        for one in read
        for part in (["intent", "end"] if one.endswith("+") else ["intent"])
    ]
    assert parts(records.read_names) == expected


def test_of_many_deployments_in_a_row_that_came_to_no_end_only_the_last_are_read(
    journal: Journal, records: Watched
) -> None:
    written = [done(number, ending=None) for number in range(1, 41)]
    write(journal, *written)
    found = journal.history(WHEEL)
    assert numbers(found.entries) == list(range(40, 10, -1))
    assert found.unread == ()


def test_a_deployment_that_stands_is_found_however_many_moved_no_job_since(
    journal: Journal,
) -> None:
    write(journal, done(1), *(done(number, jobs=()) for number in range(2, KEPT_ENTRIES + 1)))
    found = journal.history(WHEEL)
    assert numbers(found.standing()) == [1]
    assert found.unread == ()


@pytest.mark.parametrize("deep", [True, False])
def test_a_journal_that_somebody_filled_is_not_read_to_its_end_and_that_is_told(
    journal: Journal, records: Watched, deep: bool
) -> None:
    write(journal, done(1))
    for number in range(2, 300):
        records.create(file_of(entry(number)), b"{}")
    found = journal.history(WHEEL, deep=deep)
    assert (found.entries, len(records.read_names)) == ((), 200)
    assert found.unread[-1] == "the journal's 99 oldest entries were not read, they are too many"
    assert len(found.unread) == 201


def test_whether_anything_was_deployed_to_the_root_counts_every_library(journal: Journal) -> None:
    assert not journal.history(WHEEL).any_deployment
    write(journal, entry(1, distribution=JAR))
    assert not journal.history(WHEEL).any_deployment
    journal.end(entry(1, distribution=JAR), Ending.FAILED, {})
    assert journal.history(WHEEL).any_deployment


def test_a_file_that_goes_while_it_is_read_is_passed_over(
    journal: Journal, records: Watched
) -> None:
    write(journal, done(1), done(2), done(3))
    gone = {file_of(done(3)), file_of(done(2), "end")}

    def go(name: str) -> None:
        if name in gone:
            records.records.delete(name)

    records.before_read = go
    found = journal.history(WHEEL)
    assert found.entries == (replace(done(2), ending=None), done(1))
    assert found.unread == ()


@pytest.mark.parametrize("part", ["intent", "end"])
@pytest.mark.parametrize("trouble", [Denied("No permission."), Refused("It is too large.")])
def test_a_file_that_can_not_be_read_is_told_and_the_others_are_read(
    journal: Journal, records: Watched, part: str, trouble: Exception
) -> None:
    write(journal, done(1), done(2))
    records.trouble[file_of(done(2), part)] = trouble
    found = journal.history(WHEEL)
    assert numbers(found.entries) == [1]
    (told,) = found.unread
    assert told == f"the journal's entry {done(2).id} can't be used: {trouble}"


def test_a_workspace_that_does_not_answer_ends_the_reading(
    journal: Journal, records: Watched
) -> None:
    write(journal, done(1), done(2))
    records.trouble[file_of(done(2))] = Unavailable("503")
    with pytest.raises(Unavailable):
        journal.history(WHEEL)
    with pytest.raises(Unavailable):
        journal.libraries()


# Deployments of two files, and rollbacks, as they follow on each other.
_happenings = st.lists(
    st.tuples(
        st.sampled_from(["1.5.0", "1.6.0", "back", "further back"]),
        st.sampled_from([*Ending, DONE, None]),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=150)
@given(_happenings)
@example([("1.6.0", None, True), ("1.5.0", Ending.SUCCEEDED, False), ("1.6.0", None, True)])
@example(
    [
        ("1.6.0", None, True),
        ("1.5.0", Ending.SUCCEEDED, True),
        ("back", DONE, True),
        ("1.6.0", None, True),
    ]
)
def test_what_was_not_read_would_have_made_no_difference(
    happenings: Sequence[tuple[str, Ending | None, bool]],
) -> None:
    """For a deployment, and for going back to `previous`; a rollback that was left unfinished reads all."""
    journal = Journal(in_memory(), ROOT)
    for number, (what, ending, moves) in enumerate(happenings, start=1):
        whole = journal.history(WHEEL, deep=True)
        if what.endswith("back"):
            goal = goal_of(whole, "previous" if what == "back" else "1.0.0")
            if goal is None or not goal.undone:
                continue
            ended = DONE if ending is Ending.MOVED_BACK else ending
            made = done(number, action=Action.ROLLBACK, undoes=goal.ids, ending=ended)
        else:
            made = entry(number, what, ending=ending)
            carries = whole.to_carry(made.sha256, made.path)
            made = replace(
                made,
                jobs=made.jobs if moves or carries else (),
                carries=tuple(one.id for one in carries),
            )
        write(journal, made)
        assert_same_for_the_next_run(
            journal.history(WHEEL), journal.history(WHEEL, deep=True), made
        )


def assert_same_for_the_next_run(found: History, whole: History, newest: Entry) -> None:
    assert found.entries == whole.entries[: len(found.entries)]
    assert whole.entries[0] == newest
    assert found.standing()[:1] == whole.standing()[:1]
    assert found.unfinished_rollback() == whole.unfinished_rollback()
    assert found.taken_back_last() == whole.taken_back_last()
    assert found.doubtful_files() == whole.doubtful_files()
    for version in ("1.5.0", "1.6.0"):
        one = entry(1, version)
        assert found.to_carry(one.sha256, one.path) == whole.to_carry(one.sha256, one.path)
    if found.unfinished_rollback() is None:
        assert goal_of(found, "previous") == goal_of(whole, "previous")


# ── Order ────────────────────────────────────────────────────────────────────────────────────────


def test_numbers_make_the_order_whatever_the_clock_said(journal: Journal) -> None:
    stamps = ["20300101T000000Z", "20260102T030405Z", "19700101T000000Z"]
    written = [
        done(number, id=id_for(number, stamp, "00000000"), started_ms=0)
        for number, stamp in enumerate(stamps, start=1)
    ]
    write(journal, *written)
    assert numbers(journal.history(WHEEL, deep=True).entries) == [3, 2, 1]
    assert journal.next_sequence(WHEEL) == 4


@given(
    st.permutations(
        ["20260102T030405Z-0000000f", "20260102T030405Z-00000001", "20260102T030404Z-ffffffff"]
    )
)
def test_entries_of_one_number_are_in_an_order_that_does_not_depend_on_who_wrote_first(
    tails: list[str],
) -> None:
    """Two runs without a lock may take the same number: then the later one of their stamps is the newer."""
    records = in_memory()
    journal = Journal(records, ROOT)
    write(journal, done(1), *(done(2, id=f"000002-{tail}") for tail in tails), done(3))
    found = [one.id for one in journal.history(WHEEL, deep=True).entries]
    assert found == [
        done(3).id,
        "000002-20260102T030405Z-0000000f",
        "000002-20260102T030405Z-00000001",
        "000002-20260102T030404Z-ffffffff",
        done(1).id,
    ]


def test_a_number_of_more_digits_is_higher(journal: Journal) -> None:
    write(journal, done(999_999), done(1_000_000), done(99_999_999))
    assert numbers(journal.history(WHEEL, deep=True).entries) == [99_999_999, 1_000_000, 999_999]
    assert journal.next_sequence(WHEEL) == 100_000_000


def test_where_the_numbers_are_used_up_nothing_begins_and_the_file_is_named(
    journal: Journal,
) -> None:
    write(journal, done(999_999_999))
    with pytest.raises(DeployError) as refused:
        journal.next_sequence(WHEEL)
    assert f"{FOLDER}/{file_of(done(999_999_999))}" in refused.value.problems[0].remedy


# ── What goes ────────────────────────────────────────────────────────────────────────────────────


def test_nothing_goes_before_there_are_more_than_are_kept(
    journal: Journal, records: Watched
) -> None:
    write(journal, *(done(number) for number in range(1, KEPT_ENTRIES + 1)))
    journal.prune(WHEEL)
    assert records.deleted == []


def test_the_oldest_entry_goes_with_all_its_files_and_its_intent_last(
    journal: Journal, records: Watched
) -> None:
    write(journal, *(done(number) for number in range(1, KEPT_ENTRIES + 2)))
    for _ in range(2):
        journal.progress(done(1), {})
    write(journal, done(1, distribution=JAR))
    journal.prune(WHEEL)
    assert sorted(parts(records.deleted[:-1])) == [
        "000001.end",
        "000001.progress-0001",
        "000001.progress-0002",
    ]
    assert records.deleted[-1] == file_of(done(1))
    assert len(journal.history(WHEEL, deep=True).entries) == KEPT_ENTRIES
    assert numbers(journal.history(JAR).entries) == [1]


def test_where_more_have_gathered_a_few_go_at_a_time_the_oldest_first(
    journal: Journal, records: Watched
) -> None:
    write(journal, *(entry(number) for number in range(1, KEPT_ENTRIES + 14)))
    journal.prune(WHEEL)
    assert parts(records.deleted) == [f"{number:06d}.intent" for number in range(1, 11)]
    journal.prune(WHEEL)
    journal.prune(WHEEL)
    assert len(records.deleted) == 13
    assert numbers(journal.history(WHEEL, deep=True).entries)[-1] == 14


def test_an_entry_that_is_none_goes_in_its_turn(journal: Journal, records: Watched) -> None:
    records.create(file_of(entry(1)), b"x")
    write(journal, *(done(number) for number in range(2, KEPT_ENTRIES + 2)))
    journal.prune(WHEEL)
    assert records.deleted == [file_of(entry(1))]
    assert records.read_names == []


def test_a_number_is_not_given_again_after_the_oldest_went(journal: Journal) -> None:
    write(journal, *(done(number) for number in range(1, KEPT_ENTRIES + 2)))
    journal.prune(WHEEL)
    assert journal.next_sequence(WHEEL) == KEPT_ENTRIES + 2
