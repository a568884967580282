"""Works out the values of a task before it runs: references, conditions, parameter lists.

Owns `{{…}}` substitution, `condition_task` and for_each inputs. Pure: no I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

_REFERENCE: Final = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_BRACKETED: Final = re.compile(r"\.\[([^\]]+)\]")


class TaskError(Exception):
    """A task can't run or did not succeed; the message is what the run shows."""

    def __init__(self, message: str, *, logs: str = "", trace: str = "") -> None:
        super().__init__(message)
        self.logs = logs
        self.trace = trace


def substitute(value: object, values: Mapping[str, str]) -> object:
    """`value` with each `{{name}}` in its strings replaced by `values[name]`.

    A reference that is not known stays as it is. `{{job.parameters.[x]}}` means
    `{{job.parameters.x}}` (Databricks docs, "What is a dynamic value reference?").
    """
    if isinstance(value, str):
        return _REFERENCE.sub(
            lambda found: values.get(_BRACKETED.sub(r".\1", found[1]), found[0]), value
        )
    if isinstance(value, Mapping):
        return {key: substitute(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [substitute(each, values) for each in value]
    return value


def job_values(parameters: Mapping[str, str]) -> dict[str, str]:
    """The references to the job's parameters, by the names that `{{…}}` uses."""
    return {f"job.parameters.{name}": value for name, value in parameters.items()}


def iterations(for_each: Mapping[str, object]) -> list[dict[str, str]]:
    """The `{{input}}` values of each iteration of a for_each_task, from its JSON array.

    The fields of an object are `{{input.field}}` as well.

    Raises:
        TaskError: the inputs are no JSON array.
    """
    given = for_each.get("inputs")
    try:
        inputs = json.loads(given) if isinstance(given, str) else given
    except ValueError as error:
        raise TaskError(f"The inputs of the for_each_task are no JSON array: {error}") from error
    if not isinstance(inputs, list):
        raise TaskError(f"The inputs of the for_each_task are no JSON array: {given!r}")
    found = []
    for each in inputs:
        fields = each.items() if isinstance(each, dict) else ()
        found.append({"input": text(each), **{f"input.{key}": text(one) for key, one in fields}})
    return found


def text(value: object) -> str:
    """A JSON value as a parameter: strings bare, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def decide(condition: Mapping[str, object]) -> bool:
    """The outcome of a condition_task.

    EQUAL_TO and NOT_EQUAL compare text, the others numbers (SDK docstring of ConditionTask.op).

    Raises:
        TaskError: the operator is unknown, or an operand of a numeric one is no number.
    """
    operator = condition.get("op")
    left, right = text(condition.get("left", "")), text(condition.get("right", ""))
    if operator == "EQUAL_TO":
        return left == right
    if operator == "NOT_EQUAL":
        return left != right
    try:
        first, second = float(left), float(right)
    except ValueError as error:
        raise TaskError(f"{operator} compares numbers, not {left!r} and {right!r}.") from error
    outcomes = {
        "GREATER_THAN": first > second,
        "GREATER_THAN_OR_EQUAL": first >= second,
        "LESS_THAN": first < second,
        "LESS_THAN_OR_EQUAL": first <= second,
    }
    if operator not in outcomes:
        raise TaskError(f"The operator {operator} of the condition_task is unknown.")
    return outcomes[str(operator)]
