"""Each event, through the container's door: what the runner writes as its payload decides what is done."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.contract.container_door import Door, Step, a_door
from tests.contract.runner_files import Runner
from tests.contract.test_container import COMMANDS, PYPROJECT
from tests.pipeline.stage import ROOT, path
from tests.unit.event import payloads
from tests.unit.event.payloads import FORK, SHA, as_bytes

RUN_PAGE = "https://github.com/acme/retail-metrics/actions/runs/7"
NO_CREDENTIALS = {"DATABRICKS_TOKEN": "-", "DATABRICKS_HOST": "-"}
BRANCH = "x`rm -rf /`$(id)%0A::add-mask::main,::warning::y"  # git takes most of it
# Running it leaves a file beside the project; it builds nothing.
BACKEND = """
import pathlib
pathlib.Path(pathlib.Path(__file__).parent, "ran").write_text("x")
def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise SystemExit("nothing is built")
"""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A job on 1.4.0, and 1.5.0 to deploy."""
    with a_door(tmp_path) as one:
        one.stage.publish("1.4.0")
        one.stage.job(path("1.4.0"))
        one.stage.build("1.5.0")
        yield one


def happens(
    door: Door,
    name: str,
    payload: object,
    environ: Mapping[str, str] | None = None,
    **inputs: str,
) -> Step:
    """The step for an event, with what the runner says about it; nothing is said but `inputs`."""
    written = payload if isinstance(payload, bytes) else as_bytes(payload)
    (door.machine.inside / "workflow" / "event.json").write_bytes(written)
    step = door.step(environ={**_variables(name, payload), **(environ or {})}, **inputs)
    assert {one.name for one in step.runner.commands} - {"stop-commands", "add-mask"} <= COMMANDS
    return step


def _variables(name: str, payload: Any) -> dict[str, str]:
    known = {"GITHUB_EVENT_NAME": name, "GITHUB_SHA": SHA, "GITHUB_BASE_REF": ""}
    if not isinstance(payload, dict):
        return known
    if name.startswith("pull_request"):
        known |= {"GITHUB_REF": "refs/pull/7/merge", "GITHUB_BASE_REF": "main"}
    if name == "release":
        known["GITHUB_REF"] = f"refs/tags/{payload['release']['tag_name']}"
    return known | ({"GITHUB_REF": payload["ref"]} if "ref" in payload else {})


def first_line(step: Step) -> str:
    return step.runner.lines[0]


def nothing_was_asked(door: Door) -> bool:
    return not door.stage.workspace.calls()


# ── What is done ─────────────────────────────────────────────────────────────────────────────────

DOES: dict[str, tuple[str, Any, str, str]] = {
    "pull-request": ("pull_request", payloads.pull_request(), "plan", "succeeded"),
    "synchronize": ("pull_request", payloads.pull_request("synchronize"), "plan", "succeeded"),
    "odd-branch": ("pull_request", payloads.pull_request(branch=BRANCH), "plan", "succeeded"),
    "merge-queue": ("merge_group", payloads.merge_group(), "plan", "succeeded"),
    "default-branch": ("push", payloads.push(), "deploy", "succeeded"),
    "other-branch": ("push", payloads.push("refs/heads/topic"), "check", "succeeded"),
    "form": ("workflow_dispatch", payloads.workflow_dispatch(), "plan", "succeeded"),
    "form-with-mode": (
        "workflow_dispatch",
        payloads.workflow_dispatch(mode="deploy"),
        "deploy",
        "succeeded",
    ),
    "clock": ("schedule", payloads.schedule(), "status", "succeeded"),
    "closed": ("pull_request", payloads.pull_request("closed"), "auto", "nothing-to-do"),
    "merged": (
        "pull_request",
        payloads.pull_request("closed", merged=True),
        "auto",
        "nothing-to-do",
    ),
    "moving-tag": ("push", payloads.push("refs/tags/v1"), "auto", "nothing-to-do"),
    "deleted-branch": ("push", payloads.push(deleted=True), "auto", "nothing-to-do"),
    "draft": ("release", payloads.release(draft=True), "auto", "nothing-to-do"),
    "pre-release": ("release", payloads.release(prerelease=True), "auto", "nothing-to-do"),
    "edited-release": ("release", payloads.release("edited"), "auto", "nothing-to-do"),
    "after-a-push": ("workflow_run", payloads.workflow_run(event="push"), "auto", "nothing-to-do"),
}


