"""Comments through the container's door: real payloads, the embedded workspace, the emulated GitHub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deployer.report.document import to_json
from deployer.report.model import Report
from tests.contract.container_door import Door, Step, a_door
from tests.contract.test_events import BRANCH, happens
from tests.github import Fault, GitHub, Pull, Repository
from tests.github.world import BOT, Comment
from tests.pipeline.stage import path
from tests.unit.event.payloads import FORK, OURS, SHA, pull_request, push, workflow_run
from tests.unit.report import reports
from tests.unit.report.markdown_reading import active_text, link_targets

HEAD = "feature/lock-free"


@dataclass(frozen=True)
class Home:
    """A job on 1.4.0, the file of 1.5.0, and an open pull request 7 that has it."""

    door: Door
    github: GitHub
    repository: Repository
    pull: Pull

    def run(
        self,
        event: str,
        payload: Any,
        *,
        token: str | None = None,
        environ: Mapping[str, str] | None = None,
        **inputs: str,
    ) -> Step:
        """One step; without a `token` it has that of a workflow with all rights."""
        given = self.github.token() if token is None else token
        more = {**self.github.environ, **(environ or {})}
        return happens(self.door, event, payload, more, github_token=given, **inputs)

    def plan(self, **more: Any) -> Step:
        return self.run("pull_request", pull_request(), mode="plan", **more)

    def merge_and_deploy(self, **more: Any) -> Step:
        if not self.pull.merged:
            self.github.world.merge(self.repository, self.pull, SHA)
        return self.run("push", push(), mode="deploy", **more)

    @property
    def comments(self) -> list[Comment]:
        return self.github.comments_of(self.pull, self.repository)

    def leave(self, report: Report | bytes) -> None:
        """The artifact of the other half, downloaded."""
        folder = self.door.machine.inside / "workspace" / "report"
        folder.mkdir(exist_ok=True)
        content = report if isinstance(report, bytes) else to_json(report).encode()
        (folder / "report.json").write_bytes(content)

    def tell(self, payload: Any = None, **more: Any) -> Step:
        """The trusted half; it has neither a workspace nor its credentials."""
        nobody = {"DATABRICKS_TOKEN": "-", "DATABRICKS_HOST": "-"}
        more = {"from_report": "report", "mode": "comment", "root": "-", "wheel": "-", **more}
        return self.run("workflow_run", payload or workflow_run(), environ=nobody, **more)


@pytest.fixture(params=[False, True], ids=["github.com", "enterprise"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    yield from _home(tmp_path, enterprise=request.param)


@pytest.fixture
def one_home(tmp_path: Path) -> Iterator[Home]:
    yield from _home(tmp_path)


def _home(folder: Path, *, enterprise: bool = False) -> Iterator[Home]:
    with a_door(folder) as door, GitHub(enterprise=enterprise) as github:
        door.stage.publish("1.4.0")
        door.stage.job(path("1.4.0"))
        door.stage.build("1.5.0")
        repository = github.repository(OURS, private=True)
        yield Home(
            door, github, repository, github.pull(repository, branch=HEAD, sha=SHA, number=7)
        )


def warnings_of(step: Step) -> list[str]:
    return [one.data for one in step.runner.commands if one.name == "warning"]


# ── Plan, merge, deploy ──────────────────────────────────────────────────────────────────────────


def test_a_plan_is_told_and_after_the_merge_what_became_of_it(home: Home) -> None:
    planned = home.plan(environment="production")
    [comment] = home.comments
    assert planned.code == 0
    assert planned.outputs["comment-url"].endswith(f"/pull/7#issuecomment-{comment.id}")
    assert "1 job would move" in comment.body
    assert planned.outputs["plan-digest"] in comment.body
    assert f"[run and full summary]({home.github.url}/{OURS}/actions/runs/7)" in comment.body

    again = home.plan(environment="production")
    assert again.outputs["comment-url"] == planned.outputs["comment-url"]
    assert comment.edits == 0

    deployed = home.merge_and_deploy(environment="production")
    assert deployed.code == 0
    assert deployed.outputs["comment-url"] == planned.outputs["comment-url"]
    assert [one.id for one in home.comments] == [comment.id]
    assert "Merged, and deployed to `production`." in comment.body
    assert "1 job moved" in comment.body


def test_auto_tells_a_plan_and_what_became_of_it_in_one_comment(one_home: Home) -> None:
    one_home.run("pull_request", pull_request(), mode="auto")
    one_home.github.world.merge(one_home.repository, one_home.pull, SHA)
    assert one_home.run("push", push(), mode="auto").outputs["outcome"] == "succeeded"
    [comment] = one_home.comments
    assert "Merged, and deployed to the workspace." in comment.body


def test_a_deployment_comments_only_where_a_plan_did(one_home: Home) -> None:
    deployed = one_home.merge_and_deploy()
    assert (deployed.code, one_home.comments) == (0, [])
    assert "no comment to update on pull request 7" in deployed.stdout
    assert deployed.outputs["comment-url"] == ""


def test_a_commit_that_merged_nothing_is_deployed_without_a_word(one_home: Home) -> None:
    one_home.plan()
    [comment] = one_home.comments
    one_home.repository.commits.add(SHA)
    deployed = one_home.run("push", push(), mode="deploy")
    assert deployed.code == 0
    assert "this commit merged no pull request" in deployed.stdout
    assert comment.edits == 0


def test_a_failed_deployment_says_so_on_its_pull_request(one_home: Home) -> None:
    one_home.plan(environment="production")
    failed = one_home.merge_and_deploy(environment="production", expected_plan_digest="0" * 64)
    [comment] = one_home.comments
    assert failed.code == 3
    assert "Merged, but the deployment to `production` was refused." in comment.body


@pytest.mark.parametrize("style", ["off", "recreate"])
def test_the_input_comment_is_obeyed(one_home: Home, style: str) -> None:
    one_home.plan(comment=style)
    one_home.door.stage.job(path("1.4.0"))
    one_home.plan(comment=style)
    folded = [bool(one.minimized) for one in one_home.comments]
    assert folded == ([] if style == "off" else [True, False])


def test_environments_and_ids_have_comments_of_their_own(one_home: Home) -> None:
    for environment in ("staging", "production"):
        one_home.plan(environment=environment)
    one_home.plan(environment="production", comment_id="second")
    assert len(one_home.comments) == 3


# ── When there is nobody to tell ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "payload",
    [pull_request(head=FORK), pull_request(by="dependabot[bot]")],
    ids=["fork", "dependabot"],
)
def test_a_run_that_may_only_read_asks_nothing_and_says_who_can(
    one_home: Home, payload: Any
) -> None:
    step = one_home.run("pull_request", payload, mode="plan")
    assert step.code == 0
    assert "`mode: comment` can write it" in step.stdout
    assert one_home.github.calls == []


def test_without_a_token_nothing_is_asked(one_home: Home) -> None:
    step = one_home.plan(token="")
    assert step.code == 0
    assert "`github-token` is empty" in step.stdout
    assert one_home.github.calls == []


def _force_push(home: Home) -> None:
    home.github.world.push(home.repository, home.pull, "e" * 40, force=True)


def _close(home: Home) -> None:
    home.pull.state = "closed"


def _merge(home: Home) -> None:
    home.github.world.merge(home.repository, home.pull, "e" * 40)


MEANWHILE: Mapping[str, tuple[Callable[[Home], None], str]] = {
    "pushed": (_force_push, "has another head meanwhile"),
    "closed": (_close, "was closed meanwhile"),
    "merged": (_merge, "was merged meanwhile"),
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_a_pull_request_that_moved_on_meanwhile_keeps_its_comment(
    one_home: Home, what: str
) -> None:
    happened, said = MEANWHILE[what]
    happened(one_home)
    step = one_home.plan()
    assert (step.code, one_home.comments) == (0, [])
    assert said in step.stdout


# ── When GitHub says no ──────────────────────────────────────────────────────────────────────────


def test_a_missing_permission_costs_one_warning_that_says_what_to_add(home: Home) -> None:
    weak = home.github.token(permissions={"contents": "read", "pull-requests": "read"})
    step = home.plan(token=weak)
    assert (step.code, step.outputs["outcome"], home.comments) == (0, "succeeded", [])
    [warning] = warnings_of(step)
    assert "Resource not accessible by integration" in warning
    assert "GitHub accepts: issues=write; pull_requests=write." in warning
    assert "permissions:\n    contents: read\n    pull-requests: write" in warning
    assert "```yaml\npermissions:\n  contents: read\n  pull-requests: write\n```" in step.summary


LIMITED = Fault.secondary_limit(3_000)
ORDERS = Fault.status(451, "::error::x\r\n##[add-mask]y")


@pytest.mark.parametrize(
    ("event", "fault", "said"),
    [
        ("pull_request", Fault.status(404), "answered 404"),
        ("pull_request", Fault.status(410), "answered 410"),
        ("pull_request", Fault.status(422, "no"), "answered 422: no"),
        ("pull_request", LIMITED, "more patience than a run has"),
        ("pull_request", ORDERS, "answered 451"),
        ("push", Fault.status(422, "No commit found"), "answered 422: No commit found"),
        ("push", LIMITED, "more patience than a run has"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_that_github_answers_changes_how_a_run_ends(
    one_home: Home, event: str, fault: Fault, said: str
) -> None:
    one_home.github.fail(replace(fault, times=99))
    step = one_home.plan() if event == "pull_request" else one_home.merge_and_deploy()
    assert (step.code, step.outputs["outcome"]) == (0, "succeeded")
    assert step.outputs["comment-url"] == ""
    assert said in " ".join(warnings_of(step))
    assert "error" not in {one.name for one in step.runner.commands}


def test_a_deployment_that_may_not_look_for_a_comment_says_so_in_the_log_only(
    one_home: Home,
) -> None:
    one_home.plan()
    blind = one_home.github.token(permissions={"contents": "read"})
    step = one_home.merge_and_deploy(token=blind)
    assert (step.code, warnings_of(step)) == (0, [])
    assert "pull-requests: write" in step.stdout
    one_home.repository.private = False  # anybody may look now
    [warning] = warnings_of(one_home.merge_and_deploy(token=blind))
    assert "GitHub accepts: issues=write; pull_requests=write." in warning


def test_titles_and_branches_with_commands_and_markdown_do_nothing(one_home: Home) -> None:
    one_home.pull.branch = BRANCH
    one_home.pull.title = "`x` @octocat ::error::y"
    step = one_home.run("pull_request", pull_request(branch=BRANCH), mode="plan")
    [comment] = one_home.comments
    assert step.code == 0
    assert warnings_of(step) == []
    assert "rm -rf" not in comment.body
    assert "@octocat" not in comment.body


def test_the_token_is_written_nowhere(one_home: Home) -> None:
    token = one_home.github.token()
    step = one_home.plan(token=token, log_level="debug")
    masked = f"::add-mask::{token}"
    shown = (step.stdout + step.stderr).replace(masked, "")
    assert masked in step.stdout
    assert token not in shown + step.summary + json.dumps(step.document) + str(step.outputs)
    assert token not in one_home.comments[0].body


# ── The trusted half ─────────────────────────────────────────────────────────────────────────────


def _fork(home: Home, **more: Any) -> Pull:
    given = {"branch": HEAD, "sha": SHA, "fork": FORK, "author": "stranger", **more}
    return home.github.pull(home.repository, **given)


def test_what_a_forks_run_found_is_told_on_its_pull_request(home: Home) -> None:
    pull = _fork(home)
    home.leave(reports.checks_of_a_fork())
    step = home.tell()
    [comment] = home.github.comments_of(pull, home.repository)
    assert (step.code, step.outputs["outcome"]) == (0, "succeeded")
    assert step.outputs["comment-url"].endswith(f"#issuecomment-{comment.id}")
    assert step.document["comment_url"] == step.outputs["comment-url"]
    assert "it may say anything" in comment.body
    assert "✅ lint · ✅ test · ✅ build" in comment.body
    assert f"/{OURS}/actions/runs/30433642)" in comment.body
    assert home.comments == []
    assert home.door.stage.workspace.calls() == []
    home.tell()
    assert (len(home.github.comments_of(pull, home.repository)), comment.edits) == (1, 0)


def test_auto_does_so_by_itself(one_home: Home) -> None:
    pull = _fork(one_home)
    one_home.leave(reports.checks_of_a_fork())
    assert one_home.tell(mode="auto").code == 0
    assert len(one_home.github.comments_of(pull, one_home.repository)) == 1


def test_it_may_follow_a_pull_request_target_as_well(one_home: Home) -> None:
    one_home.leave(reports.checks_of_a_fork())
    step = one_home.run(
        "pull_request_target", pull_request(head=FORK), mode="comment", from_report="report"
    )
    assert step.code == 0
    assert len(one_home.comments) == 1


def test_a_claim_never_replaces_what_our_own_run_said(one_home: Home) -> None:
    one_home.plan(environment="production")
    [comment] = one_home.comments
    one_home.leave(reports.plan_of_three())
    one_home.tell(workflow_run(head=OURS))
    assert len(one_home.comments) == 2
    assert comment.edits == 0


def test_a_hostile_report_names_no_pull_request_and_brings_no_link(one_home: Home) -> None:
    pull = _fork(one_home)
    document = json.loads(to_json(reports.deploy_with_hostile_names()))
    document |= {"mode": "plan", "number": 7, "pull_request": {"number": 7}, "repository": "x/y"}
    one_home.leave(json.dumps(document).encode())
    step = one_home.tell()
    [comment] = one_home.github.comments_of(pull, one_home.repository)
    assert step.code == 0
    assert one_home.comments == []
    assert {urlsplit(one).netloc for one in link_targets(comment.body)} <= {
        urlsplit(one_home.github.url).netloc
    }
    assert active_text(comment.body.partition("\n")[2]) == []
    assert comment.author.login == BOT
    assert len(comment.body) <= 65_536


@pytest.mark.parametrize(
    "change",
    [
        {"sha": "e" * 40},
        {"branch": "another"},
        {"fork": "other/retail-metrics"},
        {"fork": "stranger/other-name"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_only_the_open_pull_request_with_that_head_is_told(
    one_home: Home, change: dict[str, str]
) -> None:
    pull = _fork(one_home, **change)
    one_home.leave(reports.checks_of_a_fork())
    step = one_home.tell()
    assert (step.code, step.outputs["outcome"]) == (0, "nothing-to-do")
    assert one_home.github.comments_of(pull, one_home.repository) == []
    assert one_home.github.writes() == []


@pytest.mark.parametrize("what", ["closed", "merged"])
def test_a_pull_request_that_is_not_open_any_more_is_not_told(one_home: Home, what: str) -> None:
    pull = _fork(one_home)
    pull.state, pull.merged = "closed", what == "merged"
    one_home.leave(reports.checks_of_a_fork())
    step = one_home.tell()
    assert step.outputs["outcome"] == "nothing-to-do"
    assert one_home.github.writes() == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\xff", to_json(reports.status_of_a_workspace()).encode(), b"x" * 16_000_001],
    ids=["empty", "object", "binary", "status", "large"],
)
def test_what_is_no_report_is_refused_before_github_is_asked(
    one_home: Home, content: bytes
) -> None:
    _fork(one_home)
    one_home.leave(content)
    step = one_home.tell()
    assert (step.code, step.outputs["failure-reason"]) == (2, "invalid-report")
    assert one_home.github.calls == []


def test_a_link_in_the_artifact_leads_nowhere(one_home: Home) -> None:
    secret = one_home.door.machine.inside / "home" / "secret.json"
    secret.write_text(to_json(reports.checks_of_a_fork()))
    folder = one_home.door.machine.inside / "workspace" / "report"
    folder.mkdir()
    (folder / "report.json").symlink_to(secret)
    step = one_home.tell()
    assert step.outputs["failure-reason"] == "invalid-report"
    assert "no regular file" in step.stdout


def test_a_missing_permission_fails_the_half_that_only_comments(one_home: Home) -> None:
    _fork(one_home)
    one_home.leave(reports.checks_of_a_fork())
    weak = one_home.github.token(permissions={"pull-requests": "read"})
    step = one_home.tell(token=weak)
    assert (step.code, step.outputs["failure-reason"]) == (1, "permission-denied")
    assert "pull-requests: write" in step.summary


def test_an_event_without_a_pull_request_is_refused(one_home: Home) -> None:
    one_home.leave(reports.checks_of_a_fork())
    step = one_home.run("push", push(), mode="comment", from_report="report")
    assert (step.code, step.outputs["failure-reason"]) == (2, "invalid-event")
    assert one_home.github.calls == []
