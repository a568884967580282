"""A jar is read from its content, and everything that is wrong with it is told at once."""

from __future__ import annotations

import hashlib
import zipfile
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.version import Version

from deployer.library.archive import Limits
from deployer.library.model import Distribution, Kind, Library
from tests.jars import make_jar, manifest_bytes, pom
from tests.unit.library.reading import (
    Made,
    library_or_problem,
    mutations_of,
    problems_of,
    read,
    the_problem_of,
)
from tests.wheels import EPOCH, zip_bytes


def test_a_jar_is_what_its_content_says() -> None:
    made = make_jar(
        "Sales_Metrics_2.12",
        "1.2.0-SNAPSHOT",
        classes=["com.acme.Main", "com.acme.Main$", "Top", "META-INF.versions.17.com.acme.New"],
        manifest={
            "Implementation-Title": "Sales_Metrics",
            "Implementation-Version": "1.2.0-SNAPSHOT",
            "Main-Class": "com.acme.Main",
        },
        members=[("com/acme/data.csv", b"1"), ("com/acme/", b"")],
    )
    assert read(made) == Library(
        kind=Kind.JAR,
        name="sales-metrics-2-12",  # type: ignore[arg-type]
        display_name="Sales_Metrics_2.12",
        version=Version("1.2.0.dev0"),
        file_name="Sales_Metrics_2.12-1.2.0-SNAPSHOT.jar",
        sha256=hashlib.sha256(made[1]).hexdigest(),
        size=len(made[1]),
        scala="2.12",
        main_class="com.acme.Main",
        classes=frozenset({"com.acme.Main", "com.acme.Main$", "Top", "com.acme.New"}),
    )


def test_a_snapshot_is_a_pre_release() -> None:
    assert read(make_jar("etl", "1.2.0-SNAPSHOT")).version.is_prerelease


def test_the_classifier_belongs_to_what_versions_have_in_common() -> None:
    library = read(make_jar("etl", "1.2.0", classifier="Assembly"))
    assert library.file_name == "etl-1.2.0-Assembly.jar"
    assert library.distribution == Distribution("etl", Kind.JAR, "assembly")  # type: ignore[arg-type]
    assert library.distribution != read(make_jar("etl", "1.2.0")).distribution


def test_a_jar_without_metadata_is_what_its_file_name_says() -> None:
    library = read(make_jar("etl_2.13", "0.1", manifest=b""))
    assert (library.name, str(library.version), library.scala) == ("etl-2-13", "0.1", "2.13")
    assert library.main_class == ""


# Which of several statements counts


@pytest.mark.parametrize(
    "poms",
    [
        [("etl_2.12", "1.2.0")],
        [("jackson-core", "2.15.2"), ("etl_2.12", "1.2.0"), ("etl-api", "9.0")],
        [("etl", "1.2.0")],
        [("etl", "${revision}")],
        [("jackson-core", "2.15.2"), ("netty-all", "4.1.96.Final")],
        [],
    ],
)
def test_of_several_pom_properties_the_one_of_this_artifact_counts(
    poms: list[tuple[str, str]],
) -> None:
    library = read(make_jar("etl_2.12", "1.2.0", poms=poms, manifest=b""))
    assert (library.name, str(library.version)) == ("etl-2-12", "1.2.0")


def test_pom_properties_without_an_artifact_say_nothing() -> None:
    member = ("META-INF/maven/com.acme/x/pom.properties", b"version=2.0\n")
    assert str(read(make_jar("etl", "1.2.0", manifest=b"", members=[member])).version) == "1.2.0"


def test_a_dependency_s_pom_properties_are_none_of_a_jar_whose_manifest_says_what_it_is() -> None:
    library = read(make_jar("etl-assembly", "1.2.0", poms=[("jackson-core", "2.15.2")]))
    assert library.name == "etl-assembly"


def test_the_scala_version_may_stand_in_pom_properties_only() -> None:
    library = read(make_jar("etl", "1.2.0", poms=[("etl_2.13", "1.2.0")]))
    assert (library.name, library.scala) == ("etl", "2.13")


