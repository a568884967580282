"""The workspace's time is read from its answers and kept, whatever this machine's clock does."""

from __future__ import annotations

import pytest

from deployer.platforms.databricks.clock import ServerClock, date_of

NINE = {"Date": "Sat, 21 Nov 2026 09:00:00 GMT"}
NINE_S = 1_795_251_600.0


class Machine:
    """A machine whose two clocks are turned by hand."""

    def __init__(self, local: float) -> None:
        self.local = local
        self.monotonic = 50.0
        self.clock = ServerClock(lambda: self.monotonic, lambda: self.local)


def test_the_date_of_an_answer_is_its_time() -> None:
    assert date_of(NINE) == NINE_S


@pytest.mark.parametrize(
    "told", ["", "yesterday", "Sat, 99 Nov 2026 09:00:00 GMT", "Sat, 21 Nov 99999 09:00:00 GMT"]
)
def test_a_date_that_can_not_be_read_is_no_date(told: str) -> None:
    assert date_of({"Date": told}) is None
    machine = Machine(NINE_S)
    machine.clock.hear({"Date": told})
    assert machine.clock.now_s() == NINE_S


def test_before_any_answer_it_is_the_time_of_this_machine() -> None:
    machine = Machine(1234.5)
    assert machine.clock.now_ms() == 1_234_500
    assert machine.clock.ahead_s() == 0


def test_a_machine_that_is_hours_off_knows_the_time_of_the_workspace() -> None:
    machine = Machine(NINE_S - 3 * 3600)
    machine.clock.hear(NINE)
    assert machine.clock.now_s() == NINE_S
    assert machine.clock.ahead_s() == 3 * 3600


def test_a_clock_that_is_set_while_we_run_makes_no_difference() -> None:
    machine = Machine(NINE_S)
    machine.clock.hear(NINE)
    machine.monotonic += 60
    machine.local -= 86_400
    assert machine.clock.now_s() == NINE_S + 60
