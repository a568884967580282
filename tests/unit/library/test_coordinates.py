"""What a PyPI requirement or a Maven coordinate names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.library.coordinates import parse_maven, parse_requirement
from deployer.library.names import NameProblem, parse_file_name


@pytest.mark.parametrize(
    ("text", "name", "version", "extras"),
    [
        ("great_expectations==0.18.8", "great-expectations", "0.18.8", ()),
        ("glow.py==1.2.1", "glow-py", "1.2.1", ()),
        (
            "databricks-labs-dqx[datacontract]==0.16.0",
            "databricks-labs-dqx",
            "0.16.0",
            ("datacontract",),
        ),
        ("zope.interface==5.0; python_version < '3'", "zope-interface", "5.0", ()),
        ("a == 1.0  # why", "a", "1.0", ()),
        ("a==1.0 --hash=sha256:ab", "a", "1.0", ()),
        ("a===1.0", "a", "1.0", ()),
        ("a==1.0,>0.5", "a", "1.0", ()),
    ],
)
def test_a_requirement_pinned_to_one_version_is_exact(
    text: str, name: str, version: str, extras: tuple[str, ...]
) -> None:
    found = parse_requirement(text)
    assert (found.name, str(found.version), found.extras) == (name, version, extras)
    assert found.problem is None


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        ("Faker", "faker", NameProblem.NO_VERSION),
        ("psycopg[binary]", "psycopg", NameProblem.NO_VERSION),
        ("numpy==1.22.*", "numpy", NameProblem.WILDCARD),
        ("requests~=2.28.0", "requests", NameProblem.RANGE),
        ("beautifulsoup4[security, tests] ~= 4.12.3", "beautifulsoup4", NameProblem.RANGE),
        ("nest-asyncio>=1.6.0,<2", "nest-asyncio", NameProblem.RANGE),
        ("a==1.0,==2.0", "a", NameProblem.RANGE),
        ("a===anything", "a", NameProblem.INVALID_VERSION),
        ("a==" + "9" * 5000, "a", NameProblem.INVALID_VERSION),
        ("requests[x] @ https://github.com/psf/requests/main.zip", "requests", NameProblem.URL),
        ("git+https://github.com/databricks/databricks-cli", None, NameProblem.URL),
        ("git+https://h/x@v1#egg=foo_bar", "foo-bar", NameProblem.URL),
        ("my-lib==${var.version}", None, NameProblem.PLACEHOLDER),
        ("--index-url https://index.example/simple", None, NameProblem.NOT_A_REQUIREMENT),
        ("-e /Workspace/file.py", None, NameProblem.NOT_A_REQUIREMENT),
        ("", None, NameProblem.NOT_A_REQUIREMENT),
    ],
)
def test_a_requirement_without_one_version_says_why(
    text: str, name: str | None, problem: NameProblem
) -> None:
    found = parse_requirement(text)
    assert (found.name, found.version, found.problem) == (name, None, problem)


@pytest.mark.parametrize(
    ("text", "name", "version", "scala"),
    [
        ("mysql:mysql-connector-java:8.0.29", "mysql-connector-java", "8.0.29", ""),
        ("io.projectglow:glow-spark3_2.12:1.2.1", "glow-spark3-2-12", "1.2.1", "2.12"),
        ("org.playframework:play-json_2.13:3.1.0-M3", "play-json-2-13", "3.1.0b3", "2.13"),
        ("g:a:jar:tests:1.0", "a", "1.0", ""),
    ],
)
def test_a_maven_coordinate_names_artifact_and_version(
    text: str, name: str, version: str, scala: str
) -> None:
    found = parse_maven(text)
    assert (found.name, str(found.version), found.scala) == (name, version, scala)
    assert found.problem is None


@pytest.mark.parametrize(
    ("text", "problem", "raw_version"),
    [
        ("io.prophecy:prophecy-libs_2.12:3.3.0-9.2.0", NameProblem.INVALID_VERSION, "3.3.0-9.2.0"),
        ("g:a", NameProblem.NO_VERSION, ""),
        ("g:a:[1.0,2.0)", NameProblem.RANGE, "[1.0,2.0)"),
        ("g:a:LATEST", NameProblem.RANGE, "LATEST"),
        ("g:a:1.+", NameProblem.WILDCARD, "1.+"),
        ("g:a:${version}", NameProblem.PLACEHOLDER, "g:a:${version}"),
        ("no coordinate", NameProblem.NOT_A_REQUIREMENT, "no coordinate"),
    ],
)
def test_a_maven_coordinate_without_an_orderable_version_keeps_its_text(
    text: str, problem: NameProblem, raw_version: str
) -> None:
    found = parse_maven(text)
    assert (found.version, found.problem, found.raw_version) == (None, problem, raw_version)


def test_a_jar_and_its_coordinate_have_the_same_identity() -> None:
    jar = parse_file_name("glow-spark3_2.12-1.2.1.jar")
    coordinate = parse_maven("io.projectglow:glow-spark3_2.12:1.2.1")
    assert jar is not None
    assert jar.certain is not None
    assert (jar.certain.name, jar.certain.version) == (coordinate.name, coordinate.version)


@given(st.text())
def test_every_string_has_a_version_or_a_problem_but_not_both(text: str) -> None:
    for found in (parse_requirement(text), parse_maven(text)):
        assert (found.version is None) == (found.problem is not None)
