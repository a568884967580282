"""Sightings: mentions of a library outside of the strings that a rewire may change.

Owns what a sighting is, and finding them in texts (requirements files, environment files, init
scripts, notebooks) and in documents (clusters, policies, pipelines). A sighting is only found and
described here: what its owner has to do is told by the report. Must not read or judge anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from packaging.version import Version

from deployer.jobs.installs import named_in
from deployer.jobs.leads import DEFINITIONS, Lead, LeadKind, policy_rules
from deployer.jobs.places import JsonObject
from deployer.jobs.references import Reference, Site, references
from deployer.library.model import Kind


class Where(StrEnum):
    """What a library was sighted in: the closed list that the report knows sentences for."""

    REQUIREMENTS_FILE = "requirements file"
    BASE_ENVIRONMENT = "base environment"
    INIT_SCRIPT = "init script"
    NOTEBOOK = "notebook"
    CLUSTER_LIBRARY = "cluster library"
    CLUSTER_SETTING = "cluster setting"
    POLICY_LIBRARY = "policy library"
    POLICY_DEFINITION = "policy definition"
    PIPELINE_DEPENDENCY = "pipeline dependency"
    PIPELINE_LIBRARY = "pipeline library"
    PIPELINE_SETTING = "pipeline setting"


_OF_TEXT = {
    LeadKind.REQUIREMENTS: Where.REQUIREMENTS_FILE,
    LeadKind.BASE_ENVIRONMENT: Where.BASE_ENVIRONMENT,
    LeadKind.INIT_SCRIPT: Where.INIT_SCRIPT,
    LeadKind.NOTEBOOK: Where.NOTEBOOK,
}
# The kinds of library that a name for an index may mean; a wheel and an egg share their name there.
_OF_INDEX = {
    Site.PYPI: frozenset({Kind.WHEEL, Kind.EGG}),
    Site.MAVEN: frozenset({Kind.JAR}),
}


@dataclass(frozen=True)
class Sighting:
    """One mention of a library in a holder.

    `holder` is the text, cluster, policy or pipeline that holds it, and `name` what people call it ("" where
    the path says all). `spot` is a line ("line 3") or a JSON pointer into the document. `value` is the
    whole line or string. `entry` is the library as the API gave it, where the holder lists libraries.
    """

    where: Where
    holder: Lead
    name: str
    spot: str
    value: str
    reference: Reference
    entry: JsonObject | None = None

    @property
    def label(self) -> str:
        """The holder as people know it: a path, or `cluster 0101-120000-abcd (analytics)`."""
        if self.where in _OF_TEXT.values():
            return self.holder.target
        named = f" ({self.name})" if self.name else ""
        return f"{self.holder.kind.value} {self.holder.target}{named}"

    @property
    def version(self) -> Version | None:
        """The version that is named, when that is certain."""
        reference = self.reference
        if reference.coordinate is not None:
            return reference.coordinate.version
        certain = reference.parsed.certain if reference.parsed else None
        return certain.version if certain else None

    @property
    def is_file(self) -> bool:
        """Whether a file is named, and not something on a package index."""
        return self.reference.parsed is not None

    def names(self, library: str, kind: Kind) -> bool:
        """Whether this may be the library of that name (normalised) and kind."""
        if not self.reference.names(library):
            return False
        if self.reference.coordinate is not None:
            return kind in _OF_INDEX.get(self.reference.site, frozenset())
        return self.reference.parsed is not None and self.reference.parsed.kind is kind


def in_text(lead: Lead, text: str) -> tuple[Sighting, ...]:
    """What the text at `lead` names, one for each line and name."""
    where = _OF_TEXT[lead.kind]
    found = (
        Sighting(where, lead, "", f"line {line.number}", line.text.strip(), reference)
        for line, reference in named_in(lead.kind, text)
    )
    return _once(one for one in found if _is_name(one.reference))


def in_document(kind: str, ident: str, name: str, document: JsonObject) -> tuple[Sighting, ...]:
    """What a cluster, policy or pipeline names.

    `kind` is that of `ports.UsageDocument`; runs come and go, so nothing is told of them, and neither
    of clusters that the service made for a job or pipeline.
    """
    match kind:
        case "cluster" if document.get("cluster_source") not in {"JOB", "PIPELINE"}:
            found = _of_cluster(Lead(LeadKind.CLUSTER, ident), name, document)
        case "policy":
            found = _of_policy(Lead(LeadKind.POLICY, ident), name, document)
        case "pipeline":
            found = _of_pipeline(Lead(LeadKind.PIPELINE, ident), name, document)
        case _:
            return ()
    return _once(one for one in found if _is_name(one.reference))


def _is_name(reference: Reference) -> bool:
    """Whether a reference names any library, as opposed to an option or a file that includes others."""
    return reference.parsed is not None or reference.coordinate is not None


def _once(found: Iterator[Sighting]) -> tuple[Sighting, ...]:
    """Each mention once: a line can name a file in two ways."""
    seen: dict[tuple[str, str], Sighting] = {}
    for one in found:
        seen.setdefault((one.spot, one.reference.spelled), one)
    return tuple(seen.values())


# ── Clusters, policies, pipelines ────────────────────────────────────────────────────────────────


def _of_cluster(holder: Lead, name: str, cluster: JsonObject) -> Iterator[Sighting]:
    """The libraries of the Libraries API (facts A1 row 16), and Spark settings and variables."""
    statuses = cluster.get("library_statuses")
    for index, status in enumerate(statuses if isinstance(statuses, list) else []):
        library = status.get("library") if isinstance(status, dict) else None
        if isinstance(library, dict):
            place = f"/library_statuses/{index}/library"
            yield from _of_entry(Where.CLUSTER_LIBRARY, holder, name, place, library)
    rest = {key: value for key, value in cluster.items() if key != "library_statuses"}
    yield from _of_settings(Where.CLUSTER_SETTING, holder, name, "", rest)


def _of_policy(holder: Lead, name: str, policy: JsonObject) -> Iterator[Sighting]:
    """The libraries of the policy (facts A1 row 15), and the rules in its definition."""
    for index, library in enumerate(_objects(policy.get("libraries"))):
        place = f"/libraries/{index}"
        yield from _of_entry(Where.POLICY_LIBRARY, holder, name, place, library)
    for key in DEFINITIONS:
        text = policy.get(key)
        if isinstance(text, str):
            rules = policy_rules(text) or {"text": text}
            yield from _of_settings(Where.POLICY_DEFINITION, holder, name, f"/{key}", rules)


def _of_pipeline(holder: Lead, name: str, pipeline: JsonObject) -> Iterator[Sighting]:
    """Dependencies and libraries of the spec (facts A1 row 17), and whatever else it holds."""
    inner = pipeline.get("spec")
    spec: JsonObject = inner if isinstance(inner, dict) else pipeline
    at = "/spec" if isinstance(inner, dict) else ""
    environment = spec.get("environment")
    lines = environment.get("dependencies") if isinstance(environment, dict) else None
    for one in references({"environments": [{"spec": {"dependencies": lines}}]}):
        spot = f"{at}/environment/dependencies/{one.place.steps[-1]}"
        yield Sighting(Where.PIPELINE_DEPENDENCY, holder, name, spot, one.text, one)
    for index, library in enumerate(_objects(spec.get("libraries"))):
        place = f"{at}/libraries/{index}"
        yield from _of_entry(Where.PIPELINE_LIBRARY, holder, name, place, library)
    rest = {key: value for key, value in spec.items() if key not in {"environment", "libraries"}}
    yield from _of_settings(Where.PIPELINE_SETTING, holder, name, at, rest)


def _of_entry(
    where: Where, holder: Lead, name: str, at: str, library: JsonObject
) -> Iterator[Sighting]:
    """One library of a list, in the form that tasks have, too."""
    settings: JsonObject = {"libraries": [library]}
    for one in references(settings):
        inside = one.place.pointer(settings).removeprefix("/libraries/0")
        yield Sighting(where, holder, name, at + inside, one.text, one, library)


def _of_settings(
    where: Where, holder: Lead, name: str, at: str, settings: Mapping[str, object]
) -> Iterator[Sighting]:
    """Library files in any other string: Spark settings, variables, configuration."""
    for one in references(settings):
        yield Sighting(where, holder, name, at + one.place.pointer(settings), one.text, one)


def _objects(array: object) -> list[JsonObject]:
    return [one for one in array if isinstance(one, dict)] if isinstance(array, list) else []
