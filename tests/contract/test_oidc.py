"""Logging in with GitHub's OIDC token, against the embedded workspace and against broken services."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import socket
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from databricks.sdk.credentials_provider import DefaultCredentials

from deployer.deployment.ports import Unavailable
from deployer.errors import DeployError, FailureReason
from deployer.platforms.databricks import oauth
from deployer.platforms.databricks.connect import connect
from deployer.platforms.databricks.federation import CREATE
from deployer.platforms.databricks.retry import RetryPolicy
from sandbox.github_issuer import GitHubJob
from sandbox.oidc import ACCOUNT_ID
from sandbox.server import Sandbox
from tests.contract.scripted_server import Reply, Seen, serving
from tests.contract.test_databricks_connect import (
    TOKEN_URL,
    OidcWorld,
    asked,
    failing,
    jwt,
    nap,
    nothing_configured,
)
from tests.workspace import running_workspace

__all__ = ["nothing_configured"]

APP = "11111111-2222-4333-8444-555555555555"
ID_TOKEN = "/github-actions/idtoken"


class Job:
    """A GitHub job and a workspace with a service principal that it wants to be."""

    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox = sandbox
        self._monkeypatch = monkeypatch
        self.secrets: list[str] = []
        sandbox.add_service_principal(APP)
        sign = sandbox._workspace.issuer.keys.sign

        def remembered(claims: dict[str, Any]) -> str:
            self.secrets.append(sign(claims))
            return self.secrets[-1]

        monkeypatch.setattr(sandbox._workspace.issuer.keys, "sign", remembered)

    def is_(self, **known: Any) -> None:
        """What GitHub knows of the job."""
        for name, value in self.sandbox.github_job(**known).items():
            self._monkeypatch.setenv(name, value)
        self.secrets.append(os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"])

    def logs_in(self, client_id: str = APP) -> str:
        """Who the workspace says we are."""
        with self.connected(client_id) as found:
            return str(found.identity().user)

    def connected(self, client_id: str = APP) -> Any:
        return connect(
            host=self.sandbox.url, client_id=client_id, environ=dict(os.environ), sleep=nap
        )

    def refused(self, client_id: str = APP) -> DeployError:
        with pytest.raises(DeployError) as caught:
            self.logs_in(client_id)
        assert caught.value.reason is FailureReason.AUTHENTICATION_FAILED
        return caught.value

    def asked(self, path: str) -> int:
        return len(self.sandbox.calls(path=path))


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    with running_workspace() as sandbox:
        yield Job(sandbox, monkeypatch)


# --- one token for its life


def test_hundreds_of_calls_need_one_id_token_and_one_exchange(job: Job) -> None:
    job.sandbox.add_federation_policy(APP, "repo:acme/retail-metrics:environment:production")
    job.is_(environment="production")
    for number in range(120):
        job_id = job.sandbox.add_job({"name": f"job {number}"})
        job.sandbox.grant(APP, job_id, "CAN_MANAGE")
    with job.connected() as found:
        identity = found.identity()
        assert identity.user == APP
        assert len(list(found.jobs.all_jobs())) == 120
        rights = [found.jobs.may_edit(number, identity) for number in job.sandbox.jobs()]
        assert rights == [True] * 120
    assert job.asked(ID_TOKEN) == 1
    assert job.asked(TOKEN_URL) == 1
    assert job.asked("oauth-authorization-server") == 1
    assert len(job.sandbox.calls(path="/api/2.0/preview/scim/v2/Me")) == 1


def test_threads_that_start_together_share_one_token(job: Job) -> None:
    job.sandbox.add_federation_policy(APP, "repo:acme/retail-metrics:environment:production")
    job.is_(environment="production")
    start, users = threading.Barrier(8), []
    with job.connected() as found:

        def ask() -> None:
            start.wait()
            users.append(found.identity().user)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert users == [APP] * 8
    assert (job.asked(ID_TOKEN), job.asked(TOKEN_URL)) == (1, 1)


def test_a_token_is_renewed_before_it_ends(job: Job) -> None:
    job.sandbox.behave(token_lifetime_s=1)
    job.sandbox.add_federation_policy(APP, "repo:acme/retail-metrics:environment:production")
    job.is_(environment="production")
    with job.connected() as found:
        assert found.identity().user == APP
        threading.Event().wait(1.1)
        assert found.identity().user == APP
    assert (job.asked(ID_TOKEN), job.asked(TOKEN_URL)) == (2, 2)


def test_a_client_secret_has_its_token_renewed_too(job: Job) -> None:
    job.sandbox.behave(token_lifetime_s=1)
    job.sandbox.add_service_principal(APP, secret="s3cret")
    settings: dict[str, Any] = {
        "host": job.sandbox.url,
        "client_id": APP,
        "client_secret": "s3cret",
    }
    with connect(**settings, environ={}) as found:
        assert found.identity().user == APP
        threading.Event().wait(1.1)
        assert found.identity().user == APP
        assert found.credential().kind == "oauth-m2m"
    assert job.asked(TOKEN_URL) == 2


def test_the_audience_can_be_set(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = "repo:acme/retail-metrics:environment:production"
    job.sandbox.add_federation_policy(APP, subject, audiences=["https://github.com/acme"])
    job.is_(environment="production")
    assert f"aud: {ACCOUNT_ID}" in job.refused().problem.detail
    monkeypatch.setenv("DATABRICKS_TOKEN_AUDIENCE", "https://github.com/acme")
    assert job.logs_in() == APP


# --- what is said when the workspace refuses


def pasted(error: DeployError) -> dict[str, Any]:
    """The policy in the command of the remedy, as a shell would hand it over."""
    command = error.problem.remedy[error.problem.remedy.index(CREATE) :].split("\n\nOr in")[0]
    *words, document = shlex.split(command)
    assert words == [*CREATE.split(), "SERVICE_PRINCIPAL_ID", "--json"]
    policy: dict[str, Any] = json.loads(document)
    return policy


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"environment": "production"},
        {"event": "pull_request"},
        {"ids_in_subject": True, "environment": "production"},
        {"environment": 'it\'s "prod" $(rm -rf /) `x` \\'},
        {"claims": {"sub": "repository_owner:acme:environment:prod"}},
    ],
    ids=["branch", "environment", "pull request", "with ids", "hostile name", "customised"],
)
def test_the_policy_that_is_shown_lets_the_same_job_in(job: Job, known: dict[str, Any]) -> None:
    job.is_(**known)
    policy = pasted(job.refused())
    rules = policy["oidc_policy"]
    job.sandbox.add_federation_policy(
        APP, rules["subject"], issuer=rules["issuer"], audiences=rules["audiences"]
    )
    assert job.logs_in() == APP


def test_a_refusal_shows_the_claims_that_matter(job: Job) -> None:
    job.is_(environment="production", repository="acme/metrics", repository_id=5, owner_id=6)
    detail = job.refused().problem.detail
    for line in (
        "iss: https://token.actions.githubusercontent.com",
        f"aud: {ACCOUNT_ID}",
        "sub: repo:acme/metrics:environment:production",
        "repository: acme/metrics",
        "repository_id: 5",
        "repository_owner_id: 6",
        "environment: production",
        "ref: refs/heads/main",
        "job_workflow_ref: acme/metrics/.github/workflows/deploy.yml@refs/heads/main",
    ):
        assert f"\n  {line}" in detail
    assert "No federation policy of the service principal matches the token." in detail


def test_a_policy_in_the_older_form_is_told_why_it_no_longer_matches(job: Job) -> None:
    older = "repo:acme/retail-metrics:environment:production"
    job.sandbox.add_federation_policy(APP, older)
    job.is_(environment="production")
    assert job.logs_in() == APP
    job.is_(environment="production", ids_in_subject=True, repository_id=5, owner_id=6)
    detail = job.refused().problem.detail
    assert "This subject has the form with ids." in detail
    assert "created, renamed or transferred after 2026-07-15" in detail
    assert f"({older}) no longer matches" in detail


def test_a_policy_in_the_newer_form_is_told_that_the_token_has_the_older(job: Job) -> None:
    newer = "repo:acme@6/retail-metrics@5:environment:production"
    job.sandbox.add_federation_policy(APP, newer)
    job.is_(environment="production", repository_id=5, owner_id=6)
    detail = job.refused().problem.detail
    assert "This subject has the form without ids." in detail
    assert f"({newer}) does not match" in detail


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({}, "every job on refs/heads/main"),
        ({"event": "pull_request"}, "every pull request"),
        ({"claims": {"sub": "repository_owner:acme"}}, "names no environment"),
        ({"environment": "production"}, ""),
    ],
)
def test_an_unsafe_subject_is_allowed_and_said(job: Job, known: dict[str, Any], said: str) -> None:
    job.is_(**known)
    error = job.refused()
    assert ("Before you do: " in error.problem.remedy) is bool(said)
    assert said in error.problem.remedy
    job.sandbox.add_federation_policy(APP, pasted(error)["oidc_policy"]["subject"])
    with job.connected() as found:
        assert found.identity().user == APP
        credential = found.credential()
    assert credential.kind == "github-oidc"
    assert said in credential.caution
    assert bool(credential.caution) is bool(said)
    assert credential.subject == pasted(error)["oidc_policy"]["subject"]


def test_a_wrong_client_id_is_said_first(job: Job) -> None:
    job.sandbox.add_federation_policy(APP, "repo:acme/retail-metrics:environment:production")
    job.is_(environment="production")
    error = job.refused("99999999-0000-4000-8000-000000000000")
    assert "for 99999999-0000-4000-8000-000000000000" in error.problem.title
    assert error.problem.remedy.startswith("First check the client id 99999999-")


@pytest.mark.parametrize(
    ("offset_s", "validity", "machine"),
    [
        (3 * 3600, "the token expired 2 h 5", "clock is 3 h behind the workspace's"),
        (-3 * 3600, "becomes valid in 3 h", "clock is 3 h ahead of the workspace's"),
    ],
)
def test_clocks_that_disagree_are_told_by_how_much(
    job: Job, offset_s: int, validity: str, machine: str
) -> None:
    job.sandbox.add_federation_policy(APP, "repo:acme/retail-metrics:environment:production")
    job.is_(environment="production")
    job.sandbox.behave(clock_offset_s=offset_s)
    detail = job.refused().problem.detail
    # The clocks tick on between the two: seconds may differ.
    plain = detail.replace("2 h 59 min", "3 h").replace("3 h 1 s", "3 h").replace("3 h 2 s", "3 h")
    assert validity in plain
    assert machine in plain
    assert job.refused().problem.remedy.startswith("First set the clocks right")


# --- nothing that is secret gets out


@pytest.mark.parametrize("trouble", ["policy", "no client", "github", "endpoint"])
def test_no_token_stands_in_messages_logs_or_tracebacks(
    job: Job, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    caplog.set_level(logging.DEBUG)
    job.is_(environment="production")
    if trouble == "github":
        url = os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", url.replace("idtoken", "nothing"))
    if trouble == "endpoint":
        monkeypatch.setattr(oauth, "ask", lambda *_: oauth._token_in(_page()))
    error = job.refused("nobody" if trouble == "no client" else APP)
    told = "".join(traceback.format_exception(error)) + caplog.text + repr(error.problems)
    assert job.secrets
    for secret in job.secrets:
        assert secret not in told
        assert secret.rpartition(".")[2] not in told


def _page() -> oauth.Reply:
    return oauth.Reply(200, {}, b"<html>")


def test_an_access_token_stands_in_no_log(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    job.sandbox.add_federation_policy(APP, "repo:acme/retail-metrics:environment:production")
    job.is_(environment="production")
    assert job.logs_in() == APP
    rows = job.sandbox._workspace.store.rows(
        "SELECT id FROM documents WHERE kind = 'access_tokens'"
    )
    for secret in [*job.secrets, *(row[0] for row in rows)]:
        assert secret not in caplog.text
    assert len(rows) == 1
    assert "AccessToken(lifetime_s" in repr(oauth.AccessToken("secret", 1.0))


# --- services that are broken


def github_fails(world: OidcWorld, monkeypatch: pytest.MonkeyPatch, reply: Reply) -> DeployError:
    world.github = reply
    with serving(world) as server:
        world.url = server.url
        world.environ(monkeypatch)
        error = failing(host=server.url, client_id="app-id", auth_type="github-oidc")
    assert asked(server, TOKEN_URL) == []
    assert error.reason is FailureReason.AUTHENTICATION_FAILED
    return error


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(403, b"{}"), "status 403"),
        (Reply(404, b"<html>"), "status 404"),
        (Reply(200, b"<html>Sign in</html>"), "it answered with a web page"),
        (Reply(200, b""), "its answer is empty"),
        (Reply(200, b"ok"), "it answered with something that is no JSON"),
        (Reply(200, b'{"value": ""}'), "its answer holds no token"),
        (Reply(200, b'{"value": 7}'), "its answer holds no token"),
        (Reply(200, b"[]"), "its answer holds no token"),
        (Reply(200, b'{"value": "no-jwt"}'), "what it gave is no JWT"),
        (Reply(200, b'{"value": "a.b.c"}'), "what it gave is no JWT"),
        (Reply(200, b'{"value": "e30.W10.c2ln"}'), "what it gave is no JWT"),
    ],
)
def test_a_token_service_of_github_that_fails_is_said_so(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, why: str
) -> None:
    error = github_fails(OidcWorld(), monkeypatch, reply)
    assert error.problem.title == f"GitHub gave no OIDC token ({why})."
    assert "id-token: write" in error.problem.remedy


def test_the_request_token_does_not_follow_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Reply(200, b'{"value": "x"}')) as elsewhere:
        reply = Reply(302, headers={"Location": f"{elsewhere.url}/here"})
        error = github_fails(OidcWorld(), monkeypatch, reply)
    assert "redirect" in error.problem.title
    assert elsewhere.seen == []


def test_the_id_token_does_not_follow_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    world = OidcWorld()
    with serving(lambda _: Reply()) as elsewhere, serving(world) as server:
        world.url = server.url
        world.exchange = Reply(307, headers={"Location": f"{elsewhere.url}/here"})
        world.environ(monkeypatch)
        error = failing(host=server.url, client_id="app-id")
    assert "redirect" in error.problem.detail
    assert elsewhere.seen == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(200, b"<html>Sign in</html>"), "answered with a web page (status 200)"),
        (Reply(403, b"<html>Blocked</html>"), "answered with a web page (status 403)"),
        (Reply(200, b""), "something that is no JSON"),
        (Reply(200, b"{}"), "gave no token"),
        (Reply(200, b'{"access_token": "x"}'), "gave no token"),
        (Reply(200, b'{"access_token": "x", "expires_in": -5}'), "gave no token"),
        (Reply(200, b'{"access_token": "x", "expires_in": NaN}'), "gave no token"),
        (Reply(200, b'{"access_token": "", "expires_in": 60}'), "gave no token"),
        (Reply(400, b'{"error": "invalid_request"}'), "invalid_request"),
    ],
)
def test_a_token_endpoint_that_fails_is_said_so(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, said: str
) -> None:
    world = OidcWorld()
    world.exchange = reply
    with serving(world) as server:
        world.url = server.url
        world.environ(monkeypatch)
        error = failing(host=server.url, client_id="app-id")
    assert error.reason is FailureReason.AUTHENTICATION_FAILED
    assert said in error.problem.detail


def unavailable(world: OidcWorld, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """What the first call ends with, and how often the token endpoint was asked."""
    with serving(world) as server:
        world.url = server.url
        environ = world.environ(monkeypatch)
        policy = RetryPolicy(budget_s=0.05, base_s=0.01)
        given: dict[str, Any] = {"host": server.url, "client_id": "app-id", "environ": environ}
        with connect(**given, policy=policy) as found, pytest.raises(Unavailable) as caught:
            found.identity()
    return str(caught.value), len(asked(server, TOKEN_URL))


def test_a_token_endpoint_that_is_down_is_tried_again_and_then_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = OidcWorld()
    world.exchange = Reply(503, b"<html>Try later</html>")
    said, times = unavailable(world, monkeypatch)
    assert "the token endpoint at 127.0.0.1 answers with 503" in said
    assert times > 1


def test_a_github_that_is_down_is_tried_again_and_then_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = OidcWorld()
    world.github = Reply(500)
    said, _ = unavailable(world, monkeypatch)
    assert "GitHub's token service at 127.0.0.1 answers with 500" in said


def test_a_token_endpoint_that_is_up_again_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    world = OidcWorld()
    good, world.exchange = world.exchange, Reply(502)
    answered = OidcWorld.__call__

    def reply(seen: Seen) -> Reply:
        answer = answered(world, seen)
        if urlsplit(seen.path).path == TOKEN_URL:
            world.exchange = good
        return answer

    with serving(reply) as server:
        world.url = server.url
        environ = world.environ(monkeypatch)
        with connect(host=server.url, client_id="app-id", environ=environ, sleep=nap) as found:
            assert found.identity().user == "app-id"
    assert len(asked(server, TOKEN_URL)) == 2


def test_a_token_endpoint_that_is_slow_does_not_hold_us_forever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oauth, "TIMEOUT_S", (5.0, 0.2))
    world = OidcWorld()
    with socket.socket() as silent, serving(world) as server:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # connections come in, and nobody ever answers
        world.url = server.url
        monkeypatch.setattr(
            oauth, "token_endpoint", lambda _: f"http://127.0.0.1:{silent.getsockname()[1]}/"
        )
        environ = world.environ(monkeypatch)
        policy = RetryPolicy(budget_s=0.0)
        given: dict[str, Any] = {"host": server.url, "client_id": "app-id", "environ": environ}
        with connect(**given, policy=policy) as found, pytest.raises(Unavailable) as caught:
            found.identity()
    assert "does not answer (ReadTimeout)" in str(caught.value)


def test_a_host_without_oauth_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(seen: Seen) -> Reply:
        if urlsplit(seen.path).path == "/github":
            return Reply(body=json.dumps({"value": jwt("repo:o/r:pull_request")}).encode())
        return Reply(404, b"<html>Not here</html>")

    with serving(reply) as server:
        world = OidcWorld()
        world.url = server.url
        world.environ(monkeypatch)
        error = failing(host=server.url, client_id="app-id")
    assert "offers no way to log in with GitHub's OIDC token" in error.problem.title
    assert asked(server, "/github") == []


def test_a_token_endpoint_without_https_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(seen: Seen) -> Reply:
        if "oauth-authorization-server" in seen.path:
            return Reply(body=b'{"token_endpoint": "http://evil.example.com/token"}')
        return Reply(404, b"")

    with serving(reply) as server:
        error = failing(host=server.url, client_id="app-id", client_secret="s3cret")
    assert "names no token endpoint" in error.problem.detail


# --- jobs that may not ask


def test_a_job_without_the_permission_gets_the_yaml_to_paste(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(lambda _: Reply(404, b"")) as server:
        error = failing(host=server.url, client_id="app-id", auth_type="github-oidc")
    assert "\n\n  permissions:\n    contents: read\n    id-token: write\n" in error.problem.remedy


def pull_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: object, actor: str = "me"
) -> DeployError:
    base = {"repo": {"full_name": "acme/metrics"}}
    payload = json.dumps({"pull_request": {"head": head, "base": base}}).encode()
    return with_payload(tmp_path, monkeypatch, payload, actor)


def with_payload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, payload: bytes, actor: str = "me"
) -> DeployError:
    event = tmp_path / "event.json"
    event.write_bytes(payload)
    monkeypatch.setenv("GITHUB_EVENT_NAME", "pull_request")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    monkeypatch.setenv("GITHUB_ACTOR", actor)
    with serving(lambda _: Reply(404, b"")) as server:
        return failing(host=server.url, client_id="app-id", auth_type="github-oidc")


def test_a_fork_is_told_that_it_never_gets_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork = {"repo": {"full_name": "someone/metrics"}}
    error = pull_request(tmp_path, monkeypatch, fork)
    assert "from a fork gets no OIDC token" in error.problem.detail
    assert "id-token" not in error.problem.remedy


def test_dependabot_is_told_that_it_never_gets_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"repo": {"full_name": "acme/metrics"}}
    error = pull_request(tmp_path, monkeypatch, own, actor="dependabot[bot]")
    assert "Dependabot" in error.problem.detail


@pytest.mark.parametrize("head", [{"repo": {"full_name": "acme/metrics"}}, {"repo": None}, 7])
def test_other_pull_requests_are_told_to_ask_for_the_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: object
) -> None:
    assert "id-token: write" in pull_request(tmp_path, monkeypatch, head).problem.remedy


@pytest.mark.parametrize(
    "payload", [b"", b"\xff\xfe", b"[]", b"null", b'{"pull_request": []}', b"[" * 200_000]
)
def test_an_event_that_says_nothing_is_no_reason_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, payload: bytes
) -> None:
    assert "id-token: write" in with_payload(tmp_path, monkeypatch, payload).problem.remedy


def test_a_profile_with_github_oidc_uses_our_way(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".databrickscfg").write_text(
        f"[prod]\nhost = {job.sandbox.url}\nclient_id = {APP}\nauth_type = github-oidc\n"
    )
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "prod")
    job.sandbox.add_federation_policy(APP, "repo:acme/retail-metrics:environment:production")
    job.is_(environment="production")
    with connect(host=None, environ=dict(os.environ)) as found:
        assert [found.identity().user for _ in range(3)] == [APP] * 3
    assert job.asked(ID_TOKEN) == 1


@pytest.mark.parametrize("other", ["secret", "env-oidc", "profile"])
def test_a_job_that_may_ask_does_not_when_there_is_another_way(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, other: str
) -> None:
    job.sandbox.add_service_principal(APP, secret="s3cret")
    job.is_()
    asking = dict(os.environ)
    given: dict[str, Any] = {"host": job.sandbox.url, "client_id": APP}
    if other == "secret":
        given["client_secret"] = "s3cret"
    elif other == "env-oidc":
        monkeypatch.setenv("DATABRICKS_OIDC_TOKEN", "e30.e30.c2ln")
    else:
        (tmp_path / ".databrickscfg").write_text(
            f"[prod]\nhost = {job.sandbox.url}\nclient_id = {APP}\nclient_secret = s3cret\n"
        )
        monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "prod")
        given = {"host": None}
    # Without the variables of GitHub the SDK's own way to it stays out of the test.
    for name in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        monkeypatch.delenv(name)
    environ = {**asking, **os.environ}
    with connect(**given, environ=environ, sleep=nap) as found:
        kind = found.credential().kind
    assert kind == {"env-oidc": "env-oidc"}.get(other, "oauth-m2m")
    assert job.asked(ID_TOKEN) == 0


# --- docs/identity.md says what is true

DOCUMENT = (Path(__file__).parents[2] / "docs/identity.md").read_text(encoding="utf-8")


def test_the_subjects_in_the_document_are_those_of_such_jobs() -> None:
    rows = re.findall(r"^\| .+ \| `(repo:[^`]+)` \| `(repo:[^`]+)` \|$", DOCUMENT, re.M)
    jobs: list[dict[str, Any]] = [
        {"environment": "production"},
        {},
        {"ref": "refs/tags/v1.5.0", "event": "release"},
        {"event": "pull_request"},
    ]
    told = [
        tuple(
            GitHubJob(repository="acme/metrics", ids_in_subject=ids, **job).subject
            for ids in (False, True)
        )
        for job in jobs
    ]
    assert rows == told


def test_the_policy_in_the_document_accepts_the_job_of_the_document(job: Job) -> None:
    (document,) = re.findall(r"--json '(\{.*?\n   \})'", DOCUMENT, re.S)
    rules = json.loads(document.replace("YOUR-ACCOUNT-ID", ACCOUNT_ID))["oidc_policy"]
    job.sandbox.add_federation_policy(
        APP, rules["subject"], issuer=rules["issuer"], audiences=rules["audiences"]
    )
    job.is_(repository="acme/metrics", environment="production")
    assert job.logs_in() == APP


def test_the_ways_in_the_document_stand_in_the_order_in_which_they_are_tried() -> None:
    section = DOCUMENT.split("## Which ways there are")[1].split("\n## ")[0]
    ways = re.findall(r"^\| `([\w-]+)` \|", section, re.M)
    tried = [one.auth_type() for one in DefaultCredentials()._auth_providers]
    assert ways == [one for one in tried if one in ways]
    # The others need a browser, or are for code that runs on Databricks.
    assert set(tried) - set(ways) == {
        "external-browser",
        "runtime",
        "runtime-oauth",
        "model-serving",
    }
