"""Which comment is ours, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployer.conversation.ports import Posted
from deployer.conversation.sticky import (
    LONGEST_MARKER,
    Key,
    Style,
    Wanted,
    decide,
    marker,
    mine,
    must_look_again,
    retired,
    same_text,
    settle,
)

KEY = Key("production", "retail-metrics")
BOT = "github-actions[bot]"
D1, D2 = "1" * 64, "2" * 64
TEXTS = st.text(max_size=80)
KEYS = st.builds(Key, TEXTS, TEXTS, TEXTS)


def wanted(digest: str = D1, body: str = "the plan", style: Style = Style.UPDATE) -> Wanted:
    return Wanted(KEY, digest, body, style)


def posted(
    number: int, text: str = "", *, author: str = BOT, by_bot: bool = True, key: Key = KEY
) -> Posted:
    body = text or f"{marker(key, D1)}\nthe plan"
    return Posted(number, f"IC_{number}", author, by_bot, body, f"https://example.com/{number}")


# ── The marker ───────────────────────────────────────────────────────────────────────────────────


@given(KEYS, TEXTS)
@example(Key("--", "-->", "a--b"), "-->")
@example(Key("a" * 500, "\ud800", "~"), D1 + "-0123456789abcdef")
def test_any_key_and_digest_make_one_hidden_line_that_is_found_again(key: Key, digest: str) -> None:
    line = marker(key, digest)
    assert line.startswith("<!-- ")
    assert line.endswith(" -->")
    assert "--" not in line[4:-4]
    assert not {"<", ">"} & set(line[4:-4])
    assert line.isascii()
    assert line.isprintable()
    assert len(line) + 1 <= LONGEST_MARKER
    assert mine([posted(1, f"{line}\nbody")], BOT, key) == (posted(1, f"{line}\nbody"),)


@given(KEYS, KEYS)
def test_different_keys_have_different_markers(one: Key, other: Key) -> None:
    assert (str(one) == str(other)) == (one == other)


@given(KEYS)
def test_a_comment_is_retired_by_a_word_of_the_same_length(key: Key) -> None:
    body = f"{marker(key, D1)}\n{marker(key, D1)}"
    assert len(retired(body)) == len(body)
    assert mine([posted(1, retired(body))], BOT, key) == ()


# ── Which are ours ───────────────────────────────────────────────────────────────────────────────


def test_a_comment_is_found_by_its_marker_and_its_author() -> None:
    other_key = Key("staging", "retail-metrics")
    there = [
        posted(5),
        posted(4, "an ordinary comment"),
        posted(3, author="octocat", by_bot=False),
        posted(2, key=other_key),
        posted(1),
    ]
    assert [one.id for one in mine(there, BOT, KEY)] == [1, 5]
    assert [one.id for one in mine(there, "octocat", KEY)] == [3]
    assert [one.id for one in mine(there, BOT, other_key)] == [2]


@pytest.mark.parametrize(
    "text",
    [
        f"> {marker(KEY, D1)}\nquoted",
        f"look: {marker(KEY, D1)}",
        f"\n{marker(KEY, D1)}",
        marker(KEY, D1).replace("digest=", "digest=x"),
        marker(KEY, D1).replace("-->", "--!>"),
        "",
    ],
)
def test_a_marker_counts_only_as_the_whole_beginning(text: str) -> None:
    assert mine([replace(posted(1), body=text)], BOT, KEY) == ()


@pytest.mark.parametrize(
    ("author", "by_bot", "viewer", "ours"),
    [
        (BOT, True, BOT, True),
        ("github-actions", True, BOT, True),
        (BOT, True, "github-actions", True),
        ("github-actions", False, BOT, False),
        ("Octocat", False, "octocat", True),
        ("", False, "octocat", False),
        ("release-app[bot]", True, BOT, False),
    ],
)
def test_a_bot_is_known_with_and_without_its_suffix(
    author: str, by_bot: bool, viewer: str, ours: bool
) -> None:
    there = [posted(1, author=author, by_bot=by_bot)]
    assert bool(mine(there, viewer, KEY)) is ours


def test_a_run_that_did_not_know_its_library_shares_the_comment_of_those_that_did() -> None:
    unknown = Key("production", "")
    assert [one.id for one in mine([posted(1)], BOT, unknown)] == [1]
    assert [one.id for one in mine([posted(1, key=unknown)], BOT, KEY)] == [1]
    two = [posted(1), posted(2, key=Key("production", "other-library"))]
    assert mine(two, BOT, unknown) == ()
    assert [one.id for one in mine([posted(1, key=unknown), posted(2)], BOT, KEY)] == [2]


# ── What becomes of it ───────────────────────────────────────────────────────────────────────────


def test_the_first_run_creates_a_comment() -> None:
    assert decide((), wanted()).create
    assert not decide((), replace(wanted(), only_edit=True)).create


def test_an_identical_comment_is_left_alone() -> None:
    there = posted(1, wanted().text.replace("\n", "\r\n") + "\n ")
    move = decide((there,), wanted())
    assert (move.stays, move.edit, move.create, move.retire) == (there, False, False, ())


def test_an_edited_comment_is_written_again() -> None:
    there = posted(1, f"{marker(KEY, D1)}\nApproved by everybody. Run this: ...")
    assert decide((there,), wanted()).edit


@pytest.mark.parametrize(("style", "anew"), [(Style.UPDATE, False), (Style.RECREATE, True)])
def test_another_plan_edits_or_makes_a_new_comment_as_asked(style: Style, anew: bool) -> None:
    there = posted(1)
    move = decide((there,), wanted(D2, style=style))
    assert (move.create, move.edit) == (anew, not anew)
    assert move.retire == ((there,) if anew else ())


def test_the_same_plan_makes_no_new_comment() -> None:
    move = decide((posted(1),), wanted(body="the same plan, told again", style=Style.RECREATE))
    assert (move.create, move.edit) == (False, True)


def test_what_became_of_the_plan_is_told_where_the_plan_stands() -> None:
    move = decide((posted(1),), replace(wanted(D2, style=Style.RECREATE), only_edit=True))
    assert (move.create, move.edit, move.retire) == (False, True, ())


def test_of_duplicates_the_oldest_stays() -> None:
    there = (posted(1), posted(2), posted(3))
    move = decide(there, wanted(body="new"))
    assert (move.stays, move.retire) == (there[0], there[1:])


def test_of_duplicates_the_newest_stays_where_a_new_plan_gets_a_new_comment() -> None:
    there = (posted(1), posted(2), posted(3))
    move = decide(there, wanted(body="new", style=Style.RECREATE))
    assert (move.stays, move.retire) == (there[2], there[:2])


def test_trailing_blanks_and_line_ends_are_no_difference() -> None:
    assert same_text("a\r\nb\n", "a\nb")
    assert not same_text("a\nb", "a\n b")


# ── Parallel runs ────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.sampled_from([D1, D2]), min_size=2, max_size=4),
    st.sampled_from([Style.UPDATE, Style.RECREATE]),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_however_runs_meet_one_current_comment_stays(
    digests: list[str], style: Style, chance: Random, before: bool
) -> None:
    """Each run looks, writes, looks again and folds; the steps of all runs come in any order."""
    there: dict[int, Posted] = {0: posted(0)} if before else {}
    runs = [_Run(replace(wanted(one, f"plan {one[:1]}", style)), there) for one in digests]
    steps = [run for run in runs for _ in range(8)]
    chance.shuffle(steps)
    for run in steps:
        run.step()
    for run in runs:
        while run.step():
            pass
    current = mine(there.values(), BOT, KEY)
    assert len(current) == 1, [one.body for one in there.values()]
    assert current[0].body in {one.wanted.text for one in runs}


class _Run:
    """One run as `posting` does it, one call at a time."""

    def __init__(self, asked: Wanted, there: dict[int, Posted]) -> None:
        self.wanted, self._there, self._calls = asked, there, self._story()

    def step(self) -> bool:
        return next(self._calls, None) is not None

    def _write(self, comment: Posted | None) -> None:
        assert comment is not None
        self._there[comment.id] = replace(comment, body=self.wanted.text)

    def _story(self) -> Iterator[str]:
        move = decide(mine(self._there.values(), BOT, KEY), self.wanted)
        yield "looked"
        again = must_look_again(move, self.wanted)
        if move.create:
            number = max(self._there, default=0) + 1
            self._there[number] = posted(number, self.wanted.text)
            yield "created"
        if move.edit:
            self._write(move.stays)
            yield "edited"
        if again:
            move = settle(mine(self._there.values(), BOT, KEY), self.wanted)
            yield "looked again"
            if move.edit:
                self._write(move.stays)
                yield "edited"
        for one in move.retire:
            self._there[one.id] = replace(one, body=retired(one.body))
            yield "retired"
