"""Which comment is ours, and what becomes of it: pure decisions over the comments that are there.

Owns the marker, the key and the rules by which parallel runs agree. A comment is display only: from one that
stands there nothing is read but its marker, which says no more than which of our comments it is.

A comment is current while its first line is the marker with `key=`. When another replaces it, that word
becomes `was=`, and the comment is folded. Of several current ones all runs keep the same: the oldest, with
`recreate` the newest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from deployer.conversation.ports import Posted

_MARKER = re.compile(
    r"<!-- spark-deploy: (?P<word>key|was)=(?P<key>[A-Za-z0-9._~%/-]{2,200}) "
    r"digest=(?P<digest>[0-9a-f]{64}|none) -->"
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BOT = "[bot]"
_LONGEST_PART = 60  # characters of one part of a key; longer ones end in a hash
_NONE = "none"
LONGEST_MARKER = 320
"""Characters that a marker with its line end may take, for the renderer's budget."""


class Style(StrEnum):
    """The input `comment`."""

    UPDATE = "update"
    RECREATE = "recreate"
    OFF = "off"


@dataclass(frozen=True)
class Key:
    """What a comment is about. `environment` and `library` are "" where a run did not come to know them."""

    environment: str
    library: str
    id: str = ""

    def __str__(self) -> str:
        return "/".join(_part(one) for one in (self.environment, self.library, self.id))

    def fits(self, written: str) -> bool:
        """Whether `written` is about the same, as far as both knew environment and library."""
        mine, other = str(self).split("/"), written.split("/")
        if len(other) != len(mine) or mine[2] != other[2]:
            return False
        return all(
            one == another or "" in {one, another}
            for one, another in zip(mine[:2], other[:2], strict=True)
        )


@dataclass(frozen=True)
class Wanted:
    """The comment that is to stand there. `body` has no marker; `digest` names the plan, "" for none.

    `only_edit`: nothing is written where no comment is.
    """

    key: Key
    digest: str
    body: str
    style: Style = Style.UPDATE
    only_edit: bool = False

    @property
    def text(self) -> str:
        """The whole comment."""
        return f"{marker(self.key, self.digest)}\n{self.body}"


@dataclass(frozen=True)
class Move:
    """What to do. `stays` is the comment to keep, edited when `edit`; None asks for a new one if `create`."""

    stays: Posted | None
    edit: bool = False
    create: bool = False
    retire: tuple[Posted, ...] = ()


def marker(key: Key, digest: str) -> str:
    """The first line of a comment, invisible to readers."""
    return f"<!-- spark-deploy: key={key} digest={_digest(digest)} -->"


def mine(posted: Iterable[Posted], viewer: str, key: Key) -> tuple[Posted, ...]:
    """The current comments that `viewer` wrote about `key`, the oldest first.

    Those about exactly this if there are any; else the one where one of both sides did not know all of it.
    """
    found = [
        (said["key"], one)
        for one in posted
        if _same_author(one, viewer)
        and (said := _MARKER.match(one.body))
        and said["word"] == "key"
        and key.fits(said["key"])
    ]
    exact = [one for written, one in found if written == str(key)]
    if exact:
        return tuple(sorted(exact, key=lambda one: one.id))
    near = {written for written, _ in found}
    return (
        tuple(sorted((one for _, one in found), key=lambda one: one.id)) if len(near) == 1 else ()
    )


def decide(current: Sequence[Posted], wanted: Wanted) -> Move:
    """What to do, before anything was written; `current` as `mine` gives them."""
    stays = _keeper(current, wanted.style)
    if stays is None:
        return Move(None, create=not wanted.only_edit)
    anew = wanted.style is Style.RECREATE and not wanted.only_edit
    if anew and _digest_of(stays) != _digest(wanted.digest):
        return Move(None, create=True, retire=tuple(current))
    others = tuple(one for one in current if one != stays)
    return Move(stays, edit=not same_text(stays.body, wanted.text), retire=others)


def must_look_again(move: Move, wanted: Wanted) -> bool:
    """Whether another run may have acted between the look and the write so that two are current now.

    The oldest is never replaced, so that editing it is safe; what was the newest may be so no more.
    """
    return move.create or (move.edit and wanted.style is Style.RECREATE)


def settle(current: Sequence[Posted], wanted: Wanted) -> Move:
    """What to do when another look was needed. Nothing new is created."""
    stays = _keeper(current, wanted.style)
    if stays is None:
        return Move(None)
    others = tuple(one for one in current if one != stays)
    newer = wanted.style is Style.RECREATE and _digest_of(stays) != _digest(wanted.digest)
    return Move(stays, edit=not newer and not same_text(stays.body, wanted.text), retire=others)


def retired(body: str) -> str:
    """The body of a comment that is not current any more; as long as before."""
    return body.replace("<!-- spark-deploy: key=", "<!-- spark-deploy: was=", 1)


def same_text(there: str, wanted: str) -> bool:
    """Whether GitHub shows `wanted` already: it may store other line ends, and no blanks at the end."""
    return _stored(there) == _stored(wanted)


def _keeper(current: Sequence[Posted], style: Style) -> Posted | None:
    """The one that all runs keep: no other rule lets each of them fold only what another has replaced."""
    choose = max if style is Style.RECREATE else min
    return choose(current, key=lambda one: one.id, default=None)


def _same_author(one: Posted, viewer: str) -> bool:
    author, wanted = one.author.casefold(), viewer.casefold()
    if author == wanted:
        return True
    # GraphQL and REST don't always agree on the suffix of a bot's name; no user's name can have it.
    return one.by_bot and author.removesuffix(_BOT) == wanted.removesuffix(_BOT)


def _digest_of(one: Posted) -> str:
    found = _MARKER.match(one.body)
    return found["digest"] if found else ""


def _digest(digest: str) -> str:
    """The digest as it stands in a marker: of an approval only what names the plan."""
    plan = digest.partition("-")[0]
    return plan if _DIGEST.fullmatch(plan) else _NONE


def _part(text: str) -> str:
    """Any text as a part of a key: without blanks, slashes or two hyphens in a row, and bounded.

    What is no letter, digit, dot, underscore or hyphen becomes percent escapes, so that no two texts are
    the same. The hash of a long one begins with the one character that nothing else can begin with.
    """
    quoted = quote(text, safe="", errors="surrogatepass").replace("~", "%7E")
    if "--" in quoted or quoted.startswith("-") or quoted.endswith("-"):
        quoted = quoted.replace("-", "%2D")
    if len(quoted) <= _LONGEST_PART:
        return quoted
    return f"~{hashlib.sha256(quoted.encode()).hexdigest()[:24]}"


def _stored(text: str) -> str:
    return text.replace("\r\n", "\n").rstrip()
