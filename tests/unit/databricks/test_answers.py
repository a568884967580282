"""What errors of the API mean."""

from __future__ import annotations

import json

import pytest

from deployer.deployment.ports import AlreadyExists, Denied, NotFound, Refused
from deployer.platforms.databricks.answers import (
    Answer,
    error_words,
    is_unauthenticated,
    problem,
)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (404, "RESOURCE_DOES_NOT_EXIST", "Job 7 does not exist.", NotFound),
        (404, "", "", NotFound),
        (400, "INVALID_PARAMETER_VALUE", "Job 7 does not exist.", NotFound),
        (400, "INVALID_PARAMETER_VALUE", "Run: 3 in job: 7 doesn't exist", NotFound),
        (400, "RESOURCE_DOES_NOT_EXIST", "Path (/x) doesn't exist.", NotFound),
        (400, "INVALID_PARAMETER_VALUE", "Environment key e does not exist", Refused),
        (403, "PERMISSION_DENIED", "User x does not have View permissions on job 7", Denied),
        (403, "", "", Denied),
        (400, "PERMISSION_DENIED", "no", Denied),
        (409, "RESOURCE_ALREADY_EXISTS", "Path (/x) already exists.", AlreadyExists),
        (400, "", "Path (/x) already exists.", AlreadyExists),
        (400, "RESOURCE_ALREADY_EXISTS", "/x", AlreadyExists),
        (409, "ABORTED", "Two writers met.", Refused),
        (400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "too large", Refused),
        (413, "", "", Refused),
        (302, "", "The answer is a redirect to https://login.example.com.", Refused),
    ],
)
def test_an_error_becomes_the_exception_that_callers_know(
    status: int, code: str, message: str, kind: type[Exception]
) -> None:
    error = problem(Answer(status, code=code, message=message), "POST /api/2.2/jobs/update")
    assert type(error) is kind
    assert message in str(error)


def test_an_error_without_words_names_the_call() -> None:
    error = problem(Answer(403), "POST /api/2.2/jobs/reset")
    assert str(error) == "POST /api/2.2/jobs/reset was answered with 403 and no message."


def test_a_refusal_tells_its_code() -> None:
    error = problem(Answer(400, code="QUOTA_EXCEEDED", message="Too many."), "POST /x")
    assert str(error) == "Too many. (400 QUOTA_EXCEEDED)"


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error_code": "X", "message": "m"}, "X", "m"),
        ({"error_code": 403, "message": "Invalid access token."}, "403", "Invalid access token."),
        ({"detail": "scim words", "status": "404"}, "", "scim words"),
        ({"error": "invalid_client", "error_description": "why"}, "", "why"),
        ({"message": 5}, "", ""),
        ([1], "", "[1]"),
    ],
)
def test_error_bodies_come_in_several_shapes(body: object, code: str, message: str) -> None:
    assert error_words(json.dumps(body).encode()) == (code, message)


def test_a_page_of_a_proxy_is_reduced_to_its_words() -> None:
    page = b"<html><head><style>p {}</style></head><body><h1>502</h1>\n<p>Bad   gateway</body>"
    assert error_words(page) == ("", "502 Bad gateway")


def test_long_messages_are_cut() -> None:
    _, message = error_words(b"x" * 10_000)
    assert len(message) == 500
    assert message.endswith("…")


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert error_words(b"\xff\xfe")[0] == ""


def test_a_bad_token_is_recognised_behind_both_of_its_statuses() -> None:
    assert is_unauthenticated(Answer(401))
    assert is_unauthenticated(Answer(403, message="Invalid access token. [ReqId: 1]"))
    assert not is_unauthenticated(Answer(403, message="User x does not have View permissions"))
