"""Access tokens from the workspace's token endpoint: asked for when one is needed, kept for its life.

Owns finding the endpoint (RFC 8414), one request for a token (RFC 6749, RFC 8693) and the cache around it.
The SDK's own requests have no timeout, follow redirects and, with GitHub, are repeated for every call (facts
D). Must not show what it sends or gets, neither in messages nor in logs, and must not retry: the client does,
for whom a missing token is a call that can be tried again.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import requests.auth
import urllib3.exceptions

from deployer.platforms.databricks.answers import (
    TokenUnavailable,
    authentication_failed,
    error_words,
)
from deployer.platforms.databricks.clock import date_of
from deployer.platforms.databricks.documents import mapping, text
from deployer.platforms.databricks.secrecy import Secrecy
from deployer.session import CHUNK, Session, at_most, is_loopback, unlogged

if TYPE_CHECKING:
    from databricks.sdk.config import Config

log = logging.getLogger(__name__)

TIMEOUT_S = (10.0, 30.0)
"""Seconds to connect, and to wait for bytes of the answer."""
_OK, _ERRORS, _SERVER_ERRORS = 200, 400, 500
_LARGEST_ANSWER = 1024 * 1024  # bytes; a token has a few thousand
_NO_SECRECY = Secrecy()
_MARGIN_S = 60.0
_RETRY_S = 30.0
_SHORTEST_S = 1.0


@dataclass(frozen=True)
class AccessToken:
    """One access token and how many seconds it lives from now."""

    value: str = field(repr=False)
    lifetime_s: float


@dataclass(frozen=True)
class Reply:
    """One answer of a token service, never printed: `content` may be a token."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    is_redirect: bool = False

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.status < _ERRORS

    def document(self) -> object:
        """The JSON in it; None when there is none."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None


class TokenRefused(Exception):
    """The token endpoint gave no token, and will give none for the same request.

    Attributes:
        said: its words, or ours about its answer.
        code: the error code of OAuth, or empty.
        date_s: its time in seconds since the epoch, where it said so.
    """

    def __init__(self, said: str, code: str = "", date_s: float | None = None) -> None:
        super().__init__(said)
        self.said = said
        self.code = code
        self.date_s = date_s


def token_endpoint(discovery_url: str) -> str:
    """The address of the token endpoint, from the metadata of the OAuth server.

    Raises:
        TokenRefused: there is no such metadata, or it names no https address.
        TokenUnavailable: it can't be had at the moment.
    """
    reply = sent("GET", discovery_url, "the OAuth server of the workspace")
    document = reply.document() if reply.status == _OK else None
    url = text(mapping(document).get("token_endpoint"))
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" and not (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    ):
        raise TokenRefused("The workspace names no token endpoint, so it offers no OAuth.")
    return url


def ask(
    url: str,
    form: Mapping[str, str],
    basic: tuple[str, str] | None = None,
    secrecy: Secrecy = _NO_SECRECY,
) -> AccessToken:
    """A new token from the endpoint `url` for `form`; `basic` is sent as user and password.

    `secrecy` cleans what the endpoint says, which may be what it was sent, and hears of the token.

    Raises:
        TokenRefused: it says no, or what it says can't be used.
        TokenUnavailable: it is not available at the moment.
    """
    reply = sent("POST", url, "the token endpoint", form=form, auth=_Basic(basic))
    return _token_in(reply, secrecy)


def sent(
    method: str,
    url: str,
    what: str,
    *,
    query: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    auth: requests.auth.AuthBase | None = None,
) -> Reply:
    """The answer to one request; redirects are not followed, so that no secret travels on.

    Raises:
        TokenUnavailable: no answer, or a status from 500 on.
    """
    host = urlsplit(url).hostname or ""
    try:
        with unlogged(), Session() as session:
            # A proxy of this machine's environment can't reach this machine's loopback.
            session.trust_env = not is_loopback(host)
            response = session.request(
                method,
                url,
                params=dict(query or {}),
                data=dict(form or {}),
                auth=auth or _Basic(None),
                headers={"Accept": "application/json"},
                timeout=TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            )
            content = at_most(_LARGEST_ANSWER)(response.iter_content(CHUNK))
    except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
        # The exception holds the request, and so what we sent: only its kind goes on.
        why = type(error).__name__
        raise TokenUnavailable(f"{what} at {host} does not answer ({why})") from None
    if response.status_code >= _SERVER_ERRORS:
        raise TokenUnavailable(f"{what} at {host} answers with {response.status_code}")
    return Reply(response.status_code, response.headers, content, response.is_redirect)


class BearerOnly(requests.auth.AuthBase):
    """A bearer token, and never what stands in ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token into the request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Basic(requests.auth.AuthBase):
    """Basic authentication or none, but never that of ~/.netrc."""

    def __init__(self, basic: tuple[str, str] | None) -> None:
        self._basic = basic

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return requests.auth.HTTPBasicAuth(*self._basic)(request) if self._basic else request


