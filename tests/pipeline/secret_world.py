"""A world that knows our secrets and says them aloud: services that echo what they are sent, in every way.

`Echo` is a workspace, a token endpoint, a storage and GitHub's token service in one. `Written` is all that a
run left behind; it is searched for each secret in each usual encoding.
"""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, quote_plus

import pytest

from deployer.context import RunContext
from deployer.contract import INPUTS, InputType
from deployer.delivery import Streams
from deployer.main import perform
from deployer.platforms.databricks import client as clients
from deployer.platforms.databricks import multipart
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.redaction import SECRET_VARIABLES
from tests.contract.runner_files import Runner
from tests.contract.scripted_server import Reply, Seen

ROOT = "/Volumes/main/libraries/released"


def marked(name: str) -> str:
    """A secret that can be found again, with characters that each encoding writes in another way."""
    word = "".join(one for one in name.title() if one.isalnum())
    return f"zQ{word}/9x+K_w~7v=Jp&5m*T<3>r"


def jwt(claims: Mapping[str, object]) -> str:
    """A signed token, as far as anybody looks."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJlLW9mLXRoZS1pZC10b2tlbg"


ID_TOKEN = jwt(
    {
        "iss": "https://token.actions.githubusercontent.com",
        "sub": "repo:a/b:environment:p",
        "aud": "x",
    }
)
ACCESS_TOKEN = marked("exchanged access token")
SESSION = marked("session of the upload")
SIGNATURE = "0123456789abcdef" * 4
INPUT_SECRETS = {one.name: marked(one.name) for one in INPUTS if one.type is InputType.SECRET}
VARIABLES = {name: marked(name) for name in SECRET_VARIABLES}


def echoes(secret: str) -> Iterator[str]:
    """A secret as an error page may quote it."""
    yield secret
    yield base64.b64encode(secret.encode()).decode()
    yield base64.urlsafe_b64encode(f"x{secret}".encode()).decode()
    yield base64.b64encode(f"client:{secret}".encode()).decode()
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield html.escape(secret)


def traces(secret: str) -> Iterator[str]:
    """What must not be found: the secret, and the middle of what encodings make of it."""
    yield secret
    for echo in echoes(secret):
        yield echo.strip("=")[8:-8]
    for start in range(0, len(secret) - 14, 4):  # half of it is too much, too
        yield secret[start : start + 14]


@dataclass
class Echo:
    """Answers every call with `say` of what it was sent; the logins work unless `refuses`."""

    say: Callable[[str], Reply]
    refuses: bool = False
    url: str = ""
    uploads: bool = False

    def __call__(self, seen: Seen) -> Reply:
        """The answer to one call."""
        path, sent = seen.path.partition("?")[0], seen.headers.get("Authorization", "")
        form = {name: values[0] for name, values in parse_qs(seen.body.decode("latin-1")).items()}
        if path == "/.well-known/databricks-config":
            return Reply(body=json.dumps({"oidc_endpoint": f"{self.url}/oidc"}).encode())
        if path.startswith("/oidc/.well-known/"):
            return Reply(body=json.dumps({"token_endpoint": f"{self.url}/oidc/v1/token"}).encode())
        if path == "/github":
            return Reply(body=json.dumps({"value": ID_TOKEN}).encode())
        if path == "/oidc/v1/token" and not self.refuses:
            return Reply(
                body=json.dumps({"access_token": ACCESS_TOKEN, "expires_in": 3600}).encode()
            )
        if path == "/oidc/v1/token":
            said = {
                "error": "invalid_client",
                "error_description": " ".join((sent, *form.values())),
            }
            return Reply(401, json.dumps(said).encode())
        if self.uploads:
            return self._upload(seen, path)
        return self.say(sent.rpartition(" ")[2])

    def _upload(self, seen: Seen, path: str) -> Reply:
        """A workspace that takes large uploads, and a storage that quotes the address it was called by."""
        if path.endswith("/scim/v2/Me"):
            return Reply(body=b'{"userName": "me@example.com", "groups": [{"display": "admins"}]}')
        if "action=initiate-upload" in seen.path:
            return Reply(body=json.dumps({"multipart_upload": {"session_token": SESSION}}).encode())
        if path.startswith("/store"):
            return Reply(
                403, f"<Error><Code>No</Code>{seen.path} {html.escape(seen.path)}</Error>".encode()
            )
        if path.endswith(("-urls", "-url")):
            asked = json.loads(seen.body)
            address = f"{self.url}/store?X-Amz-Date=1&X-Amz-Signature={SIGNATURE}&part=1"
            one = {"url": address, "part_number": 1, "headers": []}
            field = path.rpartition("/create-")[2].replace("-", "_")
            return Reply(
                body=json.dumps(
                    {field: [one] if field.endswith("urls") else one, "of": asked["path"]}
                ).encode()
            )
        if seen.method == "PUT":
            return Reply(400, json.dumps({"message": f"session {SESSION} is over"}).encode())
        return Reply(body=b"{}")


@dataclass
class Written:
    """Everything that one run wrote, by where it stands."""

    code: int
    texts: dict[str, str]
    secrets: tuple[str, ...]
    masked: tuple[str, ...] = ()  # what the runner was told to black out

    def leaks(self) -> list[str]:
        """Where a trace of a secret was found; what is found is not shown again."""
        return [
            f"{place}: a trace of secret {number}"
            for place, text in self.texts.items()
            for number, secret in enumerate(self.secrets)
            for trace in set(traces(secret))
            if trace in text
        ]


class _Records(logging.Handler):
    """Keeps whatever anybody logs, whole."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(logging.Formatter().format(record))


