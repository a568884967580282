"""The report as the JSON document that `report.json` and `--output json` hold.

Owns the document's keys (design.md, "Report document"; docs/report.schema.json is its schema).
Names stand verbatim. Must not write files or shorten anything: see `outputs`.
"""

from __future__ import annotations

import json

from deployer.report.model import (
    SCHEMA_VERSION,
    ApiUse,
    Check,
    ClusterChange,
    ClusterOutcome,
    Deployment,
    Elsewhere,
    Failure,
    Finding,
    Identity,
    InventoryEntry,
    JobOutcome,
    Library,
    Plan,
    Removal,
    Report,
    Rewire,
    StoredVersion,
    Untouched,
    Upload,
)
from deployer.report.untrusted import without_hidden

Document = dict[str, object]


def to_document(report: Report) -> Document:
    """The document: plain dicts, lists, strings, numbers, booleans and None, ready for JSON."""
    return {
        "schema_version": SCHEMA_VERSION,
        "mode": report.mode.value,
        "why": report.why,
        "environment": report.environment,
        "outcome": report.outcome.value,
        "failure": _failure(report.failure) if report.failure else None,
        "identity": _identity(report.identity) if report.identity else None,
        "host": report.host,
        "root": report.root,
        "back_to": report.back_to,
        "release_url": report.release_url,
        "comment_url": report.comment_url,
        "library": _library(report.library) if report.library else None,
        "checks": [_check(check) for check in report.checks],
        "gates": [],
        "plan": _plan(report.plan) if report.plan else None,
        "versions": [_version(version) for version in report.versions],
        "deployment": _deployment(report.deployment) if report.deployment else None,
        "inventory": [_inventory_entry(entry) for entry in report.inventory],
        "elsewhere": [_elsewhere(one) for one in report.elsewhere],
        "next_steps": list(report.next_steps),
        "warnings": list(report.warnings),
        "timings": {phase: round(seconds, 3) for phase, seconds in report.timings.items()},
        "api": _api(report.api),
    }


def to_json(report: Report) -> str:
    """The document as indented JSON text, with a final newline.

    Text stays readable in any language. What would act on a terminal or hide from a reader, and lone
    surrogates, which UTF-8 may not carry, are written as JSON's escapes: readers get what they stand for.
    """
    written = json.dumps(to_document(report), ensure_ascii=False, indent=2, allow_nan=False)
    return "\n".join(without_hidden(line, _escaped) for line in written.split("\n")) + "\n"


def without_commands(written: str) -> str:
    """JSON for a log that the runner reads: the same document, without a `##[command]` in it.

    A number sign stands in texts only, so it can be written as its escape.
    """
    return written.replace("#", "\\u0023")


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"


def _failure(failure: Failure) -> Document:
    return {
        **_problem(failure),
        "problems": [_problem(problem) for problem in failure.problems],
    }


def _problem(failure: Failure) -> Document:
    return {
        "reason": failure.reason,
        "title": failure.title,
        "detail": failure.detail,
        "remedy": failure.remedy,
    }


def _identity(identity: Identity) -> Document:
    return {"user": identity.user, "admin": identity.admin}


def _library(library: Library) -> Document:
    return {
        "name": library.name,
        "version": library.version,
        "sha256": library.sha256,
        "file": library.file,
        "remote_path": library.remote_path,
    }


def _check(check: Check) -> Document:
    return {
        "name": check.name,
        "status": check.status.value,
        "seconds": round(check.seconds, 3),
        "summary": check.summary,
        "findings": [_finding(finding) for finding in check.findings],
        "output_tail": check.output_tail,
    }


def _finding(finding: Finding) -> Document:
    return {
        "message": finding.message,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "code": finding.code,
    }


