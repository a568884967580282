"""Which library and version a file name states, and when that is not certain."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from deployer.library.model import Distribution, Kind
from deployer.library.names import NameProblem, ParsedName, parse_file_name


def parsed(file_name: str) -> ParsedName:
    found = parse_file_name(file_name)
    assert found is not None
    return found


CERTAIN_WHEELS = [
    ("spark_forecast-0.1.0-py3-none-any.whl", "spark-forecast", "0.1.0", ""),
    ("REL_PY_DONOT_OPEN-1.0-py3-none-any.whl", "rel-py-donot-open", "1.0", ""),
    ("DirectSupply-0.0.0-py3-none-any.whl", "directsupply", "0.0.0", ""),
    ("glow.py-1.2.1-py3-none-any.whl", "glow-py", "1.2.1", ""),
    (
        "my_code-0.0.1+1755779192123456789-py3-none-any.whl",
        "my-code",
        "0.0.1+1755779192123456789",
        "",
    ),
    ("mlflow-0.0.1.dev0-py2-none-any.whl", "mlflow", "0.0.1.dev0", ""),
    ("lib-1!2.0-py2.py3-none-any.whl", "lib", "1!2.0", ""),
    ("deus_lib-0.1.0-202407221549-py3-none-any.whl", "deus-lib", "0.1.0", "202407221549"),
    (
        "numpy-2.1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "numpy",
        "2.1.0",
        "",
    ),
]
CERTAIN_IRREGULAR_WHEELS = [
    ("internal-package-0.1.1-py3-none-any.whl", "internal-package", "0.1.1", ""),
    ("internal-package-0.1.1-7-py3-none-any.whl", "internal-package", "0.1.1", "7"),
    ("mylib-1.2.0.whl", "mylib", "1.2.0", ""),
    ("my-lib-1.2.0.WHL", "my-lib", "1.2.0", ""),
    ("mylib-v1.2.0-py3-none-any.whl", "mylib", "1.2.0", ""),
    ("mylib-1.0.0-rc1-py3-none-any.whl", "mylib", "1.0.0rc1", ""),
    ("my__lib-1.0-py3-none-any.whl", "my-lib", "1.0", ""),
]


@pytest.mark.parametrize(
    ("file_name", "name", "version", "build"), CERTAIN_WHEELS + CERTAIN_IRREGULAR_WHEELS
)
def test_a_wheel_name_that_can_be_read_in_one_way_is_certain(
    file_name: str, name: str, version: str, build: str
) -> None:
    certain = parsed(file_name).certain
    assert certain is not None
    assert (certain.name, str(certain.version), certain.build) == (name, version, build)


UNCERTAIN = [
    ("test-package.whl", NameProblem.NO_VERSION, "test-package", ""),
    ("wheel1.whl", NameProblem.NO_VERSION, "wheel1", ""),
    ("CUSTOM.WHL", NameProblem.NO_VERSION, "custom", ""),
    ("mylib-py3-none-any.whl", NameProblem.NO_VERSION, "mylib", ""),
    (
        "tapioca_wrapper-quintoandar_1.5.1-py3-none-any.whl",
        NameProblem.INVALID_VERSION,
        "tapioca-wrapper",
        "quintoandar_1.5.1",
    ),
    (
        "ddo_transform-localdev-py2.py3-none-any.whl",
        NameProblem.INVALID_VERSION,
        "ddo-transform",
        "localdev",
    ),
    ("mylib-latest.whl", NameProblem.INVALID_VERSION, "mylib", "latest"),
    (
        "mylib-1.2.3-4-gabcdef0-py3-none-any.whl",
        NameProblem.INVALID_VERSION,
        "mylib",
        "1.2.3-4-gabcdef0",
    ),
    ("my_python_lib-VERSION-py3.5.egg", NameProblem.PLACEHOLDER, "my-python-lib", ""),
    ("my_lib-${var.v}-py3-none-any.whl", NameProblem.PLACEHOLDER, "my-lib", ""),
    ("my_lib-{{job.parameters.v-x}}-py3-none-any.whl", NameProblem.PLACEHOLDER, "my-lib", ""),
    ("my_lib-%V%-py3-none-any.whl", NameProblem.PLACEHOLDER, "my-lib", ""),
    ("microsoft-spark-<spark>-<version>.jar", NameProblem.PLACEHOLDER, "microsoft-spark", ""),
    ("cowsay-6.1-*.whl", NameProblem.WILDCARD, "cowsay", "6.1"),
    ("my_lib-1.0.0-py3-none-any (1).whl", NameProblem.INVALID_NAME, "my-lib", "1.0.0"),
    ("_lib-1.0.0-py3-none-any.whl", NameProblem.INVALID_NAME, "-lib", "1.0.0"),
    (
        "7358978e_47b5_430d_8e6b_3b5fdf4c4f65-mysql_connector_java_8_0_23-2b027.jar",
        NameProblem.MANGLED,
        "mysql-connector-java",
        "8_0_23",
    ),
    ("test.jar", NameProblem.NO_VERSION, "test", ""),
    ("REL_SC_PIP_DEP_MGMT_ALL.jar", NameProblem.NO_VERSION, "rel-sc-pip-dep-mgmt-all", ""),
    ("guava-31.1-jre.jar", NameProblem.INVALID_VERSION, "guava", "31.1-jre"),
    ("my_lib.egg", NameProblem.NO_VERSION, "my-lib", ""),
]


@pytest.mark.parametrize(("file_name", "problem", "name", "raw_version"), UNCERTAIN)
def test_a_name_without_a_certain_version_says_why_and_still_names_the_library(
    file_name: str, problem: NameProblem, name: str, raw_version: str
) -> None:
    found = parsed(file_name)
    assert found.problem is problem
    assert found.certain is None
    assert (found.candidates[0].name, found.candidates[0].raw_version) == (name, raw_version)


@pytest.mark.parametrize(
    ("file_name", "problem"),
    [
        (".jar", NameProblem.EMPTY_NAME),
        (" .whl", NameProblem.EMPTY_NAME),
        ("-1.0-py3-none-any.whl", NameProblem.EMPTY_NAME),
        ("*.whl", NameProblem.WILDCARD),
        ("${name}-1.0-py3-none-any.whl", NameProblem.PLACEHOLDER),
        ("1-" * 3000 + "1.jar", NameProblem.INVALID_NAME),
    ],
)
def test_a_name_that_names_nothing_has_no_candidates(file_name: str, problem: NameProblem) -> None:
    assert (parsed(file_name).candidates, parsed(file_name).problem) == ((), problem)


@pytest.mark.parametrize(
    ("file_name", "readings"),
    [
        ("my-lib-2-1.0.0-py3-none-any.whl", [("my-lib-2", "1.0.0"), ("my-lib", "2")]),
        ("data-2-1.0.0-py3-none-any.whl", [("data", "2"), ("data-2", "1.0.0")]),
        (
            "lib-2024-01-15-py3-none-any.whl",
            [("lib-2024-01", "15"), ("lib-2024", "1"), ("lib", "None")],
        ),
        ("log4j-1.2-api-2.17.1.jar", [("log4j-1-2-api", "2.17.1"), ("log4j", "None")]),
        (
            "prophecy-libs-3.3.0-9.2.0.jar",
            [("prophecy-libs", "None"), ("prophecy-libs-3-3-0", "9.2.0")],
        ),
    ],
)
def test_a_name_with_several_readings_lists_them_all_best_first(
    file_name: str, readings: list[tuple[str, str]]
) -> None:
    found = parsed(file_name)
    assert found.problem is NameProblem.AMBIGUOUS
    assert [(c.name, str(c.version)) for c in found.candidates] == readings


JARS = {  # file name to name, raw version, version, classifier, Scala version
    "etl-0.1.jar": ("etl", "0.1", "0.1", "", ""),
    "spark-xml_2.11-0.11.0.jar": ("spark-xml-2-11", "0.11.0", "0.11.0", "", "2.11"),
    "cats_3-2.6.1.jar": ("cats-3", "2.6.1", "2.6.1", "", "3"),
    "kafka-0-10_2.12-3.5.0.jar": ("kafka-0-10-2-12", "3.5.0", "3.5.0", "", "2.12"),
    "play-json_2.13-3.1.0-M3.jar": ("play-json-2-13", "3.1.0-M3", "3.1.0b3", "", "2.13"),
    "x-assembly-0.1-SNAPSHOT.jar": ("x-assembly", "0.1-SNAPSHOT", "0.1.dev0", "", ""),
    "demo-0.0.1-jar-with-dependencies.jar": ("demo", "0.0.1", "0.0.1", "jar-with-dependencies", ""),
    "a_2.12-1.2.3-rc.1-assembly.jar": ("a-2-12", "1.2.3-rc.1", "1.2.3rc1", "assembly", "2.12"),
    "x-1.0-beta-2.jar": ("x", "1.0-beta-2", "1.0b2", "", ""),
    "hive-exec-2.3.10-core.jar": ("hive-exec", "2.3.10", "2.3.10", "core", ""),
    "orc-1.1.1-shaded-protobuf.jar": ("orc", "1.1.1", "1.1.1", "shaded-protobuf", ""),
    "epoll-4.2.0-linux-x86_64.jar": ("epoll", "4.2.0", "4.2.0", "linux-x86_64", ""),
    "netty-4.1.96.Final.jar": ("netty", "4.1.96.Final", "4.1.96", "", ""),
}


@pytest.mark.parametrize("file_name", JARS)
def test_a_jar_name_gives_artifact_version_classifier_and_scala(file_name: str) -> None:
    found = parsed(file_name).certain
    assert found is not None
    shown = (found.name, found.raw_version, str(found.version), found.build, found.scala)
    assert shown == JARS[file_name]


def test_a_mangled_name_may_be_of_each_library_that_its_numbers_leave() -> None:
    found = parsed("7358978e_47b5_430d_8e6b_3b5fdf4c4f65-my_etl_2_12_1_0_3-2b027.jar")
    readings = [(one.name, one.raw_version) for one in found.candidates]
    assert readings[:2] == [("my-etl", "2_12_1_0_3"), ("my-etl-2", "12_1_0_3")]
    assert ("my-etl-2-12", "1_0_3") in readings
    assert found.readings == ()


def test_what_versions_have_in_common_is_name_kind_and_the_classifier_of_a_jar() -> None:
    def common(file_name: str) -> Distribution:
        found = parsed(file_name)
        assert found.certain is not None
        return found.distribution(found.certain)

    assert common("etl_2.12-1.0-Sources.jar") == common("etl_2.12-1.1-sources.jar")
    different = ["etl_2.12-1.0.jar", "etl_2.13-1.0.jar", "etl_2.12-1.0-all.jar", "etl_2.12-1.0.egg"]
    assert len({common(each) for each in different}) == len(different)
    assert common("etl-1.0-7-py3-none-any.whl") == common("etl-1.0-py3-none-any.whl")


def test_builds_for_two_scala_versions_are_two_libraries() -> None:
    old, new = parsed("glow_2.12-1.2.0.jar").certain, parsed("glow_2.13-1.2.0.jar").certain
    assert old is not None
    assert new is not None
    assert old.name != new.name
    assert old.raw_name == new.raw_name == "glow"


@pytest.mark.parametrize("file_name", ["my_python_lib-0.1.0-py3.5.egg", "my_python_lib-0.1.0.egg"])
def test_an_egg_name_is_read(file_name: str) -> None:
    found = parsed(file_name)
    assert found.kind is Kind.EGG
    assert found.certain is not None
    assert (found.certain.name, str(found.certain.version)) == ("my-python-lib", "0.1.0")


@pytest.mark.parametrize(
    "file_name",
    ["", "cowsay", "app.zip", "x.whl[train]", "a.wheelhouse.zip", "whl", "requirements.txt"],
)
def test_what_is_no_wheel_jar_or_egg_is_none(file_name: str) -> None:
    assert parse_file_name(file_name) is None


file_names = st.builds(
    str.__add__,
    st.one_of(
        st.text(),
        st.lists(
            st.sampled_from(["lib", "2", "1.0", "py3", "none", "any", "rc1", "_2.12", "", "*"])
        ).map("-".join),
    ),
    st.sampled_from([".whl", ".jar", ".egg", ".WHL"]),
)


@given(file_names)
@example("²-²-py3-none-any.whl")
@example("a-" + "9" * 5000 + "-py3-none-any.whl")
def test_every_name_is_read_and_certain_exactly_when_there_is_no_problem(file_name: str) -> None:
    found = parsed(file_name)
    if found.problem is None:
        (only,) = found.candidates
        assert only.version is not None
        assert found.certain == only
    else:
        assert found.certain is None


names = st.from_regex(r"[a-z0-9]([a-z0-9._]{0,8}[a-z0-9])?", fullmatch=True).filter(
    lambda name: "__" not in name
)
versions = st.from_regex(
    r"([1-9]!)?[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?(\.post[0-9])?(\.dev[0-9])?(\+[a-z0-9]{1,5})?",
    fullmatch=True,
)


@given(
    names,
    versions,
    st.sampled_from(["", "1-", "20240722-", "3b-"]),
    st.sampled_from(["py3-none-any", "py2.py3-none-any", "cp311-abi3-manylinux_2_17_x86_64"]),
)
def test_every_name_that_follows_pep_427_is_read_as_packaging_reads_it(
    name: str, version: str, build: str, tag: str
) -> None:
    file_name = f"{name}-{version}-{build}{tag}.whl"
    try:
        expected = parse_wheel_filename(file_name)
    except InvalidWheelFilename:  # pragma: no cover - says that the strategy is wrong
        pytest.fail(f"the strategy made {file_name}")
    certain = parsed(file_name).certain
    assert certain is not None
    assert (certain.name, certain.version) == expected[:2]
    assert certain.build == build.rstrip("-")
