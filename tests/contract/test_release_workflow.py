"""Our own release: workflow, action.yml, composite, version and tools say the same. Nothing is run here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer import __version__
from tools import image, image_sbom, release

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = REPOSITORY / ".github" / "workflows"
TEXT = (WORKFLOWS / "release.yml").read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, Any] = WORKFLOW["jobs"]
ACTION = (REPOSITORY / "action.yml").read_text(encoding="utf-8")
IMAGE = "ghcr.io/octo/spark-deploy-action:1.4.0"
DIGEST = "sha256:" + "0123456789abcdef" * 4
USES = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<ref>\S+)(?: # (?P<version>\S+))?$", re.M)


def steps(job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = JOBS[job]["steps"]
    return found


def scripts(job: str) -> str:
    return "\n".join(step.get("run", "") for step in steps(job))


def runs_before(job: str) -> set[str]:
    """All jobs that have ended well before `job` begins."""
    needs = JOBS[job].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(runs_before(one) for one in direct))


# ── The workflow ─────────────────────────────────────────────────────────────────────────────────


def test_a_release_begins_with_a_tag_and_with_nothing_else() -> None:
    assert WORKFLOW[True] == {"push": {"tags": ["v*.*.*"]}}  # YAML 1.1 reads `on` as true


def test_every_action_is_pinned_by_its_commit_with_its_version_beside_it() -> None:
    pins: dict[str, set[str]] = {}
    for file in sorted(WORKFLOWS.glob("*.yml")):
        for one in USES.finditer(file.read_text(encoding="utf-8")):
            assert re.fullmatch(r"[0-9a-f]{40}", one["ref"]), one[0]
            assert re.fullmatch(r"v\d+\.\d+\.\d+", one["version"] or ""), one[0]
            pins.setdefault(one["action"], set()).add(f"{one['ref']} {one['version']}")
    assert all(len(found) == 1 for found in pins.values()), pins


def test_each_job_may_do_no_more_than_it_does() -> None:
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "check": {"contents": "read"},
        "build": {"contents": "read"},
        "push": {"packages": "write", "id-token": "write", "attestations": "write"},
        "publish": {"contents": "write"},
    }


@pytest.mark.parametrize("job", ["push", "publish"])
def test_a_job_that_may_write_runs_nothing_that_was_installed(job: str) -> None:
    assert not re.search(r"\b(make|pip|uv|npm|pytest)\b", scripts(job))
    assert "setup-python" not in str(steps(job))


def test_no_text_of_an_event_is_written_into_a_script() -> None:
    assert all("${{" not in scripts(job) for job in JOBS)


def test_nothing_is_pushed_before_the_tests_and_nothing_released_before_it_was_tried_out() -> None:
    assert runs_before("build") == {"check"}
    assert runs_before("push") == {"check", "build"}
    assert runs_before("publish") == {"check", "build", "push"}
    assert ".ci/run" in scripts("check")
    assert "tools.image " in scripts("build")


def test_what_is_pushed_is_what_was_tried_out_for_both_platforms() -> None:
    platforms = {one["platform"] for one in JOBS["build"]["strategy"]["matrix"]["include"]}
    assert platforms == {"amd64", "arm64"}
    assert f"docker tag {image.IMAGE}:slim" in scripts("build")
    assert f"tools.image_sbom {image.IMAGE}:slim" in scripts("build")
    assert "for platform in amd64 arm64" in scripts("push")
    assert "docker build " not in scripts("push")


def test_the_index_and_each_platform_are_attested_and_each_platform_has_its_contents() -> None:
    attested = [
        (step["with"]["subject-digest"], step["with"].get("sbom-path", ""))
        for step in steps("push")
        if step.get("uses", "").startswith("actions/attest@")
    ]
    digest = "${{{{ steps.push.outputs.{} }}}}".format
    assert attested == [
        (digest("digest"), ""),
        (digest("amd64"), ""),
        (digest("arm64"), ""),
        (digest("amd64"), "spark-deploy-amd64.cdx.json"),
        (digest("arm64"), "spark-deploy-arm64.cdx.json"),
    ]


def test_the_release_is_a_draft_until_its_files_are_there_and_the_moving_tag_is_last() -> None:
    told = scripts("publish")
    order = ["tools.release pin", "git/commits", "git/refs/tags/$GITHUB_REF_NAME", "--draft "]
    order += ["gh release upload", "--draft=false", "for tag in $MOVING"]
    assert [told.index(one) for one in order] == sorted(told.index(one) for one in order)


def test_what_one_job_asks_of_another_is_there() -> None:
    for job, output in re.findall(r"\$\{\{ needs\.(\w+)\.outputs\.(\w+) \}\}", TEXT):
        assert output in JOBS[job]["outputs"], f"{job}.{output}"
    agreed = re.findall(r"steps\.agree\.outputs\.(\w+)", TEXT)
    assert set(agreed) == set(release.outputs("v1.4.0"))


@pytest.mark.parametrize("job", sorted(JOBS))
def test_every_script_is_one_that_bash_can_read(job: str) -> None:
    for step in steps(job):
        if "run" in step:
            done = subprocess.run(
                ["bash", "-n"], input=step["run"], text=True, capture_output=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, "")


def test_a_pipe_fails_where_any_part_of_it_fails() -> None:
    assert WORKFLOW["defaults"] == {"run": {"shell": "bash"}}


def test_no_job_runs_forever_and_no_two_releases_of_a_tag_at_once() -> None:
    assert all(0 < job["timeout-minutes"] <= 60 for job in JOBS.values())
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is False


def test_the_base_of_the_image_is_one_that_the_workflow_can_ask_for() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    assert len(re.findall(r"^ARG BASE=[\w.-]+:[\w.-]+$", dockerfile, re.M)) == 1


# ── tools.release ────────────────────────────────────────────────────────────────────────────────


def test_a_branch_builds_its_image_and_a_release_names_it_by_digest() -> None:
    assert yaml.safe_load(ACTION)["runs"]["image"] == "Dockerfile"
    made = release.pinned(ACTION, IMAGE, DIGEST)
    before, after = ACTION.splitlines(), made.splitlines()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert changed == [("  image: Dockerfile", f"  image: docker://{IMAGE}@{DIGEST}")]
    assert yaml.safe_load(made)["runs"]["image"] == f"docker://{IMAGE}@{DIGEST}"


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("ghcr.io/octo/x", DIGEST),  # no version: nobody could read which one it is
        ("ghcr.io/Octo/x:1", DIGEST),
        ("x:1\n  evil: true", DIGEST),
        (IMAGE, ""),
        (IMAGE, DIGEST[:-1]),
        (IMAGE, f"{DIGEST}\nx"),
    ],
)
def test_what_is_no_image_with_a_digest_is_not_written(name: str, digest: str) -> None:
    with pytest.raises(ValueError, match="is not the name"):
        release.pinned(ACTION, name, digest)


def test_an_action_that_is_pinned_already_is_not_pinned_again() -> None:
    with pytest.raises(ValueError, match="0 lines"):
        release.pinned(release.pinned(ACTION, IMAGE, DIGEST), IMAGE, DIGEST)


def test_pinning_needs_python_alone() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); import tools.release as r; "
        "r.pinned(open('action.yml').read(), *sys.argv[1:]); "
        "sys.exit(any(one in sys.modules for one in ('packaging', 'semver', 'deployer')))"
    )
    argv = [sys.executable, "-I", "-S", "-c", code, IMAGE, DIGEST]
    assert subprocess.run(argv, cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.parametrize(
    ("tag", "moving", "prerelease"),
    [
        ("v1.4.0", ("v1",), "false"),
        ("v12.0.1", ("v12",), "false"),
        ("v1.4.0-rc.1", (), "true"),
        ("v0.4.0", (), "false"),
    ],
)
def test_only_a_final_release_moves_the_tag_of_its_major(
    tag: str, moving: tuple[str, ...], prerelease: str
) -> None:
    assert release.moving_tags(tag) == moving
    assert release.outputs(tag)["prerelease"] == prerelease
    assert release.outputs(tag)["version"] == tag[1:]


def test_a_tag_must_be_the_version_of_the_code_and_have_its_section() -> None:
    changelog = f"## [{__version__}]\n\n- It.\n"
    assert list(release.problems(f"v{__version__}", __version__, changelog)) == []
    (other,) = release.problems("v99.0.0", __version__, changelog)
    assert __version__ in other
    (no_section,) = release.problems(f"v{__version__}", __version__, "## [Unreleased]\n\n- It.\n")
    assert "CHANGELOG" in no_section
    for form in ("1.4.0", "v1.4", "v1.4.0.1", "v1.4.0rc1", "v1.4.0-rc.1\n", "v1.4.0;id"):
        assert list(release.problems(form, "1.4.0", "## 1.4.0\n- It."))


def test_the_composite_action_is_of_the_same_version_and_packages() -> None:
    composite = yaml.safe_load((REPOSITORY / "composite/action.yml").read_text(encoding="utf-8"))
    assert set(composite["outputs"]) == set(yaml.safe_load(ACTION)["outputs"])
    start = (REPOSITORY / "composite/start.py").read_text(encoding="utf-8")
    dockerfile = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    assert '"requirements" / "runtime.txt"' in start
    assert "requirements/runtime.txt" in dockerfile


# ── tools.image_sbom ─────────────────────────────────────────────────────────────────────────────


def test_the_bill_of_materials_of_the_image_names_every_package_once() -> None:
    debian = "libc6\t2.36-9+deb12u9\tamd64\ngit\t1:2.39.5-0+deb12u2\tamd64\n"
    python = "PyGithub\t2.10.0\tpython\nghapi\t2.1.4\tpython\nghapi\t2.1.4\tpython\n"
    document: Any = image_sbom.bill_of_materials(IMAGE, debian, python)
    assert [one["purl"] for one in document["components"]] == [
        "pkg:deb/debian/git@1%3A2.39.5-0%2Bdeb12u2?arch=amd64",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64",
        "pkg:pypi/pygithub@2.10.0",
        "pkg:pypi/ghapi@2.1.4",
    ]
    assert document["metadata"]["component"]["name"] == IMAGE
