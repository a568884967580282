"""What follows from the ends of tasks: Jobs API docs (RunIf, RunState, RunStatus)."""

import pytest
from databricks.sdk.service.jobs import Run, RunResultState, TerminationCodeCode

from sandbox.run_states import ACTIVE, ready, run_result, state, verdict, verdict_of


@pytest.mark.parametrize(
    ("run_if", "results", "expected"),
    [
        ("ALL_SUCCESS", [], ""),
        ("ALL_SUCCESS", ["SUCCESS", "SUCCESS"], ""),
        ("ALL_SUCCESS", ["SUCCESS", "FAILED"], "UPSTREAM_FAILED"),
        ("ALL_SUCCESS", ["UPSTREAM_FAILED"], "UPSTREAM_FAILED"),
        ("ALL_SUCCESS", ["CANCELED"], "UPSTREAM_CANCELED"),
        ("ALL_SUCCESS", ["EXCLUDED"], "EXCLUDED"),
        ("", ["FAILED"], "UPSTREAM_FAILED"),
        ("ALL_DONE", ["FAILED", "CANCELED"], ""),
        ("ALL_FAILED", ["FAILED", "FAILED"], ""),
        ("ALL_FAILED", ["FAILED", "SUCCESS"], "EXCLUDED"),
        ("AT_LEAST_ONE_FAILED", ["SUCCESS", "FAILED"], ""),
        ("AT_LEAST_ONE_FAILED", ["SUCCESS"], "EXCLUDED"),
        ("AT_LEAST_ONE_SUCCESS", ["SUCCESS", "FAILED"], ""),
        ("AT_LEAST_ONE_SUCCESS", ["FAILED"], "EXCLUDED"),
        ("NONE_FAILED", ["SUCCESS", "EXCLUDED"], ""),
        ("NONE_FAILED", ["FAILED"], "UPSTREAM_FAILED"),
    ],
)
def test_a_task_runs_or_ends_as(run_if: str, results: list[str], expected: str) -> None:
    assert verdict(run_if, results) == expected


def task(key: str, *after: str) -> dict[str, object]:
    return {"task_key": key, "depends_on": [{"task_key": each} for each in after]}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ({"a": "SUCCESS", "b": "SUCCESS"}, "SUCCESS"),
        ({"a": "FAILED", "b": "SUCCESS"}, "SUCCESS_WITH_FAILURES"),
        ({"a": "FAILED", "b": "UPSTREAM_FAILED"}, "FAILED"),
        ({"a": "SUCCESS", "b": "FAILED"}, "FAILED"),
        ({"a": "SUCCESS", "b": "EXCLUDED"}, "SUCCESS"),
        ({"a": "CANCELED", "b": "CANCELED"}, "CANCELED"),
    ],
)
def test_a_run_ends_as_its_leaves_do(results: dict[str, str], expected: str) -> None:
    assert run_result([task("a"), task("b", "a")], results) == expected


@pytest.mark.parametrize(
    ("result", "outcome", "expected"),
    [
        ("SUCCESS", "true", ""),
        ("SUCCESS", "false", "EXCLUDED"),
        ("FAILED", "", "UPSTREAM_FAILED"),
    ],
)
def test_a_branch_of_a_condition_runs_on_its_outcome(
    result: str, outcome: str, expected: str
) -> None:
    branch = {"task_key": "b", "depends_on": [{"task_key": "a", "outcome": "true"}]}
    assert verdict_of(branch, {"a": result}, {"a": outcome}) == expected


def test_a_task_is_ready_when_all_before_it_have_ended() -> None:
    tasks = {"a": task("a"), "b": task("b", "a"), "c": task("c", "a", "b"), "d": task("d", "gone")}
    assert ready(tasks, set(), {}) == ["a", "d"]
    assert ready(tasks, {"a", "d"}, {}) == []
    assert ready(tasks, {"a", "d"}, {"a": "SUCCESS"}) == ["b"]
    assert ready(tasks, {"a", "b", "d"}, {"a": "SUCCESS", "b": "FAILED"}) == ["c"]


@pytest.mark.parametrize("life_cycle", ACTIVE)
def test_an_active_state_has_no_result(life_cycle: str) -> None:
    run = Run.from_dict(state(life_cycle))
    assert run.state is not None
    assert run.state.result_state is None
    assert run.status is not None
    assert run.status.termination_details is None


@pytest.mark.parametrize("result", [each.value for each in RunResultState])
def test_the_official_client_understands_every_end(result: str) -> None:
    run = Run.from_dict(state("TERMINATED", result, "why"))
    assert run.state is not None
    assert run.state.result_state == RunResultState(result)
    assert run.status is not None
    assert run.status.termination_details is not None
    assert run.status.termination_details.message == "why"
    codes = {each.value for each in TerminationCodeCode}
    details = state("TERMINATED", result)["status"]["termination_details"]
    if result not in ("TIMEDOUT", "DISABLED"):
        assert details["code"] in codes
