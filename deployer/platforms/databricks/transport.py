"""One attempt at one HTTP call.

Owns the connection pool, timeouts, authentication headers, bounds on what is read, and the decision
whether what came back is an answer at all. Must not retry, wait or translate errors of the API.

The SDK gives the credentials; the HTTP is done here with requests, because the SDK's client hides
the status and Retry-After, retries on its own, and appends its configuration to messages (facts B7).
"""

from __future__ import annotations

import http.cookiejar
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import requests
import requests.adapters
import requests.auth
import urllib3.exceptions

from deployer.deployment.ports import Interrupted, Refused
from deployer.errors import DeployError
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.answers import (
    Answer,
    TokenUnavailable,
    authentication_failed,
    error_words,
    host_unreachable,
    short,
    tls_failed,
)
from deployer.platforms.databricks.documents import parsed
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.secrecy import Secrecy
from deployer.session import CHUNK, Session, at_most, is_loopback, unlogged

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
UPLOAD_TIMEOUT_S = 600.0
"""How long the service may think about a large file, or not take any of its bytes."""
CONNECTIONS = 20
LARGEST_ANSWER = 256 * 1024 * 1024
"""Bytes of one answer that is held: a page of a hundred jobs of the largest kind has a few dozen MB."""
_LARGEST_ERROR = 1024 * 1024
_WHOLE = at_most(LARGEST_ANSWER)
_PRINTABLE = re.compile(r"[\x20-\x7e]*")

Query = Mapping[str, str | int]
_AS_IT_IS = {"Accept-Encoding": "identity"}


class Content(Protocol):
    """What is sent as it is: read from where it stands, and again from there on a retry."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, none at the end."""
        ...

    def tell(self) -> int:
        """The position, in bytes."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a position; the new one, in bytes."""
        ...


@dataclass(frozen=True)
class Call:
    """One call to the API.

    Attributes:
        method: the HTTP method.
        path: the path with its segments already quoted, starting with a slash.
        family: the limit that it counts against.
        query: the query.
        body: sent as JSON.
        content: sent as it is, from its position when the call starts.
        headers: sent besides those of every call.
        name: the call in words, where its address is a secret; then no library logs it either.
        read_timeout_s: how long to wait between bytes of the answer, in seconds.
        read: makes the body out of its chunks; called anew for each attempt.
        is_json: whether a success without JSON is a garbled answer.
    """

    method: str
    path: str
    family: Family
    query: Query = field(default_factory=dict)
    body: JsonObject | None = None
    content: Content | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    read_timeout_s: float = READ_TIMEOUT_S
    read: Callable[[Iterator[bytes]], bytes] = _WHOLE
    is_json: bool = True

    @property
    def what(self) -> str:
        """The call in words, without its query."""
        return self.name or f"{self.method} {self.path}"


class Broken(Exception):
    """No answer, or none that can be used.

    Attributes:
        why: what happened, to stand after a colon.
        garbled: something answered, but not what an API answers; more tries rarely help.
        final: what to raise when no further try is worth it; None stands for Unavailable.
    """

    def __init__(
        self, why: str, *, garbled: bool = False, final: DeployError | None = None
    ) -> None:
        super().__init__(why)
        self.why = why
        self.garbled = garbled
        self.final = final


