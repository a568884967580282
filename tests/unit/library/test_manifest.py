"""MANIFEST.MF and pom.properties as JVMs and Maven write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.library.manifest import parse_manifest, parse_properties
from tests.jars import manifest_bytes, pom

_values = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Z"]), max_size=300)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_-]{0,60}", fullmatch=True), _values))
def test_every_manifest_is_read_as_it_was_written(attributes: dict[str, str]) -> None:
    attributes.pop("manifest-version", None)
    expected = {"manifest-version": "1.0", **attributes}
    assert parse_manifest(manifest_bytes(attributes)) == expected


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_lines_end_in_three_ways_and_the_main_section_at_an_empty_one(end: bytes) -> None:
    lines = [b"Main-Class: com.ac", b" me.Main", b"X:", b"", b"Name: com/acme/", b"Main-Class: no"]
    assert parse_manifest(end.join(lines)) == {"main-class": "com.acme.Main", "x": ""}


def test_a_character_that_is_cut_in_two_is_whole_again() -> None:
    assert parse_manifest("Title: ü".encode()[:-1] + b"\n " + "ü".encode()[1:]) == {"title": "ü"}


def test_properties_are_read_as_maven_writes_them() -> None:
    assert parse_properties(pom("etl_2.12", "1.2.0")[1]) == {
        "artifactId": "etl_2.12",
        "groupId": "com.acme",
        "version": "1.2.0",
    }
    text = b"# version=1\n! version=2\r\n version : 3 = 4 \nnothing\n"
    assert parse_properties(text) == {"version": "3 = 4"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read(content: bytes) -> None:
    parse_manifest(content)
    parse_properties(content)
