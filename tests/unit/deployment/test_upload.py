"""The library's file in the root: immutable, and put there at most once (design.md, rule 2)."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from typing import BinaryIO

import pytest
from packaging.version import Version

from deployer.deployment import upload
from deployer.deployment.ports import Refused, Unavailable
from deployer.errors import DeployError, FailureReason
from deployer.library.model import Kind, Library
from tests.fake_workspace import FakeStore, FakeWorkspace
from tests.job_settings import ROOT, library, wheel

BYTES = b"the very bytes"
PATH = f"{ROOT}/{wheel('1.4.0')}"


def ours(kind: Kind = Kind.WHEEL, content: bytes = BYTES, file_name: str = "") -> Library:
    made = library("1.4.0", kind)
    return replace(
        made,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        file_name=file_name or made.file_name,
    )


def stored(*names: str, content: bytes = BYTES) -> tuple[FakeWorkspace, FakeStore]:
    workspace = FakeWorkspace(volumes={"main.libs.released"})
    for name in names:
        workspace.put_file(f"{ROOT}/{name}", content)
    return workspace, workspace.store(ROOT)


def failure(library: Library, store: FakeStore) -> DeployError:
    with pytest.raises(DeployError) as raised:
        upload.is_stored(store, library, store.files())
    return raised.value


def test_the_same_bytes_at_the_same_place_are_stored() -> None:
    _, store = stored(wheel("1.4.0"), wheel("1.3.0"))
    assert upload.is_stored(store, ours(), store.files())


@pytest.mark.parametrize("names", [(), (wheel("1.3.0"),), ("notes.txt", wheel("1.4.0", "other"))])
def test_other_files_are_no_obstacle(names: tuple[str, ...]) -> None:
    _, store = stored(*names, content=b"others")
    assert not upload.is_stored(store, ours(), store.files())


@pytest.mark.parametrize("content", [b"short", b"THE VERY BYTES"])
def test_other_bytes_of_the_same_version_are_refused_with_the_next_free_one(content: bytes) -> None:
    _, store = stored(wheel("1.4.0"), wheel("1.4.1"), content=content)
    error = failure(ours(), store)
    assert error.reason is FailureReason.VERSION_EXISTS
    assert "1.4.2" in error.problems[0].remedy


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Kind.WHEEL, "sales_metrics-1.4-py3-none-any.whl"),
        (Kind.WHEEL, "Sales.Metrics-1.4.0-py3-none-any.whl"),
        (Kind.WHEEL, "sales_metrics-1.4.0-1-py3-none-any.whl"),
        (Kind.WHEEL, "archive/sales_metrics-1.4.0-py3-none-any.whl"),
        (Kind.JAR, "Sales_Metrics-1.4.jar"),
        (Kind.EGG, "sales_metrics-1.4.0-py3.8.egg"),
    ],
)
def test_another_spelling_of_the_same_version_counts_as_that_version(kind: Kind, name: str) -> None:
    _, store = stored(name, content=b"other")
    assert failure(ours(kind), store).reason is FailureReason.VERSION_EXISTS
    _, same = stored(name)
    assert not upload.is_stored(same, ours(kind), same.files())


def test_wheels_of_one_version_for_two_platforms_lie_side_by_side() -> None:
    _, store = stored(wheel("1.4.0", tag="cp311-cp311-linux_x86_64"), content=b"other")
    assert not upload.is_stored(store, ours(), store.files())


def test_a_file_too_large_to_be_read_back_is_refused() -> None:
    root = "/Workspace/libs"
    workspace = FakeWorkspace(export_limit=3)
    workspace.put_file(f"{root}/{wheel('1.4.0')}", BYTES)
    error = failure(ours(), workspace.store(root))
    assert error.reason is FailureReason.VERSION_EXISTS
    assert "too large" in error.problems[0].detail


def test_another_size_proves_other_bytes_without_reading_them() -> None:
    root = "/Workspace/libs"
    workspace = FakeWorkspace(export_limit=3)
    workspace.put_file(f"{root}/{wheel('1.4.0')}", b"longer than ours is")
    assert "other bytes" in failure(ours(), workspace.store(root)).problems[0].detail


def test_uploading_makes_the_root_and_puts_the_bytes_there() -> None:
    workspace, store = stored()
    upload.upload(store, ours(), io.BytesIO(BYTES))
    assert workspace.contents == {PATH: BYTES}


def test_whoever_uploaded_the_very_same_bytes_meanwhile_did_the_work() -> None:
    workspace, store = stored(wheel("1.4.0"))
    upload.upload(store, ours(), io.BytesIO(BYTES))
    assert ("upload", PATH) not in workspace.written


def test_other_bytes_that_came_meanwhile_are_never_overwritten() -> None:
    workspace, store = stored(wheel("1.4.0"), content=b"other")
    with pytest.raises(DeployError) as raised:
        upload.upload(store, ours(), io.BytesIO(BYTES))
    assert raised.value.reason is FailureReason.VERSION_EXISTS
    assert workspace.contents == {PATH: b"other"}


def test_a_volume_that_is_missing_is_said() -> None:
    store = FakeWorkspace().store(ROOT)
    with pytest.raises(DeployError) as raised:
        upload.upload(store, ours(), io.BytesIO(BYTES))
    assert raised.value.reason is FailureReason.ROOT_UNAVAILABLE


def test_a_root_that_may_not_be_written_is_said() -> None:
    workspace, store = stored()
    workspace.denied_paths.add(ROOT)
    with pytest.raises(DeployError) as raised:
        upload.upload(store, ours(), io.BytesIO(BYTES))
    assert raised.value.reason is FailureReason.PERMISSION_DENIED


@pytest.mark.parametrize("error", [Refused("too large"), Unavailable("503")])
def test_an_upload_that_fails_says_that_no_job_was_touched(error: Exception) -> None:
    class Failing(FakeStore):
        def upload(self, path: str, content: BinaryIO, size: int) -> None:
            raise error

    _, store = stored()
    with pytest.raises(DeployError) as raised:
        upload.upload(Failing(store.workspace, store.place), ours(), io.BytesIO(BYTES))
    assert raised.value.reason is FailureReason.UPLOAD_FAILED
    assert "no job was touched" in str(raised.value.problems[0].title)


def test_a_snapshot_that_is_published_is_told_a_version_that_jars_have() -> None:
    snapshot = replace(
        ours(Kind.JAR), version=Version("1.4.0.dev0"), file_name="sales-metrics-1.4.0-SNAPSHOT.jar"
    )
    _, store = stored(snapshot.file_name, content=b"others")
    (problem,) = failure(snapshot, store).problems
    assert "to 1.4.0-dev.1 and build it again" in problem.remedy


def test_a_jar_with_another_classifier_is_another_build() -> None:
    _, store = stored("sales-metrics-1.4.0-sources.jar", content=b"others")
    assert not upload.is_stored(store, ours(Kind.JAR), store.files())
    _, store = stored("sales-metrics-1.4.jar", content=b"others")
    assert failure(ours(Kind.JAR), store).reason is FailureReason.VERSION_EXISTS
