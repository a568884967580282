"""The message for a program: the essentials of a report as JSON, and the signature that says it is ours.

Owns that document, its size and the signature (docs/notifications.md tells receivers). Texts stand verbatim:
whoever shows them escapes them. Must not send.
"""

from __future__ import annotations

import hashlib
import hmac

from deployer.report import view
from deployer.report.document import Document
from deployer.report.model import Failure, Library, Report, Rewire
from deployer.report.outputs import shortened_json

SCHEMA_VERSION = "1.0"
LIMIT = 100_000
"""Bytes of a whole message; what does not fit is left out, and counted in `truncated`."""
SIGNATURE, TIMESTAMP, DELIVERY = (
    "X-Spark-Deploy-Signature",
    "X-Spark-Deploy-Timestamp",
    "X-Spark-Deploy-Delivery",
)


def to_webhook(report: Report, run_url: str, delivery: str) -> Document:
    """The document. `delivery` names this notification, also when it is sent twice."""
    library, plan, done, failure = report.library, report.plan, report.deployment, report.failure
    moved, left = view.moved(report), view.left(report)
    return {
        "schema_version": SCHEMA_VERSION,
        "delivery": delivery,
        "mode": report.mode.value,
        "environment": report.environment,
        "outcome": report.outcome.value,
        "headline": str(view.headline(report)),
        "library": _library(library) if library else None,
        "failure": _failure(failure) if failure else None,
        "plan_digest": plan.digest if plan else "",
        "deployment_id": done.id if done else "",
        "applied": view.was_applied(report),
        "jobs_updated": len(moved),
        "jobs_untouched": view.staying_jobs(report),
        "jobs_not_moved": len(left),
        "moved": [_moved(one) for one in moved],
        "not_moved": [_left(one) for one in left],
        "removed_versions": [one.version for one in view.removals(report)],
        "warnings": len(report.warnings),
        "run_url": run_url,
    }


def to_body(document: Document) -> bytes:
    """The bytes that are sent and signed: ASCII only, so that no reader can read them in another way."""
    return shortened_json(document, LIMIT).encode("ascii")


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and HMAC-SHA256, in hexadecimal, over the timestamp in decimal, a dot, and the body."""
    signed = str(timestamp).encode("ascii") + b"." + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _library(library: Library) -> Document:
    return {"name": library.name, "version": library.version, "sha256": library.sha256}


def _failure(failure: Failure) -> Document:
    return {
        "reason": failure.reason,
        "title": failure.title,
        "detail": failure.detail,
        "remedy": failure.remedy,
    }


def _moved(one: Rewire) -> Document:
    return {
        "job_id": one.job_id,
        "job_name": one.job_name,
        "from_versions": list(one.from_versions),
    }


def _left(one: view.Left) -> Document:
    job = one.job
    return {
        "job_id": job.job_id,
        "job_name": job.job_name,
        "status": one.status,
        "detail": job.detail,
    }
