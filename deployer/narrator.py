"""What the story tells while it goes on: phases, lines, progress. A port; `main` builds the adapters.

The report is told at the end by the renderers; this is for people who watch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Narrator(Protocol):
    """Where the running commentary goes. Texts are untrusted; the adapter escapes them."""

    def phase(self, title: str) -> AbstractContextManager[None]:
        """A part of the story: a log group on GitHub, a heading elsewhere."""
        ...

    def info(self, text: str) -> None:
        """Something everyone may want to know."""
        ...

    def debug(self, text: str) -> None:
        """Something for whoever looks for a cause."""
        ...

    def progress(self, what: str, done: int, total: int | None) -> None:
        """How far a long part is; `total` is None where it isn't known. Called often: it may thin out."""
        ...

    def untrusted(self) -> AbstractContextManager[Callable[[str], None]]:
        """A way to print lines of somebody else's program, with workflow commands switched off."""
        ...
