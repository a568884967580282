"""A run that is stopped in the middle of a change: each job is told as it stands, nothing is half done."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import NormalizedName

from deployer.deployment import removal, upload
from deployer.deployment.apply import Applied, State, apply_rewires, still_planned
from deployer.deployment.ports import Interrupted
from deployer.jobs.places import JsonObject
from deployer.library.model import Distribution
from deployer.plan.retention import versions_of
from tests.fake_workspace import FakeWorkspace
from tests.job_settings import job_with
from tests.unit.deployment.test_apply import OLD, ORDER, workspace_with
from tests.unit.deployment.test_upload import stored

RETAIL = Distribution(NormalizedName("retail-metrics"), ORDER.library.kind)


def apply_until(
    monkeypatch: pytest.MonkeyPatch, interrupted: Interrupted | None, *, on: str
) -> tuple[tuple[Applied, ...], list[Applied], FakeWorkspace]:
    """Apply a plan of two jobs, where this call on the second job is interrupted."""
    workspace, plan = workspace_with(job_with(OLD), job_with(OLD))
    real = getattr(workspace.jobs, on)
    told: list[Applied] = []

    def called(job_id: int, *settings: JsonObject) -> object:
        if job_id == 2 and interrupted is not None:
            raise interrupted
        return real(job_id, *settings)

    monkeypatch.setattr(type(workspace.jobs), on, lambda _, *arguments: called(*arguments))
    done = apply_rewires(
        workspace.jobs,
        plan.rewires,
        ready=still_planned(ORDER),
        stopped=lambda: False,
        on_done=lambda applied: None,
        on_state=told.append,
    )
    return done, told, workspace


def test_a_job_is_told_as_unanswered_before_its_write_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, told, _ = apply_until(monkeypatch, None, on="update")
    for job in (1, 2):
        states = [one.state for one in told if one.rewire.job_id == job]
        assert states == [State.UNANSWERED, State.WRITTEN]


def test_a_write_that_may_have_been_carried_out_stays_unanswered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done, told, _ = apply_until(monkeypatch, Interrupted(doubtful=True), on="update")
    assert [one.state for one in done] == [State.WRITTEN, State.UNANSWERED]
    assert "the old or the new version" in done[1].detail
    assert told.count(done[1]) == 2


def test_a_write_that_never_went_out_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    done, told, workspace = apply_until(monkeypatch, Interrupted(), on="update")
    assert [one.state for one in done] == [State.WRITTEN, State.PENDING]
    assert told[-1].state in {State.WRITTEN, State.PENDING}
    assert workspace.settings[2] == job_with(OLD)


def test_a_job_that_could_not_be_read_any_more_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    done, _, _ = apply_until(monkeypatch, Interrupted(), on="job")
    assert [one.state for one in done] == [State.WRITTEN, State.PENDING]


def test_an_upload_ends_at_the_next_piece_that_it_reads(tmp_path: Path) -> None:
    file = tmp_path / "library.whl"
    file.write_bytes(b"x" * 100)
    with upload.opened(file, lambda: False) as content:
        assert content.read(40) + content.read() == b"x" * 100
        content.seek(0)
        assert content.read(1) == b"x"
    with upload.opened(file, lambda: True) as content, pytest.raises(Interrupted):
        content.read(40)


def test_what_was_removed_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _, store = stored(
        "retail_metrics-1.0.0-py3-none-any.whl", "retail_metrics-1.1.0-py3-none-any.whl"
    )
    going = versions_of(RETAIL, [(one.path, 0) for one in store.files()])
    assert len(going) == 2
    told: list[str] = []

    def delete(path: str) -> None:
        if told:
            raise Interrupted

    monkeypatch.setattr(type(store), "delete", lambda _, path: delete(path))
    with pytest.raises(Interrupted):
        removal.remove(
            store, going, stopped=lambda: False, on_removed=lambda one: told.append(one.path)
        )
    assert told == [going[0].path]
