"""The last line of defence for secrets: known values never leave in any text.

Owns nothing but the replacement. Sinks call it on whole texts; the first line of defence is that
secrets do not get into texts at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SHORTEST = 4  # characters; replacing shorter values would black out ordinary words
# Variables of Databricks' unified authentication, GitHub and Azure that hold secrets.
SECRET_VARIABLES = (
    "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_PASSWORD",
    "DATABRICKS_OIDC_TOKEN",
    "ARM_CLIENT_SECRET",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "GITHUB_TOKEN",
    "GOOGLE_CREDENTIALS",
)


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of the known secret variables that are set."""
    return tuple(environ[name] for name in SECRET_VARIABLES if environ.get(name))


@dataclass(frozen=True)
class Redactor:
    """Replaces known secrets. Its repr shows none."""

    _secrets: tuple[str, ...]

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redactor:
        """A redactor for `secrets`; the longest are replaced first, so that none shows in part."""
        long_enough = {one.strip() for one in secrets if len(one.strip()) >= SHORTEST}
        return cls(tuple(sorted(long_enough, key=len, reverse=True)))

    def clean(self, text: str) -> str:
        """`text` with `***` in place of every known secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"