AGREEING = [
    ("etl-1.2.0.jar", {"Implementation-Title": "com.acme.etl", "Implementation-Version": "1.2.0"}),
    ("etl-1.2.0.jar", {"Implementation-Title": "The ETL of Acme", "Implementation-Version": "1.2"}),
    ("etl-1.2.0.jar", {"Implementation-Title": "ETL", "Implementation-Version": "build57"}),
    ("etl-1.2.0.jar", {"Implementation-Version": "1.2.0+abc7"}),
    ("etl-1.2.0+abc7.jar", {"Implementation-Version": "1.2.0"}),
    ("etl-assembly-1.2.0.jar", {"Implementation-Title": "etl", "Implementation-Version": "1.2.0"}),
    ("etl-1.2.0-SNAPSHOT.jar", {"Bundle-Version": "1.2.0.SNAPSHOT"}),
    (
        "etl-1.2.0.jar",
        {"Bundle-SymbolicName": "com.acme.etl;singleton:=true", "Bundle-Version": "1.2.0.20250101"},
    ),
    ("etl-1.2.0.jar", {"Implementation-Title": "etl"}),
    ("etl-1.2.0.jar", {"Implementation-Title": "core", "Implementation-Version": "1.2.0"}),
    ("etl-1.2.0.jar", {"Implementation-Title": "Shaded X", "Implementation-Version": "3.0"}),
    ("etl-1.2.0.jar", {"Bundle-SymbolicName": "etl", "Bundle-Version": "1.2.1000001.19010"}),
    ("etl-1.2.0.jar", {"Specification-Title": "other", "Specification-Version": "3.0"}),
]


@pytest.mark.parametrize(("file_name", "manifest"), AGREEING)
def test_a_manifest_that_says_nothing_else_is_fine(
    file_name: str, manifest: dict[str, str]
) -> None:
    assert read(make_jar("etl", "1.2.0", manifest=manifest, file_name=file_name)).size


def test_the_content_decides_between_two_readings_of_a_file_name() -> None:
    name = "log4j-1.2-api-2.17.1.jar"
    by_pom = make_jar("", "", poms=[("log4j-1.2-api", "2.17.1")], manifest=b"", file_name=name)
    by_manifest = make_jar("", "", manifest={"Implementation-Version": "2.17.1"}, file_name=name)
    by_bundle = make_jar("", "", manifest={"Bundle-Version": "2.17.1.v2025"}, file_name=name)
    for made in (by_pom, by_manifest, by_bundle):
        assert (read(made).name, str(read(made).version)) == ("log4j-1-2-api", "2.17.1")
    found = the_problem_of(make_jar("", "", manifest=b"", file_name=name))
    assert "can be read in several ways" in found
    assert "Implementation-Version" in found


# Contradictions, and files that don't say what they are

CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"poms": [("etl", "1.3.0")]}, "'etl 1.3.0' by its pom.properties"),
    ({"poms": [("etl", "1.3.0"), ("other", "1.2.0")]}, "'etl 1.3.0' by its pom.properties"),
    ({"poms": [("other", "1.2.0")], "manifest": b""}, "'other 1.2.0' by its pom.properties"),
    (
        {"poms": [("other", "1.2.0")], "manifest": {"Implementation-Title": "etl"}},
        "'other 1.2.0' by its pom.properties",
    ),
    ({"manifest": {"Implementation-Version": "1.3.0"}}, "'1.3.0' by its manifest"),
    (
        {"manifest": {"Implementation-Title": "ETL", "Implementation-Version": "1.3.0"}},
        "'ETL 1.3.0' by its manifest",
    ),
    (
        {"manifest": {"Implementation-Title": "com.acme.etl", "Implementation-Version": "1.3.0"}},
        "'com.acme.etl 1.3.0' by its manifest",
    ),
    (
        {
            "manifest": {"Implementation-Title": "etl", "Implementation-Version": "1.3.0"},
            "file_name": "etl-assembly-1.2.0.jar",
        },
        "'etl 1.3.0' by its manifest",
    ),
    (
        {"manifest": {"Implementation-Version": "1.2.0+b"}, "file_name": "etl-1.2.0+a.jar"},
        "'1.2.0+b' by its manifest",
    ),
    ({"manifest": {"Implementation-Version": "1.2.0-SNAPSHOT"}}, "'1.2.0-SNAPSHOT' by"),
    ({"poms": [("etl_2.13", "1.2.0")], "file_name": "etl_2.12-1.2.0.jar", "manifest": b""}, "2.13"),
]


