"""HTTP sessions that keep to themselves: no redirect is followed, no secret address is logged.

Owns what requests and urllib3 would do on their own with what the other side sent. Must not know any API.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

CHUNK = 1024 * 1024
"""Bytes that are read at a time."""
_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry")
_sending = threading.local()


class Session(requests.Session):
    """Does not look where a redirect leads: requests would read all of its body, however long."""

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """None."""
        return iter(())


def is_loopback(name: str) -> bool:
    """Whether a host name is this machine: `localhost` or an address such as 127.0.0.1."""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def at_most(limit: int) -> Callable[[Iterator[bytes]], bytes]:
    """Reads a body and stops soon after `limit` bytes: a longer one shows as that, and is not held."""

    def read(chunks: Iterator[bytes]) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > limit:
                break
        return bytes(body)

    return read


@contextmanager
def unlogged(*, only_if: bool = True) -> Iterator[None]:
    """Let urllib3 log nothing of what this thread sends and gets: at its debug level it logs addresses."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_not_while_sending)
    _sending.now = only_if
    try:
        yield
    finally:
        _sending.now = False


def _not_while_sending(_: logging.LogRecord) -> bool:
    return not getattr(_sending, "now", False)