@pytest.mark.parametrize(("name", "payload", "mode", "outcome"), DOES.values(), ids=DOES)
def test_an_event_is_done_told_first_and_changes_only_what_is_deployed(
    door: Door, name: str, payload: Any, mode: str, outcome: str
) -> None:
    before = door.stage.files()
    step = happens(door, name, payload)
    assert step.code == 0, step.stdout + step.stderr
    assert (step.document["mode"], step.outputs["outcome"]) == (mode, outcome)
    assert first_line(step).startswith("Mode auto: ")
    assert (door.stage.files() != before) is (mode == "deploy")
    assert nothing_was_asked(door) is (mode in {"auto", "check"})
    assert step.outputs["environment-url"] == RUN_PAGE
    shown = json.dumps(step.outputs)
    assert door.stage.workspace.token not in shown


@pytest.mark.parametrize(
    "branch", ["##[error]pwned", "::error::pwned", "x%0A::error::pwned", "`]($(id))<b>@everyone"]
)
def test_a_branch_is_called_what_it_is_called_and_that_is_no_command_and_no_markup(
    door: Door, branch: str
) -> None:
    step = happens(door, "push", payloads.push(f"refs/heads/{branch}"))
    assert (step.code, step.document["mode"]) == (0, "check")
    assert branch in step.document["why"]
    assert step.runner.named("error") == []
    assert Runner(loose=True).read(step.stdout).named("error") == []
    outside_of_code = re.sub(r"(`+).*?\1", "", step.summary.replace("\\`", ""))
    assert not {"<b>", "@everyone"} & set(re.findall(r"<b>|@everyone", outside_of_code))


@pytest.mark.parametrize(
    "payload",
    [payloads.pull_request(head=FORK), payloads.pull_request(by="dependabot[bot]")],
    ids=["fork", "dependabot"],
)
def test_a_run_without_secrets_checks_and_says_who_comments(door: Door, payload: Any) -> None:
    step = happens(door, "pull_request", payload, NO_CREDENTIALS)
    assert step.code == 0, step.stdout
    assert step.document["mode"] == "check"
    assert "`workflow_run`" in first_line(step)
    assert "`workflow_run`" in step.summary


def test_after_the_workflow_of_a_proposal_there_is_a_comment_to_write(door: Door) -> None:
    """Which needs the report of that workflow: see the tests of conversations."""
    step = happens(door, "workflow_run", payloads.workflow_run())
    assert (step.code, step.outputs["failure-reason"]) == (2, "invalid-input")
    assert "`from-report`" in step.document["failure"]["title"]
    assert nothing_was_asked(door)


def test_a_pull_request_without_credentials_is_checked(door: Door) -> None:
    step = happens(door, "pull_request", payloads.pull_request(), NO_CREDENTIALS)
    assert (step.code, step.document["mode"]) == (0, "check")


@pytest.mark.parametrize(
    ("name", "payload"),
    [("push", payloads.push("refs/tags/v1.5.0")), ("release", payloads.release(tag="v1.5.0"))],
    ids=["tag", "release"],
)
def test_a_version_that_is_tagged_or_released_goes_to_the_release_environment(
    door: Door, name: str, payload: Any
) -> None:
    """That its file is attached first needs GitHub, which is not here: see the tests of releases."""
    environments = "environments:\n  a: {}\n  live: {releases: true}\n"
    environments = f"version: 1\ndefaults: {{root: {ROOT}}}\n{environments}"
    (door.stage.folder / "spark-deploy.yml").write_text(environments, encoding="utf-8")
    step = happens(door, name, payload, {"GITHUB_API_URL": "http://127.0.0.1:9"})
    assert first_line(step).startswith("Mode auto: publish and deploy to `live`")
    assert step.document["environment"] == "live"
    assert step.document["mode"] == "deploy"


def test_an_environment_of_the_branch_is_deployed_to(door: Door) -> None:
    environments = (
        f"version: 1\nenvironments:\n  live: {{root: {ROOT}, branches: topic}}\n  b: {{}}\n"
    )
    (door.stage.folder / "spark-deploy.yml").write_text(environments, encoding="utf-8")
    step = happens(door, "push", payloads.push("refs/heads/topic"), root="-")
    assert (step.code, step.document["environment"]) == (0, "live")
    assert step.outputs["jobs-updated"] == "1"
    step = happens(door, "push", payloads.push(), root="-")
    assert step.document["mode"] == "check"


def test_a_form_gives_inputs_but_not_where_credentials_go(door: Door) -> None:
    payload = payloads.workflow_dispatch(
        mode="plan", policy="exact", from_versions="1.4.0", databricks_host="https://evil.example"
    )
    step = happens(door, "workflow_dispatch", payload)
    assert step.code == 0, step.stdout
    assert step.document["host"] == door.stage.workspace.url
    assert "`databricks-host`" in first_line(step)
    assert step.outputs["jobs-updated"] == "1"