@pytest.mark.parametrize(("options", "problem"), CONTRADICTIONS)
def test_content_that_says_something_else_than_the_file_name_is_refused(
    options: dict[str, Any], problem: str
) -> None:
    found = the_problem_of(make_jar("etl", "1.2.0", **options))
    assert problem in found
    assert "but the file name says etl" in found


def test_a_continued_line_of_the_manifest_is_one_line() -> None:
    # The version's digits fall on the border of two lines of 72 bytes.
    value = "1.2.0+" + "a" * 60
    assert b"\r\n " in manifest_bytes({"Implementation-Version": value})
    assert read(make_jar("etl", value)).version == Version(value)


MISNAMED = [
    ("etl.jar", "It has no version."),
    ("etl-latest-2024-x.jar", "Its version can't be ordered."),
    ("guava-31.1-jre.jar", "Its version can't be ordered."),
    ("etl-${version}.jar", "placeholder"),
    ("etl-*.jar", "asterisk"),
    (".jar", "It has no name"),
    ("etl-1.0 (1).jar", "characters that no library name has"),
    ("7358978e_47b5_430d_8e6b_3b5fdf4c4f65-etl_1_2_0-2b027.jar", "upload dialog"),
]


@pytest.mark.parametrize(("file_name", "why"), MISNAMED)
def test_a_file_name_without_a_certain_version_is_refused_with_a_better_name(
    file_name: str, why: str
) -> None:
    found = the_problem_of(make_jar("etl_2.12", "1.2.0", file_name=file_name, manifest=b""))
    assert why in found
    assert "ARTIFACT-VERSION.jar" in found
    untitled = make_jar("", "", file_name=file_name, manifest={"Implementation-Version": "9.0"})
    assert "such as my-lib_2.13-1.2.0.jar" in the_problem_of(untitled)
    stated = make_jar("", "", file_name=file_name, poms=[("etl_2.12", "1.2.0")], manifest=b"")
    assert "such as etl_2.12-1.2.0.jar" in the_problem_of(stated)


def test_what_is_told_to_paste_holds_no_strange_characters_of_the_file() -> None:
    made = make_jar("etl", "", file_name="etl.jar", poms=[("$(rm -rf x)", "1.0")], manifest=b"")
    assert "rm -rf" not in the_problem_of(made)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"just text", "is no complete zip archive"),
        (make_jar("etl", "1.0")[1][:-30], "is no complete zip archive"),
        (b"#!/bin/sh\n" + make_jar("etl", "1.0")[1], "other data in front"),
    ],
)
def test_what_is_no_sound_jar_is_refused(content: bytes, problem: str) -> None:
    found = the_problem_of(("etl-1.0.jar", content))
    assert problem in found
    assert "Build the jar again" in found


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        ("../evil.class", "outside the folder"),
        ("com\\evil.class", "backslashes, control characters or empty parts"),
    ],
)
def test_a_dangerous_member_is_refused(member: str, problem: str) -> None:
    assert problem in the_problem_of(make_jar("etl", "1.0", members=[(member, b"x")]))


def test_a_folder_may_have_any_mode() -> None:
    folder = zipfile.ZipInfo("META-INF/maven/", EPOCH)
    folder.create_system, folder.external_attr = 3, 0o120777 << 16
    assert read(make_jar("etl", "1.0", members=[(folder, b"")])).name == "etl"


