"""Calls of a run that is to stop: waits end, reads don't begin, and writes that are due still go out."""

from __future__ import annotations

import pytest

from deployer.deployment.ports import Interrupted
from deployer.platforms.databricks.answers import Answer
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.limits import Family
from tests.unit.databricks.test_client import BUSY, OK, Scripted, Step


def interrupted(*steps: Step, sleeps: int = 0) -> tuple[Client, Scripted]:
    """A client whose run is to stop, where so many waits are still let pass."""
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) > sleeps:
            raise Interrupted

    def proceed() -> None:
        raise Interrupted

    transport = Scripted(*steps)
    return Client(transport, sleep=sleep, proceed=proceed, clock=lambda: 0.0), transport


def test_no_read_begins() -> None:
    client, transport = interrupted(OK)
    with pytest.raises(Interrupted):
        client.get("/x", Family.OTHER)
    assert transport.calls == []


def test_a_write_that_is_due_goes_out() -> None:
    client, transport = interrupted(OK)
    assert client.post("/x", Family.OTHER, {}) == {"fine": True}
    assert len(transport.calls) == 1


@pytest.mark.parametrize(("answer", "doubtful"), [(BUSY, True), (Answer(429), False)])
def test_a_write_that_has_to_wait_says_whether_it_may_have_been_carried_out(
    answer: Answer, *, doubtful: bool
) -> None:
    client, transport = interrupted(answer, OK)
    with pytest.raises(Interrupted) as raised:
        client.post("/x", Family.OTHER, {})
    assert raised.value.doubtful is doubtful
    assert len(transport.calls) == 1


def test_a_write_that_waits_for_its_turn_was_not_carried_out() -> None:
    client, transport = interrupted(OK)

    def many() -> None:
        for _ in range(100):
            client.post("/x", Family.DELETE, {})

    with pytest.raises(Interrupted) as raised:
        many()
    assert raised.value.doubtful is False
    assert 0 < len(transport.calls) < 100


def test_a_doubt_stays_when_a_later_wait_is_interrupted() -> None:
    client, _ = interrupted(BUSY, Answer(429), OK, sleeps=1)
    with pytest.raises(Interrupted) as raised:
        client.post("/x", Family.OTHER, {})
    assert raised.value.doubtful is True


def test_a_read_leaves_no_doubt() -> None:
    transport = Scripted(BUSY, OK)

    def sleep(seconds: float) -> None:
        raise Interrupted

    with pytest.raises(Interrupted) as raised:
        Client(transport, sleep=sleep).get("/x", Family.OTHER)
    assert raised.value.doubtful is False
