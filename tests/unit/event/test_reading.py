"""A payload becomes an event, or a failure that says why; nothing else can happen."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployer.errors import DeployError, FailureReason
from deployer.event.fields import MOST
from deployer.event.model import Event, Kind, Release, Side, WorkflowRun
from deployer.event.reading import AT_SECOND_HAND, is_of_a_proposal, read_event
from tests.unit.event import payloads
from tests.unit.event.payloads import BASE_SHA, FORK, OURS, SHA, Payload, as_bytes

EVERY: dict[str, Payload] = {
    "pull_request": payloads.pull_request(),
    "pull_request_target": payloads.pull_request(head=FORK),
    "push": payloads.push(),
    "release": payloads.release(),
    "workflow_dispatch": payloads.workflow_dispatch(mode="deploy", cleanup=False),
    "schedule": payloads.schedule(),
    "merge_group": payloads.merge_group(),
    "workflow_run": payloads.workflow_run(),
}
EACH = pytest.mark.parametrize("name", EVERY)


def read(name: str, payload: object) -> Event:
    return read_event(name, as_bytes(payload))


def refused(name: str, payload: object) -> DeployError:
    with pytest.raises(DeployError) as caught:
        read_event(name, payload if isinstance(payload, bytes) else as_bytes(payload))
    assert caught.value.reason is FailureReason.INVALID_EVENT
    assert caught.value.problem.remedy
    return caught.value


# ── Each event ───────────────────────────────────────────────────────────────────────────────────


def test_every_event_that_is_known_has_its_payload_here() -> None:
    assert set(EVERY) == set(Kind)


def test_a_pull_request_is_read() -> None:
    assert read("pull_request", payloads.pull_request("synchronize")) == Event(
        Kind.PULL_REQUEST,
        action="synchronize",
        repository=OURS,
        default_branch="main",
        number=7,
        head=Side("feature/lock-free", SHA, OURS),
        base=Side("main", BASE_SHA, OURS),
    )


@pytest.mark.parametrize("merged", [True, False])
def test_a_pull_request_that_is_closed_says_whether_it_was_merged(merged: bool) -> None:
    event = read("pull_request", payloads.pull_request("closed", merged=merged))
    assert (event.closed, event.merged) == (True, merged)


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
def test_a_pull_request_from_another_repository_is_from_a_fork(name: str) -> None:
    event = read(name, payloads.pull_request(head=FORK))
    assert event.is_fork
    assert event.head.repository == FORK


def test_a_pull_request_whose_repository_was_deleted_is_from_a_fork() -> None:
    payload = payloads.pull_request()
    payload["pull_request"]["head"]["repo"] = None
    assert read("pull_request", payload).is_fork


def test_how_a_repository_is_capitalised_makes_no_fork() -> None:
    assert not read("pull_request", payloads.pull_request(head="Acme/Retail-Metrics")).is_fork


@pytest.mark.parametrize(
    ("by", "is_its"), [("dependabot[bot]", True), ("dependabot", False), ("octocat", False)]
)
def test_a_pull_request_of_dependabot_is_known(by: str, is_its: bool) -> None:
    assert read("pull_request", payloads.pull_request(by=by)).by_dependabot is is_its


def test_a_push_of_a_branch_is_read() -> None:
    assert read("push", payloads.push("refs/heads/release/1.4")) == Event(
        Kind.PUSH,
        repository=OURS,
        default_branch="main",
        head=Side("release/1.4", SHA, OURS),
    )


def test_a_push_of_a_tag_has_a_tag_and_no_branch() -> None:
    event = read("push", payloads.push("refs/tags/v1.4.2"))
    assert (event.tag, event.head.branch) == ("v1.4.2", "")


def test_a_deleted_branch_is_known() -> None:
    assert read("push", payloads.push(deleted=True)).deleted


@pytest.mark.parametrize("ref", ["refs/pull/7/merge", "main", "refs/heads/", "", None, 7])
def test_a_push_of_neither_branch_nor_tag_is_refused(ref: Any) -> None:
    assert "`ref`" in refused("push", {**payloads.push(), "ref": ref}).problem.title


def test_a_release_is_read() -> None:
    event = read("release", payloads.release(draft=True, prerelease=True))
    assert event.tag == "v1.4.2"
    assert event.release == Release(11248810, "v1.4.2", draft=True, prerelease=True)


def test_a_form_is_read_with_its_booleans_and_without_what_is_empty() -> None:
    payload = payloads.workflow_dispatch(mode="deploy", cleanup=True, version="", count=3, x=None)
    event = read("workflow_dispatch", payload)
    assert event.inputs == {"mode": "deploy", "cleanup": True, "count": "3"}
    assert event.head.branch == "main"


def test_a_form_without_fields_is_one() -> None:
    assert read("workflow_dispatch", payloads.workflow_dispatch()).inputs == {}


@pytest.mark.parametrize("value", [[], {}, ["x"], {"a": "b"}])
def test_a_form_with_a_field_of_another_type_is_refused(value: Any) -> None:
    refused("workflow_dispatch", payloads.workflow_dispatch(mode=value))


def test_a_form_that_is_longer_than_github_takes_it_is_refused() -> None:
    refused("workflow_dispatch", payloads.workflow_dispatch(a="x" * 40_000, b="x" * 40_000))


def test_a_merge_group_names_both_branches() -> None:
    event = read("merge_group", payloads.merge_group())
    assert event.base == Side("main", BASE_SHA, OURS)
    assert event.head.branch.startswith("gh-readonly-queue/main/pr-7-")


def test_a_workflow_run_tells_whose_run_it_follows() -> None:
    event = read("workflow_run", payloads.workflow_run())
    head = Side("feature/lock-free", SHA, FORK)
    assert event.run == WorkflowRun(30433642, "pull_request", "success", head)
    assert event.is_fork


@pytest.mark.parametrize("name", ["schedule", "workflow_dispatch"])
def test_what_was_started_without_a_commit_needs_no_payload_worth_the_name(name: str) -> None:
    assert read(name, {}) == Event(Kind(name))


# ── Whether a proposal caused it ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("event", "is_one"),
    [("pull_request", True), ("pull_request_target", True), ("push", False), ("schedule", False)],
)
def test_a_run_that_follows_the_workflow_of_a_proposal_is_known(event: str, is_one: bool) -> None:
    payload = as_bytes(payloads.workflow_run(event=event))
    assert is_of_a_proposal("workflow_run", payload) is is_one


def test_a_comment_on_a_pull_request_is_known_from_one_on_an_issue() -> None:
    issue = payloads.around(action="created", issue={"number": 7}, comment={"body": "/deploy"})
    assert not is_of_a_proposal("issue_comment", as_bytes(issue))
    issue["issue"]["pull_request"] = {"url": "https://api.github.com/repos/acme/x/pulls/7"}
    assert is_of_a_proposal("issue_comment", as_bytes(issue))


@pytest.mark.parametrize("name", sorted(AT_SECOND_HAND))
@pytest.mark.parametrize("payload", [b"", b"[]", b'{"issue": 1, "workflow_run": 1}', b"\xff"])
def test_what_can_not_be_read_counts_as_of_a_proposal(name: str, payload: bytes) -> None:
    assert is_of_a_proposal(name, payload)


# ── Hostile payloads ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["", "issue_comment", "repository_dispatch", "PUSH", "a\n::x::b"])
def test_an_event_that_is_not_known_is_told_by_name_with_what_is_known(name: str) -> None:
    problem = refused(name, {}).problem
    assert "::" not in problem.title
    assert "`schedule`" in problem.detail


BROKEN = (
    b"",
    b"\xff\xfe",
    b"[]",
    b"null",
    b'"push"',
    b"{",
    b"[" * 200_000,
    b'{"a":' * 200_000,
    b'{"number": ' + b"9" * 5_000 + b"}",
    b"{}\x00",
)


@EACH
@pytest.mark.parametrize("payload", BROKEN, ids=lambda one: repr(one[:12]))
def test_what_is_no_json_object_is_refused(name: str, payload: bytes) -> None:
    refused(name, payload)


@EACH
def test_a_payload_that_is_larger_than_github_sends_is_refused_unread(name: str) -> None:
    assert f"{MOST:,}" in refused(name, b'{"a": "' + b"x" * MOST + b'"}').problem.title


@EACH
def test_every_truncated_payload_is_refused(name: str) -> None:
    whole = as_bytes(EVERY[name])
    for length in range(0, len(whole), 97):
        refused(name, whole[:length])


def _paths(node: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*path, key)
            yield from _paths(value, (*path, key))


WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**70, 1.5, "", "x", "\ud800", "a\nb", "x" * 2_000, "../..",
    [], {}, [[]], {"a": []},
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def _reads_or_refuses(name: str, payload: object) -> Event | None:
    try:
        return read_event(name, as_bytes(payload))
    except DeployError as error:
        _explains(error)
        return None


def _explains(error: DeployError) -> None:
    assert error.reason is FailureReason.INVALID_EVENT
    assert error.problem.remedy
    assert len(error.problem.title) < 300


@EACH
def test_any_field_missing_or_of_any_other_type_gives_an_event_or_a_reason(name: str) -> None:
    for path in _paths(EVERY[name]):
        for wrong in ("missing", *WRONG):
            payload = copy.deepcopy(EVERY[name])
            parent: Any = payload
            for key in path[:-1]:
                parent = parent[key]
            if wrong == "missing":
                del parent[path[-1]]
            else:
                parent[path[-1]] = wrong
            event = _reads_or_refuses(name, payload)
            if event is not None:
                _has_only_names(event)


def _has_only_names(event: Event) -> None:
    sides = (event.head, event.base)
    texts = [event.action, event.repository, event.default_branch, event.tag]
    texts += [text for side in sides for text in (side.branch, side.sha, side.repository)]
    for text in texts:
        assert type(text) is str
        assert len(text) <= 1_000
        assert not set(text) & {"\n", "\r", "\0", "\ud800"}
    assert type(event.number) is int


@given(st.sampled_from([*EVERY, "issue_comment", ""]), ANYTHING)
@example("push", {"ref": "refs/heads/\u2028"})
def test_any_json_gives_an_event_or_a_reason(name: str, payload: object) -> None:
    _reads_or_refuses(name, payload)


@given(st.sampled_from([*EVERY]), st.binary(max_size=200))
def test_any_bytes_give_an_event_or_a_reason(name: str, payload: bytes) -> None:
    try:
        read_event(name, payload)
    except DeployError as error:
        _explains(error)


@given(st.sampled_from([*EVERY]), st.data())
def test_a_payload_with_anything_in_one_place_gives_an_event_or_a_reason(
    name: str, data: st.DataObject
) -> None:
    payload = json.loads(as_bytes(EVERY[name]))
    path = data.draw(st.sampled_from(sorted(_paths(payload))))
    parent: Any = payload
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = data.draw(ANYTHING)
    event = _reads_or_refuses(name, payload)
    if event is not None:
        _has_only_names(event)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
@example("$(id)`x`; rm -rf / | ::set-output name=a::b")
@example("../../etc/passwd")
@example("@everyone <img src=x>")
def test_a_branch_name_is_kept_verbatim_whatever_it_holds(branch: str) -> None:
    event = read("pull_request", payloads.pull_request(branch=branch))
    assert event.head.branch == branch
