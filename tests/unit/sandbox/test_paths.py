"""Spellings of one path: facts A2."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import paths


@pytest.mark.parametrize(
    ("spelling", "stored"),
    [
        ("/Users/a@b.c/x.whl", "/Workspace/Users/a@b.c/x.whl"),
        ("/Workspace/Users/a@b.c/x.whl", "/Workspace/Users/a@b.c/x.whl"),
        ("/Shared//libs/", "/Workspace/Shared/libs"),
        ("//Workspace/Shared", "/Workspace/Shared"),
        ("/Shared/a/../b", "/Workspace/Shared/b"),
        ("/Deploy", "/Workspace/Deploy"),
        ("/", "/Workspace"),
        ("/Volumes/a/b/c/x", "/Volumes/a/b/c/x"),
        ("dbfs:/Volumes/a/b/c/x", "/Volumes/a/b/c/x"),
        ("/Workspaces/x", "/Workspace/Workspaces/x"),
        ("dbfs:/libs//x", "dbfs:/libs/x"),
        ("dbfs:/../x", "dbfs:/x"),
        ("dbfs:/", "dbfs:"),
        ("/dbfs/libs/x", "dbfs:/libs/x"),
        ("/dbfs/Volumes/a/b/c/x", "/Volumes/a/b/c/x"),
    ],
)
def test_a_spelling_is_stored_as(spelling: str, stored: str) -> None:
    assert paths.canonical(spelling) == stored


@pytest.mark.parametrize("spelling", ["", "x.whl", "dbfs:x", "s3://bucket/x"])
def test_a_path_that_is_not_absolute_is_refused(spelling: str) -> None:
    with pytest.raises(ValueError, match="is not absolute"):
        paths.canonical(spelling)


SEGMENTS = st.lists(st.text("ab.*% é", min_size=1, max_size=4), min_size=1, max_size=4)


@settings(deadline=None)
@given(SEGMENTS, st.booleans())
def test_storing_is_idempotent_and_stays_inside(segments: list[str], aliases: bool) -> None:
    stored = paths.canonical("/" + "/".join(segments), aliases=aliases)
    assert paths.canonical(stored, aliases=aliases) == stored
    assert stored.split("/")[1] == "Workspace"
    assert ".." not in stored.split("/")


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("/Shared", "/Shared/x"), ("/Workspace/Shared", "/Workspace/Shared/x"), ("/", "/Shared/x")],
)
def test_answers_keep_the_style_of_the_question(asked: str, shown: str) -> None:
    assert paths.as_asked("/Workspace/Shared/x", asked) == shown


def test_what_lies_in_a_volume_knows_it() -> None:
    assert paths.volume_of("/Volumes/a/b/c/d/e") == "a.b.c"
    assert paths.volume_of("/Volumes/a/b/c") == "a.b.c"
    assert paths.volume_of("/Volumes/a/b") is None
    assert paths.volume_of("/Workspace/a/b/c/d") is None
    assert paths.volume_root("a.b.c") == "/Volumes/a/b/c"
    with pytest.raises(ValueError, match=r"catalog\.schema\.volume"):
        paths.volume_root("a.b")


def test_a_lineage_goes_up_to_the_top() -> None:
    assert paths.ancestry("/Workspace/a/b") == ["/Workspace/a/b", "/Workspace/a", "/Workspace", "/"]
