"""Secrets that stand in a file: how they are known, and what their owner has to do.

Must not show one: neither a message nor a log may hold the text.
"""

from __future__ import annotations

import re

from deployer.contract import INPUTS, InputType
from deployer.errors import FailureReason, Problem

_KEYS = {key for one in INPUTS if one.type is InputType.SECRET for key in (one.name, one.file_key)}
_WORDS = re.compile(r"(?:^|[-_])(?:token|secrets?|passw(?:or)?d|pat|credentials?|api-?key)$", re.I)
# Personal access tokens and OAuth secrets of Databricks, tokens of GitHub, signed tokens.
_VALUES = re.compile(
    r"\b(?:dapi[0-9a-f]{32}|dose[0-9a-f]{32}|gh[pousr]_\w{30,}|github_pat_\w{30,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)|://[^/\s:@]+:[^/\s@]+@"
)


def is_secret_key(key: str) -> bool:
    """Whether a key asks for a secret."""
    return key.lower() in _KEYS or _WORDS.search(key) is not None


def looks_secret(text: str) -> bool:
    """Whether a text has the form of a credential."""
    return _VALUES.search(text) is not None


def secret_problem(file: str, line: int, key: str) -> Problem:
    """What to tell of the secret at `key`: who can read the file has it."""
    return Problem(
        FailureReason.INVALID_CONFIGURATION,
        f"{file}, line {line}: a secret stands at `{key}`, and a secret never belongs into this file.",
        "Everybody who can read the repository can read it, now and in its history.",
        "Revoke it now and make a new one; removing the line is not enough. Give the new one by the "
        "environment, such as `DATABRICKS_TOKEN: ${{ secrets.DATABRICKS_TOKEN }}`, or better have none: "
        "with `auth-type: github-oidc` no secret is stored.",
    )
