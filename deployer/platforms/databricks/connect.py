"""From an address and credentials to a workspace.

Owns the check of the address (design.md rule 10), the choice of credentials by the SDK's unified
authentication, and plain words for what can be wrong with either. The SDK reads its environment
variables and ~/.databrickscfg itself; `environ` is the same environment, for what we look up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deployer import __version__
from deployer.deployment.ports import Credential
from deployer.errors import DeployError, FailureReason, fail
from deployer.platforms.databricks import github_oidc, oauth, sdk
from deployer.platforms.databricks.answers import host_unreachable
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.clock import ServerClock
from deployer.platforms.databricks.limits import Family, Limits
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.secrecy import Secrecy
from deployer.platforms.databricks.transport import (
    CONNECT_TIMEOUT_S,
    Broken,
    Call,
    Transport,
    without_configuration,
)
from deployer.platforms.databricks.workspace import DatabricksWorkspace
from deployer.session import is_loopback

if TYPE_CHECKING:
    from databricks.sdk.config import Config

PRODUCT = "spark-deploy-action"
_CREDENTIAL_INPUTS = {
    "token": "databricks-token",
    "client_id": "databricks-client-id",
    "client_secret": "databricks-client-secret",
}
_CREDENTIAL_VARIABLES = (  # of the families that the SDK tells apart (its config.py)
    "DATABRICKS_TOKEN",
    "DATABRICKS_USERNAME",
    "DATABRICKS_PASSWORD",
    "DATABRICKS_CLIENT_ID",
    "DATABRICKS_CLIENT_SECRET",
    "ARM_CLIENT_ID",
    "ARM_CLIENT_SECRET",
    "GOOGLE_CREDENTIALS",
    "DATABRICKS_GOOGLE_SERVICE_ACCOUNT",
)
_SECRETS = (  # of the SDK's configuration; a test compares
    "token",
    "password",
    "client_secret",
    "google_credentials",
    "azure_client_secret",
    "metadata_service_url",
)
_HOST_METADATA = "/.well-known/databricks-config"
# Seconds between tries at a host that nobody has reached yet: a wrong address should fail soon.
_FIRST_CONTACT = (1.0, 2.0, 4.0)
_HTTPS_PORT = 443
_BY_SECRET = "oauth-m2m"  # noqa: S105 - the SDK's name for a client id with a secret
_NO_HOST_REMEDY = (
    "Set the environment variable DATABRICKS_HOST or the input databricks-host, for example"
    " https://adb-1234567890123456.7.azuredatabricks.net."
)
_LOOKED_FOR = (
    "Looked for: DATABRICKS_TOKEN; DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET;"
    " DATABRICKS_CLIENT_ID with GitHub's OIDC token (needs `permissions: id-token: write`);"
    " DATABRICKS_OIDC_TOKEN; ARM_CLIENT_ID with ARM_CLIENT_SECRET and ARM_TENANT_ID;"
    " GOOGLE_CREDENTIALS; the Azure and Databricks CLIs; ~/.databrickscfg."
)


def connect(
    *,
    host: str | None,
    token: str | None = None,
    client_id: str | None = None,
    client_secret: str | None = None,
    auth_type: str | None = None,
    environ: Mapping[str, str],
    policy: RetryPolicy | None = None,
    sleep: Callable[[float], None] = time.sleep,
    proceed: Callable[[], None] = lambda: None,
    learn: Callable[[str], None] = lambda _: None,
    clean: Callable[[str], str] = str,
    limits: Limits | None = None,
    read_timeout_s: float | None = None,
) -> DatabricksWorkspace:
    """The workspace at `host` with the credentials given or found.

    Values that are None or empty are looked up by the SDK: environment, then ~/.databrickscfg.
    Nothing but the host is contacted here; `Workspace.identity` is the first authenticated call.
    `sleep` waits and `proceed` is asked before reads; both raise Interrupted when the run is to stop.
    `limits` stand in for the documented ones, and `read_timeout_s` for the seconds that each call by
    itself would wait for bytes of its answer.

    `learn` hears of each credential that comes up, such as a token that was exchanged, before it is sent;
    `clean` gives back a text of the other side without all that is secret.

    Raises:
        DeployError: INVALID_INPUT (address, or two ways to authenticate), HOST_UNREACHABLE,
            AUTHENTICATION_FAILED (no credentials, or no token for them).
    """
    known = host or environ.get("DATABRICKS_HOST", "")
    address = checked_host(known) if known.strip() else ""
    clock = ServerClock()
    has_metadata = _reach(address, sleep, clock) if address else True
    given = {
        "host": address,
        "token": token,
        "client_id": client_id,
        "client_secret": client_secret,
        "auth_type": auth_type,
        # The SDK takes the way to OAuth from the metadata alone.
        "discovery_url": ""
        if has_metadata
        else environ.get("DATABRICKS_DISCOVERY_URL")
        or f"{address}/oidc/.well-known/oauth-authorization-server",
    }
    secrecy = Secrecy(learn, clean)
    logins = _Logins(environ, secrecy)
    config = _configuration({name: value for name, value in given.items() if value}, logins)
    resolved = checked_host(str(config.host or ""))
    if resolved != address:
        _reach(resolved, sleep, clock)
    headers = {"User-Agent": config.user_agent}
    if config.workspace_id:
        headers["X-Databricks-Workspace-Id"] = str(config.workspace_id)
    transport = Transport(resolved, config.authenticate, headers, read_timeout_s, secrecy)
    client = Client(transport, policy=policy, limits=limits, sleep=sleep, proceed=proceed)
    kind = str(config.auth_type or "")
    return DatabricksWorkspace(client, clock, lambda: logins.credential(kind))


class _Logins:
    """Our own ways to log in, which go before the SDK's: GitHub's OIDC, and a client secret.

    Both keep one token for its life, where the SDK asks anew for each call or waits without end (facts D).
    """

    def __init__(self, environ: Mapping[str, str], secrecy: Secrecy) -> None:
        self._environ = environ
        self._secrecy = secrecy
        self._github: github_oidc.GitHubLogin | None = None

    def choose(self, config: Config) -> sdk.Login | None:
        """Ours for the resolved configuration; None leaves it to the SDK. Raises DeployError."""
        for name in _SECRETS:  # also those of a profile in ~/.databrickscfg
            if secret := getattr(config, name, None):
                self._secrecy.learn(str(secret))
        if not config.host:
            return None
        if github_oidc.is_wanted(config, self._environ):
            self._github = github_oidc.GitHubLogin(config, self._environ, secrecy=self._secrecy)
            return sdk.Login(github_oidc.AUTH_TYPE, oauth.TokenSource(self._github.fetch).headers)
        if config.auth_type in (None, "", _BY_SECRET) and config.client_id and config.client_secret:
            source = oauth.TokenSource(lambda: oauth.secret_token(config, self._secrecy))
            return sdk.Login(_BY_SECRET, source.headers)
        return None

    def named(self, given: Mapping[str, str]) -> tuple[str, ...]:
        """The inputs and variables that hold a credential, or a part of one; never what they hold."""
        inputs = [name for field, name in _CREDENTIAL_INPUTS.items() if given.get(field)]
        return (*inputs, *(name for name in _CREDENTIAL_VARIABLES if self._environ.get(name)))

    def credential(self, kind: str) -> Credential:
        """What is to be said about the way in; `kind` is the one that was taken."""
        if self._github is None:
            return Credential(kind)
        return Credential(kind, self._github.subject, self._github.caution)


def checked_host(given: str) -> str:
    """`given` as scheme and host, such as `https://adb-1.2.azuredatabricks.net`.

    A path or query, as in an address copied from a browser, is dropped.

    Raises:
        DeployError: INVALID_INPUT: no address, plain http elsewhere than on loopback, credentials in
            the address, or the account console.
    """
    if not given.strip():
        raise _invalid_host("There is no workspace address.", _NO_HOST_REMEDY)
    text = given.strip()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        name, port = parts.hostname or "", parts.port
    except ValueError:
        raise _invalid_host(f"{text!r} is not an address.", _NO_HOST_REMEDY) from None
    if parts.username is not None or parts.password is not None:
        # Not quoted: what stands there may be a token.
        raise _invalid_host(
            "The workspace address contains credentials.",
            "Remove what stands before the @ and give the credentials on their own.",
        )
    if not name or any(each.isspace() for each in name):
        raise _invalid_host(f"{text!r} is not an address.", _NO_HOST_REMEDY)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(name)):
        raise _invalid_host(
            f"{text!r} is not an https address.",
            "Use https://: a credential must not travel unencrypted. Plain http is for 127.0.0.1.",
        )
    if name.startswith("accounts."):
        raise _invalid_host(f"{text!r} is the account console, not a workspace.", _NO_HOST_REMEDY)
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in (None, _HTTPS_PORT) else "")


def _invalid_host(title: str, remedy: str) -> DeployError:
    return fail(FailureReason.INVALID_INPUT, title, remedy=remedy)


def _reach(host: str, sleep: Callable[[float], None], clock: ServerClock) -> bool:
    """See whether anything answers at `host`, before any credential is used; set `clock` by it.

    Returns:
        Whether the host names its OAuth endpoints; older hosts don't.

    Raises:
        DeployError: HOST_UNREACHABLE.
    """
    transport = Transport(host, dict, {})
    call = Call(
        "GET", _HOST_METADATA, Family.OTHER, read_timeout_s=CONNECT_TIMEOUT_S, is_json=False
    )
    why = ""
    try:
        for pause in (*_FIRST_CONTACT, None):
            try:
                answer = transport.attempt(call)
            except Broken as broken:
                why = broken.why
            else:
                clock.hear(answer.headers)
                return b'"oidc_endpoint"' in answer.body
            if pause is not None:
                sleep(pause)
    finally:
        transport.close()
    raise host_unreachable(host, why)


def _configuration(given: Mapping[str, str], logins: _Logins) -> Config:
    """The SDK's configuration.

    Its own client is used for host metadata and tokens only, and gets one second for retries,
    because ours do better (facts B7).

    Raises:
        DeployError: INVALID_INPUT, AUTHENTICATION_FAILED.
    """
    logger = logging.getLogger("databricks.sdk")
    logger.addFilter(_not_about_host_metadata)
    try:
        return sdk.config_class()(
            host=given.get("host"),
            token=given.get("token"),
            client_id=given.get("client_id"),
            client_secret=given.get("client_secret"),
            auth_type=given.get("auth_type"),
            discovery_url=given.get("discovery_url"),
            credentials_strategy=sdk.strategy(logins.choose),
            product=PRODUCT,
            product_version=__version__,
            http_timeout_seconds=CONNECT_TIMEOUT_S,
            retry_timeout_seconds=1,
        )
    except ValueError as error:
        raise _unusable(without_configuration(str(error)), given, logins.named(given)) from error
    finally:
        logger.removeFilter(_not_about_host_metadata)


def _not_about_host_metadata(record: logging.LogRecord) -> bool:
    """Drop the SDK's warning that a host has no metadata: older hosts have none (facts B7)."""
    return "config from host metadata" not in record.getMessage()


