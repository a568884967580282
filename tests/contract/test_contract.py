"""One contract: `action.yml`, the image, the command line, settings and outputs agree with `contract.py`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer import cli, settings
from deployer.contract import INPUTS, OUTPUTS, Input, InputType, Mode
from deployer.errors import DeployError
from deployer.inputs import from_runner
from deployer.report.model import Report
from deployer.report.outputs import to_outputs
from tests.unit.report import reports
from tools import generate
from tools.generate import REPOSITORY

ACTION: dict[str, Any] = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
EACH_INPUT = pytest.mark.parametrize("declared", INPUTS, ids=lambda one: one.name)

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z]+)*")
# GitHub docs, "Metadata syntax for GitHub Actions", branding.
COLOURS = {"white", "black", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"}
NO_BRAND_ICON = {"coffee", "columns", "divide-circle", "divide-square", "divide", "frown", "hexagon"} | {
    "key", "meh", "mouse-pointer", "smile", "tool", "x-octagon",
}  # fmt: skip
DESCRIPTION_LIMIT = 125  # characters; the Marketplace shows no more


# ── action.yml ───────────────────────────────────────────────────────────────────────────────────


def test_the_action_has_the_inputs_of_the_contract_with_their_defaults_as_strings() -> None:
    """But for inputs of spark-deploy.yml: the runner would hand over their default as if it was given."""
    assert {name: one.get("default", "") for name, one in ACTION["inputs"].items()} == {
        one.name: "" if one.in_file else one.only_in_action or one.default for one in INPUTS
    }
    assert all(isinstance(one.get("default", ""), str) for one in ACTION["inputs"].values())


def test_the_action_says_what_the_contract_says_word_for_word() -> None:
    said = {name: one["description"] for name, one in ACTION["inputs"].items()}
    assert said == {
        one.name: f"{one.meaning} Default: `{one.default}`."
        if one.in_file and one.default
        else one.meaning
        for one in INPUTS
    }
    said = {name: one["description"] for name, one in ACTION["outputs"].items()}
    assert said == {one.name: one.meaning for one in OUTPUTS}


def test_the_action_is_valid_metadata() -> None:
    assert set(ACTION) == {"name", "author", "description", "inputs", "outputs", "runs", "branding"}
    assert len(ACTION["description"]) <= DESCRIPTION_LIMIT
    assert ACTION["branding"]["color"] in COLOURS
    assert ACTION["branding"]["icon"] not in NO_BRAND_ICON
    assert ACTION["runs"] == {
        "using": "docker",
        "image": "Dockerfile",
        "post-entrypoint": "/opt/spark-deploy/post.py",  # a path in the image (fact 12)
    }
    assert all(set(one) <= {"description", "default"} for one in ACTION["inputs"].values())
    assert all(set(one) == {"description"} for one in ACTION["outputs"].values())


def test_names_are_kebab_case_and_stand_once() -> None:
    for declared in (INPUTS, OUTPUTS):
        names = [one.name for one in declared]
        assert len(set(names)) == len(names)
        assert all(NAME.fullmatch(name) for name in names)


def test_no_secret_has_a_default() -> None:
    assert not [one.name for one in INPUTS if one.type is InputType.SECRET and one.default]


# ── Settings ─────────────────────────────────────────────────────────────────────────────────────


ENOUGH = {"mode": "plan", "root": "/Volumes/main/libraries/released"}
OTHER = {
    InputType.TEXT: "something-else",
    InputType.SECRET: "something-else",
    InputType.BOOLEAN: "yes",
    InputType.INTEGER: "7",
    InputType.DURATION: "7h",
}
SPECIAL = {
    "cleanup": {"cleanup": "no"},
    "checks": {"checks": "no"},
    "read-notebooks": {"read-notebooks": "no"},
    "from-versions": {"from-versions": "1.4.0"},
    "expected-plan-digest": {"expected-plan-digest": "9c" * 32},
    "lock-expiry": {"lock-expiry": "7m"},
    "version": {"version": "v1.4.0-rc.1"},
}


def _another(declared: Input) -> dict[str, str]:
    """The input with a valid value that is not its default."""
    if declared.name in SPECIAL:
        return SPECIAL[declared.name]
    if declared.choices:
        value = next(one for one in declared.choices if one != declared.default)
        return {declared.name: value, "from-versions": "1.4.0"}
    return {declared.name: OTHER[declared.type]}


@EACH_INPUT
def test_every_input_is_read(declared: Input) -> None:
    given = _another(declared)
    without = {name: text for name, text in given.items() if name != declared.name}
    assert settings.parse({**ENOUGH, **given}) != settings.parse({**ENOUGH, **without})


@EACH_INPUT
def test_every_default_is_a_value_that_the_input_takes(declared: Input) -> None:
    given = {} if declared.name == "root" else {declared.name: declared.default}
    assert settings.parse({**ENOUGH, **given}) == settings.parse(ENOUGH)


@pytest.mark.parametrize(
    "declared", [one for one in INPUTS if one.choices], ids=lambda one: one.name
)
def test_every_choice_is_taken_and_nothing_else(declared: Input) -> None:
    for choice in declared.choices:
        settings.parse(
            {**ENOUGH, "from-versions": "1.4.0", "from-report": "report", declared.name: choice}
        )
    with pytest.raises(DeployError, match=declared.name):
        settings.parse({**ENOUGH, declared.name: "something-else"})


@EACH_INPUT
def test_the_runner_hands_over_every_input(declared: Input) -> None:
    """Upper case, hyphens as they are (facts, "Contract facts" 7)."""
    texts, warnings = from_runner({f"INPUT_{declared.name.upper()}": "a text"})
    assert (texts, warnings) == ({declared.name: "a text"}, ())


# ── The command line ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_takes_every_input_as_an_option(
    mode: Mode, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([mode.value, "--help"])
    assert ended.value.code == 0
    shown = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {f"--{one.name}" for one in INPUTS if one.name != "mode"} <= shown


def test_every_mode_is_a_choice_of_the_input() -> None:
    mode = next(one for one in INPUTS if one.name == "mode")
    assert mode.choices == tuple(Mode)
    assert all(f"`{choice}`" in mode.meaning for choice in mode.choices)


# ── Outputs ──────────────────────────────────────────────────────────────────────────────────────


REPORTS = (
    reports.plan_of_three,
    reports.deploy_with_everything,
    reports.failed_with_two_problems,
    reports.failed_and_moved_back,
    reports.rollback_of_three,
    reports.status_of_a_workspace,
)


@pytest.mark.parametrize("report", REPORTS, ids=lambda make: make.__name__)
def test_every_output_is_set_and_no_other(report: Callable[[], Report]) -> None:
    outputs = to_outputs(report(), report_path="report.json", wheel_path="x.whl")
    assert list(outputs) == [one.name for one in OUTPUTS]


# ── The image ────────────────────────────────────────────────────────────────────────────────────


def _instructions() -> list[tuple[str, str]]:
    whole = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.M))
    lines = [line.strip() for line in whole.splitlines() if line.strip()]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def _copied() -> list[str]:
    from_context = [
        rest for name, rest in _instructions() if name == "COPY" and "--from" not in rest
    ]
    return [source for rest in from_context for source in rest.split()[:-1]]


def test_what_the_image_copies_is_there_and_reaches_the_builder() -> None:
    ignore = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert _copied()
    for source in _copied():
        assert (REPOSITORY / source).exists()
        assert source in let_in


def test_the_image_keeps_to_what_the_runner_asks_of_it() -> None:
    """GitHub docs, "Dockerfile support for GitHub Actions": root, no WORKDIR, exec form, absolute."""
    names = [name for name, _ in _instructions()]
    assert not {"USER", "WORKDIR", "CMD", "VOLUME"} & set(names)
    (entrypoint,) = (rest for name, rest in _instructions() if name == "ENTRYPOINT")
    command = yaml.safe_load(entrypoint)
    assert command[0].startswith("/")
    assert command[-1] == "/opt/spark-deploy/entrypoint.py"


def test_the_post_step_is_a_program_of_the_image_with_the_flags_of_the_entrypoint() -> None:
    """The runner starts it by its path alone, so its first line says how."""
    post = REPOSITORY / "post.py"
    assert post.stat().st_mode & 0o111 == 0o111
    (entrypoint,) = (rest for name, rest in _instructions() if name == "ENTRYPOINT")
    interpreter, *flags, _ = yaml.safe_load(entrypoint)
    first, *_ = post.read_text(encoding="utf-8").splitlines()
    assert first.split()[0] == f"#!{interpreter}"
    (together,) = first.split()[1:]  # Linux hands over one argument at most
    assert set(together) == set("".join(flags))


def test_the_image_installs_only_what_is_locked_by_hash() -> None:
    installs = [rest for name, rest in _instructions() if name == "RUN" and "pip" in rest]
    assert installs
    assert all("--require-hashes" in one and "--no-cache-dir" in one for one in installs)


# ── The generator ────────────────────────────────────────────────────────────────────────────────


WITH_PARTS = (generate.ACTION, generate.README, generate.ERRORS, generate.CONFIGURATION)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in WITH_PARTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", [generate.ACTION, generate.README, generate.ERRORS])
def test_a_stale_file_is_named_and_written_anew(
    copy: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (copy / name).read_text(encoding="utf-8")
    edited = whole.replace("expected-plan-digest", "expected-digest").replace(
        "(#timeout)", "(#time)"
    )
    assert edited != whole
    (copy / name).write_text(edited, encoding="utf-8")
    stale = edited if name == generate.ACTION else None
    assert generate.main(["--check"], copy) == 1
    assert name in capsys.readouterr().err
    assert stale is None or (copy / name).read_text(encoding="utf-8") == stale
    assert generate.main([], copy) == 0
    assert generate.main(["--check"], copy) == 0


def test_a_file_without_its_markers_is_told(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / generate.README).write_text("# no markers", encoding="utf-8")
    assert generate.main(["--check"], copy) == 1
    assert "inputs" in capsys.readouterr().err
