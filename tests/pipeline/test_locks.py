"""One writer at a time: who holds a lock, who waits, who takes over, and who is told what."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from deployer.deployment.claims import Holder
from deployer.deployment.holding import Holding, Me
from deployer.deployment.journal import key_of
from deployer.deployment.lock import Lock
from deployer.library.model import Distribution, Kind
from deployer.process import machine, this_process
from tests.earlier import OWN, SandboxRecords, journal_in
from tests.pipeline.stage import NAME, ROOT, Ended, Stage, path

WHEEL = Distribution(canonicalize_name(NAME), Kind.WHEEL)
LIBRARY = f"{ROOT}/{OWN}/locks/{key_of(WHEEL)}"
WRITER = f"{ROOT}/{OWN}/locks/writer"
RUN_URL = "https://github.example.com/acme/retail/actions/runs/41"
THE_RUN = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.example.com",
    "GITHUB_REPOSITORY": "acme/retail",
    "GITHUB_RUN_ID": "41",
    "GITHUB_JOB": "deploy",
    "GITHUB_RUN_ATTEMPT": "2",
    "RUNNER_NAME": "runner-7",
}
ITS_NAME = "https://github.example.com/acme/retail/41/deploy"


def lock_at(stage: Stage, folder: str, *, lease_s: float = 120.0, **holder: Any) -> Lock:
    """A lock as another run sees it."""
    me = Me(
        holder=Holder(**{"name": "octocat", "run_url": RUN_URL, **holder}),
        nonce=lambda: secrets.token_hex(8),
        pause=lambda seconds: None,
        now_ms=lambda: int(time.time() * 1000),
        lease_s=lease_s,
    )
    return Lock(SandboxRecords(stage.workspace, folder), me)


def taken(stage: Stage, folder: str, *, lease_s: float = 120.0, **holder: Any) -> Holding:
    """Another run takes a lock, and shows no sign of life from then on."""
    lock = lock_at(stage, folder, lease_s=lease_s, **holder)
    return lock.take(wait_s=0, on_wait=lambda holder: None)


def deploy(stage: Stage, environ: Mapping[str, str] | None = None, **inputs: str) -> Ended:
    """A deployment that refuses at once when a lock is held."""
    given = {"wheel": "dist/*.whl", "root": ROOT, "lock_timeout": "0s", **inputs}
    return stage.run("deploy", environ, **given)


@pytest.fixture
def ready(stage: Stage) -> Stage:
    """A job on 1.4.0, and 1.5.0 to deploy."""
    stage.publish("1.3.0", "1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    return stage


def only_job(stage: Stage) -> int:
    (job,) = stage.workspace.jobs()
    return job


# ── A lock that another run holds ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lock", [LIBRARY, WRITER])
def test_a_run_that_finds_the_lock_held_says_by_whom_and_touches_no_job(
    ready: Stage, lock: str
) -> None:
    taken(ready, lock, since="2026-11-28 15:42:00 UTC")
    ended = deploy(ready)
    assert (ended.code, ended.document["outcome"]) == (3, "refused")
    failure = ended.document["failure"]
    assert failure["reason"] == "lock-held"
    assert f"octocat, {RUN_URL}, since 2" in failure["title"]
    assert "the lock is void in 1" in failure["detail"]  # of 120 seconds
    assert "waited for 0 s" in failure["detail"]
    assert "lock-timeout: 30m" in failure["remedy"]
    assert ready.version_of(only_job(ready)) == ["1.4.0"]
    assert "1.3.0" in ready.stored()
    assert "octocat" in ended.summary


def test_a_held_lock_of_the_library_keeps_everything_from_being_written(ready: Stage) -> None:
    taken(ready, LIBRARY)
    before = ready.workspace.files()
    assert deploy(ready).code == 3
    assert ready.workspace.files() == before


def test_a_run_that_stopped_at_the_writers_lock_is_finished_by_the_next_one(ready: Stage) -> None:
    writer = taken(ready, WRITER)
    assert deploy(ready).code == 3
    assert "1.5.0" in ready.stored()  # beside the old ones, and no job names it
    writer.release()
    ended = deploy(ready)
    assert (ended.code, ended.moved) == (0, {only_job(ready)})


def test_a_run_waits_for_the_lock_and_goes_on_when_it_is_given_back(
    ready: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployer.deployment.lock._LOOK_S", 0.05)
    held = taken(ready, LIBRARY)
    looks: list[str] = []

    def release(method: str, called: str) -> None:
        if method == "GET" and called.endswith(LIBRARY):
            looks.append(called)
            if len(looks) == 5:
                held.release()

    with ready.workspace.before(release):
        ended = deploy(ready, lock_timeout="1m")
    ready.workspace.raise_watched()
    assert (ended.code, ended.moved) == (0, {only_job(ready)})
    assert "is held by octocat" in ended.printed
    assert RUN_URL in ended.printed


@pytest.mark.parametrize("mode", ["rollback", "cleanup"])
@pytest.mark.parametrize("lock", [LIBRARY, WRITER])
def test_a_rollback_and_a_cleanup_wait_for_the_writer_and_a_rollback_for_the_library_too(
    ready: Stage, mode: str, lock: str
) -> None:
    ready.deploy()
    held = taken(ready, lock)
    ended = ready.run(mode, None, root=ROOT, lock_timeout="0s")
    free = (mode, lock) == ("cleanup", LIBRARY)
    assert ended.code == (0 if free else 3)
    assert ready.version_of(only_job(ready)) == ["1.5.0"]
    held.release()
    assert ready.run(mode, None, root=ROOT, lock_timeout="0s").code == 0


def test_what_writes_no_job_needs_no_lock(ready: Stage) -> None:
    ready.deploy()
    taken(ready, LIBRARY)
    taken(ready, WRITER)
    assert deploy(ready).document["outcome"] == "nothing-to-do"
    assert ready.run("status", None, root=ROOT).code == 0
    assert ready.run("upload", None, wheel="dist/*.whl", folder=f"{ROOT}/try").code == 0


def test_a_plan_warns_of_a_held_lock_and_writes_nothing(ready: Stage) -> None:
    held = taken(ready, LIBRARY)
    ready.workspace.forget_calls()
    planned = ready.plan()
    assert (planned.code, planned.planned) == (0, {only_job(ready)})
    assert any("Another run deploys this library" in one for one in planned.document["warnings"])
    assert {call.method for call in ready.workspace.calls()} <= {"GET", "HEAD"}
    held.release()
    assert not any("Another run" in one for one in ready.plan().document["warnings"])


# ── Taking over ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lock", [LIBRARY, WRITER])
def test_a_lock_whose_holder_died_is_taken_over_after_its_lease(ready: Stage, lock: str) -> None:
    taken(ready, lock, lease_s=1.0)
    ended = deploy(ready, lock_timeout="1m")
    assert (ended.code, ended.moved) == (0, {only_job(ready)})
    assert lock_at(ready, lock).number() == 2


@pytest.mark.parametrize("lock", [LIBRARY, WRITER])
@pytest.mark.parametrize(
    "holder",
    [
        pytest.param({"run": ITS_NAME, "attempt": 1, "runner": "x"}, id="an earlier attempt"),
        pytest.param({"run": ITS_NAME, "attempt": 2, "runner": "runner-7"}, id="an earlier step"),
        pytest.param({"machine": machine(), "process": "999999:1"}, id="a dead process"),
    ],
)
def test_a_lock_of_the_same_run_or_of_a_dead_process_is_taken_over_at_once(
    ready: Stage, lock: str, holder: Mapping[str, Any]
) -> None:
    taken(ready, lock, **holder)
    ended = deploy(ready, THE_RUN)
    assert (ended.code, ended.moved) == (0, {only_job(ready)})


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param({"run": ITS_NAME, "attempt": 3, "runner": "x"}, id="a later attempt"),
        pytest.param({"run": ITS_NAME, "attempt": 2, "runner": "x"}, id="another leg of a matrix"),
        pytest.param({"run": f"{ITS_NAME}-2", "attempt": 1}, id="another job of the run"),
        pytest.param({"machine": machine(), "process": this_process()}, id="a living process"),
        pytest.param({"machine": "elsewhere", "process": "999999:1"}, id="another machine"),
    ],
)
def test_a_lock_of_somebody_who_may_live_is_respected(
    ready: Stage, holder: Mapping[str, Any]
) -> None:
    taken(ready, LIBRARY, **holder)
    assert deploy(ready, THE_RUN).outputs["failure-reason"] == "lock-held"


def test_force_unlock_takes_both_locks_and_warns(ready: Stage) -> None:
    for lock in (LIBRARY, WRITER):
        taken(ready, lock)
    ended = deploy(ready, force_unlock="true")
    assert (ended.code, ended.moved) == (0, {only_job(ready)})
    told = [one for one in ended.document["warnings"] if one.startswith("`force-unlock` takes")]
    assert len(told) == 2
    assert [lock_at(ready, lock).number() for lock in (LIBRARY, WRITER)] == [2, 2]


def test_a_run_whose_lock_was_taken_stops_before_its_next_write(ready: Stage) -> None:
    def somebody_forces() -> None:
        lock_at(ready, LIBRARY).take(wait_s=0, force=True, on_wait=lambda holder: None)
        time.sleep(0.7)  # more than half of the lease: from here on it has to look first

    report = ready.deploy_with(somebody_forces, lock_expiry="1s")
    assert report.failure is not None
    assert report.failure.reason == "lock-lost"
    assert "another run took it over" in report.failure.detail
    assert ready.version_of(only_job(ready)) == ["1.4.0"]
    assert lock_at(ready, LIBRARY).number() == -2  # it is theirs, and was not given back


def test_a_run_that_lost_its_lock_leaves_its_entry_to_the_next_one(ready: Stage) -> None:
    def somebody_forces(method: str, path: str) -> None:
        if path.endswith("/jobs/get") and not ready.workspace.calls("GET", "/jobs/get"):
            held = lock_at(ready, LIBRARY).take(wait_s=0, force=True, on_wait=lambda holder: None)
            time.sleep(0.7)
            held.release()

    with ready.workspace.before(somebody_forces):
        ready.deploy_with(lambda: None, lock_expiry="1s")
    newest = journal_in(ready.workspace, ROOT).history(WHEEL).entries[0]
    assert (newest.version, newest.ending) == ("1.5.0", None)
    assert deploy(ready).moved == {only_job(ready)}
    assert journal_in(ready.workspace, ROOT).history(WHEEL).entries[0].carries == (newest.id,)


def test_a_rollback_that_lost_its_lock_while_it_read_says_that_and_not_what_it_read(
    ready: Stage,
) -> None:
    assert deploy(ready).code == 0
    job = only_job(ready)
    lost: list[str] = []

    def somebody_forces(method: str, called: str) -> None:
        if called.endswith("/jobs/list") and lock_at(ready, WRITER).number() < 0 and not lost:
            lost.append(called)
            held = lock_at(ready, LIBRARY).take(wait_s=0, force=True, on_wait=lambda holder: None)
            ready.workspace.delete_file(path("1.4.0"))
            time.sleep(0.7)
            held.release()

    with ready.workspace.before(somebody_forces):
        ended = ready.run("rollback", None, root=ROOT, lock_expiry="1s")
    ready.workspace.raise_watched()
    assert lost
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "lock-lost")
    assert ready.version_of(job) == ["1.5.0"]


# ── Giving back ──────────────────────────────────────────────────────────────────────────────────


def given_back(stage: Stage) -> bool:
    return all(lock_at(stage, lock).number() > 0 for lock in (LIBRARY, WRITER))


def test_locks_are_given_back_after_a_success(ready: Stage) -> None:
    assert deploy(ready).code == 0
    assert given_back(ready)


def test_locks_are_given_back_after_a_failure(ready: Stage) -> None:
    ready.workspace.deny(ready.workspace.options.user, only_job(ready), keep="CAN_VIEW")
    assert deploy(ready).outputs["failure-reason"] == "jobs-not-moved"
    assert given_back(ready)


def test_locks_are_given_back_after_a_cancellation(ready: Stage) -> None:
    job = only_job(ready)
    others = [ready.job(path("1.4.0")) for _ in range(20)]
    report = ready.deploy_with(lambda: None, stopped=lambda: ready.version_of(job) == ["1.5.0"])
    assert report.outcome == "cancelled"
    assert any(ready.version_of(one) == ["1.4.0"] for one in others)
    assert given_back(ready)


# ── Where locks lie ──────────────────────────────────────────────────────────────────────────────


def test_lock_path_moves_the_writers_lock_only(ready: Stage) -> None:
    ready.workspace.add_volume("main.ops.locks")
    ended = deploy(ready, lock_path="/Volumes/main/ops/locks/spark-deploy/")
    assert (ended.code, ended.moved) == (0, {only_job(ready)})
    assert lock_at(ready, "/Volumes/main/ops/locks/spark-deploy/writer").number() == 1
    assert lock_at(ready, LIBRARY).number() == 1
    assert lock_at(ready, WRITER).number() == 0


def test_two_roots_with_one_lock_path_have_one_writer(ready: Stage) -> None:
    ready.workspace.add_volume("main.ops.locks")
    place = "/Volumes/main/ops/locks"
    taken(ready, f"{place}/writer")  # by a deployment to another root
    assert deploy(ready, lock_path=place).outputs["failure-reason"] == "lock-held"
    assert deploy(ready).code == 0  # who does not say the path does not know of it


def test_a_lock_path_whose_volume_is_missing_is_named_before_any_job_moves(ready: Stage) -> None:
    ended = deploy(ready, lock_path="/Volumes/main/nowhere/locks")
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "root-unavailable")
    assert "lock-path" in ended.document["failure"]["remedy"]
    assert ready.version_of(only_job(ready)) == ["1.4.0"]


# ── What changes while a run waits ───────────────────────────────────────────────────────────────


def test_a_run_that_waited_for_the_same_deployment_finds_nothing_left_to_do(ready: Stage) -> None:
    others: list[Ended] = []

    def another_run(method: str, called: str) -> None:
        if method == "PUT" and f"{LIBRARY}/" in called and not others:
            others.append(None)  # type: ignore[arg-type] # its own calls come here, too
            others[0] = ready.deploy()

    with ready.workspace.before(another_run):
        ended = ready.deploy()
    ready.workspace.raise_watched()
    assert others[0].moved == {only_job(ready)}
    assert (ended.code, ended.document["outcome"]) == (0, "nothing-to-do")
    assert ended.outputs["deployment-id"] == ""
    entries = journal_in(ready.workspace, ROOT).history(WHEEL, deep=True).entries
    assert sum(one.version == "1.5.0" for one in entries) == 1


def test_a_run_that_waited_plans_again_from_what_the_other_one_left(ready: Stage) -> None:
    done: list[int] = []

    def somebody_deployed(method: str, called: str) -> None:
        if method == "PUT" and f"{LIBRARY}/" in called and not done:
            held = taken(ready, LIBRARY)
            done.append(ready.job(path("1.4.0"), name="came meanwhile"))
            held.release()

    first = only_job(ready)
    with ready.workspace.before(somebody_deployed):
        ended = ready.deploy()
    ready.workspace.raise_watched()
    assert (ended.code, ended.moved) == (0, {first, *done})


def test_an_approval_is_compared_again_after_a_wait(ready: Stage) -> None:
    approved = ready.plan().outputs["plan-digest"]
    done: list[int] = []

    def somebody_deployed(method: str, called: str) -> None:
        if method == "PUT" and f"{LIBRARY}/" in called and not done:
            held = taken(ready, LIBRARY)
            done.append(ready.job(path("1.4.0"), name="came meanwhile"))
            held.release()

    first = only_job(ready)
    with ready.workspace.before(somebody_deployed):
        ended = ready.deploy(expected_plan_digest=approved)
    ready.workspace.raise_watched()
    assert (ended.code, ended.outputs["failure-reason"]) == (3, "plan-changed")
    assert ready.version_of(first) == ["1.4.0"]


def test_two_libraries_have_two_locks_and_one_writer(ready: Stage) -> None:
    taken(
        ready, f"{ROOT}/{OWN}/locks/{key_of(Distribution(canonicalize_name('other'), Kind.WHEEL))}"
    )
    assert deploy(ready).code == 0
    assert NAME in ready.build("1.6.0").name
    taken(ready, WRITER)
    assert deploy(ready).outputs["failure-reason"] == "lock-held"
