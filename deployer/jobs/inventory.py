"""The inventory: what each job of the workspace names, and what about the job matters to a move.

Owns the reading of a job's ownership, pin and timing, and of the file names that any document
mentions. Must not decide what moves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from deployer.jobs.paths import canonical
from deployer.jobs.places import JsonObject, Place
from deployer.jobs.references import Reference, references

PIN_TAG = "spark-deploy.pin"


class Owner(StrEnum):
    """Who else writes the job (`settings.deployment.kind`, facts B3)."""

    NOBODY = "nobody"
    BUNDLE = "bundle"
    SYSTEM = "system"
    UNKNOWN = "unknown"  # a kind that this version does not know; treated like a bundle


@dataclass(frozen=True)
class Job:
    """One job as the plan sees it; `settings` are the raw, page-merged JSON."""

    job_id: int
    name: str
    settings: JsonObject
    references: tuple[Reference, ...]
    owner: Owner = Owner.NOBODY
    owner_note: str = ""  # where the owner keeps its definition
    tags: Mapping[str, str] | None = None
    continuous: bool = False

    def pin(self, library: str) -> str | None:
        """The version prefix that the job's owner pinned `library` to by tag; None when not pinned.

        `spark-deploy.pin.<library>` counts before `spark-deploy.pin`, which counts for all libraries.
        """
        tags = self.tags or {}
        return tags.get(f"{PIN_TAG}.{library}", tags.get(PIN_TAG))

    def task_at(self, place: Place) -> Mapping[str, object]:
        """The top-level task that `place` lies in; empty when it lies in none."""
        task = Place(place.steps[:2]).node(self.settings) if place.steps[0] == "tasks" else None
        return task if isinstance(task, dict) else {}


def read_job(job_id: int, settings: JsonObject) -> Job:
    """The job with all its references. Total: any JSON object is a job."""
    name = settings.get("name")
    owner, note = _owner(settings)
    tags = settings.get("tags")
    return Job(
        job_id=job_id,
        name=name if isinstance(name, str) and name else f"job {job_id}",
        settings=settings,
        references=references(settings),
        owner=owner,
        owner_note=note,
        tags={k: v for k, v in tags.items() if isinstance(v, str)}
        if isinstance(tags, dict)
        else {},
        continuous=isinstance(settings.get("continuous"), dict),
    )


_FILE_NAME = re.compile(r"[\w.+!~%@-]+\.(?:whl|egg|jar)(?![\w.-])", re.I)


def file_names_in(document: object) -> frozenset[str]:
    """Base names of all library files that any string of `document` mentions, however spelled.

    This is what removal trusts: it also sees places that are never rewired.
    """
    names: set[str] = set()
    for text in _texts(document):
        for one in {text, unquote(text)}:
            names.update(_FILE_NAME.findall(one))
    return frozenset(names)


def searches_folder(document: object, root: str) -> bool:
    """Whether some string names the folder `root` (canonical) itself or a pattern in it.

    `--find-links <root>` or `<root>/lib-1.*.whl` may use any file there.
    """
    tail = root.rsplit("/", 1)[-1]
    for text in _texts(document):
        if tail in text and any(
            _is_folder(token, root) for token in re.split(r"[\s\"',;=]+", text)
        ):
            return True
    return False


def _is_folder(token: str, root: str) -> bool:
    if "*" in token:
        token = token[: token.index("*")].rsplit("/", 1)[0]
    return canonical(token) == root


def _texts(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _owner(settings: Mapping[str, object]) -> tuple[Owner, str]:
    deployment = settings.get("deployment")
    if not isinstance(deployment, dict) or not deployment.get("kind"):
        return Owner.NOBODY, ""
    path = deployment.get("metadata_file_path")
    note = path if isinstance(path, str) else ""
    match deployment["kind"]:
        case "BUNDLE":
            return Owner.BUNDLE, note
        case "SYSTEM_MANAGED":
            return Owner.SYSTEM, note
        case other:
            return Owner.UNKNOWN, note or str(other)
