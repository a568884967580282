"""Which old files stay over several deployments: a rollback needs one, `keep` holds more, the first lists."""

from __future__ import annotations

from typing import Any

import pytest

from tests.earlier import deployed_before
from tests.pipeline.stage import ROOT, Ended, Stage, path
from tests.pipeline.test_trouble import any_moved
from tests.wheels import make_wheel

NEEDED = "a rollback of the last deployment needs it"


def versions(ended: Ended) -> dict[str, tuple[str, list[str]]]:
    """What becomes of each version in the root, and why."""
    return {one["version"]: (one["decision"], one["reasons"]) for one in ended.document["versions"]}


def deploy(stage: Stage, version: str, **inputs: str) -> Ended:
    stage.build(version)
    return stage.deploy(**inputs)


def rollback(stage: Stage, **inputs: str) -> Ended:
    return stage.run("rollback", None, **{"root": ROOT, **inputs})


# ── The first deployment ─────────────────────────────────────────────────────────────────────────


def test_the_first_deployment_to_a_root_lists_what_later_ones_remove(stage: Stage) -> None:
    stage.put("1.2.0", "1.3.0", "1.4.0")  # by apparate, or by hand
    job = stage.job(path("1.4.0"))
    ended = deploy(stage, "1.5.0")
    assert (ended.code, ended.moved) == (0, {job})
    assert stage.stored() == {"1.2.0", "1.3.0", "1.4.0", "1.5.0"}
    assert {one: decision for one, (decision, _) in versions(ended).items()} == {
        "1.2.0": "list-only",
        "1.3.0": "list-only",
        "1.4.0": "keep",
        "1.5.0": "current",
    }
    (told,) = (one for one in ended.document["warnings"] if "first deployment" in one)
    assert "2 unused old versions" in told
    assert "2 old versions could go" in ended.summary
    second = deploy(stage, "1.5.1")
    assert second.outputs["removed-versions"] == "1.2.0,1.3.0,1.4.0"
    assert stage.stored() == {"1.5.0", "1.5.1"}