def _unusable(said: str, given: Mapping[str, str], named: Sequence[str]) -> DeployError:
    """Plain words for the ValueErrors of the SDK's configuration."""
    if "more than one authorization method" in said:
        ways = said.rpartition(":")[2].strip(" .")
        return fail(
            FailureReason.INVALID_INPUT,
            f"There are credentials of more than one kind: {ways}.",
            detail=f"They come from {', '.join(named)}." if named else "",
            remedy="Remove all but one, or say which to use: auth-type or DATABRICKS_AUTH_TYPE,"
            " such as pat, oauth-m2m or github-oidc.",
        )
    if "cannot configure default credentials" in said:
        if "host" not in given:
            return _invalid_host("There is no workspace address.", _NO_HOST_REMEDY)
        return fail(
            FailureReason.AUTHENTICATION_FAILED,
            f"There are no credentials for {given['host']}.",
            detail=_LOOKED_FOR,
            remedy="For GitHub Actions use OIDC: set DATABRICKS_CLIENT_ID to the application id of a"
            " service principal with a federation policy for this repository, and give the job"
            " `permissions: id-token: write`.",
        )
    return fail(
        FailureReason.AUTHENTICATION_FAILED,
        "The credentials can't be used.",
        detail=said,
        remedy="Check the DATABRICKS_* environment variables and the inputs for authentication.",
    )
