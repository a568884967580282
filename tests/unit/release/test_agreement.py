"""Which tags are a library's, and which version they name."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from deployer.errors import FailureReason
from deployer.library.file import read_library
from deployer.library.model import Library
from deployer.release.agreement import (
    disagreement,
    is_prerelease,
    named_version,
    version_of_tag,
)
from tests.jars import make_jar
from tests.wheels import make_wheel

NAMES = frozenset({"retail-metrics"})


def library(name: str = "retail-metrics", version: str = "1.4.0") -> Library:
    file_name, content = make_wheel(name, version)
    return read_library(file_name, BytesIO(content))


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("v1.4.0", "1.4.0"),
        ("1.4.0", "1.4.0"),
        ("V1.4", "1.4.0"),
        ("refs/tags/v1.4.0", "1.4.0"),
        ("v1.4.0-rc.1", "1.4.0rc1"),
        ("v1.4.0rc1", "1.4.0rc1"),
        ("v1.4.0.post1", "1.4.0.post1"),
        ("retail-metrics-v1.4.0", "1.4.0"),
        ("retail_metrics/1.4.0", "1.4.0"),
        ("Retail.Metrics@1.4.0", "1.4.0"),
        ("retail-metrics/v1.4.0-rc.1", "1.4.0rc1"),
        ("retail_metrics_1.4.0", "1.4.0"),
    ],
)
def test_a_tag_names_a_version_in_every_form_that_is_promised(tag: str, version: str) -> None:
    assert version_of_tag(tag, NAMES) == Version(version)


@pytest.mark.parametrize(
    "tag",
    ["", "latest", "v", "other-v1.4.0", "metrics-v1.4.0", "retail-metrics", "retail-metrics-v",
     "retail-metrics-2-v1.4.0", "nightly-2024-01-15", "2024-01-15", "x" * 10_000, "-1.4.0"],
)  # fmt: skip
def test_a_tag_of_something_else_names_no_version_of_the_library(tag: str) -> None:
    assert version_of_tag(tag, NAMES) is None


def test_a_search_by_version_finds_the_tags_of_any_library() -> None:
    assert named_version("refs/tags/glow-v2.0.1") == Version("2.0.1")
    assert named_version("v2.0.1") == Version("2.0.1")
    assert named_version("2024-01-15") is None
    assert named_version("nightly-2024-01-15") is None


def test_a_library_agrees_with_its_tag_in_either_spelling() -> None:
    assert disagreement("v1.4.0-rc.1", library(version="1.4.0rc1")) is None
    assert disagreement("refs/tags/retail-metrics-v1.4.0", library()) is None


@pytest.mark.parametrize("tag", ["v1.4.1", "v1.4.0-rc.1", "main", "other-v1.4.0", "v1.4.0+abc"])
def test_a_tag_that_says_something_else_is_told_with_both_versions(tag: str) -> None:
    problem = disagreement(tag, library())
    assert problem is not None
    assert problem.reason is FailureReason.TAG_MISMATCH
    assert tag in problem.title
    assert "retail-metrics 1.4.0" in problem.title
    assert "v1.4.0" in problem.remedy


def test_the_scala_suffix_of_a_jar_may_be_missing_in_its_tag() -> None:
    file_name, content = make_jar("retail-metrics_2.12", "1.4.0")
    jar = read_library(file_name, BytesIO(content))
    for tag in ("retail-metrics-v1.4.0", "retail-metrics_2.12-v1.4.0", "v1.4.0"):
        assert disagreement(tag, jar) is None, tag


@pytest.mark.parametrize(
    ("version", "pre"),
    [("1.4.0", False), ("1.4.0.post1", False), ("1.4.0rc1", True), ("1.4.0.dev3", True)],
)
def test_only_what_comes_before_a_final_is_a_pre_release(version: str, pre: bool) -> None:
    assert is_prerelease(Version(version)) is pre


VERSIONS = st.builds(
    lambda release, pre: Version(".".join(map(str, release)) + pre),
    st.lists(st.integers(0, 3000), min_size=3, max_size=3),
    st.sampled_from(["", "a1", "rc2", ".post3", ".dev4"]),
)


@given(VERSIONS, st.sampled_from(["", "v", "retail-metrics-v", "retail_metrics/", "refs/tags/v"]))
def test_the_tag_that_is_made_from_a_version_names_that_version(
    version: Version, before: str
) -> None:
    assert version_of_tag(f"{before}{version}", NAMES) == version


@given(st.text(max_size=300))
def test_any_text_can_be_asked_for_its_version(text: str) -> None:
    version_of_tag(text, NAMES)
    named_version(text)
    disagreement(text, library())
