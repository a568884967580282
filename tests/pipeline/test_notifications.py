"""Notifications through the door: who hears of a run, that none changes its end, and that no URL leaves."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from deployer import cli
from deployer.notify import sender
from tests.contract.scripted_server import Reply, Seen, Server, serving
from tests.pipeline.secret_world import Written, marked, run_with_secrets
from tests.pipeline.stage import Stage, path
from tests.wheels import make_wheel, write_wheel

SECRET = marked("webhook-secret")
PATHS = {name: f"/zQ{name}/9x+K_w~7v/services/hidden" for name in ("slack", "teams", "webhook")}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(sender, "_TIMEOUT_S", (1.0, 1.0))


def receivers(server: Server) -> dict[str, str]:
    urls = {f"{name}_url": server.url + path for name, path in PATHS.items()}
    return {**urls, "webhook_secret": SECRET}


def paths(server: Server) -> set[str]:
    return {one.path for one in server.seen}


def ok(_: Seen) -> Reply:
    return Reply(200, b"ok")


def test_a_deployment_is_told_to_all_three(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"), name="nightly sales")
    stage.build("1.5.0")
    with serving(ok) as server:
        ended = stage.deploy(**receivers(server))
    assert ended.code == 0
    assert paths(server) == set(PATHS.values())
    by_path = {one.path: one for one in server.seen}
    for name in ("slack", "teams"):
        assert "nightly sales" in by_path[PATHS[name]].body.decode()
    signed = by_path[PATHS["webhook"]]
    document = json.loads(signed.body)
    assert [one["job_id"] for one in document["moved"]] == [job]
    time = signed.headers["X-Spark-Deploy-Timestamp"]
    wanted = hmac.new(SECRET.encode(), f"{time}.".encode() + signed.body, hashlib.sha256)
    assert signed.headers["X-Spark-Deploy-Signature"] == f"v1={wanted.hexdigest()}"
    assert signed.headers["X-Spark-Deploy-Delivery"] == document["delivery"]
    for one in server.seen:
        assert stage.workspace.url.partition("://")[2] not in one.body.decode()
        assert stage.workspace.token not in one.body.decode()


def test_a_rollback_is_told_and_a_plan_and_a_second_deployment_are_not(stage: Stage) -> None:
    stage.publish("1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    with serving(ok) as server:
        stage.plan(**receivers(server))
        assert server.seen == []
        stage.deploy(**receivers(server))
        assert len(server.seen) == 3
        assert stage.deploy(**receivers(server)).document["outcome"] == "nothing-to-do"
        assert len(server.seen) == 3
        back = stage.run("rollback", None, root=path("1").rpartition("/")[0], **receivers(server))
        assert back.code == 0
        assert len(server.seen) == 6


@pytest.mark.parametrize(
    ("wish", "told"), [("changes", True), ("failure", True), ("always", True), ("off", False)]
)
def test_inputs_that_are_wrong_are_told_as_any_failure(
    stage: Stage, wish: str, *, told: bool
) -> None:
    with serving(ok) as server:
        ended = stage.run("deploy", None, cleanup="perhaps", notify=wish, **receivers(server))
    assert ended.document["failure"]["reason"] == "invalid-input"
    assert paths(server) == (set(PATHS.values()) if told else set())


def test_the_host_of_the_file_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    host = "data.acme-internal.invalid"
    file = (
        "version: 1\nenvironments:\n  production:\n    host: https://%s\n    root: /Volumes/a/b/c\n"
    )
    (tmp_path / "spark-deploy.yml").write_text(file % host, encoding="utf-8")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi")
    with serving(ok) as server:
        for name, value in receivers(server).items():
            monkeypatch.setenv(f"SPARK_DEPLOY_{name.upper()}", value)
        # The failure quotes the glob, and so the host without a scheme.
        assert cli.main(["plan", "--environment", "production", "--wheel", f"{host}/*.whl"]) == 2
    assert host in "".join(capsys.readouterr())
    assert len(server.seen) == 3
    assert not [one for one in server.seen if "acme-internal" in one.body.decode()]


@pytest.mark.parametrize("secret", ["", "fifteen letters"])
def test_nothing_is_sent_unsigned(stage: Stage, secret: str) -> None:
    stage.build("1.5.0")
    url = PATHS["webhook"]
    with serving(ok) as server:
        ended = stage.deploy(webhook_url=server.url + url, webhook_secret=secret)
    assert ended.code == 0
    assert server.seen == []
    assert "`webhook-secret` is missing" in ended.printed


def test_a_command_line_takes_the_urls_from_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with serving(ok) as server:
        for name, value in receivers(server).items():
            monkeypatch.setenv(f"SPARK_DEPLOY_{name.upper()}", value)
        arguments = ["deploy", "--cleanup", "perhaps"]
        assert cli.main([*arguments, "--teams-url", f"{server.url}/zQother"]) == 2
    assert paths(server) == {PATHS["slack"], "/zQother", PATHS["webhook"]}
    assert "zQ" not in "".join(capsys.readouterr())


REPLIES: Mapping[str, Callable[[Seen], Reply]] = {
    "200": ok,
    "404": lambda seen: Reply(404, seen.path.encode()),
    "429": lambda _: Reply(429, headers={"Retry-After": "0"}),
    "500": lambda seen: Reply(500, seen.path.encode()),
    "302": lambda seen: Reply(302, headers={"Location": f"https://evil.example{seen.path}"}),
    "half": lambda seen: Reply(200, seen.path.encode(), announced=10_000),
}


@pytest.mark.parametrize("reply", REPLIES)
def test_what_a_receiver_answers_changes_nothing(stage: Stage, reply: str) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    stage.build("1.5.0")
    with serving(REPLIES[reply]) as server:
        ended = stage.deploy(**receivers(server))
    assert ended.code == 0
    assert ended.document["outcome"] == ended.outputs["outcome"] == "succeeded"
    assert stage.version_of(job) == ["1.5.0"]
    assert ended.printed.count("was not notified") == (0 if reply in {"200", "half"} else 3)


@pytest.mark.parametrize("on_github", [True, False])
@pytest.mark.parametrize("reply", [*REPLIES, "nobody"])
def test_the_urls_are_written_nowhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    reply: str,
    *,
    on_github: bool,
) -> None:
    write_wheel(tmp_path, make_wheel("retail_metrics", "1.5.0"))
    with serving(REPLIES.get(reply, ok)) as server:
        url = server.url if reply != "nobody" else "http://127.0.0.1:9"
        given = {
            "wheel": "*.whl",
            **{f"{name}-url": url + path for name, path in PATHS.items()},
            "webhook-secret": SECRET,
        }
        written: Written = run_with_secrets(
            tmp_path,
            monkeypatch,
            capfd,
            "deploy",
            "http://127.0.0.1:9",  # no workspace: the failure is what is told
            inputs=given,
            environ={},
            on_github=on_github,
        )
    assert written.code != 0
    if reply != "nobody":
        assert paths(server) == set(PATHS.values())
    texts = written.texts
    assert [name for name, text in texts.items() if "zQ" in text or "9x+K_w~7v" in text] == []
    assert Written(written.code, texts, (SECRET, *PATHS.values())).leaks() == []
    if on_github:
        assert {SECRET, *(given[f"{name}-url"] for name in PATHS)} <= set(written.masked)