def test_names_that_clash_are_fine_because_a_jvm_unpacks_nothing() -> None:
    clashing = [("META-INF/LICENSE", b"1"), ("META-INF/LICENSE", b"2"), ("META-INF/LICENSE/x", b"")]
    assert read(make_jar("etl", "1.0", members=clashing)).name == "etl"


def test_a_damaged_member_is_named() -> None:
    file_name, content = make_jar("etl", "1.0", members=[("data.bin", bytes(range(256)))])
    start = content.index(b"data.bin") + len("data.bin")
    damaged = content[: start + 20] + b"\xff\xff\xff" + content[start + 23 :]
    assert "damaged and can't be read. 'data.bin'" in the_problem_of((file_name, damaged))


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(members=1), "holds 2 members; at most 1"),
        (Limits(uncompressed=20), "bytes; at most 20 are allowed"),
        (Limits(metadata=20), "metadata has at most 20"),
    ],
)
def test_every_limit_holds(limits: Limits, problem: str) -> None:
    assert problem in the_problem_of(make_jar("etl", "1.0"), limits=limits)


def test_all_problems_of_a_file_are_listed_at_once() -> None:
    made = make_jar("etl", "1.0", file_name="etl.jar", members=[("../x", b""), ("y//z", b"")])
    expected = ["outside the folder", "empty parts", "file name that is no released jar's"]
    found = problems_of(made)
    assert len(found) == len(expected)
    assert all(part in problem for part, problem in zip(expected, found, strict=True))


# Whatever the bytes are, the result is the library or a problem

SOUND = make_jar("etl_2.12", "1.2.0", poms=[("etl_2.12", "1.2.0"), ("jackson", "2.0")])


@given(mutations_of(SOUND))
def test_mutated_bytes_give_the_same_library_or_a_problem(made: Made) -> None:
    library = library_or_problem(made)
    assert library is None or (library.name, str(library.version)) == ("etl-2-12", "1.2.0")


texts = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(
                ["Implementation-Title: etl", "Implementation-Version: 1.2.0", " 1", "", "Name: a/",
                 "Bundle-Version: 1.2.0.x", "Bundle-SymbolicName: ;", "version=1.2.0", "artifactId=etl",
                 "artifactId:other", "# x", "Main-Class", ":", "="]
            ),
        )
    ).map(lambda lines: "\r\n".join(lines).encode("utf-8", "surrogatepass")),
)  # fmt: skip
names = st.one_of(
    st.text(max_size=20).map(lambda text: f"{text}.jar"),
    st.sampled_from(["etl-1.2.0.jar", "etl_2.12-1.2.0-sources.jar", "a-1-b-2.jar", "etl-1-2.jar"]),
)


@given(manifest=texts, properties=texts, file_name=names)
@example(b"Implementation-Version: " + b"9" * 5000, b"version=" + b"9" * 5000, "etl-1.2.0.jar")
@example(b"Bundle-Version: .", b"artifactId=_2.12\nversion=1", "x_2.12-1.jar")
@example(b"Bundle-Version: 1!1.0", b"artifactId=-", "--1.jar")
def test_any_text_in_the_metadata_gives_a_library_or_a_problem(
    manifest: bytes, properties: bytes, file_name: str
) -> None:
    path, _ = pom("a", "1")
    made = make_jar("", "", manifest=manifest, file_name=file_name, members=[(path, properties)])
    library = library_or_problem(made)
    if library is not None:
        assert library.version is not None
        assert library.classes == {"com.acme.Main"}


@given(st.binary(max_size=300))
def test_random_bytes_are_a_problem(content: bytes) -> None:
    assert library_or_problem(("etl-1.2.0.jar", content)) is None


@given(st.text(max_size=30))
def test_any_file_name_gives_a_library_or_a_problem(file_name: str) -> None:
    for ending in ("", ".jar", ".egg", ".whl", ".JAR"):
        library_or_problem((file_name + ending, zip_bytes([("a.class", b"")])))
