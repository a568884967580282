"""How versions are read, ordered and mapped; the tables are those of the module's docstring."""

from collections.abc import Iterator

import pytest
import semver
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.version import Version

from deployer.library import versions
from deployer.library.versions import (
    from_semver,
    is_final,
    major_line,
    next_free,
    parse_jar_version,
    parse_tag,
    parse_version,
    same_minor_line,
    spelled_for_jars,
    to_semver,
)


def table(heading: str) -> Iterator[tuple[str, str]]:
    """The first two columns of the table with this heading, from the module's docstring."""
    lines = iter((versions.__doc__ or "").splitlines())
    assert any(line.startswith(heading) for line in lines), heading
    for line in lines:
        if not line.startswith("|"):
            return
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not cells[0].startswith("-"):
            yield cells[0], cells[1]


BOTH_WAYS = list(table("| PEP 440"))
FROM_SEMVER = list(table("| SemVer"))


def test_the_tables_are_found() -> None:
    assert (len(BOTH_WAYS), len(FROM_SEMVER)) == (13, 7)


@pytest.mark.parametrize(("pep440", "expected"), BOTH_WAYS)
def test_pep_440_maps_to_semver_and_back_as_the_table_says(pep440: str, expected: str) -> None:
    if expected == "error":
        with pytest.raises(ValueError, match=r"SemVer|post-release"):
            to_semver(Version(pep440))
        return
    assert str(to_semver(Version(pep440))) == expected
    assert from_semver(semver.Version.parse(expected)) == Version(pep440)


@pytest.mark.parametrize(("text", "expected"), FROM_SEMVER)
def test_semver_maps_to_pep_440_as_the_table_says(text: str, expected: str) -> None:
    if expected == "error":
        with pytest.raises(ValueError, match="PEP 440 has no"):
            from_semver(semver.Version.parse(text))
        return
    assert str(from_semver(semver.Version.parse(text))) == expected


three_numbers = st.lists(st.integers(0, 99), min_size=1, max_size=3).map(
    lambda numbers: ".".join(map(str, numbers))
)
suffixes = st.tuples(
    st.sampled_from(["", "a0", "b2", "rc10"]),
    st.sampled_from(["", ".post0", ".post3"]),
    st.sampled_from(["", ".dev0", ".dev12"]),
    st.sampled_from(["", "+abc", "+1.x.07", "+ubuntu-1"]),
).map("".join)
any_version = st.builds(lambda release, tail: Version(release + tail), three_numbers, suffixes)


@given(any_version)
def test_every_version_that_semver_can_express_survives_the_way_there_and_back(
    version: Version,
) -> None:
    assert from_semver(to_semver(version)) == version


@given(any_version, any_version)
def test_finals_and_numbered_pre_releases_keep_their_order_in_semver(
    one: Version, other: Version
) -> None:
    for version in (one, other):
        assume(version.dev is None and version.post is None and version.local is None)
    assert (one < other) == (to_semver(one) < to_semver(other))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.2.9", "1.2.10"),
        ("2.9", "2.10"),
        ("1.2.0.dev9", "1.2.0a1"),
        ("1.2.0a1", "1.2.0b1"),
        ("1.2.0b9", "1.2.0rc1"),
        ("1.2.0rc9", "1.2.0rc10"),
        ("1.2.0rc10", "1.2.0"),
        ("1.2.0", "1.2.0+local"),
        ("1.2.0+local", "1.2.0.post1"),
        ("1.2.0.post1", "1.2.1.dev0"),
        ("2024.3.1", "1!0.1"),
    ],
)
def test_versions_have_the_order_of_pep_440(older: str, newer: str) -> None:
    assert Version(older) < Version(newer)


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("v1.4.2", "1.4.2"),
        ("1.4.2", "1.4.2"),
        ("V1.4", "1.4"),
        ("refs/tags/v1.4.2", "1.4.2"),
        ("v1.4.2-rc.1", "1.4.2rc1"),
        ("v1.4.2rc1", "1.4.2rc1"),
        ("v1.4.2.post1", "1.4.2.post1"),
        ("v1.4.2+build.7", "1.4.2+build.7"),
        ("v1.4.2-rc.1+a-b", "1.4.2rc1+a.b"),
    ],
)
def test_a_tag_names_a_version(tag: str, version: str) -> None:
    assert parse_tag(tag) == Version(version)


