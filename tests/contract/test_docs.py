"""The documents are true: what they name exists, and what exists they name."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from deployer.contract import INPUTS, OUTPUTS, Mode
from deployer.errors import DOCS, FailureReason
from deployer.settings import parse
from tests.contract.test_imports import ROOMS
from tools.generate import REPOSITORY, stale_files

ARCHITECTURE = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
ERRORS = (REPOSITORY / DOCS).read_text(encoding="utf-8")
DOCUMENTS = sorted(
    path
    for path in (
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").rglob("*.md"),
        *(REPOSITORY / "sandbox").glob("*.md"),
        *(REPOSITORY / "examples").glob("*.md"),
    )
)
EACH_DOCUMENT = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY))
)

CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.M)
DOTTED = re.compile(r"[a-z_]+(?:\.[A-Za-z_]+)+")
FILE = re.compile(r"[\w./-]+\.(?:py|md|json|yml|txt|in|toml)|[\w.-]+(?:/[\w.-]+)*/")
OUR_ACTION = "OWNER/spark-deploy-action@COMMIT"


def _names_in(text: str) -> list[str]:
    return CODE.findall(FENCED.sub("", text))


# ── docs/architecture.md ─────────────────────────────────────────────────────────────────────────


def _resolved(dotted: str) -> object:
    """What `dotted`, such as `plan.planner.make_plan`, is in `deployer`. Raises LookupError."""
    parts = dotted.split(".")
    found: Any = importlib.import_module("deployer")
    for depth, part in enumerate(parts, start=1):
        if isinstance(found, ModuleType):
            try:
                found = importlib.import_module(".".join(["deployer", *parts[:depth]]))
                continue
            except ModuleNotFoundError:
                pass
        if isinstance(found, type) and part in getattr(found, "__annotations__", {}):
            found = found.__annotations__[part]
        elif hasattr(found, part):
            found = getattr(found, part)
        else:
            raise LookupError(f"there is no {dotted}")
    return found


ARCHITECTURE_NAMES = sorted(
    {
        name
        for name in _names_in(ARCHITECTURE)
        if DOTTED.fullmatch(name) and not FILE.fullmatch(name)
    }
)


def test_the_architecture_names_functions_of_every_step_of_the_way() -> None:
    assert len(ARCHITECTURE_NAMES) > 30
    rooms = {name.split(".")[0] for name in ARCHITECTURE_NAMES}
    assert {"inputs", "settings", "library", "jobs", "plan", "deployment", "report"} <= rooms


@pytest.mark.parametrize("name", ARCHITECTURE_NAMES)
def test_what_the_architecture_names_is_in_the_code(name: str) -> None:
    _resolved(name)


def test_a_name_that_is_not_in_the_code_is_found_out() -> None:
    for wrong in ("plan.planner.make_plans", "plan.planers.make_plan", "settings.Settings.whl"):
        with pytest.raises(LookupError):
            _resolved(wrong)


@EACH_DOCUMENT
def test_files_that_a_document_names_exist(document: Path) -> None:
    """A path with a folder of this repository, from its top; others are examples of the reader's."""
    tops = {path.name for path in REPOSITORY.iterdir() if path.is_dir()}
    named = {
        name for name in _names_in(document.read_text(encoding="utf-8")) if FILE.fullmatch(name)
    }
    ours = {name for name in named if "/" in name and name.split("/")[0] in tops}
    made = {"demo-output", "dist", "build", ".venv"}
    assert [one for one in ours if one.split("/")[0] not in made and not _exists(one)] == []


def _exists(name: str) -> bool:
    return (REPOSITORY / name).exists()


def test_the_architecture_shows_the_table_that_imports_are_tested_against() -> None:
    table = re.findall(r"^\| `(\w+)` \| [^|]+ \|([^|]*)\|$", ARCHITECTURE, re.M)
    shown = {room: set(CODE.findall(imports)) for room, imports in table}
    assert shown == {room: set(imports) for room, imports in ROOMS.items()}
    assert list(shown) == list(ROOMS)


# ── docs/errors.md ───────────────────────────────────────────────────────────────────────────────


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_failure_reason_has_its_section_in_the_order_of_the_code() -> None:
    assert list(_sections(ERRORS)) == [reason.value for reason in FailureReason]


@pytest.mark.parametrize("reason", list(FailureReason), ids=str)
def test_each_section_says_what_happened_why_and_what_to_do(reason: FailureReason) -> None:
    told = re.findall(r"^\*\*(.+?)\*\*", _sections(ERRORS)[reason.value], re.M)
    assert told == ["What happened.", "Why.", "What to do."]


# ── docs/dependencies.md ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("file", "heading"),
    [
        ("runtime.in", "What spark-deploy needs to run"),
        ("dev.in", "What building and testing it needs besides"),
    ],
)
def test_every_dependency_has_its_reason(file: str, heading: str) -> None:
    lines = (REPOSITORY / "requirements" / file).read_text(encoding="utf-8").splitlines()
    asked = [Requirement(line).name for line in lines if line and line[0] not in "#-"]
    section = _sections((REPOSITORY / "docs/dependencies.md").read_text(encoding="utf-8"))[heading]
    reasons = dict(re.findall(r"^\| ([\w-]+) \| (.+) \|$", section, re.M))
    assert [name for name in reasons if name != "package"] == sorted(asked)


# ── All documents ────────────────────────────────────────────────────────────────────────────────


def test_generated_parts_are_up_to_date() -> None:
    assert stale_files(REPOSITORY) == []


@EACH_DOCUMENT
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target, anchor in LINK.findall(FENCED.sub("", text)):
        file = document.parent / target if target else document
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file), f"{target}#{anchor}"


def _anchors(file: Path) -> set[str]:
    """The anchors that GitHub gives to headings: lower case, no punctuation, hyphens for blanks."""
    headings = HEADING.findall(FENCED.sub("", file.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def _steps(node: object) -> Iterator[dict[str, Any]]:
    """Every mapping in a workflow, or in a part of one, that uses our action or could be its step."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _steps(value)
    elif isinstance(node, list):
        for value in node:
            yield from _steps(value)


def _examples() -> Iterator[Any]:
    for name in ("README.md", DOCS, "docs/events.md"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        for number, (language, content) in enumerate(FENCED.findall(text), start=1):
            if language == "yaml":
                yield pytest.param(content, id=f"{name}-{number}")


EXAMPLES = tuple(_examples())


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_use_only_inputs_that_there_are_with_values_that_they_take(example: str) -> None:
    known = {one.name for one in INPUTS}
    for step in _steps(yaml.safe_load(example)):
        ours = step.get("uses") == OUR_ACTION or ("with" in step and "uses" not in step)
        if ours and "with" in step:
            given = {name: _as_runner(value) for name, value in step["with"].items()}
            assert set(given) <= known
            parse({"root": "/Volumes/main/libraries/released", **given})


def _as_runner(value: object) -> str:
    """A value of `with:` as the runner hands it over; the digest of a plan job for its output."""
    if re.fullmatch(r"\$\{\{ needs\.\w+\.outputs\.plan-digest( \|\| 'missing')? \}\}", str(value)):
        return "9c" * 32
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_read_only_outputs_that_there_are(example: str) -> None:
    known = {one.name for one in OUTPUTS}
    assert set(re.findall(r"outputs\.([\w-]+)", example)) <= known


def test_the_readme_names_every_mode_and_shows_real_commands() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert all(f"`{mode.value}`" in readme for mode in Mode)
    targets = set(re.findall(r"^(\w[\w-]*):", (REPOSITORY / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make ([\w-]+)", readme, re.M)) <= targets
