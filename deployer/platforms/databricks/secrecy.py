"""What the adapter does with secrets that come up: tell them to whoever redacts, and clean what it quotes.

Owns that pair of callables, which main gives. Must not keep a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _forgotten(_: str) -> None:
    """For tests and tools that redact nothing."""


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True)
class Secrecy:
    """`learn` hears of each secret before it is used; `clean` gives a text without those it knows."""

    learn: Callable[[str], None] = _forgotten
    clean: Callable[[str], str] = _as_it_is
