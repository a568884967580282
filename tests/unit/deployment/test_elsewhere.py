"""A look elsewhere: what is read, in which order, within which bounds; and what is said of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from deployer.deployment.elsewhere import (
    MOST_LEVELS,
    MOST_SIGHTINGS,
    MOST_TOLD,
    Elsewhere,
    Looking,
    look_elsewhere,
)
from deployer.deployment.ports import Denied, NotFound, Refused, Unavailable, UsageDocument
from deployer.deployment.scan import NamedJob, Scan
from deployer.jobs.leads import Lead, LeadKind
from deployer.jobs.places import JsonObject
from deployer.jobs.sightings import Where
from tests.fake_workspace import FakeWorkspace
from tests.job_settings import ROOT, Settings, job_with, job_with_lines
from tests.unit.deployment.looks import OLD, look, users_of, workspace_with

FOLDER = "/Workspace/Shared/files"
WHEEL = f"{ROOT}/{OLD}"


def notebook_job(path: str = f"{FOLDER}/notebook") -> Settings:
    return {"name": "job", "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": path}}]}


def with_files(workspace: FakeWorkspace, **files: str) -> FakeWorkspace:
    for name, text in files.items():
        workspace.put_file(f"{FOLDER}/{name}", text.encode())
    return workspace


def holders(found: Elsewhere) -> list[str]:
    return [one.holder.target.removeprefix(f"{FOLDER}/") for one in found.sightings]


def jobs_by_holder(found: Elsewhere) -> dict[str, list[int]]:
    return {
        one.holder.target.removeprefix(f"{FOLDER}/"): [job.job_id for job in found.jobs_of(one)]
        for one in found.sightings
    }


# ── What is read ─────────────────────────────────────────────────────────────────────────────────


def test_nothing_points_anywhere_in_an_empty_workspace() -> None:
    assert look(FakeWorkspace()) == Elsewhere()


def test_a_notebook_that_two_jobs_run_is_read_once_and_knows_both() -> None:
    reads: Counter[str] = Counter()

    class Counting(FakeWorkspace):
        def read_notebook(self, path: str) -> str | None:
            reads[path] += 1
            return super().read_notebook(path)

    workspace = Counting(settings={2: notebook_job(), 1: notebook_job("/Shared/files/notebook")})
    found = look(with_files(workspace, notebook=f"%pip install {WHEEL}"))
    assert reads == {f"{FOLDER}/notebook": 1}
    (one,) = found.sightings
    assert one.where is Where.NOTEBOOK
    assert found.jobs_of(one) == (NamedJob(1, "job"), NamedJob(2, "job"))


def test_includes_are_followed_in_circles_without_end_and_know_their_jobs() -> None:
    workspace = with_files(
        workspace_with(job_with_lines(f"-r {FOLDER}/a"), job_with_lines(f"-r {FOLDER}/b")),
        a="-r b\n",
        b="-c c\n",
        c=f"-r a\n{WHEEL}\n",
    )
    found = look(workspace)
    assert jobs_by_holder(found) == {"c": [1, 2]}
    assert found.by_file == {OLD: (f"{FOLDER}/c of job 2 (job)",)}
    assert found.blind == ()


def test_a_chain_of_includes_is_followed_so_far_and_the_rest_keeps_files() -> None:
    chain = {f"f{i}": f"-r f{i + 1}\nsales-metrics==1.{i}\n" for i in range(MOST_LEVELS + 5)}
    found = look(with_files(workspace_with(job_with_lines(f"-r {FOLDER}/f0")), **chain))
    assert holders(found) == [f"f{i}" for i in range(MOST_LEVELS)]
    (unread,) = found.unread
    assert f"f{MOST_LEVELS} is included by too many files" in unread
    assert found.blind == found.unread


def test_jobs_come_to_a_script_through_their_cluster_and_its_policy() -> None:
    script: JsonObject = {"init_scripts": [{"workspace": {"destination": f"{FOLDER}/init"}}]}
    workspace = workspace_with(
        {"name": "on it", "tasks": [{"task_key": "a", "existing_cluster_id": "c"}]},
        {"name": "by policy", "tasks": [{"task_key": "a", "new_cluster": {"policy_id": "p"}}]},
        {"name": "other", "tasks": [{"task_key": "a", "existing_cluster_id": "d"}]},
    )
    definition = f'{{"init_scripts.0.workspace.destination": {{"value": "{FOLDER}/init"}}}}'
    workspace.others += [
        UsageDocument("cluster", "c", "shared", script),
        UsageDocument("cluster", "e", "of a policy", {"policy_id": "p"}),
        UsageDocument("policy", "p", "rules", {"policy_id": "p", "definition": definition}),
    ]
    found = look(with_files(workspace, init=f"pip install {WHEEL}"))
    assert jobs_by_holder(found) == {"init": [1, 2]}


def test_what_an_active_run_names_is_used_and_not_told() -> None:
    document: JsonObject = {"tasks": notebook_job()["tasks"], "libraries": [{"whl": WHEEL}]}
    workspace = FakeWorkspace(runs=[UsageDocument("run", "7", "once", document)])
    found = look(with_files(workspace, notebook="%pip install sales-metrics==1.1"))
    assert [one.where for one in found.sightings] == [Where.NOTEBOOK]
    assert found.by_file == {OLD: ("run 7 (once)",)}
    assert found.jobs_of(found.sightings[0]) == ()


@pytest.mark.parametrize(
    "line",
    [
        f"%pip install {WHEEL}",
        f"# %pip install {WHEEL}",
        f"x = '{WHEEL.replace('/', '//')}'",
        f"text = 'file://{WHEEL.replace('-', '%2D')}'",
    ],
)
def test_whatever_a_notebook_mentions_is_used(line: str) -> None:
    workspace = with_files(workspace_with(notebook_job()), notebook=line)
    users = users_of(workspace)
    assert users.by_file[OLD] == (f"{FOLDER}/notebook of job 1 (job)",)
    assert users.blind == ()


def test_a_long_notebook_is_read_to_its_end() -> None:
    text = "x = spark.table('a').select('*')  # filler\n" * 5_000 + f"%pip install {WHEEL}\n"
    found = look(with_files(workspace_with(notebook_job()), notebook=text))
    assert [one.spot for one in found.sightings] == ["line 5001"]
    assert list(found.by_file) == [OLD]


def test_a_notebook_that_searches_the_root_may_use_everything() -> None:
    text = f"%pip install --find-links {ROOT} sales-metrics\n"
    found = look(with_files(workspace_with(notebook_job()), notebook=text))
    assert found.blind == (f"{FOLDER}/notebook of job 1 (job) searches the whole folder",)
    assert found.unread == ()


def test_sightings_of_one_holder_are_bounded_and_uses_are_not() -> None:
    many = MOST_SIGHTINGS + 50
    lines = [f"numpy=={i}\n" for i in range(many)]
    lines += [f"{ROOT}/sales_metrics-1.{i}.0-py3-none-any.whl\n" for i in range(many)]
    found = look(with_files(workspace_with(job_with_lines(f"-r {FOLDER}/r")), r="".join(lines)))
    assert len(found.sightings) == MOST_SIGHTINGS
    assert len(found.by_file) == many


def test_progress_tells_how_many_texts_were_read() -> None:
    told: list[tuple[int, int]] = []
    workspace = with_files(
        workspace_with(job_with_lines(f"-r {FOLDER}/a", f"-r {FOLDER}/missing")), a="-r b\n", b=""
    )
    look(workspace, on_read=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2), (3, 3)]


# ── What is not read ─────────────────────────────────────────────────────────────────────────────


def test_notebooks_are_left_out_when_that_is_asked_for_and_then_nothing_is_removed() -> None:
    workspace = with_files(
        workspace_with(notebook_job(), job_with_lines(f"-r {FOLDER}/r")),
        notebook=f"%pip install {WHEEL}",
        r="sales-metrics==1.1\n",
    )
    found = look(workspace, notebooks=False)
    assert holders(found) == ["r"]
    assert found.unread == ("1 notebook was not read (read-notebooks: false)",)
    assert found.blind == found.unread


def test_who_has_no_notebooks_may_leave_them_out_and_still_remove() -> None:
    assert look(workspace_with(job_with(WHEEL)), notebooks=False).blind == ()


class Failing(FakeWorkspace):
    """Reads of texts fail with this error, and are counted."""

    error: Exception = Denied("no")
    reads = 0

    def read_text(self, path: str) -> str | None:
        self.reads += 1
        raise self.error


@pytest.mark.parametrize("error", [Denied("no right"), Refused("larger than 4 MB")])
def test_what_can_t_be_read_is_told_in_bounds_and_keeps_files(error: Exception) -> None:
    many = MOST_TOLD + 5
    workspace = Failing()
    workspace.error = error
    workspace.add_job(job_with_lines(*(f"-r {FOLDER}/{i:02}" for i in range(many))))
    found = look(workspace)
    assert workspace.reads == many
    assert len(found.unread) == MOST_TOLD + 1
    assert found.unread[0] == f"{FOLDER}/00 of job 1001 (job) can't be read: {error}"
    assert found.unread[-1] == "5 more files and notebooks can't be read"
    assert found.blind == found.unread


def test_a_text_that_went_away_says_nothing() -> None:
    workspace = Failing()
    workspace.error = NotFound("gone")
    workspace.add_job(job_with_lines(f"-r {FOLDER}/a"))
    assert look(workspace).blind == ()


def test_a_service_that_fails_is_not_asked_for_every_single_text() -> None:
    workspace = Failing()
    workspace.error = Unavailable("503 after 5 attempts")
    workspace.add_job(job_with_lines(*(f"-r {FOLDER}/{i:04}" for i in range(2_000))))
    found = look(workspace)
    assert workspace.reads < 100
    assert "503 after 5 attempts" in found.unread[0]
    assert found.unread[-1] == f"{2_000 - MOST_TOLD:,} more files and notebooks can't be read"


def test_what_is_no_error_of_the_workspace_goes_through() -> None:
    class Bug(Exception):
        pass

    workspace = Failing()
    workspace.error = Bug()
    workspace.add_job(job_with_lines(f"-r {FOLDER}/a"))
    with pytest.raises(Bug):
        look(workspace)


@pytest.mark.parametrize("what", ["active_runs", "other_users"])
def test_a_list_that_can_t_be_read_is_told(what: str) -> None:
    workspace = FakeWorkspace()

    def denied() -> object:
        raise Denied("no right")

    setattr(workspace, what, denied)
    found = look(workspace)
    assert [one.endswith("can't be read: no right") for one in found.unread] == [True]
    assert found.blind == found.unread


def test_who_only_lists_finds_files_of_every_library() -> None:
    workspace = with_files(
        workspace_with(notebook_job()),
        notebook="%pip install numpy==1.26 /Volumes/a/b/c/other-2.0-py3-none-any.whl",
    )
    wanted: Callable[..., bool] = lambda one: one.is_file  # noqa: E731
    scan = Scan(
        (), frozenset(), leads={Lead(LeadKind.NOTEBOOK, f"{FOLDER}/notebook"): (NamedJob(1, ""),)}
    )
    found = look_elsewhere(scan, workspace.usage, Looking("", wanted))
    assert [one.reference.spelled for one in found.sightings] == [
        "/Volumes/a/b/c/other-2.0-py3-none-any.whl"
    ]
