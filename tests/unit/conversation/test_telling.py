"""When a run tells of itself on a pull request, and on which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.contract import Mode
from deployer.conversation.ports import Comments, Proposal
from deployer.conversation.sticky import Style
from deployer.conversation.telling import Speaker, Told, merged_by, moved_on, why_not
from deployer.event.model import Event, Kind, Side
from deployer.forge import Denied, Unavailable
from deployer.report.comment import Around
from deployer.report.model import Outcome, Report
from tests.unit.report import reports

SHA, OTHER = "a" * 40, "b" * 40
PULL = Event(Kind.PULL_REQUEST, number=7, head=Side("feature", SHA, "o/r"))
PUSH = Event(Kind.PUSH, head=Side("main", SHA, "o/r"))


def proposal(number: int = 7, **more: object) -> Proposal:
    known = {"is_open": True, "merged": False, "head_sha": SHA} | more
    return Proposal(number, head_branch="feature", head_repository="o/r", **known)  # type: ignore[arg-type]


def _nobody() -> Comments:
    raise Unavailable("nobody is asked")


def speaker(event: Event | None, style: Style = Style.UPDATE, *, token: bool = True) -> Speaker:
    return Speaker(style, "", event, "", _nobody if token else None, lambda text: text)


def report(mode: Mode) -> Report:
    return Report(mode, "production", Outcome.SUCCEEDED)


@given(st.sampled_from(Mode), st.sampled_from(Kind))
def test_only_plans_of_pull_requests_and_deployments_of_pushes_are_told(
    mode: Mode, kind: Kind
) -> None:
    event = Event(kind, number=7, head=Side("main", SHA, "o/r"))
    told = speaker(event).tell(report(mode))
    proposals = {Kind.PULL_REQUEST, Kind.PULL_REQUEST_TARGET}
    meant = (mode is Mode.PLAN and kind in proposals) or (mode, kind) == (Mode.DEPLOY, Kind.PUSH)
    assert ("nobody is asked" in told.warning) is meant
    assert meant or told == Told()


@pytest.mark.parametrize("head", [Side("", SHA, "o/r"), Side("main", "", "o/r")])
def test_a_push_of_a_tag_and_one_that_removed_a_branch_merged_nothing(head: Side) -> None:
    assert speaker(Event(Kind.PUSH, head=head)).tell(report(Mode.DEPLOY)) == Told()


@pytest.mark.parametrize("event", [None, PULL])
def test_off_and_no_event_say_nothing(event: Event | None) -> None:
    style = Style.OFF if event else Style.UPDATE
    assert speaker(event, style).tell(report(Mode.PLAN)) == Told()


def test_without_a_token_it_says_so() -> None:
    told = speaker(PULL, token=False).tell(report(Mode.PLAN))
    assert told.line
    assert not told.warning


@pytest.mark.parametrize(
    ("found", "number"),
    [
        ([], 0),
        ([proposal(merged=True, merge_sha=SHA)], 7),
        ([proposal(merged=True, merge_sha=OTHER)], 7),
        ([proposal()], 0),
        ([proposal(merged=True, merge_sha=OTHER), proposal(8, merged=True, merge_sha=SHA)], 8),
        ([proposal(merged=True, merge_sha=OTHER), proposal(8, merged=True, merge_sha=OTHER)], 0),
        ([proposal(), proposal(8, merged=True, merge_sha=SHA)], 8),
    ],
    ids=["none", "merge", "part of a rebase", "open", "one of two", "no saying", "also in another"],
)
def test_a_commit_belongs_to_the_pull_request_that_it_merged(
    found: list[Proposal], number: int
) -> None:
    assert merged_by(found, SHA) == number


def test_a_pull_request_is_told_while_it_is_what_the_run_was_for() -> None:
    assert moved_on(proposal(), SHA) == ""
    for other in (proposal(is_open=False), proposal(merged=True), proposal(head_sha=OTHER)):
        assert "7" in moved_on(other, SHA)


def test_a_claim_has_a_key_of_its_own() -> None:
    one = speaker(PULL)
    story = reports.plan_of_three()
    assert one.key(story, Around()) != one.key(story, Around(claimed=True))


def test_a_refusal_names_the_permission_and_trouble_does_not() -> None:
    assert "pull-requests: write" in why_not(Denied("no", "issues=write"))
    assert "issues=write" in why_not(Denied("no", "issues=write"))
    assert "pull-requests: write" not in why_not(Unavailable("GitHub answered 502"))
