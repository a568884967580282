"""The three messages: who is told of what, in which words, and what never stands in them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.contract import Mode, input_named
from deployer.notify import slack, teams, webhook
from deployer.notify.news import is_news, news_of, without_hosts
from deployer.notify.notifier import Notifier
from deployer.report.model import Deployment, Outcome, Report
from deployer.settings import Notifications
from tests.unit.report import reports

RUN = "https://github.com/acme/metrics/actions/runs/12"
ALL = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
ROOM = {"section": 3_000, "header": 150}  # characters of a text, as Slack documents them


def slack_of(report: Report, run_url: str = RUN) -> dict[str, Any]:
    return json.loads(json.dumps(slack.to_slack(news_of(without_hosts(report), run_url))))  # type: ignore[no-any-return]


def teams_of(report: Report, run_url: str = RUN) -> dict[str, Any]:
    return json.loads(json.dumps(teams.to_teams(news_of(without_hosts(report), run_url))))  # type: ignore[no-any-return]


def body_of(report: Report) -> dict[str, Any]:
    document = webhook.to_webhook(without_hosts(report), RUN, "d1")
    return json.loads(webhook.to_body(document))  # type: ignore[no-any-return]


def slack_texts(message: dict[str, Any]) -> str:
    blocks = [one["text"]["text"] for one in message["blocks"] if "text" in one]
    return "\n".join(blocks)


def teams_texts(message: dict[str, Any]) -> str:
    card = message["attachments"][0]["content"]
    return "\n".join(run["text"] for one in card["body"] for run in one["inlines"])


def sizes(message: dict[str, Any]) -> int:
    return len(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode())


# ── Who is told ──────────────────────────────────────────────────────────────────────────────────

DEPLOYED = reports.deploy_with_everything()
IDLE = replace(DEPLOYED, outcome=Outcome.NOTHING_TO_DO, deployment=None)
FAILED = reports.failed_and_moved_back()
PLAN = reports.plan_of_three()
PLAN_FAILED = replace(FAILED, mode=Mode.PLAN, deployment=None)
BACK = reports.rollback_of_three()
CANCELLED = replace(DEPLOYED, outcome=Outcome.CANCELLED)
CLEAN = replace(DEPLOYED, mode=Mode.CLEANUP, deployment=Deployment("", removed=()))


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (DEPLOYED, {"always", "changes"}),
        (BACK, {"always", "changes"}),
        (IDLE, {"always"}),
        (CLEAN, {"always"}),
        (PLAN, {"always"}),
        (FAILED, {"always", "changes", "failure"}),
        (CANCELLED, {"always", "changes", "failure"}),
        (PLAN_FAILED, {"always", "changes", "failure"}),
    ],
)
def test_who_asked_for_it_is_told(report: Report, told: set[str]) -> None:
    wishes = input_named("notify").choices
    assert {one for one in wishes if is_news(report, one, under_review=False)} == told


@given(reports.reports, st.sampled_from(["changes", "failure"]))
@ALL
def test_a_pull_request_is_not_told_of_its_checks_and_plans(report: Report, wish: str) -> None:
    looked = replace(report, mode=Mode.PLAN)
    assert not is_news(looked, wish, under_review=True)
    assert not is_news(replace(report, mode=Mode.CHECK), wish, under_review=True)
    assert is_news(looked, "always", under_review=True)


@given(reports.reports)
@ALL
def test_off_is_off(report: Report) -> None:
    assert not is_news(report, "off", under_review=False)


# ── What is told ─────────────────────────────────────────────────────────────────────────────────


def test_a_deployment_is_told_with_its_jobs() -> None:
    for text in (slack_texts(slack_of(DEPLOYED)), teams_texts(teams_of(DEPLOYED))):
        assert "🚀 retail-metrics 1.5.0: 2 jobs moved, 1 did not, 7 stay" in text
        assert "production · deploy · deployment 000012-" in text
        assert "nightly sales (11): 1.4.0 → 1.5.0" in text
        assert "weekly report (13): edited by someone else meanwhile" in text
    assert body_of(DEPLOYED)["moved"][0] == {
        "job_id": 11,
        "job_name": "nightly sales",
        "from_versions": ["1.4.0"],
    }


def test_a_failure_is_told_with_the_way_out() -> None:
    for text in (slack_texts(slack_of(FAILED)), teams_texts(teams_of(FAILED))):
        assert "2 of 3 jobs did not move" in text
        assert "    on-failure: continue" in text
    assert body_of(FAILED)["failure"]["reason"] == "jobs-not-moved"


def test_the_run_is_the_only_link() -> None:
    assert f"<{RUN}|The run>" in json.dumps(slack_of(DEPLOYED))
    card = teams_of(DEPLOYED)["attachments"][0]["content"]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "The run", "url": RUN}]
    assert body_of(DEPLOYED)["run_url"] == RUN


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "https://a.b/>|x",
        "https://a.b/<!channel>",
        "https://a.b/ c",
        "https://u:p@a.b/c d",
        f"https://a.b/{'x' * 600}",
        "https://a.b/|x",
    ],
)
def test_what_is_no_plain_address_is_not_linked(url: str) -> None:
    assert "mrkdwn" not in {block["type"] for block in slack_of(DEPLOYED, url)["blocks"]}
    assert "The run" not in json.dumps(slack_of(DEPLOYED, url))
    assert "actions" not in teams_of(DEPLOYED, url)["attachments"][0]["content"]


# ── What never stands in a message ───────────────────────────────────────────────────────────────


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


@given(reports.reports)
@ALL
def test_a_message_for_slack_fits_and_mentions_nobody(report: Report) -> None:
    message = slack_of(report)
    assert sizes(message) <= slack.LIMIT
    assert 2 <= len(message["blocks"]) <= 50
    for block in message["blocks"]:
        if block["type"] == "context":
            assert block["elements"] == [
                {"type": "mrkdwn", "text": f"<{RUN}|The run>", "verbatim": True}
            ]
            continue
        assert block["text"]["type"] == "plain_text"
        assert 1 <= len(block["text"]["text"]) <= ROOM[block["type"]]
    for text in (message["text"], *(one["text"]["text"] for one in message["blocks"][:-1])):
        assert not set(text) & set("<>")
        assert "@" not in text.replace("@\u200b", "")


@given(reports.reports)
@ALL
def test_a_message_for_teams_fits_and_holds_no_markdown(report: Report) -> None:
    message = teams_of(report)
    assert sizes(message) <= teams.LIMIT
    card = message["attachments"][0]["content"]
    assert "entities" not in card["msteams"]
    for block in card["body"]:
        assert block["type"] == "RichTextBlock"
        assert [run["type"] for run in block["inlines"]] == ["TextRun"]
        text = block["inlines"][0]["text"]
        assert "@" not in text.replace("@\u200b", "")
        assert not [one for one in ("<at", "</at", "{{", "${") if one in text]


@given(reports.reports)
@ALL
def test_a_message_for_a_program_fits_and_is_json_in_ascii(report: Report) -> None:
    body = webhook.to_body(webhook.to_webhook(without_hosts(report), RUN, "d1"))
    assert len(body) <= webhook.LIMIT
    assert body.isascii()
    assert json.loads(body)["outcome"] == report.outcome.value


def huge() -> Report:
    report = reports.plan_with_jobs(moving=3_000, staying=10)
    assert report.plan is not None
    long = tuple(replace(one, job_name="ü<&>\\" * 400) for one in report.plan.rewires)
    failure = replace(
        FAILED.failure, title="<&" * 9_000, detail="\\\n" * 9_000, remedy="😀" * 9_000
    )  # type: ignore[type-var]
    return replace(report, plan=replace(report.plan, rewires=long), failure=failure)


def test_the_largest_messages_fit() -> None:
    assert slack.LIMIT / 4 < sizes(slack_of(huge())) <= slack.LIMIT
    assert teams.LIMIT / 4 < sizes(teams_of(huge())) <= teams.LIMIT
    assert "more" in slack_texts(slack_of(huge()))
    assert "more" in teams_texts(teams_of(huge()))
    document = body_of(huge())
    assert document["jobs_updated"] == 3_000
    assert document["truncated"]["moved"] == 3_000 - len(document["moved"]) > 0


def test_no_message_names_the_workspace() -> None:
    host = reports.HOST.removeprefix("https://")
    for where in (reports.HOST, f"{host} said no", f"({reports.HOST}/api/2.2/jobs)"):
        assert FAILED.failure is not None
        report = replace(FAILED, environment=where, failure=replace(FAILED.failure, detail=where))
        for message in (slack_of(report), teams_of(report), body_of(report)):
            assert host not in json.dumps(message)


def test_a_host_of_ones_own_is_not_named_either() -> None:
    report = replace(PLAN_FAILED, host="", environment="data.acme.internal is down")
    told = without_hosts(report, ("https://data.acme.internal/", ""))
    assert "acme.internal" not in json.dumps(slack.to_slack(news_of(told)))


def test_hostile_names_stay_text() -> None:
    report = reports.deploy_with_hostile_names()
    for message in (slack_of(report), teams_of(report)):
        said = "".join(strings(message)).replace(RUN, "")
        assert "evil.example" not in said
        assert "@acme/platform" not in said
        assert "\u202e" not in said
        assert "\x1b" not in said


def test_a_run_that_was_cancelled_takes_seconds_only_to_tell() -> None:
    budgets: list[float] = []

    def keep(_: object, budget_s: float) -> tuple[str, ...]:
        budgets.append(budget_s)
        return ()

    asked = Notifications("changes", slack_url="https://hooks.example/x")
    for report in (DEPLOYED, CANCELLED):
        Notifier(
            asked, RUN, under_review=False, hosts=[], now_s=lambda: 0, new_id=str, send=keep
        ).notify(report)
    assert budgets[0] == 30
    assert budgets[1] < 5


# ── The signature ────────────────────────────────────────────────────────────────────────────────


def test_the_signature_covers_time_and_body() -> None:
    body, key = b'{"a":1}', "a key of sixteen characters"
    wanted = hmac.new(key.encode(), b'1700000000.{"a":1}', hashlib.sha256).hexdigest()
    assert webhook.signature(key, 1_700_000_000, body) == f"v1={wanted}"
    others = [
        webhook.signature(key, 1_700_000_001, body),
        webhook.signature(key, 1_700_000_000, body + b" "),
        webhook.signature(key + "x", 1_700_000_000, body),
    ]
    assert len({webhook.signature(key, 1_700_000_000, body), *others}) == 4
