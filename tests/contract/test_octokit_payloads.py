"""Payloads that GitHub really sent, from npm: each of an event that is known is read as what it says."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import DeployError, FailureReason
from deployer.event.model import Kind
from deployer.event.reading import read_event

PACKAGE = "@octokit/webhooks-examples@7.6.1"
# How many there are of each, in all its versions of GitHub.
COUNTED = {
    "pull_request": 46,
    "release": 20,
    "push": 14,
    "workflow_run": 10,
    "workflow_dispatch": 7,
    "merge_group": 2,
}
Payloads = list[tuple[str, dict[str, Any]]]

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def payloads(tmp_path_factory: pytest.TempPathFactory) -> Payloads:
    """Event and payload of every example."""
    folder = tmp_path_factory.mktemp("octokit")
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
    command = ["npm", "install", *options, PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"npm can't install {PACKAGE}: {done.stderr[-200:]}")
    return list(_examples(folder / "node_modules" / "@octokit" / "webhooks-examples"))


def _examples(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(folder.glob("*/index.json")):
        for event in json.loads(file.read_text(encoding="utf-8")):
            for payload in event["examples"]:
                yield event["name"], payload


def test_every_payload_of_an_event_that_is_known_is_read(payloads: Payloads) -> None:
    read: Counter[str] = Counter()
    for name, payload in payloads:
        if name in set(Kind):
            event = read_event(name, json.dumps(payload).encode())
            assert event.repository == payload["repository"]["full_name"]
            assert event.default_branch == payload["repository"]["default_branch"]
            assert event.action == (payload.get("action") or "")
            read[name] += 1
    assert read == COUNTED


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
def test_pull_requests_are_read_as_what_they_say(payloads: Payloads, name: str) -> None:
    seen = set()
    for payload in (one for event, one in payloads if event == "pull_request"):
        event, told = read_event(name, json.dumps(payload).encode()), payload["pull_request"]
        assert (event.number, event.head.sha) == (payload["number"], told["head"]["sha"])
        assert (event.head.branch, event.base.branch) == (told["head"]["ref"], told["base"]["ref"])
        assert event.closed is (told["state"] == "closed")
        assert event.merged is (told.get("merged") is True)
        assert event.is_fork is not _in_one_repository(told)
        seen.add((event.closed, event.is_fork))
    assert len(seen) > 1


def _in_one_repository(told: dict[str, Any]) -> bool:
    """Names may change; ids don't."""
    head = told["head"]["repo"]
    return bool(head) and head["id"] == told["base"]["repo"]["id"]


def test_pushes_and_releases_are_read_as_what_they_say(payloads: Payloads) -> None:
    for name, payload in payloads:
        if name == "push":
            event = read_event(name, json.dumps(payload).encode())
            kind, _, said = payload["ref"].removeprefix("refs/").partition("/")
            assert (event.head.branch, event.tag) == ((said, "") if kind == "heads" else ("", said))
            assert event.deleted is payload["deleted"]
        if name == "release":
            event = read_event(name, json.dumps(payload).encode())
            told = payload["release"]
            assert event.release is not None
            assert (event.release.id, event.release.tag) == (told["id"], told["tag_name"])
            assert (event.release.draft, event.release.prerelease) == (
                told["draft"],
                told["prerelease"],
            )


def test_every_other_event_is_refused_by_its_name(payloads: Payloads) -> None:
    others = {name for name, _ in payloads if name not in set(Kind)}
    assert len(others) > 40
    for name, payload in payloads:
        if name in others:
            with pytest.raises(DeployError) as caught:
                read_event(name, json.dumps(payload).encode())
            assert caught.value.reason is FailureReason.INVALID_EVENT
            assert name in caught.value.problem.title
