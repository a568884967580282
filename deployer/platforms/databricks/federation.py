"""What the claims of a GitHub ID token mean, and the federation policy that would accept them.

Owns reading claims and the words about them: the policy to paste, the two forms of the subject, what
is unsafe about one, and clocks that disagree. Pure; must never show a token, and verifies nothing: the
workspace does. Claims are text of others: what is quoted is bounded, and renderers escape it.
Sources: facts D, fact 27.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.platforms.databricks.documents import text

Claims = Mapping[str, object]

_SHOWN = (
    "iss",
    "aud",
    "sub",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "environment",
    "event_name",
    "ref",
    "job_workflow_ref",
)
_LONGEST = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SUBJECT = re.compile(
    r"repo:(?P<owner>[^/@:]+)(?P<owner_id>@\d+)?/(?P<name>[^/@:]+)(?P<name_id>@\d+)?:(?P<rest>.+)"
)
_LEEWAY_S = 60
_CHANGED = "2026-07-15"
CREATE = "databricks account service-principal-federation-policy create"


@dataclass(frozen=True)
class Subject:
    """The `sub` of a token, taken apart; `other` is the same subject in the other form, or empty.

    `has_ids` is None for a subject that neither form describes: the organisation made its own.
    """

    value: str
    has_ids: bool | None
    other: str
    rest: str


def claims_of(jwt: str) -> Claims | None:
    """The claims of a token, unverified; None if it is no JWT."""
    parts = jwt.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature (RFC 7515)
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def subject(claims: Claims) -> Subject:
    """The subject and its other form, which the ids among the claims make."""
    value = text(claims.get("sub"))
    found = _SUBJECT.fullmatch(value)
    if found is None or (found["owner_id"] is None) != (found["name_id"] is None):
        return Subject(value, has_ids=None, other="", rest=value)
    rest = found["rest"]
    if found["owner_id"]:
        other = f"repo:{found['owner']}/{found['name']}:{rest}"
        return Subject(value, has_ids=True, other=other, rest=rest)
    owner_id, name_id = claims.get("repository_owner_id"), claims.get("repository_id")
    other = ""
    if owner_id and name_id:
        other = f"repo:{found['owner']}@{owner_id}/{found['name']}@{name_id}:{rest}"
    return Subject(value, has_ids=False, other=other, rest=rest)


def policy(claims: Claims) -> dict[str, object]:
    """The federation policy that accepts exactly these claims, as the account API takes it."""
    return {
        "oidc_policy": {
            "issuer": text(claims.get("iss")),
            "audiences": audiences(claims),
            "subject": text(claims.get("sub")),
        }
    }


def audiences(claims: Claims) -> list[str]:
    """`aud`, which is one text or several."""
    value = claims.get("aud")
    return [
        each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)
    ]


def shown(claims: Claims) -> str:
    """The claims that matter to a policy, one per line."""
    return "\n".join(f"  {name}: {quoted(claims[name])}" for name in _SHOWN if name in claims)


def quoted(value: object) -> str:
    """A claim in one bounded line without control characters."""
    plain = value if isinstance(value, str) else json.dumps(value)
    line = _CONTROL.sub("?", plain)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def about_forms(claims: Claims) -> str:
    """Which form of the subject this token has, and that a policy in the other one does not match."""
    found = subject(claims)
    if found.has_ids is None:
        return (
            "This subject has neither of GitHub's own forms, so the organisation or the repository has"
            " customised it. A policy has to name it as it stands."
        )
    why = f"GitHub puts ids into the subject of repositories created, renamed or transferred after {_CHANGED}"
    if found.has_ids:
        return (
            f"This subject has the form with ids. {why}, and of those that opted in: from then on a policy"
            f" in the form without ids ({quoted(found.other)}) no longer matches."
        )
    other = f" ({quoted(found.other)})" if found.other else ""
    return (
        f"This subject has the form without ids. {why}; this one has not changed, so a policy in the"
        f" form with ids{other} does not match."
    )


def caution(claims: Claims) -> str:
    """What is unsafe about a policy for this subject, in one sentence; empty for an environment."""
    found = subject(claims)
    if found.rest.startswith("environment:") or ":environment:" in found.value:
        return ""
    better = " Name an `environment` in the job, protect it, and put its subject into the policy."
    if found.rest == "pull_request":
        return (
            "The federation policy accepts every pull request of the repository, so code that nobody"
            f" reviewed can act as the service principal.{better}"
        )
    if found.rest.startswith("ref:"):
        return (
            f"The federation policy accepts every job on {quoted(found.rest.removeprefix('ref:'))}, so"
            f" whoever may push there can act as the service principal without an approval.{better}"
        )
    return (
        f"The subject {quoted(found.value)} names no environment, so a policy for it may accept more jobs"
        f" than those that deploy.{better}"
    )


def to_paste(claims: Claims) -> str:
    """How to make the policy that accepts this token: the command, and the way through the console."""
    document = json.dumps(policy(claims), indent=2)
    command = f"{CREATE} SERVICE_PRINCIPAL_ID --json {shlex.quote(document)}"
    return (
        "Give the service principal a federation policy with exactly these values. An account admin"
        " runs this (SERVICE_PRINCIPAL_ID is its numeric id, not the application id):\n\n"
        f"{textwrap.indent(command, '  ')}\n\n"
        "Or in the account console: User management, Service principals, the principal, Credentials &"
        " secrets, Federation policies, Create policy; enter issuer, audience and subject as above."
    )


def about_clocks(claims: Claims, workspace_s: float | None, local_s: float) -> str:
    """What the clocks have to do with a refusal; empty when they agree and the token is in its time.

    Args:
        claims: those of the refused token.
        workspace_s: the workspace's time in seconds since the epoch, from the Date of the refusal.
        local_s: this machine's time.
    """
    if workspace_s is None:
        return ""
    said = []
    expires, begins, issued = (_seconds(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is not None and expires < workspace_s - _LEEWAY_S:
        said.append(
            f"By the workspace's clock the token expired {span(workspace_s - expires)} ago."
        )
    starts = [each for each in (begins, issued) if each is not None]
    if starts and max(starts) > workspace_s + _LEEWAY_S:
        left = span(max(starts) - workspace_s)
        said.append(f"By the workspace's clock the token becomes valid in {left}.")
    ahead = local_s - workspace_s
    if abs(ahead) > _LEEWAY_S:
        way = "ahead of" if ahead > 0 else "behind"
        said.append(f"This machine's clock is {span(abs(ahead))} {way} the workspace's.")
    return " ".join(said)


def _seconds(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e12 else None  # noqa: PLR2004


def span(seconds: float) -> str:
    """A length of time for people, such as `3 h 5 min`."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        f"{count:,} {unit}"
        for count, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (left, "s"))
        if count
    ]
    return " ".join(parts[:2]) or "0 s"
