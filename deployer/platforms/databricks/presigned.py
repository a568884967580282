"""Signed addresses of a cloud storage, and the storage behind them.

Owns sending to such an address: without any credential of ours, because the address carries its own;
and keeping it out of logs, messages and reports, because whoever has it may write there until it
expires (facts C). What the storage says is not shown either, only its error code: a proxy's error page
quotes the address. Must not know what is uploaded.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from deployer.deployment.ports import Refused, Unavailable
from deployer.errors import DeployError
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.answers import FORBIDDEN, UNAUTHENTICATED, Answer
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.documents import objects, text
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.transport import (
    Broken,
    Call,
    Content,
    Transport,
)
from deployer.session import is_loopback

EXPIRED = "RequestExpired"
"""The `message` of an answer that means: get a new address and send again."""
# Amazon S3 and Azure, in that order; Google's addresses live for a week (facts C).
_EXPIRED = re.compile(r"Request has expired|Signature not valid in the specified time frame")
# Error codes of storages are words run together, such as SlowDown and AuthenticationFailed.
_CODE = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+){1,5}\b")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a name of RFC 9110, 5.6.2
_VALUE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True)
class Address:
    """Where to send bytes, and the headers that its signature covers. Never printed."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


def address_in(document: JsonObject) -> Address:
    """The address in a `{"url", "headers": [{"name", "value"}]}`.

    Raises:
        Refused: there is none, or it is not https (plain http is for loopback).
    """
    url = text(document.get("url"))
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
    except ValueError:
        name, parts = "", urlsplit("")
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(name))
    headers = {
        text(each.get("name")): text(each.get("value")) for each in objects(document.get("headers"))
    }
    sound = all(_HEADER.fullmatch(one) and _VALUE.fullmatch(headers[one]) for one in headers)
    if not name or not secure or "@" in parts.netloc or not _VALUE.fullmatch(url) or not sound:
        raise Refused("The workspace gave a storage address that can't be used.")
    return Address(url, headers)


class Storage:
    """The cloud storage behind a workspace; threads may share it.

    Args:
        client: the workspace's; waiting, stopping and counting are done together with it.
        policy: when to retry; None takes the client's.
    """

    def __init__(self, client: Client, policy: RetryPolicy | None = None) -> None:
        self._client = client
        self._policy = policy
        self._lock = threading.Lock()
        self._by_origin: dict[str, Client] = {}

    def close(self) -> None:
        """Close all connections."""
        for each in self._by_origin.values():
            each.close()

    def send(
        self,
        method: str,
        address: Address,
        what: str,
        *,
        content: Content | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The storage's answer, after retries; `what` is the call in words.

        The message of an answer that is not `ok` is `EXPIRED`, an error code, or empty.

        Raises:
            Unavailable: every attempt failed.
        """
        parts = urlsplit(address.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        call = Call(
            method,
            address.url.removeprefix(origin) or "/",
            Family.STORAGE,
            content=content,
            headers={
                "Content-Type": "application/octet-stream",
                **address.headers,
                **(headers or {}),
            },
            is_json=False,
            name=what,
        )
        try:
            return self._at(origin).send(call)
        except (DeployError, Unavailable) as error:
            # `from None`: what requests says below quotes the address.
            raise Unavailable(str(error)) from None

    def _at(self, origin: str) -> Client:
        with self._lock:
            if origin not in self._by_origin:
                transport = _StorageTransport(origin, dict, {}, self._client.read_timeout_s)
                self._by_origin[origin] = self._client.beside(transport, self._policy)
            return self._by_origin[origin]


class _StorageTransport(Transport):
    """Sends without credentials, and forgets what the storage says in its own words."""

    def attempt(self, call: Call) -> Answer:
        answer = super().attempt(call)
        if answer.ok and answer.body.lstrip()[:1] == b"<":
            raise Broken("it answered with a web page", garbled=True)
        # A 401 speaks of the address: there is no credential that it could turn down.
        status = FORBIDDEN if answer.status == UNAUTHENTICATED else answer.status
        return replace(answer, status=status, code="", message=_safe_words(answer.message))


def _safe_words(message: str) -> str:
    if _EXPIRED.search(message):
        return EXPIRED
    code = _CODE.match(message)
    return code[0] if code else ""
