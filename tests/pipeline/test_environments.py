"""Runs for an environment of spark-deploy.yml, and where such a file may not lead a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.stage import ROOT, Ended, Stage, path

PULL_REQUEST = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_BASE_REF": "main"}


def configure(stage: Stage, *lines: str, host: str = "") -> None:
    """A file with `dev`, whose root is elsewhere, and `prod`, which has these lines besides."""
    text = f"""\
version: 1
defaults:
  host: {host or stage.workspace.url}
environments:
  dev:
    branches: develop
    root: {ROOT}/try-out
  prod:
    branches: main
    root: {ROOT}
"""
    text += "".join(f"    {line}\n" for line in lines)
    (stage.folder / "spark-deploy.yml").write_text(text, encoding="utf-8")


def run(stage: Stage, mode: str, environ: dict[str, str] | None = None, **inputs: str) -> Ended:
    """A run whose host comes from the file, unless it is given."""
    return stage.run(mode, environ, **{"databricks_host": "", **inputs})


@pytest.fixture
def built(stage: Stage) -> Stage:
    stage.publish("1.3.0", "1.4.0")
    stage.job(path("1.4.0"))
    stage.build("1.5.0")
    return stage


def test_a_deployment_takes_host_root_and_retention_from_its_environment(built: Stage) -> None:
    configure(built, "keep: 2")
    ended = run(built, "deploy", environment="prod", wheel="dist/*.whl")
    assert ended.code == 0
    assert ended.document["environment"] == "prod"
    assert ended.document["root"] == ROOT
    assert built.stored() == {"1.3.0", "1.4.0", "1.5.0"}  # kept by the file
    assert len(ended.moved) == 1


def test_the_branch_says_the_environment(built: Stage) -> None:
    configure(built)
    ended = run(built, "plan", {"GITHUB_REF": "refs/heads/main"}, wheel="dist/*.whl")
    assert (ended.document["environment"], len(ended.planned)) == ("prod", 1)
    ended = run(built, "plan", {"GITHUB_REF": "refs/heads/develop"}, wheel="dist/*.whl")
    assert (ended.document["environment"], len(ended.planned)) == ("dev", 0)
    assert "Environment dev of spark-deploy.yml" in ended.printed


def test_every_other_mode_works_on_an_environment_too(built: Stage) -> None:
    configure(built)
    status = run(built, "status", environment="prod")
    assert len(status.document["inventory"]) == 1
    uploaded = run(built, "upload", environment="prod", wheel="dist/*.whl")
    assert uploaded.outputs["remote-path"] == path("1.5.0")
    configure(built, "cleanup: false")
    cleanup = run(built, "cleanup", environment="prod")
    assert cleanup.code == 0
    assert built.stored() == {"1.3.0", "1.4.0", "1.5.0"}
    configure(built)
    assert run(built, "cleanup", environment="prod").outputs["removed-versions"] == "1.3.0"


def test_a_misspelled_environment_touches_nothing(built: Stage) -> None:
    configure(built)
    ended = run(built, "deploy", environment="prdo", wheel="dist/*.whl")
    assert ended.code == 2
    assert "(did you mean `prod`?)" in ended.document["failure"]["title"]
    assert not built.workspace.calls("GET", "/jobs/list")


def test_a_wrong_file_is_told_whole_and_touches_nothing(built: Stage) -> None:
    configure(built, "keeep: 3", "min-age: 7y", "token: x")
    ended = run(built, "deploy", environment="prod", wheel="dist/*.whl")
    assert ended.code == 2
    assert ended.outputs["failure-reason"] == "invalid-configuration"
    assert len(ended.document["failure"]["problems"]) == 3
    assert "spark-deploy.yml, line 11" in ended.summary
    assert built.stored() == {"1.3.0", "1.4.0"}


def test_on_a_pull_request_no_credential_goes_to_the_host_of_the_file(built: Stage) -> None:
    configure(built)
    before = len(built.workspace.calls("GET", "/"))
    ended = run(built, "plan", PULL_REQUEST, wheel="dist/*.whl")
    assert ended.code == 3
    assert ended.outputs["failure-reason"] == "untrusted-configuration"
    assert ended.document["outcome"] == "refused"
    assert len(built.workspace.calls("GET", "/")) == before


def test_on_a_pull_request_a_host_that_the_workflow_does_not_say_is_refused(built: Stage) -> None:
    configure(built, host="https://evil.example.com")
    ended = run(
        built, "plan", PULL_REQUEST, wheel="dist/*.whl", databricks_host=built.workspace.url
    )
    assert ended.outputs["failure-reason"] == "untrusted-configuration"


def test_on_a_pull_request_the_host_of_the_workflow_is_used(built: Stage) -> None:
    configure(built)
    environ = {**PULL_REQUEST, "DATABRICKS_HOST": built.workspace.url}
    ended = run(built, "plan", environ, wheel="dist/*.whl")
    assert ended.code == 0
    assert (ended.document["environment"], len(ended.planned)) == ("prod", 1)


def test_a_file_below_a_folder_is_read_from_the_workspace(built: Stage) -> None:
    configure(built)
    Path(built.folder / "conf").mkdir()
    Path(built.folder / "spark-deploy.yml").rename(built.folder / "conf" / "targets.yml")
    ended = run(built, "plan", environment="prod", config="conf/targets.yml", wheel="dist/*.whl")
    assert ended.code == 0
