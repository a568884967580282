"""The journal: complete before the first write, true at the end, and what the next run makes of it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from deployer.deployment.intent import entry_from
from deployer.deployment.journal import KEPT_ENTRIES
from deployer.library.model import Distribution, Kind
from deployer.plan.history import Action, Ending, Entry
from sandbox.faults import Fault
from tests.earlier import OWN, journal_in
from tests.pipeline.stage import NAME, ROOT, Stage, path
from tests.pipeline.test_trouble import any_moved

WHEEL = Distribution(canonicalize_name(NAME), Kind.WHEEL)
JOURNAL = f"{ROOT}/{OWN}/journal"


def entries(stage: Stage) -> tuple[Entry, ...]:
    """What the journal tells of the library, newest first."""
    return journal_in(stage.workspace, ROOT).history(WHEEL, deep=True).entries


def files_of(stage: Stage, deployment_id: str) -> dict[str, Any]:
    """The files of one entry by their part, such as `progress-0001`."""
    found = [one for one in stage.workspace.files() if f"_{deployment_id}." in one]
    return {one.split(".")[-2]: json.loads(stage.workspace.file(one)) for one in found}


def without_an_end(stage: Stage, deployment_id: str) -> None:
    """As if the run had been killed before it could note how it ended."""
    (end,) = (one for one in stage.workspace.files() if f"_{deployment_id}.end." in one)
    stage.workspace.delete_file(end)


@pytest.fixture
def ready(stage: Stage) -> Stage:
    """Two jobs on 1.4.0, one of them in a comma list with a neighbour, and 1.5.0 to deploy."""
    stage.publish("1.3.0", "1.4.0")
    stage.job(path("1.4.0"), name="plain")
    parameters = ["--py-files", f"{path('1.4.0')},/other.zip", "--password", "hunter2"]
    task = {"task_key": "submit", "spark_submit_task": {"parameters": parameters}}
    stage.workspace.add_job({"name": "in a list", "tasks": [task]})
    stage.build("1.5.0")
    return stage


# ── What is written ──────────────────────────────────────────────────────────────────────────────


def test_the_intent_is_complete_before_anything_else_is_written(ready: Stage) -> None:
    before = copy.deepcopy(ready.workspace.jobs())
    seen: list[tuple[Entry, set[str], bool]] = []

    def look(call: Any) -> None:
        if call.path.endswith(".intent.json") and f"{JOURNAL}/" in call.path:
            content = ready.workspace.file(call.path.partition("/fs/files")[2])
            untouched = ready.workspace.jobs() == before
            seen.append((entry_from(content, WHEEL, ROOT), ready.stored(), untouched))

    with ready.workspace.watch(look):
        ended = ready.deploy()
    ready.workspace.raise_watched()
    ((entry, stored, untouched),) = seen
    assert (stored, untouched) == ({"1.3.0", "1.4.0"}, True)
    assert entry.id == ended.outputs["deployment-id"]
    assert (entry.action, entry.version, entry.path) == (Action.DEPLOY, "1.5.0", path("1.5.0"))
    assert entry.sha256 == ended.outputs["sha256"]
    assert entry.removals == (path("1.3.0"),)
    moves = {(job.job_name, one.before): one.after for job in entry.jobs for one in job.strings}
    assert moves == {
        ("plain", path("1.4.0")): path("1.5.0"),
        ("in a list", f"{path('1.4.0')},/other.zip"): f"{path('1.5.0')},/other.zip",
    }


def test_an_entry_says_who_deployed_from_where(ready: Stage) -> None:
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.example.com",
        "GITHUB_REPOSITORY": "acme/retail",
        "GITHUB_RUN_ID": "41",
        "GITHUB_ACTOR": "octocat",
        "GITHUB_SHA": "0123abcd" * 5,
    }
    ready.run("deploy", environ, wheel="dist/*.whl", root=ROOT)
    newest = entries(ready)[0]
    assert (newest.actor, newest.user) == ("octocat", "admin@example.com")
    assert newest.git_sha == "0123abcd" * 5
    assert newest.run_url == "https://github.example.com/acme/retail/actions/runs/41"
    assert newest.started_ms > 0


def test_progress_and_the_end_say_what_became_of_it(ready: Stage) -> None:
    ended = ready.deploy()
    files = files_of(ready, ended.outputs["deployment-id"])
    assert files["end"]["ending"] == "succeeded"
    progress = [files[part] for part in sorted(files) if part.startswith("progress")]
    assert progress[0]["uploaded"] == path("1.5.0")
    assert {one["state"] for one in progress[1]["jobs"]} == {"written"}
    assert {one["job_id"] for one in progress[1]["jobs"]} == ended.moved
    assert progress[2]["removed"] == [path("1.3.0")]


def test_no_settings_and_no_secret_stand_in_the_journal(ready: Stage) -> None:
    ready.deploy(log_level="debug")
    ready.run("rollback", None, root=ROOT)
    written = "\n".join(
        ready.workspace.file(one).decode() for one in ready.workspace.files() if f"/{OWN}/" in one
    )
    assert path("1.4.0") in written
    assert "hunter2" not in written
    assert "unknown_to_us" not in written
    assert ready.workspace.token not in written


def test_a_file_of_the_journal_is_created_and_never_written_again(ready: Stage) -> None:
    written: list[str] = []

    def note(call: Any) -> None:
        if call.method == "PUT" and f"{JOURNAL}/" in call.path:
            written.append(call.path)

    with ready.workspace.watch(note):
        ready.deploy()
        ready.run("rollback", None, root=ROOT)
    assert len(written) == len(set(written)) >= 6
    assert not [one for one in ready.workspace.calls("DELETE") if f"{JOURNAL}/" in one.path]


def test_ids_count_up_and_sort_by_age(ready: Stage) -> None:
    ids = [ready.deploy().outputs["deployment-id"]]
    for version in ("1.5.1", "1.5.2"):
        ready.build(version)
        ids.append(ready.deploy().outputs["deployment-id"])
    assert ids == sorted(ids)
    assert [one.split("-")[0] for one in ids] == ["000003", "000004", "000005"]


def test_a_run_that_has_nothing_to_do_leaves_no_entry_and_has_no_id(ready: Stage) -> None:
    ready.deploy()
    before = ready.workspace.files()
    ended = ready.deploy()
    assert (ended.document["outcome"], ended.outputs["deployment-id"]) == ("nothing-to-do", "")
    assert ready.workspace.files() == before


def test_a_run_that_can_t_write_its_intent_changes_nothing(ready: Stage) -> None:
    full = Fault(kind="status", method="PUT", path=f"*{JOURNAL}/*", times=0, status=507)
    ready.workspace.set_faults([full])
    before = copy.deepcopy(ready.workspace.jobs())
    ended = ready.deploy()
    assert ended.code == 1
    assert ready.workspace.jobs() == before
    assert ready.stored() == {"1.3.0", "1.4.0"}
    ready.workspace.set_faults([])
    assert ready.deploy().code == 0


def test_a_journal_that_takes_nothing_after_the_intent_stops_no_deployment(ready: Stage) -> None:
    full = Fault(kind="status", method="PUT", path=f"*{JOURNAL}/*", nth=2, times=0, status=400)
    ready.workspace.set_faults([full])
    ended = ready.deploy()
    assert (ended.code, len(ended.moved)) == (0, 2)
    ready.workspace.set_faults([])
    assert entries(ready)[0].ending is None
    again = ready.deploy()  # closes the entry that looks unfinished
    assert (again.code, again.moved) == (0, set())
    assert entries(ready)[0].ending is Ending.SUCCEEDED
    assert ready.deploy().document["outcome"] == "nothing-to-do"


def test_the_newest_entries_are_kept_and_older_ones_go(stage: Stage) -> None:
    for _ in range(KEPT_ENTRIES + 1):
        stage.publish("1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    stage.deploy()
    found = entries(stage)
    assert len(found) == KEPT_ENTRIES
    assert found[-1].sequence == 3
    gone = ("_000001-", "_000002-")
    assert not [one for one in stage.workspace.files() for number in gone if number in one]


# ── What the next run makes of it ────────────────────────────────────────────────────────────────


def test_a_run_that_was_cancelled_is_carried_by_the_next_one(stage: Stage) -> None:
    stage.publish("1.4.0")
    jobs = [stage.job(path("1.4.0")) for _ in range(20)]
    stage.build("1.5.0")
    stage.deploy_with(lambda: None, stopped=lambda: any_moved(stage, jobs))
    first = entries(stage)[0]
    assert (first.ending, len(first.jobs)) == (Ending.CANCELLED, 20)
    stage.deploy()
    second = entries(stage)[0]
    assert (second.ending, second.carries) == (Ending.SUCCEEDED, (first.id,))
    assert second.jobs == first.jobs  # the whole, with what stood there before
    assert second.digest == first.digest


def test_a_run_that_was_killed_at_its_very_end_is_closed_by_the_next_one(ready: Stage) -> None:
    first = ready.deploy().outputs["deployment-id"]
    without_an_end(ready, first)
    ended = ready.deploy()
    assert (ended.code, ended.moved) == (0, set())
    newest = entries(ready)[0]
    assert (newest.carries, newest.ending, len(newest.jobs)) == ((first,), Ending.SUCCEEDED, 2)
    assert f"goes on with deployment {first}" in ended.printed
    assert ready.deploy().document["outcome"] == "nothing-to-do"


def test_a_failed_run_is_carried_even_after_several_tries(stage: Stage) -> None:
    stage.publish("1.4.0")
    mine, denied = stage.job(path("1.4.0")), stage.job(path("1.4.0"))
    user = stage.workspace.options.user
    stage.workspace.deny(user, denied, keep="CAN_VIEW")
    stage.build("1.5.0")
    ids = [stage.deploy(on_failure="continue").outputs["deployment-id"] for _ in range(3)]
    assert stage.version_of(mine) == ["1.5.0"]
    stage.workspace.deny(user, denied, keep="IS_OWNER")
    assert stage.deploy().moved == {denied}
    newest = entries(stage)[0]
    assert newest.carries == tuple(reversed(ids))
    assert {job.job_id for job in newest.jobs} == {mine, denied}


def test_what_somebody_took_back_by_hand_is_moved_again_and_not_carried(ready: Stage) -> None:
    before = copy.deepcopy(ready.workspace.jobs())
    first = ready.deploy().outputs["deployment-id"]
    without_an_end(ready, first)
    job = min(before)
    ready.workspace.set_job(job, before[job])
    assert ready.deploy().moved == {job}
    assert ready.run("rollback", None, root=ROOT).code == 0
    assert ready.workspace.jobs() == before


def test_another_version_carries_nothing(ready: Stage) -> None:
    first = ready.deploy().outputs["deployment-id"]
    without_an_end(ready, first)
    ready.build("1.5.1")
    ready.deploy()
    assert entries(ready)[0].carries == ()


@pytest.mark.parametrize("how", ["killed", "cancelled"])
def test_our_own_unfinished_upload_may_be_replaced_by_other_bytes(ready: Stage, how: str) -> None:
    before = ready.workspace.jobs()
    report = ready.deploy_with(lambda: None, stopped=lambda: "1.5.0" in ready.stored())
    assert report.deployment is not None
    if how == "killed":
        without_an_end(ready, report.deployment.id)
    assert ready.workspace.jobs() == before
    wheel = ready.build("1.5.0", files={"retail_metrics/__init__.py": "OTHER = 1\n"})
    ended = ready.deploy()
    assert (ended.code, len(ended.moved)) == (0, 2)
    assert ready.workspace.file(path("1.5.0")) == wheel.read_bytes()
    assert any("it is replaced" in one for one in ended.document["warnings"])


def test_an_unfinished_upload_that_something_uses_is_not_replaced(ready: Stage) -> None:
    report = ready.deploy_with(lambda: None, stopped=lambda: "1.5.0" in ready.stored())
    assert report.deployment is not None
    without_an_end(ready, report.deployment.id)
    uploaded = ready.workspace.file(path("1.5.0"))
    ready.job(path("1.5.0"), name="was quicker")
    ready.build("1.5.0", files={"retail_metrics/__init__.py": "OTHER = 1\n"})
    ended = ready.deploy()
    assert (ended.code, ended.outputs["failure-reason"]) == (3, "version-exists")
    assert ready.workspace.file(path("1.5.0")) == uploaded


@pytest.mark.parametrize("how", ["finished", "killed", "failed"])
def test_what_was_in_use_and_was_taken_back_keeps_its_bytes(ready: Stage, how: str) -> None:
    """Clusters cache a file by its path, so jobs that ran with it could run with either."""
    if how == "failed":
        user = ready.workspace.options.user
        ready.workspace.deny(user, min(ready.workspace.jobs()), keep="CAN_VIEW")
    deployed = ready.deploy().outputs["deployment-id"]
    if how == "killed":
        without_an_end(ready, deployed)
    if how != "failed":
        assert ready.run("rollback", None, root=ROOT).code == 0
    uploaded = ready.workspace.file(path("1.5.0"))
    ready.build("1.5.0", files={"retail_metrics/__init__.py": "OTHER = 1\n"})
    ended = ready.deploy()
    assert (ended.code, ended.outputs["failure-reason"]) == (3, "version-exists")
    assert ready.workspace.file(path("1.5.0")) == uploaded


# ── What somebody else wrote there ───────────────────────────────────────────────────────────────


def forged(stage: Stage, content: bytes, sequence: int = 99) -> str:
    """An entry of the newest number that is none of ours; its id."""
    entry_id = f"{sequence:06d}-20270101T000000Z-00000000"
    (key,) = {
        one.rpartition("/")[2].partition("_")[0]
        for one in stage.workspace.files()
        if one.startswith(JOURNAL)
    }
    stage.workspace.put_file(f"{JOURNAL}/{key}_{entry_id}.intent.json", content)
    return entry_id


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"format": 1}', b"\xff" * 100], ids=range(6)
)
def test_an_entry_that_is_none_is_told_and_stops_no_deployment(
    ready: Stage, content: bytes
) -> None:
    ready.deploy()
    entry_id = forged(ready, content)
    ready.build("1.5.1")
    ended = ready.deploy()
    assert (ended.code, len(ended.moved)) == (0, 2)
    told = [one for one in ended.document["warnings"] if entry_id in one]
    assert len(told) == 1
    assert told[0].endswith("It is left out.")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 1}'])
def test_an_entry_that_is_none_stops_a_rollback_and_is_named(ready: Stage, content: bytes) -> None:
    ready.deploy()
    entry_id = forged(ready, content)
    after = copy.deepcopy(ready.workspace.jobs())
    ended = ready.run("rollback", None, root=ROOT)
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "journal-unusable")
    assert entry_id in ended.document["failure"]["detail"]
    assert ready.workspace.jobs() == after


def test_an_entry_about_another_root_or_library_is_none_of_ours(ready: Stage) -> None:
    ready.deploy()
    (intent,) = (one for one in ready.workspace.files() if "000003-" in one and "intent" in one)
    entry = json.loads(ready.workspace.file(intent))
    entry_id = "000099-20270101T000000Z-00000000"
    for changes in (
        {"path": "/Volumes/evil/x/y/retail_metrics-1.5.0-py3-none-any.whl"},
        {"name": "other"},
        {"kind": "jar"},
    ):
        library = {**entry["library"], **changes}
        document = {**entry, "id": entry_id, "sequence": 99, "library": library}
        forged(ready, json.dumps(document).encode())
        ended = ready.run("rollback", None, root=ROOT)
        assert ended.outputs["failure-reason"] == "journal-unusable"


def test_an_entry_that_names_strings_which_a_deployment_does_not_write_moves_no_job(
    ready: Stage,
) -> None:
    ready.deploy()
    (intent,) = (one for one in ready.workspace.files() if "000003-" in one and "intent" in one)
    entry = json.loads(ready.workspace.file(intent))
    for job in entry["jobs"]:
        for one in job["strings"]:
            one["before"] = "/Volumes/evil/x/y/retail_metrics-1.4.0-py3-none-any.whl"
    forged(
        ready,
        json.dumps({**entry, "id": "000099-20270101T000000Z-00000000", "sequence": 99}).encode(),
    )
    after = copy.deepcopy(ready.workspace.jobs())
    ended = ready.run("rollback", None, root=ROOT)
    assert (ended.code, ended.outputs["failure-reason"]) == (1, "jobs-not-moved")
    assert set(ended.reasons.values()) == {"not-as-recorded"}
    assert ready.workspace.jobs() == after


def test_files_of_other_names_in_the_journal_are_left_alone(ready: Stage) -> None:
    ready.workspace.put_file(f"{JOURNAL}/notes.txt", b"x")
    ready.workspace.put_file(f"{JOURNAL}/retail_000001.intent.json", b"x")
    ended = ready.deploy()
    assert (ended.code, ended.document["warnings"]) == (0, [])
    assert f"{JOURNAL}/notes.txt" in ready.workspace.files()
