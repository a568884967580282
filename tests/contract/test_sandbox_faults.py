"""Faults, limits, latency and connections of the embedded workspace: facts B5 and B7."""

import socket
from pathlib import Path

import pytest
import requests
from databricks.sdk.errors import InternalError

from sandbox.faults import Fault, read_faults
from sandbox.server import Sandbox
from tests.workspace import call, running_workspace, sdk_client

CREATE, LIST = "/api/2.2/jobs/create", "/api/2.2/jobs/list"


def test_a_status_strikes_the_nth_call_and_does_not_apply_it(workspace: Sandbox) -> None:
    workspace.set_faults(
        [Fault(kind="status", path=CREATE, nth=2, status=500, error_code="INTERNAL_ERROR")]
    )
    answers = [call(workspace, "POST", CREATE, json={"name": str(n)}) for n in range(3)]
    assert [each.status_code for each in answers] == [200, 500, 200]
    assert [each["name"] for each in workspace.jobs().values()] == ["0", "2"]
    assert [each.fault for each in workspace.calls()] == ["", "status", ""]


def test_a_fault_can_strike_several_times_or_for_good(workspace: Sandbox) -> None:
    workspace.set_faults([Fault(kind="status", method="GET", nth=2, times=2)])
    assert [call(workspace, "GET", LIST).status_code for _ in range(4)] == [200, 503, 503, 200]
    workspace.set_faults([Fault(kind="status", path="/api/*/list", times=0)])
    assert [call(workspace, "GET", LIST).status_code for _ in range(3)] == [503] * 3
    workspace.set_faults([])
    assert call(workspace, "GET", LIST).status_code == 200


def test_the_official_client_repeats_429_as_told_and_gives_up_on_500(workspace: Sandbox) -> None:
    workspace.set_faults(
        [
            Fault(kind="status", path=LIST, status=429, retry_after="0"),
            Fault(kind="status", path=LIST, status=500, nth=3, error_code="INTERNAL_ERROR"),
        ]
    )
    with sdk_client(workspace) as client:
        assert list(client.jobs.list()) == []
        with pytest.raises(InternalError):
            list(client.jobs.list())
    assert [each.status for each in workspace.calls("GET", LIST)] == [429, 200, 500]


@pytest.mark.parametrize(("kind", "applied"), [("reset-before", 0), ("reset-after", 1)])
def test_a_reset_leaves_the_client_without_an_answer(
    workspace: Sandbox, kind: str, applied: int
) -> None:
    workspace.set_faults([Fault(kind=kind, path=CREATE)])  # type: ignore[arg-type] # parametrized
    with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
        call(workspace, "POST", CREATE, json={"name": "n"})
    assert len(workspace.jobs()) == applied
    assert [each.status for each in workspace.calls()] == [0]


def test_a_reset_upload_is_applied_or_not_as_asked(workspace: Sandbox) -> None:
    path = "/api/2.0/workspace-files/import-file/Shared/x"
    for kind, applied in (("reset-before", []), ("reset-after", ["/Workspace/Shared/x"])):
        workspace.set_faults([Fault(kind=kind)])  # type: ignore[arg-type] # two of the kinds
        with pytest.raises(requests.ConnectionError):
            call(workspace, "POST", path, data=b"x" * 3_000_000)
        assert list(workspace.files()) == applied


def test_a_truncated_answer_breaks_off_in_the_middle(workspace: Sandbox) -> None:
    workspace.add_job({"name": "n" * 1000})
    workspace.set_faults([Fault(kind="truncate", path=LIST)])
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        call(workspace, "GET", LIST)


def test_a_proxy_answers_with_a_page(workspace: Sandbox) -> None:
    workspace.set_faults([Fault(kind="html", path=LIST, status=502)])
    answer = call(workspace, "GET", LIST)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")


def test_a_timeout_says_nothing(workspace: Sandbox) -> None:
    workspace.set_faults([Fault(kind="timeout", path=LIST)])
    with requests.Session() as session, pytest.raises(requests.ReadTimeout):
        session.get(workspace.url + LIST, timeout=0.1)