# ── What is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def project(door: Door) -> Path:
    (door.stage.folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    folder = door.stage.folder / "build_backend"
    folder.mkdir()
    (folder / "backend.py").write_text(BACKEND, encoding="utf-8")
    return folder


@pytest.mark.parametrize("mode", ["auto", "check", "plan", "deploy"])
@pytest.mark.parametrize("head", [payloads.OURS, FORK], ids=["own", "fork"])
def test_a_proposal_is_not_built_beside_credentials_and_neither_is_used(
    door: Door, project: Path, mode: str, head: str
) -> None:
    step = happens(door, "pull_request", payloads.pull_request(head=head), mode=mode, wheel="-")
    assert (step.code, step.outputs["failure-reason"]) == (3, "untrusted-code")
    assert step.outputs["outcome"] == "refused"
    assert not (project / "ran").exists()
    assert nothing_was_asked(door)
    assert "needs: build" in step.summary
    meant = mode
    if mode == "auto":
        meant = "check" if head == FORK else "plan"
        assert first_line(step).startswith(f"Mode auto: {meant}")
    assert step.document["mode"] == meant


def test_the_right_to_ask_for_tokens_is_a_credential(door: Door, project: Path) -> None:
    asks = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:9",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t",
    }
    step = happens(
        door, "pull_request", payloads.pull_request(), {**NO_CREDENTIALS, **asks}, wheel="-"
    )
    assert (step.code, step.outputs["failure-reason"]) == (3, "untrusted-code")
    assert "id-token: write" in step.document["failure"]["detail"]
    assert not (project / "ran").exists()


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("workflow_run", payloads.workflow_run()),
        ("issue_comment", payloads.around(action="created", issue={"pull_request": {"url": "x"}})),
        ("workflow_run", b"{"),
    ],
    ids=["after-its-workflow", "after-a-comment", "unreadable"],
)
def test_what_a_proposal_caused_is_not_built_beside_credentials_either(
    door: Door, project: Path, name: str, payload: Any
) -> None:
    step = happens(door, name, payload, mode="deploy", wheel="-")
    assert (step.code, step.outputs["failure-reason"]) == (3, "untrusted-code")
    assert not (project / "ran").exists()
    assert nothing_was_asked(door)


@pytest.mark.parametrize("name", ["workflow_run", "issue_comment"])
def test_a_file_is_deployed_whatever_caused_the_run(door: Door, name: str) -> None:
    step = happens(door, name, payloads.workflow_run(), mode="deploy")
    assert (step.code, step.outputs["outcome"]) == (0, "succeeded")


def test_who_trusts_every_author_builds_all_the_same(door: Door, project: Path) -> None:
    step = happens(
        door, "pull_request", payloads.pull_request(), mode="check", wheel="-", trust_project="true"
    )
    assert step.outputs["failure-reason"] not in {
        "untrusted-code",
        "",
    }  # the backend builds nothing


@pytest.mark.parametrize("mode", ["auto", "check", "plan", "status"])
def test_pull_request_target_is_refused(door: Door, project: Path, mode: str) -> None:
    step = happens(door, "pull_request_target", payloads.pull_request(head=FORK), mode=mode)
    assert (step.code, step.outputs["failure-reason"]) == (3, "untrusted-code")
    assert nothing_was_asked(door)
    assert "workflow_run" in step.summary


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("push", b""),
        ("push", as_bytes(payloads.push())[:200]),
        ("push", payloads.release()),
        ("release", payloads.release(tag="a\n::error::b")),
        ("issue_comment", {}),
    ],
    ids=["empty", "truncated", "of-another-event", "with-a-command", "unknown"],
)
def test_an_event_that_can_not_be_read_changes_nothing_and_says_what_to_do(
    door: Door, name: str, payload: Any
) -> None:
    step = happens(door, name, payload)
    assert (step.code, step.outputs["failure-reason"]) == (2, "invalid-event")
    assert nothing_was_asked(door)
    assert "mode: plan" in step.summary


def test_without_a_payload_the_run_says_so(door: Door) -> None:
    missing = {"GITHUB_EVENT_PATH": str(door.machine.inside / "workflow" / "none.json")}
    step = happens(door, "push", payloads.push(), missing)
    assert (step.code, step.outputs["failure-reason"]) == (2, "invalid-event")


def test_who_says_the_mode_needs_no_payload(door: Door) -> None:
    step = happens(door, "push", b"{", mode="plan")
    assert (step.code, step.document["mode"]) == (0, "plan")
