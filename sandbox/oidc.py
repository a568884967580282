"""OAuth at the workspace: service principals, their secrets and federation policies, access tokens.

Owns: the endpoints under /oidc/, and whose an access token is. Must not decide what its owner may do:
permissions.py does. Sources: facts D, RFC 6749 (errors, client credentials), RFC 8414 (metadata), RFC
8693 (token exchange), the Databricks pages about federation policies. The words of refusals are unverified.
"""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox import github_issuer
from sandbox.errors import JsonObject
from sandbox.jwt import JwtError
from sandbox.permissions import User
from sandbox.routing import json_response
from sandbox.store import now_ms
from sandbox.workspace import Workspace

PREFIX = "/oidc/"
ACCOUNT_ID = "5a4d0b0c-0000-4000-8000-00000000acc7"
POLICIES_PER_PRINCIPAL = 20
_PRINCIPALS, _TOKENS = "service_principals", "access_tokens"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_JWT = "urn:ietf:params:oauth:token-type:jwt"


@dataclass(frozen=True)
class ServicePrincipal:
    """A service principal as a lever gives it out.

    Attributes:
        application_id: its client id, and its user name.
        number: its id, which federation policies are created by.
        secret: its OAuth secret.
    """

    application_id: str
    number: int
    secret: str


class OAuthError(Exception):
    """A refusal of the token endpoint (RFC 6749, 5.2)."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description

    def response(self) -> Response:
        """The HTTP response that carries it."""
        answer = json_response({"error": self.error, "error_description": self.description})
        answer.status_code = self.status
        return answer


# --- what levers and seeds do


def add_service_principal(
    workspace: Workspace,
    application_id: str = "",
    *,
    secret: str = "",
    groups: Iterable[str] = (),
) -> ServicePrincipal:
    """Create a service principal, or change the groups of one and add a secret."""
    name = application_id or str(uuid.uuid4())
    given = secret or f"dose{secrets.token_hex(16)}"
    with workspace.store.transaction():
        workspace.directory.add_user(name, groups)
        user = workspace.directory.user(name)
        number = user.user_id if user else 0
        document = _principal(workspace, name) or {"id": number, "secrets": [], "policies": []}
        document["secrets"].append(given)
        workspace.store.put_document(_PRINCIPALS, name, document)
    return ServicePrincipal(name, number, given)


def add_federation_policy(workspace: Workspace, application_id: str, policy: JsonObject) -> str:
    """Give a service principal a federation policy; its id.

    Args:
        workspace: the workspace.
        application_id: whose.
        policy: as the account API takes it: ``{"oidc_policy": {"issuer", "subject", ...}}``.

    Raises:
        KeyError: no such service principal.
        ValueError: the policy can't be used, or there are too many.
    """
    rules = policy.get("oidc_policy")
    if not isinstance(rules, dict):
        raise ValueError('A federation policy has an "oidc_policy".')  # noqa: TRY004 - bad input
    for field in ("issuer", "subject"):
        if not isinstance(rules.get(field), str) or not rules[field]:
            raise ValueError(f"The oidc_policy of a service principal has a {field}.")
    audiences = rules.get("audiences", [])
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        raise ValueError("The audiences of an oidc_policy are a list of texts.")
    with workspace.store.transaction():
        document = _principal(workspace, application_id)
        if document is None:
            raise KeyError(f"service principal {application_id}")
        if len(document["policies"]) >= POLICIES_PER_PRINCIPAL:
            raise ValueError(
                f"A service principal has at most {POLICIES_PER_PRINCIPAL} federation policies."
            )
        policy_id = str(policy.get("policy_id") or uuid.uuid4())
        document["policies"].append({"policy_id": policy_id, "oidc_policy": rules})
        workspace.store.put_document(_PRINCIPALS, application_id, document)
    return policy_id


def is_service_principal(workspace: Workspace, name: str) -> bool:
    """Whether this is the application id of a service principal."""
    return _principal(workspace, name) is not None


def revoke_tokens(workspace: Workspace) -> None:
    """End all access tokens before their time."""
    workspace.store.run("DELETE FROM documents WHERE kind = ?", _TOKENS)


def user_for(workspace: Workspace, token: str) -> User | None:
    """Whose access token this is; None for one that is unknown or expired."""
    found = workspace.store.document(_TOKENS, token)
    if found is None or found["expires_ms"] <= workspace_ms(workspace):
        return None
    return workspace.directory.user(found["user"])


def workspace_ms(workspace: Workspace) -> int:
    """The workspace's time in milliseconds since the epoch."""
    return now_ms() + workspace.behaviour.clock_offset_s * 1000


# --- the endpoints


