"""Our messages, read by the libraries that Slack and Microsoft publish for them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from deployer.notify import slack, teams
from deployer.notify.news import news_of, without_hosts
from deployer.report.model import Report
from tests.from_npm import modules
from tests.unit.report import reports

RUN = "https://github.com/acme/metrics/actions/runs/12"
REPORTS: tuple[Report, ...] = (
    reports.deploy_with_everything(),
    reports.failed_and_moved_back(),
    reports.deploy_with_hostile_names(),
    reports.rollback_of_three(),
    reports.failed_with_two_problems(),
    reports.plan_with_jobs(moving=500, staying=500),
    reports.status_of_a_workspace(),
)
SLACK_SDK = """
import json, sys
from slack_sdk.models.blocks import Block

for message in json.load(sys.stdin):
    read = Block.parse_all(message["blocks"])
    for block in read:
        block.validate_json()
    assert [block.to_dict() for block in read] == message["blocks"], message
"""
ADAPTIVE_CARDS = """
const { AdaptiveCard, SerializationContext } = require("adaptivecards/dist/adaptivecards.js");
const found = [];
for (const json of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
  const card = new AdaptiveCard();
  const context = new SerializationContext();
  card.parse(json, context);
  for (let i = 0; i < context.eventCount; i++) found.push(context.getEventAt(i).message);
  found.push(...card.validateProperties().validationEvents.map((one) => one.message));
  if (card.getItemCount() !== json.body.length) found.push("an element was not understood");
}
console.log(JSON.stringify(found));
"""

pytestmark = pytest.mark.network


def by_slack(messages: list[Any]) -> subprocess.CompletedProcess[str]:
    argv = [find_uv_bin(), "run", "--quiet", "--no-project", "--with", "slack_sdk==3.43.0"]
    return subprocess.run(
        [*argv, "python", "-c", SLACK_SDK],
        input=json.dumps(messages),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_slacks_own_library_reads_our_blocks_as_they_are() -> None:
    messages = [slack.to_slack(news_of(without_hosts(one), RUN)) for one in REPORTS]
    said = by_slack(messages)
    assert said.returncode == 0, said.stderr
    too_long = {"type": "section", "text": {"type": "plain_text", "text": "x" * 3_001}}
    assert by_slack([{"blocks": [too_long]}]).returncode != 0


def by_microsoft(there: Path, folder: Path, cards: list[Any]) -> list[str]:
    script = there.parent / "read.cjs"
    script.write_text(ADAPTIVE_CARDS, encoding="utf-8")
    said = subprocess.run(
        [str(there / ".bin/node"), str(script)],
        input=json.dumps(cards),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(said.stdout)  # type: ignore[no-any-return]


@pytest.mark.node
def test_microsofts_own_library_reads_our_cards_without_a_word(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    there = modules(pytestconfig.cache.mkdir("npm"), "adaptivecards@3.0.5")
    messages: list[Any] = [teams.to_teams(news_of(without_hosts(one), RUN)) for one in REPORTS]
    cards = [message["attachments"][0]["content"] for message in messages]
    assert by_microsoft(there, tmp_path, cards) == []
    wrong = {**cards[0], "body": [{"type": "NoSuchElement"}]}
    assert by_microsoft(there, tmp_path, [wrong]) != []
