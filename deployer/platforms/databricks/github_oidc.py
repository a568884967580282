"""Credentials out of GitHub's OIDC token.

Owns asking GitHub for an ID token whenever Databricks needs a new one, and what is said when GitHub or the
workspace refuses. Neither the ID token nor the request token may ever stand in a message, a log or the
chain of an exception; what the claims mean is federation.py's business (facts D, fact 27).
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import DeployError, FailureReason, fail
from deployer.platforms.databricks import federation, oauth
from deployer.platforms.databricks.federation import Claims
from deployer.platforms.databricks.secrecy import Secrecy

if TYPE_CHECKING:
    from databricks.sdk.config import Config

log = logging.getLogger(__name__)

AUTH_TYPE = "github-oidc"
_REQUEST_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
_REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - the name of a variable
_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_JWT = "urn:ietf:params:oauth:token-type:jwt"
PERMISSIONS = "  permissions:\n    contents: read\n    id-token: write"
# Whoever has one of these has another way that stands before GitHub's in the SDK's order.
_OTHER_SETTINGS = (
    "token",
    "username",
    "client_secret",
    "oidc_token_env",
    "oidc_token_filepath",
    "metadata_service_url",
    "profile",
)
_OTHER_VARIABLES = ("DATABRICKS_OIDC_TOKEN",)


def may_ask(environ: Mapping[str, str]) -> bool:
    """Whether this is a GitHub job that may ask for ID tokens (fact 27)."""
    return bool(environ.get(_REQUEST_URL) and environ.get(_REQUEST_TOKEN))


def is_wanted(config: Config, environ: Mapping[str, str]) -> bool:
    """Whether GitHub's OIDC is the way: it is asked for, or the only one that there is.

    Args:
        config: the resolved configuration, with what stands in variables and profiles.
        environ: the environment variables.

    Raises:
        DeployError: AUTHENTICATION_FAILED: it was asked for, but the job may not ask for tokens.
    """
    if config.auth_type:
        if config.auth_type == AUTH_TYPE and not may_ask(environ):
            raise not_permitted(environ)
        return config.auth_type == AUTH_TYPE
    others = [getattr(config, name, None) for name in _OTHER_SETTINGS]
    others += [environ.get(name) for name in _OTHER_VARIABLES]
    return may_ask(environ) and bool(config.client_id) and not any(others)


def not_permitted(environ: Mapping[str, str]) -> DeployError:
    """The job lacks the permission, or comes from where it can't have it."""
    why = _why_never(environ)
    remedy = (
        f"Add this to the job, or to the workflow:\n\n{PERMISSIONS}\n\n"
        "A reusable workflow needs it in the job that calls it, too."
    )
    return fail(
        FailureReason.AUTHENTICATION_FAILED,
        "This job may not ask GitHub for an OIDC token.",
        detail=why or "The job has no `id-token: write` permission, or does not run on GitHub.",
        remedy="Run it after the merge, or from a branch of the repository itself."
        if why
        else remedy,
    )


