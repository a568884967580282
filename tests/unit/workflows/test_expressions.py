"""The player of workflow files reads expressions as GitHub documents them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflows.expressions import WrongExpression, evaluate, fill, truth

CONTEXT: dict[str, Any] = {
    "github": {"event": {"number": 7}, "ref": "refs/heads/main"},
    "steps": {"plan": {"outputs": {"plan-digest": "ab", "moved": "3"}}},
    "inputs": {"dry": True},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("github.event.number", 7),
        ("github.event.nothing.further", None),
        ("github['ref']", "refs/heads/main"),
        ("steps.plan.outputs.plan-digest", "ab"),
        ("steps.other.outputs.x || 'missing'", "missing"),
        ("'A' == 'a'", True),
        ("'it''s' != 'its'", True),
        ("null == ''", True),
        ("github.ref && 'yes' || 'no'", "yes"),
        ("!(inputs.dry && false)", True),
        ("startsWith(github.ref, 'refs/HEADS/')", True),
        ("contains(fromJSON('[\"a\", \"b\"]'), 'B')", True),
        ("format('{1}-{0}', 'a', 1.5)", "1.5-a"),
        ("inputs.dry == true && github.event.number == 7", True),
    ],
)
def test_an_expression_has_its_value(text: str, value: Any) -> None:
    assert evaluate(text, CONTEXT) == value


@pytest.mark.parametrize(
    "text",
    ["gihtub.ref", "success()", "'open", "1 +", "(true", "a b", "", "github.ref ==", "a ? b"],
)
def test_what_github_would_refuse_is_refused(text: str) -> None:
    with pytest.raises(WrongExpression):
        evaluate(text, CONTEXT)


def test_texts_are_filled_and_null_is_nothing() -> None:
    text = "${{ steps.plan.outputs.moved }} of ${{ github.nothing }}, ${{ inputs.dry }}"
    assert fill(text, CONTEXT) == "3 of , true"


@pytest.mark.parametrize("value", [None, False, 0, ""])
def test_these_values_count_as_false(value: Any) -> None:
    assert not truth(value)


def test_a_text_that_says_false_counts_as_true() -> None:
    assert truth("false")
