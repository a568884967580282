"""What `mode: auto` does on each event, to which environment, and the sentence that says why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.auto import Decision, Given, decide, is_version
from deployer.config.choice import release_environment
from deployer.config.environments import Configuration, Entry, Environment
from deployer.contract import INPUTS, InputType, Mode
from deployer.errors import DeployError, FailureReason
from deployer.event.model import Event, Kind, Release, Side, WorkflowRun
from deployer.event.reading import read_event
from tests.unit.event import payloads
from tests.unit.event.payloads import FORK, as_bytes

DEV = Environment("dev", ("develop", "feature/*"), {})
PROD = Environment("prod", ("main",), {})
NOTHING = Mode.AUTO


def file_of(*environments: Environment, **defaults: str) -> Configuration:
    entries = {name.replace("_", "-"): Entry(text, 3) for name, text in defaults.items()}
    return Configuration("spark-deploy.yml", entries, environments)


def plain(*names: str) -> Configuration:
    return file_of(*(Environment(name, (), {}) for name in names))


def decided(
    name: str,
    payload: dict[str, Any],
    configuration: Configuration | None = None,
    *,
    can_log_in: bool = True,
    **texts: str,
) -> Decision:
    given_texts = {one.replace("_", "-"): text for one, text in texts.items()}
    event = read_event(name, as_bytes(payload))
    return decide(event, Given(given_texts, configuration, can_log_in))


def does(*arguments: Any, **more: Any) -> tuple[Mode, str]:
    decision = decided(*arguments, **more)
    assert decision.why
    return decision.mode, decision.environment


# ── Proposals ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("action", ["opened", "synchronize", "reopened", "labeled", "edited"])
@pytest.mark.parametrize(("can_log_in", "mode"), [(True, Mode.PLAN), (False, Mode.CHECK)])
def test_a_pull_request_is_planned_where_credentials_are_at_hand_and_else_checked(
    action: str, can_log_in: bool, mode: Mode
) -> None:
    payload = payloads.pull_request(action)
    assert does("pull_request", payload, can_log_in=can_log_in) == (mode, "")


@pytest.mark.parametrize(
    "payload",
    [payloads.pull_request(head=FORK), payloads.pull_request(by="dependabot[bot]")],
    ids=["fork", "dependabot"],
)
@pytest.mark.parametrize("can_log_in", [True, False])
def test_forks_and_dependabot_get_checks_and_are_told_what_the_second_half_does(
    payload: dict[str, Any], can_log_in: bool
) -> None:
    decision = decided("pull_request", payload, can_log_in=can_log_in)
    assert decision.mode is Mode.CHECK
    assert "no secrets" in decision.told
    assert "`workflow_run`" in decision.told


@pytest.mark.parametrize(("merged", "said"), [(True, "merged"), (False, "closed")])
@pytest.mark.parametrize("head", [payloads.OURS, FORK])
def test_on_a_closed_pull_request_there_is_nothing_to_do(
    merged: bool, said: str, head: str
) -> None:
    decision = decided("pull_request", payloads.pull_request("closed", merged=merged, head=head))
    assert decision.mode is NOTHING
    assert f"was {said}" in decision.told


@pytest.mark.parametrize(("can_log_in", "mode"), [(True, Mode.PLAN), (False, Mode.CHECK)])
def test_a_merge_queue_asks_for_what_a_pull_request_does(can_log_in: bool, mode: Mode) -> None:
    decision = decided("merge_group", payloads.merge_group(), can_log_in=can_log_in)
    assert decision.mode is mode
    assert "`main`" in decision.told
    assert does("merge_group", payloads.merge_group("destroyed"))[0] is NOTHING


@pytest.mark.parametrize("event", ["push", "schedule", "workflow_dispatch"])
def test_what_follows_a_workflow_for_no_proposal_has_nothing_to_say(event: str) -> None:
    assert does("workflow_run", payloads.workflow_run(event=event))[0] is NOTHING


def test_what_follows_a_workflow_that_is_not_completed_has_nothing_to_say() -> None:
    assert does("workflow_run", payloads.workflow_run("requested"))[0] is NOTHING


def test_what_follows_the_workflow_of_a_proposal_comments() -> None:
    assert does("workflow_run", payloads.workflow_run())[0] is Mode.COMMENT


# ── Branches ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("branch", "wanted"),
    [
        ("main", (Mode.DEPLOY, "prod")),
        ("develop", (Mode.DEPLOY, "dev")),
        ("feature/x", (Mode.DEPLOY, "dev")),
        ("feature/x/y", (Mode.CHECK, "")),
        ("topic", (Mode.CHECK, "")),
    ],
)
def test_a_branch_of_an_environment_is_deployed_there_and_others_are_checked(
    branch: str, wanted: tuple[Mode, str]
) -> None:
    assert does("push", payloads.push(f"refs/heads/{branch}"), file_of(DEV, PROD)) == wanted


def test_the_default_branch_is_only_checked_where_environments_have_branches_and_it_fits_none() -> (
    None
):
    assert does("push", payloads.push(), file_of(DEV, Environment("prod", (), {})))[0] is Mode.CHECK


@pytest.mark.parametrize(
    ("configuration", "environment"),
    [
        (None, ""),
        (plain("only"), "only"),
        (plain("production"), "production"),
        (plain("staging", "production"), "staging"),
        (plain("production", "staging"), "staging"),
        (file_of(Environment("live", (), {}, releases=True), Environment("test", (), {})), "test"),
        (plain("a", "b"), "a"),
    ],
)
def test_the_default_branch_goes_to_the_first_environment_that_releases_do_not_go_to(
    configuration: Configuration | None, environment: str
) -> None:
    assert does("push", payloads.push(), configuration) == (Mode.DEPLOY, environment)


@pytest.mark.parametrize("configuration", [None, plain("staging", "production")])
def test_another_branch_than_the_default_one_is_checked(
    configuration: Configuration | None,
) -> None:
    assert does("push", payloads.push("refs/heads/topic"), configuration)[0] is Mode.CHECK


def test_where_the_event_names_no_default_branch_none_is_deployed() -> None:
    payload = payloads.push()
    payload["repository"] = {"full_name": payloads.OURS}
    assert does("push", payload)[0] is Mode.CHECK


def test_an_environment_that_is_given_is_the_only_one_that_a_push_is_for() -> None:
    push = payloads.push("refs/heads/develop")
    assert does("push", push, file_of(DEV, PROD), environment="dev") == (Mode.DEPLOY, "dev")
    assert does("push", push, file_of(DEV, PROD), environment="prod")[0] is Mode.CHECK
    main = payloads.push()
    two = plain("staging", "production")
    assert does("push", main, two, environment="production") == (Mode.DEPLOY, "production")


def test_where_two_environments_fit_a_branch_none_is_chosen_here() -> None:
    """The usual choice then says that several could be meant."""
    two = file_of(Environment("a", ("rel/*",), {}), Environment("b", ("rel/**",), {}))
    assert does("push", payloads.push("refs/heads/rel/1"), two) == (Mode.DEPLOY, "")


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/tags/v1.4.2"])
def test_what_was_deleted_is_not_deployed(ref: str) -> None:
    assert does("push", payloads.push(ref, deleted=True))[0] is NOTHING


# ── Tags and releases ────────────────────────────────────────────────────────────────────────────

STARTS = (
    ("push", payloads.push("refs/tags/v1.4.2")),
    ("release", payloads.release()),
)


@pytest.mark.parametrize(("name", "payload"), STARTS, ids=["tag", "release"])
@pytest.mark.parametrize(
    ("configuration", "given_name", "environment"),
    [
        (None, "", ""),
        (None, "live", "live"),
        (plain("only"), "", "only"),
        (plain("dev", "production"), "", "production"),
        (
            file_of(Environment("production", (), {}), Environment("live", (), {}, releases=True)),
            "",
            "live",
        ),
        (plain("dev", "production"), "dev", "dev"),
    ],
)
def test_a_version_is_published_and_deployed_to_the_release_environment(
    name: str,
    payload: dict[str, Any],
    configuration: Configuration | None,
    given_name: str,
    environment: str,
) -> None:
    decision = decided(name, payload, configuration, environment=given_name)
    assert (decision.mode, decision.environment) == (Mode.DEPLOY, environment)
    assert decision.publish


@pytest.mark.parametrize(("name", "payload"), STARTS, ids=["tag", "release"])
def test_where_nothing_says_where_releases_go_the_run_asks(
    name: str, payload: dict[str, Any]
) -> None:
    with pytest.raises(DeployError) as caught:
        decided(name, payload, plain("a", "b"))
    assert caught.value.reason is FailureReason.INVALID_INPUT
    assert "releases: true" in caught.value.problem.remedy


@pytest.mark.parametrize(
    "tag", ["v1.4.2", "1.4.2", "v1.4.2-rc.1", "1.4.2rc1", "v2024.3.1", "1.2.3.4"]
)
def test_a_tag_with_three_numbers_is_a_version(tag: str) -> None:
    assert is_version(tag)


@pytest.mark.parametrize(
    "tag",
    ["v1", "v1.2", "1", "latest", "nightly-2026-11-02", "retail-v1.4.2", "v", "v1.4.2-jre", ""],
)
def test_another_tag_is_none_and_is_left_alone(tag: str) -> None:
    assert not is_version(tag)
    if tag:
        assert does("push", payloads.push(f"refs/tags/{tag}"))[0] is NOTHING
        assert does("release", payloads.release(tag=tag))[0] is NOTHING


@pytest.mark.parametrize(
    "action", ["created", "edited", "deleted", "unpublished", "prereleased", "released"]
)
def test_only_what_is_published_is_deployed(action: str) -> None:
    assert does("release", payloads.release(action))[0] is NOTHING


def test_a_draft_is_not_deployed() -> None:
    decision = decided("release", payloads.release(draft=True))
    assert decision.mode is NOTHING
    assert "draft" in decision.told


def test_a_pre_release_is_deployed_only_where_pre_releases_are_allowed() -> None:
    payload = payloads.release(prerelease=True)
    assert does("release", payload)[0] is NOTHING
    assert does("release", payload, allow_prereleases="true")[0] is Mode.DEPLOY
    allows = {"allow-prereleases": Entry("true", 5)}
    in_file = file_of(Environment("dev", (), allows), Environment("production", (), {}))
    assert does("release", payload, in_file)[0] is NOTHING
    assert does("release", payload, in_file, environment="dev")[0] is Mode.DEPLOY


# ── By hand and by the clock ─────────────────────────────────────────────────────────────────────


def test_a_form_that_says_nothing_gets_a_plan() -> None:
    assert does("workflow_dispatch", payloads.workflow_dispatch())[0] is Mode.PLAN
    assert does("workflow_dispatch", payloads.workflow_dispatch(mode="auto"))[0] is Mode.PLAN


def test_a_form_gives_its_mode_and_inputs() -> None:
    payload = payloads.workflow_dispatch(
        mode="deploy", environment="prod", cleanup=False, min_age="7d", reason="because"
    )
    decision = decided("workflow_dispatch", payload)
    assert decision.mode is Mode.DEPLOY
    assert decision.texts == {"environment": "prod", "cleanup": "false", "min-age": "7d"}


def test_what_the_step_says_counts_more_than_the_form() -> None:
    payload = payloads.workflow_dispatch(environment="prod", keep="3", project="lib")
    decision = decided("workflow_dispatch", payload, environment="dev", project=".")
    assert decision.texts == {"keep": "3", "project": "lib"}


@pytest.mark.parametrize(
    "name",
    [
        *(one.name for one in INPUTS if one.type is InputType.SECRET),
        *(
            "databricks-host",
            "databricks-client-id",
            "auth-type",
            "host-paths",
            "trust-project",
            "config",
        ),
    ],
)
def test_a_form_gives_no_secret_and_does_not_say_where_credentials_go(name: str) -> None:
    decision = decided("workflow_dispatch", payloads.workflow_dispatch(**{name: "true"}))
    assert decision.texts == {}
    assert f"Not taken from the form: `{name}`" in decision.told


def test_a_mode_of_a_form_that_there_is_not_is_an_error() -> None:
    with pytest.raises(DeployError, match="deplyo"):
        decided("workflow_dispatch", payloads.workflow_dispatch(mode="deplyo"))


@pytest.mark.parametrize(("checks", "too"), [("", False), ("false", False), ("true", True)])
def test_the_clock_gets_a_status_and_with_checks_given_the_nightly_tests(
    checks: str, too: bool
) -> None:
    decision = decided("schedule", payloads.schedule(), checks=checks)
    assert (decision.mode, decision.checks_too) == (Mode.STATUS, too)


# ── All of them ──────────────────────────────────────────────────────────────────────────────────

NAMES = st.text(min_size=1, max_size=12) | st.sampled_from(["main", "develop", "v1.4.2", "v1"])
SIDES = st.builds(Side, branch=NAMES, sha=st.just("0" * 40), repository=NAMES)
RELEASES = st.builds(
    Release, st.integers(1, 9), NAMES, draft=st.booleans(), prerelease=st.booleans()
)
EVENTS = st.builds(
    Event,
    st.sampled_from(Kind),
    action=st.sampled_from(["opened", "closed", "published", "completed", "checks_requested"]) | NAMES,
    repository=NAMES,
    default_branch=NAMES | st.just(""),
    number=st.integers(1, 9),
    head=SIDES,
    base=SIDES,
    is_fork=st.booleans(),
    by_dependabot=st.booleans(),
    closed=st.booleans(),
    merged=st.booleans(),
    deleted=st.booleans(),
    tag=NAMES | st.just(""),
    release=st.none() | RELEASES,
    inputs=st.dictionaries(st.sampled_from([one.name for one in INPUTS]), NAMES | st.booleans()),
    run=st.none() | st.builds(WorkflowRun, st.integers(1, 9), NAMES, NAMES, SIDES),
)  # fmt: skip
BRANCHES = st.sampled_from([(), ("main", "v*")])
FILES = st.none() | st.builds(
    file_of,
    *(
        st.builds(Environment, st.just(name), BRANCHES, st.just({}), st.booleans())
        for name in ("dev", "production")
    ),
)


@given(EVENTS, FILES, st.booleans())
def test_any_event_is_decided_or_asks(
    event: Event, configuration: Configuration | None, can_log_in: bool
) -> None:
    found = _outcome(event, Given({}, configuration, can_log_in))
    assert found.problem.remedy if isinstance(found, DeployError) else found.why


def _outcome(event: Event, known: Given) -> Decision | DeployError:
    try:
        return decide(event, known)
    except DeployError as error:
        return error


@given(EVENTS, FILES, st.booleans())
def test_only_what_was_pushed_released_or_asked_for_by_hand_changes_a_workspace(
    event: Event, configuration: Configuration | None, can_log_in: bool
) -> None:
    decision = _outcome(event, Given({}, configuration, can_log_in))
    if isinstance(decision, DeployError):
        return
    if event.kind not in {Kind.PUSH, Kind.RELEASE, Kind.WORKFLOW_DISPATCH}:
        assert decision.mode in {Mode.CHECK, Mode.PLAN, Mode.STATUS, Mode.COMMENT, NOTHING}
    if event.is_fork and event.kind is Kind.PULL_REQUEST:
        assert decision.mode in {Mode.CHECK, NOTHING}
    if decision.mode is Mode.DEPLOY and event.kind is Kind.PUSH:
        assert not event.deleted


@given(st.lists(st.sampled_from(["dev", "production", "live"]), min_size=1, unique=True), st.data())
def test_the_release_environment_is_the_one_that_says_so_or_has_the_name_or_is_alone(
    names: list[str], data: st.DataObject
) -> None:
    says = data.draw(st.none() | st.sampled_from(names))
    found = file_of(*(Environment(name, (), {}, releases=name == says) for name in names))
    wanted = says or ("production" if "production" in names else "")
    wanted = wanted or (names[0] if len(names) == 1 else "")
    if wanted:
        assert release_environment(found).name == wanted
    else:
        with pytest.raises(DeployError, match="It is not known which environment"):
            release_environment(found)
