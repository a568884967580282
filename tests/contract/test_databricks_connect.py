"""From an address and credentials to a workspace, and plain words for what can be wrong."""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from deployer import __version__
from deployer.deployment.ports import Unavailable, Workspace
from deployer.errors import DeployError, FailureReason
from deployer.platforms.databricks.connect import checked_host, connect
from deployer.platforms.databricks.limits import Limits
from deployer.platforms.databricks.retry import RetryPolicy
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.contract.scripted_server import Reply, Seen, Server, serving
from tests.workspace import workspace

__all__ = ["workspace"]

TOKEN_URL = "/oidc/v1/token"


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of the machine that runs the tests; the SDK reads the environment itself."""
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "ARM_", "GOOGLE_", "ACTIONS_ID_TOKEN_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # no az, no databricks


def nap(_: float) -> None:
    """Waits for nothing."""


def failing(**given: str | None) -> DeployError:
    """The error that connecting with these settings, and asking who we are, ends with."""
    host = given.pop("host", None)
    with (
        pytest.raises(DeployError) as caught,
        connect(host=host, environ=dict(os.environ), sleep=nap, **given) as found,  # type: ignore[arg-type]
    ):
        found.identity()
    assert caught.value.problem.remedy
    return caught.value


def test_a_token_that_is_given_connects(workspace: Sandbox) -> None:
    with connect(host=workspace.url, token=workspace.token, environ={}) as found:
        port: Workspace = found
        assert port.identity().user == "admin@example.com"
        assert port.host == workspace.url


def test_the_environment_alone_connects(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", f"{workspace.url}/?o=123")
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    with connect(host=None, environ=dict(os.environ)) as found:
        assert found.host == workspace.url
        assert found.identity().admin


def test_a_profile_of_the_configuration_file_connects(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".databrickscfg").write_text(
        f"[prod]\nhost = {workspace.url}\ntoken = {workspace.token}\n"
    )
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "prod")
    with connect(host=None, environ=dict(os.environ)) as found:
        assert found.identity().admin


def test_every_call_names_the_product() -> None:
    def reply(seen: Seen) -> Reply:
        return Reply(body=b'{"userName": "me"}' if "scim" in seen.path else b"{}")

    with (
        serving(reply) as server,
        connect(host=server.url, token="t", environ={}) as found,
    ):
        found.identity()
    agent = server.seen[-1].headers["User-Agent"]
    assert agent.startswith(f"spark-deploy-action/{__version__} databricks-sdk-py/")


def test_no_address_is_said_so() -> None:
    error = failing()
    assert error.reason is FailureReason.INVALID_INPUT
    assert error.problem.title == "There is no workspace address."


def test_no_credentials_lists_what_was_looked_for(workspace: Sandbox) -> None:
    error = failing(host=workspace.url)
    assert error.reason is FailureReason.AUTHENTICATION_FAILED
    assert "DATABRICKS_TOKEN" in error.problem.detail
    assert "id-token: write" in error.problem.remedy


def test_two_kinds_of_credentials_are_named(workspace: Sandbox) -> None:
    error = failing(host=workspace.url, token="dapi-secret", client_id="id", client_secret="s3cret")
    assert error.reason is FailureReason.INVALID_INPUT
    assert "oauth and pat" in error.problem.title
    given = "databricks-token, databricks-client-id, databricks-client-secret"
    assert error.problem.detail == f"They come from {given}."
    assert "dapi-secret" not in str(error)
    assert "s3cret" not in str(error)


def test_two_kinds_of_credentials_in_the_environment_are_named(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-hidden")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "id")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "s")
    error = failing(host=workspace.url)
    assert "DATABRICKS_TOKEN, DATABRICKS_CLIENT_ID" in error.problem.detail
    assert "dapi-hidden" not in str(error)


def test_auth_type_decides_between_two_kinds(workspace: Sandbox) -> None:
    with connect(
        host=workspace.url,
        token=workspace.token,
        client_id="id",
        client_secret="secret",
        auth_type="pat",
        environ={},
    ) as found:
        assert found.identity().admin


def test_a_profile_that_is_not_there_is_said_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".databrickscfg").write_text("[other]\nhost = https://x.example.com\n")
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "prod")
    error = failing()
    assert error.reason is FailureReason.AUTHENTICATION_FAILED
    assert "has no prod profile" in error.problem.detail


def test_a_dead_host_is_unreachable_before_any_credential_is_used() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    error = failing(host=f"http://127.0.0.1:{port}", token="t")
    assert error.reason is FailureReason.HOST_UNREACHABLE
    assert (
        error.problem.title
        == f"http://127.0.0.1:{port} can't be reached: the connection is refused."
    )


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>Welcome to my home page</html>"),
        Reply(404, b"<html>Not found</html>"),
        Reply(302, headers={"Location": "/login"}),
        Reply(body=b"{}"),
    ],
    ids=["page", "missing", "redirect", "no user"],
)
def test_a_host_that_is_no_workspace_is_said_so(reply: Reply) -> None:
    with serving(lambda _: reply) as server:
        error = failing(host=server.url, token="t")
    assert error.reason is FailureReason.HOST_UNREACHABLE
    assert "does not answer like a Databricks workspace" in error.problem.title


def test_an_access_list_that_blocks_us_is_shown() -> None:
    words = {"error_code": "PERMISSION_DENIED", "message": "Source IP address is blocked"}
    with serving(lambda _: Reply(403, json.dumps(words).encode())) as server:
        error = failing(host=server.url, token="t")
    assert error.reason is FailureReason.AUTHENTICATION_FAILED
    assert error.problem.detail == "Source IP address is blocked"


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("adb-1.2.azuredatabricks.net", "https://adb-1.2.azuredatabricks.net"),
        (" https://adb-1.2.azuredatabricks.net/?o=1#job/2 ", "https://adb-1.2.azuredatabricks.net"),
        ("https://ADB-1.2.azuredatabricks.net:443/x", "https://adb-1.2.azuredatabricks.net"),
        ("https://w.example.com:8443", "https://w.example.com:8443"),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
        ("http://localhost:80", "http://localhost:80"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_an_address_has_one_form(given: str, host: str) -> None:
    assert checked_host(given) == host


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "no workspace address"),
        ("  ", "no workspace address"),
        ("http://adb-1.2.azuredatabricks.net", "not an https address"),
        ("http://127.0.0.1.example.com", "not an https address"),
        ("ftp://w.example.com", "not an https address"),
        ("https://", "not an address"),
        ("https://w.example.com:port", "not an address"),
        ("my workspace", "not an address"),
        ("https://token:dapi123@w.example.com", "contains credentials"),
        ("https://accounts.cloud.databricks.com", "account console"),
    ],
)
def test_other_addresses_are_refused(given: str, why: str) -> None:
    with pytest.raises(DeployError, match=why) as caught:
        checked_host(given)
    assert caught.value.reason is FailureReason.INVALID_INPUT
    assert "dapi123" not in str(caught.value)


class OidcWorld:
    """GitHub's token service and a workspace that exchanges its tokens, on one server."""

    def __init__(self) -> None:
        self.github = Reply(
            body=json.dumps({"value": jwt("repo:o/r:ref:refs/heads/main")}).encode()
        )
        self.exchange = Reply(
            body=b'{"access_token": "exchanged", "token_type": "Bearer", "expires_in": 3600}',
            headers={"Content-Type": "application/json"},
        )
        self.url = ""
        self.has_metadata = True

    def __call__(self, seen: Seen) -> Reply:
        where = urlsplit(seen.path).path
        if where == "/github":
            return self.github
        if where == TOKEN_URL:
            return self.exchange
        if where == "/.well-known/databricks-config" and not self.has_metadata:
            return Reply(404, b"{}")
        if where == "/.well-known/databricks-config":
            return Reply(body=json.dumps({"oidc_endpoint": f"{self.url}/oidc"}).encode())
        if where.startswith("/oidc/.well-known"):
            ends = {
                "token_endpoint": f"{self.url}{TOKEN_URL}",
                "authorization_endpoint": f"{self.url}/oidc/v1/authorize",
            }
            return Reply(body=json.dumps(ends).encode())
        return Reply(body=b'{"userName": "app-id"}')

    def environ(self, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
        """The variables of a job that may ask for tokens."""
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{self.url}/github?api-version=2.0")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "may-ask")
        return dict(os.environ)


def jwt(subject: str) -> str:
    """An unsigned token with claims."""
    claims = {"iss": "https://token.actions.githubusercontent.com", "aud": "a", "sub": subject}
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{middle}.c2ln"


def asked(server: Server, path: str) -> list[Seen]:
    return [seen for seen in server.seen if urlsplit(seen.path).path == path]


def test_a_github_job_gets_one_token_for_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    world = OidcWorld()
    with serving(world) as server:
        world.url = server.url
        environ = world.environ(monkeypatch)
        with connect(host=server.url, client_id="app-id", environ=environ) as found:
            for _ in range(5):
                assert found.identity().user == "app-id"
    (github,) = asked(server, "/github")
    assert github.headers["Authorization"] == "Bearer may-ask"
    assert parse_qs(urlsplit(github.path).query) == {
        "api-version": ["2.0"],
        "audience": [f"{server.url}{TOKEN_URL}"],
    }
    (exchange,) = asked(server, TOKEN_URL)
    sent = parse_qs(exchange.body.decode())
    assert sent["client_id"] == ["app-id"]
    assert sent["subject_token"] == [jwt("repo:o/r:ref:refs/heads/main")]
    assert sent["grant_type"] == ["urn:ietf:params:oauth:grant-type:token-exchange"]
    assert {
        seen.headers["Authorization"] for seen in asked(server, "/api/2.0/preview/scim/v2/Me")
    } == {"Bearer exchanged"}


@pytest.mark.parametrize("has_metadata", [True, False])
def test_a_client_secret_connects_on_new_and_old_hosts(
    caplog: pytest.LogCaptureFixture, *, has_metadata: bool
) -> None:
    world = OidcWorld()
    world.has_metadata = has_metadata
    with serving(world) as server:
        world.url = server.url
        with connect(
            host=server.url, client_id="app-id", client_secret="s3cret", environ={}
        ) as found:
            for _ in range(3):
                assert found.identity().user == "app-id"
    assert len(asked(server, TOKEN_URL)) == 1
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_wrong_client_secret_is_an_authentication_failure() -> None:
    world = OidcWorld()
    refusal = {"error": "invalid_client", "error_description": "Client authentication failed"}
    world.exchange = Reply(401, json.dumps(refusal).encode(), {"Content-Type": "application/json"})
    with serving(world) as server:
        world.url = server.url
        error = failing(host=server.url, client_id="app-id", client_secret="s3cret")
    assert error.reason is FailureReason.AUTHENTICATION_FAILED
    assert "Client authentication failed" in error.problem.detail
    assert "s3cret" not in str(error)


def test_a_refused_exchange_shows_what_github_says_about_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = OidcWorld()
    refusal = {"error": "invalid_grant", "error_description": "no policy matches"}
    world.exchange = Reply(400, json.dumps(refusal).encode(), {"Content-Type": "application/json"})
    with serving(world) as server:
        world.url = server.url
        world.environ(monkeypatch)
        error = failing(host=server.url, client_id="app-id")
    assert error.reason is FailureReason.AUTHENTICATION_FAILED
    assert "no policy matches" in error.problem.detail
    assert "sub: repo:o/r:ref:refs/heads/main" in error.problem.detail
    assert "may-ask" not in str(error)
    assert "c2ln" not in str(error)


def test_a_github_that_refuses_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    world = OidcWorld()
    world.github = Reply(403, b"{}")
    with serving(world) as server:
        world.url = server.url
        world.environ(monkeypatch)
        error = failing(host=server.url, client_id="app-id", auth_type="github-oidc")
    assert error.problem.title == "GitHub gave no OIDC token (status 403)."


def test_a_job_that_may_not_ask_for_tokens_is_told_what_to_paste(workspace: Sandbox) -> None:
    error = failing(host=workspace.url, client_id="app-id", auth_type="github-oidc")
    assert error.reason is FailureReason.AUTHENTICATION_FAILED
    assert "id-token: write" in error.problem.remedy


def test_a_token_goes_before_github(workspace: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{workspace.url}/github")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "may-ask")
    with connect(host=workspace.url, token=workspace.token, environ=dict(os.environ)) as found:
        assert found.identity().admin
    assert workspace.calls("GET", "/github") == []


def python(code: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path.cwd()
    )
    return done.stdout.strip()


def test_the_services_of_the_sdk_are_not_imported_and_the_sdk_stays_whole() -> None:
    told = python(
        "import sys\n"
        "from deployer.platforms.databricks import connect, sdk\n"
        "assert 'databricks.sdk' not in sys.modules\n"
        "config = sdk.config_class()\n"
        "print('databricks.sdk.service.jobs' in sys.modules, 'databricks.sdk' in sys.modules)\n"
        "from databricks.sdk import WorkspaceClient\n"
        "from databricks.sdk.core import Config\n"
        "w = WorkspaceClient(config=Config(host='http://127.0.0.1:9', token='t',\n"
        "                    retry_timeout_seconds=1))\n"
        "print(Config is config, w.jobs is not None)\n"
    )
    assert told.splitlines() == ["False False", "True True"]


def test_a_patience_that_is_given_holds_for_every_call(workspace: Sandbox) -> None:
    job_id = workspace.add_job({"name": "n", "tasks": []})
    workspace.put_file("/Workspace/libs/a.whl", b"PK")
    silent = Fault(kind="timeout", times=0, seconds=60)
    with connect(
        host=workspace.url,
        token=workspace.token,
        environ={},
        policy=RetryPolicy(budget_s=0),
        read_timeout_s=0.05,
    ) as found:
        store = found.store("/Workspace/libs")
        workspace.set_faults([silent])
        for call in (
            lambda: found.jobs.job(job_id),
            lambda: found.jobs.update(job_id, {"name": "x"}),
            lambda: store.upload("/Workspace/libs/b.whl", io.BytesIO(b"PK"), 2),
        ):
            with pytest.raises(Unavailable, match=r"no answer within 0\.05 s"):
                call()


def test_limits_that_are_given_stand_in_for_the_documented_ones(workspace: Sandbox) -> None:
    job_id = workspace.add_job({"name": "n", "tasks": []})
    naps: list[float] = []
    frozen = Limits(clock=lambda: 0.0, sleep=naps.append)
    with connect(host=workspace.url, token=workspace.token, environ={}, limits=frozen) as found:
        for _ in range(20):
            found.jobs.job(job_id)
    assert naps
    assert found.calls()[2] == pytest.approx(sum(naps))
