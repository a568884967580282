"""A place: where a string stands in a job's settings, and how to read and replace it there.

Owns addressing. Tasks and environments are addressed by their keys, because the API returns tasks
in another order than they were written (facts B2); everything inside of them by position. Must not
know what the string means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
        node: object = settings
        for step in self.steps:
            _, node = _descend(node, step)
        return node

    def replaced(self, settings: Mapping[str, object], text: str) -> JsonObject:
        """New settings with `text` here; everything else is the very same object. Raises PlaceGone."""
        changed = _replaced(settings, self.steps, text)
        assert isinstance(changed, dict)  # noqa: S101 - a place has at least one step, and settings are an object
        return changed


def strings(settings: Mapping[str, object]) -> Iterator[tuple[Place, str]]:
    """Every string value of `settings` with its place, in document order."""
    yield from _strings(settings, ())


def elements(container: Mapping[str, object], name: str) -> Iterator[tuple[Step, object]]:
    """The elements of the array `container[name]`, addressed by key where keys are there and unique."""
    array = container.get(name)
    if isinstance(array, list):
        yield from zip(_addresses(array, name), array, strict=True)


def _addresses(array: Sequence[object], name: str) -> list[Step]:
    field = KEY_FIELDS.get(name)
    keys = [item.get(field) if isinstance(item, dict) and field else None for item in array]
    return [
        Keyed(field, key) if field and isinstance(key, str) and keys.count(key) == 1 else index
        for index, key in enumerate(keys)
    ]


def _strings(node: object, steps: tuple[Step, ...]) -> Iterator[tuple[Place, str]]:
    if isinstance(node, str):
        yield Place(steps), node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _strings(value, (*steps, key))
    elif isinstance(node, list):
        name = steps[-1] if steps and isinstance(steps[-1], str) else ""
        for step, value in zip(_addresses(node, name), node, strict=True):
            yield from _strings(value, (*steps, step))


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


def _replaced(node: object, steps: tuple[Step, ...], text: str) -> object:
    if not steps:
        if not isinstance(node, str):
            raise PlaceGone("no string stands here")
        return text
    index, child = _descend(node, steps[0])
    changed = _replaced(child, steps[1:], text)
    if isinstance(node, dict):
        return {key: changed if key == index else value for key, value in node.items()}
    assert isinstance(node, list)  # noqa: S101 - _descend found an element
    return [changed if at == index else item for at, item in enumerate(node)]


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
