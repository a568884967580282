"""An environment of spark-deploy.yml through the container's door, from a project's sources to its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.contract import INPUTS
from tests.end_to_end.test_doors import step
from tests.pipeline.stage import ROOT, Stage, on_stage, path
from tests.wheels import make_wheel

# A build that needs no package index: its backend lies in the project.
WHEEL, CONTENT = make_wheel("retail", "1.2.3")
PROJECT = {
    "pyproject.toml": """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "retail"
version = "1.2.3"
""",
    "backend.py": f"""\
from pathlib import Path


def build_wheel(folder, config_settings=None, metadata_directory=None):
    Path(folder, {WHEEL!r}).write_bytes({CONTENT!r})
    return {WHEEL!r}
""",
}

CONFIGURATION = f"""\
version: 1
environments:
  dev:
    branches: develop
    root: {ROOT}/try-out
  prod:
    branches: main
    root: {ROOT}
    cleanup: false
    checks: false
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with on_stage(tmp_path) as one:
        for name, text in PROJECT.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / "spark-deploy.yml").write_text(CONFIGURATION, encoding="utf-8")
        yield one


def test_without_a_wheel_the_project_is_built_and_deployed_to_the_branch_s_environment(
    stage: Stage,
) -> None:
    """The runner gives all inputs of action.yml, and nobody set one but the mode."""
    stage.publish("1.2.2", name="retail")
    job = stage.job(path("1.2.2", name="retail"))
    unasked = {one.name.replace("-", "_"): one.action_default for one in INPUTS}
    done = step(stage, **{**unasked, "mode": "deploy", "host_paths": ""})
    assert done.code == 0, done.stderr
    assert done.document["environment"] == "prod"
    assert done.outputs["version"] == "1.2.3"
    assert stage.version_of(job) == ["1.2.3"]
    assert done.outputs["removed-versions"] == ""  # the environment says `cleanup: false`
    ran = {one["name"] for one in done.document["checks"] if one["status"] != "skipped"}
    assert ran == {"build", "wheel"}  # and `checks: false`
