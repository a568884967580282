"""The form of spark-deploy.yml: its keys, its values, and whom it tells what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.config.environments import FILE_INPUTS, Configuration
from deployer.config.file import read_configuration
from deployer.contract import INPUTS, InputType
from deployer.errors import DeployError, FailureReason, Problem

TOKEN = "dapi" + "0123456789abcdef" * 2
SECRET = "dose" + "0123456789abcdef" * 2


def read(text: str) -> Configuration:
    return read_configuration(text.encode(), "spark-deploy.yml")


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(DeployError) as caught:
        read(text)
    return caught.value.problems


def titles(text: str) -> list[str]:
    return [one.title for one in problems(text)]


def one_environment(*lines: str) -> str:
    """A file with these lines in the one environment; the first stands in line 4."""
    return "version: 1\nenvironments:\n  prod:\n" + "".join(f"    {line}\n" for line in lines)


def texts(text: str, number: int = 0) -> dict[str, str]:
    return {name: one.text for name, one in read(text).environments[number].entries.items()}


@pytest.mark.parametrize("written", ["true", "True", '"true"'])
def test_one_environment_may_be_the_one_of_releases(written: str) -> None:
    found = read(f"version: 1\nenvironments:\n  a: {{}}\n  b:\n    releases: {written}\n")
    assert [one.releases for one in found.environments] == [False, True]
    assert all("releases" not in one.entries for one in found.environments)
    assert not read(one_environment("releases: false")).environments[0].releases


def test_releases_go_to_one_environment_at_most_and_never_to_all() -> None:
    two = "version: 1\nenvironments: {a: {releases: true}, b: {releases: true}}\n"
    assert titles(two) == ["spark-deploy.yml, line 2, column 41: releases go to `a` already."]
    everywhere = "version: 1\ndefaults: {releases: true}\nenvironments: {a: {}}\n"
    (problem,) = problems(everywhere)
    assert problem.remedy == "`releases` belongs to an environment."


def test_an_environment_has_the_texts_of_inputs_with_the_defaults_below_its_own() -> None:
    text = """\
version: 1
defaults: {root: /Volumes/main/x, keep: 3}
environments:
  dev:
    branches: [develop, "feature/*"]
    root: /Volumes/dev/x
    cleanup: false
  prod:
    branches: main
    host: https://adb-1.2.azuredatabricks.net
    client-id: 1111-2222
    from-versions: [1.10, "1.4.0"]
