"""Faults, limits, latency and connections of the embedded workspace: facts B5 and B7."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest
import requests
from databricks.sdk.errors import InternalError

from sandbox.faults import NOT_APPLIED, Fault, FaultKind, read_faults
from sandbox.server import Sandbox
from tests.workspace import call, connections, running_workspace, sdk_client

CREATE, LIST = "/api/2.2/jobs/create", "/api/2.2/jobs/list"
IMPORT = "/api/2.0/workspace-files/import-file/Shared/x?overwrite=true"
PUT_FILE = "/api/2.0/fs/files/Volumes/a/b/c/x"
BIG = 20_000_000  # more than the buffers of two sockets hold
CLIENT = """
import sys, urllib.request
url, token = sys.argv[1:]
sys.stdin.readline()
headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
urllib.request.urlopen(urllib.request.Request(url, b'{"name": "n"}', headers)).read()
"""


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


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize(("method", "path"), [("POST", IMPORT), ("PUT", PUT_FILE)])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_status_in_place_of_an_upload_reaches_the_client_whole(
    workspace: Sandbox, method: str, path: str, status: int, *, chunked: bool
) -> None:
    workspace.add_volume("a.b.c")
    workspace.set_faults([Fault(kind="status", status=status, retry_after="7", times=2)])
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {workspace.token}"
        answers = [
            session.request(
                method,
                workspace.url + path,
                data=iter([b"x" * 1_000_000] * 20) if chunked else b"x" * BIG,
                timeout=30,
            )
            for _ in range(3)
        ]
        assert connections(session, workspace) == 1
    assert [each.status_code for each in answers[:2]] == [status] * 2
    assert answers[2].ok
    assert {each.headers.get("Retry-After") for each in answers[:2]} == {"7"}
    assert answers[0].json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert list(workspace.files().values()) == [BIG]


@pytest.mark.parametrize("kind", [each for each in get_args(FaultKind) if "kill" not in each])
def test_every_fault_of_an_upload_applies_it_or_not_as_documented(
    workspace: Sandbox, kind: FaultKind
) -> None:
    workspace.add_volume("a.b.c")
    workspace.set_faults([Fault(kind=kind, seconds=0)])
    with suppress(requests.ConnectionError):
        call(workspace, "PUT", PUT_FILE, data=b"x" * BIG)
    assert bool(workspace.files()) is (kind not in NOT_APPLIED)
    assert [each.fault for each in workspace.calls()] == [kind]


def test_a_truncated_answer_breaks_off_in_the_middle(workspace: Sandbox) -> None:
    workspace.add_job({"name": "n" * 1000})
    workspace.set_faults([Fault(kind="truncate", path=LIST)])
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        call(workspace, "GET", LIST)


def test_a_proxy_answers_with_a_page(workspace: Sandbox) -> None:
    workspace.set_faults([Fault(kind="html", path=LIST, status=502)])
    answer = call(workspace, "GET", LIST)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")


def test_a_proxy_may_show_a_login_page_as_a_success(workspace: Sandbox) -> None:
    workspace.set_faults([Fault(kind="html", path=LIST, status=200)])
    answer = call(workspace, "GET", LIST)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    with pytest.raises(ValueError, match="400"):
        Fault(kind="status", status=200)


def test_a_timeout_says_nothing(workspace: Sandbox) -> None:
    workspace.set_faults([Fault(kind="timeout", path=LIST)])
    with requests.Session() as session, pytest.raises(requests.ReadTimeout):
        session.get(workspace.url + LIST, timeout=0.1)


@pytest.mark.parametrize("kind", ["timeout", "timeout-after"])
def test_stopping_does_not_wait_for_a_timeout(kind: FaultKind) -> None:
    # The fault lasts an hour; the time limit of the suite is shorter.
    with running_workspace(faults=(Fault(kind=kind, path=LIST),)) as workspace:
        with requests.Session() as session, pytest.raises(requests.ReadTimeout):
            session.get(workspace.url + LIST, timeout=0.1)
        assert workspace.calls() == []
    assert [each.fault for each in workspace.calls()] == [kind]


def test_a_timeout_after_applies_the_call_and_ends_in_a_reset(workspace: Sandbox) -> None:
    workspace.set_faults([Fault(kind="timeout-after", path=CREATE, seconds=0.01)])
    with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
        call(workspace, "POST", CREATE, json={"name": "n"})
    assert len(workspace.jobs()) == 1


@pytest.fixture
def client(workspace: Sandbox) -> Iterator[subprocess.Popen[bytes]]:
    """A process that creates a job when it is sent a line."""
    command = [sys.executable, "-c", CLIENT, workspace.url + CREATE, workspace.token]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


class TestKills:
    @pytest.mark.parametrize(("kind", "applied"), [("kill-before", 0), ("kill-after", 1)])
    def test_a_client_dies_before_or_after_its_call_is_applied(
        self, workspace: Sandbox, client: subprocess.Popen[bytes], kind: FaultKind, applied: int
    ) -> None:
        workspace.set_faults([Fault(kind=kind, path=CREATE, pid=client.pid)])
        _, said = client.communicate(b"go\n", timeout=60)
        assert (client.returncode, said) == (-signal.SIGKILL, b"")
        assert len(workspace.jobs()) == applied

    @pytest.mark.parametrize("kind", ["kill-before", "kill-after"])
    def test_the_call_of_another_process_is_reset(
        self, workspace: Sandbox, client: subprocess.Popen[bytes], kind: FaultKind
    ) -> None:
        workspace.set_faults([Fault(kind=kind, path=LIST, pid=client.pid)])
        with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
            call(workspace, "GET", LIST)
        assert client.wait(timeout=60) == -signal.SIGKILL
        assert [each.status for each in workspace.calls()] == [0]

    def test_a_process_that_is_gone_breaks_nothing(
        self, workspace: Sandbox, client: subprocess.Popen[bytes]
    ) -> None:
        client.kill()
        client.wait()
        workspace.set_faults([Fault(kind="kill-after", path=CREATE, pid=client.pid)])
        with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
            call(workspace, "POST", CREATE, json={"name": "n"})
        assert call(workspace, "GET", LIST).status_code == 200

    def test_a_client_in_another_process_can_be_killed_over_http(
        self, workspace: Sandbox, client: subprocess.Popen[bytes]
    ) -> None:
        kill = {"kind": "kill-after", "path": CREATE, "pid": client.pid}
        answer = call(
            workspace,
            "PATCH",
            "/sandbox/options",
            token=workspace.control_token,
            json={"faults": [kill]},
        )
        (fault,) = answer.json()["faults"]
        assert kill.items() <= fault.items()
        client.communicate(b"go\n", timeout=60)
        assert client.returncode == -signal.SIGKILL

    def test_over_http_a_pid_that_makes_no_sense_is_refused(self, workspace: Sandbox) -> None:
        for pid in (0, 1):
            answer = call(
                workspace,
                "PATCH",
                "/sandbox/options",
                token=workspace.control_token,
                json={"faults": [{"kind": "kill-after", "pid": pid}]},
            )
            assert (answer.status_code, answer.json()["error_code"]) == (
                400,
                "INVALID_PARAMETER_VALUE",
            )


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
            assert connections(session, workspace) == 1

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

    def test_whoever_waits_until_it_is_alone_sees_what_a_client_that_died_had_sent(
        self, workspace: Sandbox
    ) -> None:
        body = b'{"name": "late"}'
        head = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {workspace.token}\r\n"
        port = int(workspace.url.rsplit(":")[-1])
        with workspace.before(lambda method, path: time.sleep(0.3)):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                with pytest.raises(TimeoutError, match="still connected"):
                    workspace.wait_until_alone(0.05)
            workspace.wait_until_alone()
        assert [job["name"] for job in workspace.jobs().values()] == ["late"]
