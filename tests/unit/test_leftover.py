"""The note that carries a run's locks to the action's post step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.deployment.holding import Taken
from deployer.leftover import STATE, LockNotes, noted

ONE, TWO = (
    Taken("/Volumes/a/b/c/locks/x", 7, "0" * 16),
    Taken("/Volumes/a/b/c/locks/w", 1, "f" * 16),
)


def test_the_last_note_names_what_is_still_held() -> None:
    saved: list[tuple[str, str]] = []
    note = LockNotes(lambda name, text: saved.append((name, text)))
    note(ONE, held=True)
    note(TWO, held=True)
    assert noted(saved[-1][1]) == (ONE, TWO)
    note(TWO, held=False)
    assert noted(saved[-1][1]) == (ONE,)
    note(ONE, held=False)
    assert noted(saved[-1][1]) == ()
    assert {name for name, _ in saved} == {STATE}


def test_a_note_that_can_t_be_kept_stops_nothing() -> None:
    def full(name: str, text: str) -> None:
        raise OSError("no space left")

    LockNotes(full)(ONE, held=True)


@pytest.mark.parametrize("text", ["", "null", "{}", "[1]", '[{"folder": 1}]', "[" * 100_000])
def test_what_is_no_note_names_nothing(text: str) -> None:
    assert noted(text) == ()


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    noted(text)
