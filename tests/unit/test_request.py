"""Inputs over the file over defaults, and how the file is found and read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.contract import INPUTS, Mode
from deployer.errors import DeployError, FailureReason
from deployer.request import Request, read_request
from deployer.settings import parse
from tests.unit.event import payloads
from tests.unit.event.payloads import as_bytes

FILE = """\
version: 1
defaults:
  root: /Volumes/main/libraries/released
  keep: 3
environments:
  dev:
    branches: develop
    host: https://dev.example.com
    root: /Volumes/dev/libraries/released
    checks: false
  prod:
    branches: main
    host: https://prod.example.com
    client-id: 1111-2222
    policy: exact
    from-versions: [1.10, 1.4.0]
"""
ON_MAIN = {"GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "push"}
PULL_REQUEST = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_BASE_REF": "main"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spark-deploy.yml").write_text(FILE, encoding="utf-8")
    return tmp_path


def asked(folder: Path, environ: dict[str, str] | None = None, **inputs: str) -> Request:
    texts = {name.replace("_", "-"): text for name, text in {"mode": "plan", **inputs}.items()}
    return read_request(texts, environ or {}, folder)


def refused(folder: Path, environ: dict[str, str] | None = None, **inputs: str) -> DeployError:
    with pytest.raises(DeployError) as caught:
        asked(folder, environ, **inputs)
    return caught.value


def test_without_a_file_the_inputs_are_all_and_the_environment_is_a_free_name(
    tmp_path: Path,
) -> None:
    request = asked(tmp_path, root="/Volumes/a/b/c", environment="anything")
    texts = {"mode": "plan", "root": "/Volumes/a/b/c", "environment": "anything"}
    assert request == Request(parse(texts))


def test_the_file_stands_in_for_inputs_that_were_not_given(folder: Path) -> None:
    request = asked(folder, environment="prod")
    settings = request.settings
    assert settings.environment == "prod"
    assert settings.root == "/Volumes/main/libraries/released"
    assert settings.keep == 3
    assert settings.credentials.host == "https://prod.example.com"
    assert settings.credentials.client_id == "1111-2222"
    assert set(map(str, settings.from_versions)) == {"1.4.0", "1.10"}
    assert request.told == "Environment prod of spark-deploy.yml: as asked."


def test_an_input_counts_more_than_the_file_and_blank_is_not_given(folder: Path) -> None:
    settings = asked(folder, environment="dev", keep="5", checks="true", root=" ").settings
    assert (settings.keep, settings.checks) == (5, True)
    assert settings.root == "/Volumes/dev/libraries/released"


def test_what_the_action_hands_over_unasked_does_not_hide_the_file(folder: Path) -> None:
    """The runner gives every input; those that nobody set have the default of action.yml."""
    unasked = {one.name: one.action_default for one in INPUTS}
    texts = {**unasked, "mode": "plan", "environment": "prod"}
    settings = read_request(texts, {}, folder).settings
    assert (settings.policy, settings.keep) == ("exact", 3)


def test_a_wrong_input_is_told_as_an_input_where_the_file_has_a_value_too(folder: Path) -> None:
    assert "The input `keep`" in refused(folder, environment="prod", keep="x").problem.title


def test_the_branch_chooses_and_the_choice_is_told(folder: Path) -> None:
    request = asked(folder, ON_MAIN)
    assert request.settings.environment == "prod"
    assert request.told == "Environment prod of spark-deploy.yml: by its branches, for `main`."


def test_a_value_that_only_the_whole_shows_to_be_wrong_is_an_error_as_ever(folder: Path) -> None:
    (folder / "spark-deploy.yml").write_text("version: 1\nenvironments: {prod: {}}\n")
    problem = refused(folder).problem
    assert "`root` is missing" in problem.title
    assert "spark-deploy.yml" in problem.remedy


def test_problems_of_file_and_inputs_are_told_together(folder: Path) -> None:
    (folder / "spark-deploy.yml").write_text("version: 1\nenvironments: {prod: {rooot: /x}}\n")
    titles = [one.title for one in refused(folder, keep="x").problems]
    assert any("`rooot`" in title for title in titles)
    assert any("`keep`" in title for title in titles)
    assert not any("is missing" in title for title in titles)


def test_a_wrong_value_of_another_environment_is_told_as_well(folder: Path) -> None:
    text = FILE.replace("checks: false", "checks: perhaps")
    (folder / "spark-deploy.yml").write_text(text)
    assert "line 10" in refused(folder, environment="prod").problem.title


def test_a_file_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    problem = refused(tmp_path, config="deploy/x.yml", root="/Volumes/a/b/c").problem
    assert "names deploy/x.yml" in problem.title


def test_a_file_of_another_name_is_read_when_it_is_named(folder: Path) -> None:
    (folder / "deploy").mkdir()
    (folder / "spark-deploy.yml").rename(folder / "deploy/x.yml")
    assert asked(folder, environment="dev", config="deploy/x.yml").settings.keep == 3


def test_a_file_with_the_other_suffix_is_not_passed_over_in_silence(folder: Path) -> None:
    (folder / "spark-deploy.yml").rename(folder / "spark-deploy.yaml")
    assert "spark-deploy.yaml" in refused(folder, root="/Volumes/a/b/c").problem.title


def test_a_link_is_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("very: secret\n")
    (folder / "spark-deploy.yml").unlink()
    (folder / "spark-deploy.yml").symlink_to(secret)
    error = refused(folder)
    assert "is no regular file" in error.problem.title
    assert "very" not in str(error)


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    (folder / "spark-deploy.yml").unlink()
    os.mkfifo(folder / "spark-deploy.yml")
    assert "is no regular file" in refused(folder).problem.title


def test_a_huge_file_is_refused_without_being_read_whole(folder: Path) -> None:
    with (folder / "spark-deploy.yml").open("wb") as file:
        file.truncate(10**12)  # sparse: a terabyte, more than there is memory
    assert "larger than 1,000,000 bytes" in refused(folder).problem.title


def test_a_name_with_a_nul_is_a_problem_and_no_crash(folder: Path) -> None:
    assert refused(folder, config="a\0b").reason is FailureReason.INVALID_CONFIGURATION


def test_checks_need_no_environment_and_take_the_defaults(folder: Path) -> None:
    request = asked(folder, mode="check")
    assert (request.settings.environment, request.settings.keep) == ("", 3)
    assert asked(folder, mode="check", environment="dev").settings.checks is False
    assert "did you mean `dev`" in refused(folder, mode="check", environment="dve").problem.title


def test_status_needs_an_environment_because_it_needs_a_host(folder: Path) -> None:
    assert "not known which environment" in refused(folder, mode="status").problem.title


def test_on_a_pull_request_the_file_alone_leads_nowhere(folder: Path) -> None:
    error = refused(folder, PULL_REQUEST)
    assert [one.reason for one in error.problems] == [FailureReason.UNTRUSTED_CONFIGURATION] * 2


def test_on_a_pull_request_the_workflow_says_where_to_and_the_file_the_rest(folder: Path) -> None:
    environ = {
        **PULL_REQUEST,
        "DATABRICKS_HOST": "https://prod.example.com/",
        "DATABRICKS_CLIENT_ID": "1111-2222",
    }
    settings = asked(folder, environ).settings
    assert settings.root == "/Volumes/main/libraries/released"
    assert settings.credentials.host == ""  # the variable's, by the SDK
    assert settings.credentials.client_id == ""


def test_on_a_pull_request_another_host_in_the_file_is_refused(folder: Path) -> None:
    evil = FILE.replace("prod.example.com", "prod.example.com.evil.example")
    (folder / "spark-deploy.yml").write_text(evil)
    error = refused(
        folder,
        PULL_REQUEST,
        databricks_host="https://prod.example.com",
        databricks_client_id="1111-2222",
    )
    assert error.reason is FailureReason.UNTRUSTED_CONFIGURATION


def test_on_a_pull_request_checks_run_all_the_same(folder: Path) -> None:
    assert asked(folder, PULL_REQUEST, mode="check").settings.environment == "prod"


def test_a_host_in_the_environment_that_differs_from_the_file_is_an_error(folder: Path) -> None:
    environ = {"DATABRICKS_HOST": "https://dev.example.com", "DATABRICKS_TOKEN": "x"}
    assert "say different things" in refused(folder, environ, environment="prod").problem.title


def test_auto_is_of_no_use_outside_of_github_and_says_what_to_give(folder: Path) -> None:
    problem = refused(folder, mode="auto").problem
    assert problem.reason is FailureReason.INVALID_EVENT
    assert "spark-deploy check" in problem.remedy


def on(folder: Path, name: str, payload: object, **inputs: str) -> Request:
    """What `mode: auto` asks for on an event."""
    event = folder / "event.json"
    event.write_bytes(as_bytes(payload))
    known = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(event)}
    return asked(folder, {"GITHUB_REF": "refs/heads/main", **known}, mode="auto", **inputs)


def test_what_auto_chose_counts_as_if_it_had_been_given(folder: Path) -> None:
    request = on(folder, "push", payloads.push())
    assert request.settings.mode is Mode.DEPLOY
    assert request.settings.environment == "prod"
    assert request.settings.keep == 3
    first, second = request.told.split("\n")
    assert first == "Mode auto: deploy to `prod`, because `main` is one of its branches."
    assert second == "Environment prod of spark-deploy.yml: as asked."
    assert request.settings.why == first


def test_a_form_is_read_as_inputs_are(folder: Path) -> None:
    payload = payloads.workflow_dispatch(mode="status", environment="dev", keep="seven")
    with pytest.raises(DeployError, match="The input `keep` can't be `seven`"):
        on(folder, "workflow_dispatch", payload)


def test_where_there_is_nothing_to_do_the_environment_need_not_be_known(folder: Path) -> None:
    request = on(folder, "pull_request", payloads.pull_request("closed"))
    assert request.settings.mode is Mode.AUTO
    assert request.settings.root == ""


def test_nightly_tests_are_asked_for_by_checks(folder: Path) -> None:
    assert on(folder, "schedule", payloads.schedule(), checks="true").settings.checks_too
    assert not on(folder, "schedule", payloads.schedule()).settings.checks_too


def test_why_something_may_not_be_done_is_told_with_what_it_would_be(folder: Path) -> None:
    request = on(
        folder, "pull_request", payloads.pull_request(), environment="dev", root="/Volumes/a/b/c",
        databricks_token="x", databricks_host="https://dev.example.com",
    )  # fmt: skip
    assert request.settings.mode is Mode.PLAN
    assert [one.reason for one in request.objections] == [FailureReason.UNTRUSTED_CODE]


def test_an_event_file_is_read_no_further_than_an_event_may_be(folder: Path) -> None:
    (folder / "endless").symlink_to("/dev/zero")
    known = {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(folder / "endless")}
    assert refused(folder, known, mode="auto").reason is FailureReason.INVALID_EVENT


def test_configure_reads_no_file_but_the_variables(folder: Path) -> None:
    (folder / "spark-deploy.yml").write_text("{")
    environ = {"DATABRICKS_HOST": "https://dev.example.com"}
    settings = asked(folder, environ, mode="configure").settings
    assert settings.credentials.host == "https://dev.example.com"
