"""What a reviewer is told when the plan of now is not the one that was approved."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.plan.difference import ApprovedPlan, approved_plan, differences
from deployer.plan.model import Plan
from tests.job_settings import ROOT, job_with, library, order, plan_for, wheel

OLD, OLDER = f"{ROOT}/{wheel('1.2.0')}", f"{ROOT}/{wheel('1.1.0')}"


def kept(plan: Plan, **other: Any) -> ApprovedPlan:
    """The plan as its report would tell it."""
    document = {
        "library": {"remote_path": plan.target.path, "sha256": plan.target.sha256},
        "plan": {
            "digest": plan.digest,
            "changes": [
                {
                    "kind": "rewire",
                    "job_id": one.job_id,
                    "job_name": one.job_name,
                    "references": [
                        {"place": c.pointer, "before": c.before, "after": c.after}
                        for c in one.changes
                    ],
                }
                for one in plan.rewires
            ],
        },
    }
    found = approved_plan(json.loads(json.dumps({**document, **other})))
    assert found is not None
    return found


def test_the_same_plan_has_no_difference() -> None:
    plan = plan_for(job_with(OLD), job_with(OLDER, OLD))
    assert differences(kept(plan), plan) == ()


def test_a_job_that_came_and_a_job_that_went_are_named() -> None:
    one, two = job_with(OLD, name="one"), job_with(OLD, name="two")
    told = differences(kept(plan_for(one)), plan_for(one, two))
    assert told == ("job 2 (two) would move now, and was not in the plan",)
    told = differences(kept(plan_for(one, two)), plan_for(one))
    assert told == ("job 2 (two) was to move, and does not any more",)


def test_a_reference_that_somebody_edited_is_told_with_both_strings() -> None:
    told = differences(kept(plan_for(job_with(OLD))), plan_for(job_with(OLDER)))
    assert len(told) == 2
    assert OLDER in told[0]
    assert OLD in told[1]


def test_another_file_and_other_bytes_come_first() -> None:
    before = plan_for(job_with(OLD))
    after = plan_for(job_with(OLD), order=order("1.4.1"))
    assert wheel("1.4.1") in differences(kept(before), after)[0]
    other = kept(before, library={"remote_path": before.target.path, "sha256": "cd" * 32})
    assert "other bytes" in differences(other, before)[0]
    assert library().sha256 in differences(other, before)[0]


def test_many_differences_are_counted() -> None:
    many = [job_with(OLD, name=f"job-{number}") for number in range(300)]
    told = differences(kept(plan_for(job_with(OLD))), plan_for(*many))
    assert len(told) == 21
    assert told[-1] == "and 279 more differences"


@pytest.mark.parametrize(
    "document", [None, [], {}, {"plan": None}, {"plan": {"digest": 1, "changes": []}}]
)
def test_what_is_no_report_of_a_plan_is_none(document: object) -> None:
    assert approved_plan(document) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "job_id", "job_name", "references", "place", "before"]), inner
        )
    ),
)


@given(JSON, JSON)
def test_a_report_that_anybody_wrote_is_read_or_left(changes: object, named: object) -> None:
    document = {"plan": {"digest": "d", "changes": changes}, "library": named}
    found = approved_plan(document)
    if found is not None:
        assert len(differences(found, plan_for(job_with(OLD)))) <= 21
