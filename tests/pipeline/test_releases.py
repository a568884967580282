"""Publish, deploy with `publish`, and deploy what was published: the same bytes at each step."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer.gh.patience import Patience
from deployer.release import publishing
from tests.github import Fault, GitHub
from tests.github.releases import Asset, Release, Releases, releases_of
from tests.pipeline.stage import ROOT, Ended, Stage

SHA = "a" * 40
REPOSITORY = "octo/library"
WHEEL = "retail_metrics-1.4.0-py3-none-any.whl"
ALL = {WHEEL, f"{WHEEL}.cdx.json", "SHA256SUMS"}


class Forge:
    """The emulated GitHub as a run of its workflow sees it."""

    def __init__(self, github: GitHub) -> None:
        self.github = github
        self.tag("v1.4.0")

    @property
    def releases(self) -> Releases:
        return releases_of(self.github.repository(REPOSITORY))

    def tag(self, tag: str, sha: str = SHA) -> None:
        self.releases.tags[tag] = sha

    def environ(self, tag: str = "v1.4.0", **more: str) -> dict[str, str]:
        return {
            **self.github.environ,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_REF": f"refs/tags/{tag}",
            "GITHUB_SHA": SHA,
            "GITHUB_TOKEN": self.github.token(),
            **more,
        }

    @property
    def only(self) -> Release:
        (found,) = self.releases.all.values()
        return found

    def names(self) -> set[str]:
        return {one.name for one in self.only.assets.values()}

    def content(self, name: str) -> bytes:
        asset = self.only.asset(name)
        assert asset is not None
        return asset.content

    def published(self, tag: str, **files: bytes) -> Release:
        """A release that is there already, with these files and their sums."""
        release = Release(next(self.github.world.numbers), tag, self.github.world.account("mona"))
        sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {n}\n" for n, data in files.items())
        for name, content in {**files, "SHA256SUMS": sums.encode()}.items():
            number = next(self.github.world.numbers)
            release.assets[number] = Asset(number, name, content)
        self.releases.all[release.id] = release
        return release


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    monkeypatch.setattr(Patience, "before_write", lambda _: None)  # a second between writes
    with GitHub() as github:
        yield Forge(github)


def reason(ended: Ended) -> str:
    return str(ended.document["failure"]["reason"])


# ── publish ──────────────────────────────────────────────────────────────────────────────────────


def test_publish_makes_a_release_with_the_file_its_hashes_and_its_bill_of_materials(
    stage: Stage, forge: Forge
) -> None:
    wheel = stage.build("1.4.0", requires=("pyspark>=3.5",))
    (stage.folder / "CHANGELOG.md").write_text("# Changes\n\n## [1.4.0]\n\n- By hand.\n")
    ended = stage.run("publish", forge.environ(), wheel="dist/*.whl")
    assert (ended.code, ended.document["outcome"]) == (0, "succeeded")
    assert forge.names() == ALL
    assert forge.content(WHEEL) == wheel.read_bytes()
    sums = forge.content("SHA256SUMS").decode().splitlines()
    assert sums[0] == f"{ended.outputs['sha256']}  {WHEEL}"
    bom = json.loads(forge.content(f"{WHEEL}.cdx.json"))
    assert [one["name"] for one in bom["components"]] == ["pyspark"]
    assert forge.only.body == "- By hand."
    assert ended.outputs["release-url"].endswith("/octo/library/releases/tag/v1.4.0")
    assert ended.document["release_url"] == ended.outputs["release-url"]
    assert f"- Release: <{ended.outputs['release-url']}>" in ended.summary


def test_publish_again_has_nothing_to_do(stage: Stage, forge: Forge) -> None:
    stage.build("1.4.0")
    stage.run("publish", forge.environ(), wheel="dist/*.whl")
    again = stage.run("publish", forge.environ(), wheel="dist/*.whl")
    assert again.document["outcome"] == "nothing-to-do"
    assert again.outputs["release-url"]


def test_publish_needs_no_workspace(stage: Stage, forge: Forge) -> None:
    stage.build("1.4.0")
    nowhere = {"databricks_host": "", "databricks_token": ""}
    assert stage.run("publish", forge.environ(), wheel="dist/*.whl", **nowhere).code == 0


def test_publish_asks_for_no_environment_of_the_file(stage: Stage, forge: Forge) -> None:
    stage.build("1.4.0")
    (stage.folder / "spark-deploy.yml").write_text(
        "version: 1\nenvironments:\n  one: {root: /Volumes/a/b/c}\n  two: {root: /Volumes/a/b/d}\n"
    )
    assert stage.run("publish", forge.environ(), wheel="dist/*.whl").code == 0
    assert forge.names() == ALL


@pytest.mark.parametrize("tag", ["v1.4.1", "latest", "other-v1.4.0"])
def test_a_tag_of_another_version_publishes_nothing(stage: Stage, forge: Forge, tag: str) -> None:
    stage.build("1.4.0")
    forge.tag(tag)
    ended = stage.run("publish", forge.environ(tag), wheel="dist/*.whl")
    assert (ended.code, reason(ended)) == (2, "tag-mismatch")
    assert forge.releases.all == {}
    assert forge.github.calls == []


def test_a_run_for_a_branch_publishes_nothing(stage: Stage, forge: Forge) -> None:
    stage.build("1.4.0")
    environ = forge.environ(GITHUB_REF="refs/heads/main")
    ended = stage.run("publish", environ, wheel="dist/*.whl")
    assert reason(ended) == "tag-mismatch"
    assert "tags:" in ended.document["failure"]["remedy"]


def test_without_a_repository_publish_says_what_is_missing(stage: Stage) -> None:
    stage.build("1.4.0")
    environ = {"GITHUB_REF": "refs/tags/v1.4.0", "GITHUB_SHA": SHA}
    ended = stage.run("publish", environ, wheel="dist/*.whl")
    assert reason(ended) == "invalid-input"
    assert "GITHUB_REPOSITORY" in ended.document["failure"]["remedy"]


def test_a_token_that_may_not_write_is_told_with_the_permission_to_paste(
    stage: Stage, forge: Forge
) -> None:
    stage.build("1.4.0")
    environ = forge.environ(GITHUB_TOKEN=forge.github.token(permissions={"contents": "read"}))
    ended = stage.run("publish", environ, wheel="dist/*.whl")
    assert reason(ended) == "permission-denied"
    assert "contents: write" in ended.document["failure"]["remedy"]


def test_a_changelog_that_is_a_link_is_not_read(stage: Stage, forge: Forge, tmp_path: Path) -> None:
    stage.build("1.4.0")
    secret = tmp_path / "secret"
    secret.write_text("## 1.4.0\n\nsecret of the machine\n")
    (stage.folder / "CHANGELOG.md").symlink_to(secret)
    stage.run("publish", forge.environ(), wheel="dist/*.whl")
    assert "secret" not in forge.only.body


def test_a_publish_that_github_does_not_answer_ends_with_its_reason(
    stage: Stage, forge: Forge
) -> None:
    stage.build("1.4.0")
    forge.github.fail(Fault.status(404, path="generate-notes"))
    forge.github.fail(Fault.status(500, "no", method="GET", path="/git/ref", times=100))
    ended = stage.run("publish", forge.environ(), wheel="dist/*.whl")
    assert (ended.code, reason(ended)) == (1, "release-unavailable")


def test_a_run_that_is_to_stop_leaves_a_draft_and_says_so(stage: Stage, forge: Forge) -> None:
    stage.build("1.4.0")
    forge.github.before("POST", "/assets", lambda: os.kill(os.getpid(), signal.SIGTERM))
    ended = stage.run("publish", forge.environ(), wheel="dist/*.whl")
    assert ended.document["outcome"] == "cancelled"
    assert "draft" in ended.document["failure"]["detail"]
    assert forge.only.draft
    assert stage.run("publish", forge.environ(), wheel="dist/*.whl").code == 0
    assert forge.names() == ALL


def test_a_repository_that_the_token_may_not_see_is_told_as_that(
    stage: Stage, forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_PAUSE_S", 0.0)
    stage.build("1.4.0")
    environ = forge.environ(GITHUB_REPOSITORY="octo/secret")
    for ended in (
        stage.run("deploy", environ, root=ROOT, version="1.4.0"),
        stage.run("publish", environ, wheel="dist/*.whl"),
    ):
        assert reason(ended) == "permission-denied"
        assert "octo/secret" in ended.document["failure"]["title"]
        assert "contents: read" in ended.document["failure"]["remedy"]


# ── deploy with publish ──────────────────────────────────────────────────────────────────────────


def test_a_deployment_publishes_first_and_the_same_bytes(stage: Stage, forge: Forge) -> None:
    stage.publish("1.3.0")
    job = stage.job(f"{ROOT}/retail_metrics-1.3.0-py3-none-any.whl")
    wheel = stage.build("1.4.0").read_bytes()
    ended = stage.run("deploy", forge.environ(), wheel="dist/*.whl", root=ROOT, publish="true")
    assert ended.moved == {job}
    assert forge.content(WHEEL) == wheel == stage.workspace.file(f"{ROOT}/{WHEEL}")
    assert ended.outputs["release-url"].endswith("v1.4.0")


def test_what_can_not_be_published_is_not_deployed(stage: Stage, forge: Forge) -> None:
    forge.published("v1.4.0", **{WHEEL: b"other bytes"})
    stage.publish("1.3.0")
    stage.job(f"{ROOT}/retail_metrics-1.3.0-py3-none-any.whl")
    stage.build("1.4.0")
    ended = stage.run("deploy", forge.environ(), wheel="dist/*.whl", root=ROOT, publish="true")
    assert (ended.code, reason(ended)) == (3, "release-conflict")
    assert f"{ROOT}/{WHEEL}" not in stage.workspace.files()
    assert forge.content(WHEEL) == b"other bytes"


def test_a_plan_that_was_not_approved_publishes_nothing(stage: Stage, forge: Forge) -> None:
    stage.build("1.4.0")
    digest = {"expected_plan_digest": "0" * 64}
    ended = stage.run(
        "deploy", forge.environ(), wheel="dist/*.whl", root=ROOT, publish="true", **digest
    )
    assert reason(ended) == "plan-changed"
    assert forge.releases.all == {}


def test_a_deployment_that_is_done_still_has_its_release_made(stage: Stage, forge: Forge) -> None:
    stage.build("1.4.0")
    stage.run("deploy", wheel="dist/*.whl", root=ROOT)
    ended = stage.run("deploy", forge.environ(), wheel="dist/*.whl", root=ROOT, publish="true")
    assert ended.document["outcome"] == "nothing-to-do"
    assert forge.names() == ALL


def test_a_plan_with_publish_publishes_nothing(stage: Stage, forge: Forge) -> None:
    stage.build("1.4.0")
    stage.run("plan", forge.environ(), wheel="dist/*.whl", root=ROOT, publish="true")
    assert forge.releases.all == {}
    assert forge.github.calls == []


def test_auto_publishes_and_deploys_a_tag(stage: Stage, forge: Forge) -> None:
    stage.publish("1.3.0")
    job = stage.job(f"{ROOT}/retail_metrics-1.3.0-py3-none-any.whl")
    stage.build("1.4.0")
    event = {"ref": "refs/tags/v1.4.0", "after": SHA, "before": "0" * 40, "deleted": False}
    event_file = stage.folder / "event.json"
    event_file.write_text(json.dumps(event))
    named = {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(event_file)}
    ended = stage.run("auto", forge.environ(**named), wheel="dist/*.whl", root=ROOT)
    assert ended.moved == {job}
    assert forge.names() == ALL
    assert not forge.only.draft


# ── deploy with version ──────────────────────────────────────────────────────────────────────────


def wheel_bytes(stage: Stage, version: str, **more: Any) -> bytes:
    return stage.build(version, **more).read_bytes()


def deploy(stage: Stage, forge: Forge, version: str = "1.4.0", **inputs: str) -> Ended:
    environ = forge.environ(GITHUB_REF="refs/heads/main")
    return stage.run("deploy", environ, root=ROOT, version=version, **inputs)


@pytest.mark.parametrize("digests", [True, False])
def test_what_was_published_is_deployed_without_a_build(
    stage: Stage, forge: Forge, digests: bool
) -> None:
    forge.releases.digests = digests
    content = wheel_bytes(stage, "1.4.0")
    forge.published("v1.4.0", **{WHEEL: content})
    ended = deploy(stage, forge)
    assert (ended.code, ended.outputs["version"]) == (0, "1.4.0")
    assert stage.workspace.file(f"{ROOT}/{WHEEL}") == content
    assert Path(ended.outputs["wheel-path"]).read_bytes() == content
    assert ended.document["checks"] == []


def test_publish_then_deploy_by_version_closes_the_circle(stage: Stage, forge: Forge) -> None:
    content = wheel_bytes(stage, "1.4.0")
    stage.run("publish", forge.environ(), wheel="dist/*.whl")
    assert deploy(stage, forge, "v1.4").code == 0
    assert stage.workspace.file(f"{ROOT}/{WHEEL}") == content


def test_a_plan_by_version_changes_nothing(stage: Stage, forge: Forge) -> None:
    forge.published("v1.4.0", **{WHEEL: wheel_bytes(stage, "1.4.0")})
    ended = stage.run("plan", forge.environ(), root=ROOT, version="1.4.0")
    assert ended.code == 0
    assert f"{ROOT}/{WHEEL}" not in stage.workspace.files()
    assert forge.github.writes() == []


def _replaced(release: Release) -> None:
    asset = release.asset(WHEEL)
    assert asset is not None
    asset.content = bytes(reversed(asset.content))


def _without_sums(release: Release) -> None:
    sums = release.asset("SHA256SUMS")
    assert sums is not None
    del release.assets[sums.id]


def _with_two_sums(release: Release) -> None:
    sums = release.asset("SHA256SUMS")
    assert sums is not None
    sums.content += b"0" * 64 + b"  " + WHEEL.encode() + b"\n"


@pytest.mark.parametrize("spoil", [_replaced, _without_sums, _with_two_sums])
def test_a_file_that_is_not_surely_what_was_published_is_not_deployed(
    stage: Stage, forge: Forge, spoil: Callable[[Release], None]
) -> None:
    spoil(forge.published("v1.4.0", **{WHEEL: wheel_bytes(stage, "1.4.0")}))
    ended = deploy(stage, forge)
    assert (ended.code, reason(ended)) == (3, "release-unverified")
    assert f"{ROOT}/{WHEEL}" not in stage.workspace.files()
    kept = list(stage.folder.glob("run-*/spark-deploy/release/*"))
    assert kept == []


def test_a_file_whose_bytes_are_of_another_version_is_not_deployed(
    stage: Stage, forge: Forge
) -> None:
    forge.published("v1.4.0", **{WHEEL: wheel_bytes(stage, "1.5.0")})
    assert deploy(stage, forge).code == 2


def test_a_download_that_breaks_off_is_no_file(stage: Stage, forge: Forge) -> None:
    forge.published("v1.4.0", **{WHEEL: wheel_bytes(stage, "1.4.0")})
    forge.github.fail(Fault.reset(path="/storage", times=9))
    ended = deploy(stage, forge)
    assert (ended.code, reason(ended)) == (1, "release-unavailable")
    assert "s3cr3t" not in json.dumps(ended.document) + ended.printed


def test_only_published_releases_count(stage: Stage, forge: Forge) -> None:
    forge.published("v1.4.0", **{WHEEL: wheel_bytes(stage, "1.4.0")}).draft = True
    ended = deploy(stage, forge)
    assert reason(ended) == "release-unavailable"
    assert "Drafts" in ended.document["failure"]["detail"]


def test_of_several_libraries_of_a_version_the_one_is_taken_that_is_named(
    stage: Stage, forge: Forge
) -> None:
    glow = wheel_bytes(stage, "1.4.0", name="glow")
    ours = wheel_bytes(stage, "1.4.0")
    forge.published("glow-v1.4.0", **{"glow-1.4.0-py3-none-any.whl": glow})
    forge.published("retail-metrics/1.4.0", **{WHEEL: ours})
    several = deploy(stage, forge)
    assert reason(several) == "several-library-files"
    assert "glow-v1.4.0" in several.document["failure"]["detail"]
    assert deploy(stage, forge, library="Retail.Metrics").code == 0
    assert stage.workspace.file(f"{ROOT}/{WHEEL}") == ours


@pytest.mark.parametrize(
    "inputs",
    [
        {"wheel": "dist/*.whl"},
        {"publish": "true"},
        {"version": "one"},
        {"mode": "upload", "folder": "/Volumes/main/libraries/try"},
        {"mode": "plan", "to": "previous"},
    ],
)
def test_version_stands_alone(stage: Stage, forge: Forge, inputs: dict[str, str]) -> None:
    given = {"mode": "deploy", "version": "1.4.0", "root": ROOT, **inputs}
    ended = stage.run(given.pop("mode"), forge.environ(), **given)
    assert (ended.code, reason(ended)) == (2, "invalid-input")
    assert forge.github.calls == []