def test_a_plan_of_the_first_deployment_says_that_it_removes_nothing(stage: Stage) -> None:
    stage.put("1.3.0", "1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    planned = stage.plan()
    assert planned.document["plan"]["counts"]["removals"] == 0
    assert any("first deployment" in one for one in planned.document["warnings"])


def test_a_first_deployment_that_would_remove_nothing_says_nothing_of_it(stage: Stage) -> None:
    stage.put("1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    for ended in (stage.plan(), stage.deploy()):
        assert ended.document["warnings"] == []


def test_the_first_deployment_of_another_library_to_a_known_root_removes(stage: Stage) -> None:
    deployed_before(stage.workspace, ROOT, *make_wheel("other", "1.0.0"))
    stage.put("1.3.0", "1.4.0")
    stage.job(path("1.4.0"))
    assert deploy(stage, "1.5.0").outputs["removed-versions"] == "1.3.0"


def test_a_first_deployment_that_did_not_end_is_still_the_first(stage: Stage) -> None:
    stage.put("1.3.0", "1.4.0")
    stage.job(path("1.4.0"))
    deploy(stage, "1.5.0", cleanup="false")
    (end,) = (one for one in stage.workspace.files() if one.endswith(".end.json"))
    stage.workspace.delete_file(end)  # as if it had been killed
    assert deploy(stage, "1.5.0").code == 0
    assert stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}


def test_a_cleanup_that_somebody_asks_for_needs_no_earlier_deployment(stage: Stage) -> None:
    stage.put("1.3.0", "1.4.0")
    assert stage.run("cleanup", None, root=ROOT).outputs["removed-versions"] == "1.3.0"


# ── What a rollback needs ────────────────────────────────────────────────────────────────────────


def test_over_three_deployments_each_keeps_what_it_replaced_and_no_more(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    job = stage.job(path("1.4.0"))
    removed = []
    for version, stored in (
        ("1.5.0", {"1.4.0", "1.5.0"}),
        ("1.6.0", {"1.5.0", "1.6.0"}),
        ("1.7.0", {"1.6.0", "1.7.0"}),
    ):
        ended = deploy(stage, version)
        assert stage.stored() == stored
        removed.append(ended.outputs["removed-versions"])
    assert removed == ["1.3.0", "1.4.0", "1.5.0"]
    assert versions(ended)["1.6.0"] == ("keep", [NEEDED])
    assert rollback(stage).moved == {job}
    assert stage.version_of(job) == ["1.6.0"]


def test_every_version_that_the_last_deployment_replaced_stays(stage: Stage) -> None:
    stage.publish("1.1.0", "1.2.0", "1.3.0", "1.4.0")
    for version in ("1.2.0", "1.4.0"):
        stage.job(path(version))
    assert deploy(stage, "1.5.0").outputs["removed-versions"] == "1.1.0,1.3.0"
    assert stage.stored() == {"1.2.0", "1.4.0", "1.5.0"}


@pytest.mark.parametrize(
    ("keep", "stored"),
    [
        ("0", {"1.6.0", "1.7.0"}),
        ("1", {"1.6.0", "1.7.0"}),  # the one that a rollback needs is one of them
        ("2", {"1.5.0", "1.6.0", "1.7.0"}),
        ("9", {"1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0"}),
    ],
)
def test_keep_holds_more_of_them(stage: Stage, keep: str, stored: set[str]) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.job(path("1.4.0"))
    for version in ("1.5.0", "1.6.0", "1.7.0"):
        deploy(stage, version, keep=keep)
    assert stage.stored() == stored


def test_with_keep_a_rollback_may_go_further_back_than_one_deployment(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    for version in ("1.5.0", "1.6.0", "1.7.0"):
        deploy(stage, version, keep="2")
    ended = rollback(stage, to="1.5.0")
    assert (ended.code, stage.version_of(job)) == (0, ["1.5.0"])
    ended = rollback(stage, to="1.4.0")
    assert (ended.code, ended.reasons) == (1, {job: "file-gone"})
    assert stage.version_of(job) == ["1.5.0"]


def test_a_deployment_that_moves_no_job_keeps_what_the_last_one_that_did_replaced(
    stage: Stage,
) -> None:
    stage.publish("1.3.0", "1.4.0")
    job = stage.job(path("1.4.0"))
    deploy(stage, "1.5.0", cleanup="false")
    again = stage.deploy()  # only removes
    assert (again.moved, again.outputs["removed-versions"]) == (set(), "1.3.0")
    assert stage.stored() == {"1.4.0", "1.5.0"}
    assert rollback(stage).moved == {job}


def test_a_cleanup_keeps_what_a_rollback_needs(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    job = stage.job(path("1.4.0"))
    deploy(stage, "1.5.0", cleanup="false")
    for inputs in ({}, {"wheel": "dist/*.whl"}):
        ended = stage.run("cleanup", None, root=ROOT, **inputs)
        assert ended.code == 0
        assert versions(ended)["1.4.0"] == ("keep", [NEEDED])
        assert stage.stored() == {"1.4.0", "1.5.0"}
    assert rollback(stage).moved == {job}


def test_after_a_rollback_the_version_that_was_left_is_as_any_other_newer_one(
    stage: Stage,
) -> None:
    stage.publish("1.4.0")
    stage.job(path("1.4.0"))
    deploy(stage, "1.5.0")
    rollback(stage)
    assert stage.stored() == {"1.4.0", "1.5.0"}
    ended = deploy(stage, "1.5.1")  # the fix
    assert ended.outputs["removed-versions"] == "1.5.0"
    assert stage.stored() == {"1.4.0", "1.5.1"}


def test_what_half_a_deployment_replaced_stays_for_the_whole(stage: Stage) -> None:
    stage.publish("1.2.0", "1.3.0", "1.4.0")
    jobs = [stage.job(path("1.3.0" if number < 10 else "1.4.0")) for number in range(20)]
    stage.build("1.5.0")
    stage.deploy_with(lambda: None, stopped=lambda: any_moved(stage, jobs))
    ended = stage.deploy()
    assert ended.outputs["removed-versions"] == "1.2.0"
    assert stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}
    assert rollback(stage).moved == set(jobs)


def test_a_file_that_came_into_use_between_plan_and_removal_stays(stage: Stage) -> None:
    stage.publish("1.3.0", "1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    late: list[Any] = []
    report = stage.deploy_with(
        lambda: late.append(stage.job(path("1.3.0"), name="late", tags={"spark-deploy.pin": "1.3"}))
    )
    assert report.outcome == "succeeded"
    assert stage.stored() == {"1.3.0", "1.4.0", "1.5.0"}
    assert stage.version_of(late[0]) == ["1.3.0"]
