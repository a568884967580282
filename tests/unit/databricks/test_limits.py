"""Token buckets: below the documented limit in every second, and no slower than they say."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.platforms.databricks.limits import RATES, Family, Limits, Rate, TokenBucket
from tests.unit.databricks.clock import Clock

# "Resource limits" in the Databricks documentation, per second (facts B5).
DOCUMENTED = {
    Family.JOBS_READ: 20,
    Family.JOBS_UPDATE: 10,
    Family.JOBS_RESET: 20,
    Family.RUNS_READ: 100,
    Family.IMPORT: 30,
    Family.LIST: 50,
    Family.EXPORT: 60,
    Family.DELETE: 2,
    Family.FILES: 100,
    Family.DBFS: 30,
}


def times_of(bucket: TokenBucket, clock: Clock, pauses: list[float]) -> list[float]:
    """When calls go out that come `pauses` after each other."""
    times = []
    for pause in pauses:
        clock.now += pause
        bucket.acquire()
        times.append(clock.now)
    return times


@given(st.sampled_from(sorted(DOCUMENTED, key=str)), st.lists(st.floats(0, 2), max_size=120))
def test_no_second_has_more_calls_than_the_documented_limit(
    family: Family, pauses: list[float]
) -> None:
    clock = Clock()
    bucket = TokenBucket(RATES[family], clock=clock, sleep=clock.sleep)
    times = times_of(bucket, clock, pauses)
    for start in times:
        # The clock counts in floats: the last bits decide nothing.
        within = [time for time in times if start <= time < start + 1 - 1e-6]
        assert len(within) <= DOCUMENTED[family]


def test_every_family_has_a_rate_below_its_documented_limit() -> None:
    assert set(RATES) == set(Family)
    for family, documented in DOCUMENTED.items():
        assert RATES[family].documented == documented
        assert RATES[family].per_second < documented


def test_a_burst_goes_out_at_once_and_the_rest_at_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(Rate(per_second=10, documented=13), clock=clock, sleep=clock.sleep)
    times = [time - 1000 for time in times_of(bucket, clock, [0.0] * 6)]
    assert times == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3])


def test_calls_that_are_rare_never_wait() -> None:
    clock = Clock()
    bucket = TokenBucket(RATES[Family.DELETE], clock=clock, sleep=clock.sleep)
    times_of(bucket, clock, [0.7] * 20)
    assert clock.naps == []


def test_acquire_says_how_long_it_waited() -> None:
    clock = Clock()
    bucket = TokenBucket(Rate(per_second=2, documented=3), clock=clock, sleep=clock.sleep)
    assert bucket.acquire() == 0
    assert bucket.acquire() == pytest.approx(0.5)


def test_a_pause_holds_everybody_back_and_leaves_no_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(Rate(per_second=10, documented=15), clock=clock, sleep=clock.sleep)
    bucket.pause(4)
    times = [time - 1000 for time in times_of(bucket, clock, [0.0] * 3)]
    assert times == pytest.approx([4, 4.1, 4.2])


def test_threads_share_a_bucket() -> None:
    clock = Clock()
    waits: list[float] = []
    bucket = TokenBucket(Rate(per_second=10, documented=11), clock=lambda: 0.0, sleep=clock.sleep)

    def work() -> None:
        for _ in range(25):
            waits.append(bucket.acquire())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # On a clock that stands still each caller is told its own turn, none twice.
    assert sorted(waits) == pytest.approx([i / 10 for i in range(100)])


def test_families_do_not_wait_for_each_other() -> None:
    clock = Clock()
    limits = Limits(clock=clock, sleep=clock.sleep)
    for _ in range(3):
        limits.bucket(Family.DELETE).acquire()
    slept = len(clock.naps)
    limits.bucket(Family.JOBS_UPDATE).acquire()
    assert len(clock.naps) == slept
