"""The smallest write, through both ways in which the server may merge (design.md, rule 4)."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.deployment.write import Endpoint, Write, smallest_write
from deployer.jobs.places import PlaceGone
from deployer.plan.model import Rewire
from deployer.plan.policy import Rule
from tests.job_settings import (
    ROOT,
    Settings,
    job_settings,
    job_with,
    job_with_lines,
    keyless_settings,
    order,
    plan_for,
    stored_settings,
    wheel,
)

OLD = f"{ROOT}/{wheel('1.2.0')}"
EAGER = order("1.4.0", rule=Rule.ANY, move_owned=True)
KEYS = {"tasks": "task_key", "job_clusters": "job_cluster_key"}


def merged(before: list[Any], sent: list[Any], key: str) -> list[Any]:
    """Elements of the same key are replaced whole, the others stay, new ones come last."""
    new = {each[key]: each for each in sent}
    stay = [
        new.pop(each[key], each)
        if isinstance(each, dict) and isinstance(each.get(key), str)
        else each
        for each in before
    ]
    return [*stay, *new.values()]


def server(before: Settings, write: Write, *, merges_environments: bool) -> Settings:
    """What the job is after this write, as the Jobs API documents it (facts B3)."""
    if write.endpoint is Endpoint.RESET:
        reset = copy.deepcopy(write.settings)
        reset.setdefault("queue", {"enabled": True})  # the trap of reset
        return reset
    keys = KEYS | ({"environments": "environment_key"} if merges_environments else {})
    after = copy.deepcopy(before)
    sent: Settings = copy.deepcopy(write.settings)
    for field, value in sent.items():
        assert field in before, "update made up a field"
        after[field] = merged(after[field], value, keys[field]) if field in keys else value
    return after


def rewire_of(before: Settings) -> Rewire | None:
    return next(iter(plan_for(before, order=EAGER).rewires), None)


def needed_rewire(before: Settings) -> Rewire:
    rewire = rewire_of(before)
    assert rewire is not None
    return rewire


def check_the_write_is_the_rewire(before: Settings, *, merges_environments: bool) -> None:
    rewire = rewire_of(before)
    if rewire is None:
        return
    kept = json.dumps(before)
    write = smallest_write(before, rewire)
    wanted = rewire.applied_to(before)
    if write.endpoint is Endpoint.RESET:
        wanted = {**wanted, "queue": before.get("queue", {"enabled": False})}
    assert json.dumps(before) == kept
    after = server(before, write, merges_environments=merges_environments)
    assert json.dumps(after) == json.dumps(wanted)


@settings(deadline=None)
@given(st.one_of(job_settings, job_settings, keyless_settings()), st.booleans())
def test_either_way_of_merging_gives_exactly_the_rewired_settings(
    before: Settings, merges_environments: bool
) -> None:
    check_the_write_is_the_rewire(before, merges_environments=merges_environments)


@pytest.mark.parametrize("merges_environments", [True, False])
@pytest.mark.parametrize("trait", stored_settings())
def test_the_same_holds_for_the_stored_settings(trait: str, merges_environments: bool) -> None:
    check_the_write_is_the_rewire(stored_settings()[trait], merges_environments=merges_environments)


def test_only_tasks_that_change_are_sent_and_they_are_sent_whole() -> None:
    before = job_with(OLD, max_concurrent_runs=7)
    before["tasks"] += [{"task_key": "other", "libraries": [{"whl": "/else/x-1.0.whl"}]}]
    before["tasks"] += [{"task_key": "third", "libraries": [{"whl": OLD}], "future": {"x": [1.0]}}]
    write = smallest_write(before, needed_rewire(before))
    assert write.endpoint is Endpoint.UPDATE
    assert list(write.settings) == ["tasks"]
    sent: Any = write.settings["tasks"]
    assert [each["task_key"] for each in sent] == ["main", "third"]
    assert sent[1]["future"] == {"x": [1.0]}


def test_environments_are_sent_complete_when_one_of_them_changes() -> None:
    before = job_with_lines(OLD)
    before["environments"] += [{"environment_key": "spare", "spec": {"dependencies": ["numpy"]}}]
    write = smallest_write(before, needed_rewire(before))
    assert write.endpoint is Endpoint.UPDATE
    assert list(write.settings) == ["environments"]
    sent: Any = write.settings["environments"]
    assert [each["environment_key"] for each in sent] == ["env", "spare"]
    assert sent[1] is before["environments"][1]


@pytest.mark.parametrize(
    "before",
    [
        {"tasks": [{"libraries": [{"whl": OLD}]}]},
        {"tasks": [{"task_key": "a", "libraries": [{"whl": OLD}]}, {"task_key": "a"}]},
        {"environments": [{"spec": {"dependencies": [OLD]}}]},
        {
            "environments": [
                {"environment_key": "a", "spec": {"dependencies": [OLD]}},
                {"spec": {"dependencies": []}},
            ]
        },
    ],
)
def test_elements_without_keys_of_their_own_need_a_reset_with_the_queue_said(
    before: Settings,
) -> None:
    write = smallest_write(before, needed_rewire(before))
    assert write.endpoint is Endpoint.RESET
    assert write.settings["queue"] == {"enabled": False}
    queued = {**before, "queue": {"enabled": True}}
    assert smallest_write(queued, needed_rewire(queued)).settings["queue"] == {"enabled": True}
    unset = {**before, "queue": None}
    assert smallest_write(unset, needed_rewire(unset)).settings["queue"] == {"enabled": False}


def test_a_place_that_is_gone_is_no_write() -> None:
    with pytest.raises(PlaceGone):
        smallest_write(job_with(), needed_rewire(job_with(OLD)))
