"""Planning a rollback: which strings go back, and which stay because something else stands there.

Owns the decision for each string that the journal recorded. A string goes back only where exactly what
was written still stands, where nothing but a reference to this library differs, and where the old file is
there: the journal is data that others can write (design.md, rule 10). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.version import Version

from deployer.jobs.inventory import Job
from deployer.jobs.paths import is_inside
from deployer.jobs.places import JsonObject, Place, PlaceGone, replaced
from deployer.jobs.references import Reference, references
from deployer.library.model import Distribution
from deployer.plan.digest import digest
from deployer.plan.history import Undo, UndoJob
from deployer.plan.model import Change, Plan, Reason, Rewire, Target, Untouched


@dataclass(frozen=True)
class UndoOrder:
    """What a rollback may touch: this library in this root, and the files that are there.

    `files` are canonical paths. `version` is the one that jobs leave.
    """

    distribution: Distribution
    root: str
    files: frozenset[str]
    version: Version


@dataclass(frozen=True)
class Undone:
    """What becomes of one job: a rewire, if anything goes back, and the strings that stay."""

    rewire: Rewire | None
    untouched: tuple[Untouched, ...] = ()


def plan_undo(
    order: UndoOrder, target: Target, undo: Iterable[UndoJob], jobs: Mapping[int, Job]
) -> Plan:
    """The plan that takes `undo` back; a job that is not among `jobs` is gone, and nothing is due there.

    `target` is the file of the version that the jobs go back to, for people and the digest.
    """
    found = [
        judge_undo(order, one, jobs[one.job_id].name, jobs[one.job_id].settings)
        for one in undo
        if one.job_id in jobs
    ]
    rewires = tuple(one.rewire for one in found if one.rewire is not None)
    return Plan(
        target=target,
        upload=False,
        rewires=rewires,
        untouched=tuple(left for one in found for left in one.untouched),
        digest=digest(target, rewires),
    )


def judge_undo(order: UndoOrder, undo: UndoJob, name: str, settings: JsonObject) -> Undone:
    """What goes back in one job as it is now. Strings that stand as before need nothing."""
    changes: list[Change] = []
    untouched: list[Untouched] = []
    for one in undo.strings:
        now = _read(settings, one.place)
        if now == one.back:
            continue
        pointer = _pointer(settings, one.place)
        value = one.now if now is None else now
        changed = now is None or not one.stands(now)
        reason = Reason.CHANGED_SINCE if changed else _objection(order, one, value, settings)
        if reason is None:
            changes.append(Change(one.place, pointer, value, one.back))
        else:
            untouched.append(
                Untouched(undo.job_id, name, pointer, value, None, reason, _note(one, now, reason))
            )
    rewire = Rewire(undo.job_id, name, tuple(changes), (order.version,)) if changes else None
    return Undone(rewire, tuple(untouched))


def _read(settings: JsonObject, place: Place) -> str | None:
    try:
        return place.read(settings)
    except PlaceGone:
        return None


def _pointer(settings: JsonObject, place: Place) -> str:
    try:
        return place.pointer(settings)
    except PlaceGone:
        return f"/{place}"


def _note(one: Undo, now: str | None, reason: Reason) -> str:
    if reason is Reason.CHANGED_SINCE:
        return "the place is gone" if now is None else f"the deployment had written {one.now}"
    return f"it would have to name {one.back} again"


def _objection(order: UndoOrder, one: Undo, now: str, settings: JsonObject) -> Reason | None:
    """Why the old string may not stand again where `now` stands."""
    there = _references_at(settings, one.place)
    back = _references_at(replaced(settings, {one.place: one.back}), one.place)
    if _masked(order, now, there) != _masked(order, one.back, back):
        return Reason.NOT_AS_RECORDED
    old = [ref.path for ref in back if _is_ours(order, ref)]
    return None if all(path in order.files for path in old) else Reason.FILE_GONE


def _references_at(settings: JsonObject, place: Place) -> tuple[Reference, ...]:
    return tuple(one for one in references(settings) if one.place == place)


def _is_ours(order: UndoOrder, reference: Reference) -> bool:
    """Whether it is certainly a file of this library in the root: only such a reference was moved."""
    parsed, path = reference.parsed, reference.path
    if parsed is None or path is None or not is_inside(path, order.root):
        return False
    certain = parsed.certain
    return certain is not None and parsed.distribution(certain) == order.distribution


def _masked(order: UndoOrder, text: str, found: Iterable[Reference]) -> str:
    """`text` without the paths of this library: what has to be the same before and after."""
    for one in sorted(found, key=lambda one: one.span.start, reverse=True):
        if _is_ours(order, one):
            text = f"{text[: one.span.start]}\0{text[one.span.end :]}"
    return text
