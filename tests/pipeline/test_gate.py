"""The gate: what was approved is done, or nothing; and a refusal says what differs."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from tests.pipeline.stage import ROOT, Ended, Stage, path
from tests.pipeline.test_trouble import any_moved
from tests.unit.report.markdown_reading import foreign_html


@pytest.fixture
def ready(stage: Stage) -> Stage:
    """Twenty jobs on 1.4.0, and 1.5.0 to deploy."""
    stage.publish("1.3.0", "1.4.0")
    for number in range(20):
        stage.job(path("1.4.0"), name=f"job {number}")
    stage.build("1.5.0")
    return stage


def kept(stage: Stage, planned: Ended, name: str = "plan.json") -> str:
    """The report of a plan, as a workflow keeps it as an artifact; its path in the workspace."""
    (stage.folder / name).write_text(json.dumps(planned.document), encoding="utf-8")
    return name


def halfway(stage: Stage, digest: str) -> set[int]:
    """A deployment that breaks after some jobs have moved; these jobs."""
    jobs = sorted(stage.workspace.jobs())
    report = stage.deploy_with(
        lambda: None, stopped=lambda: any_moved(stage, jobs), expected_plan_digest=digest
    )
    assert report.outcome == "cancelled"
    moved = {job for job in jobs if stage.version_of(job) == ["1.5.0"]}
    assert 0 < len(moved) < len(jobs)
    return moved


# ── An approval outlives a crash ─────────────────────────────────────────────────────────────────


def test_an_approved_digest_still_fits_after_a_run_that_broke_halfway(ready: Stage) -> None:
    approved = ready.plan().outputs["plan-digest"]
    moved = halfway(ready, approved)
    ended = ready.deploy(expected_plan_digest=approved)
    assert (ended.code, ended.moved) == (0, set(ready.workspace.jobs()) - moved)
    assert ended.outputs["removed-versions"] == "1.3.0"


def test_a_plan_between_the_two_has_the_same_digest_and_shows_what_is_left(ready: Stage) -> None:
    first = ready.plan()
    moved = halfway(ready, first.outputs["plan-digest"])
    second = ready.plan()
    assert second.outputs["plan-digest"] == first.outputs["plan-digest"]
    assert second.planned == set(ready.workspace.jobs()) - moved


def test_an_approval_fits_after_two_runs_that_broke(ready: Stage) -> None:
    approved = ready.plan().outputs["plan-digest"]
    halfway(ready, approved)
    report = ready.deploy_with(lambda: None, stopped=lambda: True, expected_plan_digest=approved)
    assert report.outcome == "cancelled"
    assert ready.deploy(expected_plan_digest=approved).code == 0


def test_what_changed_between_the_two_runs_refuses_the_second(ready: Stage) -> None:
    approved = ready.plan().outputs["plan-digest"]
    halfway(ready, approved)
    late = ready.job(path("1.4.0"), name="late")
    ended = ready.deploy(expected_plan_digest=approved)
    assert (ended.code, ended.outputs["failure-reason"]) == (3, "plan-changed")
    assert ready.version_of(late) == ["1.4.0"]


def test_when_it_is_done_a_second_run_of_the_same_job_has_nothing_to_do(ready: Stage) -> None:
    approved = ready.plan(cleanup="false").outputs["plan-digest"]
    assert ready.deploy(expected_plan_digest=approved).code == 0
    calls = len(ready.workspace.calls())
    again = ready.deploy(expected_plan_digest=approved)
    assert (again.code, again.document["outcome"]) == (0, "nothing-to-do")
    assert {one.method for one in ready.workspace.calls()[calls:]} <= {"GET", "HEAD"}
    assert "1.3.0" in ready.stored()  # its removal was not approved


@pytest.mark.parametrize("changed", ["a job came", "it was taken back", "another came since"])
def test_when_it_is_done_the_approval_allows_nothing_else(ready: Stage, changed: str) -> None:
    approved = ready.plan().outputs["plan-digest"]
    assert ready.deploy(expected_plan_digest=approved).code == 0
    if changed == "a job came":
        ready.job(path("1.4.0"), name="late")
    elif changed == "it was taken back":
        assert ready.run("rollback", None, root=ROOT).code == 0
        assert ready.run("rollback", None, root=ROOT, expected_plan_digest=approved).code == 3
        ready.job(path("1.4.0"), name="late")
    else:
        ready.build("1.6.0")
        assert ready.deploy().code == 0
    before = ready.workspace.jobs()
    again = ready.deploy(expected_plan_digest=approved)
    assert (again.code, again.outputs["failure-reason"]) == (3, "plan-changed")
    assert again.document["deployment"] is None
    assert ready.workspace.jobs() == before


# ── What differs ─────────────────────────────────────────────────────────────────────────────────


def test_a_refusal_shows_what_differs_from_the_plan_that_was_kept(ready: Stage) -> None:
    planned = ready.plan()
    plan = kept(ready, planned)
    first, second = sorted(ready.workspace.jobs())[:2]
    ready.workspace.delete_job(first)
    settings = copy.deepcopy(ready.workspace.job(second))
    settings["tasks"][0]["libraries"][0]["whl"] = path("1.3.0")
    ready.workspace.set_job(second, settings)
    late = ready.job(path("1.4.0"), name="late")
    for inputs in (
        {"approved_plan": plan, "expected_plan_digest": planned.outputs["plan-digest"]},
        {"approved_plan": plan},
    ):
        ended = ready.deploy(**inputs)
        assert (ended.code, ended.outputs["failure-reason"]) == (3, "plan-changed")
        detail = ended.document["failure"]["detail"]
        assert f"job {late} (late) would move now, and was not in the plan" in detail
        assert f"job {first} (job 0) was to move, and does not any more" in detail
        assert f"job {second} (job 1) now names {path('1.3.0')}" in detail
        assert f"job {second} (job 1) named {path('1.4.0')} when it was approved" in detail
        assert ready.version_of(late) == ["1.4.0"]
        assert ready.stored() == {"1.3.0", "1.4.0"}


def test_other_bytes_of_the_file_are_told(ready: Stage) -> None:
    plan = kept(ready, ready.plan())
    ready.build("1.5.0", files={"retail_metrics/__init__.py": "OTHER = 1\n"})
    ended = ready.deploy(approved_plan=plan)
    assert ended.outputs["failure-reason"] == "plan-changed"
    assert "the file has other bytes" in ended.document["failure"]["detail"]


def test_without_the_kept_plan_a_refusal_says_how_to_see_what_differs(ready: Stage) -> None:
    approved = ready.plan().outputs["plan-digest"]
    ready.job(path("1.4.0"))
    failure = ready.deploy(expected_plan_digest=approved).document["failure"]
    assert "approved-plan: plan/report.json" in failure["remedy"]
    assert approved.partition("-")[0] in failure["detail"]


def test_a_kept_plan_alone_is_the_approval(ready: Stage) -> None:
    planned = ready.plan()
    ended = ready.deploy(approved_plan=kept(ready, planned))
    assert (ended.code, ended.moved) == (0, planned.planned)


def test_a_kept_plan_allows_only_the_removals_that_it_names(ready: Stage) -> None:
    plan = kept(ready, ready.plan(cleanup="false"))
    ended = ready.deploy(approved_plan=plan)
    assert (ended.code, ended.document["deployment"]["removed"]) == (0, [])
    assert "1.3.0" in ready.stored()


def test_a_kept_plan_beside_another_digest_counts_for_nothing(ready: Stage) -> None:
    plan = kept(ready, ready.plan())
    ended = ready.deploy(approved_plan=plan, expected_plan_digest="9c" * 32)
    assert ended.outputs["failure-reason"] == "plan-changed"
    assert "What differs" not in ended.document["failure"]["detail"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"plan": null}', b'{"plan": {"digest": "x", "changes": []}}', b"[" * 9999],
    ids=range(6),
)
def test_a_file_that_is_no_report_of_a_plan_approves_nothing(ready: Stage, content: bytes) -> None:
    (ready.folder / "plan.json").write_bytes(content)
    ended = ready.deploy(approved_plan="plan.json")
    assert (ended.code, ended.outputs["failure-reason"]) == (2, "invalid-input")
    assert "no report of a plan" in ended.document["failure"]["title"]
    assert ready.stored() == {"1.3.0", "1.4.0"}


def test_a_kept_plan_that_is_missing_approves_nothing(ready: Stage) -> None:
    ended = ready.deploy(approved_plan="plan/report.json")
    assert (ended.code, ended.outputs["failure-reason"]) == (2, "invalid-input")
    assert "plan/report.json" in ended.document["failure"]["title"]


def test_the_digest_decides_and_not_what_the_kept_report_shows(ready: Stage) -> None:
    """Somebody who edits the artifact can't have another plan approved."""
    planned = ready.plan()
    ready.job(path("1.4.0"), name="late")
    now = ready.plan()
    forged = {**now.document, "plan": {**now.document["plan"]}}
    forged["plan"]["digest"] = planned.document["plan"]["digest"]
    (ready.folder / "plan.json").write_text(json.dumps(forged), encoding="utf-8")
    ended = ready.deploy(approved_plan="plan.json")
    assert ended.outputs["failure-reason"] == "plan-changed"


