"""GraphQL, as far as it is used: `viewer`, `minimizeComment`, and whether a comment is minimised.

What it does not know is an error, as on GitHub: with status 200.
"""

from __future__ import annotations

import re
from typing import Any

from tests.github.accounts import FORBIDDEN
from tests.github.routing import Call, Json

CLASSIFIERS = {"SPAM", "ABUSE", "OFF_TOPIC", "OUTDATED", "DUPLICATE", "RESOLVED"}


def answer(call: Call) -> Json:
    """The answer to one query or mutation."""
    body = call.body()
    query, variables = str(body.get("query", "")), body.get("variables") or {}
    viewer = call.account
    if "minimizeComment" in query:
        return _minimize(call, query, variables)
    if re.search(r"\bviewer\b", query):
        return {"data": {"viewer": {"login": viewer.login, "databaseId": viewer.id}}}
    if re.search(r"\bnode\b", query):
        return _node(call, variables)
    return _error("UNKNOWN", "Parse error on the part that this emulator does not play")


def _minimize(call: Call, query: str, variables: Json) -> Json:
    """Minimise a comment; the input stands in the variables `input`, or as variables of their own."""
    given = variables.get("input")
    asked: Json = given if isinstance(given, dict) else variables
    node = next((asked[key] for key in ("subjectId", "id") if key in asked), "")
    inline = re.search(r"classifier:\s*([A-Z_]+)", query)
    classifier = inline[1] if inline else asked.get("classifier", "")
    found = call.world.comment_by_node(str(node))
    if found is None:
        return _error("NOT_FOUND", f"Could not resolve to a node with the global id of '{node}'")
    if classifier not in CLASSIFIERS:
        return _error("INVALID", f"Expected {classifier!r} to be one of {sorted(CLASSIFIERS)}")
    if call.token is None or not call.token.may({"issues": "write", "pull_requests": "write"}):
        return _error("FORBIDDEN", FORBIDDEN)
    found[1].minimized = str(classifier)
    return {"data": {"minimizeComment": {"minimizedComment": {"isMinimized": True}}}}


def _node(call: Call, variables: Json) -> Json:
    found = call.world.comment_by_node(str(variables.get("id", "")))
    if found is None:
        return _error("NOT_FOUND", "Could not resolve to a node with that global id")
    return {
        "data": {
            "node": {
                "__typename": "IssueComment",
                "isMinimized": bool(found[1].minimized),
                "minimizedReason": found[1].minimized.lower() or None,
            }
        }
    }


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"data": None, "errors": [{"type": kind, "message": message}]}
