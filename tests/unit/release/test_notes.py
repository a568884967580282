"""The notes of a release are its section of the changelog, within GitHub's limit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from deployer.release.notes import LIMIT, fitting, section

CHANGELOG = """\
# Changelog

All notable changes.

## [Unreleased]

### Added
- Something to come.

## [1.10.0] - 2024-03-01

### Added
- A report by region ([#12]), see [docs][guide].

```sh
## [1.4.0] is no heading here
```

### Fixed
- Rounding.

## [1.4.0] - 2024-02-01 [YANKED]
- First.

## 0.9.0 (2023-12-31)

[Unreleased]: https://example.com/compare/v1.10.0...HEAD
[1.10.0]: https://example.com/releases/v1.10.0
[#12]: https://example.com/issues/12
[GUIDE]: https://example.com/guide
"""


def test_a_section_is_everything_below_its_heading_with_the_links_that_it_uses() -> None:
    assert section(CHANGELOG, Version("1.10.0")) == (
        "### Added\n"
        "- A report by region ([#12]), see [docs][guide].\n"
        "\n"
        "```sh\n"
        "## [1.4.0] is no heading here\n"
        "```\n"
        "\n"
        "### Fixed\n"
        "- Rounding.\n"
        "\n"
        "[#12]: https://example.com/issues/12\n"
        "[GUIDE]: https://example.com/guide"
    )


def test_a_section_ends_where_the_next_version_begins() -> None:
    assert section(CHANGELOG, Version("1.4.0")) == "- First."


@pytest.mark.parametrize("version", ["1.1.0", "1.10.1", "2024", "0.9.0", "1.10.0rc1"])
def test_a_version_without_a_section_or_with_an_empty_one_has_no_notes(version: str) -> None:
    assert section(CHANGELOG, Version(version)) == ""


@pytest.mark.parametrize(
    "heading",
    [
        "## [1.4.0] - 2024-02-01",
        "## 1.4.0",
        "# v1.4.0",
        "## v1.4.0 (2024-02-01)",
        "## [1.4.0](https://example.com/compare) (2024-02-01)",
        "### retail-metrics 1.4.0",
        "## Version 1.4.0",
        "## retail-metrics-v1.4.0",
        "  ## 1.4 ##",
        "## [v1.4.0] — 2024-02-01",
    ],
)
def test_the_headings_of_the_usual_tools_are_found(heading: str) -> None:
    assert section(f"{heading}\n\n- It.\n\n{heading[:3].strip()}# more\n", Version("1.4.0"))


def test_our_own_changelog_and_the_example_library_have_sections() -> None:
    example = Path("examples/library/CHANGELOG.md").read_text(encoding="utf-8")
    assert section(example, Version("1.4.0"))


def test_what_fits_stays_as_it_is() -> None:
    assert (
        fitting("- <b>Bold</b> & @somebody ::error::\n") == "- <b>Bold</b> & @somebody ::error::\n"
    )


def test_long_notes_are_cut_after_a_whole_line_and_say_so() -> None:
    text = "".join(f"- change {number}\n" for number in range(20_000))
    cut = fitting(text)
    assert len(cut) <= LIMIT
    assert "_These notes were cut here" in cut
    last = cut.splitlines()[-3]
    assert f"{last}\n" in text


def test_a_cut_inside_a_code_block_closes_it() -> None:
    cut = fitting("~~~~text\n" + "x\n" * LIMIT)
    assert cut.splitlines().count("~~~~") == 1
    assert cut.splitlines()[-1].startswith("_These notes")


def test_what_a_request_can_not_carry_is_taken_out() -> None:
    assert fitting("a\0b\ud800c") == "ab?c"


PIECES = st.lists(
    st.sampled_from(
        ["```\n", "~~~\n", "## 1.4.0\n", "# x\n", "text\n", "[a]: b\n", "[a]", "\0", "\n"]
    )
    | st.text(max_size=20)
).map("".join)


@given(PIECES, st.integers(300, 2000))
def test_any_notes_are_within_any_limit(text: str, limit: int) -> None:
    assert len(fitting(text * 20, limit)) <= limit


@given(PIECES)
def test_any_changelog_can_be_read(text: str) -> None:
    assert "\r" not in section(text, Version("1.4.0")) or "\r" in text
