"""Places: addressing by key where keys are unique, reading and replacing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployer.jobs.places import (
    KEY_FIELDS,
    Keyed,
    Place,
    PlaceGone,
    elements,
    replaced,
    strings,
)
from tests.job_settings import Settings, any_settings, job_settings

SETTINGS: Settings = {
    "name": "n",
    "tasks": [
        {"task_key": "b", "libraries": [{"whl": "1"}, {"whl": "2"}]},
        {"task_key": "a/~", "libraries": [{"whl": "3"}]},
    ],
}
FIRST = Place(("tasks", Keyed("task_key", "b"), "libraries", 1, "whl"))
SECOND = Place(("tasks", Keyed("task_key", "a/~"), "libraries", 0, "whl"))


def test_a_place_follows_its_task_when_the_api_reorders_tasks() -> None:
    reordered = {**SETTINGS, "tasks": SETTINGS["tasks"][::-1]}
    assert FIRST.read(SETTINGS) == FIRST.read(reordered) == "2"
    assert FIRST.pointer(SETTINGS) == "/tasks/0/libraries/1/whl"
    assert FIRST.pointer(reordered) == "/tasks/1/libraries/1/whl"


def test_a_place_is_spelled_by_its_keys_escaped_as_in_a_json_pointer() -> None:
    assert str(SECOND) == "tasks/task_key=a~1~0/libraries/0/whl"


def test_the_way_to_a_place_starts_with_the_settings() -> None:
    *_, task, libraries, library, text = FIRST.way(SETTINGS)
    assert (task, libraries) == (SETTINGS["tasks"][0], SETTINGS["tasks"][0]["libraries"])
    assert (library, text) == ({"whl": "2"}, "2")


def test_replacing_leaves_all_else_the_very_same_object() -> None:
    kept = json.dumps(SETTINGS)
    after: Any = replaced(SETTINGS, {FIRST: "x", SECOND: "y"})
    assert FIRST.read(after) == "x"
    assert SECOND.read(after) == "y"
    assert after["tasks"][0]["libraries"][0] is SETTINGS["tasks"][0]["libraries"][0]
    assert json.dumps(SETTINGS) == kept
    assert replaced(SETTINGS, {}) == SETTINGS


@pytest.mark.parametrize(
    "steps",
    [
        ("none",),
        ("tasks", 7),
        ("tasks", Keyed("task_key", "gone"), "libraries"),
        ("tasks", "0"),
        ("tasks", Keyed("task_key", "b")),
        ("name", "x"),
        ("name", 0),
    ],
)
def test_a_place_that_is_gone_or_holds_no_string_says_so(steps: tuple[Any, ...]) -> None:
    with pytest.raises(PlaceGone):
        Place(steps).read(SETTINGS)
    with pytest.raises(PlaceGone):
        replaced(SETTINGS, {Place(steps): "x"})
    if not isinstance(steps[-1], Keyed):
        with pytest.raises(PlaceGone):
            Place((*steps, "x")).pointer(SETTINGS)


def test_elements_without_a_key_of_their_own_are_addressed_by_position() -> None:
    tasks: list[Any] = [{"task_key": "a"}, {"task_key": "a"}, {"task_key": "b"}, {}, 1]
    tasks += [{"task_key": ["x"]}]
    assert [step for step, _ in elements({"tasks": tasks}, "tasks")] == [
        0,
        1,
        Keyed("task_key", "b"),
        3,
        4,
        5,
    ]
    assert [step for step, _ in elements({"libraries": [{"task_key": "a"}]}, "libraries")] == [0]
    assert list(elements({"tasks": {}}, "tasks")) == []


def every_string(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return [text for child in children for text in every_string(child)]


@settings(deadline=None)
@given(any_settings)
def test_every_string_is_found_once_in_document_order_and_can_be_replaced(
    anything: Settings,
) -> None:
    found = list(strings(anything))
    assert [text for _, text in found] == every_string(anything)
    assert len({place for place, _ in found}) == len(found)
    after = replaced(anything, {place: "new" for place, _ in found})
    assert every_string(after) == ["new"] * len(found)
    back = replaced(after, dict(found))
    assert json.dumps(back) == json.dumps(anything)


@settings(deadline=None)
@given(job_settings)
def test_two_places_never_share_a_spelling(made: Settings) -> None:
    places = [place for place, _ in strings(made)]
    assert len({str(place) for place in places}) == len(places)


# ── As JSON ──────────────────────────────────────────────────────────────────────────────────────

_any_text = st.text(st.characters(exclude_categories=()))  # also lone surrogates, as JSON may have
_steps = st.one_of(
    _any_text,
    st.integers(min_value=0),
    st.builds(Keyed, st.sampled_from(sorted(KEY_FIELDS.values())), _any_text),
)
places = st.builds(Place, st.lists(_steps, min_size=1).map(tuple))
_no_steps: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(max_value=-1),
    st.lists(_any_text),
    st.dictionaries(_any_text, _any_text, max_size=3).filter(lambda one: not _is_key(one)),
    st.dictionaries(st.sampled_from(["task_key", "environment_key"]), st.integers(), min_size=1),
    st.just({"task_key": "a", "environment_key": "b"}),
)
any_json: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), _any_text, places.map(Place.to_json)
    ),
    lambda inner: st.lists(inner) | st.dictionaries(_any_text | st.just("task_key"), inner),
)


def _is_key(one: dict[str, str]) -> bool:
    return len(one) == 1 and set(one) <= set(KEY_FIELDS.values())


@given(places)
@example(Place(("tasks", Keyed("task_key", "\ud800\n"), 10**40, "")))
def test_a_place_comes_back_from_json_as_it_was(place: Place) -> None:
    assert Place.from_json(place.to_json()) == place
    assert hash(Place.from_json(place.to_json())) == hash(place)


@settings(deadline=None)
@given(any_settings)
def test_every_place_of_any_settings_comes_back_from_the_text_of_its_json(
    anything: Settings,
) -> None:
    for place, _ in strings(anything):
        assert Place.from_json(json.loads(json.dumps(place.to_json()))) == place


@given(st.lists(_steps), _no_steps, st.lists(_steps))
def test_one_step_that_is_none_spoils_the_place(before: Any, wrong: Any, after: Any) -> None:
    whole = Place((*before, 0, *after)).to_json()
    whole[len(before)] = wrong
    with pytest.raises(ValueError, match="a step of a place is"):
        Place.from_json(whole)


@settings(deadline=None)
@given(any_json)
def test_any_json_is_a_place_that_is_written_the_same_or_refused(anything: Any) -> None:
    try:
        place = Place.from_json(anything)
    except ValueError:
        return
    assert place.to_json() == anything


def deep(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    "steps",
    [
        deep(10_000),
        [{"task_key": deep(10_000)}],
        ["x", "y" * 10_000_000, None],
        [],
        (),
        "tasks",
        {"task_key": "a"},
        [True],
        [1.0],
        [{"path": "a"}],
        [{}],
        [b"tasks"],
    ],
    ids=range(12),
)
def test_what_is_no_place_is_refused_in_a_short_sentence(steps: object) -> None:
    with pytest.raises(ValueError, match=r"a place is|a step of a place is") as refused:
        Place.from_json(steps)
    assert len(str(refused.value)) < 100
