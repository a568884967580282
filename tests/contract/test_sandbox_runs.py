"""The embedded workspace plays runs: facts B3, B6 and the Jobs API docs.

Tasks are executed by a fake here; tests of the real executor stand beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from databricks.sdk.errors import OperationFailed, ResourceDoesNotExist
from databricks.sdk.service.jobs import (
    PythonWheelTask,
    Run,
    RunLifeCycleState,
    RunResultState,
    SubmitTask,
)

from sandbox.execution import TaskResult
from sandbox.server import Sandbox
from tests.workspace import call, running_workspace, sdk_client

RUNS = "/api/2.2/jobs/runs"
PATIENCE_S = 30


class Script:
    """An executor that does as its tasks say: ``{"fake": "succeed" | "fail" | "break" | "wait"}``.

    A waiting task ends when it is cancelled or when ``released`` is set.
    """

    def __init__(self) -> None:
        self.started: list[str] = []
        self.parameters: list[dict[str, str]] = []
        self.tasks: list[Mapping[str, object]] = []
        self.restarted: list[str] = []
        self.released = threading.Event()
        self._lock = threading.Lock()

    def run_task(
        self,
        task: Mapping[str, object],
        *,
        settings: Mapping[str, object],
        parameters: Mapping[str, str],
        cancelled: threading.Event,
    ) -> TaskResult:
        key, role = str(task["task_key"]), task.get("fake", "succeed")
        with self._lock:
            self.started.append(key)
            self.parameters.append(dict(parameters))
            self.tasks.append(task)
        if role == "break":
            raise RuntimeError("no Java")
        deadline = monotonic() + PATIENCE_S
        while role == "wait" and monotonic() < deadline:
            if cancelled.wait(0.01) or self.released.is_set():
                break
        good = role in ("succeed", "wait") and not cancelled.is_set()
        return TaskResult(
            task_key=key,
            succeeded=good,
            logs="true\n"
            if "condition_task" in task
            else f"log of {key} in {settings.get('name')}",
            error="" if good else "ValueError: no",
            error_trace="" if good else "Traceback",
            started_ms=1000,
            ended_ms=3000,
        )

    def restart_cluster(self, cluster_id: str) -> None:
        self.restarted.append(cluster_id)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def playing(script: Script) -> Iterator[Sandbox]:
    with running_workspace(executor=script) as sandbox:
        yield sandbox


def task(key: str, fake: str = "succeed", *after: str, **fields: object) -> dict[str, object]:
    return {
        "task_key": key,
        "fake": fake,
        "depends_on": [{"task_key": each} for each in after],
        **fields,
    }


def start(workspace: Sandbox, job_id: int, **arguments: object) -> int:
    answer = call(workspace, "POST", "/api/2.2/jobs/run-now", json={"job_id": job_id, **arguments})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["run_id"])


def get(workspace: Sandbox, run_id: int) -> dict[str, object]:
    return dict(call(workspace, "GET", f"{RUNS}/get", params={"run_id": run_id}).json())


def state(workspace: Sandbox, run_id: int) -> str:
    found = get(workspace, run_id)["state"]
    assert isinstance(found, dict)
    return str(found["life_cycle_state"])


def wait_for(workspace: Sandbox, run_id: int, *states: str) -> str:
    deadline = monotonic() + PATIENCE_S
    while (now := state(workspace, run_id)) not in states:
        assert monotonic() < deadline, f"still {now}"
        sleep(0.01)
    return now


def finished(workspace: Sandbox, run_id: int) -> Run:
    with sdk_client(workspace) as client:
        return client.jobs.wait_get_run_job_terminated_or_skipped(
            run_id, timeout=timedelta(seconds=PATIENCE_S)
        )


def results(workspace: Sandbox, run_id: int) -> dict[str, str]:
    wait_for(workspace, run_id, "TERMINATED", "INTERNAL_ERROR", "SKIPPED")
    tasks = get(workspace, run_id)["tasks"]
    assert isinstance(tasks, list)
    return {each["task_key"]: each["state"]["result_state"] for each in tasks}


def test_a_run_ends_with_states_and_outputs_of_its_tasks(playing: Sandbox) -> None:
    job_id = playing.add_job({"name": "nightly", "tasks": [task("a"), task("b", "succeed", "a")]})
    run_id = start(playing, job_id)
    run = finished(playing, run_id)
    assert run.state is not None
    assert run.state.result_state == RunResultState.SUCCESS
    assert run.status is not None
    assert run.status.termination_details is not None
    assert run.run_name == "nightly"
    tasks = run.tasks or []
    assert [each.execution_duration for each in tasks] == [2000, 2000]
    assert len({run_id, *(each.run_id for each in tasks)}) == 3
    with sdk_client(playing) as client:
        assert tasks[1].run_id is not None
        output = client.jobs.get_run_output(tasks[1].run_id)
        assert output.logs == "log of b in nightly"
        assert output.metadata is not None
        assert output.metadata.job_id == job_id
    refused = call(playing, "GET", f"{RUNS}/get-output", params={"run_id": run_id})
    assert refused.status_code == 400
    assert "multiple tasks is not supported" in refused.json()["message"]


def test_tasks_start_only_after_what_they_depend_on(playing: Sandbox, script: Script) -> None:
    job_id = playing.add_job({"tasks": [task("z", "wait"), task("a", "succeed", "z")]})
    run_id = start(playing, job_id)
    deadline = monotonic() + PATIENCE_S
    while not script.started:
        assert monotonic() < deadline
        sleep(0.01)
    tasks: Any = get(playing, run_id)["tasks"]
    states = {each["task_key"]: each["state"]["life_cycle_state"] for each in tasks}
    assert states == {"z": "RUNNING", "a": "BLOCKED"}
    script.released.set()
    assert results(playing, run_id) == {"z": "SUCCESS", "a": "SUCCESS"}
    assert script.started == ["z", "a"]


def test_run_if_decides_what_a_failure_stops(playing: Sandbox, script: Script) -> None:
    job_id = playing.add_job(
        {
            "tasks": [
                task("bad", "fail"),
                task("plain", "succeed", "bad"),
                task("after_plain", "succeed", "plain"),
                task("always", "succeed", "bad", run_if="ALL_DONE"),
                task("one_good", "succeed", "bad", run_if="AT_LEAST_ONE_SUCCESS"),
                task("cleanup", "succeed", "bad", run_if="AT_LEAST_ONE_FAILED"),
            ]
        }
    )
    assert results(playing, start(playing, job_id)) == {
        "bad": "FAILED",
        "plain": "UPSTREAM_FAILED",
        "after_plain": "UPSTREAM_FAILED",
        "always": "SUCCESS",
        "one_good": "EXCLUDED",
        "cleanup": "SUCCESS",
    }
    assert sorted(script.started) == ["always", "bad", "cleanup"]


def test_only_the_branch_of_a_condition_that_holds_runs(playing: Sandbox) -> None:
    branches = [
        {"task_key": wanted, "depends_on": [{"task_key": "if", "outcome": wanted}]}
        for wanted in ("true", "false")
    ]
    job_id = playing.add_job({"tasks": [task("if", condition_task={}), *branches]})
    found = results(playing, start(playing, job_id))
    assert found == {"if": "SUCCESS", "true": "SUCCESS", "false": "EXCLUDED"}


def test_a_failed_task_fails_the_run_as_the_service_words_it(playing: Sandbox) -> None:
    run_id = start(playing, playing.add_job({"tasks": [task("main", "fail")]}))
    with pytest.raises(OperationFailed, match="Task main failed with message: Workload failed"):
        finished(playing, run_id)
    answer = call(playing, "GET", f"{RUNS}/get-output", params={"run_id": run_id}).json()
    assert (answer["error"], answer["error_trace"]) == ("ValueError: no", "Traceback")


def test_a_task_that_can_not_be_executed_says_why(playing: Sandbox) -> None:
    run_id = start(playing, playing.add_job({"tasks": [task("main", "break")]}))
    assert wait_for(playing, run_id, "TERMINATED", "INTERNAL_ERROR") == "INTERNAL_ERROR"
    answer = call(playing, "GET", f"{RUNS}/get-output", params={"run_id": run_id}).json()
    assert answer["error"] == "The sandbox could not execute the task: no Java"


def test_tasks_that_wait_for_each_other_end(playing: Sandbox) -> None:
    run_id = start(
        playing,
        playing.add_job({"tasks": [task("a", "succeed", "b"), task("b", "succeed", "a")]}),
    )
    assert wait_for(playing, run_id, "TERMINATED", "INTERNAL_ERROR") == "INTERNAL_ERROR"


def test_a_run_keeps_the_settings_it_started_with(playing: Sandbox, script: Script) -> None:
    job_id = playing.add_job(
        {"name": "old", "tasks": [task("a", "wait"), task("b", "succeed", "a")]}
    )
    run_id = start(playing, job_id)
    wait_for(playing, run_id, "RUNNING")
    playing.set_job(job_id, {"name": "new", "tasks": []})
    script.released.set()
    assert results(playing, run_id) == {"a": "SUCCESS", "b": "SUCCESS"}
    assert get(playing, run_id)["run_name"] == "old"


def test_run_now_brings_parameters(playing: Sandbox, script: Script) -> None:
    job_id = playing.add_job(
        {
            "parameters": [{"name": "day", "default": "mon"}, {"name": "n", "default": "1"}],
            "tasks": [task("a", python_wheel_task={"parameters": ["old"], "entry_point": "run"})],
        }
    )
    run_id = start(
        playing, job_id, job_parameters={"day": "tue"}, python_params=["new", "parameters"]
    )
    assert results(playing, run_id) == {"a": "SUCCESS"}
    assert script.parameters == [{"day": "tue", "n": "1"}]
    assert script.tasks[0]["python_wheel_task"] == {
        "parameters": ["new", "parameters"],
        "entry_point": "run",
    }
    assert get(playing, run_id)["job_parameters"] == [
        {"name": "day", "value": "tue"},
        {"name": "n", "value": "1"},
    ]


def test_an_idempotency_token_starts_one_run(playing: Sandbox) -> None:
    job_id = playing.add_job({"tasks": [task("a")]})
    run_id = start(playing, job_id, idempotency_token="deploy-1")
    assert start(playing, job_id, idempotency_token="deploy-1") == run_id
    assert start(playing, job_id) != run_id
    body = {"job_id": job_id, "idempotency_token": "x" * 65}
    assert call(playing, "POST", "/api/2.2/jobs/run-now", json=body).status_code == 400
    wait_for(playing, run_id, "TERMINATED")
    assert call(playing, "POST", f"{RUNS}/delete", json={"run_id": run_id}).status_code == 200
    body = {"job_id": job_id, "idempotency_token": "deploy-1"}
    assert call(playing, "POST", "/api/2.2/jobs/run-now", json=body).status_code == 400


def test_cancelling_ends_what_runs_and_what_waits(playing: Sandbox) -> None:
    job_id = playing.add_job({"tasks": [task("a", "wait"), task("b", "succeed", "a")]})
    run_id = start(playing, job_id)
    wait_for(playing, run_id, "RUNNING")
    with sdk_client(playing) as client:
        client.jobs.cancel_run(run_id)
    run = finished(playing, run_id)
    assert run.state is not None
    assert run.state.result_state == RunResultState.CANCELED
    assert results(playing, run_id) == {"a": "CANCELED", "b": "CANCELED"}


def test_a_run_beyond_the_limit_waits_if_queueing_is_on(playing: Sandbox, script: Script) -> None:
    job_id = playing.add_job({"queue": {"enabled": True}, "tasks": [task("a", "wait")]})
    first, second = start(playing, job_id), start(playing, job_id)
    assert state(playing, second) == "QUEUED"
    script.released.set()
    wait_for(playing, first, "TERMINATED")
    wait_for(playing, second, "TERMINATED")


def test_a_run_beyond_the_limit_is_skipped_if_queueing_is_off(playing: Sandbox) -> None:
    job_id = playing.add_job({"tasks": [task("a", "wait")]})
    start(playing, job_id)
    run = finished(playing, start(playing, job_id))
    assert run.state is not None
    assert run.state.life_cycle_state == RunLifeCycleState.SKIPPED
    assert run.state.result_state == RunResultState.MAXIMUM_CONCURRENT_RUNS_REACHED


def test_a_one_time_run_needs_no_job(playing: Sandbox) -> None:
    with sdk_client(playing) as client:
        wheel_task = PythonWheelTask("run", "pkg")
        run = client.jobs.submit(
            run_name="once", tasks=[SubmitTask(task_key="a", python_wheel_task=wheel_task)]
        ).result(timeout=timedelta(seconds=PATIENCE_S))
    assert run.run_name == "once"
    assert run.run_type is not None
    assert run.run_type.value == "SUBMIT_RUN"


def test_held_runs_stay_active_until_they_are_finished(workspace: Sandbox) -> None:
    job_id = workspace.add_job({"name": "n", "tasks": [{"task_key": "a"}]})
    held = workspace.hold_run(job_id)
    once = workspace.hold_run(None, "QUEUED", tasks=[{"task_key": "x"}])
    with sdk_client(workspace) as client:
        active = list(client.jobs.list_runs(active_only=True, expand_tasks=True))
        assert [each.run_id for each in active] == [once, held]
        assert [each.task_key for each in active[0].tasks or []] == ["x"]
        assert [each.run_id for each in client.jobs.list_runs(job_id=job_id)] == [held]
        workspace.finish_run(held)
        assert [each.run_id for each in client.jobs.list_runs(active_only=True)] == [once]
        assert [each.run_id for each in client.jobs.list_runs(completed_only=True)] == [held]
        client.jobs.cancel_run(once)
        assert list(client.jobs.list_runs(active_only=True)) == []


def test_runs_are_listed_in_pages_of_at_most_25(workspace: Sandbox) -> None:
    job_id = workspace.add_job({"tasks": []})
    made = [workspace.hold_run(job_id) for _ in range(60)]
    with sdk_client(workspace) as client:
        assert [each.run_id for each in client.jobs.list_runs(limit=25)] == made[::-1]
    assert len(workspace.calls("GET", "/runs/list")) == 3
    answer = call(workspace, "GET", f"{RUNS}/list", params={"limit": 26})
    assert answer.status_code == 400
    assert len(call(workspace, "GET", f"{RUNS}/list", params={"limit": 0}).json()["runs"]) == 25
    both = {"active_only": "true", "completed_only": "true"}
    assert call(workspace, "GET", f"{RUNS}/list", params=both).status_code == 400


def test_a_run_of_250_tasks_comes_in_pages(workspace: Sandbox) -> None:
    tasks = [{"task_key": f"t{number:03}"} for number in range(250)]
    run_id = workspace.hold_run(workspace.add_job({"tasks": tasks}))
    with sdk_client(workspace) as client:
        assert len(client.jobs.get_run(run_id).tasks or []) == 250
    assert len(workspace.calls("GET", "/runs/get")) == 3


def test_a_missing_run_is_400_like_a_missing_job(workspace: Sandbox) -> None:
    with sdk_client(workspace) as client, pytest.raises(ResourceDoesNotExist):
        client.jobs.get_run(5)


def test_starting_needs_more_than_viewing(playing: Sandbox) -> None:
    token = playing.add_user("guest@example.com")
    job_id = playing.add_job({"tasks": [task("a")]})
    playing.grant("guest@example.com", job_id, "CAN_VIEW")
    body = {"job_id": job_id}
    path = "/api/2.2/jobs/run-now"
    assert call(playing, "POST", path, json=body, token=token).status_code == 403
    playing.grant("guest@example.com", job_id, "CAN_MANAGE_RUN")
    assert call(playing, "POST", path, json=body, token=token).status_code == 200


def test_others_runs_are_hidden_from_those_who_can_not_view_the_job(playing: Sandbox) -> None:
    token = playing.add_user("guest@example.com")
    run_id = playing.hold_run(playing.add_job({"tasks": []}))
    answer = call(playing, "GET", f"{RUNS}/list", token=token)
    assert "runs" not in answer.json()
    answer = call(playing, "GET", f"{RUNS}/get", params={"run_id": run_id}, token=token)
    assert answer.status_code == 403


def test_restarting_a_cluster_reaches_the_executor(playing: Sandbox, script: Script) -> None:
    playing.put("clusters", {"cluster_id": "c-1"})
    run_id = start(playing, playing.add_job({"tasks": [task("a")]}))
    wait_for(playing, run_id, "TERMINATED")
    with sdk_client(playing) as client:
        client.clusters.restart("c-1")
    assert script.restarted == ["c-1"]


def test_a_restart_ends_what_ran_and_keeps_what_was_held(tmp_path: Path) -> None:
    script = Script()
    with running_workspace(executor=script, state=tmp_path / "state.db") as sandbox:
        job_id = sandbox.add_job({"tasks": [task("a", "wait")]})
        held = sandbox.hold_run(sandbox.add_job({}))
        ran = start(sandbox, job_id)
        wait_for(sandbox, ran, "RUNNING")
    with running_workspace(executor=script, state=tmp_path / "state.db") as sandbox:
        assert state(sandbox, held) == "RUNNING"
        assert state(sandbox, ran) in ("INTERNAL_ERROR", "TERMINATED")


def test_the_runtime_of_an_all_purpose_cluster_decides_what_a_task_may_install(
    tmp_path: Path,
) -> None:
    egg = {"egg": "/Volumes/c/s/v/missing.egg"}
    errors = {}
    with running_workspace(cache=tmp_path) as workspace:
        for version in ("13.3.x-scala2.12", "15.4.x-scala2.12"):
            cluster = workspace.put("clusters", {"spark_version": version})
            install = task("a", existing_cluster_id=cluster, libraries=[egg])
            wheel = {"package_name": "x", "entry_point": "main"}
            job_id = workspace.add_job({"tasks": [{**install, "python_wheel_task": wheel}]})
            run_id = start(workspace, job_id)
            wait_for(workspace, run_id, "TERMINATED", "INTERNAL_ERROR")
            tasks: Any = get(workspace, run_id)["tasks"]
            output = call(
                workspace, "GET", f"{RUNS}/get-output", params={"run_id": tasks[0]["run_id"]}
            )
            errors[version] = output.json()["error"]
    assert "missing.egg : file not found" in errors["13.3.x-scala2.12"]
    assert "eggs are not supported" in errors["15.4.x-scala2.12"]
