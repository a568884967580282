"""Removing old versions: the last step, and the only one that deletes.

Owns the order of deletes. What goes was decided by `plan.retention` from a scan made after the
rewire; nothing else may be deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from deployer.deployment.ports import Denied, Refused, Store, Unavailable
from deployer.errors import FailureReason, Problem
from deployer.plan.retention import Stored


def remove(
    store: Store,
    going: Iterable[Stored],
    *,
    stopped: Callable[[], bool],
    on_removed: Callable[[Stored], None] = lambda stored: None,
) -> tuple[tuple[Stored, ...], tuple[Problem, ...]]:
    """Delete the files of `going`; returns what went, and a problem for each that would not go.

    `on_removed` is told of each at once: a run may have to end before the last. Raises Interrupted, and
    what the fence of `store` raises.
    """
    removed: list[Stored] = []
    problems: list[Problem] = []
    for one in going:
        if stopped():
            break
        try:
            store.delete(one.path)
            removed.append(one)
            on_removed(one)
        except (Denied, Refused, Unavailable) as error:
            problems.append(
                Problem(
                    FailureReason.REMOVAL_FAILED,
                    f"{one.path} could not be removed.",
                    str(error),
                    "Nothing uses it: remove it by hand, or run `cleanup` again.",
                )
            )
    return tuple(removed), tuple(problems)