"""
    found = read(text)
    assert [one.name for one in found.environments] == ["dev", "prod"]
    assert [one.branches for one in found.environments] == [("develop", "feature/*"), ("main",)]
    assert texts(text) == {"root": "/Volumes/dev/x", "keep": "3", "cleanup": "false"}
    assert texts(text, 1) == {
        "root": "/Volumes/main/x",
        "keep": "3",
        "databricks-host": "https://adb-1.2.azuredatabricks.net",
        "databricks-client-id": "1111-2222",
        "from-versions": "1.10, 1.4.0",
    }
    lines = {name: one.line for name, one in found.environments[0].entries.items()}
    assert lines == {"root": 6, "keep": 2, "cleanup": 7}


def test_every_input_that_may_stand_in_the_file_is_read_from_it() -> None:
    values = {
        InputType.BOOLEAN: "true",
        InputType.INTEGER: "7",
        InputType.DURATION: "7d",
        InputType.LIST: "1.4.0",
        InputType.TEXT: "x",
    }
    for one in INPUTS:
        if one.in_file:
            value = one.choices[-1] if one.choices else values[one.type]
            value = "7m" if one.name == "lock-expiry" else value  # it takes an hour at most
            assert texts(one_environment(f"{one.file_key}: {value}")) == {one.name: value}


def test_no_secret_is_an_input_of_the_file_and_no_two_have_one_key() -> None:
    assert not [one for one in INPUTS if one.in_file and one.type is InputType.SECRET]
    assert len(FILE_INPUTS) == sum(one.in_file for one in INPUTS)


@pytest.mark.parametrize(
    ("line", "said", "remedy"),
    [
        ("rooot: /x", "line 4, column 5: there is no key `rooot` here (did you mean `root`?).", ""),
        ("branch: main", "there is no key `branch` here (did you mean `branches`?).", ""),
        ("colour: red", "there is no key `colour` here.", "Known are `root`, "),
        ("databricks-host: x", "there is no key `databricks-host` here.", "called `host`"),
        ("wheel: dist/*.whl", "there is no key `wheel` here.", "an input of the run"),
        ("cleanup: on", "column 14: `cleanup` can't be `on`.", "`true` or `false`"),
        ("cleanup: 1", "`cleanup` can't be `1`.", "`true` or `false`"),
        ("keep: many", "`keep` in spark-deploy.yml, line 4, can't be `many`.", "a whole number"),
        ("keep: 3.0", "`keep` in spark-deploy.yml, line 4, can't be `3.0`.", "a whole number"),
        ("keep: [3]", "`keep` takes one value, not several.", ""),
        ("keep: {a: 3}", "`keep` takes one value, not several.", ""),
        ("min-age: 7y", "`min-age` in spark-deploy.yml, line 4, can't be `7y`.", "such as `12h`"),
        ("policy: same-mayor", "(did you mean `same-major`?)", "one of `same-major`"),
        (
            "from-versions: [1.x]",
            "`from-versions` in spark-deploy.yml, line 4, can't be `1.x`.",
            "",
        ),
        ("from-versions: []", "`from-versions` takes one text or a list of texts.", ""),
        ("from-versions: [[1]]", "an item of `from-versions` is no text.", ""),
        ("root:", "`root` has no value.", "remove the line"),
        ("root: ~", "`root` has no value.", "remove the line"),
        ("root: '  '", "`root` has no value.", "remove the line"),
        ("root: ' /x'", "`root` has blanks around it", "on one line"),
        ('root: "/x\\ny"', "a line break", "on one line"),
        ("root: yes", "", ""),
        ("root: true", "`root` can't be `true`.", 'quote it: "true"'),
        ("host: ${{ vars.HOST }}", "an expression `${{ … }}`", "as an input of the step"),
        ("branches: [a b]", "`a b` is no pattern for branches.", "such as `release/*`"),
        ('branches: ["!main"]', "`!main` is no pattern for branches.", ""),
        ("branches: {}", "`branches` takes one text or a list of texts.", ""),
        ("releases: yes", "`releases` can't be `yes`.", "`true` or `false`"),
        ("releases: [true]", "`releases` takes one value, not several.", ""),
    ],
)
def test_a_wrong_line_is_told_with_its_place_and_the_way_out(
    line: str, said: str, remedy: str
) -> None:
    if not said:
        assert texts(one_environment(line)) == {"root": "yes"}
        return
    (problem,) = problems(one_environment(line))
    assert said in problem.title
    assert "line 4" in problem.title
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\n", "the key `environments` is missing."),
        ("environments: {a: {}}\n", "the key `version` is missing."),
        ("version: 2\nenvironments: {a: {}}\n", "line 1, column 1: `version` says a form"),
        ("version: '1'\nenvironments: {a: {}}\n", "`version` says a form that is not known."),
        ("version: [1]\nenvironments: {a: {}}\n", "`version` says a form that is not known."),
        ("version: 1\nenvironments: {}\n", "`environments` has no environment."),
        ("version: 1\nenvironments: [a]\n", "`environments` takes keys and values below it."),
        ("version: 1\nenvironments: {a: }\n", "`a` takes keys and values below it."),
        ("version: 1\nenvironments: {a: b}\n", "`a` takes keys and values below it."),
        ("version: 1\nenvironments: {'a b': {}}\n", "`a b` can't be the name of an environment."),
        ("version: 1\nenvironments: {'': {}}\n", "`` can't be the name of an environment."),
        ("version: 1\nenviroments: {a: {}}\n", "`enviroments` here (did you mean `environments`?)"),
        ("version: 1\nroot: /x\nenvironments: {a: {}}\n", "there is no key `root` here."),
        ("version: 1\ndefaults: 1\nenvironments: {a: {}}\n", "`defaults` takes keys and values"),
        ("version: 1\ndefaults: {branches: x}\nenvironments: {a: {}}\n", "no key `branches` here."),
        (
            "version: 1\nenvironments: {a: {branches: x}, b: {branches: [y, x]}}\n",
            "the branch `x` belongs to `a` already.",
        ),
    ],
)
def test_the_frame_of_the_file_is_checked(text: str, said: str) -> None:
    assert any(said in title for title in titles(text)), titles(text)


def test_all_problems_of_all_environments_are_told_at_once_by_place() -> None:
    text = """\
