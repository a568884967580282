"""An access token is kept for its life and renewed in time."""

from __future__ import annotations

import threading

import pytest

from deployer.platforms.databricks.answers import TokenUnavailable
from deployer.platforms.databricks.oauth import AccessToken, TokenSource


class Service:
    """Gives tokens `t1`, `t2`, …, each for `lifetime_s`; the clock is turned by hand."""

    def __init__(self, lifetime_s: float = 3600.0) -> None:
        self.now = 1000.0
        self.lifetime_s = lifetime_s
        self.given = 0
        self.broken = False
        self.source = TokenSource(self.fetch, lambda: self.now)

    def fetch(self) -> AccessToken:
        if self.broken:
            raise TokenUnavailable("down")
        self.given += 1
        return AccessToken(f"t{self.given}", self.lifetime_s)


def test_nothing_is_asked_for_before_a_token_is_needed() -> None:
    service = Service()
    assert service.given == 0
    assert service.source.headers() == {"Authorization": "Bearer t1"}


def test_a_token_is_kept_until_a_minute_before_its_end() -> None:
    service = Service(3600)
    tokens = []
    for at in (0, 1, 3539, 3541, 3600, 7080, 7082):
        service.now = 1000.0 + at
        tokens.append(service.source())
    assert tokens == ["t1", "t1", "t1", "t2", "t2", "t2", "t3"]


def test_a_short_life_is_used_to_four_fifths() -> None:
    service = Service(10)
    tokens = []
    for at in (0, 7.9, 8.1, 16.0, 16.2):
        service.now = 1000.0 + at
        tokens.append(service.source())
    assert tokens == ["t1", "t1", "t2", "t2", "t3"]


def test_a_renewal_that_fails_does_no_harm_while_the_token_is_valid() -> None:
    service = Service(300)
    assert service.source() == "t1"
    service.broken = True
    service.now += 245
    assert service.source() == "t1"
    service.broken = False
    service.now += 20
    assert service.source() == "t1"  # not asked again within half a minute
    service.now += 11
    assert service.source() == "t2"


def test_a_token_that_ended_is_never_used() -> None:
    service = Service(300)
    assert service.source() == "t1"
    service.broken = True
    for at in (1000.0 + 290, 1000.0 + 299.9):
        service.now = at
        assert service.source() == "t1"
    service.now = 1000.0 + 300
    with pytest.raises(TokenUnavailable):
        service.source()


def test_the_first_failure_is_raised_and_the_next_call_tries_again() -> None:
    service = Service()
    service.broken = True
    with pytest.raises(TokenUnavailable):
        service.source()
    service.broken = False
    assert service.source() == "t1"


def test_threads_at_the_moment_of_renewal_get_one_new_token() -> None:
    service = Service(300)
    service.source()
    service.now += 250
    start, tokens = threading.Barrier(16), []

    def ask() -> None:
        start.wait()
        tokens.append(service.source())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens == ["t2"] * 16
    assert service.given == 2