def test_stopping_does_not_wait_for_a_timeout() -> None:
    # The fault lasts an hour; the time limit of the suite is shorter.
    with running_workspace(faults=(Fault(kind="timeout", path=LIST),)) as workspace:
        with requests.Session() as session, pytest.raises(requests.ReadTimeout):
            session.get(workspace.url + LIST, timeout=0.1)
        assert workspace.calls() == []
    assert [each.fault for each in workspace.calls()] == ["timeout"]


def test_faults_come_from_a_file(tmp_path: Path, workspace: Sandbox) -> None:
    file = tmp_path / "faults.json"
    file.write_text('[{"kind": "status", "method": "GET", "path": "*/list", "status": 418}]')
    workspace.set_faults(read_faults(file))
    assert call(workspace, "GET", LIST).status_code == 418


class TestLimits:
    def burst(self, workspace: Sandbox, count: int) -> list[requests.Response]:
        return [call(workspace, "POST", "/api/2.0/workspace/delete", json={}) for _ in range(count)]

    def test_they_are_off_unless_asked_for(self, workspace: Sandbox) -> None:
        assert 429 not in {each.status_code for each in self.burst(workspace, 10)}

    def test_the_third_delete_in_a_row_is_too_much(self) -> None:
        with running_workspace(limits="documented") as workspace:
            statuses = [each.status_code for each in self.burst(workspace, 10)]
            assert statuses[:2] == [400, 400]
            assert statuses.count(429) >= 5
            assert call(workspace, "GET", LIST).status_code == 200

    @pytest.mark.parametrize(
        ("style", "seen"), [("always", {"1"}), ("never", {None}), ("sometimes", {"1", None})]
    )
    def test_retry_after_is_a_switch(
        self, workspace: Sandbox, style: str, seen: set[str | None]
    ) -> None:
        workspace.set_limits("documented")
        workspace.behave(retry_after=style)
        refused = [each for each in self.burst(workspace, 10) if each.status_code == 429]
        assert {each.headers.get("Retry-After") for each in refused} == seen
        assert {each.json()["error_code"] for each in refused} == {"REQUEST_LIMIT_EXCEEDED"}

    def test_levers_are_never_limited(self) -> None:
        with running_workspace(limits="documented", latency_ms=0) as workspace:
            workspace.set_faults([Fault(kind="status", times=0)])
            headers = {"Authorization": f"Bearer {workspace.control_token}"}
            answer = requests.get(workspace.url + "/sandbox/state", headers=headers, timeout=10)
            assert answer.status_code == 200


class TestConnections:
    def test_one_connection_serves_many_calls(self, workspace: Sandbox) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {workspace.token}"
            for _ in range(5):
                session.post(workspace.url + CREATE, json={"name": "n"}, timeout=10)
                refused = session.post(workspace.url + CREATE, data=b"{" * 50_000, timeout=10)
                assert refused.status_code == 400
                missing = session.put(workspace.url + "/nowhere", data=b"x" * 50_000, timeout=10)
                assert missing.status_code == 404
            (pool,) = session.get_adapter(workspace.url).poolmanager.pools._container.values()  # type: ignore[attr-defined] # urllib3 has no public count
            assert pool.num_connections == 1

    def test_a_head_is_answered_without_body(self, workspace: Sandbox) -> None:
        workspace.put_file("/Volumes/a/b/c/x", b"12345")
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {workspace.token}"
            for _ in range(2):
                path = workspace.url + "/api/2.0/fs/files/Volumes/a/b/c/x"
                answer = session.head(path, timeout=10)
                assert (answer.headers["Content-Length"], answer.content) == ("5", b"")
                assert session.get(path, timeout=10).content == b"12345"

    def test_a_client_that_goes_away_in_the_middle_harms_nobody(self, workspace: Sandbox) -> None:
        port = int(workspace.url.rsplit(":")[-1])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(
                b"POST /api/2.0/workspace-files/import-file/Shared/x HTTP/1.1\r\nHost: x\r\n"
                + f"Authorization: Bearer {workspace.token}\r\n".encode()
                + b"Content-Length: 1000\r\n\r\nhalf"
            )
        assert call(workspace, "GET", LIST).status_code == 200
        assert workspace.files() == {}
