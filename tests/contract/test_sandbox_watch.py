"""Callbacks around calls of the embedded workspace: what they see, may do and may break."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, get_args

import pytest
import requests

from sandbox.calls import CallRecord
from sandbox.faults import NOT_APPLIED, Fault, FaultKind
from sandbox.server import Sandbox
from tests.workspace import call, running_workspace

CREATE, GET, LIST = "/api/2.2/jobs/create", "/api/2.2/jobs/get", "/api/2.2/jobs/list"
UPDATE = "/api/2.2/jobs/update"
IMPORT = "/api/2.0/workspace-files/import-file/Shared/x"
LOSES_THE_ANSWER = [
    each for each in get_args(FaultKind) if each not in NOT_APPLIED and "kill" not in each
]


def create(sandbox: Sandbox, name: str = "n") -> requests.Response:
    return call(sandbox, "POST", CREATE, json={"name": name})


class TestAfter:
    def test_a_watcher_sees_each_write_with_what_it_left_behind(self, workspace: Sandbox) -> None:
        seen: list[tuple[str, str, int, Any, int, list[str]]] = []

        def look(record: CallRecord) -> None:
            state = len(workspace.jobs()), list(workspace.files())
            seen.append((record.method, record.path, record.status, record.body, *state))

        workspace.watch(look)
        create(workspace)
        call(workspace, "GET", LIST)
        call(workspace, "HEAD", "/api/2.0/fs/files/Volumes/a/b/c/x")
        call(workspace, "POST", IMPORT, data=b"x")
        create(workspace, "m")
        assert seen == [
            ("POST", CREATE, 200, {"name": "n"}, 1, []),
            ("POST", IMPORT, 200, None, 1, ["/Workspace/Shared/x"]),
            ("POST", CREATE, 200, {"name": "m"}, 2, ["/Workspace/Shared/x"]),
        ]

    def test_a_refused_write_changed_nothing_and_is_not_told(self, workspace: Sandbox) -> None:
        seen: list[CallRecord] = []
        workspace.watch(seen.append)
        assert call(workspace, "POST", UPDATE, json={"job_id": 7}).status_code == 400
        assert call(workspace, "POST", CREATE, json={}, token="wrong").status_code == 401
        assert call(workspace, "POST", "/nowhere").status_code == 404
        assert seen == []

    @pytest.mark.parametrize("kind", LOSES_THE_ANSWER)
    def test_a_write_is_told_even_if_its_client_never_hears_of_it(
        self, workspace: Sandbox, kind: FaultKind
    ) -> None:
        seen: list[tuple[int, str, int]] = []
        workspace.watch(
            lambda record: seen.append((record.status, record.fault, len(workspace.jobs())))
        )
        workspace.set_faults([Fault(kind=kind, seconds=0)])
        with suppress(requests.RequestException):
            create(workspace)
        assert seen == [(200, kind, 1)]

    @pytest.mark.parametrize("kind", [each for each in NOT_APPLIED if "kill" not in each])
    def test_a_write_that_a_fault_kept_off_is_not_told(
        self, workspace: Sandbox, kind: FaultKind
    ) -> None:
        seen: list[object] = []
        workspace.watch(seen.append)
        workspace.before(lambda *told: seen.append(told))
        workspace.set_faults([Fault(kind=kind, seconds=0)])
        with suppress(requests.RequestException):
            create(workspace)
        assert seen == []

    def test_the_answer_waits_for_the_watchers(self, workspace: Sandbox) -> None:
        go, answered = threading.Event(), threading.Event()
        looked_first: list[bool] = []

        def look(_: CallRecord) -> None:
            go.wait(timeout=60)
            looked_first.append(not answered.is_set())

        def client() -> None:
            create(workspace)
            answered.set()

        with workspace.watch(look):
            thread = threading.Thread(target=client)
            thread.start()
            assert not answered.wait(timeout=0.05)
            go.set()
            thread.join(timeout=60)
        assert (looked_first, answered.is_set()) == ([True], True)

    def test_a_watcher_keeps_nobody_from_calling(self, workspace: Sandbox) -> None:
        # The callback waits for other threads that call, read state and change it.
        def busy(record: CallRecord) -> None:
            if record.body == {"name": "outer"}:
                others = [
                    threading.Thread(target=create, args=(workspace, "inner")),
                    threading.Thread(target=workspace.add_job, args=({"name": "lever"},)),
                ]
                for other in others:
                    other.start()
                for other in others:
                    other.join(timeout=60)
                    assert not other.is_alive()

        workspace.watch(busy)
        create(workspace, "outer")
        workspace.raise_watched()
        names = {settings["name"] for settings in workspace.jobs().values()}
        assert names == {"outer", "inner", "lever"}

    def test_several_watch_until_each_ends(self, workspace: Sandbox) -> None:
        first: list[CallRecord] = []
        second: list[CallRecord] = []
        watch = workspace.watch(first.append)
        with workspace.watch(second.append):
            create(workspace)
        create(workspace)
        watch.end()
        watch.end()
        create(workspace)
        assert (len(first), len(second)) == (2, 1)

    def test_a_watcher_can_end_itself(self, workspace: Sandbox) -> None:
        seen: list[CallRecord] = []

        def once(record: CallRecord) -> None:
            seen.append(record)
            watch.end()

        watch = workspace.watch(once)
        create(workspace)
        create(workspace)
        assert len(seen) == 1


def test_levers_in_a_frozen_block_see_one_state(workspace: Sandbox) -> None:
    with workspace.frozen():
        other = threading.Thread(target=create, args=(workspace,))
        other.start()
        # The write waits for the block; it can't be seen in it, however long that takes.
        other.join(timeout=0.2)
        assert workspace.jobs() == {}
    other.join(timeout=60)
    assert len(workspace.jobs()) == 1


class TestBefore:
    def test_somebody_edits_a_job_right_before_a_call(self, workspace: Sandbox) -> None:
        job = workspace.add_job({"name": "old"})

        def person(method: str, path: str) -> None:
            if (method, path) == ("GET", GET):
                workspace.set_job(job, {"name": "edited"})

        workspace.before(person)
        assert workspace.job(job) == {"name": "old"}
        answer = call(workspace, "GET", GET, params={"job_id": job}).json()
        assert answer["settings"]["name"] == "edited"

    def test_uploads_and_tokens_are_told_too(self, workspace: Sandbox) -> None:
        seen: list[tuple[str, str, int]] = []
        workspace.before(lambda method, path: seen.append((method, path, len(workspace.files()))))
        call(workspace, "POST", IMPORT, data=b"x")
        call(workspace, "GET", LIST)
        call(workspace, "POST", "/oidc/v1/token")
        assert seen == [
            ("POST", IMPORT, 0),
            ("GET", LIST, 1),
            ("POST", "/oidc/v1/token", 1),
        ]

    def test_what_no_endpoint_gets_to_see_is_not_told(self, workspace: Sandbox) -> None:
        seen: list[object] = []
        workspace.before(lambda *told: seen.append(told))
        call(workspace, "GET", LIST, token="wrong")
        call(workspace, "GET", "/nowhere")
        assert seen == []

    def test_it_ends(self, workspace: Sandbox) -> None:
        seen: list[object] = []
        with workspace.before(lambda *told: seen.append(told)):
            call(workspace, "GET", LIST)
        call(workspace, "GET", LIST)
        assert seen == [("GET", LIST)]


class TestWhatCallbacksRaise:
    def test_it_breaks_no_call_and_is_raised_when_asked_for(self, workspace: Sandbox) -> None:
        def broken(*_: object) -> None:
            raise ValueError("first")

        def failed(*_: object) -> None:
            pytest.fail("second")

        workspace.before(broken)
        workspace.watch(failed)
        assert create(workspace).status_code == 200
        assert len(workspace.jobs()) == 1
        with pytest.raises(ValueError, match="first") as raised:
            workspace.raise_watched()
        assert raised.value.__notes__ == ["Later a callback raised Failed: second"]
        workspace.raise_watched()

    @pytest.mark.parametrize(
        ("of_the_test", "raised"), [(None, ZeroDivisionError), (KeyError(), KeyError)]
    )
    def test_the_end_of_the_sandbox_raises_it_unless_something_else_went_wrong(
        self, of_the_test: Exception | None, raised: type[Exception]
    ) -> None:
        def story() -> None:
            with running_workspace() as workspace:
                workspace.watch(lambda _: 1 // 0)
                create(workspace)
                if of_the_test is not None:
                    raise of_the_test

        with pytest.raises(raised):
            story()
