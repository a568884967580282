"""The digest: what an approval means (design.md, "plan, digest")."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from deployer.plan.model import Plan
from tests.job_settings import ROOT, job_with, library, order, plan_for, wheel

OLD = f"{ROOT}/{wheel('1.2.0')}"


def plan() -> Plan:
    return plan_for(job_with(OLD), job_with(f"{ROOT}/{wheel('2.0.0')}"))


def test_the_digest_is_the_hash_of_this_very_json() -> None:
    # Approvals hold digests: whoever changes this text must raise `format`, too.
    text = (
        '{"format":1,"rewires":[{"changes":[["tasks/task_key=main/libraries/0/whl",'
        f'"{OLD}","{ROOT}/{wheel("1.4.0")}"]],"job_id":1}}],'
        f'"target":{{"path":"{ROOT}/{wheel("1.4.0")}","sha256":"{"ab" * 32}"}}}}'
    )
    assert plan().digest == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        plan_for(job_with(f"{ROOT}/{wheel('1.2.1')}")),
        plan_for(job_with(OLD, OLD)),
        plan_for({}, job_with(OLD)),
        plan_for(job_with(f" {OLD}")),
        plan_for(job_with(OLD), order=order("1.4.1")),
        plan_for(
            job_with(OLD), order=replace(order(), library=replace(library(), sha256="cd" * 32))
        ),
        plan_for(),
    ],
)
def test_another_target_place_or_before_string_is_another_digest(other: Plan) -> None:
    assert other.digest != plan().digest


def test_untouched_references_names_and_notes_are_not_hashed() -> None:
    renamed = plan_for(job_with(OLD, name="another", continuous={}))
    assert renamed.rewires[0].note
    assert renamed.digest == plan().digest


def test_strings_that_are_no_valid_unicode_are_hashed_all_the_same() -> None:
    settings = {"tasks": [{"task_key": "\ud800", "libraries": [{"whl": OLD}]}]}
    assert len(plan_for(settings).rewires) == 1
    assert plan_for(settings).digest == plan_for(settings).digest
