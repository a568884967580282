"""How long GitHub is waited for, and when it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.gh.patience import TRIES, No, Patience, is_limit, wait_s

NOW = 1_800_000_000.0
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes."
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset"]),
    st.sampled_from(
        ["0", "1", "60", "1800000030", "-5", "1.5", "Wed, 21 Oct 2026", "9" * 40, "", "٣"]
    ),
)
ANSWERS = st.builds(
    No,
    st.sampled_from([0, 401, 403, 404, 422, 429, 500, 502, 503, 504]),
    HEADERS,
    st.sampled_from(["", SECONDARY, "Resource not accessible by integration"]),
)


@dataclass
class Clock:
    at: float = NOW
    waits: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += seconds


@pytest.mark.parametrize(
    ("status", "headers", "message", "waits"),
    [
        (403, {"retry-after": "7"}, SECONDARY, [7, 7]),
        (429, {"retry-after": "0"}, "", [0, 0]),
        (403, {"retry-after": "5", "x-ratelimit-remaining": "0"}, "", [5, 5]),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000030"}, "", [31, 31]),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, "", [1, 1]),
        (403, {"x-ratelimit-remaining": "0"}, "", [60, 120]),
        (403, {}, SECONDARY, [60, 120]),
        (429, {"retry-after": "soon"}, "", [60, 120]),
        (502, {}, "", [1, 2]),
        (0, {}, "ConnectionError", [1, 2]),
        (
            403,
            {"x-ratelimit-remaining": "4999"},
            "Resource not accessible by integration",
            [None] * 2,
        ),
        (401, {}, "Bad credentials", [None] * 2),
        (404, {}, "Not Found", [None] * 2),
        (422, {}, "Validation Failed", [None] * 2),
        (501, {}, "", [None] * 2),
    ],
)
def test_each_answer_has_its_wait(
    status: int, headers: Mapping[str, str], message: str, waits: list[float | None]
) -> None:
    no = No(status, headers, message)
    assert [wait_s(no, attempt, NOW) for attempt in (0, 1)] == waits


@given(ANSWERS, st.integers(0, TRIES))
def test_a_wait_is_never_negative_and_a_limit_always_has_one(no: No, attempt: int) -> None:
    asked = wait_s(no, attempt, NOW)
    assert asked is None or asked >= 0
    assert not is_limit(no) or asked is not None


@given(st.lists(ANSWERS, max_size=30), st.floats(0, 500))
def test_all_waits_of_a_run_together_stay_in_its_budget(answers: list[No], budget: float) -> None:
    clock = Clock()
    patience = Patience(clock.sleep, clock.now, budget)
    for index, no in enumerate(answers):
        patience.wait(no, index % TRIES)
    assert sum(clock.waits) <= budget


def test_nothing_is_waited_for_what_is_asked_too_long_or_too_often() -> None:
    clock = Clock()
    patience = Patience(clock.sleep, clock.now, budget_s=100)
    limited = No(403, {"retry-after": "60"}, "")
    assert patience.wait(limited, 0)
    assert not patience.wait(limited, 1)
    assert not patience.wait(No(502, {}, ""), TRIES - 1)
    assert clock.waits == [60]


def test_writes_keep_a_second_between_them_and_the_first_waits_for_nobody() -> None:
    clock = Clock()
    patience = Patience(clock.sleep, clock.now)
    patience.before_write()
    clock.at += 0.25
    patience.before_write()
    clock.at += 5
    patience.before_write()
    assert clock.waits == [0.75]
