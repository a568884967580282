"""The embedded workspace as a command: design.md, "Interfaces", and its levers over HTTP."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.options import Options
from sandbox.seed import SeedError
from sandbox.server import Sandbox
from tests.workspace import call, running_workspace

COMMAND = """
import sys
from pathlib import Path
from sandbox.command import run_sandbox
port, state, seed, faults = sys.argv[1:]
sys.exit(run_sandbox(
    port=int(port), state=Path(state) if state else None, seed=Path(seed) if seed else None,
    latency_ms=0, limits="off", faults=Path(faults) if faults else None,
))
"""


@contextmanager
def command(
    *, port: int = 0, state: Path | str = "", seed: Path | str = "", faults: Path | str = ""
) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", COMMAND, *map(str, (port, state, seed, faults))]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ready(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    return dict(json.loads(line))


def get(door: dict[str, str], path: str) -> Any:
    headers = {"Authorization": f"Bearer {door['token']}"}
    return requests.get(door["url"] + path, headers=headers, timeout=10).json()


class TestCommand:
    @pytest.mark.parametrize("interrupt", [signal.SIGTERM, signal.SIGINT])
    def test_the_first_line_is_the_door_and_an_interrupt_ends_it(
        self, interrupt: signal.Signals
    ) -> None:
        with command() as process:
            door = ready(process)
            assert set(door) == {"url", "token"}
            with requests.Session() as session:
                session.headers["Authorization"] = f"Bearer {door['token']}"
                # The connection stays open, as that of a client that has more to ask.
                assert session.get(door["url"] + "/api/2.2/jobs/list", timeout=10).ok
                process.send_signal(interrupt)
                rest, log = process.communicate(timeout=20)
            assert process.returncode == 0
            assert rest == ""
            assert "GET /api/2.2/jobs/list 200" in log
            assert door["token"] not in log

    def test_the_state_survives_a_restart_with_its_token(self, tmp_path: Path) -> None:
        seed = tmp_path / "seed"
        seed.mkdir()
        (seed / "one.json").write_text('{"settings": {}}')
        doors = []
        for _ in range(2):
            with command(state=tmp_path / "state.db", seed=seed) as process:
                doors.append(ready(process))
                listed = get(doors[-1], "/api/2.2/jobs/list")["jobs"]
                assert [each["settings"]["name"] for each in listed] == ["one"]
                process.terminate()
                process.wait(timeout=20)
        assert doors[0]["token"] == doors[1]["token"]

    def test_a_kill_loses_nothing_that_was_answered(self, tmp_path: Path) -> None:
        with command(state=tmp_path / "state.db") as process:
            door = ready(process)
            headers = {"Authorization": f"Bearer {door['token']}"}
            path = door["url"] + "/api/2.2/jobs/create"
            made = requests.post(path, json={"name": "n"}, headers=headers, timeout=10).json()
            process.kill()
            process.wait(timeout=20)
        with running_workspace(state=tmp_path / "state.db") as again:
            assert again.job(made["job_id"])["name"] == "n"

    def test_input_that_can_not_be_used_is_named(self, tmp_path: Path) -> None:
        bad = tmp_path / "bad"
        bad.mkdir()
        (bad / "broken.json").write_text("{")
        nothing = tmp_path / "nothing"
        not_a_state = tmp_path / "state.db"
        not_a_state.write_text("no database " * 100)
        faults = tmp_path / "faults.json"
        faults.write_text('[{"kind": "explode"}]')
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            cases: list[tuple[dict[str, Any], str]] = [
                ({"seed": bad}, f"The seed file {bad / 'broken.json'} is not readable JSON"),
                ({"seed": nothing}, f"The seed folder {nothing} does not exist"),
                ({"state": not_a_state}, f"The state file {not_a_state} can't be used"),
                ({"faults": faults}, f"The faults file {faults} can't be used"),
                ({"port": port}, f"Port {port} on 127.0.0.1 can't be used"),
            ]
            for arguments, message in cases:
                with command(**arguments) as process:
                    output, log = process.communicate(timeout=20)
                assert process.returncode == 2
                assert output == ""
                assert message in log
                assert "Traceback" not in log


class TestSeed:
    def seed(self, folder: Path, files: dict[str, str]) -> Path:
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return folder

    def test_a_folder_fills_the_workspace(self, tmp_path: Path) -> None:
        refused_by_the_api = {"job_clusters": [{"job_cluster_key": "c", "libraries": []}]}
        job = {
            "job_id": 77,
            "settings": {"name": "given", **refused_by_the_api},
            "creator_user_name": "maker@example.com",
            "permissions": [{"group_name": "users", "permission_level": "CAN_VIEW"}],
            "notes": "for readers",
        }
        folder = self.seed(
            tmp_path,
            {
                "a.json": '{"settings": {"x": 1}}',
                "b.json": json.dumps(job),
                "files/Workspace/Deploy/libs/x.whl": "wheel",
                "files/Volumes/main/default/libs/deep/y.whl": "wheel",
                "clusters/c.json": '{"cluster_id": "c-1", "libraries": [{"whl": "/x.whl"}]}',
                "policies/p.json": '{"policy_id": "p-1"}',
                "pipelines/p.json": '{"name": "n"}',
            },
        )
        with running_workspace(seed=folder) as workspace:
            assert workspace.job(77) == job["settings"]
            assert sorted(each["name"] for each in workspace.jobs().values()) == ["a", "given"]
            assert sorted(workspace.files()) == [
                "/Volumes/main/default/libs/deep/y.whl",
                "/Workspace/Deploy/libs/x.whl",
            ]
            guest = workspace.add_user("guest@example.com")
            seen = call(workspace, "GET", "/api/2.2/jobs/get?job_id=77", token=guest)
            assert seen.json()["creator_user_name"] == "maker@example.com"
            path = "/api/2.1/unity-catalog/volumes/main.default.libs"
            assert call(workspace, "GET", path).status_code == 200
            statuses = call(workspace, "GET", "/api/2.0/libraries/all-cluster-statuses").json()
            assert [each["cluster_id"] for each in statuses["statuses"]] == ["c-1"]
            assert len(call(workspace, "GET", "/api/2.0/pipelines").json()["statuses"]) == 1

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("a.json", "[]", "holds no JSON object"),
            ("a.json", "{}", 'has no "settings" object'),
            ("a.json", '{"settings": {}, "job_id": "7"}', "job_id is no whole number"),
            ("a.json", '{"settings": {}, "job_id": 7}', "There is a job 7 already"),
            (
                "a.json",
                '{"settings": {}, "permissions": [{"user_name": "x", "permission_level": "ALL"}]}',
                "There is no permission level 'ALL'",
            ),
            ("files/Elsewhere/x", "", "lies in none of Workspace, Volumes and dbfs"),
            ("files/Volumes/x.whl", "", "lies in no /Volumes/catalog/schema/volume"),
        ],
    )
    def test_a_bad_file_is_named_and_nothing_is_kept(
        self, tmp_path: Path, name: str, text: str, message: str
    ) -> None:
        folder = self.seed(
            tmp_path / "seed", {"0.json": '{"settings": {}, "job_id": 7}', name: text}
        )
        state = tmp_path / "state.db"
        with pytest.raises(SeedError, match=message) as caught:
            Sandbox(Options(seed=folder, state=state))
        assert str(folder / name).removesuffix("/x") in str(caught.value)
        with running_workspace(state=state) as workspace:
            assert workspace.jobs() == {}


class TestLevers:
    def pull(self, workspace: Sandbox, method: str, path: str, **arguments: Any) -> Any:
        token = workspace.control_token
        answer = call(workspace, method, f"/sandbox/{path}", token=token, **arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def test_everything_can_be_arranged_and_inspected_over_http(self, workspace: Sandbox) -> None:
        job_id = self.pull(workspace, "POST", "jobs", json={"settings": {"name": "n"}})["job_id"]
        self.pull(workspace, "PUT", "files?path=/Shared/x.whl", data=b"12345")
        guest = self.pull(workspace, "POST", "users", json={"name": "g@example.com"})["token"]
        access = {"principal": "g@example.com", "job_id": job_id, "level": "CAN_VIEW"}
        self.pull(workspace, "POST", "permissions", json=access)
        run_id = self.pull(workspace, "POST", "runs/hold", json={"job_id": job_id})["run_id"]
        self.pull(workspace, "PUT", "clusters", json={"cluster_id": "c-1"})
        assert (
            call(workspace, "GET", f"/api/2.2/jobs/get?job_id={job_id}", token=guest).status_code
            == 200
        )
        self.pull(
            workspace,
            "POST",
            "permissions",
            json={**access, "level": "NO_PERMISSIONS", "cap": True},
        )
        assert (
            call(workspace, "GET", f"/api/2.2/jobs/get?job_id={job_id}", token=guest).status_code
            == 403
        )
        state = self.pull(workspace, "GET", "state")
        assert state["jobs"] == {str(job_id): {"name": "n"}}
        assert state["files"] == {"/Workspace/Shared/x.whl": 5}
        assert [each["run_id"] for each in state["runs"]] == [run_id]
        assert [each["cluster_id"] for each in state["clusters"]] == ["c-1"]
        assert "g@example.com" in [each["name"] for each in state["users"]]
        self.pull(workspace, "POST", "runs/finish", json={"run_id": run_id})
        calls = self.pull(workspace, "GET", "calls")["calls"]
        assert [each["status"] for each in calls] == [200, 403]
        self.pull(workspace, "DELETE", "calls")
        assert self.pull(workspace, "GET", "calls") == {"calls": []}

    def test_options_can_be_changed_while_it_runs(self, workspace: Sandbox) -> None:
        changed = self.pull(
            workspace,
            "PATCH",
            "options",
            json={
                "behaviour": {"tasks": "replace"},
                "latency_ms": 1,
                "limits": "documented",
                "faults": [{"kind": "status", "status": 500, "path": "*/list"}],
            },
        )
        assert changed == self.pull(workspace, "GET", "options")
        assert changed["behaviour"]["tasks"] == "replace"
        assert (changed["limits"], changed["latency_ms"]) == ("documented", 1)
        assert call(workspace, "GET", "/api/2.2/jobs/list").status_code == 500

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PATCH", "options", {"behaviour": {"nothing": 1}}),
            ("PATCH", "options", {"limits": "some"}),
            ("PATCH", "options", {"faults": [{"kind": "status", "colour": "red"}]}),
            ("PATCH", "options", {"colour": "red"}),
            ("POST", "runs/hold", {"job_id": 1, "life_cycle_state": "TERMINATED"}),
            ("POST", "permissions", {"principal": "x", "path": "no", "level": "CAN_READ"}),
        ],
    )
    def test_a_lever_pulled_wrongly_says_so(
        self, workspace: Sandbox, method: str, path: str, body: object
    ) -> None:
        answer = call(
            workspace, method, f"/sandbox/{path}", token=workspace.control_token, json=body
        )
        assert answer.status_code == 400, answer.text

    def test_levers_take_their_own_token(self, workspace: Sandbox) -> None:
        assert call(workspace, "GET", "/sandbox/state").status_code == 401
        answer = call(workspace, "GET", "/sandbox/nothing", token=workspace.control_token)
        assert answer.status_code == 404
        assert "GET /sandbox/state" in answer.json()["message"]
