"""What goes back, and what stays because something else stands there."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from deployer.jobs.inventory import read_job
from deployer.jobs.places import Keyed, Place
from deployer.library.model import Distribution, Kind
from deployer.plan.history import Action, Entry, Undo, UndoJob, merged, undo_of
from deployer.plan.model import Reason, Target
from deployer.plan.planner import make_plan
from deployer.plan.undo import UndoOrder, judge_undo, plan_undo
from tests.job_settings import ROOT, job_with, jobs_with, order, wheel

OLD, NEW = f"{ROOT}/{wheel('1.2.0')}", f"{ROOT}/{wheel('1.4.0')}"
PLACE = Place(("tasks", Keyed("task_key", "main"), "libraries", 0, "whl"))
ORDER = UndoOrder(order().library.distribution, ROOT, frozenset({OLD, NEW}), Version("1.4.0"))


def judged(settings: Any, now: str = NEW, back: str = OLD, where: UndoOrder = ORDER) -> Any:
    return judge_undo(where, UndoJob(7, "nightly", (Undo(PLACE, now, back),)), "nightly", settings)


def test_a_string_that_still_stands_goes_back() -> None:
    found = judged(job_with(NEW))
    assert found.untouched == ()
    assert found.rewire.applied_to(job_with(NEW)) == job_with(OLD)


def test_a_string_that_stands_as_before_needs_nothing() -> None:
    found = judged(job_with(OLD))
    assert (found.rewire, found.untouched) == (None, ())


def test_a_string_that_somebody_else_wrote_stays_and_is_told() -> None:
    found = judged(job_with(f"{ROOT}/{wheel('1.5.0')}"))
    (stays,) = found.untouched
    assert (found.rewire, stays.reason) == (None, Reason.CHANGED_SINCE)
    assert NEW in stays.note


def test_a_string_that_the_last_run_may_not_have_reached_goes_back_from_where_it_stands() -> None:
    between = f"{ROOT}/{wheel('1.3.0')}"
    undo = UndoJob(7, "nightly", (Undo(PLACE, NEW, OLD, unmoved=between),))
    for stands in (NEW, between):
        found = judge_undo(ORDER, undo, "nightly", job_with(stands))
        assert found.rewire is not None
        assert found.rewire.changes[0].before == stands
        assert found.rewire.applied_to(job_with(stands)) == job_with(OLD)
    (stays,) = judge_undo(ORDER, undo, "nightly", job_with(f"{between}x")).untouched
    assert stays.reason is Reason.CHANGED_SINCE


def test_where_the_last_run_may_not_have_reached_only_the_reference_may_differ_too() -> None:
    theirs = f"{ROOT}/other_library-1.0-py3-none-any.whl"
    undo = UndoJob(7, "nightly", (Undo(PLACE, NEW, OLD, unmoved=theirs),))
    found = judge_undo(ORDER, undo, "nightly", job_with(theirs))
    assert (found.rewire, found.untouched[0].reason) == (None, Reason.NOT_AS_RECORDED)


def test_a_place_that_is_gone_stays_gone() -> None:
    (stays,) = judged({"name": "nightly", "tasks": []}).untouched
    assert (stays.reason, stays.note) == (Reason.CHANGED_SINCE, "the place is gone")


def test_no_job_is_pointed_at_a_file_that_is_not_there() -> None:
    where = UndoOrder(ORDER.distribution, ROOT, frozenset({NEW}), ORDER.version)
    found = judged(job_with(NEW), where=where)
    assert (found.rewire, found.untouched[0].reason) == (None, Reason.FILE_GONE)


def test_a_journal_that_names_anything_but_another_version_moves_nothing() -> None:
    for forged in (
        "/Volumes/evil/x/y/" + wheel("1.2.0"),
        f"{ROOT}/other_library-1.0-py3-none-any.whl",
        f"{OLD} --index-url https://evil.example.com",
        f"{ROOT}/../evil/{wheel('1.2.0')}",
        "",
    ):
        found = judged(job_with(NEW), back=forged)
        assert (found.rewire, found.untouched[0].reason) == (None, Reason.NOT_AS_RECORDED), forged


def test_a_forged_path_below_the_root_has_to_exist() -> None:
    found = judged(job_with(NEW), back=f"{OLD},{OLD}")  # in a `whl` the comma is part of the path
    assert (found.rewire, found.untouched[0].reason) == (None, Reason.FILE_GONE)


def test_another_kind_or_library_is_not_taken_back() -> None:
    where = UndoOrder(
        Distribution(ORDER.distribution.name, Kind.JAR), ROOT, ORDER.files, ORDER.version
    )
    assert judged(job_with(NEW), where=where).rewire is None


def test_a_job_that_is_gone_has_nothing_to_take_back() -> None:
    undo = [UndoJob(7, "nightly", (Undo(PLACE, NEW, OLD),))]
    assert plan_undo(ORDER, Target(OLD, "", 0), undo, {}).rewires == ()


@given(st.lists(st.sampled_from(["1.2.0", "1.2.1", "1.3.0"]), min_size=1, max_size=4))
def test_what_a_plan_moved_goes_back_to_equal_json(found: list[str]) -> None:
    settings = job_with(*(f"{ROOT}/{wheel(one)}" for one in found))
    before = copy.deepcopy(settings)
    plan = make_plan(order(), jobs_with([settings]))
    (rewire,) = plan.rewires
    after = rewire.applied_to(settings)
    target = plan.target
    entry = Entry(
        id="000001-20260101T000000Z-00000000",
        sequence=1,
        action=Action.DEPLOY,
        distribution=order().library.distribution,
        version="1.4.0",
        path=target.path,
        sha256=target.sha256,
        size=target.size,
        digest=plan.digest,
        jobs=merged(plan.rewires, ()),
    )
    undo = undo_of([entry])
    files = frozenset(f"{ROOT}/{wheel(one)}" for one in found)
    where = UndoOrder(order().library.distribution, ROOT, files, order().library.version)
    back = plan_undo(where, Target("", "", 0), undo, {1: read_job(1, after)})
    assert back.untouched == ()
    assert back.rewires[0].applied_to(after) == before
