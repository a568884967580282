"""Which paths can be a root, and in which form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.errors import DeployError, FailureReason
from deployer.jobs import paths
from deployer.platforms.databricks.roots import Kind, canonical, parse_root


@pytest.mark.parametrize(
    ("given", "path", "volume"),
    [
        ("/Volumes/main/libs/released", "/Volumes/main/libs/released", "main.libs.released"),
        (
            "/Volumes/main/libs/released/a/b/",
            "/Volumes/main/libs/released/a/b",
            "main.libs.released",
        ),
        ("dbfs:/Volumes/main/libs/released", "/Volumes/main/libs/released", "main.libs.released"),
        ("/Workspace/libs", "/Workspace/libs", ""),
        ("/Workspace/Shared/libs", "/Workspace/Shared/libs", ""),
        ("/Shared/libs/", "/Workspace/Shared/libs", ""),
        ("/Shared", "/Workspace/Shared", ""),
        ("/Users/a@b.c/my libs", "/Workspace/Users/a@b.c/my libs", ""),
        ("  /Workspace//libs///x  ", "/Workspace/libs/x", ""),
        ("/Workspace/Repository", "/Workspace/Repository", ""),
    ],
)
def test_a_root_has_one_form(given: str, path: str, volume: str) -> None:
    root = parse_root(given)
    assert (root.path, root.volume) == (path, volume)
    assert root.kind is (Kind.VOLUME if volume else Kind.WORKSPACE)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("/", "neither"),
        ("libs/released", "relative"),
        ("./libs", "relative"),
        ("~/libs", "relative"),
        ("/Workspace", "whole workspace"),
        ("/Workspace/", "whole workspace"),
        ("/Workspace/Repos/a@b.c/r", "Git folder"),
        ("/Repos/a@b.c/r", "neither"),
        ("dbfs://libs/x", "one slash"),
        ("dbfs:libs", "one slash"),
        ("dbfs:/libs/../x", '"."'),
        ("/Volumes", "a volume is"),
        ("/Volumes/main/libs", "a volume is"),
        ("dbfs:/Volumes/main/libs", "a volume is"),
        ("dbfs:/FileStore/jars", "DBFS"),
        ("dbfs:/libs", "DBFS"),
        ("/dbfs/FileStore/jars", "DBFS"),
        ("/FileStore/jars", "DBFS"),
        ("s3://bucket/libs", "object storage"),
        ("abfss://c@a.dfs.core.windows.net/libs", "object storage"),
        ("gs://bucket/libs", "object storage"),
        ("/Workspace/libs/../other", '"."'),
        ("/Workspace/./libs", '"."'),
        ("/Volumes/main/libs/released/..", '"."'),
        ("/Workspace/libs\n", "control"),
        ("/Workspace/li\x00bs", "control"),
        ("/workspace/libs", "neither"),
        ("/mnt/libs", "neither"),
        ("C:\\libs", "object storage"),
    ],
)
def test_other_paths_are_refused_with_a_reason_and_a_way_out(given: str, why: str) -> None:
    with pytest.raises(DeployError) as caught:
        parse_root(given)
    assert caught.value.reason is FailureReason.ROOT_NOT_ALLOWED
    assert why in caught.value.problem.title
    assert "/Volumes/" in caught.value.problem.remedy


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("dbfs:/libs", "dbfs:/libs"),
        ("dbfs:/libs/released/", "dbfs:/libs/released"),
        ("dbfs:///libs//x", "dbfs:/libs/x"),
        ("/dbfs/libs", "dbfs:/libs"),
        ("/dbfs/mnt/libs", "dbfs:/mnt/libs"),
        ("dbfs:/user/libs", "dbfs:/user/libs"),
    ],
)
def test_a_root_in_dbfs_is_one_only_when_it_was_chosen(given: str, path: str) -> None:
    root = parse_root(given, allow_dbfs=True)
    assert (root.kind, root.path, root.volume) == (Kind.DBFS, path, "")
    assert paths.canonical(given) == path  # references are compared with it
    with pytest.raises(DeployError, match="from 15") as caught:
        parse_root(given)
    remedy = caught.value.problem.remedy
    # The better places come first.
    assert 0 <= remedy.index("/Volumes/") < remedy.index("/Workspace/") < remedy.index("allow-dbfs")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("dbfs:/", "whole DBFS root"),
        ("/dbfs/", "whole DBFS root"),
        ("dbfs:///", "whole DBFS root"),
        ("dbfs:/FileStore", "browsers"),
        ("dbfs:/FileStore/jars", "browsers"),
        ("/dbfs/filestore/x", "browsers"),
        ("dbfs:/databricks/init", "Databricks' own"),
        ("dbfs:/databricks-datasets", "Databricks' own"),
        ("dbfs:/libs/..", '"."'),
        ("dbfs://host/x", "one slash"),
        ("dbfs:/li\x00bs", "control"),
        ("/FileStore/jars", "DBFS"),
    ],
)
def test_some_places_in_dbfs_are_never_a_root(given: str, why: str) -> None:
    with pytest.raises(DeployError) as caught:
        parse_root(given, allow_dbfs=True)
    assert caught.value.reason is FailureReason.ROOT_NOT_ALLOWED
    assert why in caught.value.problem.title
    assert "allow-dbfs" not in caught.value.problem.remedy or given == "/FileStore/jars"


@given(st.text(alphabet="/abdfs:FileStorVlumx. ", max_size=30))
def test_a_root_that_is_accepted_in_dbfs_is_its_own_canonical_form(given: str) -> None:
    try:
        path = parse_root(given, allow_dbfs=True).path
    except DeployError:
        return
    assert parse_root(path, allow_dbfs=True).path == path
    assert paths.canonical(path) == path
    assert path.startswith(("/Workspace/", "/Volumes/", "dbfs:/"))
    assert not path.endswith("/")


@given(st.text(alphabet="/abVolumes.Workspace:dbfSharedUr \n", max_size=40))
def test_a_root_that_is_accepted_is_its_own_canonical_form(given: str) -> None:
    try:
        path = parse_root(given).path
    except DeployError:
        return
    assert parse_root(path).path == path
    assert canonical(path) == path
    assert path.startswith(("/Workspace/", "/Volumes/"))
    assert not path.endswith("/")
    assert ".." not in path.split("/")
