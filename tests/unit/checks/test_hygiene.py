from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from deployer.checks.hygiene import findings_of
from deployer.library.model import Kind, Library


def codes(*requires: str, top_level: tuple[str, ...] = ("retail",)) -> list[str]:
    library = Library(
        kind=Kind.WHEEL,
        name=canonicalize_name("retail"),
        display_name="retail",
        version=Version("1.0"),
        file_name="retail-1.0-py3-none-any.whl",
        sha256="0" * 64,
        size=1,
        requires=requires,
        top_level=top_level,
    )
    return [finding.code for finding in findings_of(library)]


def test_a_clean_wheel_has_no_findings() -> None:
    assert codes("requests>=2", "pandas; extra == 'pandas'") == []


@pytest.mark.parametrize(
    "line",
    [
        "pyspark==3.5.0",
        "delta-spark",
        "Databricks_Connect>=16",
        "pyspark[sql]>=3; python_version > '3'",
    ],
)
def test_what_the_runtime_brings_must_not_be_a_hard_dependency(line: str) -> None:
    assert codes(line) == ["runtime-dependency"]


@pytest.mark.parametrize(
    "line", ["pyspark==3.5.0; extra == 'dev'", "pyspark-extensions", "this is no requirement !"]
)
def test_extras_and_other_names_are_fine(line: str) -> None:
    assert codes(line) == []


def test_tests_must_not_be_installed_for_everyone() -> None:
    assert codes(top_level=("retail", "tests")) == ["top-level-tests"]
