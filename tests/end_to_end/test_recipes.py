"""Every recipe, played from its workflow file: real builds and runs of this action, an emulated GitHub and
workspace, and who asks for what with which rights."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.github import GitHub
from tests.github.releases import releases_of
from tests.pipeline.stage import Stage, on_stage, path
from tests.unit.event import payloads
from tests.unit.event.payloads import FORK, OURS, SHA
from tests.workflows.player import RECIPES, Forge, Played
from tests.workflows.steps import OURS as OUR_ACTION

pytestmark = pytest.mark.network

APP = "7c3e8f1a-2b4d-4e6f-8a9b-0c1d2e3f4a5b"
PYPROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "retail-metrics"
version = "1.5.0"
"""
PROJECT = {
    "pyproject.toml": PYPROJECT,
    "CHANGELOG.md": "# Changelog\n\n## [1.5.0] - 2026-11-28\n\n### Added\n\n- Faster joins.\n",
    "src/retail_metrics/__init__.py": '"""Retail."""\n\n\ndef double(x: int) -> int:\n    return 2 * x\n',
    "tests/test_retail.py": "from retail_metrics import double\n\n\n"
    "def test_double() -> None:\n    assert double(2) == 4\n",
}
with_jq = pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("curl")),
    reason="the script of this recipe uses jq and curl, which GitHub's runners have",
)
ENVIRONMENTS = ("production", "production-plan", "staging", "emea", "americas", "asia")
TAG = "refs/tags/v1.5.0"


class Channel:
    """A webhook that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(self.rfile.read(int(self.headers["Content-Length"])).decode("utf-8"))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/T0/B0/zQsecretzQ"

    def __enter__(self) -> Channel:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def known(stage: Stage) -> Stage:
    """The workspace trusts GitHub's jobs by their environment, and has three jobs on 1.4.0."""
    stage.workspace.add_service_principal(APP, admin=True)
    for environment in ENVIRONMENTS:
        subject = f"repo:{OURS}:environment:{environment}"
        stage.workspace.add_federation_policy(APP, subject)
    stage.publish("1.3.0", "1.4.0")
    for number in range(3):
        stage.job(path("1.4.0"), name=f"report {number}")
    return stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with on_stage(tmp_path / "stage") as one:
        yield known(one)


@pytest.fixture
def channel() -> Iterator[Channel]:
    with Channel() as one:
        yield one


@pytest.fixture
def forge(tmp_path: Path, stage: Stage, channel: Channel) -> Iterator[Forge]:
    project = tmp_path / "project"
    for name, text in PROJECT.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    with GitHub() as github:
        repository = github.repository(OURS)
        repository.commits.add(SHA)
        yield Forge(
            tmp_path / "machines",
            github,
            stage.workspace,
            project,
            variables={"DATABRICKS_HOST": stage.workspace.url, "DATABRICKS_CLIENT_ID": APP},
            secrets={"SLACK_WEBHOOK_URL": channel.url},
        )


def log_of(played: Played) -> str:
    return "\n".join(step.log for job in played.jobs.values() for step in job.steps)


def went_well(played: Played) -> None:
    assert played.ok, log_of(played)
    assert "Warning:" not in log_of(played)


def on(stage: Stage, version: str) -> int:
    return sum(stage.version_of(job) == [version] for job in stage.workspace.jobs())


def pushed(forge: Forge, recipe: str) -> Played:
    return forge.play(recipe, event="push", payload=payloads.push(), sha=SHA)


def released(forge: Forge) -> Played:
    """The tag of 1.5.0 was pushed."""
    releases_of(forge.github.repository(OURS)).tags["v1.5.0"] = SHA
    return forge.play("release.yml", event="push", payload=payloads.push(TAG), ref=TAG, sha=SHA)


def dispatched(forge: Forge, recipe: str, **inputs: str) -> Played:
    return forge.play(
        recipe,
        event="workflow_dispatch",
        payload=payloads.workflow_dispatch(**inputs),
        inputs=inputs,
    )


