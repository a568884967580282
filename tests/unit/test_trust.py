"""A proposal's code and credentials never meet, on any service; outside of proposals nothing changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployer.contract import Mode
from deployer.errors import ExitCode, FailureReason, Problem, exit_code
from deployer.settings import parse
from deployer.trust import can_log_in, credentials_held, objections, objections_to_event

GITHUB = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_BASE_REF": "main"}
GITLAB = {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "7"}
JENKINS = {"JENKINS_URL": "https://ci.example.com", "CHANGE_ID": "7"}
PROPOSALS = {"github": GITHUB, "gitlab": GITLAB, "jenkins": JENKINS}
ID_TOKEN = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
TOKEN = {"DATABRICKS_TOKEN": "dapi-x"}
ENOUGH = {"root": "/Volumes/a/b/c"}
BUILDS = ("check", "plan", "deploy", "upload")


def found(
    environ: dict[str, str], *, checks_too: bool = False, **inputs: str
) -> tuple[Problem, ...]:
    texts = {name.replace("_", "-"): text for name, text in inputs.items()}
    settings = replace(parse({**ENOUGH, **texts}), checks_too=checks_too)
    return tuple(objections(settings, texts, environ))


@pytest.mark.parametrize("proposal", PROPOSALS.values(), ids=PROPOSALS)
@pytest.mark.parametrize("mode", BUILDS)
@pytest.mark.parametrize("held", [TOKEN, ID_TOKEN, {"ARM_CLIENT_SECRET": "x"}])
def test_a_proposal_is_not_built_beside_credentials(
    proposal: dict[str, str], mode: str, held: dict[str, str]
) -> None:
    (problem,) = found({**proposal, **held}, mode=mode)
    assert problem.reason is FailureReason.UNTRUSTED_CODE
    assert exit_code(problem.reason) == ExitCode.REFUSED


@pytest.mark.parametrize("name", ["databricks-token", "databricks-client-secret"])
def test_credentials_that_are_inputs_count(name: str) -> None:
    texts = {name: "secret"}
    (problem,) = objections(parse({**ENOUGH, **texts}), texts, GITHUB)
    assert f"the input `{name}`" in problem.detail
    assert "secret" not in problem.detail.replace(name, "")


def test_every_credential_is_named_and_none_is_shown() -> None:
    (problem,) = found({**GITHUB, **TOKEN, **ID_TOKEN}, mode="check")
    assert "`DATABRICKS_TOKEN`" in problem.detail
    assert "`id-token: write`" in problem.detail
    assert "dapi-x" not in "".join((problem.title, problem.detail, problem.remedy))


def test_a_variable_that_names_the_token_counts() -> None:
    named = {"DATABRICKS_OIDC_TOKEN_ENV": "MY_TOKEN", "MY_TOKEN": "x"}
    assert credentials_held({}, named) == ("`MY_TOKEN`",)
    assert credentials_held({}, {"DATABRICKS_OIDC_TOKEN_ENV": "MY_TOKEN"}) == ()


def test_what_only_says_where_to_log_in_is_no_credential() -> None:
    public = {"DATABRICKS_HOST": "https://x", "DATABRICKS_CLIENT_ID": "1-2", "GITHUB_TOKEN": "x"}
    assert credentials_held({"github-token": "x"}, public) == ()
    assert credentials_held({"databricks-token": " "}, {"DATABRICKS_TOKEN": " "}) == ()
    assert credentials_held({}, {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x"}) == ()


@pytest.mark.parametrize("mode", BUILDS)
def test_without_credentials_a_proposal_is_built(mode: str) -> None:
    assert found(GITHUB, mode=mode) == ()


@pytest.mark.parametrize("mode", BUILDS)
def test_a_file_that_is_given_is_not_built(mode: str) -> None:
    assert found({**GITHUB, **TOKEN}, mode=mode, wheel="dist/*.whl") == ()


@pytest.mark.parametrize("mode", ["status", "cleanup", "rollback", "doctor", "configure"])
def test_modes_that_build_nothing_may_hold_credentials(mode: str) -> None:
    assert found({**GITHUB, **TOKEN}, mode=mode) == ()


def test_the_plan_of_a_rollback_builds_nothing() -> None:
    assert found({**GITHUB, **TOKEN}, mode="plan", to="previous") == ()


def test_nightly_checks_build() -> None:
    assert found({**GITHUB, **TOKEN}, mode="status", checks_too=True)


def test_who_trusts_every_author_may_say_so() -> None:
    assert found({**GITHUB, **TOKEN}, mode="plan", trust_project="true") == ()


def test_what_a_proposal_caused_at_second_hand_is_not_built_either() -> None:
    settings = parse({**ENOUGH, "mode": "deploy"})
    environ = {"GITHUB_EVENT_NAME": "workflow_run", "GITHUB_REF": "refs/heads/main", **TOKEN}
    assert list(objections(settings, {}, environ, at_second_hand=True))
    assert not list(objections(settings, {}, environ))
    assert not list(objections(settings, {}, {}, at_second_hand=True))


OUTSIDE: tuple[dict[str, str], ...] = (
    {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"},
    {"GITHUB_EVENT_NAME": "merge_group", "GITHUB_REF": "refs/heads/gh-readonly-queue/main/pr-7-a"},
    {"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "main"},
    {"JENKINS_URL": "https://ci.example.com", "BRANCH_NAME": "main"},
    {},
)


@pytest.mark.parametrize("environ", OUTSIDE, ids=lambda one: next(iter(one), "laptop"))
@pytest.mark.parametrize("mode", BUILDS)
def test_outside_of_proposals_nothing_is_refused(environ: dict[str, str], mode: str) -> None:
    assert found({**environ, **TOKEN, **ID_TOKEN}, mode=mode, databricks_token="x") == ()


@pytest.mark.parametrize("mode", [mode.value for mode in Mode if mode is not Mode.COMMENT])
def test_pull_request_target_is_refused_whatever_is_held(mode: str) -> None:
    (problem,) = objections_to_event(mode, {"GITHUB_EVENT_NAME": "pull_request_target"})
    assert problem.reason is FailureReason.UNTRUSTED_CODE
    assert "workflow_run" in problem.remedy


def test_pull_request_target_may_comment_and_other_events_may_do_anything() -> None:
    assert not list(objections_to_event("comment", {"GITHUB_EVENT_NAME": "pull_request_target"}))
    for event in ("pull_request", "push", ""):
        assert not list(objections_to_event("deploy", {"GITHUB_EVENT_NAME": event}))


def _yaml_in(remedy: str) -> list[str]:
    return [part.removeprefix("yaml\n") for part in remedy.split("```")[1::2] if part[:4] == "yaml"]


def test_the_message_shows_a_workflow_that_splits_the_job() -> None:
    (problem,) = found({**GITHUB, **TOKEN}, mode="plan")
    workflow, opt_in = map(yaml.safe_load, _yaml_in(problem.remedy))
    build, plan = workflow["jobs"]["build"], workflow["jobs"]["plan"]
    assert "id-token" not in build["permissions"]
    assert plan["permissions"]["id-token"] == "write"
    assert plan["steps"][-1]["with"]["wheel"]
    assert opt_in == {"with": {"trust-project": True}}


def test_what_the_messages_show_to_paste_is_understood() -> None:
    (build,) = found({**GITHUB, **TOKEN}, mode="plan")
    (event,) = objections_to_event("plan", {"GITHUB_EVENT_NAME": "pull_request_target"})
    shown = [yaml.safe_load(part) for one in (build, event) for part in _yaml_in(one.remedy)]
    steps = [
        step["with"]
        for workflow in shown
        for job in workflow.get("jobs", {}).values()
        for step in job["steps"]
        if step["uses"].startswith("OWNER/")
    ]
    assert [parse({**ENOUGH, **step}).mode for step in steps] == [
        Mode.CHECK,
        Mode.PLAN,
        Mode.COMMENT,
    ]
    assert "id-token" not in str(shown[-1])
    assert "checkout" not in str(shown[-1])


@pytest.mark.parametrize("proposal", [GITLAB, JENKINS], ids=["gitlab", "jenkins"])
def test_elsewhere_the_message_shows_commands(proposal: dict[str, str]) -> None:
    (problem,) = found({**proposal, **TOKEN}, mode="plan")
    assert "spark-deploy plan --wheel" in problem.remedy
    assert "uses:" not in problem.remedy


def test_a_token_of_github_logs_in_only_as_somebody() -> None:
    assert not can_log_in({}, ID_TOKEN, known=False)
    assert can_log_in({}, ID_TOKEN, known=True)
    assert can_log_in({"databricks-client-id": "1-2"}, ID_TOKEN, known=False)
    assert can_log_in({}, {**ID_TOKEN, "DATABRICKS_CLIENT_ID": "1-2"}, known=False)
    assert can_log_in({}, TOKEN, known=False)
    assert not can_log_in({}, {"DATABRICKS_CLIENT_ID": "1-2"}, known=True)


@given(
    st.dictionaries(
        st.sampled_from([*GITHUB, *GITLAB, *JENKINS, *TOKEN, *ID_TOKEN, "GITHUB_REF"]),
        st.sampled_from(["", " ", "pull_request", "push", "true", "7"]),
    ),
    st.sampled_from(BUILDS),
)
def test_whatever_the_variables_who_holds_nothing_is_not_refused(
    environ: dict[str, str], mode: str
) -> None:
    problems = found(environ, mode=mode)
    assert not problems or credentials_held({}, environ)
