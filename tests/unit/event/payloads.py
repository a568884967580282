"""Payloads as GitHub sends them, written by us: what each event has, and what is around it."""

from __future__ import annotations

import json
from typing import Any

Payload = dict[str, Any]

SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
BASE_SHA = "c3d0be41ecbe669545ee3e94d31ed9a4bc91ee3c"
OURS, FORK = "acme/retail-metrics", "stranger/retail-metrics"
REPOSITORY: Payload = {
    "id": 1296269,
    "name": "retail-metrics",
    "full_name": OURS,
    "private": True,
    "owner": {"login": "acme", "id": 1, "type": "Organization"},
    "default_branch": "main",
    "fork": False,
}
SENDER: Payload = {"login": "octocat", "id": 583231, "type": "User", "site_admin": False}


def around(**event: Any) -> Payload:
    return {
        **event,
        "repository": REPOSITORY,
        "sender": SENDER,
        "organization": {"login": "acme", "id": 1},
        "installation": {"id": 375706},
    }


def as_bytes(payload: object) -> bytes:
    return json.dumps(payload, ensure_ascii=False, indent=2).encode("utf-8", "surrogatepass")


def pull_request(
    action: str = "opened",
    *,
    head: str = OURS,
    branch: str = "feature/lock-free",
    by: str = "octocat",
    merged: bool = False,
    base: str = "main",
) -> Payload:
    return around(
        action=action,
        number=7,
        pull_request={
            "id": 191568743,
            "number": 7,
            "state": "closed" if action == "closed" else "open",
            "title": "Faster joins; `rm -rf /` ::set-output name=x::y",
            "user": {"login": by, "id": 2, "type": "User"},
            "body": None,
            "draft": False,
            "merged": merged,
            "head": {
                "label": f"x:{branch}",
                "ref": branch,
                "sha": SHA,
                "repo": {"id": 2, "full_name": head, "fork": head != OURS},
            },
            "base": {"label": "acme:main", "ref": base, "sha": BASE_SHA, "repo": REPOSITORY},
        },
    )


def push(ref: str = "refs/heads/main", *, deleted: bool = False) -> Payload:
    return around(
        ref=ref,
        before=BASE_SHA,
        after="0" * 40 if deleted else SHA,
        created=False,
        deleted=deleted,
        forced=False,
        base_ref=None,
        compare="https://github.com/acme/retail-metrics/compare/a...b",
        commits=[{"id": SHA, "message": "Faster joins", "author": {"name": "O", "email": "o@x"}}],
        head_commit=None if deleted else {"id": SHA, "message": "Faster joins"},
        pusher={"name": "octocat", "email": "o@x"},
    )


def release(
    action: str = "published",
    tag: str = "v1.4.2",
    *,
    draft: bool = False,
    prerelease: bool = False,
) -> Payload:
    return around(
        action=action,
        release={
            "id": 11248810,
            "tag_name": tag,
            "target_commitish": "main",
            "name": None,
            "draft": draft,
            "prerelease": prerelease,
            "published_at": "2026-11-02T09:00:00Z",
            "assets": [],
            "author": SENDER,
            "body": "",
        },
    )


def workflow_dispatch(ref: str = "refs/heads/main", **inputs: Any) -> Payload:
    return around(ref=ref, workflow=".github/workflows/deliver.yml", inputs=inputs or None)


def schedule() -> Payload:
    return around(schedule="30 4 * * 1-5", workflow=".github/workflows/deliver.yml")


def merge_group(action: str = "checks_requested") -> Payload:
    return around(
        action=action,
        merge_group={
            "head_sha": SHA,
            "head_ref": f"refs/heads/gh-readonly-queue/main/pr-7-{BASE_SHA}",
            "base_sha": BASE_SHA,
            "base_ref": "refs/heads/main",
            "head_commit": {"id": SHA, "message": "Merge pull request #7"},
        },
    )


def workflow_run(
    action: str = "completed", event: str = "pull_request", head: str = FORK
) -> Payload:
    return around(
        action=action,
        workflow={"id": 161335, "name": "CI", "path": ".github/workflows/ci.yml"},
        workflow_run={
            "id": 30433642,
            "name": "CI",
            "head_branch": "feature/lock-free",
            "head_sha": SHA,
            "event": event,
            "status": "completed",
            "conclusion": "success" if action == "completed" else None,
            "pull_requests": [],
            "head_repository": {"id": 2, "full_name": head, "fork": head != OURS},
        },
    )
