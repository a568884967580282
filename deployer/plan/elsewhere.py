"""What a sighting means for a deployment: whether its owner has to act, and what to write there.

Owns the comparison of a sighting's version with the library's, by the same policy as for jobs. Pure;
must not phrase anything: the report has the sentences.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from deployer.jobs.leads import LeadKind
from deployer.jobs.references import Reference, Site
from deployer.jobs.sightings import Sighting
from deployer.library.model import Library
from deployer.library.names import parse_file_name
from deployer.plan.model import ClusterChange
from deployer.plan.planner import Order
from deployer.plan.policy import objection


class Standing(StrEnum):
    """What becomes of a sighting, besides the reasons of `plan.model.Reason`."""

    BY_HAND = "by-hand"  # its owner has to change it
    WITH_THIS_RUN = "with-this-run"  # a cluster's library that this deployment replaces


@dataclass(frozen=True)
class Judged:
    """A sighting, what becomes of it, and the path, requirement or coordinate to write there."""

    sighting: Sighting
    standing: str  # a Standing, or a Reason to stay
    new: str


def judge(sighting: Sighting, order: Order, clusters: Iterable[ClusterChange] = ()) -> Judged:
    """What `sighting` means for the deployment of `order`; `clusters` are those that it changes."""
    new = _new(sighting.reference, order)
    if any(_replaces(change, sighting) for change in clusters):
        return Judged(sighting, Standing.WITH_THIS_RUN, new)
    version = sighting.version
    reason = None if version is None else objection(version, order.library.version, order.policy)
    return Judged(sighting, reason or Standing.BY_HAND, new)


def _replaces(change: ClusterChange, sighting: Sighting) -> bool:
    return (
        sighting.holder.kind is LeadKind.CLUSTER
        and sighting.holder.target == change.cluster_id
        and sighting.entry is not None
        and sighting.value in (*change.before, *change.leaving)
    )


def _new(reference: Reference, order: Order) -> str:
    """What names the library's new version in the form that stands there."""
    library = order.library
    coordinate = reference.coordinate
    if coordinate is None:
        return reference.retargeted(order.root, library.file_name) or order.path
    if reference.site is Site.MAVEN:
        artifact = reference.spelled.split(":")[1]
        return f"{coordinate.group}:{artifact}:{_spelled_version(library)}"
    extras = f"[{','.join(coordinate.extras)}]" if coordinate.extras else ""
    return f"{library.display_name}{extras}=={library.version}"


def _spelled_version(library: Library) -> str:
    """The version as the file name has it: Maven's `1.4.0-SNAPSHOT` is another in Python's order."""
    parsed = parse_file_name(library.file_name)
    certain = parsed.certain if parsed is not None else None
    return certain.raw_version if certain is not None else str(library.version)
