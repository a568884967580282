"""Whatever a workspace answers, the adapter gives a value or says why not, and no run ends as a bug."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer import pipeline
from deployer.checks.steps import Checked
from deployer.context import RunContext
from deployer.contract import OUTPUTS, Mode
from deployer.delivery import Streams
from deployer.deployment.clusters import Waiting
from deployer.deployment.ports import (
    AlreadyExists,
    Denied,
    Identity,
    NotFound,
    Refused,
    Unavailable,
)
from deployer.doors import Doors
from deployer.errors import DeployError, FailureReason
from deployer.main import perform
from deployer.narrators import TerminalNarrator
from deployer.platforms.databricks.folder_store import FolderStore
from deployer.platforms.databricks.workspace import DatabricksWorkspace
from deployer.redaction import Redactor
from deployer.report.document import to_json
from deployer.report.model import Report
from deployer.report.outputs import to_outputs
from deployer.report.summary import to_summary
from deployer.report.terminal import to_lines
from deployer.settings import parse
from tests.contract.hostile_api import (
    ROOT,
    TOKEN,
    Drawing,
    HostileApi,
    Prepared,
    answers,
    mishaps,
    workspace_of,
)
from tests.contract.runner_files import Runner, read_key_values, read_summary
from tests.unit.databricks.clock import Clock
from tests.wheels import make_wheel, write_wheel

EXPECTED = (AlreadyExists, Denied, DeployError, NotFound, Refused, Unavailable)
FOLDER = "/Workspace/libs/released"
DBFS = "dbfs:/libs/released"
ME = Identity("me@example.com", admin=False, groups=frozenset({"users"}))
hostile = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
Question = Callable[[DatabricksWorkspace], object]


def about_store(root: str, ask: Callable[[FolderStore], object]) -> Question:
    return lambda workspace: ask(workspace.store(root, allow_dbfs=True))


def about_rights(root: str) -> Question:
    return lambda workspace: workspace.root_rights(root, ME)


def of_stores(root: str) -> Iterator[tuple[str, Question]]:
    path = f"{root}/a.whl"
    asks: dict[str, Callable[[FolderStore], object]] = {
        "files": lambda store: store.files(),
        "exists": lambda store: store.exists(),
        "create": lambda store: store.create_root(),
        "rights": lambda store: store.open_to_all(),
        "sha256": lambda store: store.sha256(path),
        "delete": lambda store: store.delete(path),
        "upload": lambda store: store.upload(path, io.BytesIO(b"PK"), 2),
    }
    yield from ((f"{what} in {root}", about_store(root, ask)) for what, ask in asks.items())
    yield f"root rights of {root}", about_rights(root)


QUESTIONS: dict[str, Question] = {
    "identity": lambda one: one.identity(),
    "all jobs": lambda one: list(one.jobs.all_jobs()),
    "one job": lambda one: one.jobs.job(7),
    "update": lambda one: one.jobs.update(7, {"name": "x"}),
    "reset": lambda one: one.jobs.reset(7, {"name": "x"}),
    "may edit": lambda one: one.jobs.may_edit(7, ME),
    "active runs": lambda one: list(one.usage.active_runs()),
    "other users": lambda one: list(one.usage.other_users()),
    "runtimes": lambda one: one.usage.runtimes(),
    "a text of a volume": lambda one: one.usage.read_text("/Volumes/a/b/c/r.txt"),
    "a text of a folder": lambda one: one.usage.read_text("/Workspace/a/r.txt"),
    "a notebook": lambda one: one.usage.read_notebook("/Workspace/a"),
    "clusters": lambda one: one.clusters.listing(),
    "a cluster": lambda one: one.clusters.cluster("c-1"),
    "install": lambda one: one.clusters.install("c-1", {"whl": "/a.whl"}),
    "restart": lambda one: one.clusters.restart("c-1"),
    **{name: ask for root in (ROOT, FOLDER, DBFS) for name, ask in of_stores(root)},
}


@pytest.mark.parametrize("question", QUESTIONS)
@hostile
@given(data=st.data())
def test_every_question_gets_an_answer_or_a_reason(question: str, data: st.DataObject) -> None:
    api = Drawing(data.draw)
    said = ""
    with workspace_of(api) as workspace:
        try:
            QUESTIONS[question](workspace)
        except EXPECTED as error:
            said = str(error)
    assert TOKEN not in said
    assert len(api.asked) < 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    write_wheel(folder, make_wheel("sales-metrics", "1.4.0"))
    return folder


def run(mode: Mode, folder: Path, api: HostileApi, root: str) -> Report:
    """One run of a mode on such a workspace; time only moves when the run waits, and not for ever."""
    clock, waits = Clock(), iter(range(2_000))

    def pause(seconds: float) -> None:
        assert next(waits, None) is not None, "the run waits for ever"
        clock.sleep(seconds)

    texts = {
        "mode": mode.value,
        "wheel": "*.whl",
        "root": root,
        "allow-dbfs": "true",
        "clusters": "restart",
    }
    with workspace_of(api, clock) as workspace:
        doors = Doors(
            workspace_folder=folder,
            connect=lambda _: workspace,
            check=lambda *_: Checked(()),
            stopped=lambda: False,
            new_id=lambda: "0123abcd",
            now_ms=lambda: int(clock() * 1000),
            waiting=Waiting(sleep=pause, clock=clock),
            pause=pause,
        )
        told = io.StringIO()
        report = pipeline.run(parse(texts), doors, TerminalNarrator(told, Redactor(), debug=True))
        reason = report.failure.reason if report.failure else ""
        assert reason != FailureReason.INTERNAL.value, told.getvalue()
        return report


# The modes that only read: what takes a lock waits by other clocks, and has tests of its own.
@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.STATUS, Mode.DOCTOR])
@settings(hostile, max_examples=12)
@given(
    prepared=answers,
    trouble=mishaps,
    known=st.sampled_from([True, True, True, False]),
    root=st.sampled_from([ROOT, FOLDER, DBFS]),
)
def test_no_answer_of_a_workspace_is_a_bug_of_ours(
    folder: Path, mode: Mode, prepared: Any, trouble: Any, *, known: bool, root: str
) -> None:
    api = Prepared(prepared, trouble, known=known)
    report = run(mode, folder, api, root)
    assert to_summary(report)
    assert to_lines(report)
    assert to_json(report)
    assert to_outputs(report, report_path="", wheel_path="")
    assert len(api.asked) < 3_000


@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.STATUS])
@settings(hostile, max_examples=8)
@given(prepared=answers, trouble=mishaps)
def test_names_of_a_workspace_become_no_path_and_no_order_here(
    tmp_path_factory: pytest.TempPathFactory, mode: Mode, prepared: Any, trouble: Any
) -> None:
    folder = tmp_path_factory.mktemp("run")
    write_wheel(folder, make_wheel("sales-metrics", "1.4.0"))
    before = set(folder.parent.rglob("*"))
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "RUNNER_TEMP": str(folder / "temp"),
    }
    context = RunContext.from_environ(environ, cwd=folder, temp=folder)
    stdout, stderr = io.StringIO(), io.StringIO()
    texts = {"mode": mode.value, "wheel": "*.whl", "root": ROOT, "log-level": "debug"}
    api = Prepared(prepared, trouble, known=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "deployer.platforms.databricks.connect.connect", lambda **_: workspace_of(api)
        )
        perform(texts, environ=environ, context=context, streams=Streams(stdout, stderr))
    made = {path.relative_to(folder).as_posix() for path in set(folder.parent.rglob("*")) - before}
    assert made == {
        "output",
        "summary",
        "temp",
        "temp/spark-deploy",
        "temp/spark-deploy/report.json",
    }
    orders = Runner(loose=True).read(stdout.getvalue()).commands
    assert {one.name for one in orders} <= {"group", "endgroup", "error", "warning", "notice"}
    assert Runner(loose=True).read(stderr.getvalue()).commands == []
    assert set(read_key_values(folder / "output")) == {one.name for one in OUTPUTS}
    assert read_summary(folder / "summary")
