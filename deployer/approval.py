"""An approval: one line of text that names a plan and the removals that it allows.

Owns the form of the output `plan-digest` and of the input `expected-plan-digest`. The digest alone
decides whether a plan is the approved one; removals may shrink after an approval, never grow
(design.md, "plan, digest"), so the text carries a mark of each file that may go. Must not decide what
goes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

_MARK_DIGITS = 16  # hex digits of a path's SHA-256
_FORM = re.compile(rf"[0-9a-f]{{64}}(?:-[0-9a-f]{{{_MARK_DIGITS}}})*")


@dataclass(frozen=True)
class Approval:
    """The digest of the plan that was approved, and the marks of the files that it removes."""

    digest: str
    marks: frozenset[str] = frozenset()

    def allows(self, path: str) -> bool:
        """Whether the file at `path` (complete, in the root) may be removed."""
        return _mark(path) in self.marks

    def __str__(self) -> str:
        return "-".join((self.digest, *sorted(self.marks)))


def approval_of(digest: str, removals: Iterable[str]) -> Approval:
    """The approval of the plan with this digest that removes these paths."""
    return Approval(digest, frozenset(_mark(path) for path in removals))


def parse_approval(text: str) -> Approval | None:
    """The approval that `text` writes; None when it writes none."""
    if _FORM.fullmatch(text) is None:
        return None
    digest, *marks = text.split("-")
    return Approval(digest, frozenset(marks))


def _mark(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()[:_MARK_DIGITS]
