"""The fields of a payload, each read with its type; what is missing or of another type ends the reading.

Owns the forms that a name, a commit or a number has. A payload holds what strangers typed, so nothing is
taken for what it should be. Must not know any event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.errors import DeployError, FailureReason, fail

MOST = 25_000_000  # bytes; GitHub sends no payload above 25 MB (GitHub docs, "Webhook events and payloads")
_LONGEST = 1_000  # characters of a text; a branch name has at most 255 bytes
_LARGEST = 2**63  # ids are 64 bits

SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
REPOSITORY = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}")
# No name of Git or GitHub has them: control characters, what breaks lines, halves of characters.
_NEVER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def unusable(event: str, why: str) -> DeployError:
    """The payload of `event` can't be used; `why` is half a sentence."""
    return fail(
        FailureReason.INVALID_EVENT,
        f"The payload of the event `{event}` can't be used: {why}.",
        detail="GitHub writes it to the file that GITHUB_EVENT_PATH names; `mode: auto` decides by it.",
        remedy="Run the job again. If that does not help, say what the run should do, which needs no "
        "payload:\n\n```yaml\nwith:\n  mode: plan\n```",
    )


def fields_in(event: str, payload: bytes) -> Fields:
    """The fields at the top of `payload`, JSON in UTF-8. Raises DeployError(invalid-event)."""
    if len(payload) > MOST:
        raise unusable(event, f"it has more than {MOST:,} bytes")
    try:
        document = json.loads(payload.decode("utf-8-sig"))
    except (
        ValueError,
        RecursionError,
    ) as error:  # no UTF-8, no JSON, numbers without end, too deep
        raise unusable(event, f"it is no JSON ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise unusable(event, "it is no JSON object")
    return Fields(event, document)


@dataclass(frozen=True)
class Fields:
    """One object of the payload; `where` is the path to it, for messages."""

    event: str
    values: Mapping[str, object]
    where: str = ""

    def table(self, name: str) -> Fields:
        """The object `name`; an empty one when it is missing or null."""
        value = self.values.get(name)
        if value is None:
            return Fields(self.event, {}, self._path(name))
        if not isinstance(value, dict):
            raise self._wrong(name, "no object")
        return Fields(self.event, value, self._path(name))

    def text(self, name: str, *, needed: bool = False, form: re.Pattern[str] | None = None) -> str:
        """The text `name`; empty when it is missing or null, unless it is `needed`."""
        value = self.values.get(name)
        if value is None or value == "":
            if needed:
                raise self._wrong(name, "missing")
            return ""
        if not isinstance(value, str):
            raise self._wrong(name, "no text")
        if len(value) > _LONGEST or _NEVER.search(value) or (form and not form.fullmatch(value)):
            raise self._wrong(name, "nothing that GitHub would write there")
        return value

    def number(self, name: str) -> int:
        """The number `name`, which is at least 1."""
        value = self.values.get(name)
        if type(value) is not int or not 0 < value < _LARGEST:
            raise self._wrong(name, "missing" if value is None else "no number of GitHub's")
        return value

    def flag(self, name: str) -> bool:
        """The boolean `name`; false when it is missing or null."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, "neither true nor false")
        return bool(value)

    def _path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def _wrong(self, name: str, what: str) -> DeployError:
        return unusable(self.event, f"`{self._path(name)}` is {what}")
