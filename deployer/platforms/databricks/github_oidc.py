"""Credentials out of GitHub's OIDC token.

Owns asking GitHub for an ID token whenever Databricks needs a new one. The SDK does this as well,
but asks GitHub and exchanges the token again for every single API call, without timeouts, and says
nothing when GitHub refuses (databricks-sdk-py #1564; facts D).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import requests

from deployer.errors import DeployError, FailureReason, fail
from deployer.platforms.databricks import sdk
from deployer.platforms.databricks.transport import without_configuration

if TYPE_CHECKING:
    from databricks.sdk.config import Config
    from databricks.sdk.credentials_provider import CredentialsStrategy

AUTH_TYPE = "github-oidc"
_REQUEST_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
_REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - the name of a variable
_TIMEOUT_S = (10.0, 30.0)
_ATTEMPTS = 3
_SHOWN_CLAIMS = ("iss", "aud", "sub")
_OTHER_WAYS = (
    "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_OIDC_TOKEN",
    "DATABRICKS_OIDC_TOKEN_FILEPATH",
    "DATABRICKS_OIDC_TOKEN_FILE",
    "DATABRICKS_METADATA_SERVICE_URL",
    "DATABRICKS_CONFIG_PROFILE",
)


def strategy(given: Mapping[str, str], environ: Mapping[str, str]) -> CredentialsStrategy | None:
    """How to authenticate when it is to be GitHub's OIDC; None leaves the choice to the SDK.

    That is when `auth_type` says so, or when there is a client id with no other credential in a
    GitHub job that may ask for tokens.

    Args:
        given: the explicit settings, by the names that the SDK gives them.
        environ: the environment variables.

    Raises:
        DeployError: AUTHENTICATION_FAILED: it was asked for, but the job may not ask for tokens.
    """
    auth_type = given.get("auth_type") or environ.get("DATABRICKS_AUTH_TYPE", "")
    may_ask = bool(environ.get(_REQUEST_URL) and environ.get(_REQUEST_TOKEN))
    if auth_type == AUTH_TYPE and not may_ask:
        raise fail(
            FailureReason.AUTHENTICATION_FAILED,
            "This job may not ask GitHub for an OIDC token.",
            remedy="Add this to the job, or to the workflow:\n"
            "permissions:\n  contents: read\n  id-token: write\n"
            "A pull request from a fork never gets one.",
        )
    has_id = bool(given.get("client_id") or environ.get("DATABRICKS_CLIENT_ID"))
    has_other = any(given.get(name) for name in ("token", "client_secret")) or any(
        environ.get(name) for name in _OTHER_WAYS
    )
    if auth_type == AUTH_TYPE or (not auth_type and may_ask and has_id and not has_other):
        return sdk.strategy(
            AUTH_TYPE,
            lambda config: _headers(config, environ[_REQUEST_URL], environ[_REQUEST_TOKEN]),
        )
    return None


def _headers(config: Config, url: str, request_token: str) -> Callable[[], dict[str, str]]:
    """What makes the headers of a call; the token in them is exchanged anew when it gets old."""
    if not config.client_id:
        raise fail(
            FailureReason.AUTHENTICATION_FAILED,
            "GitHub's OIDC token needs a service principal.",
            remedy="Set DATABRICKS_CLIENT_ID or databricks-client-id to its application id.",
        )
    endpoint = config.databricks_oidc_endpoints
    if endpoint is None:
        raise ValueError("the host names no token endpoint")
    claims: dict[str, object] = {}

    def id_token() -> str:
        jwt = _id_token(url, request_token, config.token_audience or endpoint.token_endpoint)
        claims.update(_claims(jwt))
        return jwt

    token = sdk.exchanged_token(config, endpoint.token_endpoint, id_token)

    def headers() -> dict[str, str]:
        try:
            return {"Authorization": f"Bearer {token()}"}
        except ValueError as error:
            raise _refused(config, without_configuration(str(error)), claims) from error

    return headers


def _id_token(url: str, request_token: str, audience: str) -> str:
    """A new ID token from GitHub.

    Raises:
        DeployError: AUTHENTICATION_FAILED, when GitHub refuses.
        requests.RequestException: GitHub could not be reached.
    """
    status = 0
    for _ in range(_ATTEMPTS):
        response = requests.get(
            url,
            params={"audience": audience},
            headers={"Authorization": f"Bearer {request_token}"},
            timeout=_TIMEOUT_S,
        )
        status = response.status_code
        if response.ok:
            value = response.json().get("value")
            if isinstance(value, str) and value:
                return value
        if status < 500:  # noqa: PLR2004 - the line between our faults and theirs
            break
    raise fail(
        FailureReason.AUTHENTICATION_FAILED,
        f"GitHub gave no OIDC token (status {status}).",
        remedy="Check `permissions: id-token: write` of the job, and GitHub's status page.",
    )


def _claims(jwt: str) -> dict[str, object]:
    """The claims of a JWT, unverified, for a message; nothing if it can't be read."""
    try:
        payload = jwt.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _refused(config: Config, said: str, claims: Mapping[str, object]) -> DeployError:
    shown = "\n".join(f"{name}: {claims[name]}" for name in _SHOWN_CLAIMS if name in claims)
    return fail(
        FailureReason.AUTHENTICATION_FAILED,
        f"{config.host} does not accept GitHub's OIDC token for {config.client_id}.",
        detail=f"{said}\nThe token says:\n{shown}" if shown else said,
        remedy="Give the service principal a federation policy whose issuer, audience and subject"
        " are exactly these. Repositories made after July 2026 have ids in the subject.",
    )
