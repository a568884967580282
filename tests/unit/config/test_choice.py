"""Which environment a run is for."""

from __future__ import annotations

import re
from fnmatch import translate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.config.choice import choose, fits
from deployer.config.environments import Configuration, Environment
from deployer.config.revision import Revision
from deployer.errors import DeployError, FailureReason, Problem

NOWHERE = Revision("")


def configuration(**branches: tuple[str, ...]) -> Configuration:
    environments = tuple(Environment(name, found, {}) for name, found in branches.items())
    return Configuration("spark-deploy.yml", {}, environments)


SEVERAL = configuration(dev=("develop", "feature/*"), prod=("main", "release/*"), lab=())


def chosen(found: Configuration, named: str = "", branch: str = "") -> str:
    return choose(found, named, Revision(branch)).environment.name


def refused(found: Configuration, named: str = "", branch: str = "") -> Problem:
    with pytest.raises(DeployError) as caught:
        choose(found, named, Revision(branch))
    assert caught.value.reason is FailureReason.INVALID_INPUT
    return caught.value.problem


def test_a_name_counts_more_than_the_branch() -> None:
    assert chosen(SEVERAL, "dev", "main") == "dev"


def test_a_misspelled_name_is_told_with_the_nearest() -> None:
    problem = refused(SEVERAL, "prdo")
    assert "no environment `prdo` in spark-deploy.yml (did you mean `prod`?)" in problem.title
    assert "`dev`, `prod`, `lab`" in problem.detail


def test_names_are_compared_letter_by_letter() -> None:
    assert "did you mean" in refused(SEVERAL, "Prod").title


@pytest.mark.parametrize(
    ("branch", "environment"),
    [("develop", "dev"), ("feature/x", "dev"), ("main", "prod"), ("release/1.2", "prod")],
)
def test_a_branch_means_the_environment_whose_pattern_fits(branch: str, environment: str) -> None:
    assert chosen(SEVERAL, "", branch) == environment


def test_a_branch_of_none_is_an_error_that_lists_them() -> None:
    problem = refused(SEVERAL, "", "hotfix")
    assert "It is not known which environment" in problem.title
    assert "`dev`, `prod`, `lab`" in problem.detail
    assert "`hotfix`" in problem.detail
    assert "environment: dev" in problem.remedy


def test_without_a_branch_and_a_name_several_environments_are_an_error() -> None:
    assert "no branch that could say it" in refused(SEVERAL).detail


def test_the_only_environment_needs_no_name() -> None:
    assert chosen(configuration(prod=())) == "prod"
    assert chosen(configuration(prod=()), "", "anything") == "prod"
    assert chosen(configuration(prod=("main",))) == "prod"


def test_the_only_environment_is_not_taken_for_another_branch_than_its_own() -> None:
    assert "`feature/x`" in refused(configuration(prod=("main",)), "", "feature/x").detail


def test_the_very_name_of_a_branch_counts_more_than_a_pattern() -> None:
    found = configuration(dev=("**",), prod=("main",))
    assert chosen(found, "", "main") == "prod"
    assert chosen(found, "", "feature/x/y") == "dev"


def test_patterns_of_two_environments_that_fit_are_an_error() -> None:
    problem = refused(configuration(dev=("release/*",), prod=("release/1*",)), "", "release/1.2")
    assert "fits the branches of 2 environments" in problem.title
    assert "`dev`, `prod`" in problem.detail


@pytest.mark.parametrize(
    ("pattern", "branch", "fitting"),
    [
        ("release/*", "release/1.2", True),
        ("release/*", "release/1/2", False),
        ("release/**", "release/1/2", True),
        ("*", "a/b", False),
        ("**", "a/b", True),
        ("release/?.0", "release/1.0", True),
        ("a?b", "a/b", False),
        ("a*", "a", True),
        ("v1.*", "v1x2", False),
        ("main", "main2", False),
        ("a+b(c)", "a+b(c)", True),
        ("***", "a/b", True),
    ],
)
def test_patterns_mean_what_they_mean_on_github(
    pattern: str, branch: str, *, fitting: bool
) -> None:
    assert fits(pattern, branch) is fitting


SIMPLE = st.text(st.sampled_from("ab*?.+"), max_size=6).filter(lambda pattern: "**" not in pattern)


@given(SIMPLE, st.text(st.sampled_from("ab.+"), max_size=6))
def test_without_slashes_a_pattern_means_what_fnmatch_says(pattern: str, branch: str) -> None:
    assert fits(pattern, branch) == (re.match(translate(pattern), branch) is not None)


@given(st.text(st.sampled_from("ab/"), max_size=8), st.data())
def test_two_stars_stand_for_any_part_of_a_branch_and_one_for_a_part_without_slashes(
    branch: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(branch)))
    end = data.draw(st.integers(start, len(branch)))
    assert fits(branch[:start] + "**" + branch[end:], branch)
    one_star = branch[:start] + "*" + branch[end:]
    if "**" not in one_star:
        assert fits(one_star, branch) is ("/" not in branch[start:end])


def test_a_pattern_made_to_take_for_ever_does_not() -> None:
    assert not fits("**a" * 83 + "b", "a" * 250)
