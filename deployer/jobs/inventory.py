"""The inventory: what each job of the workspace names, and what about the job matters to a move.

Owns the reading of a job's ownership, pin and timing. Must not decide what moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from packaging.utils import canonicalize_name

from deployer.jobs.places import JsonObject
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
    """One job as the plan sees it; `settings` are the raw, page-merged JSON.

    `complete` is false when not all of the settings could be read: such a job is never written.
    """

    job_id: int
    name: str
    settings: JsonObject
    references: tuple[Reference, ...]
    owner: Owner = Owner.NOBODY
    owner_note: str = ""  # where the owner keeps its definition
    tags: Mapping[str, str] = field(default_factory=dict)
    continuous: bool = False
    complete: bool = True
    creator: str = ""

    def pin(self, library: str) -> str | None:
        """The version prefix that the job's owner pinned `library` to by tag; None when not pinned.

        `spark-deploy.pin.<library>` counts before `spark-deploy.pin`, which counts for all libraries.
        Any spelling of the library counts that PEP 503 takes for the same name.
        """
        for tag, value in self.tags.items():
            name = tag.removeprefix(f"{PIN_TAG}.")
            if name != tag and canonicalize_name(name) == library:
                return value
        return self.tags.get(PIN_TAG)


def read_job(job_id: int, settings: JsonObject, *, complete: bool = True, creator: str = "") -> Job:
    """The job with all its references. Total: any JSON object is a job."""
    name = settings.get("name")
    owner, note = _owner(settings)
    tags = settings.get("tags")
    continuous = settings.get("continuous")
    return Job(
        job_id=job_id,
        name=name if isinstance(name, str) and name else f"job {job_id}",
        settings=settings,
        references=references(settings),
        owner=owner,
        owner_note=note,
        tags={
            key: value
            for key, value in (tags if isinstance(tags, dict) else {}).items()
            if isinstance(value, str)
        },
        continuous=isinstance(continuous, dict) and continuous.get("pause_status") != "PAUSED",
        complete=complete,
        creator=creator,
    )


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
        case str() as other:
            return Owner.UNKNOWN, note or other
        case _:
            return Owner.UNKNOWN, note
