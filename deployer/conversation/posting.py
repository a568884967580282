"""One comment, brought to where it belongs: look, decide, write, look again.

Owns the order of calls and what is done when others write at the same time. Which comment is ours and what
becomes of it is decided in `sticky`. A failure is an error of `forge`; telling it is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from deployer.conversation.ports import Comments, Posted
from deployer.conversation.sticky import (
    Move,
    Wanted,
    decide,
    mine,
    must_look_again,
    retired,
    settle,
)
from deployer.forge import Denied, ForgeError, NotFound, Rejected, Unavailable, Uncertain

_ROUNDS = 3


class Became(StrEnum):
    """What became of the comment."""

    CREATED = "created"
    EDITED = "edited"
    UNCHANGED = "unchanged"
    NONE = "none"  # nothing is there, and nothing was to be created


@dataclass(frozen=True)
class Posting:
    """How it ended. `hidden` counts comments that were folded, `left` tells which could not be."""

    became: Became
    url: str = ""
    hidden: int = 0
    left: str = ""


def post(
    comments: Comments, number: int, wanted: Wanted, shorter: Callable[[], str] | None = None
) -> Posting:
    """Bring `wanted` to the pull request `number`.

    `shorter` gives a much shorter body, for the case that GitHub takes less than it says. Raises ForgeError.
    """
    try:
        return _post(comments, number, wanted)
    except Rejected:
        if shorter is None:
            raise
        return _post(comments, number, replace(wanted, body=shorter()))


def _post(comments: Comments, number: int, wanted: Wanted) -> Posting:
    viewer = comments.viewer()
    for _ in range(_ROUNDS):
        move = decide(_current(comments, number, viewer, wanted), wanted)
        try:
            return _carry_out(comments, number, viewer, wanted, move)
        except (NotFound, Uncertain) as error:
            # It was deleted meanwhile, or it is there although the answer was lost: what counts is there.
            lost = error
    if isinstance(lost, NotFound):
        raise lost
    raise Unavailable(str(lost)) from lost


def _current(comments: Comments, number: int, viewer: str, wanted: Wanted) -> tuple[Posted, ...]:
    return mine(comments.of(number), viewer, wanted.key)


def _carry_out(comments: Comments, number: int, viewer: str, wanted: Wanted, move: Move) -> Posting:
    became, written = Became.UNCHANGED, move.stays
    if move.create:
        became, written = Became.CREATED, comments.create(number, wanted.text)
    elif move.edit and move.stays is not None:
        became, written = Became.EDITED, comments.edit(move.stays, wanted.text)
    if written is None:
        return Posting(Became.NONE)
    if must_look_again(move, wanted):
        move = settle(_current(comments, number, viewer, wanted), wanted)
        if move.stays is not None:  # else it was deleted again, or is not listed yet
            written = comments.edit(move.stays, wanted.text) if move.edit else move.stays
    return _retire(comments, move.retire, Posting(became, written.url))


def _retire(comments: Comments, old: Iterable[Posted], posting: Posting) -> Posting:
    """Fold comments that are not current any more; the new one stands, so nothing here is an error."""
    for one in old:
        try:
            # First the marker: a comment that can't be folded must not be taken for the current one.
            comments.edit(one, retired(one.body))
            comments.minimise(one)
            posting = replace(posting, hidden=posting.hidden + 1)
        except NotFound:
            continue
        except (Denied, ForgeError) as error:
            posting = replace(posting, left=f"An older comment could not be folded: {error}")
    return posting
