"""Which call a fault strikes, and what the rate limits let through: facts B5."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.faults import Fault, Faults, RateLimits, fault_from, read_faults


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(0, 5), st.integers(1, 20))
def test_a_fault_strikes_from_its_nth_call_as_often_as_it_says(
    nth: int, times: int, calls: int
) -> None:
    faults = Faults([Fault(kind="status", nth=nth, times=times)])
    struck = [n for n in range(1, calls + 1) if faults.strike("GET", "/x")]
    last = calls if times == 0 else nth + times - 1
    assert struck == [n for n in range(nth, last + 1) if n <= calls]


def test_only_matching_calls_count() -> None:
    faults = Faults([Fault(kind="status", method="POST", path="/api/2.?/jobs/*", nth=2)])
    assert faults.strike("POST", "/api/2.2/jobs/create") is None
    assert faults.strike("GET", "/api/2.2/jobs/create") is None
    assert faults.strike("POST", "/api/2.0/workspace/import") is None
    assert faults.strike("POST", "/api/2.1/jobs/runs/submit") is not None


def test_the_first_of_two_faults_strikes_and_both_count() -> None:
    first, second = Fault(kind="status"), Fault(kind="html", nth=2)
    faults = Faults([first, second])
    assert [faults.strike("GET", "/x") for _ in range(3)] == [first, second, None]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="timeout", path="*", nth=3, times=0, seconds=0.5, retry_after="7"),
        Fault(kind="timeout-after", method="PUT", seconds=2),
        Fault(kind="kill-after", pid=os.getpid() + 1),
    ],
)
def test_faults_survive_json(fault: Fault) -> None:
    assert fault_from(json.loads(json.dumps(fault.as_dict()))) == fault


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "is a JSON object"),
        ({}, "needs a kind"),
        ({"kind": "explode"}, "kind is one of"),
        ({"kind": "status", "status": 200}, "lies in 400"),
        ({"kind": "status", "nth": 0}, "counts from 1"),
        ({"kind": "status", "times": -1}, "not negative"),
        ({"kind": "status", "nth": "2"}, "nth can't be '2'"),
        ({"kind": "status", "nth": True}, "nth can't be True"),
        ({"kind": "status", "code": 500}, "no field 'code'"),
        ({"kind": "kill-before"}, "needs the pid of a process, not 0"),
        ({"kind": "kill-after", "pid": 1}, "needs the pid of a process, not 1"),
        ({"kind": "kill-after", "pid": -1}, "needs the pid of a process, not -1"),
        ({"kind": "kill-after", "pid": "77"}, "pid can't be '77'"),
        ({"kind": "kill-after", "pid": os.getpid()}, "is the sandbox's own"),
        ({"kind": "reset-after", "pid": 77}, "kills no process"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fault_from(value)


def test_a_faults_file_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    for text in ("", "{}", '[{"kind": "explode"}]'):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"faults\.json can't be used"):
            read_faults(file)
    with pytest.raises(ValueError, match=r"none\.json can't be used"):
        read_faults(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("method", "path", "rate"),
    [
        ("GET", "/api/2.2/jobs/list", 20),
        ("POST", "/api/2.1/jobs/reset", 20),
        ("POST", "/api/2.2/jobs/update", 10),
        ("GET", "/api/2.2/jobs/runs/get", 100),
        ("POST", "/api/2.0/workspace/delete", 2),
        ("POST", "/api/2.0/workspace-files/import-file/Workspace/x", 30),
        ("PUT", "/api/2.0/fs/files/Volumes/a/b/c/x", 100),
    ],
)
def test_a_bucket_holds_one_second_and_fills_at_its_rate(method: str, path: str, rate: int) -> None:
    clock = Clock()
    limits = RateLimits(clock)
    assert [limits.admit(method, path) for _ in range(rate + 1)] == [True] * rate + [False]
    clock.now += 1.5 / rate
    assert [limits.admit(method, path) for _ in range(2)] == [True, False]
    clock.now += 3600
    assert [limits.admit(method, path) for _ in range(rate + 1)] == [True] * rate + [False]
    assert limits.refused == 3


def test_families_do_not_drain_each_other_and_versions_share() -> None:
    limits = RateLimits(Clock())
    for _ in range(2):
        assert limits.admit("POST", "/api/2.0/workspace/delete")
    assert not limits.admit("POST", "/api/2.0/workspace/delete")
    assert limits.admit("GET", "/api/2.0/workspace/list")
    for version in ("2.1", "2.2") * 10:
        assert limits.admit("GET", f"/api/{version}/jobs/get")
    assert not limits.admit("GET", "/api/2.2/jobs/get")


def test_what_has_no_documented_limit_has_none() -> None:
    limits = RateLimits(Clock())
    assert all(limits.admit("GET", "/api/2.0/preview/scim/v2/Me") for _ in range(1000))
