"""Who uses which file: whatever is in doubt keeps files."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.deployment.ports import UsageDocument
from deployer.jobs.places import JsonObject
from deployer.plan.retention import Users
from tests.fake_workspace import FakeWorkspace
from tests.job_settings import (
    ROOT,
    Settings,
    job_with,
    job_with_lines,
    plan_for,
    wheel,
)
from tests.unit.deployment.looks import OLD, users_of, workspace_with

LOCAL = wheel("1.2.0+abc")


MENTIONS: list[Settings] = [
    job_with(f"{ROOT}/{LOCAL}"),
    job_with(f"s3://bucket/{LOCAL}"),
    job_with_lines(f"file://{ROOT}/{LOCAL.replace('+', '%2B')}"),
    {"job_clusters": [{"new_cluster": {"spark_conf": {"spark.jars": f"a.jar,{ROOT}/{LOCAL}"}}}]},
    {"tasks": [{"new_cluster": {"spark_conf": {f"{ROOT}/{LOCAL}": "in a key"}}}]},
    {
        "tasks": [
            {"new_cluster": {"init_scripts": [{"volumes": {"destination": f"{ROOT}/{LOCAL}"}}]}}
        ]
    },
    {"tasks": [{"notebook_task": {"base_parameters": {"x": f"%pip install {ROOT}/{LOCAL}"}}}]},
    {"parameters": [{"name": "config", "default": f'{{"path": "\\/Volumes\\/x\\/{LOCAL}"}}'}]},
    {"description": f"needs {LOCAL}."},
]


@pytest.mark.parametrize("settings", MENTIONS)
def test_a_mention_anywhere_in_a_job_uses_the_file(settings: Settings) -> None:
    settings = {**settings, "name": "nightly"}
    assert users_of(workspace_with(settings)).by_file[LOCAL] == ("job 1 (nightly)",)


@pytest.mark.parametrize("kind", ["run", "cluster", "policy", "pipeline"])
def test_a_mention_outside_of_jobs_uses_the_file_too(kind: str) -> None:
    document: JsonObject = {"deep": [{"libraries": [{"whl": f"dbfs:{ROOT}/{OLD}"}]}]}
    workspace = FakeWorkspace()
    (workspace.runs if kind == "run" else workspace.others).append(
        UsageDocument(kind, "42", "named", document)
    )
    users = users_of(workspace)
    assert users.by_file == {OLD: (f"{kind} 42 (named)",)}
    assert users.blind == ()


def test_a_planned_rewire_counts_as_done() -> None:
    settings = job_with(f"{ROOT}/{OLD}")
    workspace = workspace_with(settings)
    assert set(users_of(workspace).by_file) == {OLD}
    assert set(users_of(workspace, plan_for(settings).rewires).by_file) == {wheel("1.4.0")}


SEARCHES = [
    f"--find-links {ROOT}",
    f"--find-links=file://{ROOT}/",
    f"{ROOT}/*.whl",
    f"{ROOT}/sales_metrics-1.*.whl",
    "/Volumes/main/*/released/*",
]


@pytest.mark.parametrize("line", SEARCHES)
def test_who_searches_the_root_may_use_everything_in_it(line: str) -> None:
    for workspace in (workspace_with({"name": "seeker", "x": line}), FakeWorkspace()):
        if not workspace.settings:
            workspace.others.append(UsageDocument("pipeline", "7", "", {"x": [line]}))
        (blind,) = users_of(workspace).blind
        assert blind.endswith("searches the whole folder")


def run(**document: Any) -> UsageDocument:
    return UsageDocument("run", "9", "adhoc", document)


SERVERLESS = {"task_key": "a", "environment_key": "env"}


@pytest.mark.parametrize(
    ("document", "hidden"),
    [
        (run(tasks=[SERVERLESS]), True),
        (run(tasks=[SERVERLESS], environments=[{"environment_key": "env"}]), True),
        (run(tasks=[SERVERLESS], environments=[{"environment_key": "b", "spec": {}}]), True),
        (run(tasks=[{"for_each_task": {"task": SERVERLESS}}]), True),
        (run(tasks=[SERVERLESS], environments=[{"environment_key": "env", "spec": {}}]), False),
        (run(tasks=[{"task_key": "a", "environment_key": None}]), False),
        (run(tasks=[{"environment_key": ["a"]}, 7, None]), False),
        (run(tasks="none"), False),
        (run(), False),
    ],
)
def test_an_active_run_whose_environment_is_hidden_may_use_everything(
    document: UsageDocument, hidden: bool
) -> None:
    workspace = FakeWorkspace()
    workspace.runs.append(document)
    blind = users_of(workspace).blind
    assert blind == (
        ("run 9 (adhoc) is active, and its environment can't be seen",) if hidden else ()
    )


def test_what_the_active_run_of_a_job_without_the_library_hides_does_not_matter() -> None:
    workspace = workspace_with(job_with(f"{ROOT}/{OLD}"), {"name": "a stranger"})
    workspace.runs.append(run(tasks=[SERVERLESS], job_id=2))
    assert users_of(workspace).blind == ()
    workspace.runs.append(run(tasks=[SERVERLESS], job_id=1))
    workspace.runs.append(run(tasks=[SERVERLESS], job_id=3))  # one-time: no job of the list
    assert len(users_of(workspace).blind) == 2


@pytest.mark.parametrize(
    ("job_id", "hidden"), [(1, True), (2, False), (3, True), (None, True), ([2], True)]
)
def test_only_a_run_of_a_job_that_was_seen_and_does_not_name_the_library_hides_nothing(
    job_id: Any, hidden: bool
) -> None:
    workspace = workspace_with(job_with(f"{ROOT}/{OLD}"), {"name": "stranger"})
    workspace.runs.append(run(tasks=[SERVERLESS], job_id=job_id))
    assert bool(users_of(workspace).blind) is hidden


def test_what_can_t_be_listed_may_use_everything() -> None:
    workspace = FakeWorkspace(usage_denied=True)
    blind = users_of(workspace).blind
    assert len(blind) == 2
    assert all("can't be read" in each for each in blind)


def test_who_is_no_admin_may_miss_jobs() -> None:
    (blind,) = users_of(FakeWorkspace(admin=False)).blind
    assert "not a workspace admin" in blind


def test_a_job_that_can_only_be_read_in_part_may_use_everything() -> None:
    workspace = workspace_with({"name": "half"}, {"name": "whole"})
    workspace.unreadable.add(1)
    assert users_of(workspace).blind == ("job 1 (half) can't be read whole",)


def test_a_workspace_with_nothing_in_it_uses_nothing() -> None:
    users = users_of(FakeWorkspace())
    assert (users.by_file, users.blind) == ({}, ())


# ── Files that install what they name ────────────────────────────────────────────────────────────

REQUIREMENTS = "/Workspace/Shared/requirements.txt"


@pytest.mark.parametrize(
    "settings",
    [
        job_with_lines(f"-r {REQUIREMENTS}"),
        job_with_lines(f'--requirement="{REQUIREMENTS}"'),
        {"tasks": [{"task_key": "a", "libraries": [{"requirements": "/Shared/requirements.txt"}]}]},
        {"environments": [{"environment_key": "e", "spec": {"base_environment": REQUIREMENTS}}]},
        {
            "job_clusters": [
                {"new_cluster": {"init_scripts": [{"workspace": {"destination": REQUIREMENTS}}]}}
            ]
        },
    ],
)
def test_what_a_requirements_file_or_an_init_script_names_is_used(settings: Settings) -> None:
    workspace = workspace_with(settings)
    workspace.put_file(REQUIREMENTS, f"numpy==1.26.4\n{ROOT}/{OLD}  # pinned\n".encode())
    users = users_of(workspace)
    assert list(users.by_file) == [OLD]
    assert "job 1" in users.by_file[OLD][0]
    assert users.blind == ()


def test_an_init_script_of_a_cluster_is_read_too() -> None:
    script: JsonObject = {
        "cluster_id": "c",
        "init_scripts": [{"volumes": {"destination": "/Volumes/a/b/c/init.sh"}}],
    }
    workspace = FakeWorkspace(others=[UsageDocument("cluster", "c", "shared", script)])
    workspace.put_file("/Volumes/a/b/c/init.sh", f"pip install {ROOT}/{OLD}\n".encode())
    assert list(users_of(workspace).by_file) == [OLD]


def test_a_requirements_file_that_can_not_be_read_may_use_everything() -> None:
    workspace = workspace_with(job_with_lines(f"-r {REQUIREMENTS}"))
    workspace.denied_paths.add(REQUIREMENTS)
    (blind,) = users_of(workspace).blind
    assert REQUIREMENTS in blind


def test_a_requirements_file_that_searches_the_root_may_use_everything() -> None:
    workspace = workspace_with(job_with_lines(f"-r {REQUIREMENTS}"))
    workspace.put_file(REQUIREMENTS, f"--find-links {ROOT}\nours==1.2.0\n".encode())
    (blind,) = users_of(workspace).blind
    assert "searches the whole folder" in blind


def test_a_requirements_file_that_is_missing_or_in_object_storage_holds_nothing_back() -> None:
    workspace = workspace_with(
        job_with_lines(f"-r {REQUIREMENTS}", "-r s3://bucket/requirements.txt")
    )
    assert users_of(workspace) == Users({}, ())
