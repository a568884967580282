"""Claims become a policy to paste, and words that are true of them."""

from __future__ import annotations

import base64
import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.platforms.databricks import federation
from deployer.platforms.databricks.federation import CREATE

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["iss", "aud", "sub", "exp", "nbf", "iat", "repository_id", "repository_owner_id", "ref"]
)
CLAIMS = st.dictionaries(NAMES | st.text(), JSON, max_size=8)
NAME = st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True)
REST = st.sampled_from(
    ["pull_request", "ref:refs/heads/main", "environment:prod", "environment:a:b"]
)


def token(claims: object) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.c2ln"


@given(CLAIMS)
def test_claims_are_read_back_from_a_token(claims: dict[str, Any]) -> None:
    assert federation.claims_of(token(claims)) == claims


@given(st.text() | st.lists(st.text(), max_size=4).map(".".join))
def test_any_text_is_a_token_or_none(text: str) -> None:
    found = federation.claims_of(text)
    assert found is None or isinstance(found, dict)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "e30.W10.x", f"e30.{'A' * 5}.x"])
def test_what_is_no_token_has_no_claims(text: str) -> None:
    assert federation.claims_of(text) is None


@given(CLAIMS, st.none() | st.floats(0, 4e9), st.floats(0, 4e9))
def test_every_claim_can_be_spoken_about(
    claims: dict[str, Any], workspace_s: float | None, local_s: float
) -> None:
    said = "\n".join(
        (
            federation.about_forms(claims),
            federation.caution(claims),
            federation.about_clocks(claims, workspace_s, local_s),
        )
    )
    assert "\x00" not in said
    shown = federation.shown(claims)
    assert len(shown.splitlines()) <= 11
    assert all(len(line) < 350 for line in shown.splitlines())


@given(CLAIMS)
def test_the_command_hands_the_policy_over_as_it_is(claims: dict[str, Any]) -> None:
    text = federation.to_paste(claims)
    command = text[text.index(CREATE) :].rpartition("\n\nOr in")[0]
    *_, document = shlex.split(command)
    assert json.loads(document) == federation.policy(claims)


@given(NAME, NAME, REST, st.integers(1, 10**9), st.integers(1, 10**9))
def test_the_two_forms_of_a_subject_are_each_the_other_of_the_other(
    owner: str, name: str, rest: str, owner_id: int, name_id: int
) -> None:
    older = f"repo:{owner}/{name}:{rest}"
    newer = f"repo:{owner}@{owner_id}/{name}@{name_id}:{rest}"
    ids = {"repository_owner_id": str(owner_id), "repository_id": str(name_id)}
    of_older = federation.subject({"sub": older, **ids})
    of_newer = federation.subject({"sub": newer, **ids})
    assert (of_older.has_ids, of_older.other) == (False, newer)
    assert (of_newer.has_ids, of_newer.other) == (True, older)
    assert of_older.rest == of_newer.rest == rest


@pytest.mark.parametrize("sub", ["", "repo:o/r", "repo:o@1/r:pull_request", "job_workflow_ref:x"])
def test_a_subject_of_another_form_has_no_counterpart(sub: str) -> None:
    found = federation.subject({"sub": sub, "repository_id": "1", "repository_owner_id": "2"})
    assert (found.has_ids, found.other) == (None, "")


def test_only_a_subject_with_an_environment_needs_no_caution() -> None:
    def cautious(sub: str) -> bool:
        return bool(federation.caution({"sub": sub}))

    assert not cautious("repo:o/r:environment:prod")
    assert not cautious("repo:o@1/r@2:environment:prod")
    assert not cautious("repository_owner_id:1:environment:prod:ref:refs/heads/main")
    assert cautious("repo:o/r:pull_request")
    assert cautious("repo:o/r:ref:refs/heads/environment")
    assert cautious("repo:o/r:ref:refs/tags/v1")
    assert cautious("")


def test_clocks_that_agree_are_not_spoken_of() -> None:
    claims = {"iat": 1000, "nbf": 1000, "exp": 1300}
    assert federation.about_clocks(claims, 1100, 1100) == ""
    assert federation.about_clocks(claims, 1100, 1130) == ""
    assert federation.about_clocks(claims, None, 9e9) == ""


def test_a_machine_that_is_off_is_told_in_its_direction() -> None:
    claims = {"iat": 1000, "exp": 1300}
    ahead = federation.about_clocks(claims, 1100, 1100 + 7500)
    assert ahead == "This machine's clock is 2 h 5 min ahead of the workspace's."
    behind = federation.about_clocks(claims, 1100 + 90_000, 1100)
    assert "expired 1 d" in behind
    assert behind.endswith("This machine's clock is 1 d 1 h behind the workspace's.")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (90_061, "1 d 1 h")]
)
def test_a_span_of_time_is_told_in_two_units(seconds: float, said: str) -> None:
    assert federation.span(seconds) == said
