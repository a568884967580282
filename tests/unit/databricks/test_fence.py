"""Writes ask a fence before each attempt, so that a run that lost its lock writes no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deployer.deployment.ports import Interrupted, LockLost, Unavailable
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.transport import Broken, Call
from tests.unit.databricks.clock import Clock
from tests.unit.databricks.test_client import BUSY, OK, Scripted, Step

WRITE = Call("POST", "/api/2.2/jobs/update", Family.JOBS_UPDATE, body={})


def fenced(fence: Callable[[], None], *steps: Step) -> tuple[Client, Scripted, Clock]:
    transport, clock = Scripted(*steps), Clock()
    client = Client(transport, clock=clock, sleep=clock.sleep, uniform=lambda low, high: high)
    return client.beside(fence=fence), transport, clock


def falls_at(ask: int, error: Exception) -> Callable[[], None]:
    """A fence that lets all through before it is asked for the `ask`-th time."""
    asked = iter(range(1, 1000))

    def fence() -> None:
        if next(asked) >= ask:
            raise error

    return fence


@pytest.mark.parametrize("trouble", [BUSY, Answer(429), Broken("the connection broke")])
def test_each_attempt_asks_retries_too(trouble: Step) -> None:
    sent: list[int] = []
    client, transport, _ = fenced(
        lambda: sent.append(len(transport.calls)), trouble, trouble, trouble, OK
    )
    client.send(WRITE)
    assert sent == [0, 1, 2, 3]
    assert len(transport.calls) == 4


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_every_method_that_may_write_asks(method: str) -> None:
    client, transport, _ = fenced(falls_at(1, LockLost()), OK)
    with pytest.raises(LockLost):
        client.send(Call(method, "/x", Family.OTHER))
    assert transport.calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reads_do_not_ask(method: str) -> None:
    client, transport, _ = fenced(falls_at(1, LockLost()), BUSY, OK)
    client.send(Call(method, "/x", Family.OTHER))
    assert len(transport.calls) == 2


@pytest.mark.parametrize(
    ("steps", "doubtful"),
    [
        ([], False),
        ([Answer(429)], False),
        ([BUSY], True),
        ([Broken("the connection broke")], True),
        ([BUSY, Answer(429)], True),
    ],
)
def test_a_lost_lock_stays_what_it_is_and_says_whether_the_write_is_in_doubt(
    steps: list[Step], *, doubtful: bool
) -> None:
    lost = LockLost()
    client, transport, _ = fenced(falls_at(len(steps) + 1, lost), *steps, OK)
    with pytest.raises(LockLost) as raised:
        client.send(WRITE)
    assert raised.value is lost
    assert lost.doubtful is doubtful
    assert len(transport.calls) == len(steps)


def test_a_doubt_of_the_fences_own_calls_is_none_of_the_write() -> None:
    client, _, _ = fenced(falls_at(1, Interrupted(doubtful=True)), OK)
    with pytest.raises(Interrupted) as raised:
        client.send(WRITE)
    assert raised.value.doubtful is False


def test_what_else_a_fence_raises_ends_the_call_as_it_is() -> None:
    trouble = Unavailable("The lock can't be read.")
    client, transport, _ = fenced(falls_at(2, trouble), BUSY, OK)
    with pytest.raises(Unavailable) as raised:
        client.send(WRITE)
    assert raised.value is trouble
    assert len(transport.calls) == 1


def test_the_fence_is_asked_after_the_wait_for_a_turn() -> None:
    napped: list[float] = []
    client, _, clock = fenced(lambda: napped.append(sum(clock.naps)), OK)
    for _ in range(10):
        client.send(Call("POST", "/x", Family.DELETE))
    assert napped[-1] == sum(clock.naps) > 0


def test_an_attempt_that_the_fence_holds_back_is_not_counted() -> None:
    client, _, _ = fenced(falls_at(1, LockLost()), OK)
    with pytest.raises(LockLost):
        client.send(WRITE)
    assert client.tally()[:2] == (0, 0)


def test_a_fence_stays_with_clients_beside_it_and_does_not_spread_to_others() -> None:
    transport = Scripted(OK)
    clock = Clock()
    client = Client(transport, clock=clock, sleep=clock.sleep)
    beside = client.beside(fence=falls_at(1, LockLost())).beside(policy=RetryPolicy(budget_s=0))
    with pytest.raises(LockLost):
        beside.send(WRITE)
    client.send(WRITE)
    assert len(transport.calls) == 1