def _token_in(reply: Reply, secrecy: Secrecy = _NO_SECRECY) -> AccessToken:
    date_s = date_of(reply.headers)
    if reply.is_redirect:
        raise TokenRefused("The token endpoint answered with a redirect.", date_s=date_s)
    document = reply.document()
    if not isinstance(document, dict):
        kind = "a web page" if reply.content.lstrip()[:1] == b"<" else "something that is no JSON"
        said = f"The token endpoint answered with {kind} (status {reply.status})."
        raise TokenRefused(said, date_s=date_s)
    if not reply.ok:
        said = error_words(reply.content, secrecy.clean)[1] or f"status {reply.status}"
        raise TokenRefused(said, text(document.get("error")), date_s)
    value, expires_in = document.get("access_token"), document.get("expires_in")
    try:
        lifetime_s = float(expires_in)  # type: ignore[arg-type] # whatever is no number ends here
    except (TypeError, ValueError):
        lifetime_s = 0.0
    if not isinstance(value, str) or not value or not _SHORTEST_S <= lifetime_s < float("inf"):
        raise TokenRefused("The token endpoint gave no token, or no time for which it is valid.")
    secrecy.learn(value)
    return AccessToken(value, lifetime_s)


def secret_token(config: Config, secrecy: Secrecy = _NO_SECRECY) -> AccessToken:
    """A new token for the client id and the secret of a service principal.

    Raises:
        DeployError: AUTHENTICATION_FAILED, with the words of the token endpoint.
        TokenUnavailable: it is not available at the moment.
    """
    form = {"grant_type": "client_credentials", "scope": config.get_scopes_as_string()}
    if config.authorization_details:
        form["authorization_details"] = str(config.authorization_details)
    try:
        url = token_endpoint(str(config.discovery_url or ""))
        return ask(url, form, (str(config.client_id), str(config.client_secret)), secrecy)
    except TokenRefused as refusal:
        raise authentication_failed(str(config.host), refusal.said) from None


class TokenSource:
    """The token of now. Threads may share it: one asks, the others wait for the same token.

    A token is renewed a minute before its end, or in the last fifth of a short life. While it is still
    valid, a renewal that fails changes nothing; it is tried again half a minute later.

    Args:
        fetch: asks for a new token.
        clock: monotonic seconds, so that a machine's clock that is set does not matter.
    """

    def __init__(
        self, fetch: Callable[[], AccessToken], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._value = ""
        self._renew_at = 0.0
        self._ends_at = 0.0

    def __call__(self) -> str:
        """A token that is valid now.

        Raises:
            whatever `fetch` raises, when there is no valid token left.
        """
        with self._lock:
            now = self._clock()
            if not self._value or now >= self._renew_at:
                self._renew(now)
            return self._value

    def headers(self) -> dict[str, str]:
        """The same as the header of a call."""
        return {"Authorization": f"Bearer {self()}"}

    def _renew(self, now: float) -> None:
        try:
            token = self._fetch()
        except Exception as error:
            if not self._value or now >= self._ends_at:
                raise
            log.info("The access token could not be renewed yet (%s).", type(error).__name__)
            self._renew_at = min(now + _RETRY_S, self._ends_at)
            return
        # From before the request on: what it took is part of the token's life.
        self._value = token.value
        self._ends_at = now + token.lifetime_s
        self._renew_at = self._ends_at - min(_MARGIN_S, token.lifetime_s / 5)
