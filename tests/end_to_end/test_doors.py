"""Both doors as users start them: `entrypoint.py` in a container action's world, and the CLI."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.contract.runner_files import Runner, read_key_values, read_summary
from tests.pipeline.stage import ROOT, Stage, on_stage, path

REPOSITORY = Path(__file__).resolve().parents[2]
HOSTILE = "::set-output name=outcome::pwned\n::add-mask::job @team <img src=x> | `x` \x1b[31m"


@dataclass(frozen=True)
class Step:
    """What the runner has after a step."""

    code: int
    runner: Runner
    outputs: dict[str, str]
    summary: str
    stderr: str
    document: dict[str, Any]


def step(stage: Stage, **inputs: str) -> Step:
    """Start the container's door with the runner's variables and files, and nothing else."""
    files = stage.folder / "file_commands"
    files.mkdir(exist_ok=True)
    event = files / "event.json"
    event.write_text("{}", encoding="utf-8")
    temp = stage.folder / "runner_temp"
    temp.mkdir(exist_ok=True)
    given = {"wheel": "dist/*.whl", "root": ROOT, **inputs}
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(temp),
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(stage.folder),
        "GITHUB_EVENT_NAME": "workflow_dispatch",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "acme/retail-metrics",
        "GITHUB_RUN_ID": "7",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": "0" * 40,
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_OUTPUT": str(files / "output"),
        "GITHUB_STEP_SUMMARY": str(files / "summary"),
        "GITHUB_STATE": str(files / "state"),
        "RUNNER_TEMP": str(temp),
        "DATABRICKS_HOST": stage.workspace.url,
        "DATABRICKS_TOKEN": stage.workspace.token,
        **{f"INPUT_{name.upper().replace('_', '-')}": value for name, value in given.items()},
    }
    for name in ("output", "summary", "state"):
        (files / name).write_text("", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "entrypoint.py")],
        env=environ,
        cwd=stage.folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    report = temp / "spark-deploy" / "report.json"
    return Step(
        done.returncode,
        Runner().read(done.stdout + done.stderr),
        read_key_values(files / "output"),
        read_summary(files / "summary"),
        done.stderr,
        json.loads(report.read_text(encoding="utf-8")),
    )


def cli(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start the CLI as on a laptop."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(stage.folder),
        "DATABRICKS_HOST": stage.workspace.url,
        "DATABRICKS_TOKEN": stage.workspace.token,
    }
    return subprocess.run(
        [sys.executable, "-m", "deployer.cli", *arguments],
        env=environ,
        cwd=stage.folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


@pytest.fixture
def crowded(stage: Stage) -> Stage:
    """A stage with jobs of every fate, one of them with a hostile name."""
    stage.publish("1.2.0", "1.3.0", "1.4.0")
    stage.job(path("1.4.0"), name="plain")
    stage.job(path("1.4.0"), name=HOSTILE)
    stage.job(path("2.0.0"), name=HOSTILE)
    stage.serverless(f'"{path("1.3.0")}[train]"  # why', name="serverless")
    stage.build("1.5.0")
    return stage


@pytest.fixture
def stage(tmp_path: Path) -> Any:
    with on_stage(tmp_path) as one:
        yield one


def test_the_containers_door_and_the_command_line_plan_the_same(crowded: Stage) -> None:
    inside = step(crowded, mode="plan")
    outside = cli(crowded, "plan", "--wheel", "dist/*.whl", "--root", ROOT, "--output", "json")
    assert (inside.code, outside.returncode) == (0, 0)
    document = json.loads(outside.stdout)
    for part in ("plan", "library", "versions", "identity", "outcome"):
        assert inside.document[part] == document[part], part
    assert inside.outputs["plan-digest"] == document["plan"]["digest"]


def test_the_containers_door_deploys_and_the_runner_reads_back_what_it_wrote(
    crowded: Stage,
) -> None:
    done = step(crowded, mode="deploy")
    assert done.code == 0, done.stderr
    assert done.outputs["outcome"] == "succeeded"
    assert done.outputs["version"] == "1.5.0"
    assert done.outputs["previous-version"] == "1.4.0"
    assert done.outputs["jobs-updated"] == "3"
    assert done.outputs["jobs-untouched"] == "1"
    assert done.outputs["removed-versions"] == "1.2.0"
    assert crowded.stored() == {"1.3.0", "1.4.0", "1.5.0"}  # a rollback needs what was replaced
    assert json.loads(done.outputs["report"])["library"]["version"] == "1.5.0"
    assert Path(done.outputs["report-path"]).is_file()
    assert "3 jobs moved" in done.summary


def test_hostile_job_names_give_the_runner_no_order(crowded: Stage) -> None:
    done = step(crowded, mode="deploy", log_level="debug")
    allowed = {"group", "endgroup", "debug", "notice", "warning"}
    assert {command.name.lower() for command in done.runner.commands} <= allowed
    assert "pwned" not in done.outputs["outcome"]
    assert "\x1b" not in "".join(done.runner.lines) + done.summary
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(done.summary)
    assert "<img" not in html
    assert "<code>" in html


def test_a_failure_is_an_annotation_with_title_and_remedy(stage: Stage) -> None:
    done = step(stage, mode="deploy")
    assert done.code == 2
    errors = done.runner.named("error")
    assert any("matches no file" in one.data + one.properties.get("title", "") for one in errors)
    assert done.outputs["failure-reason"] == "no-library-file"


def test_an_unknown_input_is_a_warning_with_the_nearest_name(crowded: Stage) -> None:
    done = step(crowded, mode="plan", clean_up="false")
    assert any("`cleanup`" in one.data for one in done.runner.named("warning"))


def test_a_token_given_as_input_is_masked_before_anything_else(crowded: Stage) -> None:
    done = step(crowded, mode="plan", databricks_token=crowded.workspace.token)
    assert done.runner.commands[0].name == "add-mask"
    assert done.runner.commands[0].data == crowded.workspace.token
    texts = [json.dumps(done.document), done.summary, *done.outputs.values(), *done.runner.lines]
    assert not [text for text in texts if crowded.workspace.token in text]


def test_the_command_line_prints_a_readable_report_and_apparates_sentences(crowded: Stage) -> None:
    done = cli(
        crowded, "upload-and-update", "--wheel", "dist/*.whl", "--root", ROOT, "--no-cleanup"
    )
    assert done.returncode == 0, done.stderr
    assert "new library retail_metrics-1.5.0 loaded to Databricks" in done.stdout
    assert "updated jobs:" in done.stdout
    assert crowded.stored() == {"1.2.0", "1.3.0", "1.4.0", "1.5.0"}
    assert "\x1b" not in done.stdout


def test_what_the_containers_door_deployed_the_command_line_takes_back(crowded: Stage) -> None:
    before = copy.deepcopy(crowded.workspace.jobs())
    assert step(crowded, mode="deploy").code == 0
    assert crowded.workspace.jobs() != before
    done = cli(crowded, "rollback", "--to", "previous", "--root", ROOT)
    assert done.returncode == 0, done.stderr
    assert crowded.workspace.jobs() == before
    assert "3 jobs moved back" in done.stdout
    assert step(crowded, mode="rollback", wheel="").outputs["outcome"] == "nothing-to-do"


def test_json_output_is_the_document_and_nothing_else_on_failure_too(stage: Stage) -> None:
    done = cli(
        stage, "deploy", "--wheel", "no.whl", "--root", ROOT, "--output", "json", "-v", "DEBUG"
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["failure"]["reason"] == "no-library-file"


def test_an_unknown_option_is_refused_with_the_nearest_name(stage: Stage) -> None:
    done = cli(stage, "plan", "--wheal", "x.whl")
    assert done.returncode == 2
    assert "--wheel" in done.stderr
