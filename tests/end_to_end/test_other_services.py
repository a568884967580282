"""The recipes for GitLab and Jenkins: the files that their pages show, carried out on an embedded workspace.

GitLab's is run by gitlab-ci-local, without its image. Nothing here can run a declarative pipeline of Jenkins,
so its steps are taken out of the file and run in their order.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.from_npm import modules
from tests.pipeline.stage import ROOT, Stage, on_stage, path

REPOSITORY = Path(__file__).resolve().parents[2]
GITLAB = REPOSITORY / "examples/gitlab/.gitlab-ci.yml"
JENKINS = REPOSITORY / "examples/jenkins/Jenkinsfile"
PROJECT = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools>=77"]
        build-backend = "setuptools.build_meta"

        [project]
        name = "retail-metrics"
        version = "1.5.0"
        """,
    "src/retail_metrics/__init__.py": '''
        """Metrics."""


        def double(x: int) -> int:
            return 2 * x
        ''',
    "tests/test_double.py": """
        from retail_metrics import double


        def test_double() -> None:
            assert double(2) == 4
        """,
}

pytestmark = pytest.mark.network  # a build fetches its backend


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    project = tmp_path / "project"
    for name, text in PROJECT.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
    with on_stage(project) as made:
        made.publish("1.4.0")
        yield made


def environ(stage: Stage, folder: Path) -> dict[str, str]:
    """A machine with the program on its path, and nothing of this one's services."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GITHUB_", "RUNNER_", "CI", "GITLAB", "JENKINS", "DATABRICKS_"))
    }
    temp = folder / "temp"
    temp.mkdir()
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(temp),
        "HOME": str(folder),
        "DATABRICKS_HOST": stage.workspace.url,
        "DATABRICKS_TOKEN": stage.workspace.token,
        "DATABRICKS_AUTH_TYPE": "pat",
        "ROOT": ROOT,
    }


def run(argv: list[str], folder: Path, env: dict[str, str]) -> str:
    ended = subprocess.run(
        argv, cwd=folder, env=env, capture_output=True, text=True, timeout=500, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


# ── GitLab ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.node
def test_gitlab_checks_plans_and_deploys_exactly_that_plan(
    stage: Stage, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    if not (shutil.which("rsync") and shutil.which("git")):
        pytest.skip("gitlab-ci-local needs rsync and git")
    there = modules(pytestconfig.cache.mkdir("npm"), "gitlab-ci-local@4.75")
    job = stage.job(path("1.4.0"))
    env = environ(stage, tmp_path)
    recipe = GITLAB.read_text(encoding="utf-8")
    without_image = re.sub(r"^  image: .*\n", "", recipe, count=1, flags=re.M)
    assert without_image != recipe
    (stage.folder / GITLAB.name).write_text(without_image, encoding="utf-8")
    for words in (
        "init -q -b main",
        "add -A",
        "-c user.name=a -c user.email=a@example.com commit -qm first",
        "remote add origin https://gitlab.example.com/acme/metrics.git",
    ):
        run(["git", *words.split()], stage.folder, env)
    given = {
        name: env[name]
        for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_AUTH_TYPE", "TMPDIR")
    }
    told = run(
        [
            str(there / ".bin/node"),
            str(there / "gitlab-ci-local/dist/index.js"),
            *("--shell-executor-no-image", "--shell-isolation", "--manual", "deploy"),
            *(part for name, value in given.items() for part in ("--variable", f"{name}={value}")),
        ],
        stage.folder,
        env,
    )
    assert "PASS" in told
    assert stage.version_of(job) == ["1.5.0"]
    planned = json.loads((stage.folder / "plan.json").read_text(encoding="utf-8"))
    deployed = json.loads((stage.folder / "report.json").read_text(encoding="utf-8"))
    assert (planned["mode"], deployed["mode"]) == ("plan", "deploy")
    assert planned["plan"]["digest"] == deployed["plan"]["digest"]


# ── Jenkins ──────────────────────────────────────────────────────────────────────────────────────


def scripts() -> dict[str, str]:
    """The one script of each stage of the Jenkinsfile."""
    parts = re.split(r"stage\('([^']+)'\)", JENKINS.read_text(encoding="utf-8"))
    found = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        script = re.search(r"\bsh (?:'''(.*?)'''|'(.*?)'$)", text, re.S | re.M)
        if script:
            found[name] = textwrap.dedent(script[1] or script[2])
    return found


def test_jenkins_checks_plans_and_deploys_exactly_that_plan(stage: Stage, tmp_path: Path) -> None:
    job = stage.job(path("1.4.0"))
    env = environ(stage, tmp_path)
    found = scripts()
    assert list(found) == ["Set up", "Check and build", "Plan", "Deploy"]
    without_login = {name: text for name, text in env.items() if not name.startswith("DATABRICKS_")}
    run(["sh", "-ec", found["Check and build"]], stage.folder, without_login)
    run(["sh", "-ec", found["Plan"]], stage.folder, env)
    assert stage.version_of(job) == ["1.4.0"]
    run(["sh", "-ec", found["Deploy"]], stage.folder, env)
    assert stage.version_of(job) == ["1.5.0"]
    planned = json.loads((stage.folder / "plan.json").read_text(encoding="utf-8"))
    deployed = json.loads((stage.folder / "report.json").read_text(encoding="utf-8"))
    assert planned["plan"]["digest"] == deployed["plan"]["digest"]


def test_jenkins_refuses_what_was_not_approved(stage: Stage, tmp_path: Path) -> None:
    stage.job(path("1.4.0"))
    env = environ(stage, tmp_path)
    stage.build("1.5.0")
    run(["sh", "-ec", scripts()["Plan"]], stage.folder, env)
    later = stage.job(path("1.4.0"), name="made after the plan")
    ended = subprocess.run(
        ["sh", "-ec", scripts()["Deploy"]],
        cwd=stage.folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 3
    assert stage.version_of(later) == ["1.4.0"]
