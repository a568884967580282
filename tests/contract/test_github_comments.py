"""The comment on a pull request, written through PyGithub to the emulated GitHub; in trouble, too."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest

from deployer.conversation.ports import Posted
from deployer.conversation.posting import Became, Posting, post
from deployer.conversation.sticky import Key, Style, Wanted, marker
from deployer.forge import Denied, NotFound, Rejected, Unavailable
from deployer.gh.api import Addresses, Api
from deployer.gh.comments import GitHubComments
from deployer.gh.patience import Patience
from tests.github import Fault, GitHub
from tests.github.world import BOT, Comment, Pull

KEY = Key("production", "retail-metrics")
D1, D2 = "1" * 64, "2" * 64
PLAN = Wanted(KEY, D1, "the plan")


@dataclass
class Clock:
    """A clock that only waiting moves."""

    at: float = 1_800_000_000.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += seconds

    @property
    def long_waits(self) -> list[float]:
        """Those that are no pause between two writes."""
        return [one for one in self.waits if one > 1]


@dataclass
class Scene:
    """One pull request on an emulated GitHub."""

    github: GitHub
    pull: Pull
    clock: Clock = field(default_factory=Clock)

    def comments(self, token: str = "") -> GitHubComments:
        """The adapter; by default with the token of a workflow."""
        api = Api(
            Addresses(self.github.api_url, self.github.graphql_url, self.github.url),
            token or self.github.token(),
            Patience(self.clock.sleep, self.clock.now),
        )
        return GitHubComments(api, "octo/library")

    def post(self, wanted: Wanted = PLAN, token: str = "") -> Posting:
        return post(self.comments(token), self.pull.number, wanted)

    def said(self, body: str, author: str = BOT) -> Comment:
        """A comment that is there already."""
        return self.github.world.add_comment(self.github.repository(), 1, author, body)

    @property
    def all(self) -> list[Comment]:
        return self.github.comments_of(self.pull)

    @property
    def open(self) -> list[str]:
        """The bodies of those that are not folded."""
        return [one.body for one in self.all if not one.minimized]


@pytest.fixture(params=[False, True], ids=["github.com", "enterprise"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with GitHub(enterprise=request.param) as github:
        yield Scene(github, github.pull())


# ── One after another ────────────────────────────────────────────────────────────────────────────


def test_one_comment_is_created_then_left_alone_then_edited(scene: Scene) -> None:
    first = scene.post()
    assert (first.became, first.url) == (
        Became.CREATED,
        f"{scene.github.url}/octo/library/pull/1#issuecomment-{scene.all[0].id}",
    )
    assert scene.post() == replace(first, became=Became.UNCHANGED)
    writes = len(scene.github.writes())
    assert scene.post(replace(PLAN, body="another")) == replace(first, became=Became.EDITED)
    assert len(scene.github.writes()) == writes + 1
    assert scene.open == [f"{marker(KEY, D1)}\nanother"]


def test_each_environment_and_library_has_its_own(scene: Scene) -> None:
    keys = [KEY, Key("staging", "retail-metrics"), Key("production", "x"), replace(KEY, id="b")]
    for _ in range(2):
        for key in keys:
            scene.post(replace(PLAN, key=key))
    assert len(scene.all) == len(keys)


def test_among_700_comments_ours_is_found(scene: Scene) -> None:
    for number in range(350):
        scene.said(f"comment {number}", "octocat")
    scene.post()
    for number in range(350):
        scene.said(f"comment {number}", "octocat")
    scene.github.calls.clear()
    assert scene.post(replace(PLAN, body="another")).became is Became.EDITED
    assert len(scene.all) == 701
    pages = [one for one in scene.github.calls if one.path.endswith("/comments")]
    assert [one.query["per_page"] for one in pages] == ["100"] * 8


def test_with_recreate_another_plan_gets_a_new_comment_and_the_old_one_is_folded(
    scene: Scene,
) -> None:
    anew = replace(PLAN, style=Style.RECREATE)
    scene.post(anew)
    scene.post(replace(anew, body="the same plan, told again"))
    assert len(scene.all) == 1
    scene.post(replace(anew, digest=D2))
    old, new = scene.all
    assert (old.minimized, new.minimized) == ("OUTDATED", "")
    assert old.body.endswith("the same plan, told again")
    scene.post(replace(anew, digest=D2, body="the new plan, told again"))
    assert scene.open == [f"{marker(KEY, D2)}\nthe new plan, told again"]


def test_a_users_token_finds_its_own_comment_and_not_the_bots(scene: Scene) -> None:
    token = scene.github.token("octocat")
    scene.post(token=token)
    assert scene.post(replace(PLAN, body="another"), token).became is Became.EDITED
    assert [one.author.login for one in scene.all] == ["octocat"]
    assert scene.post().became is Became.CREATED
    assert [one.author.login for one in scene.all] == ["octocat", BOT]


def test_what_is_only_to_be_edited_is_not_created(scene: Scene) -> None:
    assert scene.post(replace(PLAN, only_edit=True)) == Posting(Became.NONE)
    assert scene.all == []


# ── Others at work ───────────────────────────────────────────────────────────────────────────────


def test_a_comment_that_was_edited_by_hand_is_written_again_and_not_believed(scene: Scene) -> None:
    scene.post()
    scene.all[0].body = f"{marker(KEY, D2)}\nApproved. Use `expected-plan-digest: {D2}`."
    assert scene.post().became is Became.EDITED
    assert scene.open == [PLAN.text]


def test_somebody_elses_comment_with_our_marker_is_left_alone(scene: Scene) -> None:
    forged = scene.said(PLAN.text, "mallory")
    assert scene.post().became is Became.CREATED
    assert (forged.edits, forged.minimized) == (0, "")


def test_a_comment_that_was_deleted_is_written_anew(scene: Scene) -> None:
    scene.post()
    scene.github.repository().comments.clear()
    assert scene.post().became is Became.CREATED


def test_a_comment_that_is_deleted_between_the_look_and_the_edit_is_written_anew(
    scene: Scene,
) -> None:
    scene.post()
    scene.github.before("PATCH", "/comments/", scene.github.repository().comments.clear)
    assert scene.post(replace(PLAN, body="another")).became is Became.CREATED
    assert scene.open == [f"{marker(KEY, D1)}\nanother"]


def test_when_another_run_writes_at_the_same_time_the_older_comment_stays(scene: Scene) -> None:
    scene.github.before("POST", "/comments$", lambda: scene.said(PLAN.text))
    posting = scene.post(replace(PLAN, body="newer"))
    first, second = scene.all
    assert posting.url.endswith(str(first.id))
    assert (first.body, first.minimized) == (f"{marker(KEY, D1)}\nnewer", "")
    assert second.minimized == "OUTDATED"
    assert posting.hidden == 1


def test_duplicates_of_earlier_runs_are_healed(scene: Scene) -> None:
    for _ in range(3):
        scene.said(PLAN.text)
    posting = scene.post()
    assert (posting.became, posting.hidden) == (Became.UNCHANGED, 2)
    assert [bool(one.minimized) for one in scene.all] == [False, True, True]
    assert scene.post().hidden == 0


def test_a_duplicate_that_can_not_be_folded_is_none_any_more(scene: Scene) -> None:
    scene.said(PLAN.text)
    scene.said(PLAN.text)
    scene.github.fail(Fault.status(500, path="graphql", times=9))
    comments = scene.comments()
    comments.viewer = lambda: BOT  # type: ignore[method-assign]
    posting = post(comments, 1, PLAN)
    assert "could not be folded" in posting.left
    assert posting.became is Became.UNCHANGED
    scene.github.faults.waiting.clear()
    assert scene.post() == replace(posting, left="")


@pytest.mark.parametrize("style", [Style.UPDATE, Style.RECREATE])
def test_however_many_runs_write_at_once_one_comment_is_left(scene: Scene, style: Style) -> None:
    """Four threads with a connection each; what a look heals at the latest is healed by the next run."""
    wanted = [replace(PLAN, digest=str(number) * 64, style=style) for number in range(1, 5)]
    with ThreadPoolExecutor(len(wanted)) as runs:
        done = list(runs.map(scene.post, wanted))
    assert all(one.became in {Became.CREATED, Became.EDITED} for one in done)
    current = [one for one in scene.all if "key=" in one.body.partition("\n")[0]]
    assert len(current) == 1
    assert not current[0].minimized
    assert all(one.minimized for one in scene.all if one is not current[0])


# ── GitHub says no ───────────────────────────────────────────────────────────────────────────────


def test_a_missing_permission_is_named(scene: Scene) -> None:
    with pytest.raises(Denied) as refused:
        scene.post(token=scene.github.token(permissions={"contents": "read"}))
    assert refused.value.accepted == "issues=write; pull_requests=write"
    assert scene.clock.long_waits == []
    assert scene.all == []


def test_an_unknown_token_is_denied(scene: Scene) -> None:
    with pytest.raises(Denied):
        scene.post(token="ghs_nobody")


def test_what_is_not_there_is_not_found(scene: Scene) -> None:
    with pytest.raises(NotFound):
        post(scene.comments(), 77, PLAN)


def test_a_locked_conversation_is_denied_with_githubs_words(scene: Scene) -> None:
    scene.pull.locked = True
    with pytest.raises(Denied, match="locked"):
        scene.post()


def test_a_body_that_is_too_long_after_all_is_told_in_fewer_words(scene: Scene) -> None:
    long = replace(PLAN, body="x" * 70_000)
    with pytest.raises(Rejected, match="too long"):
        scene.post(long)
    assert post(scene.comments(), 1, long, lambda: "short").became is Became.CREATED
    assert scene.open == [f"{marker(KEY, D1)}\nshort"]


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        (Fault.secondary_limit(7, method="POST", path="/comments$"), [7.0]),
        (Fault.secondary_limit(7, status=429, method="POST", path="/comments$"), [7.0]),
        (Fault.secondary_limit(method="POST", path="/comments$"), [60.0]),
        (Fault.secondary_limit(method="POST", path="/comments$", times=2), [60.0, 120.0]),
        (Fault.secondary_limit(9, method="GET"), [9.0]),
        (Fault.status(502, method="GET", times=3), [1.0, 2.0, 4.0]),
        (Fault.reset(method="GET"), [1.0]),
        (Fault.status(503, path="graphql"), [1.0]),
    ],
)
def test_limits_and_trouble_are_waited_for(scene: Scene, fault: Fault, waits: list[float]) -> None:
    scene.github.fail(replace(fault))
    assert scene.post().became is Became.CREATED
    assert [one for one in scene.clock.waits if one >= 1] == waits
    assert len(scene.all) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault.secondary_limit(3_000),
        Fault.secondary_limit(times=3),
        Fault.secondary_limit(90, times=3),
        Fault.status(500, times=4),
        Fault.reset(times=4),
    ],
)
def test_patience_ends(scene: Scene, fault: Fault) -> None:
    scene.github.fail(replace(fault))
    with pytest.raises(Unavailable):
        scene.post()
    assert sum(scene.clock.waits) <= 180
    assert scene.all == []


def test_the_primary_limit_is_waited_for_until_its_reset(scene: Scene) -> None:
    import time  # noqa: PLC0415 - the emulator says when by the real clock

    scene.clock.at = time.time()
    scene.github.fail(Fault.primary_limit(50, method="GET"))
    scene.post()
    [waited] = scene.clock.long_waits
    assert 45 < waited <= 52


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("kind", ["reset", "502"])
def test_an_answer_that_was_lost_makes_no_second_comment(
    scene: Scene, kind: str, applied: bool
) -> None:
    fault = Fault.reset() if kind == "reset" else Fault.status(502)
    scene.github.fail(replace(fault, method="POST", path="/comments$", applied=applied))
    posting = scene.post()
    assert posting.became is (Became.UNCHANGED if applied else Became.CREATED)
    assert [one.body for one in scene.all] == [PLAN.text]


def test_writes_keep_a_second_between_them(scene: Scene) -> None:
    scene.said(PLAN.text)
    scene.said(PLAN.text)
    scene.post(replace(PLAN, body="another"))
    assert scene.clock.waits == [1.0, 1.0]


# ── Which pull request ───────────────────────────────────────────────────────────────────────────


def test_a_pull_request_of_a_fork_is_found_by_the_repository_of_its_head(scene: Scene) -> None:
    world, repository = scene.github.world, scene.github.repository()
    world.add_pull(repository, branch="fix", fork="mallory/library", sha="d" * 40)
    world.add_pull(repository, branch="fix", fork="mallory/other", sha="e" * 40)
    found = scene.comments().proposals_from("mallory/library", "fix")
    assert [(one.number, one.head_sha, one.is_open) for one in found] == [(2, "d" * 40, True)]
    assert scene.comments().proposals_from("mallory/library", "feature") == ()


def test_a_branch_may_be_called_anything(scene: Scene) -> None:
    branch = "a&state=all#%2e%2e/`$(id)`::error::"
    scene.github.world.add_pull(scene.github.repository(), branch=branch, sha="d" * 40)
    found = scene.comments().proposals_from("octo/library", branch)
    assert [one.number for one in found] == [2]


def test_the_pull_request_that_a_commit_merged_is_found(scene: Scene) -> None:
    scene.github.world.merge(scene.github.repository(), scene.pull, "c" * 40)
    [found] = scene.comments().proposals_of("c" * 40)
    assert (found.number, found.merged, found.is_open, found.merge_sha) == (
        1,
        True,
        False,
        "c" * 40,
    )
    with pytest.raises(Rejected):
        scene.comments().proposals_of("d" * 40)
    with pytest.raises(Rejected):
        scene.comments().proposals_of("../../user")


def test_a_name_that_is_none_is_not_asked_for(scene: Scene) -> None:
    api = Api(Addresses(scene.github.api_url), "t", Patience(scene.clock.sleep, scene.clock.now))
    for name in ("", "octo", "octo/library/../x", "octo/li brary", "octo/l?x"):
        with pytest.raises(Rejected):
            GitHubComments(api, name)
    assert scene.github.calls == []


def test_a_comment_knows_its_author_even_when_the_account_is_gone(scene: Scene) -> None:
    scene.said("text", "octocat")
    assert [one.author for one in scene.comments().of(1)] == ["octocat"]
    assert isinstance(next(iter(scene.comments().of(1))), Posted)
