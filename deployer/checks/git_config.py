"""What of a checkout's git configuration goes into a copy of it: how to read the repository.

actions/checkout keeps a token in it, or the path of a file with one; addresses of remotes can hold passwords.
Pure; must not know where the file lies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_KEPT = re.compile(r"\s*\[(?:core|extensions)\]\s*", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """The sections `core` and `extensions` of a git configuration, word for word, and nothing else."""
    return "".join(_kept(text))


def _kept(text: str) -> Iterator[str]:
    kept = continued = False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("[") and not continued:
            kept = _KEPT.fullmatch(line) is not None
        continued = line.rstrip("\r\n").endswith("\\")
        if kept:
            yield line
