"""doctor: what a deployment needs is looked at and told; nothing is changed."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployer.context import RunContext
from deployer.doctor.examination import CHECKS as ORDER
from deployer.doctor.grants import job_grants, root_grant
from deployer.platforms.databricks import connect as connecting
from sandbox.faults import Fault
from tests.contract.test_databricks_connect import nothing_configured
from tests.pipeline.stage import NAME, ROOT, Ended, Stage, path
from tests.wheels import make_wheel

__all__ = ["nothing_configured"]

APP = "11111111-2222-4333-8444-555555555555"
CHECKS = [name for name, _ in ORDER]


def examined(stage: Stage, environ: Mapping[str, str] | None = None, **inputs: str) -> Ended:
    """A run of the doctor; it must change nothing, whatever it finds."""
    before = json.dumps(stage.workspace.snapshot(), default=str, sort_keys=True)
    ended = stage.run("doctor", environ, **inputs)
    writes = {call.method for call in stage.workspace.calls() if call.path != "/oidc/v1/token"}
    assert writes <= {"GET", "HEAD"}
    assert json.dumps(stage.workspace.snapshot(), default=str, sort_keys=True) == before
    return ended


def status(ended: Ended) -> dict[str, str]:
    return {one["name"]: one["status"] for one in ended.document["checks"]}


def said(ended: Ended, name: str) -> str:
    (check,) = [one for one in ended.document["checks"] if one["name"] == name]
    return "\n".join((check["summary"], *(one["message"] for one in check["findings"])))


def problems(ended: Ended) -> list[dict[str, str]]:
    return list(ended.document["failure"]["problems"])


def as_guest(stage: Stage, groups: tuple[str, ...] = ()) -> str:
    """A user without any right; the token."""
    return stage.workspace.add_user("guest@example.com", groups=groups)


def test_a_healthy_set_up_passes(stage: Stage) -> None:
    stage.publish("1.4.0")
    stage.job(path("1.4.0"))
    stage.job("/Volumes/main/other/files/x-1.0.0-py3-none-any.whl")
    stage.build("1.5.0")
    ended = examined(stage, root=ROOT, wheel="dist/*.whl")
    assert ended.code == 0
    assert list(status(ended)) == CHECKS
    assert status(ended) == {
        **dict.fromkeys(CHECKS, "passed"),
        "configuration": "skipped",
        "github": "skipped",
    }
    assert said(ended, "identity") == "admin@example.com by pat, a workspace admin."
    assert said(ended, "root").startswith(f"{ROOT} exists.")
    assert said(ended, "jobs").startswith(
        "1 of 2 jobs that we see name retail_metrics or a file in"
    )
    assert "workspace delete 2/1.5" in said(ended, "limits")
    assert "🩺 9 checks passed, 2 skipped; nothing failed" in ended.summary
    assert ended.document["outcome"] == "succeeded"
    assert ended.document["identity"] == {"user": "admin@example.com", "admin": True}


def test_without_inputs_the_checks_that_need_them_are_skipped_with_the_reason(
    stage: Stage,
) -> None:
    ended = examined(stage)
    assert ended.code == 0
    assert said(ended, "root") == "No `root` is given."
    assert said(ended, "writers") == "No `root` is given."
    assert said(ended, "library") == "No `wheel` is given."
    assert "Neither `wheel` nor `root`" in said(ended, "jobs")


def test_the_token_stands_nowhere(stage: Stage) -> None:
    ended = examined(stage, root=ROOT)
    for text in (ended.printed, ended.summary, json.dumps(ended.document)):
        assert stage.workspace.token not in text


# --- parts that fail


def test_an_address_that_does_not_answer_fails_and_the_rest_is_skipped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "_FIRST_CONTACT", ())  # one try is enough here
    stage.workspace.stop()
    ended = stage.run("doctor", root=ROOT)
    assert ended.code == 1
    assert ended.document["failure"]["reason"] == "not-ready"
    after = CHECKS[CHECKS.index("connection") + 1 :]
    assert status(ended)["connection"] == "failed"
    assert {status(ended)[name] for name in after} == {"skipped"}
    assert said(ended, "root") == "The workspace was not asked, because there is no connection."
    assert [one["reason"] for one in problems(ended)] == ["not-ready", "host-unreachable"]


def test_a_token_that_is_not_accepted_is_told_as_identity(stage: Stage) -> None:
    ended = examined(replace(stage, token="dapi-wrong-token"), root=ROOT)
    assert ended.code == 1
    assert (status(ended)["connection"], status(ended)["identity"]) == ("passed", "failed")
    assert status(ended)["clock"] == "passed"
    assert said(ended, "root") == "The workspace did not say who we are."
    assert problems(ended)[1]["reason"] == "authentication-failed"
    assert "dapi-wrong-token" not in json.dumps(ended.document)


def test_no_credentials_at_all_are_told_as_identity_too(stage: Stage) -> None:
    ended = without_token(stage)
    assert (status(ended)["connection"], status(ended)["identity"]) == ("passed", "failed")
    assert "because we could not log in" in said(ended, "root")
    titles = [one["title"] for one in problems(ended)]
    assert titles == [
        "1 of 11 checks failed: identity.",
        f"There are no credentials for {stage.workspace.url}.",
    ]


def without_token(stage: Stage, environ: Mapping[str, str] | None = None, **inputs: str) -> Ended:
    """As `examined`, with what stands in the environment only."""
    given = {"databricks-host": stage.workspace.url, "databricks-token": ""}
    return examined(stage, {**os.environ, **(environ or {})}, **{**given, **inputs})


def test_a_library_that_can_not_be_read_does_not_stop_the_others(stage: Stage) -> None:
    ended = examined(stage, root=ROOT, wheel="dist/*.whl")
    assert status(ended)["library"] == "failed"
    assert status(ended)["jobs"] == "passed"
    assert [one["reason"] for one in problems(ended)] == ["not-ready", "no-library-file"]


def test_a_root_that_can_not_be_one_fails(stage: Stage) -> None:
    ended = examined(stage, root="s3://bucket/libs")
    assert status(ended)["root"] == "failed"
    assert said(ended, "writers") == "The root can't be used."
    assert problems(ended)[1]["reason"] == "root-not-allowed"


def test_a_volume_that_does_not_exist_fails(stage: Stage) -> None:
    ended = examined(stage, root="/Volumes/main/nowhere/released")
    assert status(ended)["root"] == "failed"
    assert said(ended, "root").startswith("The root /Volumes/main/nowhere/released can't be made")
    (told,) = [one for one in problems(ended) if one["reason"] == "root-unavailable"]
    assert "does not exist" in told["detail"]
    assert told["remedy"].startswith("Create the volume")


def test_jobs_that_can_not_be_listed_fail_one_check(stage: Stage) -> None:
    denied: dict[str, Any] = {
        "status": 403,
        "error_code": "PERMISSION_DENIED",
        "message": "Not for you.",
    }
    fault = Fault(kind="status", path="/api/2.2/jobs/list", times=0, **denied)
    stage.workspace.set_faults([fault])
    ended = examined(stage, root=ROOT)
    assert status(ended)["jobs"] == "failed"
    assert said(ended, "jobs") == "Not for you."
    assert status(ended)["limits"] == "passed"


# --- who we are


def test_who_is_no_admin_is_told_what_that_means(stage: Stage) -> None:
    guest = replace(stage, token=as_guest(stage))
    ended = examined(guest)
    assert ended.code == 0
    assert status(ended)["identity"] == "warned"
    assert "guest@example.com by pat, not a workspace admin." in said(ended, "identity")
    assert "may be incomplete, and no old version is removed" in said(ended, "identity")


def github(stage: Stage, **known: Any) -> dict[str, str]:
    stage.workspace.add_service_principal(APP, admin=True)
    job = stage.workspace.github_job(**known)
    return {**job, "GITHUB_ACTIONS": "true", "DATABRICKS_CLIENT_ID": APP}


def test_a_github_job_is_told_by_which_subject_it_came_in(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = github(stage, environment="prod")
    stage.workspace.add_federation_policy(APP, "repo:acme/retail-metrics:environment:prod")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ended = without_token(stage)
    assert ended.code == 0
    assert (status(ended)["github"], status(ended)["identity"]) == ("passed", "passed")
    subject = "repo:acme/retail-metrics:environment:prod"
    assert said(ended, "identity") == f"{APP} by github-oidc ({subject}), a workspace admin."


def test_a_subject_without_an_environment_is_warned_of(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in github(stage, event="pull_request").items():
        monkeypatch.setenv(name, value)
    stage.workspace.add_federation_policy(APP, "repo:acme/retail-metrics:pull_request")
    ended = without_token(stage)
    assert ended.code == 0
    assert status(ended)["identity"] == "warned"
    assert "accepts every pull request" in said(ended, "identity")


def test_every_run_warns_of_a_subject_without_an_environment(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in github(stage).items():
        monkeypatch.setenv(name, value)
    stage.workspace.add_federation_policy(APP, "repo:acme/retail-metrics:ref:refs/heads/main")
    given = {"databricks_host": stage.workspace.url, "databricks_token": ""}
    ended = stage.run("status", dict(os.environ), **given)
    assert ended.code == 0
    assert "every job on refs/heads/main" in "".join(ended.document["warnings"])
    assert f"{APP} by github-oidc at {stage.workspace.url}" in ended.printed


def test_a_policy_that_does_not_match_is_shown_whole(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in github(stage, environment="prod").items():
        monkeypatch.setenv(name, value)
    ended = without_token(stage)
    assert ended.code == 1
    assert status(ended)["identity"] == "failed"
    refused = problems(ended)[1]
    assert "sub: repo:acme/retail-metrics:environment:prod" in refused["detail"]
    assert '"subject": "repo:acme/retail-metrics:environment:prod"' in refused["remedy"]
    assert "service-principal-federation-policy create" in ended.summary


def test_a_github_job_without_the_permission_is_told_what_to_paste(stage: Stage) -> None:
    ended = examined(stage, {**os.environ, "GITHUB_ACTIONS": "true"})
    assert ended.code == 0
    assert status(ended)["github"] == "warned"
    assert "id-token: write" in said(ended, "github")


# --- the clock


@pytest.mark.parametrize(("offset_s", "way"), [(7200, "behind"), (-7200, "ahead of")])
def test_a_clock_that_is_off_is_told(stage: Stage, offset_s: int, way: str) -> None:
    stage.workspace.behave(clock_offset_s=offset_s)
    ended = examined(stage)
    assert ended.code == 0
    assert status(ended)["clock"] == "warned"
    assert re.search(rf"clock is 7,(199|200|201) s {way} the workspace's", said(ended, "clock"))


def test_ages_follow_the_clock_of_the_workspace(stage: Stage) -> None:
    stage.publish("1.4.0", "1.5.0")
    asked = {"root": ROOT, "min_age": "5h"}
    stage.run("cleanup", None, **asked)
    assert stage.stored() == {"1.4.0", "1.5.0"}
    stage.workspace.behave(clock_offset_s=6 * 3600)
    stage.run("cleanup", None, **asked)
    assert stage.stored() == {"1.5.0"}


# --- the root


def test_a_root_that_is_still_to_be_made_is_told(stage: Stage) -> None:
    ended = examined(stage, root=f"{ROOT}/below")
    assert ended.code == 0
    assert status(ended)["root"] == "warned"
    assert "deploy makes it" in said(ended, "root")
    assert f"{ROOT}/below" not in stage.workspace.files()


def test_others_who_may_write_the_root_are_named_and_bounded(stage: Stage) -> None:
    for number in range(25):
        name = f"colleague{number:02}@example.com"
        stage.workspace.add_user(name)
        stage.workspace.grant(name, ROOT, "WRITE_VOLUME")
    ended = examined(stage, root=ROOT)
    assert ended.code == 0
    assert status(ended)["writers"] == "warned"
    assert "Others may write" in said(ended, "writers")
    assert "colleague19@example.com and 5 more" in said(ended, "writers")
    assert "colleague20" not in said(ended, "writers")


@pytest.mark.parametrize("root", [ROOT, "/Workspace/Shared/libs"])
def test_a_root_that_everybody_may_write_is_warned_of(stage: Stage, root: str) -> None:
    if root == ROOT:
        stage.workspace.grant("account users", ROOT, "WRITE_VOLUME")
    ended = examined(stage, root=root)
    assert ended.code == 0
    assert status(ended)["writers"] == "warned"
    assert f"Everybody may write to {root}." in said(ended, "writers")


def test_a_shared_root_belongs_to_everybody_even_where_its_list_can_not_be_read(
    stage: Stage,
) -> None:
    denied: dict[str, Any] = {"status": 403, "error_code": "PERMISSION_DENIED"}
    fault = Fault(kind="status", path="/api/2.0/permissions/directories/*", times=0, **denied)
    stage.workspace.set_faults([fault])
    ended = examined(stage, root="/Workspace/Shared/libs")
    assert "Everybody may write to /Workspace/Shared/libs." in said(ended, "writers")
    stage.workspace.make_folder("/Workspace/libs")
    ended = examined(stage, root="/Workspace/libs")
    assert status(ended)["writers"] == "skipped"
    assert "unknown" in said(ended, "root")


def test_a_volume_that_we_may_only_read_fails_with_the_grant(stage: Stage) -> None:
    guest = replace(stage, token=as_guest(stage))
    stage.workspace.grant("guest@example.com", ROOT, "READ_VOLUME")
    ended = examined(guest, root=ROOT)
    assert ended.code == 1
    assert said(ended, "root") == f"guest@example.com may not write {ROOT}."
    remedy = problems(ended)[1]["remedy"]
    assert "GRANT READ VOLUME, WRITE VOLUME ON VOLUME `main`.`libraries`.`released` TO" in remedy


def test_a_folder_that_we_may_only_read_fails_with_the_grant(stage: Stage) -> None:
    folder = "/Workspace/libs/released"
    stage.workspace.make_folder(folder)
    guest = replace(stage, token=as_guest(stage))
    stage.workspace.grant("guest@example.com", folder, "CAN_READ")
    ended = examined(guest, root=folder)
    assert said(ended, "root") == f"guest@example.com may not write {folder}."
    assert f"databricks workspace get-status {folder}" in problems(ended)[1]["remedy"]
    stage.workspace.grant("guest@example.com", folder, "CAN_MANAGE")
    assert status(examined(guest, root=folder))["root"] == "passed"


@pytest.mark.parametrize(
    ("root", "told"),
    [
        (ROOT, "compute with Unity Catalog, serverless too"),
        ("/Workspace/libs", "jars there take runtime 14.1"),
        ("dbfs:/libs", "Runtimes from 15.1 on and serverless compute load no library"),
    ],
)
def test_which_runtimes_load_from_the_root_is_told(stage: Stage, root: str, told: str) -> None:
    assert told in said(examined(stage, root=root, allow_dbfs="true"), "root")


# --- the jobs


def test_jobs_that_we_may_not_edit_are_listed_with_the_grant(stage: Stage) -> None:
    stage.publish("1.4.0")
    guest = replace(stage, token=as_guest(stage))
    stage.workspace.grant("guest@example.com", ROOT, "ALL_PRIVILEGES")
    ours, theirs = stage.job(path("1.4.0"), name="ours"), stage.job(path("1.4.0"), name="theirs")
    other = stage.job("/Volumes/main/other/files/x-1.0.0-py3-none-any.whl")
    for job_id, level in ((ours, "CAN_MANAGE"), (theirs, "CAN_VIEW"), (other, "CAN_VIEW")):
        stage.workspace.grant("guest@example.com", job_id, level)
    ended = examined(guest, root=ROOT)
    assert ended.code == 1
    assert status(ended)["jobs"] == "failed"
    assert "2 of 3 jobs" in said(ended, "jobs")
    failed = problems(ended)[1]
    assert failed["detail"] == f"- theirs ({theirs})"
    (command,) = re.findall(r"databricks permissions update .*", failed["remedy"])
    *_, kind, number, _, body = shlex.split(command)
    assert (kind, number) == ("jobs", str(theirs))
    # What the command sends makes it right.
    stage.workspace.forget_calls()
    (line,) = json.loads(body)["access_control_list"]
    stage.workspace.grant(line["user_name"], theirs, line["permission_level"])
    assert status(examined(guest, root=ROOT))["jobs"] == "passed"


def test_owners_of_jobs_are_told(stage: Stage) -> None:
    stage.publish("1.4.0")
    for kind in ("BUNDLE", "SYSTEM_MANAGED", "SOMETHING_NEW"):
        stage.job(path("1.4.0"), name=f"of {kind}", deployment={"kind": kind})
    ended = examined(stage, root=ROOT)
    assert ended.code == 0
    assert status(ended)["jobs"] == "warned"
    for words in ("Asset Bundle", "managed by Databricks", "does not know"):
        assert words in said(ended, "jobs")


def test_a_library_is_found_outside_of_the_root_too(stage: Stage) -> None:
    stage.build("1.5.0")
    stage.job(f"/Workspace/Shared/old/{NAME}-1.0.0-py3-none-any.whl")
    other, _ = make_wheel("other", "1.0.0")
    stage.job(f"/Workspace/Shared/old/{other}")
    assert "1 of 2 jobs" in said(examined(stage, wheel="dist/*.whl"), "jobs")
    assert "1 of 2 jobs" in said(examined(stage, root=ROOT, wheel="dist/*.whl"), "jobs")
    assert "0 of 2 jobs" in said(examined(stage, root=ROOT), "jobs")


# --- the configuration file


def test_the_environments_of_the_file_are_named(stage: Stage) -> None:
    (stage.folder / "spark-deploy.yml").write_text(
        "version: 1\nenvironments:\n"
        f"  dev:\n    host: {stage.workspace.url}\n    root: {ROOT}\n"
        f"  prod:\n    host: {stage.workspace.url}\n    root: {ROOT}\n"
    )
    ended = examined(stage, environment="dev")
    assert said(ended, "configuration") == (
        "spark-deploy.yml has 2 environments: dev, prod; this run is for dev."
    )


# --- the words


@pytest.mark.parametrize(
    ("user", "kind"),
    [(APP, "service_principal_name"), ("o'neil@example.com", "user_name")],
)
def test_a_grant_names_users_and_service_principals_by_their_kind(user: str, kind: str) -> None:
    for text in (job_grants([7], user), root_grant("/Workspace/libs", user)):
        command = text[text.index("databricks permissions") :]
        (line,) = json.loads(shlex.split(command)[-1])["access_control_list"]
        assert line == {kind: user, "permission_level": "CAN_MANAGE"}


def test_names_in_sql_are_quoted() -> None:
    grant = root_grant("/Volumes/a-b/c d/e`f/below", "x`; DROP TABLE y; --")
    assert "ON VOLUME `a-b`.`c d`.`e``f` TO `x``; DROP TABLE y; --`;" in grant


def test_the_context_says_whether_the_job_may_ask(tmp_path: Path) -> None:
    def context(environ: Mapping[str, str]) -> RunContext:
        return RunContext.from_environ(environ, cwd=tmp_path, temp=tmp_path)

    both = {"ACTIONS_ID_TOKEN_REQUEST_URL": "u", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
    assert context(both).id_token
    assert not context({"ACTIONS_ID_TOKEN_REQUEST_URL": "u"}).id_token
    assert not context({}).id_token
