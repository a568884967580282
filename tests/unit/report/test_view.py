"""What the report means: who moved, who stays, and the headline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.contract import Mode
from deployer.plan.model import Reason
from deployer.report import view
from deployer.report.model import (
    Check,
    CheckStatus,
    Decision,
    Deployment,
    Outcome,
    Removal,
    Report,
    StoredVersion,
)
from deployer.report.reasons import EXPLANATIONS
from deployer.report.sentences import apparate_sentences
from tests.unit.report import reports

PLAN = reports.plan_of_three()
DEPLOYED = reports.deploy_with_everything()


def test_every_reason_to_stay_is_explained() -> None:
    assert set(EXPLANATIONS) == {reason.value for reason in Reason}
    assert all(one.heading and one.advice.endswith(".") for one in EXPLANATIONS.values())


def test_in_a_plan_all_rewires_would_move_and_in_a_deployment_only_the_applied_ones_did() -> None:
    assert [rewire.job_id for rewire in view.moved(PLAN)] == [11, 12, 13]
    assert [rewire.job_id for rewire in view.moved(DEPLOYED)] == [11, 12]
    assert [(one.status, one.job.job_id) for one in view.left(DEPLOYED)] == [
        ("edited by someone else meanwhile", 13)
    ]


def test_a_job_that_moves_in_one_place_and_stays_in_another_is_not_counted_as_staying() -> None:
    assert PLAN.plan is not None
    both = reports.untouched(11, "nightly sales", Reason.ANOTHER_MAJOR)
    report = replace(PLAN, plan=replace(PLAN.plan, untouched=(*PLAN.plan.untouched, both, both)))
    assert view.staying_jobs(report) == 1


def test_reasons_that_somebody_can_act_on_come_first() -> None:
    reasons = list(view.stays_by_reason(DEPLOYED))
    assert reasons[0] == "no-permission"
    assert reasons[-1] == "already-current"
    assert sum(len(found) for found in view.stays_by_reason(DEPLOYED).values()) == 7


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["1.2.9", "1.2.10"], "1.2.10"),
        (["1.0.0rc1", "1.0.0"], "1.0.0"),
        (["SNAPSHOT", "0.1"], "0.1"),
        ([], ""),
    ],
)
def test_the_newest_version_is_told_by_pep_440(versions: list[str], newest: str) -> None:
    assert view.newest(versions) == newest


def with_(report: Report, **changes: object) -> Report:
    return replace(report, **changes)  # type: ignore[arg-type]


UPLOAD = Report(Mode.UPLOAD, "", Outcome.SUCCEEDED, library=reports.LIBRARY)
CLEANUP = Report(Mode.CLEANUP, "", Outcome.SUCCEEDED, library=reports.LIBRARY)
OLD = StoredVersion("1.3.2", reports.path("1.3.2"), Decision.LIST_ONLY, ("nothing uses it",))
CHECK = Report(
    Mode.CHECK,
    "",
    Outcome.SUCCEEDED,
    checks=(
        Check("lint", CheckStatus.PASSED, 1, ""),
        Check("test", CheckStatus.SKIPPED, 0, ""),
    ),
)


@pytest.mark.parametrize(
    ("report", "headline"),
    [
        (PLAN, "🔍 retail-metrics 1.5.0: 3 jobs would move, 1 stays"),
        (DEPLOYED, "🚀 retail-metrics 1.5.0: 2 jobs moved, 1 did not, 7 stay"),
        (
            with_(DEPLOYED, outcome=Outcome.FAILED),
            "❌ retail-metrics 1.5.0: deploy failed, 2 of 3 jobs moved",
        ),
        (
            with_(DEPLOYED, outcome=Outcome.CANCELLED),
            "🛑 retail-metrics 1.5.0: deploy cancelled, 2 of 3 jobs moved",
        ),
        (
            with_(PLAN, mode=Mode.DEPLOY, outcome=Outcome.REFUSED),
            "✋ retail-metrics 1.5.0: deploy refused",
        ),
        (reports.failed_with_two_problems(), "❌ deploy failed"),
        (
            with_(reports.plan_with_jobs(0, 3), outcome=Outcome.NOTHING_TO_DO),
            "✅ retail-metrics 1.5.0: nothing to do, 3 jobs stay",
        ),
        (
            with_(reports.plan_with_jobs(0, 1), outcome=Outcome.NOTHING_TO_DO),
            "✅ retail-metrics 1.5.0: nothing to do, 1 job stays",
        ),
        (
            reports.plan_with_jobs(2000, 1),
            "🔍 retail-metrics 1.5.0: 2,000 jobs would move, 1 stays",
        ),
        (reports.status_of_a_workspace(), "📋 1 library in 3 jobs, 3 references"),
        (CHECK, "✅ checks passed: lint"),
        (
            with_(UPLOAD, deployment=Deployment("", uploaded=True)),
            "📦 retail-metrics 1.5.0: uploaded; no job was touched",
        ),
        (UPLOAD, "📦 retail-metrics 1.5.0: is there already"),
        (CLEANUP, "✅ retail-metrics: nothing to remove"),
        (with_(CLEANUP, versions=(OLD,)), "🧹 retail-metrics: 1 old version would be removed"),
        (
            with_(CLEANUP, deployment=Deployment("", removed=(Removal("x", "1.3.2"),))),
            "🧹 retail-metrics: 1 old version removed",
        ),
    ],
)
def test_the_headline_says_what_happened(report: Report, headline: str) -> None:
    assert str(view.headline(report)) == headline


def test_a_rollback_says_that_jobs_go_back_and_not_to_one_version() -> None:
    for mode, said in ((Mode.ROLLBACK, "moved back"), (Mode.PLAN, "would move back")):
        report = reports.rollback_of_three(mode)
        assert view.moving(report) == said
        assert view.moved_to(report) == "as before"
        assert f"2 jobs {said}" in view.headline(report).text
    assert view.moving(reports.plan_of_three()) == "would move"
    assert view.moved_to(reports.plan_of_three()) == "1.5.0"


def test_a_failure_says_how_many_jobs_were_moved_back() -> None:
    said = view.headline(reports.failed_and_moved_back()).text
    assert said == "retail-metrics 1.5.0: deploy failed, 0 of 3 jobs moved, 1 moved back"


def test_a_rollback_is_told_in_no_sentence_of_a_deployment() -> None:
    for mode in (Mode.ROLLBACK, Mode.PLAN):
        said = "\n".join(apparate_sentences(reports.rollback_of_three(mode)))
        assert "already exists" not in said
        assert "used by jobs" not in said
