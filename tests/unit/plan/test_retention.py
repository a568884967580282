"""Which old versions go (design.md, rule 7): whatever is in doubt stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import NormalizedName
from packaging.version import Version

from deployer.library.model import Distribution, Kind
from deployer.library.versions import major_line
from deployer.plan.retention import Keeping, Stored, Users, decide, lines_of, versions_of
from tests.job_settings import NAME, ROOT, versions, wheel

DAY = 86_400_000
NOW = 100 * DAY
CURRENT = Version("1.4.0")


def wheels_of(name: str) -> Distribution:
    return Distribution(NormalizedName(name), Kind.WHEEL)


def file(version: str, days_ago: float = 50, tag: str = "py3-none-any") -> Stored:
    name = wheel(version, tag=tag)
    return Stored(f"{ROOT}/{name}", Version(version), int(NOW - days_ago * DAY))


def going(
    *stored: Stored, users: Users | None = None, keep: int = 0, min_age_days: int = 0
) -> list[str]:
    verdicts = decide(CURRENT, stored, users or Users(), Keeping(keep, min_age_days * DAY, NOW))
    assert [each.stored for each in verdicts] == list(stored)
    assert all(each.goes != bool(each.reasons) for each in verdicts)
    return [str(each.stored.version) for each in verdicts if each.goes]


ALL = tuple(
    file(each) for each in ("0.9.0", "1.2.9", "1.2.10", "1.3.0rc1", "1.4.0", "1.5.0", "2.0.0")
)


def test_older_versions_of_the_same_major_go() -> None:
    assert going(*ALL) == ["1.2.9", "1.2.10", "1.3.0rc1"]


def test_a_used_version_stays_and_says_by_whom() -> None:
    users = Users({wheel("1.2.9"): ["job 7 (nightly)", "run 8"]})
    assert going(*ALL, users=users) == ["1.2.10", "1.3.0rc1"]
    verdict = decide(CURRENT, ALL, users, Keeping())[1]
    assert verdict.reasons == ("used by job 7 (nightly)", "used by run 8")


def test_a_file_in_a_folder_is_used_by_whoever_names_a_file_like_it() -> None:
    deep = Stored(f"{ROOT}/2024/{wheel('1.2.9')}", Version("1.2.9"), 0)
    assert going(deep, users=Users({wheel("1.2.9"): ["job 7"]})) == []


def test_what_could_not_be_seen_keeps_everything_and_says_why() -> None:
    users = Users(blind=["not an admin"])
    assert going(*ALL, users=users) == []
    verdicts = decide(CURRENT, ALL, users, Keeping())
    assert verdicts[1].reasons == ("not an admin",)
    assert verdicts[4].reasons == ("the version of this run",)


def test_the_newest_unused_versions_stay_on_demand() -> None:
    assert going(*ALL, keep=1) == ["1.2.9", "1.2.10"]
    assert going(*ALL, keep=2) == ["1.2.9"]
    assert going(*ALL, keep=9) == []
    users = Users({wheel("1.2.10"): ["job 7"]})
    assert going(*ALL, users=users, keep=1) == ["1.2.9"]


def test_all_files_of_a_kept_version_stay() -> None:
    linux, mac = file("1.3.0", tag="cp311-cp311-linux_x86_64"), file("1.3.0", tag="cp311-cp311-mac")
    assert going(file("1.2.0"), linux, mac, keep=1) == ["1.2.0"]


def test_what_an_unfinished_deployment_names_stays_and_says_why() -> None:
    verdicts = decide(CURRENT, ALL, Users(), Keeping(doubtful=frozenset({wheel("1.2.9")})))
    assert [str(one.stored.version) for one in verdicts if one.goes] == ["1.2.10", "1.3.0rc1"]
    assert verdicts[1].reasons == ("a deployment that came to no end names it",)


@pytest.mark.parametrize(
    ("stored", "gone"),
    [
        # Replaced by 1.4.0 a day ago, although it is 50 days old.
        ((file("1.3.0"), file("1.4.0", days_ago=1)), []),
        ((file("1.3.0"), file("1.4.0", days_ago=8)), ["1.3.0"]),
        # 1.4.0 is about to come: it replaces 1.3.0 now, while 1.3.0 replaced 1.2.0 long ago.
        ((file("1.2.0"), file("1.3.0", days_ago=30)), ["1.2.0"]),
        # A patch of an older line that came after what replaces it.
        ((file("1.2.9", days_ago=1), file("1.4.0", days_ago=30)), []),
        # Another MAJOR replaces nothing.
        ((file("1.3.0"), file("2.0.0", days_ago=30)), []),
    ],
)
def test_the_age_counts_from_when_a_newer_version_came(
    stored: tuple[Stored, ...], gone: list[str]
) -> None:
    assert going(*stored, min_age_days=7) == gone


def test_current_is_told_from_the_others() -> None:
    assert [each.current for each in decide(CURRENT, ALL, Users(), Keeping())] == [
        each.version == CURRENT for each in ALL
    ]


_files = st.lists(
    st.builds(file, versions, st.floats(0, 90)), max_size=8, unique_by=lambda f: f.path
)
_users = st.builds(
    Users,
    st.dictionaries(versions.map(wheel), st.just(["job 7"]), max_size=4),
    st.sampled_from([(), ("blind",)]),
)


@given(_files, _users, st.integers(0, 4), st.integers(0, 60), versions.map(Version))
def test_nothing_in_doubt_ever_goes(
    stored: list[Stored], users: Users, keep: int, min_age_days: int, current: Version
) -> None:
    verdicts = decide(current, stored, users, Keeping(keep, min_age_days * DAY, NOW))
    gone = [each.stored for each in verdicts if each.goes]
    for each in gone:
        assert each.version < current
        assert major_line(each.version) == major_line(current)
        assert each.file_name not in users.by_file
        assert not users.blind
        assert NOW - each.modified_ms >= min_age_days * DAY
    unused = {
        each.version
        for each in stored
        if each.version < current
        and major_line(each.version) == major_line(current)
        and each.file_name not in users.by_file
    }
    left = unused - {each.version for each in gone}
    assert len(left) >= min(keep, len(unused))


def test_versions_of_a_library_are_only_those_that_are_certain() -> None:
    names = [
        wheel("1.10.0"),
        wheel("1.9.0"),
        "sales-metrics-1.8.0-py3-none-any.whl",
        "SALES_METRICS-1.7.0-PY3-none-any.WHL",
        "sales_metrics-1.6.0-20250101-py3-none-any.whl",
        "sales-metrics-1.9.0.jar",
        "sales_metrics-1.9.0-py3.8.egg",
        "sales_metrics-latest-py3-none-any.whl",
        "sales_metrics.whl",
        "sales_metrics-1.2.0-py3-none-any (1).whl",
        wheel("1.0.0", "sales_metrics2"),
        "notes.txt",
    ]
    found = versions_of(wheels_of(NAME), [(f"{ROOT}/sub/{each}", 7) for each in names])
    assert [str(each.version) for each in found] == ["1.6.0", "1.7.0", "1.8.0", "1.9.0", "1.10.0"]
    assert {each.modified_ms for each in found} == {7}


@pytest.mark.parametrize("name", ["data", "data-2"])
def test_a_file_with_two_readings_is_a_version_of_neither_library(name: str) -> None:
    files = [(f"{ROOT}/data-2-1.0.0-py3-none-any.whl", 0)]
    assert versions_of(wheels_of(name), files) == ()
    assert lines_of(files, None) == ()


def test_a_jar_with_another_classifier_is_no_version_of_the_library() -> None:
    names = ["etl-1.0.jar", "etl-1.0-sources.jar", "etl-1.1.jar", "etl-1.1-assembly.jar"]
    files = [(f"{ROOT}/{each}", 0) for each in [*names, "etl_2.12-1.0.jar", "etl-1.0-py3.8.egg"]]

    def found(classifier: str) -> list[str]:
        ours = Distribution(NormalizedName("etl"), Kind.JAR, classifier)
        return [one.file_name for one in versions_of(ours, files)]

    assert found("") == ["etl-1.0.jar", "etl-1.1.jar"]
    assert found("sources") == ["etl-1.0-sources.jar"]
    assert found("javadoc") == []
    assert len(lines_of(files, None)) == 5


def test_each_major_of_each_library_is_a_line_of_its_own() -> None:
    names = [wheel(each) for each in ("1.9.0", "1.10.0", "2.0.0", "0.1.0", "0.1.1", "0.2.0")]
    names += [wheel("3.0", "other"), "sales-metrics-1.0.jar", "notes.txt", "plain.whl"]
    lines = lines_of([(f"{ROOT}/{each}", 0) for each in names], None)
    assert [(str(one.current), len(one.stored)) for one in lines] == [
        ("3.0", 1),
        ("1.0", 1),
        ("0.1.1", 2),
        ("0.2.0", 1),
        ("1.10.0", 2),
        ("2.0.0", 1),
    ]


def test_with_a_library_its_version_is_the_current_one() -> None:
    files = [(f"{ROOT}/{wheel(each)}", 0) for each in ("1.2.0", "2.0.0")]
    (line,) = lines_of(files, (wheels_of(NAME), CURRENT))
    assert (line.current, line.distribution) == (CURRENT, wheels_of(NAME))
    assert [str(each.version) for each in line.stored] == ["1.2.0", "2.0.0"]
