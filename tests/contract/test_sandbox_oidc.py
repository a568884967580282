"""The embedded workspace plays OAuth, and the issuer of GitHub's ID tokens: facts D, fact 27."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

from sandbox.github_issuer import ISSUER, GitHubJob
from sandbox.jwt import JwtError, KeyPair
from sandbox.oidc import ACCOUNT_ID
from sandbox.server import Sandbox
from tests.workspace import call, running_workspace

APP = "11111111-2222-4333-8444-555555555555"
SUBJECT = "repo:acme/retail-metrics:environment:production"


@pytest.fixture
def workspace() -> Iterator[Sandbox]:
    """A workspace with a service principal that a job in `production` may act as."""
    with running_workspace() as sandbox:
        sandbox.add_service_principal(APP, secret="s3cret")
        sandbox.add_federation_policy(APP, SUBJECT)
        yield sandbox


def id_token(sandbox: Sandbox, audience: str = ACCOUNT_ID, **known: Any) -> str:
    """What GitHub gives a job."""
    job = sandbox.github_job(**known)
    answer = requests.get(
        job["ACTIONS_ID_TOKEN_REQUEST_URL"],
        params={"audience": audience},
        headers={"Authorization": f"Bearer {job['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
        timeout=10,
    )
    assert answer.status_code == 200
    return str(answer.json()["value"])


def claims_of(jwt: str) -> dict[str, Any]:
    part = jwt.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def exchange(sandbox: Sandbox, jwt: str, **form: str) -> requests.Response:
    return requests.post(
        f"{sandbox.url}/oidc/v1/token",
        data={
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "subject_token": jwt,
            "client_id": APP,
            "scope": "all-apis",
            **form,
        },
        timeout=10,
    )


def me(sandbox: Sandbox, token: str) -> requests.Response:
    return call(sandbox, "GET", "/api/2.0/preview/scim/v2/Me", token=token)


def test_the_host_names_its_oauth_server_and_that_names_its_endpoints(workspace: Sandbox) -> None:
    host = requests.get(f"{workspace.url}/.well-known/databricks-config", timeout=10).json()
    where = f"{host['oidc_endpoint']}/.well-known/oauth-authorization-server"
    assert requests.get(where, timeout=10).json()["token_endpoint"] == (
        f"{workspace.url}/oidc/v1/token"
    )


def test_an_id_token_of_a_job_with_a_policy_is_exchanged_for_one_that_works(
    workspace: Sandbox,
) -> None:
    answer = exchange(workspace, id_token(workspace, environment="production")).json()
    assert answer["token_type"] == "Bearer"
    assert me(workspace, answer["access_token"]).json()["userName"] == APP


def test_an_exchanged_token_lives_no_longer_than_the_id_token(workspace: Sandbox) -> None:
    jwt = id_token(workspace, environment="production")
    claims = claims_of(jwt)
    lifetime = claims["exp"] - claims["iat"]
    assert lifetime - 5 <= exchange(workspace, jwt).json()["expires_in"] <= lifetime


@pytest.mark.parametrize(
    ("known", "subject"),
    [
        ({}, "repo:acme/retail-metrics:ref:refs/heads/main"),
        ({"environment": "prod"}, "repo:acme/retail-metrics:environment:prod"),
        ({"event": "pull_request"}, "repo:acme/retail-metrics:pull_request"),
        (
            {"event": "pull_request", "environment": "dev"},
            "repo:acme/retail-metrics:environment:dev",
        ),
        (
            {"ids_in_subject": True, "owner_id": 7, "repository_id": 8},
            "repo:acme@7/retail-metrics@8:ref:refs/heads/main",
        ),
        ({"claims": {"sub": "repository_owner:acme"}}, "repository_owner:acme"),
    ],
)
def test_the_subject_follows_from_the_job(known: dict[str, Any], subject: str) -> None:
    assert GitHubJob(**known).stated("a", 0)["sub"] == subject


def test_a_token_states_what_github_states(workspace: Sandbox) -> None:
    claims = claims_of(id_token(workspace, "someone", repository="o/r", environment="e"))
    assert (claims["iss"], claims["aud"], claims["repository"]) == (ISSUER, "someone", "o/r")
    assert claims["job_workflow_ref"] == "o/r/.github/workflows/deploy.yml@refs/heads/main"
    assert claims["environment"] == "e"
    assert claims["nbf"] == claims["iat"] < claims["exp"]


def test_a_request_token_is_needed_for_an_id_token(workspace: Sandbox) -> None:
    url = workspace.github_job()["ACTIONS_ID_TOKEN_REQUEST_URL"]
    headers = {"Authorization": "Bearer guessed"}
    assert requests.get(url, headers=headers, timeout=10).status_code == 401


def test_the_issuer_publishes_the_key_that_it_signs_with(workspace: Sandbox) -> None:
    base = f"{workspace.url}/github-actions/.well-known"
    told = requests.get(f"{base}/openid-configuration", timeout=10).json()
    assert told["issuer"] == ISSUER
    (key,) = requests.get(told["jwks_uri"], timeout=10).json()["keys"]
    header = id_token(workspace).split(".")[0]
    signed_with = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    assert (key["kid"], key["alg"]) == (signed_with["kid"], signed_with["alg"])


@pytest.mark.parametrize(
    ("known", "audience"),
    [
        ({"environment": "staging"}, ACCOUNT_ID),
        ({}, ACCOUNT_ID),
        ({"environment": "production", "ids_in_subject": True}, ACCOUNT_ID),
        ({"environment": "production"}, "https://github.com/acme"),
        ({"environment": "production", "claims": {"iss": "https://other"}}, ACCOUNT_ID),
        ({"environment": "production", "claims": {"sub": None}}, ACCOUNT_ID),
    ],
    ids=["environment", "branch", "form of sub", "audience", "issuer", "no sub"],
)
def test_a_token_that_no_policy_matches_is_refused(
    workspace: Sandbox, known: dict[str, Any], audience: str
) -> None:
    answer = exchange(workspace, id_token(workspace, audience, **known))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_one_of_several_policies_and_audiences_is_enough(workspace: Sandbox) -> None:
    workspace.add_federation_policy(APP, "repo:o/r:pull_request", audiences=["x", "https://y"])
    jwt = id_token(workspace, "https://y", repository="o/r", event="pull_request")
    assert exchange(workspace, jwt).status_code == 200


def test_a_forged_token_is_refused(workspace: Sandbox) -> None:
    header, claims, signature = id_token(workspace, environment="production").split(".")
    stranger = KeyPair().sign(claims_of(f"{header}.{claims}.{signature}"))
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for forged in (stranger, f"{none}.{claims}.", f"{header}.{claims}.AAAA", "no.jwt", ""):
        assert exchange(workspace, forged).json()["error"] == "invalid_grant"
    with pytest.raises(JwtError):
        KeyPair().claims("x")


@pytest.mark.parametrize(
    ("offset_s", "said"), [(7200, "has expired"), (-7200, "is not valid yet"), (30, "")]
)
def test_a_token_is_valid_by_the_clock_of_the_workspace_with_a_leeway(
    workspace: Sandbox, offset_s: int, said: str
) -> None:
    workspace.behave(clock_offset_s=offset_s)
    answer = exchange(workspace, id_token(workspace, environment="production"))
    assert said in answer.json().get("error_description", "")
    assert answer.ok is (said == "")


def test_the_clock_of_the_workspace_shows_in_date_headers(workspace: Sandbox) -> None:
    def date() -> float:
        answer = requests.get(f"{workspace.url}/.well-known/databricks-config", timeout=10)
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()

    before = date()
    workspace.behave(clock_offset_s=3600)
    assert 3595 < date() - before < 3700


def test_an_access_token_ends_with_its_time_and_when_it_is_revoked(workspace: Sandbox) -> None:
    jwt = id_token(workspace, environment="production")
    token = exchange(workspace, jwt).json()["access_token"]
    assert me(workspace, token).status_code == 200
    workspace.behave(clock_offset_s=3600)
    assert me(workspace, token).status_code == 401
    workspace.behave(clock_offset_s=0)
    workspace.revoke_tokens()
    assert me(workspace, token).status_code == 401


def test_the_lifetime_of_tokens_can_be_set(workspace: Sandbox) -> None:
    workspace.behave(token_lifetime_s=2)
    jwt = id_token(workspace, environment="production")
    assert exchange(workspace, jwt).json()["expires_in"] == 2


def test_a_client_secret_works_as_basic_authentication_and_in_the_form(workspace: Sandbox) -> None:
    url = f"{workspace.url}/oidc/v1/token"
    form = {"grant_type": "client_credentials", "scope": "all-apis"}
    basic = requests.post(url, data=form, auth=(APP, "s3cret"), timeout=10)
    both = {**form, "client_id": APP, "client_secret": "s3cret"}
    for answer in (basic, requests.post(url, data=both, timeout=10)):
        assert answer.json()["expires_in"] == 3600
        assert me(workspace, answer.json()["access_token"]).json()["userName"] == APP
    wrong = requests.post(url, data=form, auth=(APP, "guessed"), timeout=10)
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")


def test_an_unknown_client_and_an_unknown_grant_are_refused(workspace: Sandbox) -> None:
    jwt = id_token(workspace, environment="production")
    unknown = exchange(workspace, jwt, client_id="nobody")
    assert (unknown.status_code, unknown.json()["error"]) == (401, "invalid_client")
    grant = exchange(workspace, jwt, grant_type="password")
    assert grant.json()["error"] == "unsupported_grant_type"
    kind = exchange(workspace, jwt, subject_token_type="saml")
    assert kind.json()["error"] == "invalid_request"


def test_a_service_principal_has_the_rights_that_are_granted_to_it(workspace: Sandbox) -> None:
    job_id = workspace.add_job({"name": "nightly"})
    jwt = id_token(workspace, environment="production")
    token = exchange(workspace, jwt).json()["access_token"]
    asked: dict[str, Any] = {"params": {"job_id": job_id}, "token": token}
    assert call(workspace, "GET", "/api/2.2/jobs/get", **asked).status_code == 403
    workspace.grant(APP, job_id, "CAN_MANAGE")
    assert call(workspace, "GET", "/api/2.2/jobs/get", **asked).status_code == 200
    shown = call(workspace, "GET", f"/api/2.0/permissions/jobs/{job_id}").json()
    assert APP in [line.get("service_principal_name") for line in shown["access_control_list"]]


def test_the_official_client_logs_in_both_ways(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in workspace.github_job(environment="production").items():
        monkeypatch.setenv(name, value)
    for kind, more in (("github-oidc", {}), ("oauth-m2m", {"client_secret": "s3cret"})):
        settings: dict[str, Any] = {
            "host": workspace.url,
            "client_id": APP,
            "auth_type": kind,
            **more,
        }
        client = WorkspaceClient(config=Config(**settings))
        try:
            assert client.current_user.me().user_name == APP
        finally:
            client.api_client._api_client._session.close()


def test_policies_are_bounded_and_checked(workspace: Sandbox) -> None:
    for number in range(19):
        workspace.add_federation_policy(APP, f"repo:o/r{number}:pull_request")
    with pytest.raises(ValueError, match="at most 20"):
        workspace.add_federation_policy(APP, "repo:o/r:pull_request")
    with pytest.raises(KeyError):
        workspace.add_federation_policy("nobody", "repo:o/r:pull_request")


def test_a_seed_folder_brings_service_principals(tmp_path: Path) -> None:
    folder = tmp_path / "service_principals"
    folder.mkdir()
    policy = {"oidc_policy": {"issuer": ISSUER, "subject": SUBJECT, "audiences": ["me"]}}
    document = {"application_id": APP, "groups": ["admins"], "federation_policies": [policy]}
    (folder / "deployer.json").write_text(json.dumps(document))
    with running_workspace(seed=tmp_path) as sandbox:
        jwt = id_token(sandbox, "me", environment="production")
        token = exchange(sandbox, jwt).json()["access_token"]
        groups = me(sandbox, token).json()["groups"]
    assert "admins" in [each["display"] for each in groups]
    (folder / "deployer.json").write_text('{"application_id": "x", "federation_policies": [{}]}')
    with pytest.raises(ValueError, match=r"deployer\.json"), running_workspace(seed=tmp_path):
        pass


def test_the_levers_work_over_http(workspace: Sandbox) -> None:
    def pull(lever: str, body: dict[str, Any]) -> requests.Response:
        token = workspace.control_token
        return call(workspace, "POST", f"/sandbox/{lever}", token=token, json=body)

    made = pull("service-principals", {"groups": ["data"]}).json()
    rules = {"issuer": ISSUER, "subject": "repo:o/r:ref:refs/heads/main"}
    policy = {"application_id": made["application_id"], "oidc_policy": rules}
    assert pull("federation-policies", policy).status_code == 200
    job = pull("github-jobs", {"repository": "o/r"}).json()
    headers = {"Authorization": f"Bearer {job['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    url = f"{job['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={ACCOUNT_ID}"
    jwt = requests.get(url, headers=headers, timeout=10).json()["value"]
    answer = exchange(workspace, jwt, client_id=made["application_id"])
    assert answer.status_code == 200
    assert pull("github-jobs", {"repo": "o/r"}).status_code == 400
    assert pull("federation-policies", {**policy, "application_id": "x"}).status_code == 404
    assert pull("federation-policies", {**policy, "oidc_policy": {}}).status_code == 400


def test_no_secret_stands_in_the_log_of_calls(workspace: Sandbox) -> None:
    jwt = id_token(workspace, environment="production")
    token = exchange(workspace, jwt).json()["access_token"]
    logged = repr(workspace.calls())
    assert "/oidc/v1/token" in logged
    assert jwt not in logged
    assert token not in logged
