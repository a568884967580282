"""Pages become one document, and a cut view of a job is noticed."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.documents import JOB_ARRAYS, is_cut, merged


def _elements(key: str) -> st.SearchStrategy[list[dict[str, object]]]:
    named: dict[str, st.SearchStrategy[object]] = {key: st.text(max_size=8)}
    elements = st.fixed_dictionaries(named, optional={"x": _VALUES})
    return st.lists(elements, max_size=12, unique_by=lambda element: str(element[key]))


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
_ELEMENTS = {name: _elements(key) for name, key in JOB_ARRAYS.items()}
_SETTINGS = st.fixed_dictionaries(
    {"name": st.text()},
    optional={**_ELEMENTS, "tags": st.dictionaries(st.text(), st.text()), "new": st.lists(_VALUES)},
)


def in_pages(settings: JsonObject, size: int) -> list[JsonObject]:
    """As jobs/get gives them: arrays in slices, other fields on each page."""
    paged = [value for name, value in settings.items() if name in JOB_ARRAYS]
    count = max([1, *(-(-len(each) // size) for each in paged if isinstance(each, list))])
    return [
        {
            name: value[i * size : (i + 1) * size]
            if name in JOB_ARRAYS and isinstance(value, list)
            else copy.deepcopy(value)
            for name, value in settings.items()
        }
        for i in range(count)
    ]


@given(_SETTINGS, st.integers(1, 5))
def test_the_pages_of_settings_become_the_settings(settings: JsonObject, size: int) -> None:
    assert merged(in_pages(settings, size), JOB_ARRAYS) == settings


@given(_SETTINGS)
def test_one_page_stays_the_very_same_object(settings: JsonObject) -> None:
    assert merged([settings], JOB_ARRAYS) is settings


@given(_SETTINGS, st.integers(1, 5))
def test_pages_are_not_changed(settings: JsonObject, size: int) -> None:
    pages = in_pages(settings, size)
    before = copy.deepcopy(pages)
    merged(pages, JOB_ARRAYS)
    assert pages == before


def test_an_element_that_comes_on_two_pages_is_taken_once() -> None:
    pages: list[JsonObject] = [
        {"tasks": [{"task_key": "a"}], "job_clusters": [{"job_cluster_key": "c"}]},
        {"tasks": [{"task_key": "b"}], "job_clusters": [{"job_cluster_key": "c"}]},
    ]
    assert merged(pages, JOB_ARRAYS) == {
        "tasks": [{"task_key": "a"}, {"task_key": "b"}],
        "job_clusters": [{"job_cluster_key": "c"}],
    }


def test_an_array_that_nobody_knows_is_continued_but_not_repeated() -> None:
    pages: list[JsonObject] = [
        {"tasks": [], "webhooks": ["w"], "agents": ["a"]},
        {"tasks": [], "webhooks": ["w"], "agents": ["b"], "late": [1]},
        {"tasks": [], "webhooks": [], "agents": []},
    ]
    assert merged(pages, JOB_ARRAYS) == {
        "tasks": [],
        "webhooks": ["w"],
        "agents": ["a", "b"],
        "late": [1],
    }


def job(**settings: object) -> JsonObject:
    return {"job_id": 1, "settings": settings}


@pytest.mark.parametrize(
    "listed",
    [
        {"job_id": 1, "has_more": True, "settings": {}},
        job(tasks=[{"task_key": str(i)} for i in range(100)]),
        job(environments=[{"environment_key": str(i)} for i in range(100)]),
        job(tasks=[{"task_key": "a", "environment_key": "e"}]),
        job(tasks=[{"for_each_task": {"task": {"environment_key": "e"}}}], environments=[]),
        job(tasks=[{"environment_key": "f"}], environments=[{"environment_key": "e"}]),
    ],
)
def test_a_job_that_may_have_more_is_read_again(listed: JsonObject) -> None:
    assert is_cut(listed)


@pytest.mark.parametrize(
    "listed",
    [
        {"job_id": 1},
        {"job_id": 1, "has_more": False, "settings": {}},
        job(tasks=[{"task_key": str(i)} for i in range(99)]),
        job(tasks=[{"environment_key": "e"}], environments=[{"environment_key": "e"}]),
        job(tasks="no list at all", environments=None),
    ],
)
def test_a_job_that_is_all_there_is_not_read_again(listed: JsonObject) -> None:
    assert not is_cut(listed)
