"""Planning: from the inventory and a policy to one plan.

Owns the decision for each reference: a change, or untouched with one reason. Pure, total and
deterministic: the same facts give the same plan, byte for byte, in whatever order they come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from packaging.version import Version

from deployer.jobs.inventory import Job, Owner
from deployer.jobs.paths import is_inside
from deployer.jobs.places import Place
from deployer.jobs.references import EDITABLE, Reference, Site, replace_spans
from deployer.jobs.runtimes import existing_cluster_at
from deployer.library.model import Kind, Library
from deployer.library.names import NameCandidate, NameProblem
from deployer.plan.digest import digest
from deployer.plan.model import Change, ClusterChange, Plan, Reason, Rewire, Target, Untouched
from deployer.plan.policy import Policy, objection, pin_allows
from deployer.plan.refusals import depends_on_runtime, refusal

# Readings that are no certain ones, although they give a name and perhaps a version.
_UNCERTAIN = {NameProblem.AMBIGUOUS, NameProblem.INVALID_NAME}
_INDEX_OF = {Kind.WHEEL: Site.PYPI, Kind.EGG: Site.PYPI, Kind.JAR: Site.MAVEN}


@dataclass(frozen=True)
class Order:
    """What is to be planned: this library, at this root, under this policy.

    `root` is canonical. `stored` says whether the library's file lies there already, with the same
    bytes. `may_edit` holds what is known about the right to edit a job; jobs that are not in it may
    be edited. `runtimes` has the `spark_version` of all-purpose clusters by their ids, as far as known.
    """

    library: Library
    root: str
    policy: Policy = field(default_factory=Policy)
    stored: bool = False
    may_edit: Mapping[int, bool] = field(default_factory=dict)
    runtimes: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where the file goes: `<root>/<file name>`."""
        return f"{self.root}/{self.library.file_name}"


@dataclass(frozen=True)
class _Verdict:
    """What becomes of one reference: `new` replaces its span, or `reason` leaves it."""

    reference: Reference
    version: Version | None
    new: str | None = None
    reason: Reason | None = None
    note: str = ""


def make_plan(order: Order, jobs: Iterable[Job], clusters: Iterable[ClusterChange] = ()) -> Plan:
    """The plan for `jobs`, which may come in any order, each job id once; and `clusters`, decided."""
    changed = tuple(sorted(clusters, key=lambda one: one.cluster_id))
    rewires: list[Rewire] = []
    untouched: list[Untouched] = []
    for job in sorted(jobs, key=lambda job: job.job_id):
        verdicts = [verdict for one in job.references if (verdict := _judge(one, job, order))]
        verdicts.sort(key=lambda one: (str(one.reference.place), one.reference.span.start))
        rewire = _rewire(job, [verdict for verdict in verdicts if verdict.new is not None])
        if rewire is not None:
            rewires.append(rewire)
        untouched += [
            _untouched(job, verdict, verdict.reason)
            for verdict in verdicts
            if verdict.reason is not None
        ]
    target = Target(order.path, order.library.sha256, order.library.size)
    return Plan(
        target=target,
        upload=not order.stored,
        rewires=tuple(rewires),
        untouched=tuple(untouched),
        digest=digest(target, rewires, changed),
        clusters=changed,
    )


def names_library(job: Job, library: Library) -> bool:
    """Whether any reference of `job` may name `library`, in whatever kind or place."""
    return any(one.names(library.name) for one in job.references)


def asks_for_runtimes(order: Order, jobs: Iterable[Job]) -> bool:
    """Whether the plan depends on the runtimes of all-purpose clusters, which no job states."""
    return depends_on_runtime(order.library, order.root) and any(
        existing_cluster_at(job.settings, one.place)
        for job in jobs
        for one in job.references
        if one.names(order.library.name)
    )


def _judge(reference: Reference, job: Job, order: Order) -> _Verdict | None:
    """The verdict on one reference; None when it does not name the library at all."""
    if not reference.names(order.library.name):
        return None
    if reference.coordinate is not None:
        reason, note = _of_index(reference, order)
        return _Verdict(reference, reference.coordinate.version, reason=reason, note=note)
    reading = _certain_reading(reference, order)
    version = reading.version if reading is not None else None
    obstacle = _obstacle(reference, reading, job, order)
    if obstacle is not None:
        return _Verdict(reference, version, reason=obstacle[0], note=obstacle[1])
    new = reference.retargeted(order.root, order.library.file_name)
    if new is None:  # file:///Volumes/a%2Fb.whl: the slash before the name is hidden
        note = "its spelling of the root can't be kept"
        return _Verdict(reference, version, reason=Reason.NOT_EDITED, note=note)
    return _Verdict(reference, version, new=new)


def _of_index(reference: Reference, order: Order) -> tuple[Reason, str]:
    """Why a name for a package index, or a URL, stays."""
    if reference.site is not _INDEX_OF[order.library.kind]:
        return Reason.ANOTHER_KIND, f"it is a {reference.site.value}"
    if reference.why == NameProblem.URL:
        return Reason.NOT_EDITED, "it comes from a URL"
    return Reason.NOT_EDITED, "it comes from a package index"


