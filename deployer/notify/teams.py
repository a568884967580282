"""The message for a workflow of Microsoft Teams ("when a Teams webhook request is received").

Owns its form, an Adaptive Card in an envelope, and its limits. Foreign text stands in `TextRun`, which no
client reads as Markdown, and mentions need an entity that no card of ours has. Must not send.
(docs/notifications.md, "Limits".)
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.notify.news import News
from deployer.notify.slack import is_web_address
from deployer.notify.texts import fitted, listed
from deployer.report.model import Failure
from deployer.report.untrusted import visible_lines

Json = dict[str, object]

LIMIT = 20_000
"""Bytes of a whole message: 28 KB are documented, 21 KB were seen to be the end."""
_HEADLINE, _ABOUT, _LINES, _LINE = 400, 500, 3_000, 200
_TITLE = 400
_AT_MOST = 15  # lines of one list: each takes markup, too


def to_teams(news: News) -> Json:
    """The message as JSON values. It names nobody and holds one link: to the run."""
    body = [
        _paragraph(fitted(news.headline, _HEADLINE, _as_it_is), weight="Bolder", size="Medium"),
        _paragraph(fitted(news.about, _ABOUT, _as_it_is), subtle=True),
    ]
    if news.failure is not None:
        body += _failure(news.failure)
    for title, lines in (("Not moved", news.left), ("Moved", news.moved)):
        if lines:
            body.append(_paragraph(f"{title}: {len(lines):,}", weight="Bolder"))
            body += _lines([f"• {line}" for line in lines])
    card: Json = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    }
    if is_web_address(news.run_url):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "The run", "url": news.run_url}]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _failure(failure: Failure) -> list[Json]:
    title = _paragraph(fitted(failure.title, _TITLE, _as_it_is), weight="Bolder")
    texts = (failure.detail, failure.remedy)
    return [title, *(each for text in texts for each in _lines(visible_lines(text)))]


def _lines(lines: Sequence[str]) -> list[Json]:
    filled = [line for line in lines if line.strip()]
    shown = listed(filled[:_AT_MOST], _LINES, _as_it_is, line_limit=_LINE)
    if len(filled) > _AT_MOST and not shown[-1].startswith("… and "):
        shown.append(f"… and {len(filled) - _AT_MOST:,} more")
    return [_paragraph(line, spacing="None") for line in shown]


def _paragraph(text: str, *, subtle: bool = False, spacing: str = "Default", **look: str) -> Json:
    run: Json = {"type": "TextRun", "text": text or "–", **look}
    if subtle:
        run["isSubtle"] = True
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": [run]}


def _as_it_is(text: str) -> str:
    return text
