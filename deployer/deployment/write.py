"""The smallest write that moves one job (design.md, rule 4). Pure; sends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deployer.jobs.places import JsonObject, Keyed, Place, elements
from deployer.plan.model import Rewire


class Endpoint(StrEnum):
    """Which call carries the write."""

    UPDATE = "update"
    RESET = "reset"


@dataclass(frozen=True)
class Write:
    """One request: the endpoint and the settings to send."""

    endpoint: Endpoint
    settings: JsonObject


def smallest_write(now: JsonObject, rewire: Rewire) -> Write:
    """The write that turns the job's settings `now` into those with `rewire` applied.

    `jobs/update` merges tasks by key and replaces each task whole, so only changed tasks are sent.
    What it does with `environments` is not documented (facts B3): the complete array is right
    whether it merges or replaces. Anything else, such as tasks without unique keys, needs
    `jobs/reset`, which enables queueing unless `queue` is said (facts B3, "queue").
    Raises PlaceGone.
    """
    after = rewire.applied_to(now)
    body: JsonObject = {}
    changed_tasks: list[object] = []
    for top in dict.fromkeys(change.place.steps[:2] for change in rewire.changes):
        match top:
            case ("environments", _) if _all_keyed(after, "environments"):
                body["environments"] = after["environments"]
            case ("tasks", Keyed()):
                changed_tasks.append(Place(top).node(after))
            case _:
                return Write(Endpoint.RESET, _with_queue(after))
    if changed_tasks:
        body["tasks"] = changed_tasks
    return Write(Endpoint.UPDATE, body)


def _all_keyed(settings: JsonObject, array: str) -> bool:
    return all(isinstance(step, Keyed) for step, _ in elements(settings, array))


def _with_queue(settings: JsonObject) -> JsonObject:
    return settings if settings.get("queue") else {**settings, "queue": {"enabled": False}}