def _certain_reading(reference: Reference, order: Order) -> NameCandidate | None:
    """What the file name says about the library, when there is but one reading."""
    parsed = reference.parsed
    if parsed is None or parsed.problem in _UNCERTAIN:
        return None
    return next((one for one in parsed.candidates if one.name == order.library.name), None)


def _obstacle(
    reference: Reference, reading: NameCandidate | None, job: Job, order: Order
) -> tuple[Reason, str] | None:
    """Why the reference stays: what it is, its version, whose job it is in, its place, our rights."""
    reason = _by_nature(reference, reading, order)
    if reason is None and reading is not None and reading.version is not None:
        reason = objection(reading.version, order.library.version, order.policy)
    if reason is not None:
        return reason, _why_another(reason, order)
    return _by_owner(job, order) or _by_place(reference, job, order) or _by_rights(job, order)


def _why_another(reason: Reason, order: Order) -> str:
    """What surprises people about MAJORs: SemVer item 4 promises nothing before 1.0."""
    surprising = reason is Reason.ANOTHER_MAJOR and order.library.version.major == 0
    return "each 0.y is a MAJOR of its own; `policy: any` moves it" if surprising else ""


def _by_nature(reference: Reference, reading: NameCandidate | None, order: Order) -> Reason | None:
    if reference.unresolved:
        return Reason.UNRESOLVED_VALUE
    path = reference.path
    if path is None or not is_inside(path, order.root):
        return Reason.OUTSIDE_ROOT
    assert reference.parsed is not None  # noqa: S101 - what names the library is a file or a coordinate
    if reference.parsed.kind is not order.library.kind:
        return Reason.ANOTHER_KIND
    if reference.parsed.problem in _UNCERTAIN:
        return Reason.AMBIGUOUS_NAME
    if reading is None or reading.version is None:
        return Reason.NO_VERSION
    if reference.parsed.distribution(reading) != order.library.distribution:
        return Reason.ANOTHER_CLASSIFIER  # lib-1.0-sources.jar is no version of lib-1.1.jar
    return None


def _by_owner(job: Job, order: Order) -> tuple[Reason, str] | None:
    pin = job.pin(order.library.name)
    if pin is not None and not pin_allows(pin, order.library.version):
        return Reason.PINNED, f"pinned to {pin} by a tag of the job"
    if job.owner is Owner.SYSTEM:
        return Reason.SYSTEM_MANAGED, job.owner_note
    if job.owner in {Owner.BUNDLE, Owner.UNKNOWN} and not order.policy.move_owned:
        return Reason.OWNED_BY_BUNDLE, job.owner_note
    return None


def _by_place(reference: Reference, job: Job, order: Order) -> tuple[Reason, str] | None:
    if order.library.kind not in EDITABLE.get(reference.site, ()):
        return Reason.NOT_EDITED, f"it is a {reference.site.value}, which is only reported"
    if reference.span.hashed:
        return Reason.PINNED_BY_HASH, "the line names the hash of the old file"
    return refusal(order.library, order.root, job.settings, reference.place, order.runtimes)


def _by_rights(job: Job, order: Order) -> tuple[Reason, str] | None:
    if not job.complete:
        return Reason.NO_PERMISSION, "the job can be listed, but not all of it can be read"
    if not order.may_edit.get(job.job_id, True):
        return Reason.NO_PERMISSION, "needs CAN_MANAGE on the job"
    return None


def _rewire(job: Job, moved: list[_Verdict]) -> Rewire | None:
    if not moved:
        return None
    by_place: defaultdict[Place, list[_Verdict]] = defaultdict(list)
    for verdict in moved:
        by_place[verdict.reference.place].append(verdict)
    return Rewire(
        job_id=job.job_id,
        job_name=job.name,
        changes=tuple(_change(job, place, verdicts) for place, verdicts in by_place.items()),
        versions=tuple(sorted({one.version for one in moved if one.version is not None})),
        note=_takes_effect(job, by_place),
    )


def _change(job: Job, place: Place, verdicts: list[_Verdict]) -> Change:
    before = verdicts[0].reference.text
    after = replace_spans(
        before, [(one.reference.span, one.new) for one in verdicts if one.new is not None]
    )
    return Change(place, place.pointer(job.settings), before, after)


def _takes_effect(job: Job, places: Iterable[Place]) -> str:
    """When the move reaches the code that runs, where that is not the next run (design.md, rule 8)."""
    if job.continuous:
        return "a continuous job: takes effect when its current run ends"
    way = (node for place in places for node in place.way(job.settings))
    if any(isinstance(node, dict) and node.get("existing_cluster_id") for node in way):
        return "runs on an all-purpose cluster: restart it to load the new version"
    return ""


def _untouched(job: Job, verdict: _Verdict, reason: Reason) -> Untouched:
    reference = verdict.reference
    return Untouched(
        job_id=job.job_id,
        job_name=job.name,
        pointer=reference.place.pointer(job.settings),
        value=reference.text,
        version=str(verdict.version) if verdict.version is not None else None,
        reason=reason,
        note=verdict.note,
    )
