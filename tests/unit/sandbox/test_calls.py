"""Callbacks around calls, without a server."""

import pytest

from sandbox.calls import Watchers
from sandbox.store import StoreClosedError


def test_a_look_that_the_end_of_the_sandbox_interrupts_is_no_failure() -> None:
    watchers = Watchers()
    told: list[str] = []

    def look(*_: object) -> None:
        told.append("told")
        raise StoreClosedError

    watchers.before(look)
    watchers.tell_before("GET", "/x")
    watchers.raise_first()
    assert told == ["told"]


def test_what_the_first_callback_raises_keeps_no_other_from_being_told() -> None:
    watchers = Watchers()
    told: list[str] = []
    watchers.before(lambda *_: 1 // 0)
    watchers.before(lambda _, path: told.append(path))
    watchers.tell_before("GET", "/x")
    assert told == ["/x"]
    with pytest.raises(ZeroDivisionError):
        watchers.raise_first()
    watchers.raise_first()
