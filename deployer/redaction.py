"""The last line of defence for secrets: what is one, or looks like one, never leaves in any text.

Owns the replacement: of values that are known to be secret, in the encodings in which error pages and
logs quote them, and of credentials inside addresses, known by their form. Sinks call it on whole texts
before anything is cut or escaped; the first line of defence is that secrets do not get into texts at all.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

SHORTEST = 4  # characters; replacing shorter values would black out ordinary words
_SHORTEST_PART = 8  # of a line or an encoding: what is shorter may be an ordinary word
MASK = "***"
# Variables of Databricks' unified authentication, GitHub, Azure, AWS and Google that hold secrets.
SECRET_VARIABLES = (
    "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_PASSWORD",
    "DATABRICKS_OIDC_TOKEN",
    "DATABRICKS_METADATA_SERVICE_URL",
    "ARM_CLIENT_SECRET",
    "AZURE_CLIENT_SECRET",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GOOGLE_CREDENTIALS",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "SYSTEM_ACCESSTOKEN",
)
_NAMES_A_VARIABLE = "DATABRICKS_OIDC_TOKEN_ENV"  # of the SDK: where it looks for the token instead
# Keys of a service account's JSON that hold secrets.
_SECRET_KEYS = frozenset({"private_key", "private_key_id", "client_secret", "refresh_token"})

_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{0,30}://)(?P<user>[^\s/?#'\"`<>\\]+)@", re.I)
_IN_QUERY = (
    r"x-amz-signature|x-amz-security-token|x-amz-credential|x-goog-signature|x-goog-credential"
    r"|signature|sig|upload_id|key|code|pwd"
)
_ANYWHERE = (
    r"(?:access_?|auth_?|refresh_?|id_?|private_?|session_?|subject_?)?token|passw(?:or)?d"
    r"|(?:client_?)?secret|client_assertion|api[_-]?key"
)
_PARAMETER = (
    rf"(?P<kept>(?:(?:[?&;]|%3f|%26|\\u0026)(?:{_IN_QUERY}|{_ANYWHERE})|(?<![\w%])(?:{_ANYWHERE}))"
    r"(?:=|%3d))[^&\s'\"`<>#,;|)\]}\\]+"
)
_WEBHOOK = (
    r"(?<![\w-])(?P<kept>(?:hooks\.slack(?:-gov)?\.com(?::\d+)?/(?:services|workflows|triggers)"
    r"|[\w-]+\.webhook\.office\.com/webhook\w*|outlook\.office(?:365)?\.com/webhook"
    r"|discord(?:app)?\.com/api/webhooks)/)[^\s'\"`<>,;\\]+"
)
_HEADER = (
    r"(?P<kept>authorization['\"]?\s*[:=]\s*['\"]?(?:(?:basic|bearer|digest|token)\s+)?)"
    r"(?!(?:basic|bearer|digest|token)\b)[^\s'\"`,<>]{4,}"
)
_SCHEME = r"\b(?P<kept>(?:bearer|basic)\s+)(?=\S*\d)[\w.~+/=-]{16,}"
# Tokens of Databricks, GitHub, GitLab, Slack and package indexes; signed tokens.
_BY_FORM = (
    r"(?<![\w-])(?P<kept>)(?:dapi[0-9a-f]{32}(?:-\d+)?|dose[0-9a-f]{32}|gh[pousr]_\w{30,}"
    r"|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|pypi-[\w-]{50,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_PRIVATE_KEY = (
    r"(?P<kept>)-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.)*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
# A form is searched only where one of its words is: most texts have none.
_FORMS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("=", "%3d"), re.compile(_PARAMETER, re.I)),
    ((".com",), re.compile(_WEBHOOK, re.I)),
    (("authorization",), re.compile(_HEADER, re.I)),
    (("bearer", "basic"), re.compile(_SCHEME, re.I)),
    (
        ("dapi", "dose", "gh", "glpat-", "xox", "pypi-", "eyj"),
        re.compile(_BY_FORM),
    ),
    (("private key",), re.compile(_PRIVATE_KEY)),
)


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of the known secret variables that are set."""
    names = (*SECRET_VARIABLES, environ.get(_NAMES_A_VARIABLE, ""))
    return tuple(environ[name] for name in names if environ.get(name))


class Redactor:
    """Replaces secrets. Threads may share it; its repr shows none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redactor:
        """A redactor that knows `secrets`."""
        made = cls()
        for secret in secrets:
            made.learn(secret)
        return made

    def learn(self, secret: str) -> bool:
        """Replace `secret` from now on, too; whether it is new and long enough for that."""
        plain = secret.strip()
        with self._lock:
            if len(plain) < SHORTEST or plain in self._known:
                return False
            self._known |= {plain}
            # The longest are replaced first, so that none shows in part.
            self._forms = tuple(
                sorted({*self._forms, *_forms(plain)}, key=lambda one: (-len(one), one))
            )
            return True

    def clean(self, text: str) -> str:
        """`text` with `***` in place of every secret. What is clean already stays as it is."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return _without_credentials(text)

    def __repr__(self) -> str:
        return f"Redactor({len(self._known)} secrets)"


def _forms(secret: str) -> Iterator[str]:
    """`secret` and its parts, each as it may be quoted."""
    yield secret
    lines = [line.strip() for line in secret.splitlines()]
    parts = [*(lines if len(lines) > 1 else ()), *_json_secrets(secret)]
    for part in (secret, *(one for one in parts if len(one) >= _SHORTEST_PART)):
        yield part
        yield from (one for one in _encodings(part) if len(one) >= _SHORTEST_PART)


def _json_secrets(secret: str) -> Iterator[str]:
    """What is secret in the JSON of a service account: with its line breaks, and line by line."""
    try:
        document = json.loads(secret)
    except (ValueError, RecursionError):
        return
    for key, value in document.items() if isinstance(document, dict) else ():
        if key in _SECRET_KEYS and isinstance(value, str):
            yield from (value.strip(), *(line.strip() for line in value.splitlines()))


def _encodings(secret: str) -> Iterator[str]:
    yield from _base64(secret.encode("utf-8", "surrogatepass"))
    encodable = secret.encode("utf-8", "replace")
    for encoded in (quote(encodable, safe=""), quote(encodable), quote_plus(encodable)):
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)
    for escaped in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)):
        yield escaped[1:-1]
    yield html.escape(secret)


def _base64(secret: bytes) -> Iterator[str]:
    """What base64 makes of `secret` within something longer, at each of the three offsets.

    The characters at both ends also depend on the neighbours, so they are left out.
    """
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + secret).decode()[first:last]


def _without_credentials(text: str) -> str:
    """`text` without what has the form of a credential, whoever's it is."""
    if "://" in text:
        text = _USERINFO.sub(_without_userinfo, text)
    lower = text.lower()
    for words, form in _FORMS:
        if any(word in lower for word in words):
            text = form.sub(rf"\g<kept>{MASK}", text)
    return text


def _without_userinfo(found: re.Match[str]) -> str:
    """The address without user and password; `git@` and `container@account` are no secrets."""
    scheme, user = found["scheme"], found["user"]
    is_web = scheme.lower().endswith(("http://", "https://"))
    if ":" in user or (is_web and user != "git"):
        return f"{scheme}{MASK}@"
    return found[0]
