"""Every call meets every fault, and in the end all is as if nothing had happened.

`make test` plays a slice of the matrix, `make faults` all of it; both print the counts.
"""

from __future__ import annotations

import time

import pytest

from sandbox.calls import CallRecord
from tests.reliability.cases import ALL, FAST, Slice, case_named
from tests.reliability.counts import Count, Tell
from tests.reliability.extent import EVERYTHING
from tests.reliability.matrix import TROUBLES, Cell, Point, Trouble, play, points_in, points_of

SLICES = [
    (slice_, TROUBLES[name]) for slice_ in (ALL if EVERYTHING else FAST) for name in slice_.troubles
]


def _name(part: Slice | Trouble) -> str:
    return part.case if isinstance(part, Slice) else part.name


def _ways_back(slice_: Slice, point: Point, trouble: Trouble) -> int:
    """Of how many cells one ends with the way back: of the whole first case, and of others often enough.

    A read that went wrong once and was tried again leaves nothing that a way back could stumble over.
    """
    if not EVERYTHING or (point.is_read and not trouble.kills and not trouble.lasting):
        return 4
    return 1 if slice_ is ALL[0] else 2


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("slice_", "trouble"), SLICES, ids=_name)
def test_every_call_survives_every_fault(slice_: Slice, trouble: Trouble, tell: Tell) -> None:
    case = case_named(slice_.case)
    began = time.monotonic()
    cells: list[Cell] = []
    for number, point in slice_.points(points_of(case)):
        if trouble.strikes(point):
            # In half of the whole matrix locks are waited for.
            waits = number % (2 if EVERYTHING else 8) == 1
            to_the_end = number % _ways_back(slice_, point, trouble) == 0
            cells.append(
                play(case, point, trouble, number=number // 2, waits=waits, to_the_end=to_the_end)
            )
    problems = [cell.problem for cell in cells if cell.problem]
    healed = sum(cell.healed for cell in cells)
    runs = sum(cell.runs for cell in cells)
    seconds = time.monotonic() - began
    converged = len(cells) - len(problems)
    tell(Count(slice_.case, trouble.name, len(cells), converged, healed, runs, seconds))
    assert cells, "no call was played: a matrix without calls proves nothing"
    assert not problems, f"{len(problems)} of {len(cells)} did not converge:\n" + "\n".join(
        problems[:5]
    )


@pytest.mark.parametrize("name", sorted({slice_.case for slice_ in (*ALL, *FAST)}))
def test_the_calls_that_count_are_among_those_that_are_played(name: str) -> None:
    case = case_named(name)
    points = [str(point) for point in points_of(case)]
    writes = ["intent-", ".claim.json", ".intent.json", ".end.json", ".released.json"]
    if "dbfs" in case.ground.root:
        writes = ["/dbfs/put", "/dbfs/move", "/dbfs/delete"]
    if case.inputs["mode"] == "deploy":
        reset = [] if "dbfs" in case.ground.root else ["POST /api/2.2/jobs/reset #1"]
        writes += [*reset, "POST /api/2.2/jobs/update #4", "GET /api/2.2/jobs/list #2"]
    for one in writes:
        assert any(one in point for point in points), one


def test_calls_are_told_apart_by_method_and_path_and_by_their_number() -> None:
    path = "/Volumes/a/b/c/.spark-deploy/journal/x_000001-2026{}T030405Z-00000001.intent.json"
    first = [_call("GET", path.format("0102")), _call("GET", "/jobs"), _call("GET", "/jobs")]
    second = [_call("GET", "/jobs"), _call("GET", path.format("0103")), _call("PUT", "/jobs")]
    assert points_in([first, second]) == (
        Point("GET", path.replace("2026{}T030405Z", "*"), 1),
        Point("GET", "/jobs", 1),
    )


def _call(method: str, path: str) -> CallRecord:
    return CallRecord(method, path, {}, 200, "", "", None, 1.0)
