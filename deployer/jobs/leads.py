"""Leads: what a document points to that may name a library in turn.

Owns finding, in any document of the API, the text files, notebooks, clusters, policies and pipelines
that it uses (facts A1 rows 4 to 18). They are somebody else's to edit; who reports or removes files
has to look at them. Must not open anything: a lead only says where to look.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from deployer.jobs import spans
from deployer.jobs.paths import canonical
from deployer.jobs.spans import SpanKind

READABLE = ("/Workspace/", "/Volumes/")
"""Where a Databricks credential can read files; object storage is out of its reach."""
DEFINITIONS = ("definition", "policy_family_definition_overrides")
"""The fields of a policy that hold JSON in a string."""


class LeadKind(StrEnum):
    """What a lead points to."""

    REQUIREMENTS = "requirements file"
    BASE_ENVIRONMENT = "base environment"
    INIT_SCRIPT = "init script"
    NOTEBOOK = "notebook"
    CLUSTER = "cluster"
    POLICY = "policy"
    PIPELINE = "pipeline"


TEXTS = frozenset(
    {LeadKind.REQUIREMENTS, LeadKind.BASE_ENVIRONMENT, LeadKind.INIT_SCRIPT, LeadKind.NOTEBOOK}
)
"""Leads to texts, which have to be read one by one; clusters, policies and pipelines are listed."""


@dataclass(frozen=True, order=True)
class Lead:
    """One thing to look at: the canonical path of a text, or the id of anything else."""

    kind: LeadKind
    target: str


_FILES = {
    "requirements": LeadKind.REQUIREMENTS,
    "base_environment": LeadKind.BASE_ENVIRONMENT,
    "requirements_yaml_path": LeadKind.BASE_ENVIRONMENT,  # has the same form
}
_IDS = {
    "existing_cluster_id": LeadKind.CLUSTER,
    "policy_id": LeadKind.POLICY,
    "pipeline_id": LeadKind.PIPELINE,
}


def leads_in(document: object) -> frozenset[Lead]:
    """Everything that `document` (a job's settings, a run, cluster, policy or pipeline) points to.

    Left out is what can't be read: files in object storage, paths with variables, and notebooks of
    a Git repository.
    """
    in_git = isinstance(document, dict) and bool(document.get("git_source"))
    return frozenset(_found(document, in_git=in_git))


def text_lead(kind: LeadKind, path: str) -> Lead | None:
    """The lead to a text at `path`, in any spelling; None where it can't be read."""
    whole = canonical(path)
    return Lead(kind, whole) if whole is not None and whole.startswith(READABLE) else None


def policy_rules(text: str) -> Mapping[str, object]:
    """The rules of a policy by attribute (`spark_conf.spark.jars`); {} when `text` is no definition."""
    try:
        rules = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return rules if isinstance(rules, dict) else {}


def _found(document: object, *, in_git: bool) -> Iterator[Lead]:
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            yield from _of_fields(node, in_git=in_git)


def _of_fields(node: Mapping[str, object], *, in_git: bool) -> Iterator[Lead]:
    for key, value in node.items():
        if key == "dependencies" and isinstance(value, list):
            yield from _of_lines(value)
        elif key == "init_scripts" and isinstance(value, list):
            yield from _of_scripts(value)
        elif key == "notebook" and isinstance(value, dict):  # of a pipeline
            yield from _text(LeadKind.NOTEBOOK, value.get("path"))
        elif key == "notebook_path" and not _from_git(node, in_git=in_git):
            yield from _text(LeadKind.NOTEBOOK, value)
        elif key in _FILES:
            yield from _text(_FILES[key], value)
        elif key in _IDS and isinstance(value, str) and value:
            yield Lead(_IDS[key], value)
        elif key in DEFINITIONS and isinstance(value, str):
            yield from _of_policy(policy_rules(value))


def _text(kind: LeadKind, path: object) -> Iterator[Lead]:
    lead = text_lead(kind, path) if isinstance(path, str) else None
    if lead is not None:
        yield lead


def _from_git(task: Mapping[str, object], *, in_git: bool) -> bool:
    """Whether a notebook comes from Git: a blank source means so when the job has a Git source."""
    source = task.get("source")
    return source == "GIT" or (not source and in_git)


def _of_lines(lines: list[object]) -> Iterator[Lead]:
    for line in lines:
        span = spans.dependency_line(line) if isinstance(line, str) else None
        if isinstance(line, str) and span and span.kind is SpanKind.REQUIREMENTS_FILE:
            yield from _text(LeadKind.REQUIREMENTS, span.of(line))


def _of_scripts(scripts: list[object]) -> Iterator[Lead]:
    """Each script is an object by its storage: `{"volumes": {"destination": "…"}}`."""
    for script in scripts:
        for stored in script.values() if isinstance(script, dict) else ():
            if isinstance(stored, dict):
                yield from _text(LeadKind.INIT_SCRIPT, stored.get("destination"))


def _of_policy(rules: Mapping[str, object]) -> Iterator[Lead]:
    """Init scripts stand in a definition as `init_scripts.0.volumes.destination`."""
    for attribute, rule in rules.items():
        if attribute.startswith("init_scripts.") and isinstance(rule, dict):
            for value in rule.values():
                for path in value if isinstance(value, list) else [value]:
                    yield from _text(LeadKind.INIT_SCRIPT, path)
