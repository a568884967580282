"""What releases send, and what the emulated GitHub answers, against GitHub's own description of its API.

The description (OpenAPI) comes from npm, as Octokit publishes it. Accounts inside of answers are not
compared: the emulator gives only what somebody reads of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import requests

from deployer.release.publishing import Publishing
from tests.contract.test_github_releases import REPOSITORY, client, no_pause, order
from tests.from_npm import modules
from tests.github import GitHub
from tests.github.releases import releases_of

PACKAGE = "@octokit/openapi@23.0.2"
FILES = {"github.com": "api.github.com.json", "enterprise": "ghes-3.19.json"}
SHA = "a" * 40
pytestmark = pytest.mark.node


class Description:
    """GitHub's description of one kind of GitHub."""

    def __init__(self, document: Any) -> None:
        schemas = document["components"]["schemas"]
        schemas |= {name: {"type": "object"} for name in ("simple-user", "nullable-simple-user")}
        self._schemas = _with_null(schemas)
        self._operations = [
            (method.upper(), _pattern(path), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]

    def operation(self, method: str, path: str) -> Any:
        """The operation of a call; the most literal path of those that fit."""
        fitting = [(p, o) for m, p, o in self._operations if m == method and p.fullmatch(path)]
        assert fitting, f"GitHub has no {method} {path}"
        return min(fitting, key=lambda one: one[0].pattern.count("[^"))[1]

    def check(self, value: Any, schema: Any) -> None:
        """Whether `value` fits. Raises ValidationError."""
        whole = {**_with_null(schema), "components": {"schemas": self._schemas}}
        jsonschema.validate(value, whole, cls=jsonschema.Draft4Validator)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    # A ref may have slashes in it.
    found = [
        re.escape(part) if at % 2 == 0 else ".+" if part == "ref" else "[^/]+"
        for at, part in enumerate(parts)
    ]
    return re.compile("".join(found))


def _with_null(schema: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON schema has a type `null`."""
    if isinstance(schema, list):
        return [_with_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _with_null(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [inner, {"type": "null"}]} if schema.get("nullable") is True else inner


@pytest.fixture(scope="module", params=list(FILES))
def played(request: pytest.FixtureRequest) -> Iterator[tuple[GitHub, Description]]:
    assert request.config.cache is not None
    folder = modules(request.config.cache.mkdir("node"), PACKAGE)
    file = folder / "@octokit" / "openapi" / "generated" / FILES[request.param]
    with GitHub(enterprise=request.param == "enterprise") as github:
        releases = releases_of(github.repository(REPOSITORY))
        releases.tags["v1.4.0"], releases.annotated["c" * 40] = "c" * 40, SHA
        yield github, Description(json.loads(file.read_text(encoding="utf-8")))


def test_what_is_sent_is_what_the_description_asks_for(
    played: tuple[GitHub, Description],
) -> None:
    github, description = played
    Publishing(order(notes=""), client(github), no_pause).to_its_end()
    list(client(github).published())
    sent = [one for one in github.calls if not one.path.startswith("/storage/")]
    assert {one.method for one in sent} == {"GET", "POST", "PATCH"}
    for one in sent:
        operation = description.operation(one.method, one.path)
        known = {
            each.get("name") or each["$ref"].split("/")[-1] for each in operation["parameters"]
        }
        assert {name.replace("_", "-") for name in one.query} <= {
            name.replace("_", "-") for name in known
        }
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert bool(one.body) == bool(operation.get("requestBody")), one.path
        if body:
            asked = json.loads(one.body)
            description.check(asked, body["schema"])
            assert set(asked) <= set(body["schema"]["properties"])


@pytest.mark.parametrize(
    "path",
    [
        "releases",
        "releases/tags/v1.4.0",
        "releases/{release}",
        "releases/{release}/assets",
        "releases/assets/{asset}",
        "git/ref/tags/v1.4.0",
        "git/tags/" + "c" * 40,
    ],
)
def test_what_the_emulated_one_answers_is_what_the_description_says(
    played: tuple[GitHub, Description], path: str
) -> None:
    github, description = played
    if not releases_of(github.repository(REPOSITORY)).all:
        Publishing(order(), client(github), no_pause).to_its_end()
    (release,) = releases_of(github.repository(REPOSITORY)).all.values()
    named = path.format(release=release.id, asset=min(release.assets))
    whole = f"/repos/{REPOSITORY}/{named}"
    answer = requests.get(github.api_url + whole, headers={"User-Agent": "x"}, timeout=10)
    content = description.operation("GET", whole)["responses"]["200"]["content"]
    description.check(answer.json(), content["application/json"]["schema"])
