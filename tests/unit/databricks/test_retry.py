"""When to retry, and after how long."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.platforms.databricks.retry import RetryPolicy, is_transient, retry_after

NOW = datetime(2026, 9, 2, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_overload_and_broken_servers_are_worth_a_retry(status: int) -> None:
    assert is_transient(status, "", "")


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 409, 413, 501])
def test_answers_are_final(status: int) -> None:
    assert not is_transient(status, "INVALID_PARAMETER_VALUE", "Job 1 does not exist.")


def test_overload_that_comes_with_another_status_is_worth_a_retry() -> None:
    assert is_transient(400, "REQUEST_LIMIT_EXCEEDED", "")
    assert is_transient(400, "", "The RPC token bucket limit has been exceeded for x.")


@given(st.integers(1, 2000))
def test_pauses_lie_between_nothing_and_a_bound_that_doubles(attempt: int) -> None:
    policy = RetryPolicy(base_s=1, cap_s=30)
    bound = min(30.0, 2.0 ** min(attempt - 1, 20))
    assert policy.pause(attempt, None, lambda low, high: low) == 0
    assert policy.pause(attempt, None, lambda low, high: high) == bound


@given(st.integers(1, 50), st.floats(0, 600), st.randoms())
def test_a_pause_is_never_shorter_than_the_server_asks(
    attempt: int, asked: float, dice: random.Random
) -> None:
    pause = RetryPolicy().pause(attempt, asked, dice.uniform)
    assert asked <= pause <= asked + 1


def test_retry_after_is_read_in_seconds_and_as_a_date() -> None:
    assert retry_after({"Retry-After": "17"}, NOW) == 17
    assert retry_after({"Retry-After": " 0 "}, NOW) == 0
    in_a_minute = format_datetime(NOW + timedelta(seconds=60), usegmt=True)
    assert retry_after({"Retry-After": in_a_minute}, NOW) == 60
    assert retry_after({"Retry-After": "Wed, 02 Sep 2026 12:00:30 -0000"}, NOW) == 30
    a_minute_ago = format_datetime(NOW - timedelta(seconds=60), usegmt=True)
    assert retry_after({"Retry-After": a_minute_ago}, NOW) == 0


@pytest.mark.parametrize("value", ["", "soon", "-3", "1.5.2", "²", "Wed, 99 Sep 2026 12:00:00 GMT"])
def test_a_retry_after_that_makes_no_sense_is_ignored(value: str) -> None:
    assert retry_after({"Retry-After": value}, NOW) is None
    assert retry_after({}, NOW) is None


@given(st.text())
def test_no_retry_after_makes_it_fail(value: str) -> None:
    seconds = retry_after({"Retry-After": value}, NOW)
    assert seconds is None or seconds >= 0
