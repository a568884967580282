"""What came back: one answer, what its error says, and which exception of the ports it is.

Owns the reading of error bodies and their translation (facts B4). Must not send or retry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployer.deployment.ports import AlreadyExists, Denied, NotFound, Refused
from deployer.errors import DeployError, FailureReason, fail
from deployer.jobs.places import JsonObject
from deployer.platforms.databricks.documents import number, parsed, text

_MISSING_CODES = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENTITY_NOT_FOUND"})
_EXISTS_CODES = frozenset({"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"})
_DENIED_CODES = frozenset({"PERMISSION_DENIED"})
# "Job 7 does not exist." and its kin come with 400 INVALID_PARAMETER_VALUE (facts B4).
_MISSING = re.compile(r"\b(Job|Run|Cluster|Pipeline)\b.*\b(does not|doesn't) exist", re.DOTALL)
_MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_MESSAGE_LIMIT = 500
_CODE_LIMIT = 100
_PAGE_LIMIT = 8_000  # characters of a page of a proxy; what went wrong stands at its beginning

BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, NOT_THERE, CONFLICT = 400, 401, 403, 404, 409


class TokenUnavailable(Exception):
    """No access token can be had at the moment; another attempt may do better. Holds no secret."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer.

    Attributes:
        status: the HTTP status.
        headers: the response headers, looked up without regard to case.
        body: what was read of the body.
        document: the JSON object in it, or an empty one.
        code: the `error_code` of an error, or the empty string.
        message: the words of an error, or the empty string.
        doubtful: whether an earlier attempt failed so that it may have been carried out.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    document: JsonObject = field(default_factory=dict)
    code: str = ""
    message: str = ""
    doubtful: bool = False

    @property
    def ok(self) -> bool:
        """Whether the service did what was asked."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the definition of success in HTTP


def error_words(body: bytes, clean: Callable[[str], str] = str) -> tuple[str, str]:
    """The error code and the message in the body of an error.

    Bodies are the usual `error_code` and `message`, SCIM's `detail`, OAuth's `error`, or plain text
    or HTML from a proxy. `clean` takes out what an error may quote, before anything is cut.
    """
    plain = clean(body.decode("utf-8", "replace")).strip()
    try:
        document = parsed(plain)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return "", short(_MARKUP.sub(" ", plain[:_PAGE_LIMIT]))
    words = ("message", "detail", "error_description", "error")
    message = next((said for name in words if (said := text(document.get(name)))), "")
    given = document.get("error_code")
    code = text(given) or ("" if (digits := number(given)) is None else str(digits))
    return short(clean(code), _CODE_LIMIT), short(clean(message))


def short(message: str, limit: int = _MESSAGE_LIMIT) -> str:
    """`message` in one line of a length that people read."""
    line = " ".join(message.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def problem(answer: Answer, what: str) -> Exception:
    """The exception of the ports that an answer without success stands for.

    Args:
        answer: an answer that is not `ok` and not worth a retry.
        what: the call in words, such as `POST /api/2.2/jobs/update`.
    """
    said = answer.message or f"{what} was answered with {answer.status} and no message."
    is_missing = answer.status == NOT_THERE or answer.code in _MISSING_CODES
    if is_missing or (answer.status == BAD_REQUEST and _MISSING.search(answer.message)):
        return NotFound(said)
    if answer.status == FORBIDDEN or answer.code in _DENIED_CODES:
        return Denied(said)
    # A NOTEBOOK in the way of a file is 400 with these words and no code (facts B4).
    in_the_way = answer.status == BAD_REQUEST and answer.message.endswith("already exists.")
    if answer.code in _EXISTS_CODES or in_the_way:
        return AlreadyExists(said)
    code = f" {answer.code}" if answer.code else ""
    return Refused(f"{said} ({answer.status}{code})")


def unread(answer: Answer, what: str) -> Exception:
    """As `problem`, for a read: that something exists already is no answer to one."""
    error = problem(answer, what)
    return Refused(str(error)) if isinstance(error, AlreadyExists) else error


def is_unauthenticated(answer: Answer) -> bool:
    """Whether the credential itself was turned down; a bad token is also answered with 403."""
    return answer.status == UNAUTHENTICATED or (
        answer.status == FORBIDDEN and "invalid access token" in answer.message.lower()
    )


def authentication_failed(host: str, said: str) -> DeployError:
    """The credential is wrong, expired or of another workspace."""
    return fail(
        FailureReason.AUTHENTICATION_FAILED,
        f"{host} does not accept the credentials.",
        detail=said,
        remedy="Check that the token or the client secret is right, not expired, and made for this"
        " workspace; a service principal must be added to the workspace.",
    )


def host_unreachable(host: str, why: str) -> DeployError:
    """No conversation with the host is possible."""
    return fail(
        FailureReason.HOST_UNREACHABLE,
        f"{host} can't be reached: {why}.",
        remedy="Check the address (DATABRICKS_HOST or the input databricks-host) for typing errors,"
        " and that this machine may reach it: DNS, proxy, firewall, private link.",
    )


def tls_failed(host: str, why: str) -> DeployError:
    """The certificate can't be trusted, or the port does not speak TLS."""
    return fail(
        FailureReason.HOST_UNREACHABLE,
        f"The TLS connection to {host} failed: {why}.",
        remedy="Check the address. If a proxy of your company signs the traffic, give its"
        " certificate in REQUESTS_CA_BUNDLE.",
    )


def no_workspace(host: str, why: str) -> DeployError:
    """Something answers there, but not a Databricks workspace."""
    return fail(
        FailureReason.HOST_UNREACHABLE,
        f"{host} does not answer like a Databricks workspace: {why}.",
        remedy="Use the address of the workspace itself, such as"
        " https://adb-1234567890123456.7.azuredatabricks.net or"
        " https://dbc-a1b2c3d4-e5f6.cloud.databricks.com.",
    )