# ── Pull requests ────────────────────────────────────────────────────────────────────────────────


def test_pr_plan_writes_one_comment_and_changes_nothing(forge: Forge, stage: Stage) -> None:
    repository = forge.github.repository(OURS)
    pull = forge.github.pull(repository, branch="feature/lock-free", sha=SHA, number=7)
    before = stage.workspace.jobs()
    for _ in range(2):
        played = forge.play(
            "pr-plan.yml",
            event="pull_request",
            payload=payloads.pull_request(),
            ref="refs/pull/7/merge",
            sha=SHA,
        )
        went_well(played)
    assert set(played.artifacts) == {"library", "spark-deploy-report"}
    (comment,) = forge.github.comments_of(pull, repository)
    assert "3 jobs" in comment.body
    assert played.jobs["plan"].step("plan").outputs["jobs-updated"] == "3"
    assert stage.workspace.jobs() == before
    assert "1.5.0" not in stage.stored()


def test_a_fork_gets_its_comment_by_the_trusted_half(forge: Forge, stage: Stage) -> None:
    repository = forge.github.repository(OURS)
    pull = forge.github.pull(
        repository, branch="feature/lock-free", sha=SHA, number=7, fork=FORK, author="stranger"
    )
    untrusted = forge.play(
        "pr-plan.yml",
        event="pull_request",
        payload=payloads.pull_request(head=FORK, by="stranger"),
        ref="refs/pull/7/merge",
        sha=SHA,
        fork=True,
    )
    went_well(untrusted)
    assert untrusted.jobs["plan"].result == "skipped"
    assert forge.github.comments_of(pull, repository) == []
    payload = payloads.workflow_run()
    payload["workflow_run"] |= {"id": int(untrusted.run_id), "head_sha": SHA}
    payload["workflow_run"]["head_branch"] = "feature/lock-free"
    played = forge.play("fork-comment.yml", event="workflow_run", payload=payload)
    went_well(played)
    assert played.jobs["comment"].result == "success"
    (comment,) = forge.github.comments_of(pull, repository)
    assert "retail-metrics" in comment.body
    assert stage.workspace.calls() == []


# ── Deploying ────────────────────────────────────────────────────────────────────────────────────


def test_a_release_is_published_and_its_very_file_is_deployed(forge: Forge, stage: Stage) -> None:
    played = released(forge)
    went_well(played)
    (release,) = releases_of(forge.github.repository(OURS)).of_tag("v1.5.0")
    assert (release.draft, "Faster joins" in release.body) == (False, True)
    wheel = release.asset("retail_metrics-1.5.0-py3-none-any.whl")
    assert wheel is not None
    assert stage.workspace.file(path("1.5.0")) == wheel.content
    assert on(stage, "1.5.0") == 3
    assert played.jobs["deploy"].url.endswith(f"/{OURS}/actions/runs/{played.run_id}")


def test_the_approved_plan_is_deployed(forge: Forge, stage: Stage) -> None:
    released_before_anything_moves(forge, stage)
    played = dispatched(forge, "approved-production.yml", version="1.5.0")
    went_well(played)
    assert on(stage, "1.5.0") == 3


def test_what_was_not_in_the_approved_plan_is_refused(forge: Forge, stage: Stage) -> None:
    released_before_anything_moves(forge, stage)
    played = forge.play(
        "approved-production.yml",
        event="workflow_dispatch",
        payload=payloads.workflow_dispatch(version="1.5.0"),
        inputs={"version": "1.5.0"},
        before={"deploy": lambda: stage.job(path("1.4.0"), name="came while they read")},
    )
    deploy = played.jobs["deploy"].step("deploy")
    assert (deploy.ok, deploy.outputs["failure-reason"]) == (False, "plan-changed")
    assert "came while they read" in deploy.summary
    assert on(stage, "1.5.0") == 0


def released_before_anything_moves(forge: Forge, stage: Stage) -> None:
    jobs = stage.workspace.jobs()
    went_well(released(forge))
    for job, settings in jobs.items():
        stage.workspace.set_job(job, settings)


