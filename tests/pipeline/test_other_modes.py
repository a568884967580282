"""upload, cleanup and status: the modes that move no job."""

from __future__ import annotations

from tests.pipeline.stage import ROOT, Stage, path
from tests.wheels import make_wheel


def test_upload_touches_no_job_and_may_go_to_another_folder(stage: Stage) -> None:
    stage.publish("1.4.0")
    job = stage.job(path("1.4.0"))
    stage.build("1.5.0")
    ended = stage.run("upload", wheel="dist/*.whl", folder=f"{ROOT}/try-out")
    assert ended.code == 0
    assert path("1.5.0", f"{ROOT}/try-out") in stage.workspace.files()
    assert ended.outputs["remote-path"] == path("1.5.0", f"{ROOT}/try-out")
    assert stage.version_of(job) == ["1.4.0"]
    assert not stage.workspace.calls("GET", "/jobs/list")


def test_cleanup_without_a_library_keeps_the_newest_of_each_major_of_each_library(
    stage: Stage,
) -> None:
    stage.publish("0.1.0", "0.2.0", "1.4.0", "1.5.0", "2.0.0", "2.0.1")
    other, content = make_wheel("other", "3.0.0")
    stage.workspace.put_file(f"{ROOT}/{other}", content)
    stage.job(path("2.0.0"))
    ended = stage.run("cleanup", root=ROOT)
    assert ended.code == 0
    assert stage.stored() == {"0.1.0", "0.2.0", "1.5.0", "2.0.0", "2.0.1"}
    assert f"{ROOT}/{other}" in stage.workspace.files()


def test_cleanup_that_is_off_lists_only(stage: Stage) -> None:
    stage.publish("1.4.0", "1.5.0")
    ended = stage.run("cleanup", root=ROOT, cleanup="false")
    assert stage.stored() == {"1.4.0", "1.5.0"}
    assert [one["decision"] for one in ended.document["versions"]] == ["list-only", "current"]


def test_cleanup_leaves_files_that_are_no_libraries_or_have_no_certain_version(
    stage: Stage,
) -> None:
    for name in ("notes.txt", "retail_metrics.whl", "retail_metrics-latest-py3-none-any.whl"):
        stage.workspace.put_file(f"{ROOT}/{name}", b"x")
    stage.publish("1.5.0")
    before = stage.files()
    assert len(before) == 4
    stage.run("cleanup", root=ROOT)
    assert stage.files() == before


def test_status_lists_every_reference_of_every_job(stage: Stage) -> None:
    stage.job(path("1.4.0"), "/Workspace/Shared/mywheel.whl")
    stage.serverless("numpy==1.26.4", "-r /Workspace/Shared/requirements.txt")
    ended = stage.run("status")
    listed = {
        (e["value"], e["name"], e["version"], e["reason"]) for e in ended.document["inventory"]
    }
    assert listed == {
        (path("1.4.0"), "retail-metrics", "1.4.0", None),
        ("/Workspace/Shared/mywheel.whl", "mywheel", None, "no-version"),
        ("numpy==1.26.4", "numpy", "1.26.4", None),
        ("-r /Workspace/Shared/requirements.txt", None, None, "its content is not read"),
    }


def test_status_of_one_library_leaves_the_others_out(stage: Stage) -> None:
    job = stage.job(path("1.4.0"), path("1.0.0", name="other"))
    stage.job(path("1.0.0", name="other"))
    stage.build("1.5.0")
    ended = stage.run("status", wheel="dist/*.whl")
    assert {entry["job_id"] for entry in ended.document["inventory"]} == {job}
