"""Who is told of a run: the receivers that the inputs name, each with the message that it reads.

Owns which message goes where, and that a receiver which can't be told only costs a warning. Must not decide
anything about the run. (docs/notifications.md)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deployer.notify.news import is_news, news_of, without_hosts
from deployer.notify.sender import BUDGET_S, Message, Send, send
from deployer.notify.slack import to_slack
from deployer.notify.teams import to_teams
from deployer.notify.webhook import DELIVERY, SIGNATURE, TIMESTAMP, signature, to_body, to_webhook
from deployer.report.model import Outcome, Report
from deployer.settings import Notifications

_JSON = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "spark-deploy"}
_CANCELLED_S = 4.0  # the runner kills ten seconds after it asked (facts, "Contract facts" 13)
_SHORTEST_KEY = 16  # characters; what is shorter can be guessed from one message
_UNSIGNED = (
    "The webhook was not notified: `webhook-secret` is missing or shorter than 16 characters, and nothing "
    "is sent without a signature that counts."
)


@dataclass(frozen=True)
class Notifier:
    """Tells of one run.

    `under_review` says that it is about a pull request; `hosts` are addresses of workspaces, which no message
    holds, and may still grow; `now_s` gives the time in seconds since 1970, `new_id` a name that no other
    notification has.
    """

    asked: Notifications
    run_url: str
    under_review: bool
    hosts: list[str]
    now_s: Callable[[], int]
    new_id: Callable[[], str]
    send: Send = send

    def notify(self, report: Report) -> tuple[str, ...]:
        """Tell all receivers of `report`, which holds no secret; one sentence for each that wasn't told."""
        asked = self.asked
        if not is_news(report, asked.wish, under_review=self.under_review):
            return ()
        told = without_hosts(report, tuple(self.hosts))
        messages = tuple(self._messages(told))
        budget_s = _CANCELLED_S if report.outcome is Outcome.CANCELLED else BUDGET_S
        failed = self.send(messages, budget_s) if messages else ()
        return (*failed, _UNSIGNED) if asked.webhook_url and not self._signs else failed

    @property
    def _signs(self) -> bool:
        return len(self.asked.webhook_secret) >= _SHORTEST_KEY

    def _messages(self, report: Report) -> Iterator[Message]:
        asked, news = self.asked, news_of(report, self.run_url)
        if asked.slack_url:
            yield Message("Slack", asked.slack_url, _body(to_slack(news)), _JSON)
        if asked.teams_url:
            yield Message("Teams", asked.teams_url, _body(to_teams(news)), _JSON)
        if asked.webhook_url and self._signs:
            yield self._signed(report)

    def _signed(self, report: Report) -> Message:
        delivery, now = self.new_id(), self.now_s()
        body = to_body(to_webhook(report, self.run_url, delivery))
        headers = {
            **_JSON,
            DELIVERY: delivery,
            TIMESTAMP: str(now),
            SIGNATURE: signature(self.asked.webhook_secret, now, body),
        }
        return Message("The webhook", self.asked.webhook_url, body, headers)


def _body(message: dict[str, object]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
