"""A place: where a string stands in a job's settings, and how to read and replace it there.

Owns addressing. Tasks and environments are addressed by their keys, because the API returns tasks
in another order than they were written (facts B2); everything inside of them by position. Must not
know what the string means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, object]

KEY_FIELDS = {
    "tasks": "task_key",
    "environments": "environment_key",
    "job_clusters": "job_cluster_key",
}


class PlaceGone(LookupError):
    """The settings no longer have this place."""


@dataclass(frozen=True, order=True)
class Keyed:
    """The one element of an array whose `field` is `value`."""

    field: str
    value: str


Step = str | int | Keyed


@dataclass(frozen=True)
class Place:
    """The way from a job's settings down to one string."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        """A spelling that stays the same when the API reorders tasks; the digest hashes it."""
        return "/".join(
            f"{step.field}={_escaped(step.value)}"
            if isinstance(step, Keyed)
            else _escaped(str(step))
            for step in self.steps
        )

    def to_json(self) -> list[object]:
        """The steps as JSON: a name, a position, or `{field: value}` for an element with a key."""
        return [
            {step.field: step.value} if isinstance(step, Keyed) else step for step in self.steps
        ]

    @classmethod
    def from_json(cls, steps: object) -> Place:
        """The place that `to_json` wrote. Raises ValueError for anything else."""
        if not isinstance(steps, list) or not steps:
            raise ValueError("a place is a list of steps")
        return cls(tuple(_step(one) for one in steps))

    def pointer(self, settings: Mapping[str, object]) -> str:
        """The JSON pointer (RFC 6901) of this place in `settings`. Raises PlaceGone."""
        found: list[str] = []
        node: object = settings
        for step in self.steps:
            index, node = _descend(node, step)
            found.append(_escaped(str(index)))
        return "".join(f"/{part}" for part in found)

    def read(self, settings: Mapping[str, object]) -> str:
        """The string that stands here. Raises PlaceGone, also when it is no string."""
        node = self.node(settings)
        if not isinstance(node, str):
            raise PlaceGone(str(self))
        return node

    def node(self, settings: Mapping[str, object]) -> object:
        """Whatever JSON stands here. Raises PlaceGone."""
        *_, node = self.way(settings)
        return node

    def way(self, settings: Mapping[str, object]) -> Iterator[object]:
        """All JSON from `settings` down to what stands here. Raises PlaceGone."""
        node: object = settings
        yield node
        for step in self.steps:
            _, node = _descend(node, step)
            yield node


def replaced(settings: Mapping[str, object], texts: Mapping[Place, str]) -> JsonObject:
    """New settings with each text at its place; what lies on no place's way is the very same object.

    Raises PlaceGone, also where no string stands.
    """
    changed = dict(settings)
    copies: dict[tuple[Step, ...], Any] = {}
    for place, text in texts.items():
        node: Any = changed
        for depth, step in enumerate(place.steps[:-1], start=1):
            way = place.steps[:depth]
            if way not in copies:
                index, child = _descend(node, step)
                node[index] = copies[way] = copy(child)
            node = copies[way]
        index, old = _descend(node, place.steps[-1])
        if not isinstance(old, str):
            raise PlaceGone(str(place))
        node[index] = text
    return changed


def strings(settings: Mapping[str, object]) -> Iterator[tuple[Place, str]]:
    """Every string value of `settings` with its place, in document order; nested however deep."""
    waiting: list[tuple[tuple[Step, ...], object]] = [((), settings)]
    while waiting:
        steps, node = waiting.pop()
        if isinstance(node, str):
            yield Place(steps), node
        elif isinstance(node, dict):
            waiting += [((*steps, key), value) for key, value in reversed(node.items())]
        elif isinstance(node, list):
            name = steps[-1] if isinstance(steps[-1], str) else ""
            addressed = zip(_addresses(node, name), node, strict=True)
            waiting += [((*steps, step), value) for step, value in reversed([*addressed])]


def elements(container: Mapping[str, object], name: str) -> Iterator[tuple[Step, object]]:
    """The elements of the array `container[name]`, addressed by key where keys are there and unique."""
    array = container.get(name)
    if isinstance(array, list):
        yield from zip(_addresses(array, name), array, strict=True)


def _addresses(array: Sequence[object], name: str) -> list[Step]:
    field = KEY_FIELDS.get(name)
    if field is None:
        return list(range(len(array)))
    keys = [item.get(field) if isinstance(item, dict) else None for item in array]
    count = Counter(key for key in keys if isinstance(key, str))
    return [
        Keyed(field, key) if isinstance(key, str) and count[key] == 1 else index
        for index, key in enumerate(keys)
    ]


def _step(written: object) -> Step:
    match written:
        case bool():
            pass
        case str():
            return written
        case int() if written >= 0:
            return written
        case dict() if len(written) == 1:
            [(field, value)] = written.items()
            if field in KEY_FIELDS.values() and isinstance(value, str):
                return Keyed(field, value)
    raise ValueError("a step of a place is a name, a position or an element's key")


def _descend(node: object, step: Step) -> tuple[str | int, object]:
    if isinstance(step, str) and isinstance(node, dict) and step in node:
        return step, node[step]
    if isinstance(step, int) and isinstance(node, list) and step < len(node):
        return step, node[step]
    if isinstance(step, Keyed) and isinstance(node, list):
        for index, item in enumerate(node):
            if isinstance(item, dict) and item.get(step.field) == step.value:
                return index, item
    raise PlaceGone(str(step))


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
