"""References, conditions and iterations of tasks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.task_values import TaskError, decide, iterations, job_values, substitute

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    "spelling",
    ["{{job.parameters.day}}", "{{ job.parameters.day }}", "{{job.parameters.[day]}}"],
)
def test_a_job_parameter_is_put_where_its_reference_stands(spelling: str) -> None:
    values = job_values({"day": "2026-01-31"})
    given_value = {"parameters": [f"--day={spelling}", 3], "other": None}
    expected = {"parameters": ["--day=2026-01-31", 3], "other": None}
    assert substitute(given_value, values) == expected


def test_an_unknown_reference_stays_as_it_is() -> None:
    assert substitute("{{tasks.a.values.b}}", job_values({"b": "1"})) == "{{tasks.a.values.b}}"


def test_a_value_that_looks_like_a_reference_is_not_resolved_again() -> None:
    values = {"a": "{{b}}", "b": "x"}
    assert substitute("{{a}}", values) == "{{b}}"


@given(json_values)
def test_without_values_nothing_changes(value: object) -> None:
    assert substitute(value, {}) == value


def test_each_input_is_one_iteration_and_fields_have_names() -> None:
    inputs = json.dumps(["a", 2, {"name": "x", "days": [1]}])
    assert iterations({"inputs": inputs}) == [
        {"input": "a"},
        {"input": "2"},
        {"input": '{"name": "x", "days": [1]}', "input.name": "x", "input.days": "[1]"},
    ]


@pytest.mark.parametrize("inputs", ["{{tasks.a.values.b}}", '{"a": 1}', "", None])
def test_inputs_that_are_no_array_are_refused(inputs: object) -> None:
    with pytest.raises(TaskError, match="no JSON array"):
        iterations({"inputs": inputs})


@pytest.mark.parametrize(
    ("left", "operator", "right", "outcome"),
    [
        ("12.0", "EQUAL_TO", "12", False),
        ("12", "EQUAL_TO", "12", True),
        ("12.0", "NOT_EQUAL", "12", True),
        ("12.0", "GREATER_THAN_OR_EQUAL", "12", True),
        ("10.0", "GREATER_THAN_OR_EQUAL", "12", False),
        ("10", "GREATER_THAN", "9", True),
        ("10", "LESS_THAN", "9", False),
        ("9", "LESS_THAN_OR_EQUAL", "9", True),
    ],
)
def test_equality_compares_text_and_order_compares_numbers(
    left: str, operator: str, right: str, *, outcome: bool
) -> None:
    assert decide({"left": left, "op": operator, "right": right}) is outcome


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"left": "a", "op": "LESS_THAN", "right": "1"}, "compares numbers"),
        ({"left": "1", "op": "LIKE", "right": "1"}, "unknown"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(
    condition: dict[str, object], message: str
) -> None:
    with pytest.raises(TaskError, match=message):
        decide(condition)
