"""The message for an incoming webhook of Slack, in Block Kit.

Owns its form and limits. All foreign text is `plain_text`, in which Slack looks for no markup, and escaped
as Slack asks: so nobody is mentioned. Must not send. (docs/notifications.md, "Limits".)
"""

from __future__ import annotations

import re

from deployer.notify.news import News
from deployer.notify.texts import fitted, listed, paragraph
from deployer.report.model import Failure

Json = dict[str, object]

LIMIT = 12_000
"""Bytes of a whole message; Slack refuses blocks of more than about 13,000 characters."""
_HEADER, _ABOUT, _LIST, _LINE = (
    150,
    500,
    2_000,
    200,
)  # bytes; a header takes 150, a section 3,000 characters
_TITLE, _DETAIL, _REMEDY = 400, 1_000, 1_000
_WEB = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[\w.~%/+@=?#-]*)?")


def to_slack(news: News) -> Json:
    """The message as JSON values. It names nobody and holds one link: to the run."""
    headline = fitted(news.headline, _HEADER, _escape)
    blocks: list[Json] = [
        {"type": "header", "text": _plain(headline)},
        _section(fitted(news.about, _ABOUT, _escape)),
    ]
    if news.failure is not None:
        blocks.append(_section(_failure(news.failure)))
    for title, lines in (("Not moved", news.left), ("Moved", news.moved)):
        if lines:
            shown = listed([f"• {line}" for line in lines], _LIST, _escape, line_limit=_LINE)
            blocks.append(_section("\n".join((f"{title}: {len(lines):,}", *shown))))
    if is_web_address(news.run_url):
        link = {"type": "mrkdwn", "text": f"<{news.run_url}|The run>", "verbatim": True}
        blocks.append({"type": "context", "elements": [link]})
    # `text` is what a phone shows, and what readers without a screen hear.
    return {"text": headline, "mrkdwn": False, "link_names": False, "blocks": blocks}


def is_web_address(url: str) -> bool:
    """Whether `url` is an address with nothing in it that could end a link early."""
    return len(url) <= _ABOUT and _WEB.fullmatch(url) is not None


def _failure(failure: Failure) -> str:
    parts = (
        fitted(failure.title, _TITLE, _escape),
        paragraph(failure.detail, _DETAIL, _escape),
        paragraph(failure.remedy, _REMEDY, _escape),
    )
    return "\n".join(part for part in parts if part)


def _section(text: str) -> Json:
    return {"type": "section", "text": _plain(text or "–")}


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text or "–", "emoji": False}


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
