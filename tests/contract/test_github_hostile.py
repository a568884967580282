"""What speaks in GitHub's place may answer anything: the adapter knows it as an error of `forge`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.conversation.ports import Posted, Proposal
from deployer.forge import ForgeError
from deployer.gh.api import Addresses, Api
from deployer.gh.comments import GitHubComments
from deployer.gh.patience import Patience
from tests.contract.scripted_server import Reply, Seen, serving

COMMENT = Posted(1, "IC_1", "octocat", False, "body", "")
CALLS: Mapping[str, Callable[[GitHubComments], Any]] = {
    "viewer": lambda one: one.viewer(),
    "of": lambda one: list(one.of(7)),
    "create": lambda one: one.create(7, "text"),
    "edit": lambda one: one.edit(COMMENT, "text"),
    "minimise": lambda one: one.minimise(COMMENT),
    "proposal": lambda one: one.proposal(7),
    "proposals-from": lambda one: one.proposals_from("o/r", "b"),
    "proposals-of": lambda one: one.proposals_of("a" * 40),
}
EACH_CALL = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
KEYS = (
    "id", "number", "user", "body", "head", "repo", "state", "login", "data", "viewer", "errors",
    "message", "type", "full_name", "merged_at", "html_url", "node_id", "ref",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def adapter(url: str) -> GitHubComments:
    addresses = Addresses(url, f"{url}/graphql", url)
    return GitHubComments(
        Api(addresses, "ghs_secret", Patience(lambda _: None, lambda: 0.0)), "o/r"
    )


ANSWERS: Mapping[str, Reply] = {
    "list": Reply(500, b"[1]"),
    "list-no": Reply(403, b"[]"),
    "text": Reply(404, b'"gone"'),
    "number": Reply(422, b"7"),
    "null": Reply(403, b"null"),
    "html": Reply(502, b"<html>::error::x</html>", {"Content-Type": "text/html"}),
    "html-200": Reply(200, b"<html>please log in</html>", {"Content-Type": "text/html"}),
    "cut": Reply(200, b'{"id": 1, "bo'),
    "binary": Reply(200, b"\xff\xfe\x00"),
    "zip": Reply(200, b"no zip", {"Content-Encoding": "gzip"}),
    "message-list": Reply(403, b'{"message": ["x"], "errors": {"a": 1}}'),
    "errors": Reply(422, b'{"message": "no", "errors": ["x", {"message": 7}, null]}'),
    "short": Reply(200, b"{}", announced=500),
    "elsewhere": Reply(302, b"", {"Location": "https://evil.example/x"}),
    "nowhere": Reply(301, b"", {"Location": "//:x"}),
    "teapot": Reply(418, b"{}"),
}


@EACH_CALL
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_github_never_gives_is_an_error_that_callers_know(
    call: Callable[[GitHubComments], Any], answer: Reply
) -> None:
    with serving(lambda _: answer) as server:
        try:
            found = call(adapter(server.url))
        except ForgeError as error:
            found = None
            told = str(error)
        else:
            told = ""
    assert found in (None, [], ()), told
    assert "ghs_secret" not in told
    assert "\n" not in told
    assert len(told) < 500


def test_a_list_without_end_is_read_to_a_bound() -> None:
    def more(seen: Seen) -> Reply:
        link = f'<http://{seen.headers["Host"]}/repos/o/r/issues/7/comments?page=2>; rel="next"'
        return Reply(200, b'[{"id": 1, "user": null, "body": null}]', {"Link": link})

    with serving(more) as server:
        assert len(list(adapter(server.url).of(7))) == 60


def test_the_token_goes_to_no_other_host() -> None:
    def elsewhere(_: Seen) -> Reply:
        return Reply(200, b"[]", {"Link": f'<{other.url}/steal>; rel="next"'})

    with serving(lambda _: Reply(200, b"[]")) as other, serving(elsewhere) as server:
        with pytest.raises(ForgeError):
            list(adapter(server.url).of(7))
        assert other.seen == []
        assert {one.headers["Authorization"] for one in server.seen} == {"token ghs_secret"}


@given(JSON, st.sampled_from(list(CALLS.values())))
def test_any_json_is_read_as_values_or_refused(
    answer: object, call: Callable[[GitHubComments], Any]
) -> None:
    class Scripted(Api):
        def __init__(self) -> None:
            """Reads nothing; every answer is the same."""

        def _send(self, *_: Any, **__: Any) -> tuple[Mapping[str, str], Any]:
            return {}, json.loads(json.dumps(answer))

        def change(self, *_: Any, **__: Any) -> Any:
            return answer

        def ask(self, *_: Any, **__: Any) -> Mapping[str, Any]:
            return answer if isinstance(answer, dict) else {}

    try:
        found = call(GitHubComments(Scripted(), "o/r"))
    except ForgeError:
        return
    values = [found] if isinstance(found, Posted | Proposal | str) else list(found or ())
    for one in values:
        assert isinstance(one, Posted | Proposal | str)
