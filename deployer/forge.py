"""How GitHub says no, as exceptions that its adapters raise and the stories of comments and releases catch.

Owns the kinds of answers that a caller can do something about. Must not speak HTTP or decide what is told.
"""

from __future__ import annotations


class ForgeError(Exception):
    """GitHub did not do what it was asked; the text says what it answered, without any secret."""


class Denied(ForgeError):
    """The token may not do it. `accepted` is what GitHub names as sufficient, `issues=write` for instance."""

    def __init__(self, message: str, accepted: str = "") -> None:
        super().__init__(message)
        self.accepted = accepted


class NotFound(ForgeError):
    """It is not there, or not for the eyes of this token."""


class Rejected(ForgeError):
    """It was understood and is not acceptable (422). `codes` are GitHub's, `already_exists` for instance."""

    def __init__(self, message: str, codes: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.codes = codes


class Unavailable(ForgeError):
    """GitHub can't be reached, is in trouble, or asked for more patience than there is."""


class Uncertain(Unavailable):
    """The answer to a write was lost: it may have been carried out. Whoever asked looks again."""
