"""No secret leaves in any text, in debug mode, whoever says it aloud: every mode, every kind of trouble."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deployer.checks.steps import Checked
from deployer.contract import Mode
from deployer.draft import Draft
from deployer.platforms.databricks import volumes
from deployer.report.model import Check, CheckStatus, Finding
from tests.contract.scripted_server import Reply, serving
from tests.pipeline.secret_world import (
    ACCESS_TOKEN,
    ID_TOKEN,
    INPUT_SECRETS,
    SESSION,
    SIGNATURE,
    VARIABLES,
    Echo,
    Written,
    echoes,
    marked,
    run_with_secrets,
    traces,
)
from tests.pipeline.stage import Stage, path
from tests.wheels import make_wheel, write_wheel

TOKEN = INPUT_SECRETS["databricks-token"]
Run = Callable[..., Written]
# What each mode needs besides an address and credentials; a mode that is not here fails every test.
NEEDS: dict[Mode, Mapping[str, str]] = {
    Mode.CHECK: {"project": "."},
    Mode.PLAN: {"wheel": "*.whl"},
    Mode.DEPLOY: {"wheel": "*.whl"},
    Mode.ROLLBACK: {"wheel": "*.whl", "to": "previous"},
    Mode.UPLOAD: {"wheel": "*.whl"},
    Mode.CLEANUP: {},
    Mode.STATUS: {},
    Mode.DOCTOR: {"wheel": "*.whl"},
    Mode.CONFIGURE: {},
    Mode.AUTO: {},
    Mode.PUBLISH: {"wheel": "*.whl"},
    Mode.COMMENT: {"from-report": "report.json"},
}
ASK_NO_WORKSPACE = frozenset({Mode.CHECK, Mode.CONFIGURE, Mode.AUTO, Mode.PUBLISH, Mode.COMMENT})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    write_wheel(tmp_path, make_wheel("retail_metrics", "1.5.0"))
    monkeypatch.setattr("deployer.main.Checking", _Checking)

    def go(mode: Mode, url: str, **more: Any) -> Written:
        needed = {
            **NEEDS[mode],
            **more.pop("inputs", {"databricks-token": TOKEN, "auth-type": "pat"}),
        }
        environ = more.pop("environ", {})
        return run_with_secrets(
            tmp_path, monkeypatch, capfd, mode.value, url, inputs=needed, environ=environ, **more
        )

    return go


class _Checking:
    """A project whose tests say all secrets aloud, and whose wheel is there already."""

    def __init__(self, context: Any, _: object, narrator: Any, *__: object) -> None:
        self._folder, self._narrator = context.workspace, narrator

    def __call__(self, _: Path, __: object, draft: Draft) -> Checked:
        said = "\n".join(one for secret in (TOKEN, *VARIABLES.values()) for one in echoes(secret))
        with self._narrator.untrusted() as on_line:
            for line in said.splitlines():
                on_line(line)
        check = Check("test", CheckStatus.FAILED, 1.0, said, (Finding(said, "a.py", 1),), said)
        draft.note_check(check)
        return Checked((check,), (), next(self._folder.glob("*.whl")))


def aloud(secret: str) -> str:
    return " ".join(echoes(secret))


def says(status: int, **said: Any) -> Reply:
    return Reply(status, json.dumps(said).encode())


def redirected(sent: str) -> Reply:
    quoted = quote(sent, safe="")
    return Reply(302, headers={"Location": f"https://u:{quoted}@login.example/{quote(sent)}"})


# What a service does with the credential it was sent.
TROUBLES: dict[str, Callable[[str], Reply]] = {
    "wrong token": lambda sent: says(401, message=f"Invalid access token {aloud(sent)}"),
    "denied": lambda sent: says(403, error_code=sent, message=aloud(sent)),
    "broken": lambda sent: says(500, message=aloud(sent), detail=sent),
    "a page": lambda sent: Reply(
        502, f"<html><b>Authorization: Bearer {sent}</b> {aloud(sent)}</html>".encode()
    ),
    "a page as success": lambda sent: Reply(200, f"<html>{aloud(sent)}</html>".encode()),
    "plain text": lambda sent: Reply(400, f"{'x' * 480}{sent} {aloud(sent)}".encode()),
    "a redirect": redirected,
    "half an answer": lambda sent: Reply(200, json.dumps({"userName": aloud(sent)}).encode()[:-3]),
    "a name": lambda sent: says(200, userName=f"me {aloud(sent)}", object_type=sent),
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("mode", Mode)
def test_what_a_workspace_echoes_is_written_nowhere(run: Run, mode: Mode, trouble: str) -> None:
    echo = Echo(TROUBLES[trouble])
    with serving(echo) as server:
        echo.url = server.url
        written = run(mode, server.url)
        asked = any(one.headers.get("Authorization") == f"Bearer {TOKEN}" for one in server.seen)
    assert asked == (mode not in ASK_NO_WORKSPACE)
    assert written.leaks() == []


@pytest.mark.parametrize("trouble", ["denied", "a page", "a name"])
def test_the_same_holds_on_a_terminal(run: Run, trouble: str) -> None:
    echo = Echo(TROUBLES[trouble])
    with serving(echo) as server:
        echo.url = server.url
        for mode in Mode:
            assert run(mode, server.url, on_github=False).leaks() == []


SERVICE_PRINCIPAL = {"databricks-client-id": "11111111-2222-3333-4444-555555555555"}
BY_SECRET = {
    **SERVICE_PRINCIPAL,
    "databricks-client-secret": INPUT_SECRETS["databricks-client-secret"],
    "auth-type": "oauth-m2m",
}
BY_GITHUB = {**SERVICE_PRINCIPAL, "auth-type": "github-oidc"}


@pytest.mark.parametrize("login", [BY_SECRET, BY_GITHUB], ids=["client secret", "github"])
@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "accepted"])
@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.STATUS, Mode.DOCTOR])
def test_what_a_login_gets_or_sends_is_written_nowhere(
    run: Run, mode: Mode, login: dict[str, str], *, refuses: bool
) -> None:
    echo = Echo(TROUBLES["broken"], refuses=refuses)
    with serving(echo) as server:
        echo.url = server.url
        environ = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.url}/github?a=b"}
        written = run(
            mode, server.url, inputs=login, environ=environ, secrets=(ID_TOKEN, ACCESS_TOKEN)
        )
        paths = [one.path.partition("?")[0] for one in server.seen]
    assert "/oidc/v1/token" in paths
    assert ("/github" in paths) == (login is BY_GITHUB)
    assert any(one.startswith("/api/") for one in paths) != refuses
    assert {ID_TOKEN, ACCESS_TOKEN} <= set(written.secrets)
    assert written.leaks() == []


def test_the_runner_is_told_of_a_token_that_was_exchanged_once(run: Run) -> None:
    echo = Echo(TROUBLES["a name"])
    with serving(echo) as server:
        echo.url = server.url
        written = run(Mode.STATUS, server.url, inputs=BY_SECRET)
        assert sum(one.path.startswith("/api/") for one in server.seen) > 1
    assert written.masked.count(ACCESS_TOKEN) == 1


def test_the_address_and_the_session_of_a_large_upload_are_written_nowhere(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "LARGE", 1)
    echo = Echo(TROUBLES["broken"], uploads=True)
    with serving(echo) as server:
        echo.url = server.url
        written = run(Mode.UPLOAD, server.url, secrets=(SESSION, SIGNATURE))
        stored = [one for one in server.seen if one.path.startswith("/store")]
    assert {one.method for one in stored} >= {"PUT"}
    assert {SESSION, SIGNATURE} <= set(written.secrets)
    assert written.leaks() == []


@pytest.mark.parametrize("mode", [one for one in Mode if one not in ASK_NO_WORKSPACE])
def test_what_jobs_and_files_are_called_shows_no_secret(stage: Stage, run: Run, mode: Mode) -> None:
    stage.publish("1.4.0")
    loud = " ".join((*VARIABLES.values(), aloud(VARIABLES["DATABRICKS_PASSWORD"])))
    hidden = marked("password of an index")
    user = f"ada:{quote(hidden, safe='')}"
    line = f"retail_metrics @ https://{user}@index.example{path('1.4.0')}?sig={SIGNATURE}"
    stage.job(path("1.4.0"), name=loud)
    stage.serverless(
        line, f"{path('1.4.0')} # {loud}", f"-r https://h.example/r.txt?token={SIGNATURE}"
    )
    token = stage.workspace.token
    written = run(
        mode,
        stage.workspace.url,
        inputs={"databricks-token": token, "auth-type": "pat"},
        secrets=(hidden, SIGNATURE),
    )
    if mode is not Mode.ROLLBACK:
        assert "retail" in "".join(written.texts.values())
    assert written.code == 0 or mode in {Mode.DOCTOR, Mode.ROLLBACK}
    assert written.leaks() == []
    assert not [place for place, text in written.texts.items() if token in text]


def test_the_search_finds_what_is_there() -> None:
    for secret in (TOKEN, ID_TOKEN):
        for echo in echoes(secret):
            assert Written(0, {"stdout": f"said {echo}."}, (secret,)).leaks(), echo
        half = Written(0, {"stdout": f"said {secret[5:25]}."}, (secret,))
        assert half.leaks()
    assert len(set(traces(TOKEN))) > 8
    assert base64.b64encode(TOKEN.encode()).decode() in echoes(TOKEN)
    assert Written(0, {"stdout": "nothing of that kind"}, (TOKEN, ID_TOKEN)).leaks() == []
    assert set(NEEDS) == set(Mode)
