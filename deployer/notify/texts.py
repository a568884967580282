"""Foreign text for messages: made harmless, and cut so that it fits.

Owns what every receiver of messages has in common: no hidden characters, no addresses, no mentions, and
sizes in bytes. Must not know any receiver: what one of them takes for markup is told as `escape`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from deployer.report.untrusted import visible, visible_lines

Escape = Callable[[str], str]

ADDRESS = "(address)"
"""What stands in place of an address."""
_ZERO_WIDTH = "\u200b"
# Addresses with a scheme, and hosts of workspaces without one.
_ADDRESSES = re.compile(
    r"[a-z][a-z0-9+.-]{0,30}://[^\s\"'`<>|)\]}]*"
    r"|(?<![\w.-])[\w.-]*\.(?:azuredatabricks\.net|databricks\.(?:com|us|mil|cn|azure\.[a-z]{2,3}))(?![\w-])"
    r"(?::\d+)?(?:[/?#][^\s\"'`<>|)\]}]*)?",
    re.IGNORECASE,
)
# What clients make links, mentions, dates and variables of although nothing marks it as such.
_ACTIVE = re.compile(
    r"@|www(?=\.)|://|\{(?=\{)|\$(?=\{)|(?<=<)(?=/?at\b)|(?<=<)(?=!)", re.IGNORECASE
)


def without_addresses(text: str, hosts: Sequence[str] = ()) -> str:
    """`text` without addresses, and without `hosts`, which are no business of a chat."""
    for host in hosts:
        text = text.replace(host, ADDRESS)
    return _ADDRESSES.sub(ADDRESS, text)


def harmless(text: str) -> str:
    """`text` on one line, with nothing hidden in it that a client would act upon."""
    return _ACTIVE.sub(lambda found: found[0] + _ZERO_WIDTH, visible(text).rstrip())


def size(text: str) -> int:
    """How many bytes `text` takes in a JSON body in UTF-8."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


def fitted(text: str, limit: int, escape: Escape) -> str:
    """`text`, harmless and escaped, cut where it would take more than `limit` bytes."""
    plain = harmless(text)
    whole = escape(plain)
    if size(whole) <= limit:
        return whole
    low, high = 0, len(plain)  # how many characters fit, and how many do not
    while low + 1 < high:
        middle = (low + high) // 2
        fits = size(escape(plain[:middle] + "…")) <= limit
        low, high = (middle, high) if fits else (low, middle)
    return escape(plain[:low].rstrip() + "…")


def listed(lines: Sequence[str], limit: int, escape: Escape, *, line_limit: int) -> list[str]:
    """As many `lines` as fit into `limit` bytes, each cut to `line_limit`; the last says how many do not."""
    kept: list[str] = []
    room = limit - _room_for_more(len(lines))
    for line in lines:
        shown = fitted(line, line_limit, escape)
        room -= size(shown) + 2  # its line break
        if room < 0:
            return [*kept, f"… and {len(lines) - len(kept):,} more"]
        kept.append(shown)
    return kept


def paragraph(text: str, limit: int, escape: Escape) -> str:
    """A text of several lines, cut to `limit` bytes."""
    lines = [line for line in visible_lines(text) if line]
    return "\n".join(listed(lines, limit, escape, line_limit=limit // 2))


def _room_for_more(count: int) -> int:
    return size(f"… and {count:,} more") + 2
