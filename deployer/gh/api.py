"""GitHub's API: one connection, by PyGithub, which nothing else imports.

Owns the calls, their repetition and the meaning of answers that say no. All addresses are given, so that
GitHub Enterprise Server is no special case. What is asked is the business of the adapters beside it; whoever
needs this imports it late, because PyGithub takes a while.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import requests
from github import Auth, Github, GithubException

from deployer import __version__
from deployer.forge import Denied, ForgeError, NotFound, Rejected, Unavailable, Uncertain
from deployer.gh.patience import No, Patience, is_limit
from deployer.session import CHUNK, Session

_TIMEOUT_S = 30
_OCTETS = "application/octet-stream"
_PAGE = 100  # the most that GitHub gives
_PAGES = 60  # 6,000 entries; an issue can have 2,500 comments
_SERVER_ERROR = 500
# What PyGithub raises on answers that GitHub never gives: no JSON, errors that are no objects, another host.
_ODD = (ValueError, TypeError, AttributeError, LookupError, AssertionError, RuntimeError)
_NEXT = re.compile(r'<([^<>]{1,2000})>;\s*rel="next"')
_LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class Addresses:
    """Where GitHub is, as the runner says: GITHUB_API_URL, GITHUB_GRAPHQL_URL, GITHUB_SERVER_URL."""

    api: str = "https://api.github.com"
    graphql: str = "https://api.github.com/graphql"
    server: str = "https://github.com"


@dataclass(frozen=True)
class Upload:
    """A file to send; `opened` gives its bytes from the start, each time anew. `size` is in bytes."""

    name: str
    size: int
    media_type: str
    opened: Callable[[], AbstractContextManager[BinaryIO]]


class Api:
    """One token's connection. Every method raises the errors of `forge`."""

    def __init__(self, addresses: Addresses, token: str, patience: Patience) -> None:
        self._graphql = addresses.graphql
        self._base = addresses.api.rstrip("/")
        self._token = token
        self._patience = patience
        self._github = Github(
            auth=Auth.Token(token),
            base_url=self._base,
            timeout=_TIMEOUT_S,
            user_agent=f"spark-deploy/{__version__}",
            per_page=_PAGE,
            # Its own waits can be neither bounded nor cut short; `patience` has the rule.
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
        )

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """The answer to a GET of `path`, which begins with a slash."""
        return self._send("GET", path, query=query)[1]

    def pages(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """The entries of all pages of a list, 100 a page."""
        asked: dict[str, Any] | None = {**(query or {}), "per_page": _PAGE}
        for _ in range(_PAGES):
            headers, found = self._send("GET", path, query=asked)
            if not isinstance(found, list):
                raise Unavailable("GitHub answered something else than a list")
            yield from found
            following = _NEXT.search(headers.get("link", ""))
            if following is None:
                return
            # PyGithub keeps path and query of an address and sends them to its own host only.
            path, asked = following[1], None

    def change(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, repeatable: bool
    ) -> Any:
        """The answer to a write. Unless it is `repeatable`, a lost answer is Uncertain."""
        self._patience.before_write()
        return self._send(method, path, body=body, repeatable=repeatable)[1]

    def ask(
        self, query: str, variables: Mapping[str, Any] | None = None, *, write: bool = False
    ) -> Mapping[str, Any]:
        """The data that GraphQL answers to a query, or to a mutation that may be repeated."""
        if write:
            self._patience.before_write()
        body = {"query": query, "variables": dict(variables or {})}
        _, answer = self._send("POST", self._graphql, body=body)
        answer = answer if isinstance(answer, dict) else {}
        errors = answer.get("errors")
        if errors:
            raise _of_graphql(errors)
        data = answer.get("data")
        if not isinstance(data, dict):
            raise Unavailable("GitHub's GraphQL API answered without data")
        return data

    def send_file(self, url: str, file: Upload) -> Any:
        """The answer to a file that is sent to `url`, an address that GitHub gave. Lost, it is Uncertain.

        The token goes with it, so it has to be an address of the API or of its host for uploads.
        """
        if not is_own(url, self._base):
            raise Unavailable("GitHub named an address that is not its own for a file")

        def once() -> tuple[Mapping[str, str], Any]:
            headers = {"Content-Type": file.media_type, "Content-Length": str(file.size)}
            with file.opened() as content:
                return self._github.requester.requestMemoryBlobAndCheck(
                    "POST", url, parameters={"name": file.name}, headers=headers, file_like=content
                )

        self._patience.before_write()
        return self._patiently(once, repeatable=False)[1]

    def file(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, in pieces. GitHub's answer leads to a storage service, which gets no token.

        PyGithub would hold the whole file in memory, and knows no storage but that of github.com.
        """
        headers = {"Accept": _OCTETS, "Authorization": f"Bearer {self._token}"}
        url = self._base + path
        try:
            with Session() as session:
                session.auth = _as_it_is
                with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as first:
                    location = first.headers.get("location", "") if first.is_redirect else ""
                    if not location:
                        yield from _content(first)
                        return
                if urlsplit(location).scheme not in {"https", urlsplit(url).scheme}:
                    raise Unavailable("GitHub leads to a file by an address that is not encrypted")
                plain = {"Accept": _OCTETS}
                with session.get(location, headers=plain, stream=True, timeout=_TIMEOUT_S) as last:
                    yield from _content(last)
        except requests.RequestException as error:
            # Its text may hold the address, and in the address a signature that opens the file.
            raise Unavailable(f"a download broke off ({_cause(error)})") from None

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> tuple[Mapping[str, str], Any]:
        return self._patiently(
            lambda: self._github.requester.requestJsonAndCheck(
                method,
                path,
                parameters=dict(query) if query else None,
                input=dict(body) if body is not None else None,
            ),
            repeatable=repeatable,
        )

    def _patiently(
        self, once: Callable[[], tuple[Mapping[str, str], Any]], *, repeatable: bool
    ) -> tuple[Mapping[str, str], Any]:
        attempt = 0
        while True:
            try:
                return once()
            except GithubException as error:
                no = _no(error)
            except (requests.RequestException, *_ODD) as error:
                no = No(0, {}, _cause(error))
            lost = no.status == 0 or no.status >= _SERVER_ERROR
            if lost and not repeatable:
                raise Uncertain(_told(no))
            if not self._patience.wait(no, attempt):
                raise _error(no)
            attempt += 1


def is_own(url: str, base: str) -> bool:
    """Whether `url` is of the API's host, or of the one for uploads beside it."""
    try:
        here, there = urlsplit(base), urlsplit(url)
        same = (there.scheme, there.port) == (here.scheme, here.port)
    except ValueError:  # a port that is none, for instance
        return False
    own = here.hostname or ""
    return same and there.hostname in {own, f"uploads.{own.removeprefix('api.')}"}


def _content(response: requests.Response) -> Iterator[bytes]:
    if response.status_code in {401, 403, 404, 410}:
        no = No(response.status_code, {}, "the file can't be had")
        raise _error(no)
    if response.status_code != requests.codes.ok:
        raise Unavailable(f"a download was answered with status {response.status_code}")
    yield from response.iter_content(CHUNK)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials from `.netrc`, which requests would add on its own."""
    return request


def _no(error: GithubException) -> No:
    data = error.data
    message = str(data.get("message", "")) if isinstance(data, dict) else ""
    codes: frozenset[str] = frozenset()
    if isinstance(data, dict) and isinstance(data.get("errors"), list):
        errors = [one for one in data["errors"] if isinstance(one, dict)]
        said = [one.get("message") for one in errors]
        message = "; ".join([message, *(one for one in said if isinstance(one, str))])
        codes = frozenset(str(one["code"]) for one in errors if one.get("code"))
    headers = {key.lower(): str(value) for key, value in (error.headers or {}).items()}
    return No(error.status, headers, message, codes)


def _error(no: No) -> ForgeError:
    if is_limit(no):
        return Unavailable(f"{_told(no)}; it asks for more patience than a run has")
    if no.status in {401, 403}:
        return Denied(_told(no), no.headers.get("x-accepted-github-permissions", ""))
    if no.status in {404, 410}:
        return NotFound(_told(no))
    if no.status in {400, 422}:
        return Rejected(_told(no), no.codes)
    return Unavailable(_told(no))


def _of_graphql(errors: object) -> ForgeError:
    first = errors[0] if isinstance(errors, list) and errors else {}
    kind, message = (
        (first.get("type"), str(first.get("message", ""))) if isinstance(first, dict) else ("", "")
    )
    told = f"GitHub answered: {message[:_LONGEST_MESSAGE] or 'no reason'}"
    if kind == "NOT_FOUND":
        return NotFound(told)
    if kind in {"FORBIDDEN", "INSUFFICIENT_SCOPES"}:
        return Denied(told)
    if kind == "RATE_LIMITED":
        return Unavailable(told)
    return Rejected(told)


def _told(no: No) -> str:
    if no.status == 0:
        return f"GitHub could not be reached, or not be understood ({no.message})"
    said = f": {no.message[:_LONGEST_MESSAGE]}" if no.message else ""
    return f"GitHub answered {no.status}{said}"


def _cause(error: Exception) -> str:
    """The kind of a lost connection; its text may hold the whole address."""
    return type(error).__name__
