"""Whatever GitHub, or something that calls itself so, answers: it is read, or refused as an answer."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from deployer.errors import DeployError, FailureReason
from deployer.forge import ForgeError
from deployer.gh.api import Api
from deployer.gh.releases import GitHubReleases
from deployer.release.fetching import find, take
from deployer.release.ports import Asset, Attachment, Release, Text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
ASSET = st.fixed_dictionaries(
    {"id": JSON, "name": JSON, "size": JSON}, optional={"state": JSON, "digest": JSON}
)
RELEASE = st.fixed_dictionaries(
    {"id": JSON, "tag_name": JSON},
    optional={
        "name": JSON,
        "body": JSON,
        "draft": JSON,
        "html_url": JSON,
        "upload_url": JSON,
        "assets": JSON | st.lists(ASSET | JSON, max_size=3),
    },
)
ANSWERS = JSON | RELEASE | ASSET | st.fixed_dictionaries({"object": JSON})
TEXT = Text("t", "b", prerelease=False)


class Answering:
    """An API that answers everything with the same thing."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def get(self, *_: object) -> Any:
        return self.answer

    def change(self, *_: object, **__: object) -> Any:
        return self.answer

    def send_file(self, *_: object) -> Any:
        return self.answer

    def pages(self, *_: object) -> Any:
        return iter([self.answer])


def releases(answer: object) -> GitHubReleases:
    return GitHubReleases(cast("Api", Answering(answer)), "octo/library")


RELEASE_HERE = Release(1, "v1", "", "", draft=True, prerelease=False, url="")
FILE = Attachment("a", 1, "0" * 64, "x/y", lambda: nullcontext(io.BytesIO(b"x")))
CALLS: list[Callable[[GitHubReleases], object]] = [
    lambda found: found.commits_of("v1"),
    lambda found: found.of_tag("v1"),
    lambda found: list(found.published()),
    lambda found: found.read(1),
    lambda found: found.create("v1", TEXT),
    lambda found: found.publish(RELEASE_HERE, TEXT),
    lambda found: found.upload(RELEASE_HERE, FILE),
    lambda found: found.generated_notes("v1"),
]


@pytest.mark.parametrize("call", CALLS)
@given(answer=ANSWERS)
def test_any_answer_is_read_or_refused(
    call: Callable[[GitHubReleases], object], answer: object
) -> None:
    told = ""
    try:
        call(releases(answer))
    except ForgeError as error:
        told = str(error)
    assert len(told) < 2_000


class Kept:
    """One published release whose files say and hold what they like."""

    repository = "octo/library"

    def __init__(self, name: str, content: bytes, sums: bytes, **more: Any) -> None:
        self._content = {1: content, 2: sums}
        assets = (
            Asset(1, name, more.get("size", len(content)), sha256=more.get("sha256", "")),
            Asset(2, "SHA256SUMS", len(sums)),
        )
        self._release = Release(
            1, "v1.4.0", "", "", draft=False, prerelease=False, url="", assets=assets
        )

    def published(self) -> Any:
        return iter([self._release])

    def read(self, _: int) -> Release:
        return self._release

    def download(self, asset: Asset) -> Any:
        data = self._content[asset.id]
        return (data[at : at + 7] for at in range(0, len(data), 7))


WHEEL = "a-1.4.0-py3-none-any.whl"
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of b"abc"
SUMS = f"{ABC}  {WHEEL}\n".encode()


def taken(kept: Kept) -> bytes:
    into = io.BytesIO()
    found = find(cast("Any", kept), Version("1.4.0"))
    assert take(cast("Any", kept), found, into) == ABC
    return into.getvalue()


def test_a_file_that_is_what_all_say_is_taken() -> None:
    assert taken(Kept(WHEEL, b"abc", SUMS, sha256=ABC)) == b"abc"


@pytest.mark.parametrize(
    "kept",
    [
        Kept(WHEEL, b"abd", SUMS),
        Kept(WHEEL, b"abc", b""),
        Kept(WHEEL, b"abc", SUMS, sha256="0" * 64),
        Kept(WHEEL, b"abc", SUMS, size=2),
        Kept(WHEEL, b"abc", SUMS, size=4),
        Kept(WHEEL, b"", SUMS),
        Kept(WHEEL, b"abc", SUMS, size=5 * 1024**3),
    ],
)
def test_a_file_about_which_two_say_different_things_is_not_taken(kept: Kept) -> None:
    with pytest.raises(DeployError) as caught:
        taken(kept)
    assert caught.value.reason is FailureReason.RELEASE_UNVERIFIED


def test_no_more_is_written_than_the_release_says() -> None:
    kept, into = Kept(WHEEL, b"x" * 10_000, SUMS, size=20), io.BytesIO()
    with pytest.raises(DeployError):
        take(cast("Any", kept), find(cast("Any", kept), Version("1.4.0")), into)
    assert len(into.getvalue()) <= 20


@pytest.mark.parametrize(
    "name",
    ["../a-1.4.0-py3-none-any.whl", "a\\..\\a-1.4.0-py3-none-any.whl", "a-1.4.0-py3-none-any.whl\n",
     "a-1.4.0-py3-none-any.exe", "a-1.4.0-sources.jar", "a-1.5.0-py3-none-any.whl",
     "a\0-1.4.0-py3-none-any.whl", ".whl", "..", "/etc/a-1.4.0-py3-none-any.whl",
     "a;id-1.4.0-py3-none-any.whl"],
)  # fmt: skip
def test_a_name_that_is_no_library_of_the_version_is_not_looked_at(name: str) -> None:
    with pytest.raises(DeployError) as caught:
        find(cast("Any", Kept(name, b"abc", SUMS)), Version("1.4.0"))
    assert caught.value.reason is FailureReason.RELEASE_UNAVAILABLE


@given(st.text(max_size=40))
def test_any_name_can_be_asked_about(name: str) -> None:
    try:
        found = find(cast("Any", Kept(name, b"abc", SUMS)), Version("1.4.0"))
    except DeployError:
        return
    assert "/" not in found.asset.name
    assert found.asset.name.isprintable()
