"""Approvals: the text between a plan and its deployment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.approval import approval_of, parse_approval

DIGEST = "9c" * 32
PATHS = st.frozensets(st.text(st.characters(exclude_categories=["Cs"])), max_size=5)


@given(PATHS, PATHS)
def test_an_approval_allows_what_the_plan_removes_and_nothing_else(
    planned: frozenset[str], others: frozenset[str]
) -> None:
    read = parse_approval(str(approval_of(DIGEST, planned)))
    assert read is not None
    assert read.digest == DIGEST
    assert all(read.allows(path) for path in planned)
    assert not any(read.allows(path) for path in others - planned)


def test_an_approval_without_removals_is_the_digest_alone() -> None:
    assert str(approval_of(DIGEST, ())) == DIGEST


def test_the_order_of_removals_does_not_matter() -> None:
    assert str(approval_of(DIGEST, ["a", "b"])) == str(approval_of(DIGEST, ["b", "a", "b"]))


@pytest.mark.parametrize(
    "text", ["", "missing", DIGEST[:-1], DIGEST + "0", DIGEST + "-", DIGEST + "-12", DIGEST + "\n"]
)
def test_other_texts_are_no_approval(text: str) -> None:
    assert parse_approval(text) is None