version: 1
defaults:
  keep: x
environments:
  dev: {rooot: /x}
  prod:
    min-age: 7y
    <<: *base
surplus: 1
"""
    places = [title.split("line ")[1].split(",")[0] for title in titles(text)]
    assert places == ["3", "5", "7", "8", "8", "9"]


@pytest.mark.parametrize(
    "line",
    [
        f"token: {TOKEN}",
        f"databricks-token: {TOKEN}",
        f"client-secret: {SECRET}",
        "databricks-client-secret: ${{ secrets.X }}",
        f"api-token: {TOKEN}",
        "password: hunter2",
        f"host: {TOKEN}",
        f"from-versions: [{TOKEN}]",
        f"host: https://me:{TOKEN}@adb-1.azuredatabricks.net",
        "host: https://me:hunter2@adb-1.azuredatabricks.net",
        f"branches: [{SECRET}]",
    ],
)
def test_a_secret_is_refused_never_shown_and_has_to_be_revoked(line: str) -> None:
    told = problems(one_environment(line))
    assert any("a secret stands at" in one.title and "line 4" in one.title for one in told)
    assert any("Revoke it now" in one.remedy for one in told)
    whole = " ".join(f"{one.title} {one.detail} {one.remedy}" for one in told)
    assert not [word for word in (TOKEN, SECRET, "hunter2") if word in whole]


def test_a_secret_where_a_key_belongs_is_not_shown_either() -> None:
    whole = " ".join(titles(one_environment(f"{TOKEN}: x")))
    assert "there is no key `***`" in whole
    assert TOKEN not in whole


def test_words_that_only_sound_like_a_secret_are_fine() -> None:
    text = one_environment("root: /Volumes/main/token-service/secrets", "auth-type: pat")
    assert texts(text)["root"].endswith("secrets")


def test_a_problem_of_a_value_is_one_of_inputs_and_one_of_form_is_one_of_the_file() -> None:
    reasons = [one.reason for one in problems(one_environment("keep: x", "rooot: y"))]
    assert reasons == [FailureReason.INVALID_INPUT, FailureReason.INVALID_CONFIGURATION]


LINES = st.sampled_from(
    [
        "root: /x",
        "keep: 3",
        "keep: x",
        "cleanup: on",
        "branches: [a]",
        "rooot: 1",
        "token: x",
        "host: ~",
    ]
)


@given(st.lists(LINES, unique=True, max_size=6), st.lists(LINES, unique=True, max_size=6))
def test_a_file_is_taken_or_every_wrong_line_of_it_is_told(dev: list[str], prod: list[str]) -> None:
    wrong = {"keep: x", "cleanup: on", "rooot: 1", "token: x", "host: ~"}
    if sum(line.startswith("keep") for line in dev) > 1:
        dev = [line for line in dev if line != "keep: x"]
    prod = [line for line in prod if line not in {"keep: x", "branches: [a]"}]
    text = "version: 1\nenvironments:\n  dev:\n    auth-type: x\n"
    text += "".join(f"    {line}\n" for line in dev) + "  prod:\n    auth-type: y\n"
    text += "".join(f"    {line}\n" for line in prod)
    expected = [line for line in [*dev, *prod] if line in wrong]
    try:
        found = read(text)
    except DeployError as error:
        told = len(error.problems)
    else:
        told = 0
        assert len(found.environments) == 2
    assert told == len(expected)
