"""What earlier deployments mean for the next run: how far a rollback goes, what is carried, which files stay.

One example for each rule; test_history_model.py has any sequence of deployments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from deployer.jobs.places import Keyed, Place
from deployer.library.model import Distribution, Kind
from deployer.plan.digest import digest
from deployer.plan.history import (
    Action,
    Ending,
    Entry,
    History,
    Moved,
    MovedJob,
    Undo,
    as_rewires,
    carried,
    files_after,
    files_before,
    goal_of,
    merged,
    undo_of,
)
from deployer.plan.model import Change, Rewire, Target
from tests.job_settings import ROOT, wheel

PLACE = Place(("tasks", Keyed("task_key", "main"), "libraries", 0, "whl"))
OTHER = Place(("tasks", Keyed("task_key", "main"), "libraries", 1, "whl"))
UNFINISHED = pytest.mark.parametrize("ending", [None, Ending.CANCELLED, Ending.FAILED])


def path(version: str) -> str:
    return f"{ROOT}/{wheel(version)}"


def entry(
    number: int,
    version: str,
    left: Mapping[int, str],
    *,
    ending: Ending | None = Ending.SUCCEEDED,
    action: Action = Action.DEPLOY,
    carries: tuple[str, ...] = (),
    undoes: tuple[str, ...] = (),
) -> Entry:
    """An entry that moved each job of `left` from that version to `version`."""
    jobs = tuple(
        MovedJob(
            job_id,
            f"job {job_id}",
            (Moved(PLACE, path(old), path(version)),),
            (old,),
        )
        for job_id, old in left.items()
    )
    return Entry(
        id=f"id-{number}",
        sequence=number,
        action=action,
        distribution=Distribution(canonicalize_name("retail-metrics"), Kind.WHEEL),
        version=version,
        path=path(version),
        sha256=version,
        size=1,
        digest="",
        jobs=jobs,
        carries=carries,
        undoes=undoes,
        ending=ending,
    )


FIRST = entry(1, "1.1.0", {7: "1.0.0"})
SECOND = entry(2, "1.2.0", {7: "1.1.0", 8: "1.0.0"})
THIRD = entry(3, "1.3.0", {7: "1.2.0", 8: "1.2.0"})
HISTORY = History((THIRD, SECOND, FIRST))


def rolled_back(number: int, *undoes: str, ending: Ending | None = Ending.SUCCEEDED) -> Entry:
    """A rollback of job 7 from 1.3.0 to 1.2.0."""
    return entry(
        number, "1.2.0", {7: "1.3.0"}, action=Action.ROLLBACK, undoes=undoes, ending=ending
    )


def ids(entries: Iterable[Entry]) -> list[str]:
    return [one.id for one in entries]


def undone_by(history: History, to: str) -> list[str]:
    goal = goal_of(history, to)
    assert goal is not None
    return list(goal.ids)


def taking_back(*entries: Entry) -> Mapping[int, Undo]:
    """The one string of each job that goes back, by job."""
    return {one.job_id: one.strings[0] for one in undo_of(entries)}


# ── What stands ──────────────────────────────────────────────────────────────────────────────────


def test_what_moved_jobs_stands_until_it_is_taken_back() -> None:
    assert ids(HISTORY.standing()) == ["id-3", "id-2", "id-1"]
    back = rolled_back(4, "id-3", "id-2")
    assert ids(History((back, *HISTORY.entries)).standing()) == ["id-1"]


def test_what_moved_no_job_or_moved_all_of_them_back_does_not_stand() -> None:
    empty = entry(5, "1.5.0", {})
    back = entry(4, "1.4.0", {7: "1.3.0"}, ending=Ending.MOVED_BACK)
    assert History((empty, back, *HISTORY.entries)).standing() == HISTORY.standing()


@UNFINISHED
def test_what_came_to_no_end_may_have_moved_jobs_and_stands(ending: Ending | None) -> None:
    hung = entry(4, "1.4.0", {7: "1.3.0"}, ending=ending)
    assert ids(History((hung, *HISTORY.entries)).standing())[0] == "id-4"


@UNFINISHED
def test_a_rollback_that_came_to_no_end_takes_nothing_back_and_has_a_part_in_what_stands(
    ending: Ending | None,
) -> None:
    history = History((rolled_back(4, "id-3", ending=ending), *HISTORY.entries))
    assert history.standing() == HISTORY.standing()
    assert ids(history.in_force()) == ["id-4", "id-3", "id-2", "id-1"]


def test_a_deployment_that_a_later_one_carries_is_part_of_that_one_also_when_that_is_taken_back() -> (
    None
):
    half = entry(4, "1.4.0", {7: "1.3.0"}, ending=None)
    whole = entry(5, "1.4.0", {7: "1.3.0", 8: "1.3.0"}, carries=("id-4",))
    history = History((whole, half, *HISTORY.entries))
    assert ids(history.standing()) == ["id-5", "id-3", "id-2", "id-1"]
    back = rolled_back(6, "id-5")
    assert ids(History((back, *history.entries)).standing()) == ["id-3", "id-2", "id-1"]


# ── How far back ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("to", "undone"),
    [
        ("previous", ["id-3"]),
        ("1.3.0", []),
        ("1.2", ["id-3"]),
        ("id-1", ["id-3", "id-2"]),
        ("1.0.0", ["id-3", "id-2", "id-1"]),
    ],
)
def test_a_rollback_goes_back_as_far_as_is_asked(to: str, undone: list[str]) -> None:
    assert undone_by(HISTORY, to) == undone


@pytest.mark.parametrize(
    "to", ["", "1.4.0", "id-4", "latest", "2" * 5000, "1.0", "\ud800", "previous "], ids=range(8)
)
def test_what_no_entry_means_is_nothing(to: str) -> None:
    history = History((THIRD, entry(2, "1.2.0", {7: "not a version", 8: "1" * 5000})))
    assert goal_of(history, to) is None


@pytest.mark.parametrize("to", ["previous", "1.0.0", "id-1"])
def test_a_journal_without_entries_leads_nowhere(to: str) -> None:
    assert goal_of(History(), to) is None


def test_a_version_that_was_deployed_twice_is_the_newer_one() -> None:
    again = entry(4, "1.1.0", {7: "1.3.0"})
    later = entry(5, "1.5.0", {7: "1.1.0"})
    assert undone_by(History((later, again, *HISTORY.entries)), "1.1.0") == ["id-5"]


def test_a_version_that_was_taken_back_is_no_way_to_go() -> None:
    history = History((rolled_back(4, "id-3"), *HISTORY.entries))
    assert goal_of(history, "1.3.0") is None
    assert goal_of(history, "id-3") is None


def test_previous_twice_is_nothing_the_second_time() -> None:
    assert undone_by(HISTORY, "previous") == ["id-3"]
    assert undone_by(History((rolled_back(4, "id-3"), *HISTORY.entries)), "previous") == []


def test_previous_goes_on_after_the_next_deployment() -> None:
    fourth = entry(5, "1.4.0", {7: "1.2.0"})
    history = History((fourth, rolled_back(4, "id-3"), *HISTORY.entries))
    assert undone_by(history, "previous") == ["id-5"]
    assert undone_by(history, "id-1") == ["id-5", "id-2"]


def test_previous_of_what_moved_back_by_itself_is_nothing() -> None:
    back = entry(4, "1.4.0", {7: "1.3.0"}, ending=Ending.MOVED_BACK)
    assert undone_by(History((back, *HISTORY.entries)), "previous") == []


@UNFINISHED
def test_previous_after_a_rollback_that_came_to_no_end_repeats_that_one(
    ending: Ending | None,
) -> None:
    first = rolled_back(4, "id-3", "id-2", ending=ending)
    history = History((first, *HISTORY.entries))
    assert undone_by(history, "previous") == ["id-4", "id-3", "id-2"]
    second = rolled_back(5, "id-4", "id-3", "id-2", ending=ending)
    again = History((second, *history.entries))
    assert undone_by(again, "previous") == ["id-5", "id-4", "id-3", "id-2"]
    third = rolled_back(6, "id-5", "id-4", "id-3", "id-2")
    assert undone_by(History((third, *again.entries)), "previous") == []


def test_previous_after_a_rollback_of_what_the_journal_no_longer_has_leads_nowhere() -> None:
    assert goal_of(History((rolled_back(4, "id-3", ending=None),)), "previous") is None


def test_a_rollback_that_came_to_no_end_is_undone_on_the_way_to_what_stood_before_it() -> None:
    history = History((rolled_back(4, "id-3", ending=None), *HISTORY.entries))
    assert undone_by(history, "1.3.0") == ["id-4"]
    assert undone_by(history, "id-1") == ["id-4", "id-3", "id-2"]


def test_back_to_what_was_there_before_the_journal_began_means_all_jobs_that_left_it() -> None:
    goal = goal_of(HISTORY, "1.0.0")
    assert goal is not None
    back = {one.job_id: one.strings[0].back for one in undo_of(goal.undone)}
    assert back == dict.fromkeys((7, 8), f"{ROOT}/{wheel('1.0.0')}")


# ── Which strings go back ────────────────────────────────────────────────────────────────────────


def test_a_string_is_followed_back_through_all_that_moved_it() -> None:
    assert taking_back(THIRD, SECOND, FIRST) == {
        7: Undo(PLACE, path("1.3.0"), path("1.0.0")),
        8: Undo(PLACE, path("1.3.0"), path("1.0.0")),
    }


def test_a_string_that_somebody_changed_in_between_goes_back_to_what_stood_there_after_that() -> (
    None
):
    later = entry(5, "1.5.0", {7: "1.1.9"})
    assert taking_back(later, *HISTORY.entries)[7].back == path("1.1.9")


def test_a_string_of_somebody_else_that_an_older_deployment_had_written_too_is_not_followed() -> (
    None
):
    later = entry(5, "1.5.0", {7: "1.1.0"})  # somebody went back to it, after 1.3.0
    assert taking_back(later, *HISTORY.entries)[7].back == path("1.1.0")


@UNFINISHED
def test_a_string_that_the_last_deployment_may_not_have_moved_goes_back_from_where_it_stood(
    ending: Ending | None,
) -> None:
    hung = entry(4, "1.4.0", {7: "1.3.0"}, ending=ending)
    undo = taking_back(hung, *HISTORY.entries)[7]
    assert undo == Undo(PLACE, path("1.4.0"), path("1.0.0"), path("1.3.0"))
    stands = {version for version in ("1.4.0", "1.3.0", "1.2.0") if undo.stands(path(version))}
    assert stands == {"1.4.0", "1.3.0"}


@UNFINISHED
def test_what_came_to_no_end_in_between_and_moved_nothing_is_passed_over(
    ending: Ending | None,
) -> None:
    hung = entry(4, "1.4.0", {7: "1.3.0"}, ending=ending)
    later = entry(5, "1.5.0", {7: "1.3.0"})
    assert taking_back(later, hung, *HISTORY.entries)[7] == Undo(
        PLACE, path("1.5.0"), path("1.0.0")
    )


def test_jobs_and_places_go_back_in_an_order_that_is_always_the_same() -> None:
    strings = tuple(Moved(place, path("1.0.0"), path("1.1.0")) for place in (OTHER, PLACE))
    jobs = (MovedJob(9, "nine", strings), MovedJob(7, "seven", strings[:1]))
    one = replace(FIRST, jobs=jobs)
    found = [
        (job.job_id, job.job_name, str(each.place))
        for job in undo_of([one])
        for each in job.strings
    ]
    assert found == [
        (7, "seven", str(OTHER)),
        (9, "nine", str(PLACE)),
        (9, "nine", str(OTHER)),
    ]


def test_a_job_is_called_as_it_was_last() -> None:
    renamed = replace(SECOND, jobs=(replace(SECOND.jobs[0], job_name="renamed"),))
    assert [one.job_name for one in undo_of([renamed, FIRST])] == ["renamed"]


# ── What is carried ──────────────────────────────────────────────────────────────────────────────


@UNFINISHED
def test_unfinished_deployments_of_the_very_same_file_are_carried(ending: Ending | None) -> None:
    hung = [entry(number, "1.4.0", {7: "1.3.0"}, ending=ending) for number in (5, 4)]
    history = History((*hung, *HISTORY.entries))
    assert ids(history.to_carry("1.4.0", path("1.4.0"))) == ["id-5", "id-4"]
    assert history.to_carry("other bytes", path("1.4.0")) == ()
    assert history.to_carry("1.4.0", path("1.4.1")) == ()


def test_what_ended_is_not_carried() -> None:
    assert HISTORY.to_carry("1.3.0", path("1.3.0")) == ()


@pytest.mark.parametrize(
    "between",
    [
        rolled_back(5, "id-4"),
        rolled_back(5, "id-4", ending=None),
        entry(5, "1.5.0", {7: "1.4.0"}, ending=None),
        entry(5, "1.4.0", {7: "1.3.0"}),
        entry(5, "1.4.0", {7: "1.3.0"}, ending=Ending.MOVED_BACK, carries=("id-4",)),
        entry(5, "1.4.0", {}, carries=("id-4",)),
    ],
)
def test_what_came_before_another_entry_is_not_carried(between: Entry) -> None:
    hung = entry(4, "1.4.0", {7: "1.3.0"}, ending=None)
    found = History((between, hung)).to_carry("1.4.0", path("1.4.0"))
    assert hung not in found


@pytest.mark.parametrize(
    "between",
    [
        [entry(5, "1.1.0", {})],
        [entry(5, "1.1.0", {}, ending=None)],
        [entry(5, "1.5.0", {7: "1.3.0"}, ending=Ending.MOVED_BACK)],
        [rolled_back(6, "id-5"), entry(5, "1.5.0", {7: "1.3.0"})],
        [
            rolled_back(7, "id-6", "id-5"),
            rolled_back(6, "id-5", ending=None),
            entry(5, "1.5.0", {7: "1.3.0"}),
        ],
    ],
    ids=["moved nothing", "moves nothing", "moved back", "rolled back", "rolled back at last"],
)
def test_an_entry_that_has_no_part_in_what_stands_keeps_nothing_from_being_carried(
    between: list[Entry],
) -> None:
    hung = entry(4, "1.4.0", {7: "1.3.0"}, ending=None)
    history = History((*between, hung, *HISTORY.entries))
    assert history.to_carry("1.4.0", path("1.4.0")) == (hung,)


def test_carried_is_what_was_moved_and_still_stands() -> None:
    half = entry(4, "1.4.0", {7: "1.3.0", 8: "1.2.0", 9: "1.3.0"}, ending=None)
    reads = {7: {PLACE: path("1.4.0")}, 8: {PLACE: path("1.2.0")}, 10: {PLACE: path("1.4.0")}}
    assert carried([half], reads) == (half.jobs[0],)


def test_what_a_deployment_would_have_left_as_it_is_is_not_carried() -> None:
    half = entry(4, "1.4.0", {7: "1.4.0"}, ending=None)
    assert carried([half], {7: {PLACE: path("1.4.0")}}) == ()


def test_of_several_unfinished_deployments_the_last_knows_what_stood_before() -> None:
    older = entry(4, "1.4.0", {7: "1.3.0"}, ending=None)
    newer = entry(5, "1.4.0", {7: "1.3.9"}, ending=None)  # somebody had changed it
    assert carried([newer, older], {7: {PLACE: path("1.4.0")}}) == newer.jobs


def test_a_deployment_moves_what_its_plan_says_and_what_it_carries() -> None:
    done = MovedJob(7, "seven", (Moved(PLACE, path("1.3.0"), path("1.4.0")),), ("1.3.0",))
    alone = MovedJob(8, "eight", (Moved(PLACE, path("1.2.0"), path("1.4.0")),), ("1.2.0",))
    rewire = Rewire(
        7, "seven now", (Change(OTHER, "", path("1.2.0"), path("1.4.0")),), (Version("1.2.0"),)
    )
    assert merged([rewire], [alone, done]) == (
        MovedJob(
            7,
            "seven now",
            (Moved(OTHER, path("1.2.0"), path("1.4.0")), *done.strings),
            ("1.2.0", "1.3.0"),
        ),
        alone,
    )


def test_versions_that_a_job_left_are_in_the_order_of_versions() -> None:
    done = MovedJob(7, "seven", (Moved(PLACE, "a", "b"),), ("1.10.0", "1.9.0"))
    rewire = Rewire(
        7, "seven", (Change(OTHER, "", "c", "d"),), (Version("1.9.1"), Version("1.9.0"))
    )
    (job,) = merged([rewire], [done])
    assert job.versions == ("1.9.0", "1.9.1", "1.10.0")


def test_a_string_that_was_moved_in_part_and_moves_on_goes_back_to_what_stood_there_first() -> None:
    first, half, whole = (f"{a},{b}" for a, b in (("1.2", "1.3"), ("1.4", "1.3"), ("1.4", "1.4")))
    done = MovedJob(7, "seven", (Moved(PLACE, first, half),))
    (job,) = merged([Rewire(7, "seven", (Change(PLACE, "", half, whole),), ())], [done])
    assert job.strings == (Moved(PLACE, first, whole),)


def test_a_string_that_somebody_changed_after_it_was_moved_goes_back_to_theirs() -> None:
    done = MovedJob(7, "seven", (Moved(PLACE, "old", "new"),))
    (job,) = merged([Rewire(7, "seven", (Change(PLACE, "", "theirs", "new"),), ())], [done])
    assert job.strings == (Moved(PLACE, "theirs", "new"),)


def test_the_digest_of_the_whole_is_that_of_the_undisturbed_run() -> None:
    changes = {
        job_id: (Change(PLACE, f"/{job_id}", path("1.3.0"), path("1.4.0")),) for job_id in (7, 8)
    }
    plan = [
        Rewire(job_id, "job", change, (Version("1.3.0"),)) for job_id, change in changes.items()
    ]
    target = Target(path("1.4.0"), "ab" * 32, 1)
    half = entry(4, "1.4.0", {7: "1.3.0", 8: "1.3.0"}, ending=None)
    reads = {7: {PLACE: path("1.4.0")}, 8: {PLACE: path("1.3.0")}}
    whole = merged(plan[1:], carried([half], reads))
    assert digest(target, as_rewires(whole)) == digest(target, plan)


# ── Which files ──────────────────────────────────────────────────────────────────────────────────


def test_the_hashes_of_a_path_are_those_of_all_deployments_to_it() -> None:
    other = replace(entry(4, "1.3.0", {}, ending=None), sha256="others")
    history = History((rolled_back(5, "id-3"), other, *HISTORY.entries))
    assert history.recorded(path("1.3.0")) == {"1.3.0", "others"}
    assert history.recorded(path("1.2.0")) == {"1.2.0"}
    assert history.recorded(path("9.9.9")) == frozenset()


def test_files_before_and_after_are_all_that_the_strings_name() -> None:
    text = f"{path('1.2.0')},/code/neighbour-2.0.jar"
    jobs = [MovedJob(7, "seven", (Moved(PLACE, text, path("1.4.0")), Moved(OTHER, "x", "y")))]
    assert files_before(jobs) == {wheel("1.2.0"), "neighbour-2.0.jar"}
    assert files_after(jobs) == {wheel("1.4.0")}


@UNFINISHED
def test_files_of_what_came_to_no_end_are_in_doubt(ending: Ending | None) -> None:
    hung = entry(4, "1.4.0", {7: "1.3.0"}, ending=ending)
    found = History((hung, *HISTORY.entries)).doubtful_files()
    assert found == {wheel("1.3.0"), wheel("1.4.0")}


@pytest.mark.parametrize("ending", [Ending.SUCCEEDED, Ending.MOVED_BACK])
def test_files_of_what_came_to_its_end_are_not_in_doubt(ending: Ending) -> None:
    over = entry(4, "1.4.0", {7: "1.3.0"}, ending=ending)
    assert History((over, *HISTORY.entries)).doubtful_files() == frozenset()


def test_a_deployment_that_ended_well_ends_older_doubts_also_when_it_was_taken_back() -> None:
    hung = entry(4, "1.4.0", {7: "1.3.0"}, ending=None)
    well = entry(5, "1.5.0", {7: "1.4.0"})
    assert History((rolled_back(6, "id-5"), well, hung)).doubtful_files() == frozenset()


@pytest.mark.parametrize(
    "later",
    [
        entry(5, "1.5.0", {}),
        entry(5, "1.5.0", {7: "1.4.0"}, ending=Ending.MOVED_BACK),
        rolled_back(5, "id-4"),
    ],
    ids=["moved nothing", "moved back", "rolled back"],
)
def test_anything_else_leaves_older_doubts(later: Entry) -> None:
    hung = entry(4, "1.4.0", {7: "1.3.0"}, ending=None)
    assert History((later, hung)).doubtful_files() == {wheel("1.3.0"), wheel("1.4.0")}
