"""Spellings of one path (facts A2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.jobs.paths import canonical, file_name, is_inside, is_unresolved, respelled

SAME = {
    "/Volumes/main/libs/x.whl": [
        "dbfs:/Volumes/main/libs/x.whl",
        "dbfs:///Volumes/main/libs/x.whl",
        "DBFS:/Volumes/main/libs/x.whl",
        "/dbfs/Volumes/main/libs/x.whl",
        "file:/Volumes/main/libs/x.whl",
        "file:///Volumes/main/libs/x.whl",
        "file://localhost/Volumes/main/libs/x.whl",
        "file:///dbfs/Volumes/main/libs/x.whl",
        "file:///Volumes/main/l%69bs/x.whl",
        "//Volumes///main/libs/x.whl",
        "/Volumes/./main/libs/x.whl",
    ],
    "/Workspace/Shared/x.whl": [
        "/Shared/x.whl",
        "/Workspace/Shared/x.whl",
        "file:/Shared/x.whl",
        "/Workspace//Shared/x.whl",
    ],
    "/Workspace/Users/a@b.c/x.whl": ["/Users/a@b.c/x.whl", "file:///Users/a%40b.c/x.whl"],
    "/Workspace/Repos/team/x.whl": ["/Repos/team/x.whl"],
    "dbfs:/libs/x.whl": ["/dbfs/libs/x.whl", "dbfs:/libs/x.whl", "dbfs:///libs//x.whl"],
    "dbfs:/Shared/x.whl": ["/dbfs/Shared/x.whl", "dbfs:/Shared/x.whl"],
}


@pytest.mark.parametrize(
    ("spelling", "path"), [(each, path) for path, all_ in SAME.items() for each in (path, *all_)]
)
def test_all_spellings_of_one_file_have_one_canonical_form(spelling: str, path: str) -> None:
    assert canonical(spelling) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x.whl",
        "./x.whl",
        "../x.whl",
        "dbfs:x.whl",
        "/Volumes/main/../x.whl",
        "/Volumes/main/..",
        "file:///Volumes/%2e%2e/x.whl",
        "s3://bucket/../x.whl",
        "https://host/%2e%2E/x.whl",
        "dbfs://a/../x.whl",
        "{{job.parameters.root}}/x.whl",
        "/Volumes/${bundle.target}/x.whl",
        "/Volumes/%CATALOG%/x.whl",
    ],
)
def test_relative_upward_and_unresolved_paths_have_none(path: str) -> None:
    assert canonical(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "s3://bucket//x.whl",
        "abfss://c@account.dfs.example/x.whl",
        "gs://bucket/x.whl",
        "dbfs://Volumes/main/x.whl",
        "file://Volumes/main/x.whl",
        "https://host/x.whl",
    ],
)
def test_object_storage_and_foreign_hosts_stand_for_themselves(path: str) -> None:
    assert canonical(path) == path


def test_a_percent_sign_is_an_escape_in_urls_and_a_character_elsewhere() -> None:
    assert file_name("file:///Volumes/x/my%5Flib-1.0%2Ba.whl") == "my_lib-1.0+a.whl"
    assert file_name("https://h/my%5Flib-1.0.whl") == "my_lib-1.0.whl"
    assert file_name("/Volumes/x/my%5Flib.whl") == "my%5Flib.whl"
    assert file_name("file:///Volumes%2Fx.whl") == "x.whl"
    assert is_unresolved("/Volumes/%AB%/x")
    assert not is_unresolved("file:///Volumes/%AB%CD/x")


def test_inside_means_the_folder_itself_or_below_it_and_not_a_longer_name() -> None:
    assert is_inside("/Volumes/a/b", "/Volumes/a/b")
    assert is_inside("/Volumes/a/b/c.whl", "/Volumes/a/b")
    assert not is_inside("/Volumes/a/b-old/c.whl", "/Volumes/a/b")
    assert not is_inside("/Volumes/a", "/Volumes/a/b")


@pytest.mark.parametrize(
    ("spelling", "new"),
    [
        ("/Volumes/a/old.whl", "/Volumes/a/new.whl"),
        ("dbfs:/Volumes/a/old.whl", "dbfs:/Volumes/a/new.whl"),
        ("/dbfs/Volumes/a/old.whl", "/dbfs/Volumes/a/new.whl"),
        ("file:///Volumes/%61/old.whl", "file:///Volumes/%61/new.whl"),
        ("//Volumes//a//old.whl", "//Volumes//a//new.whl"),
        ("/Volumes/a/./old.whl", "/Volumes/a/./new.whl"),
        ("/Volumes/a/b/c/old.whl", "/Volumes/a/new.whl"),
        ("/Volumes//a//b//old.whl", "/Volumes//a/new.whl"),
        ("/Volumes/b/old.whl", None),
        ("old.whl", None),
        ("file:///Volumes/a%2Fold.whl", None),
    ],
)
def test_the_new_file_is_written_in_the_spelling_of_the_old_directory(
    spelling: str, new: str | None
) -> None:
    assert respelled(spelling, "/Volumes/a", "new.whl") == new


def test_a_url_gets_the_new_name_percent_encoded() -> None:
    assert respelled("file:///Volumes/a/x.whl", "/Volumes/a", "n-1!2.0+b c.whl") == (
        "file:///Volumes/a/n-1%212.0+b%20c.whl"
    )
    assert (
        respelled("/Volumes/a/x.whl", "/Volumes/a", "n-1!2.0+b.whl") == "/Volumes/a/n-1!2.0+b.whl"
    )


_parts = st.sampled_from(["", ".", "..", "a", "b", "Volumes", "dbfs", "%2e%2e", "x y"])
_any_path = st.builds(
    lambda start, parts: start + "/".join(parts),
    st.sampled_from(["", "/", "//", "dbfs:/", "dbfs:///", "file:///", "file:/", "s3://", "/dbfs/"]),
    st.lists(_parts, max_size=6),
)


@given(_any_path)
def test_the_canonical_form_is_canonical_and_never_goes_up(path: str) -> None:
    found = canonical(path)
    if found is not None:
        assert canonical(found) == found
        assert ".." not in found.split("/")


@given(_any_path, st.sampled_from(["new.whl", "n-1.0+a.whl"]))
def test_a_respelled_path_is_the_file_in_the_root(path: str, name: str) -> None:
    for root in ("/Volumes/a", "/Volumes/a/b"):
        new = respelled(f"{path}/old.whl", root, name)
        if new is not None:
            assert canonical(new) == f"{root}/{name}"
            directory = new.removesuffix(name)[:-1]
            assert path.startswith(directory)


@given(st.text())
def test_any_text_is_a_path_or_none(text: str) -> None:
    canonical(text)
    file_name(text)
    respelled(text, "/Volumes/a", "new.whl")
