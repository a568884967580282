"""The loop around one call: retries within a budget, counts, and what callers see."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pytest

from deployer.deployment.ports import Denied, NotFound, Unavailable
from deployer.errors import DeployError, FailureReason
from deployer.platforms.databricks.answers import Answer, tls_failed
from deployer.platforms.databricks.client import Client
from deployer.platforms.databricks.limits import Family
from deployer.platforms.databricks.retry import RetryPolicy
from deployer.platforms.databricks.transport import Broken, Call, Transport
from tests.unit.databricks.clock import Clock

READ = Call("GET", "/api/2.2/jobs/list", Family.RUNS_READ)
OK = Answer(200, document={"fine": True})
BUSY = Answer(503, message="busy")

Step = Answer | Exception


class Scripted(Transport):
    """A transport that answers by a script; the last step repeats. It keeps what it was sent."""

    def __init__(self, *steps: Step) -> None:
        super().__init__("https://w.example.com", dict, {})
        self.steps: Iterator[Step] = iter([*steps, *[steps[-1]] * 1000])
        self.calls: list[Call] = []
        self.sent: list[bytes] = []

    def attempt(self, call: Call) -> Answer:
        self.calls.append(call)
        if call.content:
            self.sent.append(call.content.read())
        step = next(self.steps)
        if isinstance(step, Exception):
            raise step
        return step


def client(*steps: Step, clock: Clock | None = None, policy: RetryPolicy | None = None) -> Client:
    clock = clock or Clock()
    return Client(
        Scripted(*steps),
        policy=policy,
        clock=clock,
        sleep=clock.sleep,
        uniform=lambda low, high: high,
    )


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(429),
        Answer(500),
        Answer(502),
        BUSY,
        Answer(504),
        Broken("the connection broke"),
        Broken("its JSON is broken or cut off", garbled=True),
    ],
)
def test_trouble_that_passes_is_not_seen(trouble: Step) -> None:
    found = client(trouble, trouble, OK)
    assert found.get("/x", Family.OTHER) == {"fine": True}
    calls, retries, _ = found.tally()
    assert (calls, retries) == (3, 2)


def test_pauses_double_up_to_their_cap_and_end_with_the_budget() -> None:
    clock = Clock()
    with pytest.raises(Unavailable) as caught:
        client(BUSY, clock=clock, policy=RetryPolicy(budget_s=60, cap_s=16)).send(READ)
    assert clock.naps == [1, 2, 4, 8, 16, 16]
    assert str(caught.value) == "GET /api/2.2/jobs/list failed after 7 attempts in 47 s: 503 busy"


def test_the_default_budget_is_five_minutes() -> None:
    clock = Clock()
    with pytest.raises(Unavailable):
        client(Broken("the connection broke"), clock=clock).send(READ)
    assert 270 < sum(clock.naps) <= 300


def test_a_retry_after_beyond_the_budget_is_not_waited_for() -> None:
    clock = Clock()
    with pytest.raises(Unavailable):
        client(Answer(429, {"Retry-After": "3600"}), clock=clock).send(READ)
    assert clock.naps == []


def test_retry_after_is_honoured() -> None:
    clock = Clock()
    client(Answer(429, {"Retry-After": "20"}), OK, clock=clock).send(READ)
    assert clock.naps == [21]


def test_a_page_that_is_no_json_is_given_up_after_three_attempts() -> None:
    found = client(Broken("it answered with a web page", garbled=True))
    with pytest.raises(Unavailable, match=r"after 3 attempts .* it answered with a web page"):
        found.send(READ)


def test_a_final_failure_is_raised_as_what_it_is() -> None:
    final = tls_failed("https://w.example.com", "x")
    with pytest.raises(DeployError) as caught:
        client(Broken("no token", garbled=True, final=final)).send(READ)
    assert caught.value is final


def test_who_shares_a_limit_waits_as_well_when_one_is_turned_down() -> None:
    naps: list[float] = []
    # The clock stands still, so the second attempt meets the limit as another thread would.
    found = Client(
        Scripted(Answer(429, {"Retry-After": "20"}), OK),
        clock=lambda: 0.0,
        sleep=naps.append,
        uniform=lambda low, high: low,
    )
    found.send(READ)
    assert naps == pytest.approx([20, 20])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_a_no_is_not_asked_again(status: int) -> None:
    found = client(Answer(status))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is told elsewhere
        found.get("/x", Family.OTHER)
    assert not isinstance(caught.value, Unavailable)
    assert found.tally()[0] == 1


def test_a_refused_credential_says_what_to_check() -> None:
    with pytest.raises(DeployError) as caught:
        client(Answer(401, message="Token is expired")).send(READ)
    assert caught.value.reason is FailureReason.AUTHENTICATION_FAILED
    assert caught.value.problem.detail == "Token is expired"
    assert caught.value.problem.remedy


@pytest.mark.parametrize(
    ("steps", "doubtful"),
    [
        ([OK], False),
        ([Answer(429), OK], False),
        ([BUSY, OK], True),
        ([Broken("the connection broke"), Answer(429), OK], True),
    ],
)
def test_an_answer_knows_whether_an_earlier_attempt_may_have_worked(
    steps: Sequence[Step], *, doubtful: bool
) -> None:
    assert client(*steps).send(READ).doubtful is doubtful


def test_content_is_sent_from_where_it_stood_on_every_attempt() -> None:
    transport = Scripted(BUSY, Broken("the connection broke"), OK)
    clock = Clock()
    content = io.BytesIO(b"headerBODY")
    content.seek(6)
    Client(transport, clock=clock, sleep=clock.sleep).send(
        Call("PUT", "/x", Family.FILES, content=content)
    )
    assert transport.sent == [b"BODY", b"BODY", b"BODY"]


def test_waiting_is_counted_in_limits_and_retries() -> None:
    clock = Clock()
    found = client(BUSY, OK, clock=clock)
    found.send(READ)
    for _ in range(40):
        found.send(Call("GET", "/x", Family.DELETE))
    assert found.tally()[2] == pytest.approx(sum(clock.naps))
    assert found.tally()[:2] == (42, 1)


def test_pages_are_followed_by_their_tokens() -> None:
    transport = Scripted(
        Answer(200, document={"jobs": [1], "next_page_token": "t1"}),
        Answer(200, document={"jobs": [2], "next_page_token": "t2"}),
        Answer(200, document={"jobs": [3], "next_page_token": ""}),
    )
    clock = Clock()
    found = Client(transport, clock=clock, sleep=clock.sleep)
    pages = list(found.pages("/list", Family.OTHER, {"limit": 2}))
    assert [page["jobs"] for page in pages] == [[1], [2], [3]]
    assert [dict(call.query) for call in transport.calls] == [
        {"limit": 2},
        {"limit": 2, "page_token": "t1"},
        {"limit": 2, "page_token": "t2"},
    ]


def test_pages_that_go_in_circles_end() -> None:
    found = client(Answer(200, document={"next_page_token": "again"}))
    with pytest.raises(Unavailable, match="same page twice"):
        list(found.pages("/list", Family.OTHER, {}))


def test_a_no_becomes_the_exception_of_the_ports() -> None:
    with pytest.raises(NotFound):
        client(Answer(404)).get("/x", Family.OTHER)
    with pytest.raises(Denied, match="not yours"):
        client(Answer(403, message="not yours")).post("/x", Family.OTHER, {})
