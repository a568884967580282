"""May this version replace that one? (design.md, rule 1)"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from deployer.library.versions import is_final, major_line
from deployer.plan.model import Reason
from deployer.plan.policy import Policy, Rule, objection, pin_allows
from tests.job_settings import versions

CASES = [
    # old, new, rule, objection
    ("1.2.9", "1.2.10", Rule.SAME_MAJOR, None),
    ("1.2.10", "1.2.9", Rule.SAME_MAJOR, Reason.NEWER),
    ("1.2", "1.2.0", Rule.SAME_MAJOR, Reason.ALREADY_CURRENT),
    ("1.9.9", "1.10.0", Rule.SAME_MAJOR, None),
    ("1.9.9", "2.0.0", Rule.SAME_MAJOR, Reason.ANOTHER_MAJOR),
    ("2.0.0", "1.9.9", Rule.SAME_MAJOR, Reason.ANOTHER_MAJOR),
    ("0.4.1", "0.4.2", Rule.SAME_MAJOR, None),
    ("0.4.1", "0.5.0", Rule.SAME_MAJOR, Reason.ANOTHER_MAJOR),
    ("0.9.0", "1.0.0", Rule.SAME_MAJOR, Reason.ANOTHER_MAJOR),
    ("1.2.0", "1!1.2.0", Rule.SAME_MAJOR, Reason.ANOTHER_MAJOR),
    ("1!1.2.0", "1!1.3.0", Rule.SAME_MAJOR, None),
    ("1.2.0rc1", "1.2.0", Rule.SAME_MAJOR, None),
    ("1.2.0.dev3", "1.2.0rc1", Rule.SAME_MAJOR, None),
    ("1.2.0", "1.3.0rc1", Rule.SAME_MAJOR, Reason.PRERELEASE),
    ("1.2.0", "1.3.0.dev1", Rule.SAME_MAJOR, Reason.PRERELEASE),
    ("1.2.0", "1.3.0+abc", Rule.SAME_MAJOR, Reason.PRERELEASE),
    ("1.2.0", "1.2.0.post1", Rule.SAME_MAJOR, None),
    ("1.2.0+abc", "1.2.0", Rule.SAME_MAJOR, Reason.NEWER),
    ("1.2.0+abc", "1.2.1", Rule.SAME_MAJOR, None),
    ("1.2.0+abc", "1.2.0+abd", Rule.SAME_MAJOR, None),
    ("1.2.0", "1.2.9", Rule.SAME_MINOR, None),
    ("1.2.0", "1.3.0", Rule.SAME_MINOR, Reason.ANOTHER_MINOR),
    ("1.2.0", "2.2.0", Rule.SAME_MINOR, Reason.ANOTHER_MAJOR),
    ("0.4.1", "0.4.2", Rule.SAME_MINOR, None),
    ("1.2.0", "1!1.2.1", Rule.SAME_MINOR, Reason.ANOTHER_MAJOR),
    ("0.4.1", "3.0.0", Rule.ANY, None),
    ("3.0.0", "0.4.1", Rule.ANY, Reason.NEWER),
    ("9.0", "1!0.1", Rule.ANY, None),
    ("1.2.0", "3.0.0rc1", Rule.ANY, Reason.PRERELEASE),
    ("1.1.0", "3.0.0", Rule.EXACT, None),
    ("1.1", "3.0.0", Rule.EXACT, None),
    ("1.2.0", "3.0.0", Rule.EXACT, Reason.NOT_SELECTED),
    ("1.1.0", "1.0.0", Rule.EXACT, Reason.NEWER),
    ("1.1.0", "1.2.0rc1", Rule.EXACT, Reason.PRERELEASE),
]
NAMED = frozenset({Version("1.1.0")})


@pytest.mark.parametrize(("old", "new", "rule", "expected"), CASES)
def test_a_policy_decides_by_versions_alone(
    old: str, new: str, rule: Rule, expected: Reason | None
) -> None:
    assert objection(Version(old), Version(new), Policy(rule, NAMED)) is expected


@pytest.mark.parametrize("new", ["1.3.0rc1", "1.3.0.dev1", "1.3.0+abc"])
def test_a_pre_release_replaces_a_final_where_that_is_allowed(new: str) -> None:
    assert objection(Version("1.2.0"), Version(new), Policy(allow_prereleases=True)) is None


_policies = st.builds(
    Policy, st.sampled_from(Rule), st.frozensets(versions.map(Version)), st.booleans()
)


@given(versions.map(Version), versions.map(Version), _policies)
def test_whatever_the_policy_there_is_never_a_downgrade(
    old: Version, new: Version, policy: Policy
) -> None:
    if objection(old, new, policy) is None:
        assert old < new
        assert is_final(new) or not is_final(old) or policy.allow_prereleases
        if policy.rule in {Rule.SAME_MAJOR, Rule.SAME_MINOR}:
            assert major_line(old) == major_line(new)
        if policy.rule is Rule.EXACT:
            assert old in policy.versions


@given(versions.map(Version), versions.map(Version), _policies)
def test_two_versions_never_replace_each_other(old: Version, new: Version, policy: Policy) -> None:
    assert objection(old, new, policy) is not None or objection(new, old, policy) is not None


@pytest.mark.parametrize(
    ("pin", "new", "allowed"),
    [
        ("1", "1.9.0", True),
        ("1", "2.0.0", False),
        ("1", "10.0.0", False),
        ("1.4", "1.4.7", True),
        ("1.4", "1.40.0", False),
        ("v1.4", "1.4.7", True),
        (" 1.4 ", "1.4.7", True),
        ("1.4.7", "1.4.7", True),
        ("1.4.7", "1.4.8", False),
        ("1.4", "1.4.0rc1", True),
        ("1.4", "1.4.0+abc", True),
        ("1.4.0rc1", "1.4.0rc1", True),
        ("1.4.0rc1", "1.4.0", False),
        ("1!2.0", "1!2.0", True),
        ("", "1.4.0", False),
        ("true", "1.4.0", False),
        ("1.x", "1.4.0", False),
        ("١", "1.4.0", False),
        ("²", "1.4.0", False),
        (".", "1.4.0", False),
        ("9" * 5000, "1.4.0", False),
    ],
)
def test_a_pin_is_a_version_or_the_start_of_one(pin: str, new: str, allowed: bool) -> None:
    assert pin_allows(pin, Version(new)) is allowed


@given(st.text(), versions.map(Version))
def test_any_text_is_a_pin(pin: str, new: Version) -> None:
    pin_allows(pin, new)


@given(versions.map(Version))
def test_a_pin_to_the_version_itself_allows_it(new: Version) -> None:
    assert pin_allows(str(new), new)
