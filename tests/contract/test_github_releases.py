"""Releases over HTTP: the adapter and the story against the emulated GitHub, at once and in trouble."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.errors import DeployError, FailureReason
from deployer.forge import Denied, ForgeError, NotFound, Rejected, Unavailable
from deployer.gh.api import Addresses, Api, is_own
from deployer.gh.patience import Patience
from deployer.gh.releases import GitHubReleases
from deployer.release import sums
from deployer.release.ports import Attachment, Release, Sealed, Taken, Text
from deployer.release.publishing import Order, Published, Publishing
from tests.github import Fault, GitHub
from tests.github.emulate import running
from tests.github.releases import Asset, Releases, releases_of
from tests.github.releases import Release as There

SHA, OTHER_SHA = "a" * 40, "b" * 40
REPOSITORY = "octo/library"
WHEEL = "retail_metrics-1.4.0-py3-none-any.whl"
TEXT = Text("1.4.0", "- First.", prerelease=False)


def attachment(name: str, content: bytes) -> Attachment:
    digest = hashlib.sha256(content).hexdigest()
    return Attachment(
        name, len(content), digest, "application/zip", lambda: nullcontext(io.BytesIO(content))
    )


def order(content: bytes = b"wheel", *, tag: str = "v1.4.0", **changes: Any) -> Order:
    files = (attachment(WHEEL, content), attachment(f"{WHEEL}.cdx.json", b"{}"))
    written = sums.written({one.name: one.sha256 for one in files})
    made = Order(tag, SHA, "1.4.0", "- First.", False, files, attachment(sums.NAME, written))
    return replace(made, **changes)


@pytest.fixture(params=["github.com", "enterprise"])
def github(request: pytest.FixtureRequest) -> Iterator[GitHub]:
    with GitHub(enterprise=request.param == "enterprise") as emulated:
        releases_of(emulated.repository(REPOSITORY)).tags["v1.4.0"] = SHA
        yield emulated


def client(github: GitHub, permissions: dict[str, str] | None = None) -> GitHubReleases:
    token = github.token(permissions=permissions)
    patience = Patience(no_pause, lambda: 0.0)
    return GitHubReleases(Api(Addresses(api=github.api_url), token, patience), REPOSITORY)


def there(github: GitHub) -> Releases:
    return releases_of(github.repository(REPOSITORY))


def no_pause(_: float) -> None:
    """No test waits."""


def publish(github: GitHub, wanted: Order | None = None) -> Published:
    return Publishing(wanted or order(), client(github), no_pause).to_its_end()


def names(release: There | Release) -> set[str]:
    files = release.assets.values() if isinstance(release, There) else release.assets
    return {one.name for one in files}


ALL = {WHEEL, f"{WHEEL}.cdx.json", sums.NAME}


def only(github: GitHub) -> There:
    (found,) = there(github).all.values()
    return found


def refused(github: GitHub, wanted: Order | None = None) -> DeployError:
    with pytest.raises(DeployError) as caught:
        publish(github, wanted)
    assert caught.value.reason is FailureReason.RELEASE_CONFLICT
    return caught.value


# ── The story ────────────────────────────────────────────────────────────────────────────────────


def test_a_release_is_public_only_when_all_its_files_are_there(github: GitHub) -> None:
    published = publish(github)
    assert published.made_public
    assert not published.release.draft
    assert set(published.attached) == names(published.release) == ALL
    assert published.release.url == f"{github.url}/{REPOSITORY}/releases/tag/v1.4.0"
    release = only(github)
    assert (release.name, release.body, release.latest) == ("1.4.0", "- First.", "legacy")
    steps = [one.method for one in github.calls if one.method in {"PATCH", "POST"}]
    assert steps == ["POST", "POST", "POST", "POST", "PATCH"]


def test_a_second_run_finds_everything_done_and_writes_nothing(github: GitHub) -> None:
    publish(github)
    github.calls.clear()
    again = publish(github)
    assert not again.made_public
    assert again.attached == ()
    assert github.writes() == []


@pytest.mark.parametrize("stop", range(1, 6))
def test_a_run_that_died_at_any_write_is_finished_by_the_next(github: GitHub, stop: int) -> None:
    writes = 0

    class Dies(GitHubReleases):
        def _write(self) -> None:
            nonlocal writes
            writes += 1
            if writes == stop:
                raise KeyboardInterrupt

        def create(self, *args: Any) -> Release:
            self._write()
            return super().create(*args)

        def upload(self, *args: Any) -> Any:
            self._write()
            return super().upload(*args)

        def publish(self, *args: Any) -> Release:
            self._write()
            return super().publish(*args)

    dying = client(github)
    dying.__class__ = Dies
    with pytest.raises(KeyboardInterrupt):
        Publishing(order(), dying, no_pause).to_its_end()
    assert all(one.draft for one in there(github).all.values())
    publish(github)
    assert not only(github).draft
    assert names(only(github)) == ALL


def test_what_was_published_is_not_replaced(github: GitHub) -> None:
    publish(github)
    error = refused(github, order(b"other bytes"))
    assert WHEEL in error.problem.title
    assert there(github).of_tag("v1.4.0")[0].asset(WHEEL).content == b"wheel"  # type: ignore[union-attr]


def test_files_are_compared_by_their_bytes_where_github_tells_no_digest(github: GitHub) -> None:
    there(github).digests = False
    publish(github)
    assert publish(github).attached == ()
    refused(github, order(b"WHEEL"))  # as long as the other


def test_a_draft_of_a_person_keeps_its_words_and_gets_the_files(github: GitHub) -> None:
    draft = There(1, "v1.4.0", github.world.account("mona"), "Spring", "By hand.", draft=True)
    draft.prerelease = True
    there(github).all[1] = draft
    assert publish(github).release.id == 1
    assert (draft.name, draft.body, draft.draft, draft.prerelease) == (
        "Spring",
        "By hand.",
        False,
        True,
    )
    assert names(draft) == ALL


def test_a_release_that_a_person_published_gets_the_files_and_keeps_its_words(
    github: GitHub,
) -> None:
    release = There(1, "v1.4.0", github.world.account("mona"), "Spring", "By hand.")
    there(github).all[1] = release
    assert not publish(github).made_public
    assert (release.name, release.body, names(release)) == ("Spring", "By hand.", ALL)


def test_the_draft_is_found_behind_hundreds_of_other_releases(github: GitHub) -> None:
    author = github.world.account("mona")
    for number in range(1, 351):
        there(github).all[number] = There(number, f"v0.{number}.0", author, draft=number % 2 == 0)
    there(github).all[3].tag, there(github).all[3].draft = "v1.4.0", True
    assert publish(github).release.id == 3


def test_a_pre_release_is_marked_and_is_never_the_latest(github: GitHub) -> None:
    publish(github, order(prerelease=True))
    assert (only(github).prerelease, only(github).latest) == (True, "false")


def test_without_notes_of_its_own_a_release_has_those_that_github_writes(github: GitHub) -> None:
    publish(github, order(notes=" \n"))
    assert "What's Changed" in only(github).body


def test_a_release_without_notes_is_better_than_none(github: GitHub) -> None:
    github.fail(Fault.status(500, path="generate-notes", times=9))
    publish(github, order(notes=""))
    assert only(github).body == ""
    assert not only(github).draft


def test_notes_of_any_length_are_taken(github: GitHub) -> None:
    publish(github, order(notes="```\n" + "::error::x @everyone <script>\n" * 20_000))
    assert "cut here" in only(github).body


def test_an_annotated_tag_stands_for_its_commit(github: GitHub) -> None:
    there(github).tags["v1.4.0"] = "c" * 40
    there(github).annotated["c" * 40] = SHA
    publish(github)
    assert not only(github).draft


@pytest.mark.parametrize("tag", ["retail-metrics-v1.4.0", "retail_metrics/1.4.0", "a#b?c=d%20e/1"])
def test_a_tag_with_any_mark_in_it_is_the_tag_that_is_asked_for(github: GitHub, tag: str) -> None:
    there(github).tags[tag] = SHA
    publish(github, order(tag=tag))
    assert publish(github, order(tag=tag)).attached == ()
    assert only(github).tag == tag


def test_a_tag_that_moved_publishes_nothing(github: GitHub) -> None:
    there(github).tags["v1.4.0"] = OTHER_SHA
    assert OTHER_SHA[:12] in refused(github).problem.title
    del there(github).tags["v1.4.0"]
    assert "is gone" in refused(github).problem.title
    assert there(github).all == {}


def test_a_tag_that_moves_meanwhile_leaves_a_draft_that_nobody_sees(github: GitHub) -> None:
    def move() -> None:
        there(github).tags["v1.4.0"] = OTHER_SHA

    github.before("POST", "/assets", move)
    refused(github)
    assert only(github).draft


def test_a_published_immutable_release_is_explained(github: GitHub) -> None:
    there(github).seals = True
    there(github).all[1] = There(
        1, "v1.4.0", github.world.account("mona"), "Spring", immutable=True
    )
    error = refused(github)
    assert "immutable" in error.problem.title
    assert "push of the tag" in error.problem.remedy


def test_an_immutable_release_is_made_whole_and_found_done(github: GitHub) -> None:
    there(github).seals = True
    publish(github)
    assert only(github).immutable
    assert names(only(github)) == ALL
    assert publish(github).attached == ()


def test_a_tag_of_a_deleted_immutable_release_is_explained(github: GitHub) -> None:
    there(github).used_by_sealed.add("v1.4.0")
    assert "was deleted" in refused(github).problem.title


def test_a_half_uploaded_file_is_uploaded_again(github: GitHub) -> None:
    draft = There(1, "v1.4.0", github.world.account("mona"), draft=True)
    draft.assets[7] = Asset(7, WHEEL, b"whe", state="starter")
    there(github).all[1] = draft
    publish(github)
    assert draft.asset(WHEEL).content == b"wheel"  # type: ignore[union-attr]
    assert names(draft) == ALL


def test_a_file_that_another_run_is_uploading_is_waited_for(github: GitHub) -> None:
    draft = There(1, "v1.4.0", github.world.account("mona"), draft=True)
    draft.assets[7] = Asset(7, WHEEL, b"whe", state="starter")
    there(github).all[1] = draft
    waited: list[float] = []

    def pause(seconds: float) -> None:
        if seconds:
            waited.append(seconds)
            draft.assets[7] = Asset(7, WHEEL, b"wheel")

    Publishing(order(), client(github), pause).to_its_end()
    assert len(waited) == 1
    assert draft.assets[7].name == WHEEL


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/releases$"), ("POST", "/assets"), ("PATCH", "/releases/")]
)
@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("fault", [Fault.reset, lambda **more: Fault.status(502, **more)])
def test_a_write_whose_answer_is_lost_is_looked_at_and_finished(
    github: GitHub, fault: Callable[..., Fault], applied: bool, method: str, path: str
) -> None:
    github.fail(fault(method=method, path=path, applied=applied))
    publish(github)
    assert names(only(github)) == ALL
    assert not only(github).draft


@pytest.mark.parametrize("retry_after", [None, 7])
def test_limits_are_waited_for(github: GitHub, retry_after: int | None) -> None:
    github.fail(Fault.secondary_limit(retry_after, method="POST", path="/assets"))
    github.fail(Fault.secondary_limit(retry_after, method="PATCH"))
    publish(github)
    assert not only(github).draft


def test_an_upload_that_never_succeeds_leaves_a_draft(github: GitHub) -> None:
    github.fail(Fault.status(502, method="POST", path="/assets", times=1000))
    with pytest.raises(Unavailable):
        publish(github)
    assert only(github).draft


def test_a_name_that_github_would_change_is_explained(github: GitHub) -> None:
    error = refused(github, order(files=(attachment("a 1!1.0.whl", b"x"),)))
    assert "a.1.1.0.whl" in error.problem.title
    assert only(github).assets == {}


def test_two_libraries_of_one_tag_have_their_sums_side_by_side(github: GitHub) -> None:
    publish(github)
    name = "glow-1.4.0-py3-none-any.whl"
    files = (attachment(name, b"glow"),)
    written = sums.written({one.name: one.sha256 for one in files})
    other = order(files=files, sums=attachment(sums.NAME, written))
    publish(github, other)
    assert names(only(github)) == ALL | {name, f"{sums.NAME}.{name}"}
    assert publish(github, other).attached == publish(github).attached == ()


TROUBLE = st.lists(
    st.tuples(
        st.sampled_from(["reset", "500", "limit", "404", "403"]),
        st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
        st.booleans(),
        st.integers(1, 5),
    ),
    max_size=4,
)


def _trouble(kind: str, method: str, applied: bool, times: int) -> Fault:
    more: dict[str, Any] = {"method": method, "applied": applied, "times": times}
    if kind == "reset":
        return Fault.reset(**more)
    return Fault.secondary_limit(1, **more) if kind == "limit" else Fault.status(int(kind), **more)


@given(troubles=st.lists(TROUBLE, min_size=1, max_size=3), other=st.booleans())
@settings(max_examples=30, deadline=None)
def test_whatever_goes_wrong_nothing_incomplete_is_public_and_a_re_run_finishes(
    troubles: list[list[tuple[str, str, bool, int]]], other: bool
) -> None:
    with GitHub() as github:
        there(github).tags["v1.4.0"] = SHA
        for run in troubles:
            github.faults.waiting = [_trouble(*one) for one in run]
            with suppress(ForgeError, DeployError):
                publish(github)
            for one in there(github).all.values():
                assert one.draft or names(one) == ALL
        github.faults.waiting = []
        if other:
            try:
                publish(github, order(b"other bytes"))
            except DeployError:
                assert any(names(one) for one in there(github).all.values())
            else:
                return  # nothing of ours was there yet, and theirs is the release now
        publish(github)
        (public,) = (one for one in there(github).all.values() if not one.draft)
        assert {one.name: one.content for one in public.assets.values()} == {
            file.name: _bytes(file) for file in (*order().files, order().sums)
        }


def _bytes(file: Attachment) -> bytes:
    with file.opened() as content:
        return content.read()


# ── Several runs at once ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("digests", [True, False])
def test_runs_at_once_end_with_one_release(github: GitHub, digests: bool) -> None:
    there(github).digests = digests
    start = threading.Barrier(4)

    def one(_: int) -> Published:
        start.wait()
        return publish(github)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(one, range(4)))
    assert {run.release.id for run in done} == {only(github).id}
    assert names(only(github)) == ALL
    assert not only(github).draft


def test_drafts_made_at_the_same_instant_become_one(github: GitHub) -> None:
    def other_run() -> None:
        there(github).all[1] = There(1, "v1.4.0", github.world.account("mona"), draft=True)

    github.before("POST", "/releases$", other_run)
    assert publish(github).release.id == 1
    assert only(github).id == 1


def test_a_release_that_is_published_meanwhile_is_used(github: GitHub) -> None:
    def other_run() -> None:
        there(github).all[1] = There(1, "v1.4.0", github.world.account("mona"), "Theirs")

    github.before("PATCH", "/releases/", other_run)
    published = publish(github)
    assert published.release.id == 1
    assert names(only(github)) == ALL


def test_a_draft_that_is_deleted_meanwhile_is_made_again(github: GitHub) -> None:
    github.before("POST", "/assets", there(github).all.clear)
    publish(github)
    assert names(only(github)) == ALL


def test_a_release_that_others_delete_all_the_time_ends_the_run(github: GitHub) -> None:
    def always() -> None:
        there(github).all.clear()
        github.before("PATCH", "/releases/", always)

    github.before("PATCH", "/releases/", always)
    with pytest.raises(Unavailable, match="changes all the time"):
        publish(github)


# ── The adapter ──────────────────────────────────────────────────────────────────────────────────


def test_the_token_goes_to_the_api_and_not_to_the_storage(github: GitHub) -> None:
    releases = client(github)
    made = releases.create("v1.4.0", TEXT)
    asset = releases.upload(made, attachment("a.whl", b"x" * 3_000_000))
    assert b"".join(releases.download(asset)) == b"x" * 3_000_000
    logins = {one.path: one.login for one in github.calls if str(asset.id) in one.path}
    assert sorted(logins.values()) == ["", "github-actions[bot]"]


@pytest.mark.parametrize(
    "url",
    [
        "http://attacker.example/repos/o/n/releases/1/assets{?name,label}",
        "http://127.0.0.1:1/assets",
        "https://127.0.0.1/assets",
        "http://uploads.127.0.0.1.attacker.example/assets",
        "ftp://127.0.0.1/assets",
        "//attacker.example/",
        "http://127.0.0.1:99999999/assets",
        "http://[::1/assets",
        "not an address",
    ],
)
def test_no_file_and_no_token_goes_to_a_strange_address(github: GitHub, url: str) -> None:
    releases = client(github)
    there(github).upload_url = url
    made = releases.create("v1.4.0", TEXT)
    with pytest.raises(Unavailable, match="not its own"):
        releases.upload(made, attachment("a.whl", b"x"))


@pytest.mark.parametrize(
    ("api", "url"),
    [
        ("https://api.github.com", "https://uploads.github.com/repos/o/n/releases/1/assets"),
        (
            "https://ghe.example/api/v3",
            "https://ghe.example/api/uploads/repos/o/n/releases/1/assets",
        ),
        ("https://api.octo.ghe.com", "https://uploads.octo.ghe.com/repos/o/n/releases/1/assets"),
    ],
)
def test_the_hosts_for_uploads_of_every_kind_of_github_are_its_own(api: str, url: str) -> None:
    assert is_own(url, api)


def test_a_signed_address_of_a_file_is_in_no_message(github: GitHub) -> None:
    releases = client(github)
    asset = releases.upload(releases.create("v1.4.0", TEXT), attachment("a.whl", b"x"))
    for fault in (Fault.reset(path="/storage"), Fault.status(403, path="/storage")):
        github.fail(fault)
        with pytest.raises(ForgeError) as caught:
            list(releases.download(asset))
        assert "s3cr3t" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_missing_right_is_named(github: GitHub) -> None:
    releases = client(github, {"contents": "read"})
    with pytest.raises(Denied) as caught:
        releases.create("v1.4.0", TEXT)
    assert caught.value.accepted == "contents=write"


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Fault.secondary_limit(method="POST", times=9), Unavailable),
        (Fault.secondary_limit(1, status=429, method="POST", times=9), Unavailable),
        (Fault.primary_limit(60, method="POST"), Unavailable),
        (Fault.status(500, method="POST"), Unavailable),
        (Fault.reset(method="POST"), Unavailable),
        (Fault.status(422, "no", method="POST"), Rejected),
        (Fault.status(404, "Not Found", method="POST"), NotFound),
        (Fault.status(401, "Bad credentials", method="POST"), Denied),
        (Fault.status(200, method="POST"), Unavailable),
    ],
)
def test_each_answer_has_its_meaning(github: GitHub, fault: Fault, raised: type[Exception]) -> None:
    github.fail(replace(fault))  # a fault is used up
    with pytest.raises(raised):
        client(github).create("v1.4.0", TEXT)


def test_what_is_there_already_is_told_apart(github: GitHub) -> None:
    releases = client(github)
    made = releases.create("v1.4.0", TEXT)
    other = releases.create("v1.4.0", TEXT)
    releases.upload(made, attachment("a.whl", b"x"))
    with pytest.raises(Taken):
        releases.upload(made, attachment("a.whl", b"x"))
    releases.publish(made, TEXT)
    with pytest.raises(Taken):
        releases.publish(other, TEXT)
    there(github).all[made.id].immutable = True
    with pytest.raises(Sealed):
        releases.upload(made, attachment("b.whl", b"x"))


def test_drafts_are_not_published_releases(github: GitHub) -> None:
    releases = client(github)
    first = releases.publish(releases.create("v1.4.0", TEXT), TEXT)
    releases.create("v1.5.0", TEXT)
    assert [one.id for one in releases.published()] == [first.id]
    assert [one.tag for one in releases.of_tag("v1.5.0")] == ["v1.5.0"]


def test_deleting_what_is_gone_is_no_error(github: GitHub) -> None:
    releases = client(github)
    made = releases.create("v1.4.0", TEXT)
    asset = releases.upload(made, attachment("a.whl", b"x"))
    for _ in range(2):
        releases.remove(asset)
    for _ in range(2):
        releases.delete(made)
    assert there(github).all == {}


def test_a_release_with_many_files_names_them_all(github: GitHub) -> None:
    release = There(1, "v1.4.0", github.world.account("mona"))
    release.assets = {n: Asset(n, f"f{n}", b"") for n in range(1, 251)}
    there(github).all[1] = release
    assert len(client(github).read(1).assets) == 250


# ── Another emulator ─────────────────────────────────────────────────────────────────────────────


class Remembering(GitHubReleases):
    """That emulator keeps the size of a file and not its bytes; so what was sent is remembered here."""

    def upload(self, release: Release, file: Attachment) -> Any:
        with file.opened() as content:
            self.__dict__.setdefault("sent", {})[file.name] = content.read()
        return super().upload(release, file)

    def download(self, asset: Any) -> Iterator[bytes]:
        yield self.__dict__["sent"][asset.name]


@pytest.mark.node
def test_another_emulator_plays_releases_the_same(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert request.config.cache is not None
    with running(request.config.cache.mkdir("node-emulate"), tmp_path / "seed.json") as emulate:
        api = Api(Addresses(api=emulate.api_url), emulate.token, Patience(no_pause, lambda: 0.0))
        head = api.get(f"/repos/{emulate.repository}/git/ref/heads/main")["object"]["sha"]
        made = {"ref": "refs/tags/v1.4.0", "sha": head}
        api.change("POST", f"/repos/{emulate.repository}/git/refs", made, repeatable=False)
        releases = Remembering(api, emulate.repository)
        first = Publishing(order(sha=head), releases, no_pause).to_its_end()
        again = Publishing(order(sha=head), releases, no_pause).to_its_end()
        assert (first.made_public, again.made_public) == (True, False)
        assert again.release.id == first.release.id
        assert again.attached == ()
        assert names(again.release) == ALL
        assert [one.id for one in releases.published()] == [first.release.id]
        with pytest.raises(DeployError):
            Publishing(order(b"WHEEL", sha=head), releases, no_pause).to_its_end()
        for asset in again.release.assets:
            releases.remove(asset)
            releases.remove(asset)
        assert names(releases.read(first.release.id)) == set()