@contextmanager
def all_records() -> Iterator[list[str]]:
    """What all loggers say at their lowest level."""
    handler, root = _Records(), logging.getLogger()
    names = [
        "",
        "urllib3",
        "urllib3.connectionpool",
        "requests",
        "databricks",
        "databricks.sdk",
        "deployer",
    ]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        yield handler.told
    finally:
        root.removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def run_with_secrets(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    mode: str,
    url: str,
    *,
    inputs: Mapping[str, str],
    environ: Mapping[str, str],
    on_github: bool = True,
    secrets: tuple[str, ...] = (),
) -> Written:
    """One run in debug mode, with a marked secret in every variable that holds one."""
    # No machine's own settings, and no waiting: what fails fails at once.
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "ARM_", "GOOGLE_", "ACTIONS_", "GITHUB_", "RUNNER_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(clients, "RetryPolicy", lambda: RetryPolicy(budget_s=0))
    monkeypatch.setattr(multipart, "_FIRST_PART", RetryPolicy(budget_s=0))
    monkeypatch.setattr(multipart, "_ABORT", RetryPolicy(budget_s=0))
    monkeypatch.setattr("deployer.platforms.databricks.connect._FIRST_CONTACT", ())
    temp = folder / "temp"
    temp.mkdir(exist_ok=True)
    runner = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(folder),
        "RUNNER_TEMP": str(temp),
        "RUNNER_DEBUG": "1",
        **{
            f"GITHUB_{name}": str(folder / f"{name}.file")
            for name in ("OUTPUT", "STEP_SUMMARY", "STATE", "ENV")
        },
    }
    whole = {
        **VARIABLES,
        "HOME": str(temp),
        "PATH": str(temp),
        **(runner if on_github else {}),
        **environ,
    }
    for name, value in whole.items():
        monkeypatch.setenv(name, value)
    texts = {
        "mode": mode,
        "databricks-host": url,
        "root": ROOT,
        "log-level": "debug",
        "lock-timeout": "0s",
        **inputs,
    }
    context = RunContext.from_environ(whole, cwd=folder, temp=temp)
    stdout, stderr = io.StringIO(), io.StringIO()
    with all_records() as records:
        code = perform(texts, environ=whole, context=context, streams=Streams(stdout, stderr))
    printed = capfd.readouterr()
    written = {
        "stdout": without_masks(stdout.getvalue()),
        "stderr": without_masks(stderr.getvalue()),
        "the process's stdout": printed.out,
        "the process's stderr": printed.err,
        **{f"record {number}": record for number, record in enumerate(records)},
    }
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".whl":
            written[f"the file {path.relative_to(folder)}"] = path.read_bytes().decode("latin-1")
    everything = (
        *(one for one in whole.values() if one in VARIABLES.values()),
        *inputs.values(),
        *secrets,
    )
    known = tuple(one for one in everything if one.startswith("zQ") or one in {ID_TOKEN, SIGNATURE})
    masks = Runner().read(stdout.getvalue()).named("add-mask")
    return Written(code, written, known, tuple(one.data for one in masks))


def without_masks(output: str) -> str:
    """A log without the lines by which the runner is told of secrets, which it does not show."""
    kept = [line for line in output.splitlines() if not Runner().read(line).named("add-mask")]
    return "\n".join(kept)