def _why_never(environ: Mapping[str, str]) -> str:
    """Why no permission would help; empty when one would (facts 24 and 27)."""
    if environ.get("GITHUB_EVENT_NAME") != "pull_request":
        return ""
    if environ.get("GITHUB_ACTOR") == "dependabot[bot]":
        return "A pull request of Dependabot gets no OIDC token, whatever `permissions` says."
    try:
        event = json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
        pull = event["pull_request"]
        foreign = pull["head"]["repo"]["full_name"] != pull["base"]["repo"]["full_name"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    if not foreign:
        return ""
    return "A pull request from a fork gets no OIDC token, whatever `permissions` says."


class GitHubLogin:
    """One job's way in: ID tokens from GitHub, exchanged at the workspace when a token is needed.

    Args:
        config: the resolved configuration.
        environ: the environment variables; the job may ask.
        now_s: this machine's time, for the comparison of clocks.
        secrecy: hears of each token, and cleans what services say.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        now_s: Callable[[], float] = time.time,
        secrecy: Secrecy | None = None,
    ) -> None:
        if not config.client_id:
            raise fail(
                FailureReason.AUTHENTICATION_FAILED,
                "GitHub's OIDC token needs a service principal.",
                remedy="Set DATABRICKS_CLIENT_ID or databricks-client-id to its application id.",
            )
        self._config = config
        self._url = environ[_REQUEST_URL]
        self._request_token = environ[_REQUEST_TOKEN]
        self._now_s = now_s
        self._secrecy = secrecy or Secrecy()
        self._secrecy.learn(self._request_token)
        self._lock = threading.Lock()
        self._claims: Claims = {}

    @property
    def subject(self) -> str:
        """`sub` of the last ID token; empty before the first."""
        with self._lock:
            return federation.quoted(self._claims["sub"]) if "sub" in self._claims else ""

    @property
    def caution(self) -> str:
        """What is unsafe about the subject that the workspace accepted; empty where nothing is."""
        with self._lock:
            return federation.caution(self._claims) if self._claims else ""

    def fetch(self) -> oauth.AccessToken:
        """A new access token.

        Raises:
            DeployError: AUTHENTICATION_FAILED: GitHub or the workspace refuses.
            TokenUnavailable: one of them is not available.
        """
        try:
            endpoint = oauth.token_endpoint(str(self._config.discovery_url or ""))
            jwt = self._id_token(str(self._config.token_audience or endpoint))
            self._secrecy.learn(jwt)
            claims = federation.claims_of(jwt)
            if claims is None:
                raise no_token("what it gave is no JWT")
            with self._lock:
                self._claims = claims
            return oauth.ask(endpoint, self._form(jwt), None, self._secrecy)
        except oauth.TokenRefused as refusal:
            raise self._refused(refusal) from None

    def _form(self, jwt: str) -> dict[str, str]:
        form = {
            "grant_type": _GRANT,
            "subject_token_type": _JWT,
            "subject_token": jwt,
            "client_id": str(self._config.client_id),
            "scope": self._config.get_scopes_as_string(),
        }
        group = getattr(self._config, "group_id", None)
        return {**form, "assume_group": str(group)} if group else form

    def _id_token(self, audience: str) -> str:
        reply = oauth.sent(
            "GET",
            self._url,
            "GitHub's token service",
            query={"audience": audience},
            auth=oauth.BearerOnly(self._request_token),
        )
        if reply.is_redirect:
            raise no_token("it answered with a redirect, which is not followed")
        if not reply.ok:
            raise no_token(f"status {reply.status}")
        document = reply.document()
        if document is None:
            page = reply.content.lstrip()[:1] == b"<"
            kind = "a web page" if page else "something that is no JSON"
            raise no_token(f"it answered with {kind}" if reply.content else "its answer is empty")
        value = document.get("value") if isinstance(document, dict) else None
        if not isinstance(value, str) or not value:
            raise no_token("its answer holds no token")
        return value

    def _refused(self, refusal: oauth.TokenRefused) -> DeployError:
        with self._lock:
            claims = self._claims
        client = self._config.client_id
        if not claims:
            return fail(
                FailureReason.AUTHENTICATION_FAILED,
                f"{self._config.host} offers no way to log in with GitHub's OIDC token.",
                detail=refusal.said,
                remedy="Check the address of the workspace.",
            )
        clocks = federation.about_clocks(claims, refusal.date_s, self._now_s())
        said = [f"The workspace says: {refusal.said}"]
        said += [f"The token says:\n{federation.shown(claims)}"]
        said += [clocks] if clocks else []
        said += [federation.about_forms(claims)]
        advice = [federation.to_paste(claims)]
        if refusal.code == "invalid_client":
            advice.insert(
                0,
                f"First check the client id {client}: it is the application id of the service principal,"
                " not its numeric id, and the principal must be added to this workspace.",
            )
        if clocks:
            advice.insert(0, "First set the clocks right (NTP): that alone may solve it.")
        careful = federation.caution(claims)
        advice += [f"Before you do: {careful}"] if careful else []
        return fail(
            FailureReason.AUTHENTICATION_FAILED,
            f"{self._config.host} does not accept GitHub's OIDC token for {client}.",
            detail="\n\n".join(said),
            remedy="\n\n".join(advice),
        )


def no_token(why: str) -> DeployError:
    """GitHub gave no ID token."""
    return fail(
        FailureReason.AUTHENTICATION_FAILED,
        f"GitHub gave no OIDC token ({why}).",
        remedy=f"Check that the job has this permission, and GitHub's status page:\n\n{PERMISSIONS}",
    )
