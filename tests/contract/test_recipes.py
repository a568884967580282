"""The recipes: pages that show files, files that keep the rules, and complaints whose tests there are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.contract import INPUTS, OUTPUTS, InputType, Mode, input_named
from deployer.report.outputs import to_outputs
from tests.unit.report import reports
from tools.generate import with_files

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = REPOSITORY / "docs/recipes"
README = (PAGES / "README.md").read_text(encoding="utf-8")
FILES = sorted((REPOSITORY / "examples/workflows").glob("*.yml"))
EACH = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
OURS = "org/spark-deploy-action@v1"
MARKER = re.compile(r"<!-- begin (examples/[\w./-]+): ")
PINNED = re.compile(
    r"uses: (?:[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./[\w./-]+)(?: #.*)?$"
)
WRITES = {"deploy", "rollback"}
LOGS_IN = {"plan", "status", *WRITES}


def workflow(file: Path) -> dict[str, Any]:
    return yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # type: ignore[no-any-return]


def jobs(file: Path) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each job with the `with:` of the steps that use this action."""
    for job in workflow(file)["jobs"].values():
        yield job, [step["with"] for step in job.get("steps", []) if step.get("uses") == OURS]


def modes(steps: list[dict[str, Any]]) -> set[str]:
    return {step["mode"] for step in steps}


# ── Pages and files ──────────────────────────────────────────────────────────────────────────────


def test_every_file_has_its_page_and_every_page_its_line() -> None:
    shown = [
        name
        for page in PAGES.glob("*.md")
        for name in MARKER.findall(page.read_text(encoding="utf-8"))
    ]
    others = ["examples/gitlab/.gitlab-ci.yml", "examples/jenkins/Jenkinsfile"]
    there = [str(file.relative_to(REPOSITORY)) for file in FILES]
    assert sorted(shown) == sorted([*there, *others])
    pages = {page.name for page in PAGES.glob("*.md")} - {"README.md"}
    assert {name for name in pages if f"]({name})" not in README} == set()


def test_a_page_shows_its_file_whole() -> None:
    for page in PAGES.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert with_files(text, REPOSITORY) == text
        for name in MARKER.findall(text):
            assert (REPOSITORY / name).read_text(encoding="utf-8") in text


@EACH
def test_a_recipe_gives_inputs_that_there_are_and_reads_outputs_that_there_are(file: Path) -> None:
    for _, steps in jobs(file):
        for step in steps:
            for name, value in step.items():
                declared = input_named(name)
                if declared.choices:
                    assert value in declared.choices
                if declared.type is InputType.SECRET:
                    assert value.startswith("${{ secrets.")
    read = re.findall(r"steps\.[\w-]+\.outputs\.([\w-]+)", file.read_text(encoding="utf-8"))
    assert set(read) <= {one.name for one in OUTPUTS}


@EACH
def test_outputs_of_other_jobs_are_declared_by_them(file: Path) -> None:
    declared = {
        f"{name}.{output}"
        for name, job in workflow(file)["jobs"].items()
        for output in job.get("outputs", {})
    }
    read = re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", file.read_text(encoding="utf-8"))
    assert {".".join(one) for one in read} <= declared


# ── Rules ────────────────────────────────────────────────────────────────────────────────────────


@EACH
def test_every_other_action_is_pinned_by_its_commit(file: Path) -> None:
    for line in re.findall(r"uses: .*$", file.read_text(encoding="utf-8"), re.M):
        assert line == f"uses: {OURS}" or PINNED.fullmatch(line), line


def test_one_action_has_one_commit_everywhere() -> None:
    files = [*FILES, *(REPOSITORY / ".github/workflows").glob("*.yml")]
    pins: dict[str, set[str]] = {}
    for file in files:
        for name, pin in re.findall(
            r"uses: ([\w/-]+)@([0-9a-f]{40} # v[\d.]+)", file.read_text(encoding="utf-8")
        ):
            pins.setdefault(name, set()).add(pin)
    assert {name: found for name, found in pins.items() if len(found) > 1} == {}


@EACH
def test_rights_are_given_to_jobs_and_each_has_its_reason(file: Path) -> None:
    found = workflow(file)
    assert found["permissions"] == {}
    assert all("permissions" in job for job in found["jobs"].values())
    for line in file.read_text(encoding="utf-8").splitlines():
        if re.match(
            r"      (?:contents|id-token|pull-requests|actions|[a-z-]+): (?:read|write)\b", line
        ):
            assert " # " in line, line


