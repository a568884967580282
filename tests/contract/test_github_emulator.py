"""The emulated GitHub, driven by PyGithub: by the suite that another emulator passes too, and alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from github import Auth, Github, GithubException

from deployer.gh.api import Addresses, Api
from deployer.gh.comments import GitHubComments
from deployer.gh.patience import Patience
from tests.github import Fault, GitHub
from tests.github.emulate import running


def client_of(api_url: str, token: str, *, per_page: int = 30) -> Github:
    return Github(
        auth=Auth.Token(token),
        base_url=api_url,
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
        per_page=per_page,
        lazy=True,
    )


@dataclass(frozen=True)
class Played:
    """One emulator with one open pull request."""

    api_url: str
    token: str
    repository: str
    number: int
    branch: str

    def client(self, per_page: int = 30) -> Github:
        return client_of(self.api_url, self.token, per_page=per_page)

    def pull(self, per_page: int = 30) -> Any:
        return self.client(per_page).get_repo(self.repository).get_issue(self.number)


def _ours(enterprise: bool) -> Iterator[Played]:
    with GitHub(enterprise=enterprise) as github:
        pull = github.pull(github.repository("octocat/library"), branch="feature")
        token = github.token("octocat")
        yield Played(github.api_url, token, "octocat/library", pull.number, pull.branch)


def _theirs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Played]:
    assert request.config.cache is not None
    with running(request.config.cache.mkdir("node-emulate"), tmp_path / "seed.json") as emulate:
        repository = client_of(emulate.api_url, emulate.token).get_repo(emulate.repository)
        sha = repository.get_branch("main").commit.sha
        repository.create_git_ref("refs/heads/feature", sha)
        repository.create_file("a.txt", "add a file", "text", branch="feature")
        pull = repository.create_pull(base="main", head="feature", title="A change")
        yield Played(emulate.api_url, emulate.token, emulate.repository, pull.number, "feature")


@pytest.fixture(params=["ours", "enterprise", pytest.param("npm", marks=pytest.mark.node)])
def played(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Played]:
    if request.param == "npm":
        yield from _theirs(tmp_path, request)
    else:
        yield from _ours(request.param == "enterprise")


# ── What both play ───────────────────────────────────────────────────────────────────────────────


def test_a_comment_is_created_edited_and_deleted(played: Played) -> None:
    issue = played.pull()
    made = issue.create_comment("first")
    assert (made.body, made.user.login) == ("first", "octocat")
    assert f"#issuecomment-{made.id}" in made.html_url
    made.edit("second")
    assert [one.body for one in issue.get_comments()] == ["second"]
    made.delete()
    assert list(issue.get_comments()) == []


def test_what_was_deleted_is_not_found(played: Played) -> None:
    made = played.pull().create_comment("first")
    made.delete()
    with pytest.raises(GithubException) as refused:
        made.edit("second")
    assert refused.value.status == 404


def test_comments_come_in_pages_of_thirty_unless_asked_and_of_a_hundred_at_most(
    played: Played,
) -> None:
    issue = played.pull()
    for number in range(103):
        issue.create_comment(f"comment {number}")
    url = f"{played.api_url}/repos/{played.repository}/issues/{played.number}/comments"
    headers = {"Authorization": f"Bearer {played.token}"}
    usual = requests.get(url, headers=headers, timeout=30)
    large = requests.get(url, headers=headers, params={"per_page": "1000"}, timeout=30)
    assert (len(usual.json()), len(large.json())) == (30, 100)
    assert set(usual.links) == {"next", "last"}
    assert large.links["next"]["url"] == large.links["last"]["url"]
    for size in (30, 100):
        found = [one.body for one in played.pull(size).get_comments()]
        assert found == [f"comment {number}" for number in range(103)]


def test_a_comment_on_no_pull_request_is_not_found(played: Played) -> None:
    issue = played.client().get_repo(played.repository).get_issue(played.number + 90)
    with pytest.raises(GithubException) as refused:
        issue.create_comment("first")
    assert refused.value.status == 404


def test_pull_requests_are_found_by_owner_and_branch_of_their_head(played: Played) -> None:
    repository = played.client().get_repo(played.repository)

    def numbers(head: str, state: str = "open") -> list[int]:
        return [one.number for one in repository.get_pulls(state=state, head=head)]

    assert numbers(f"octocat:{played.branch}") == [played.number]
    assert numbers(f"somebody:{played.branch}") == []
    assert numbers("octocat:other") == []
    assert numbers(f"octocat:{played.branch}", "closed") == []


def test_a_pull_request_says_where_its_head_is(played: Played) -> None:
    pull = played.client().get_repo(played.repository).get_pull(played.number)
    assert (pull.state, pull.merged, pull.head.ref) == ("open", False, played.branch)
    assert pull.head.repo.full_name == played.repository
    assert len(pull.head.sha) == 40


def test_who_a_users_token_is(played: Played) -> None:
    assert played.client().get_user().login == "octocat"


def test_our_adapter_reads_and_writes_comments_and_finds_the_pull_request(played: Played) -> None:
    addresses = Addresses(played.api_url, f"{played.api_url}/graphql")
    api = Api(addresses, played.token, Patience(lambda seconds: None, lambda: 0.0))
    comments = GitHubComments(api, played.repository)
    first = comments.create(played.number, "first")
    assert comments.edit(first, "second").body == "second"
    for number in range(101):
        comments.create(played.number, f"comment {number}")
    found = list(comments.of(played.number))
    assert (len(found), found[0].id, found[0].author) == (102, first.id, "octocat")
    [proposal] = comments.proposals_from(played.repository, played.branch)
    assert proposal == replace(comments.proposal(played.number), merge_sha=proposal.merge_sha)
    assert (proposal.number, proposal.is_open) == (played.number, True)


# ── What only ours plays ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=[False, True], ids=["github.com", "enterprise"])
def github(request: pytest.FixtureRequest) -> Iterator[GitHub]:
    with GitHub(enterprise=request.param) as served:
        yield served


def _issue(github: GitHub, token: str) -> Any:
    return client_of(github.api_url, token).get_repo("octo/library").get_issue(1)


def test_a_server_of_an_enterprise_answers_below_its_base_path_only() -> None:
    with GitHub(enterprise=True) as github:
        github.pull()
        assert github.api_url == f"{github.url}/api/v3"
        assert github.graphql_url == f"{github.url}/api/graphql"
        for base, status in ((github.url, 404), (github.api_url, 200)):
            found = requests.get(f"{base}/repos/octo/library/pulls", timeout=30)
            assert found.status_code == status


def test_links_of_pages_name_the_repository_by_its_id(github: GitHub) -> None:
    github.pull()
    for number in range(31):
        github.world.add_comment(github.repository(), 1, "octocat", str(number))
    url = f"{github.api_url}/repos/octo/library/issues/1/comments"
    link = requests.get(url, timeout=30).links["next"]["url"]
    assert link == (
        f"{github.api_url}/repositories/{github.repository().id}/issues/1/comments?page=2"
    )
    assert len(requests.get(link, timeout=30).json()) == 1


def test_a_token_without_the_permission_is_told_which_ones_are_accepted(github: GitHub) -> None:
    github.pull()
    token = github.token(permissions={"contents": "read"})
    with pytest.raises(GithubException) as refused:
        _issue(github, token).create_comment("first")
    assert refused.value.status == 403
    assert refused.value.data["message"] == "Resource not accessible by integration"
    headers = {key.lower(): value for key, value in (refused.value.headers or {}).items()}
    assert headers["x-accepted-github-permissions"] == "issues=write; pull_requests=write"


@pytest.mark.parametrize(("permission", "allowed"), [("issues", True), ("contents", False)])
def test_one_of_the_accepted_permissions_is_enough(
    github: GitHub, permission: str, allowed: bool
) -> None:
    github.pull()
    token = github.token(permissions={permission: "write"})
    if allowed:
        assert _issue(github, token).create_comment("first").user.login == "github-actions[bot]"
    else:
        with pytest.raises(GithubException):
            _issue(github, token).create_comment("first")


def test_an_unknown_token_is_refused(github: GitHub) -> None:
    github.pull()
    with pytest.raises(GithubException) as refused:
        _issue(github, "ghs_unknown").create_comment("first")
    assert refused.value.status == 401


@pytest.mark.parametrize(("body", "status"), [("x" * 65_536, 201), ("x" * 65_537, 422), (" ", 422)])
def test_a_body_has_one_to_65536_characters(github: GitHub, body: str, status: int) -> None:
    github.pull()
    url = f"{github.api_url}/repos/octo/library/issues/1/comments"
    headers = {"Authorization": f"Bearer {github.token()}"}
    assert (
        requests.post(url, json={"body": body}, headers=headers, timeout=30).status_code == status
    )


def test_the_token_of_a_workflow_learns_who_it_is_from_graphql_only(github: GitHub) -> None:
    client = client_of(github.api_url, github.token())
    with pytest.raises(GithubException) as refused:
        _ = client.get_user().login
    assert refused.value.status == 403
    _, answer = client.requester.graphql_query("query { viewer { login } }", {})
    assert answer["data"]["viewer"]["login"] == "github-actions[bot]"


def test_a_comment_is_minimised_by_graphql(github: GitHub) -> None:
    pull = github.pull()
    made = _issue(github, github.token()).create_comment("first")
    assert made.minimize("OUTDATED") is True
    assert [one.minimized for one in github.comments_of(pull)] == ["OUTDATED"]
    weak = client_of(github.api_url, github.token(permissions={}))
    with pytest.raises(GithubException) as refused:
        weak.requester.graphql_named_mutation(
            "minimizeComment",
            {"subjectId": made.node_id, "classifier": "SPAM"},
            "minimizedComment { isMinimized }",
        )
    assert "Resource not accessible" in str(refused.value)


def test_a_commit_names_the_pull_requests_that_brought_it(github: GitHub) -> None:
    repository = github.repository()
    pull = github.pull(sha="a" * 40)
    github.world.push(repository, pull, "b" * 40)
    github.world.merge(repository, pull, "c" * 40)
    found = client_of(github.api_url, github.token()).get_repo("octo/library")
    for sha in ("a" * 40, "b" * 40, "c" * 40):
        assert [one.number for one in found.get_commit(sha).get_pulls()] == [pull.number]
    with pytest.raises(GithubException) as refused:
        list(found.get_commit("d" * 40).get_pulls())
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (lambda: Fault.status(502), 502),
        (lambda: Fault.secondary_limit(7), 403),
        (lambda: Fault.secondary_limit(status=429), 429),
        (lambda: Fault.primary_limit(60), 403),
    ],
)
def test_faults_meet_the_calls_they_are_for_and_no_others(
    github: GitHub, fault: Callable[[], Fault], status: int
) -> None:
    pull = github.pull()
    trouble = fault()
    trouble.method = "POST"
    github.fail(trouble)
    issue = _issue(github, github.token())
    assert list(issue.get_comments()) == []
    with pytest.raises(GithubException) as refused:
        issue.create_comment("first")
    assert refused.value.status == status
    assert github.comments_of(pull) == []
    issue.create_comment("second")
    assert [one.body for one in github.comments_of(pull)] == ["second"]


def test_a_connection_may_break_after_the_call_was_carried_out(github: GitHub) -> None:
    pull = github.pull()
    github.fail(Fault.reset(method="POST", applied=True))
    with pytest.raises(requests.ConnectionError):
        _issue(github, github.token()).create_comment("first")
    assert [one.body for one in github.comments_of(pull)] == ["first"]


def test_what_others_do_meanwhile_happens_right_before_a_call(github: GitHub) -> None:
    pull = github.pull()
    repository = github.repository()
    github.before(
        "POST", "/comments$", lambda: github.world.add_comment(repository, 1, "x", "rival")
    )
    _issue(github, github.token()).create_comment("ours")
    assert [one.body for one in github.comments_of(pull)] == ["rival", "ours"]


def test_names_of_comments_in_graphql_are_no_ids(github: GitHub) -> None:
    github.pull()
    made = _issue(github, github.token()).create_comment("first")
    assert (
        base64.urlsafe_b64decode(made.node_id.removeprefix("IC_") + "==") == str(made.id).encode()
    )