def test_hostile_names_in_a_kept_plan_stay_text(ready: Stage) -> None:
    planned = ready.plan()
    hostile = "::error::x\n</details><b>@everyone \x1b[31m"
    document = copy.deepcopy(dict(planned.document))
    for change in document["plan"]["changes"]:
        change["job_name"] = hostile
    (ready.folder / "plan.json").write_text(json.dumps(document), encoding="utf-8")
    ready.workspace.delete_job(min(ready.workspace.jobs()))
    ended = ready.deploy(approved_plan="plan.json")
    assert ended.outputs["failure-reason"] == "plan-changed"
    assert "\x1b" not in ended.summary + ended.printed
    assert foreign_html(ended.summary) == []
    assert not [line for line in ended.printed.splitlines() if line.startswith("::error::x")]


# ── The plan of a rollback ───────────────────────────────────────────────────────────────────────


def test_a_rollback_goes_through_the_same_gate(ready: Stage, tmp_path: Path) -> None:
    ready.deploy()
    plan = kept(ready, ready.run("plan", None, root=ROOT, to="previous"), "back.json")
    assert (tmp_path / plan).is_file()
    changed = min(ready.workspace.jobs())
    settings = copy.deepcopy(ready.workspace.job(changed))
    settings["tasks"][0]["libraries"][0]["whl"] = path("1.3.0")
    ready.workspace.set_job(changed, settings)
    refused = ready.run("rollback", None, root=ROOT, approved_plan=plan)
    assert (refused.code, refused.outputs["failure-reason"]) == (3, "plan-changed")
    assert f"job {changed} (job 0) was to move" in refused.document["failure"]["detail"]
    settings["tasks"][0]["libraries"][0]["whl"] = path("1.5.0")
    ready.workspace.set_job(changed, settings)
    assert ready.run("rollback", None, root=ROOT, approved_plan=plan).code == 0
