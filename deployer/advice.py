"""What a run warns of, and what it tells the owners of places that it does not change.

Owns the facts that do not stop a run, and that its reader should act on. Must not read anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from deployer.deployment.elsewhere import Elsewhere
from deployer.deployment.ports import Identity, Store
from deployer.draft import Draft, named_by
from deployer.library.model import Library
from deployer.plan.clusters import Stays
from deployer.plan.elsewhere import Judged, judge
from deployer.plan.history import History
from deployer.plan.model import ClusterChange, Plan
from deployer.plan.planner import Order
from deployer.plan.retention import Verdict
from deployer.report import model
from deployer.report.elsewhere import LISTED, advice

MOST_JOBS = 10  # named beside one place; thousands of jobs can share a cluster
_MOST_UNREAD = 3  # told in the warning; the versions of the report name all


def warn_of_root(draft: Draft, store: Store, *, exists: bool) -> None:
    """A root that is missing, or that everybody may write (design.md, "Where things lie")."""
    if not exists:
        draft.warn(f"The root {store.root} does not exist yet: deploy makes it.")
    if store.open_to_all():
        draft.warn(
            f"Everybody may write to the root {store.root}: whoever replaces a file there runs code in "
            "production. Use a volume or folder that only the deployer may write."
        )


def warn_if_blind(draft: Draft, identity: Identity) -> None:
    """An identity that may not see every job (facts B4)."""
    if not identity.admin:
        draft.warn(
            f"{identity.user} is not a workspace admin and may not see all jobs, so jobs can be missing "
            "here, and no old version is removed."
        )


def warn_of_unread(draft: Draft, found: Elsewhere) -> None:
    """What could not be read and may name the library (facts A1 rows 4 to 18)."""
    if found.unread:
        more = len(found.unread) - _MOST_UNREAD
        told = "; ".join(found.unread[:_MOST_UNREAD]) + (f"; and {more:,} more" if more > 0 else "")
        draft.warn(
            "Not everything that may name a library could be read, and nothing is removed while that is "
            f"so: {told}."
        )


def warn_if_unknown(draft: Draft, library: Library, plan: Plan) -> None:
    """A library that no job names: it is new, or its name is not the one that jobs know."""
    if not plan.rewires and not plan.untouched:
        draft.warn(
            f"No job names {library.display_name}: either it is new, or jobs know it by another name."
        )


def warn_of_clusters(draft: Draft, stays: Iterable[Stays]) -> None:
    """Clusters that keep an old version because nobody but others may change it (facts B8)."""
    for one in stays:
        name = f" ({one.cluster_name})" if one.cluster_name else ""
        draft.warn(f"Cluster {one.cluster_id}{name} keeps {one.value}: {one.why}.")


def warn_of_journal(draft: Draft, history: History) -> None:
    """Entries of the journal that can't be used (design.md, rule 10)."""
    for one in history.unread:
        draft.warn(f"{one[0].upper()}{one[1:]}. It is left out.")


def warn_of_first(draft: Draft, verdicts: Iterable[Verdict], removing: bool) -> None:  # noqa: FBT001
    """What the first deployment to a root would have removed (design.md, rule 7)."""
    going = sum(one.goes for one in verdicts)
    if going and draft.settings.cleanup and not removing:
        draft.warn(
            f"This is the first deployment to this root, so it removes nothing: {going} unused old versions "
            "are listed only, and later deployments remove them."
        )


def tell_elsewhere(
    draft: Draft, found: Elsewhere, order: Order, clusters: Iterable[ClusterChange] = ()
) -> None:
    """What the deployment of `order` means for each place; `clusters` are those that it changes."""
    changed = tuple(clusters)
    judged = [judge(one, order, changed) for one in found.sightings]
    draft.elsewhere = tuple(_told(found, one) for one in judged)


def list_elsewhere(draft: Draft, found: Elsewhere) -> None:
    """The places as `status` lists them: nothing is to be deployed."""
    draft.elsewhere = tuple(_told(found, Judged(one, LISTED, "")) for one in found.sightings)


def _told(found: Elsewhere, judged: Judged) -> model.Elsewhere:
    sighting = judged.sighting
    kind, name, version = named_by(sighting.reference)
    jobs = found.jobs_of(sighting)
    return model.Elsewhere(
        where=sighting.where.value,
        holder=sighting.label,
        holder_id=sighting.holder.target,
        spot=sighting.spot,
        value=sighting.value,
        kind=kind,
        name=name,
        version=version,
        standing=judged.standing,
        advice=advice(sighting.where, judged.standing, judged.new),
        jobs=tuple(model.JobName(job.job_id, job.name) for job in jobs[:MOST_JOBS]),
        jobs_count=len(jobs),
    )
