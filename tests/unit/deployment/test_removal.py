"""Removing old versions: only what was decided, one failure stops no other."""

from __future__ import annotations

from packaging.version import Version

from deployer.deployment.removal import remove
from deployer.errors import FailureReason
from deployer.plan.retention import Stored
from tests.fake_workspace import FakeWorkspace
from tests.job_settings import ROOT, wheel

GOING = [Stored(f"{ROOT}/{wheel(each)}", Version(each), 0) for each in ("1.1.0", "1.2.0", "1.3.0")]


def workspace() -> FakeWorkspace:
    made = FakeWorkspace()
    for each in (*GOING, Stored(f"{ROOT}/{wheel('1.4.0')}", Version("1.4.0"), 0)):
        made.put_file(each.path, b"x")
    return made


def test_what_goes_is_deleted_and_nothing_else() -> None:
    there = workspace()
    removed, problems = remove(there.store(ROOT), GOING, stopped=lambda: False)
    assert (list(removed), problems) == (GOING, ())
    assert list(there.contents) == [f"{ROOT}/{wheel('1.4.0')}"]


def test_a_file_that_will_not_go_is_a_problem_and_the_others_go() -> None:
    there = workspace()
    there.denied_paths.add(GOING[1].path)
    removed, problems = remove(there.store(ROOT), GOING, stopped=lambda: False)
    assert list(removed) == [GOING[0], GOING[2]]
    assert [each.reason for each in problems] == [FailureReason.REMOVAL_FAILED]
    assert GOING[1].path in problems[0].title


def test_a_stop_comes_between_two_deletes() -> None:
    there = workspace()
    asked = iter([False, True])
    removed, problems = remove(there.store(ROOT), GOING, stopped=lambda: next(asked))
    assert (list(removed), problems) == (GOING[:1], ())
    assert len(there.contents) == 3


def test_a_file_that_is_gone_already_counts_as_removed() -> None:
    there = workspace()
    del there.contents[GOING[0].path]
    removed, problems = remove(there.store(ROOT), GOING, stopped=lambda: False)
    assert (list(removed), problems) == (GOING, ())
