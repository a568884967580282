"""What the matrix and the model counted, told at the end, also of the tests that other workers ran."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import pytest

_PROPERTY = "faults"
MET = "met"
"""The property whose texts are told at the end: how runs that met ended, and what the model did."""


@dataclass(frozen=True)
class Count:
    """What one test played: `points` calls with one fault each, of which `converged` did, in `runs` runs.

    `healed` is how many first runs came to a good end all the same.
    """

    what: str
    trouble: str
    points: int
    converged: int
    healed: int
    runs: int
    seconds: float


Tell = Callable[[Count], None]


def teller(node: pytest.Item) -> Tell:
    """What has a count of this test told at the end."""
    return lambda count: node.user_properties.append((_PROPERTY, astuple(count)))


def tell_counts(terminalreporter: pytest.TerminalReporter) -> None:
    """The matrix, and its sums. Reports of other workers bring their properties along."""
    counts = [Count(*value) for value in _told(terminalreporter, _PROPERTY)]
    if counts:
        terminalreporter.section("every call, every fault")
        for line in _table(sorted(counts, key=lambda one: (one.what, one.trouble))):
            terminalreporter.write_line(line)
    met = sorted(_told(terminalreporter, MET))
    if met:
        terminalreporter.section("runs that met each other, and the model")
        for line in met:
            terminalreporter.write_line(str(line))


def _told(terminalreporter: pytest.TerminalReporter, property_name: str) -> list[Any]:
    return [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == property_name
    ]


def _table(counts: list[Count]) -> list[str]:
    lines = [f"{'':<54}{'points':>8}{'converged':>11}{'healed':>8}{'runs':>8}{'seconds':>9}"]
    for what in dict.fromkeys(one.what for one in counts):
        of_it = [one for one in counts if one.what == what]
        lines += [_line(f"{what}: {one.trouble}", [one]) for one in of_it]
        lines.append(_line(f"{what}, {len(of_it)} faults", of_it))
    lines.append(_line("all", counts))
    return lines


def _line(title: str, counts: list[Count]) -> str:
    sums = [
        sum(getattr(one, name) for one in counts)
        for name in ("points", "converged", "healed", "runs", "seconds")
    ]
    points, converged, healed, runs, seconds = sums
    return f"{title:<54}{points:>8}{converged:>11}{healed:>8}{runs:>8}{seconds:>9.0f}"