def _plan(plan: Plan) -> Document:
    uploads = [_upload(plan.upload)] if plan.upload else []
    rewires = [_rewire(rewire) for rewire in plan.rewires]
    clusters = [_cluster(change) for change in plan.clusters]
    removals = [{"kind": "remove", **_removal(removal)} for removal in plan.removals]
    return {
        "digest": plan.digest,
        "changes": [*uploads, *rewires, *clusters, *removals],
        "untouched": [_untouched(entry) for entry in plan.untouched],
        "counts": {
            "uploads": len(uploads),
            "rewires": len(rewires),
            "references": sum(len(rewire.references) for rewire in plan.rewires),
            "removals": len(removals),
            "untouched": len(plan.untouched),
            "jobs_seen": plan.jobs_seen,
        },
    }


def _upload(upload: Upload) -> Document:
    return {"kind": "upload", "path": upload.path, "sha256": upload.sha256, "size": upload.size}


def _rewire(rewire: Rewire) -> Document:
    return {
        "kind": "rewire",
        "job_id": rewire.job_id,
        "job_name": rewire.job_name,
        "references": [
            {"place": reference.place, "before": reference.before, "after": reference.after}
            for reference in rewire.references
        ],
        "from_versions": list(rewire.from_versions),
        "note": rewire.note,
        "owner": rewire.owner,
        "runs": rewire.runs,
    }


def _cluster(change: ClusterChange) -> Document:
    return {
        "kind": "cluster",
        "cluster_id": change.cluster_id,
        "cluster_name": change.cluster_name,
        "before": list(change.before),
        "after": change.after,
        "from_versions": list(change.from_versions),
        "restart": change.restart,
    }


def _removal(removal: Removal) -> Document:
    return {"path": removal.path, "version": removal.version}


def _untouched(entry: Untouched) -> Document:
    return {
        "job_id": entry.job_id,
        "job_name": entry.job_name,
        "place": entry.place,
        "value": entry.value,
        "version": entry.version,
        "reason": entry.reason,
        "note": entry.note,
    }


def _version(version: StoredVersion) -> Document:
    return {
        "version": version.version,
        "path": version.path,
        "decision": version.decision.value,
        "reasons": list(version.reasons),
    }


def _deployment(deployment: Deployment) -> Document:
    return {
        "id": deployment.id,
        "uploaded": deployment.uploaded,
        "applied": [_job(job) for job in deployment.applied],
        "drifted": [_job(job) for job in deployment.drifted],
        "failed": [_job(job) for job in deployment.failed],
        "rolled_back": [_job(job) for job in deployment.rolled_back],
        "pending": [_job(job) for job in deployment.pending],
        "removed": [_removal(removal) for removal in deployment.removed],
        "clusters": [_cluster_outcome(one) for one in deployment.clusters],
    }


def _cluster_outcome(one: ClusterOutcome) -> Document:
    return {
        "cluster_id": one.cluster_id,
        "cluster_name": one.cluster_name,
        "outcome": one.outcome,
        "detail": one.detail,
    }


def _job(job: JobOutcome) -> Document:
    return {"job_id": job.job_id, "job_name": job.job_name, "detail": job.detail}


def _inventory_entry(entry: InventoryEntry) -> Document:
    return {
        "job_id": entry.job_id,
        "job_name": entry.job_name,
        "place": entry.place,
        "value": entry.value,
        "kind": entry.kind,
        "name": entry.name,
        "version": entry.version,
        "reason": entry.reason,
    }


def _elsewhere(one: Elsewhere) -> Document:
    return {
        "where": one.where,
        "holder": one.holder,
        "holder_id": one.holder_id,
        "spot": one.spot,
        "value": one.value,
        "kind": one.kind,
        "name": one.name,
        "version": one.version,
        "standing": one.standing,
        "advice": one.advice,
        "jobs": [{"job_id": job.job_id, "job_name": job.name} for job in one.jobs],
        "jobs_count": one.jobs_count,
    }


def _api(api: ApiUse) -> Document:
    return {"calls": api.calls, "retries": api.retries, "waited_s": round(api.waited_s, 3)}