class _Headers(requests.auth.AuthBase):
    """Sets headers as authentication, so that requests does not look into ~/.netrc for another."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class Transport:
    """A pool of connections to one workspace; threads may share it.

    Args:
        host: the address, such as `https://adb-1.2.azuredatabricks.net`.
        authenticate: gives fresh authentication headers; called for each attempt.
        headers: sent with every call.
        read_timeout_s: how long to wait between bytes of any answer, in seconds; None leaves it to
            each call.
        secrecy: hears of each credential before it is sent, and cleans what errors quote.
    """

    def __init__(
        self,
        host: str,
        authenticate: Callable[[], Mapping[str, str]],
        headers: Mapping[str, str],
        read_timeout_s: float | None = None,
        secrecy: Secrecy | None = None,
    ) -> None:
        self.host = host
        self.read_timeout_s = read_timeout_s
        self.secrecy = secrecy or Secrecy()
        self._authenticate = authenticate
        self._session = Session()
        # A proxy of this machine's environment can't reach this machine's loopback.
        self._session.trust_env = not is_loopback(urlsplit(host).hostname or "")
        self._session.headers.update(headers)
        # Cookies would be shared between threads and carry nothing that we need.
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS, pool_block=True)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def attempt(self, call: Call) -> Answer:
        """Send once.

        Raises:
            Broken: nothing usable came back; another attempt may do better.
            Refused: nothing was sent: the path leads out of the API.
            DeployError: no attempt will do better (TLS, an address that is none).
        """
        _check(call)
        headers = self._credentials()
        patience_s = call.read_timeout_s if self.read_timeout_s is None else self.read_timeout_s
        try:
            with (
                unlogged(only_if=bool(call.name)),
                self._session.request(
                    call.method,
                    self.host + call.path,
                    params=dict(call.query),
                    json=call.body,
                    data=call.content,
                    # The size of a file is its Content-Length only when it is not compressed.
                    headers={**call.headers, **({} if call.is_json else _AS_IT_IS)},
                    auth=_Headers(headers),
                    timeout=(CONNECT_TIMEOUT_S, patience_s),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                return self._answer(response, call, _secrets(headers))
        except (requests.exceptions.InvalidURL, UnicodeError) as error:
            raise host_unreachable(self.host, "the address is not valid") from error
        except requests.exceptions.SSLError as error:
            final = _final_tls_error(error)
            if final:
                raise tls_failed(self.host, final) from error
            raise Broken("the TLS connection broke") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Broken(_why(error, patience_s)) from error

    def _credentials(self) -> Mapping[str, str]:
        try:
            headers = self._authenticate()
        except (DeployError, Interrupted):
            raise
        except TokenUnavailable as error:
            raise Broken(f"no access token could be had: {error}") from None
        except (requests.ConnectionError, requests.Timeout, TimeoutError) as error:
            raise Broken(
                "no access token could be had, the token service is not reachable"
            ) from error
        except Exception as error:  # the SDK raises anything here, even Exception itself
            said = without_configuration(str(error))
            final = authentication_failed(self.host, said)
            raise Broken("no access token could be had", garbled=True, final=final) from error
        if not all(_PRINTABLE.fullmatch(value) for value in headers.values()):
            # Checked here, because http.client quotes the value in its message.
            raise authentication_failed(
                self.host, "The token has characters that no token has, such as a line break."
            )
        for secret in _secrets(headers):
            self.secrecy.learn(secret)
        return headers

    def _answer(self, response: requests.Response, call: Call, secrets: tuple[str, ...]) -> Answer:
        """Read the body and say what it is.

        Raises:
            Broken: a success whose body is not the JSON that was expected.
        """
        headers = response.headers
        clean = self._cleaning(secrets)
        if not response.ok:
            body = at_most(_LARGEST_ERROR)(response.iter_content(CHUNK))
            code, message = error_words(body, clean)
            return Answer(response.status_code, headers, code=code, message=message)
        if response.is_redirect or response.is_permanent_redirect:
            where = short(clean(headers.get("Location", "")).split("?", 1)[0])
            return Answer(
                response.status_code, headers, message=f"The answer is a redirect to {where}."
            )
        body = call.read(response.iter_content(CHUNK))
        # A proxy's login page comes with a 200; believed, it would be a file that was deleted, or read.
        is_page = bool(body.strip()) and headers.get("Content-Type", "").startswith("text/html")
        if is_page:
            raise Broken("it answered with a web page", garbled=True)
        if not call.is_json or not body.strip():
            return Answer(response.status_code, headers, body)
        if len(body) > LARGEST_ANSWER:
            raise Broken(f"its answer is larger than {LARGEST_ANSWER:,} bytes", garbled=True)
        try:
            document = parsed(body)
        except ValueError as error:
            is_page = body.lstrip()[:1] == b"<"
            raise Broken(
                "it answered with a web page" if is_page else "its JSON is broken or cut off",
                garbled=True,
            ) from error
        if not isinstance(document, dict):
            raise Broken("it answered with JSON that is no object", garbled=True)
        return Answer(response.status_code, headers, body, document)

    def _cleaning(self, secrets: tuple[str, ...]) -> Callable[[str], str]:
        """Takes out of a text what is secret, and in any case what was just sent."""

        def clean(text: str) -> str:
            for secret in secrets:
                text = text.replace(secret, "***")
            return self.secrecy.clean(text)

        return clean


def without_configuration(message: str) -> str:
    """An SDK message without the configuration that the SDK appends (facts B7)."""
    for mark in ("Config: ", "Env: "):
        message = message.split(mark, 1)[0]
    return message.rstrip(" .") + "."


def _check(call: Call) -> None:
    """Refuse a path that the address rules (RFC 3986, 5.2.4) would turn into one of another call."""
    path = call.path.partition("?")[0]
    texts = (path, *(value for value in call.query.values() if isinstance(value, str)))
    if {".", ".."} & set(path.split("/")) or any(
        "\ud800" <= one <= "\udfff" for one in "".join(texts)
    ):
        raise Refused(f"{call.what} was not sent: it names no path.")


def _secrets(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The parts of the authentication headers that no message may show."""
    return tuple(part for value in headers.values() for part in value.split()[-1:] if part)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and everything that it wraps, in whatever way requests and urllib3 wrap it."""
    left: list[object] = [error]
    seen: set[int] = set()
    while left:
        each = left.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        left += [*each.args, each.__cause__, each.__context__, getattr(each, "reason", None)]


def _final_tls_error(error: BaseException) -> str:
    """Why TLS will never work here, or the empty string when the connection merely broke."""
    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return each.verify_message or "the certificate is not trusted"
        if isinstance(each, ssl.SSLError) and each.reason in (
            "WRONG_VERSION_NUMBER",
            "RECORD_LAYER_FAILURE",
        ):
            return "the port does not speak TLS"
    return ""


def _why(error: Exception, read_timeout_s: float) -> str:
    for each in _chain(error):
        if isinstance(each, urllib3.exceptions.NameResolutionError):
            return "the name does not resolve"
        if isinstance(each, requests.exceptions.ProxyError):
            return "the proxy does not let us through"
        if isinstance(each, ConnectionRefusedError):
            return "the connection is refused"
        if isinstance(each, requests.ConnectTimeout):
            return f"no connection within {CONNECT_TIMEOUT_S:g} s"
        if isinstance(each, requests.ReadTimeout | TimeoutError):
            return f"no answer within {read_timeout_s:g} s"
        if isinstance(each, urllib3.exceptions.IncompleteRead):
            return "the answer broke off"
    return "the connection broke"