@pytest.mark.parametrize(
    "tag", ["", "v", "latest", "release", "v1.4.2-1", "v1.4.2-g1a2b3c4", "my-lib-1.0"]
)
def test_a_tag_that_is_no_version_is_an_error(tag: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        parse_tag(tag)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.1-SNAPSHOT", "0.1.dev0"),
        ("3.1.0-M3", "3.1.0b3"),
        ("1.0-RC2", "1.0rc2"),
        ("1.0-beta-2", "1.0b2"),
        ("4.1.96.Final", "4.1.96"),
        ("5.0.0.RELEASE", "5.0.0"),
        ("1.0-GA", "1.0"),
        ("31.1-jre", None),
        ("3.3.0-9.2.0", None),
        ("9.4.0.jre8", None),
        ("1.0-1", None),
        ("", None),
    ],
)
def test_a_jar_version_has_a_place_in_the_order_or_none(text: str, version: str | None) -> None:
    found = parse_jar_version(text)
    assert (str(found) if found else None) == version


@given(st.text())
def test_reading_a_version_never_raises(text: str) -> None:
    for found in (parse_version(text), parse_jar_version(text)):
        assert found is None or isinstance(found, Version)


def test_a_version_longer_than_people_write_is_none() -> None:
    assert parse_version("9" * 5000) is None
    assert parse_jar_version("1.0-rc" + "9" * 5000) is None


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("1.2.3", (0, 1)),
        ("1.9", (0, 1)),
        ("0.4.1", (0, 0, 4)),
        ("0.5", (0, 0, 5)),
        ("1!2.0", (1, 2)),
    ],
)
def test_zero_minors_are_major_lines_of_their_own(version: str, line: tuple[int, ...]) -> None:
    assert major_line(Version(version)) == line


def test_jars_have_their_own_spelling_that_reads_as_the_same_version() -> None:
    for text in ("1.2.0.dev1", "1.2.0rc2", "1.2.0a3", "1.2.3", "1.2.3.4"):
        assert parse_jar_version(spelled_for_jars(Version(text))) == Version(text)
    assert spelled_for_jars(Version("1.2.0rc2")) == "1.2.0-rc.2"
    assert spelled_for_jars(Version("1.2.3.4")) == "1.2.3.4"


def test_all_of_zero_is_one_line_when_the_policy_says_so() -> None:
    lines = {major_line(Version(v), zero_minor_is_major=False) for v in ("0.4.1", "0.5", "0.5rc1")}
    assert lines == {(0, 0)}


@given(any_version, any_version)
def test_one_minor_line_is_inside_one_major_line(one: Version, other: Version) -> None:
    if same_minor_line(one, other):
        assert major_line(one) == major_line(other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("1.2", "1.2.9", True), ("1.2.0", "1.3.0", False), ("1!1.2", "1.2", False)],
)
def test_a_minor_line_is_epoch_major_and_minor(one: str, other: str, same: bool) -> None:
    assert same_minor_line(Version(one), Version(other)) is same


@pytest.mark.parametrize("version", ["1.0", "1.0.post1", "1!1.0"])
def test_finals_and_post_releases_are_final(version: str) -> None:
    assert is_final(Version(version))


@pytest.mark.parametrize("version", ["1.0rc1", "1.0.dev1", "1.0+local", "1.0.post1.dev2"])
def test_pre_releases_dev_releases_and_local_versions_are_not_final(version: str) -> None:
    assert not is_final(Version(version))


@pytest.mark.parametrize(
    ("version", "taken", "free"),
    [
        ("1.2.0", [], "1.2.1"),
        ("1.2", ["1.2.1", "1.2.2", "1.2.4"], "1.2.3"),
        ("1.2.0rc1", ["1.2.0rc2"], "1.2.0rc3"),
        ("1.2.0.dev4", [], "1.2.0.dev5"),
        ("1.2.0rc1.dev4", [], "1.2.0rc1.dev5"),
        ("1.2.0+local", ["1.2.1"], "1.2.2"),
        ("1.2.0.post1", [], "1.2.1"),
        ("1!1.2.3.4", [], "1!1.2.4"),
    ],
)
def test_the_next_free_version_is_of_the_same_sort(
    version: str, taken: list[str], free: str
) -> None:
    assert str(next_free(Version(version), map(Version, taken))) == free


@given(any_version, st.sets(any_version, max_size=5))
def test_the_next_free_version_is_free_newer_and_on_the_same_line(
    version: Version, taken: set[Version]
) -> None:
    free = next_free(version, taken)
    assert free not in taken
    assert free > version
    assert same_minor_line(free, version)
    assert free.is_prerelease == version.is_prerelease
