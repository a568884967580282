"""How much of the reliability tests is run: a slice, or everything that there is.

`SPARK_DEPLOY_FAULTS=all` runs everything, as `make faults` does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

EVERYTHING = os.environ.get("SPARK_DEPLOY_FAULTS") == "all"
_Case = TypeVar("_Case")


def slice_of(cases: Sequence[_Case], about: int, *, shift: int = 0) -> list[_Case]:
    """All cases, or about so many of them, evenly spread; `shift` makes different slices."""
    if EVERYTHING or len(cases) <= about:
        return list(cases)
    step = len(cases) / about
    start = shift * step / 7 % step
    return [cases[int(start + step * one)] for one in range(about)]
