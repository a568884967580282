"""What earlier deployments mean for the next run: how far a rollback goes, and which files stay in doubt."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from packaging.utils import canonicalize_name

from deployer.jobs.places import Keyed, Place
from deployer.library.model import Distribution, Kind
from deployer.plan.history import (
    Action,
    Ending,
    Entry,
    History,
    Moved,
    MovedJob,
    goal_of,
    undo_of,
)
from tests.job_settings import ROOT, wheel

PLACE = Place(("tasks", Keyed("task_key", "main"), "libraries", 0, "whl"))


def entry(
    number: int,
    version: str,
    left: Mapping[int, str],
    *,
    ending: Ending | None = Ending.SUCCEEDED,
    action: Action = Action.DEPLOY,
    undoes: tuple[str, ...] = (),
) -> Entry:
    """An entry that moved each job of `left` from that version to `version`."""
    jobs = tuple(
        MovedJob(
            job_id,
            f"job {job_id}",
            (Moved(PLACE, f"{ROOT}/{wheel(old)}", f"{ROOT}/{wheel(version)}"),),
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
        path=f"{ROOT}/{wheel(version)}",
        sha256=version,
        size=1,
        digest="",
        jobs=jobs,
        undoes=undoes,
        ending=ending,
    )


FIRST = entry(1, "1.1.0", {7: "1.0.0"})
SECOND = entry(2, "1.2.0", {7: "1.1.0", 8: "1.0.0"})
THIRD = entry(3, "1.3.0", {7: "1.2.0", 8: "1.2.0"})
HISTORY = History((THIRD, SECOND, FIRST))


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
    goal = goal_of(HISTORY, to)
    assert goal is not None
    assert list(goal.ids) == undone


def test_back_to_what_was_there_before_the_journal_began_means_all_jobs_that_left_it() -> None:
    goal = goal_of(HISTORY, "1.0.0")
    assert goal is not None
    back = {one.job_id: one.strings[0].back for one in undo_of(goal.undone)}
    assert back == dict.fromkeys((7, 8), f"{ROOT}/{wheel('1.0.0')}")


@pytest.mark.parametrize("ending", [None, Ending.CANCELLED, Ending.FAILED])
def test_files_of_what_came_to_no_end_are_in_doubt(ending: Ending | None) -> None:
    hung = entry(4, "1.4.0", {7: "1.3.0"}, ending=ending)
    found = History((hung, *HISTORY.entries)).doubtful_files()
    assert found == {wheel("1.3.0"), wheel("1.4.0")}


@pytest.mark.parametrize("ending", [Ending.SUCCEEDED, Ending.MOVED_BACK])
def test_files_of_what_came_to_its_end_are_not_in_doubt(ending: Ending) -> None:
    over = entry(4, "1.4.0", {7: "1.3.0"}, ending=ending)
    assert History((over, *HISTORY.entries)).doubtful_files() == frozenset()
