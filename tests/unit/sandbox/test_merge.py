"""The rules of jobs/update, jobs/reset and of pages: facts B2 and B3."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import merge
from sandbox.options import Behaviour

FAITHFUL = Behaviour()
KEYS = st.sampled_from("abcdef")
VALUES: st.SearchStrategy[Any] = st.none() | st.integers() | st.text(max_size=3)


def elements(key: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.builds(lambda name, value: {key: name, "value": value}, KEYS, VALUES)
    return st.lists(one, max_size=6, unique_by=lambda each: each[key])


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "name": VALUES,
        "tags": st.dictionaries(KEYS, VALUES, max_size=2),
        "tasks": elements("task_key"),
        "job_clusters": elements("job_cluster_key"),
        "environments": elements("environment_key"),
    },
)


def by_key(array: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["task_key"]: each for each in array}


@settings(deadline=None)
@given(SETTINGS, SETTINGS)
def test_what_is_not_sent_stays(old: dict[str, Any], new: dict[str, Any]) -> None:
    result = merge.updated(old, new, (), FAITHFUL)
    assert {key: result[key] for key in old if key not in new} == {
        key: old[key] for key in old if key not in new
    }


@settings(deadline=None)
@given(SETTINGS, SETTINGS)
def test_sent_tasks_arrive_and_the_others_stay(old: dict[str, Any], new: dict[str, Any]) -> None:
    result = merge.updated(old, new, (), FAITHFUL)
    if "tasks" in old or "tasks" in new:
        expected = {**by_key(old.get("tasks", [])), **by_key(new.get("tasks", []))}
        assert by_key(result["tasks"]) == expected
        assert len(result["tasks"]) == len(expected)


@settings(deadline=None)
@given(SETTINGS, SETTINGS)
def test_an_update_sent_twice_is_an_update_sent_once(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    once = merge.updated(old, new, (), FAITHFUL)
    assert merge.updated(once, new, (), FAITHFUL) == once


@settings(deadline=None)
@given(SETTINGS)
def test_sending_back_everything_changes_nothing(settings: dict[str, Any]) -> None:
    for environments in ("merge", "replace"):
        behaviour = FAITHFUL.changed({"environments": environments})
        assert merge.updated(settings, settings, (), behaviour) == settings


@settings(deadline=None)
@given(SETTINGS, SETTINGS)
def test_the_arguments_are_left_alone(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = (repr(old), repr(new))
    merge.updated(old, new, ["name", "tasks/a"], FAITHFUL)
    merge.as_returned(merge.with_defaults(merge.without_write_only(old)), FAITHFUL)
    assert (repr(old), repr(new)) == before


def test_removing_goes_before_setting() -> None:
    old = {"tasks": [{"task_key": "a", "x": 1}], "name": "n"}
    new = {"tasks": [{"task_key": "a", "y": 2}]}
    result = merge.updated(old, new, ["tasks/a", "name", "not there", "tasks/no"], FAITHFUL)
    assert result == new


@pytest.mark.parametrize("path", ["tasks/a/libraries", "schedule/timezone", "environments/e"])
def test_nested_fields_can_not_be_removed(path: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        merge.updated({}, {}, [path], FAITHFUL)


def test_parameters_are_played_both_ways() -> None:
    old = {"parameters": [{"name": "a", "default": "1"}]}
    new = {"parameters": [{"name": "b", "default": "2"}]}
    both = [*old["parameters"], *new["parameters"]]
    assert merge.updated(old, new, (), FAITHFUL)["parameters"] == both
    assert merge.updated(old, new, (), FAITHFUL.changed({"parameters": "replace"})) == new


def test_a_reset_keeps_run_as_only_when_it_says_nothing_about_it() -> None:
    old = {"run_as": {"user_name": "a"}, "name": "n"}
    assert merge.reset(old, {}, FAITHFUL) == {"run_as": {"user_name": "a"}}
    other = {"run_as": {"user_name": "b"}}
    assert merge.reset(old, other, FAITHFUL) == other
    assert merge.reset(old, {}, FAITHFUL.changed({"reset_keeps_run_as": False})) == {}


@settings(deadline=None)
@given(st.integers(0, 350), st.integers(0, 350))
def test_pages_together_are_the_whole(tasks: int, clusters: int) -> None:
    settings = {"name": "n", "tasks": list(range(tasks)), "job_clusters": list(range(clusters))}
    found: dict[str, list[int]] = {"tasks": [], "job_clusters": []}
    start, more = 0, True
    while more:
        page, more = merge.cut(settings, merge.PAGED_ARRAYS, start)
        assert all(len(page[key]) <= merge.PAGE for key in found)
        for key, array in found.items():
            array.extend(page[key])
        start += merge.PAGE
    assert found == {key: settings[key] for key in found}


def test_later_pages_have_all_arrays_even_those_the_job_lacks() -> None:
    page, more = merge.cut({"tasks": [1] * 101}, merge.PAGED_ARRAYS, 100)
    assert not more
    assert page == {"tasks": [1], "job_clusters": [], "environments": [], "parameters": []}


def test_defaults_never_replace_what_is_given() -> None:
    given_settings = {"timeout_seconds": 5, "tasks": [{"task_key": "a", "run_if": "ALL_DONE"}]}
    result = merge.with_defaults(given_settings)
    assert result["timeout_seconds"] == 5
    assert result["tasks"][0]["run_if"] == "ALL_DONE"


def test_settings_of_odd_shapes_pass_unread() -> None:
    odd: dict[str, Any] = {
        "tasks": "none",
        "job_clusters": None,
        "webhook_notifications": {"on_start": None},
    }
    assert merge.as_returned(merge.without_write_only(odd), FAITHFUL) == odd
    assert merge.cut(odd, merge.PAGED_ARRAYS, 0) == (odd, False)