@EACH
def test_a_job_that_runs_the_project_holds_no_login_and_no_secret(file: Path) -> None:
    for job, steps in jobs(file):
        builds = modes(steps) & {"check", "publish"}
        if builds:
            assert "id-token" not in job["permissions"]
            assert "secrets." not in str(job)
            assert "environment" not in job
        for step in steps:
            assert step["mode"] not in {"plan", "deploy"} or {"wheel", "version", "to"} & set(step)


@EACH
def test_a_job_that_logs_in_may_ask_for_a_token_and_checks_nothing_out(file: Path) -> None:
    for job, steps in jobs(file):
        if modes(steps) & LOGS_IN:
            assert job["permissions"]["id-token"] == "write"
            assert "environment" in job
            assert not [step for step in job["steps"] if "checkout" in step.get("uses", "")]


@EACH
def test_a_checkout_keeps_no_credentials(file: Path) -> None:
    for job, _ in jobs(file):
        for step in job.get("steps", []):
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] == "false"


@EACH
def test_every_deployment_has_its_group_and_is_never_cut_short(file: Path) -> None:
    group = workflow(file)["concurrency"]
    for job, steps in jobs(file):
        if modes(steps) & WRITES:
            own = job.get("concurrency", group)
            assert own["group"].startswith("deploy-")
            assert own["cancel-in-progress"] == group["cancel-in-progress"] == "false"


@EACH
def test_a_job_that_only_looks_records_no_deployment(file: Path) -> None:
    for job, steps in jobs(file):
        environment = job.get("environment", {})
        if environment and not modes(steps) & WRITES:
            assert environment["deployment"] == "false"
        if "deploy" in modes(steps):
            assert environment["url"].endswith(".outputs.environment-url }}")


@EACH
def test_an_approved_digest_is_never_empty(file: Path) -> None:
    for _, steps in jobs(file):
        for step in steps:
            digest = step.get("expected-plan-digest")
            assert digest is None or "|| 'missing'" in digest


@EACH
def test_no_expression_is_part_of_a_script(file: Path) -> None:
    for job, _ in jobs(file):
        for step in job.get("steps", []):
            assert "${{" not in step.get("run", "")


def test_the_trusted_half_fetches_no_code() -> None:
    (comment,) = (file for file in FILES if file.stem == "fork-comment")
    text = comment.read_text(encoding="utf-8")
    assert "checkout" not in text
    assert not re.search(r"^\s+(?:- )?run: ", text, re.M)
    assert set(workflow(comment)["on"]) == {"workflow_run"}


def test_no_recipe_runs_on_pull_request_target() -> None:
    assert not [file for file in FILES if "pull_request_target" in workflow(file)["on"]]


# ── The commands of other services ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["gitlab/.gitlab-ci.yml", "jenkins/Jenkinsfile"])
def test_other_services_use_modes_and_options_that_there_are(name: str) -> None:
    text = (REPOSITORY / "examples" / name).read_text(encoding="utf-8")
    commands = re.findall(r"(?:^|\W)spark-deploy (\w+)((?: --?[\w-]+(?: [^\s'-]\S*)?)*)", text)
    used = {mode for mode, _ in commands}
    assert {"check", "plan", "deploy"} <= used <= {mode.value for mode in Mode}
    options = {option for _, rest in commands for option in re.findall(r"--([\w-]+)", rest)}
    assert options <= {one.name for one in INPUTS} | {"output"}
    assert "approved-plan" in options


# ── What people ask for ──────────────────────────────────────────────────────────────────────────


def complaints() -> list[tuple[str, str, str, str]]:
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", README, re.M)
    return [tuple(row) for row in rows]


def all_tests() -> set[str]:
    found = set()
    for file in (REPOSITORY / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.add(node.name)
    return found


def test_all_36_complaints_are_answered_with_their_source() -> None:
    assert [int(number) for number, *_ in complaints()] == list(range(1, 37))
    for number, complaint, answer, _ in complaints():
        assert re.search(r"\(.*[\w-]+/[\w.-]+(#\d+|\)).*\)?", complaint), number
        assert answer.endswith("."), number


def test_every_test_that_holds_an_answer_is_there() -> None:
    there = all_tests()
    for number, _, _, held in complaints():
        named = re.findall(r"`(test_\w+)`", held)
        assert named or held.startswith("nothing yet"), number
        assert [name for name in named if name not in there] == [], number


def test_no_output_names_the_workspace() -> None:
    for report in (reports.deploy_with_everything(), reports.plan_of_three()):
        outputs = to_outputs(report, report_path="/r.json", wheel_path="/w.whl")
        short = {name: text for name, text in outputs.items() if name != "report"}
        assert reports.HOST.partition("://")[2] not in str(short)