def test_the_rollback_takes_the_release_back(forge: Forge, stage: Stage) -> None:
    before = stage.workspace.jobs()
    went_well(released(forge))
    played = dispatched(forge, "rollback.yml", to="previous")
    went_well(played)
    assert stage.workspace.jobs() == before


@pytest.mark.parametrize("recipe", ["asset-bundles.yml", "terraform.yml", "upload-artifact.yml"])
def test_a_push_deploys_what_another_job_built(forge: Forge, stage: Stage, recipe: str) -> None:
    went_well(pushed(forge, recipe))
    assert on(stage, "1.5.0") == 3


def test_a_matrix_deploys_to_one_workspace_after_the_other(
    forge: Forge, stage: Stage, tmp_path: Path
) -> None:
    with on_stage(tmp_path / "asia") as asia, on_stage(tmp_path / "americas") as americas:
        others = {"asia": known(asia), "americas": known(americas)}
        played = pushed(
            replace(
                forge,
                workspaces={name: one.workspace for name, one in others.items()},
                of_environment={
                    name: {"DATABRICKS_HOST": one.workspace.url} for name, one in others.items()
                },
            ),
            "matrix.yml",
        )
        went_well(played)
        assert [on(one, "1.5.0") for one in (stage, asia, americas)] == [3, 3, 3]


@with_jq
def test_later_steps_tell_slack_what_moved(forge: Forge, stage: Stage, channel: Channel) -> None:
    went_well(pushed(forge, "slack-after-deploy.yml"))
    (told,) = channel.told
    assert "Version 1.5.0: succeeded, 3 jobs moved" in told


def test_an_integration_test_judges_and_its_no_goes_back(forge: Forge, stage: Stage) -> None:
    before = stage.workspace.jobs()
    played = pushed(forge, "integration-test.yml")
    assert played.jobs["deploy"].result == "success", log_of(played)
    judged = played.jobs["verdict"].result
    assert on(stage, "1.5.0") == (3 if judged == "success" else 0)
    assert (stage.workspace.jobs() == before) == (judged != "success")


# ── Looking ──────────────────────────────────────────────────────────────────────────────────────


def test_drift_tells_what_the_jobs_name_and_changes_nothing(
    forge: Forge, stage: Stage, channel: Channel
) -> None:
    before = stage.workspace.jobs()
    played = forge.play("drift.yml", event="schedule", payload=payloads.schedule())
    went_well(played)
    assert "1.4.0" in played.jobs["status"].step("status").summary
    assert len(channel.told) == 1
    assert stage.workspace.jobs() == before


def test_nightly_tests_are_silent_when_all_is_well(forge: Forge, channel: Channel) -> None:
    played = forge.play("nightly-tests.yml", event="schedule", payload=payloads.schedule())
    went_well(played)
    assert played.jobs["tell"].result == "skipped"
    assert channel.told == []


@with_jq
def test_nightly_tests_that_fail_are_told(forge: Forge, channel: Channel) -> None:
    (forge.project / "tests/test_retail.py").write_text("def test_it():\n    assert 0\n", "utf-8")
    played = forge.play("nightly-tests.yml", event="schedule", payload=payloads.schedule())
    assert played.jobs["check"].result == "failure"
    assert played.jobs["tell"].result == "success", log_of(played)
    (told,) = channel.told
    assert "nightly tests" in told


# ── One workflow for everything ──────────────────────────────────────────────────────────────────

STAGED = "/Volumes/staging/libraries/released/retail_metrics-{}-py3-none-any.whl"
EVENTS_PAGE = RECIPES.parents[1] / "docs" / "events.md"


