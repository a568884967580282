"""Whom a file may lead where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.config.environments import Entry
from deployer.config.trust import CONNECTION, objections
from deployer.errors import FailureReason, Problem

HOST = "https://adb-1.2.azuredatabricks.net"
EVIL = "https://adb-1.2.azuredatabricks.net.evil.example"


def told(
    name: str,
    text: str,
    *,
    given: str = "",
    variable: str = "",
    under_review: bool = False,
    **environ: str,
) -> list[Problem]:
    variables = {**environ, **({CONNECTION[name]: variable} if variable else {})}
    found = objections(
        {name: Entry(text, 7), "root": Entry("/x", 8)},
        "spark-deploy.yml",
        texts={name: given} if given else {},
        environ=variables,
        under_review=under_review,
    )
    return list(found)


EACH = pytest.mark.parametrize("name", CONNECTION)


@EACH
def test_outside_of_proposals_the_file_may_say_it_alone(name: str) -> None:
    assert told(name, HOST) == []


@EACH
def test_on_a_proposal_the_file_alone_says_nothing(name: str) -> None:
    (problem,) = told(name, HOST, under_review=True)
    assert problem.reason is FailureReason.UNTRUSTED_CONFIGURATION
    assert "spark-deploy.yml, line 7" in problem.title
    assert f"{CONNECTION[name]}: ${{{{ vars.{CONNECTION[name]} }}}}" in problem.remedy


@EACH
def test_on_a_proposal_the_file_may_repeat_what_the_workflow_says(name: str) -> None:
    assert told(name, HOST, given=HOST, under_review=True) == []
    assert told(name, HOST, variable=HOST, under_review=True) == []


@EACH
def test_on_a_proposal_a_file_that_says_something_else_is_refused(name: str) -> None:
    for outside in ({"given": HOST}, {"variable": HOST}, {"given": HOST, "variable": EVIL}):
        (problem,) = told(name, EVIL, under_review=True, **outside)
        assert problem.reason is FailureReason.UNTRUSTED_CONFIGURATION
        assert EVIL not in problem.title + problem.detail + problem.remedy


@EACH
def test_credentials_beside_another_host_are_not_sent_to_that_of_the_file(name: str) -> None:
    (problem,) = told(name, EVIL, variable=HOST)
    assert problem.reason is FailureReason.INVALID_INPUT
    assert CONNECTION[name] in problem.title


@EACH
def test_an_input_counts_more_than_file_and_environment(name: str) -> None:
    assert told(name, EVIL, given=HOST, variable="https://else.example") == []


def test_a_profile_has_a_host_of_its_own() -> None:
    (problem,) = told("databricks-host", EVIL, DATABRICKS_CONFIG_PROFILE="work")
    assert "profile" in problem.title
    assert told("databricks-host", HOST, variable=HOST, DATABRICKS_CONFIG_PROFILE="work") == []
    assert told("databricks-host", HOST, given=HOST, DATABRICKS_CONFIG_PROFILE="work") == []
    assert told("auth-type", "pat", DATABRICKS_CONFIG_PROFILE="work") == []


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("adb-1.2.azuredatabricks.net", True),
        ("https://ADB-1.2.azuredatabricks.net/", True),
        ("https://adb-1.2.azuredatabricks.net:443/?o=12#x", True),
        ("http://adb-1.2.azuredatabricks.net", False),
        ("https://adb-1.2.azuredatabricks.net:8443", False),
        ("https://adb-1.2.azuredatabricks.net@evil.example", False),
        ("https://me@adb-1.2.azuredatabricks.net", False),
        ("https://evil.example/adb-1.2.azuredatabricks.net", False),
        ("https://adb-1.2.azuredatabricks.net.evil.example", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_hosts_are_compared_by_what_is_connected_to(one: str, *, same: bool) -> None:
    found = told("databricks-host", one, given=HOST, under_review=True)
    assert (found == []) is same


def test_addresses_that_are_none_are_never_the_same() -> None:
    assert told("databricks-host", "https://[", given="https://[", under_review=True)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_on_a_proposal_no_file_leads_anywhere_that_the_workflow_does_not_say(
    text: str, given: str, variable: str
) -> None:
    found = told("databricks-client-id", text, given=given, variable=variable, under_review=True)
    outside = given.strip() or variable.strip()
    assert bool(found) is (not outside or text.strip() != outside)