def answer(workspace: Workspace, request: Request) -> Response:
    """Answer a request under ``PREFIX``."""
    base = f"{workspace.url}/oidc"
    if (
        request.method == "GET"
        and request.path == f"{PREFIX}.well-known/oauth-authorization-server"
    ):
        return json_response(
            {
                "issuer": base,
                "authorization_endpoint": f"{base}/v1/authorize",
                "token_endpoint": f"{base}/v1/token",
                "grant_types_supported": ["client_credentials", _EXCHANGE],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
            }
        )
    if request.method == "POST" and request.path == f"{PREFIX}v1/token":
        try:
            return json_response(_granted(workspace, request))
        except OAuthError as error:
            return error.response()
    return Response("Not found", 404, mimetype="text/plain")


def _granted(workspace: Workspace, request: Request) -> JsonObject:
    """The token that a request to the token endpoint gets.

    Raises:
        OAuthError: it gets none.
    """
    grant = request.form.get("grant_type", "")
    lifetime_s = workspace.behaviour.token_lifetime_s
    if grant == "client_credentials":
        name = _by_secret(workspace, request)
    elif grant == _EXCHANGE:
        name, left_s = _by_federation(workspace, request)
        # The access token lives no longer than the federated one does (facts D).
        lifetime_s = min(lifetime_s, left_s)
    else:
        raise OAuthError(400, "unsupported_grant_type", f"There is no grant type {grant!r}.")
    token = f"oauth-{secrets.token_hex(24)}"
    expires_ms = workspace_ms(workspace) + lifetime_s * 1000
    workspace.store.put_document(_TOKENS, token, {"user": name, "expires_ms": expires_ms})
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetime_s,
        "scope": request.form.get("scope", "all-apis"),
    }


def _by_secret(workspace: Workspace, request: Request) -> str:
    """The service principal whose id and secret were sent, as basic authentication or in the form."""
    name, secret = _basic(request)
    name = name or request.form.get("client_id", "")
    secret = secret or request.form.get("client_secret", "")
    found = _principal(workspace, name)
    known = found["secrets"] if found else []
    # Every secret is compared, and in constant time, as a service does that takes secrets seriously.
    if not any([secrets.compare_digest(secret.encode(), each.encode()) for each in known]):  # noqa: C419
        raise OAuthError(401, "invalid_client", "Client authentication failed")
    return name


def _basic(request: Request) -> tuple[str, str]:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(value).decode().partition(":")
    except ValueError:
        return "", ""
    return name, secret


def _by_federation(workspace: Workspace, request: Request) -> tuple[str, int]:
    """The service principal that the ID token stands for, and how many seconds the token still lives."""
    if request.form.get("subject_token_type") != _JWT:
        raise OAuthError(400, "invalid_request", f"subject_token_type must be {_JWT}.")
    name = request.form.get("client_id", "")
    found = _principal(workspace, name)
    if found is None:
        raise OAuthError(401, "invalid_client", f"There is no service principal {name!r}.")
    try:
        claims = workspace.issuer.keys.claims(request.form.get("subject_token", ""))
    except JwtError as error:
        raise OAuthError(400, "invalid_grant", str(error)) from error
    left_s = _seconds_left(workspace, claims)
    if not any(_matches(policy["oidc_policy"], claims) for policy in found["policies"]):
        raise OAuthError(
            400, "invalid_grant", "No federation policy of the service principal matches the token."
        )
    return name, left_s


def _seconds_left(workspace: Workspace, claims: JsonObject) -> int:
    """How long the token still lives, by the workspace's clock and with its leeway."""
    now_s = workspace_ms(workspace) // 1000
    leeway_s = workspace.behaviour.token_leeway_s
    expires, begins, issued = (claims.get(name) for name in ("exp", "nbf", "iat"))
    if not isinstance(expires, int):
        raise OAuthError(400, "invalid_grant", "The token has no expiration time.")
    if expires + leeway_s <= now_s:
        raise OAuthError(400, "invalid_grant", "The token has expired.")
    if any(isinstance(each, int) and each - leeway_s > now_s for each in (begins, issued)):
        raise OAuthError(400, "invalid_grant", "The token is not valid yet.")
    return max(1, expires - now_s)


def _matches(policy: JsonObject, claims: JsonObject) -> bool:
    """Whether issuer, audience and subject are those of the policy, character by character."""
    audience: Any = claims.get("aud")
    stated = set(audience if isinstance(audience, list) else [audience])
    return (
        claims.get("iss") == policy["issuer"]
        and claims.get(policy.get("subject_claim") or "sub") == policy["subject"]
        and bool(stated & set(policy.get("audiences") or [ACCOUNT_ID]))
    )


def _principal(workspace: Workspace, name: str) -> dict[str, Any] | None:
    return workspace.store.document(_PRINCIPALS, name)


def is_open(path: str) -> bool:
    """Whether a path is answered without a token of the workspace."""
    return path.startswith((PREFIX, github_issuer.PREFIX))


def open_answer(workspace: Workspace, request: Request) -> Response:
    """The answer to a request whose path ``is_open``."""
    if request.path.startswith(github_issuer.PREFIX):
        return workspace.issuer.answer(workspace.url, request)
    return answer(workspace, request)