@pytest.fixture
def one_workflow(tmp_path: Path, forge: Forge, stage: Stage) -> Path:
    """The workflow and the configuration of docs/events.md, in a repository whose workspace trusts them."""
    text = EVENTS_PAGE.read_text(encoding="utf-8")
    config, workflow = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)[:2]
    (forge.project / "spark-deploy.yml").write_text(config, encoding="utf-8")
    file = tmp_path / "one.yml"
    file.write_text(workflow.replace("OWNER/spark-deploy-action@COMMIT", OUR_ACTION), "utf-8")
    stage.workspace.add_federation_policy(APP, f"repo:{OURS}:environment:plan")
    stage.workspace.add_volume("staging.libraries.released")
    stage.workspace.put_file(STAGED.format("1.4.0"), stage.workspace.file(path("1.4.0")))
    stage.job(STAGED.format("1.4.0"), name="report of staging")
    return file


def test_the_one_workflow_plans_a_pull_request_and_tells_it_there(
    one_workflow: Path, forge: Forge, stage: Stage
) -> None:
    repository = forge.github.repository(OURS)
    pull = forge.github.pull(repository, branch="feature/lock-free", sha=SHA, number=7)
    played = forge.play(
        one_workflow,
        event="pull_request",
        payload=payloads.pull_request(),
        ref="refs/pull/7/merge",
        sha=SHA,
    )
    went_well(played)
    (comment,) = forge.github.comments_of(pull, repository)
    assert "1 job" in comment.body
    assert played.jobs["deliver"].result == "skipped"
    assert "1.5.0" not in stage.stored()


def test_the_one_workflow_checks_a_pull_request_of_a_fork_and_no_more(
    one_workflow: Path, forge: Forge, stage: Stage
) -> None:
    played = forge.play(
        one_workflow,
        event="pull_request",
        payload=payloads.pull_request(head=FORK, by="stranger"),
        ref="refs/pull/7/merge",
        sha=SHA,
        fork=True,
    )
    went_well(played)
    assert played.jobs["look"].result == "skipped"
    assert stage.workspace.calls() == []


def test_the_one_workflow_deploys_main_to_staging_and_a_release_to_production(
    one_workflow: Path, forge: Forge, stage: Stage
) -> None:
    played = forge.play(one_workflow, event="push", payload=payloads.push(), sha=SHA)
    went_well(played)
    assert STAGED.format("1.5.0") in stage.workspace.files()
    assert (on(stage, "1.4.0"), on(stage, "1.5.0")) == (3, 1)
    repository = forge.github.repository(OURS)
    releases_of(repository).tags["v1.5.0"] = SHA
    payload = payloads.release(tag="v1.5.0")
    went_well(forge.play(one_workflow, event="release", payload=payload, ref=TAG, sha=SHA))
    assert on(stage, "1.5.0") == 4
    (release,) = releases_of(repository).of_tag("v1.5.0")
    assert release.asset("retail_metrics-1.5.0-py3-none-any.whl") is not None


def test_the_one_workflow_looks_around_every_morning(
    one_workflow: Path, forge: Forge, stage: Stage
) -> None:
    before = stage.workspace.jobs()
    played = forge.play(one_workflow, event="schedule", payload=payloads.schedule(), sha=SHA)
    went_well(played)
    assert "1.4.0" in played.jobs["look"].step(OUR_ACTION).summary
    assert stage.workspace.jobs() == before


# ── All of them ──────────────────────────────────────────────────────────────────────────────────


def test_no_recipe_is_left_out() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [one.name for one in RECIPES.glob("*.yml") if one.name not in text] == []


@with_jq
def test_nothing_that_a_recipe_writes_holds_a_secret(forge: Forge, channel: Channel) -> None:
    played = [pushed(forge, "slack-after-deploy.yml"), released(forge)]
    secrets = [channel.url, *forge.tokens.values(), stage_token(forge)]
    for one in played:
        for job in one.jobs.values():
            for step in job.steps:
                said = [step.summary, *step.outputs.values()]
                said += [
                    line for line in step.log.splitlines() if not line.startswith("::add-mask::")
                ]
                assert not [text for text in said for secret in secrets if secret in text]


def stage_token(forge: Forge) -> str:
    return forge.workspace.token
