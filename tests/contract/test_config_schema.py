"""docs/spark-deploy.schema.json and the parser agree on what a configuration is."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from deployer.config.environments import FILE_INPUTS
from deployer.config.file import read_configuration
from deployer.config.starter import Seen, configuration_text
from deployer.contract import INPUTS, InputType
from deployer.errors import DeployError
from tools.config_schema import config_schema
from tools.generate import CONFIG_SCHEMA, REPOSITORY

SCHEMA: dict[str, Any] = json.loads((REPOSITORY / CONFIG_SCHEMA).read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
CONFIGURATION = (REPOSITORY / "docs/configuration.md").read_text(encoding="utf-8")
ROOT = {"version": 1, "environments": {"prod": {"root": "/x"}}}


class Yaml12(yaml.SafeLoader):
    """Reads scalars by the core schema of YAML 1.2, as editors do."""


Yaml12.yaml_implicit_resolvers = {}
for tag, form, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    Yaml12.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{form})$"), first)


def parser_takes(text: str) -> bool:
    try:
        read_configuration(text.encode(), "spark-deploy.yml")
    except DeployError:
        return False
    return True


def schema_takes(text: str) -> bool:
    return VALIDATOR.is_valid(yaml.load(text, Loader=Yaml12))


def test_the_schema_is_one_and_is_up_to_date() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert (REPOSITORY / CONFIG_SCHEMA).read_text(encoding="utf-8") == config_schema()


def test_the_schema_explains_every_key_that_the_file_may_have() -> None:
    defaults = SCHEMA["properties"]["defaults"]["properties"]
    environment = SCHEMA["properties"]["environments"]["additionalProperties"]["properties"]
    assert set(defaults) == {one.file_key for one in INPUTS if one.in_file}
    assert set(environment) == {*defaults, "branches", "releases"}
    for key, one in FILE_INPUTS.items():
        assert environment[key]["description"].startswith(one.meaning)


def test_the_example_of_the_documentation_is_taken_by_both() -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", CONFIGURATION, re.S | re.M)
    assert parser_takes(shown)
    assert schema_takes(shown)


def test_the_first_configuration_is_taken_by_both() -> None:
    for seen in (Seen(), Seen("x", "trunk", "prod", "https://h", "1-2", "/Volumes/a/b/c")):
        assert parser_takes(configuration_text(seen))
        assert schema_takes(configuration_text(seen))


GOOD = [
    "/Volumes/a/b/c",
    "true",
    "7d",
    "12 h",
    "3",
    "same-major",
    "exact",
    "skip",
    "pat",
    "main",
    "release/*",
]
ODD = [
    "on",
    "no",
    "1.4.0",
    "1.10",
    "${{ x }}",
    "${x}",
    " x",
    "x ",
    "",
    "a\nb",
    "~",
    "null",
    "!main",
    "a b",
]
TEXTS = st.text(st.characters(exclude_categories=["C"]), max_size=6) | st.sampled_from(
    [*GOOD, *ODD]
)
SCALARS = (
    TEXTS
    | st.booleans()
    | st.integers(-2, 2**31)
    | st.none()
    | st.floats(0, 9).filter(lambda x: x % 1)
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.just({"a": 1})
KEYS = st.sampled_from([*FILE_INPUTS, "branches", "releases", "token", "rooot", "host"])
TABLES = st.dictionaries(KEYS, VALUES, max_size=3)
DOCUMENTS = st.fixed_dictionaries(
    {
        "version": st.sampled_from([1, 1, 1, 1, "1", 2, None]),
        "environments": st.dictionaries(
            st.sampled_from(["dev", "prod", "a b", "1", ""]), TABLES | st.none(), max_size=2
        ),
    },
    optional={"defaults": TABLES | st.none(), "surplus": st.just(1)},
)


class Writer(yaml.SafeDumper):
    """Writes no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def as_yaml(document: object) -> str:
    """Texts in quotes, so that both readers agree on what is a text; everything else bare."""
    return yaml.dump(document, Dumper=Writer, default_style=None, allow_unicode=True)


def beyond_a_schema(document: dict[str, Any]) -> bool:
    """What only the program knows: which texts are versions, that a branch stands once, and `releases`."""
    tables = [document.get("defaults"), *document["environments"].values()]
    found = [table for table in tables if isinstance(table, dict)]
    lists = {key for key, one in FILE_INPUTS.items() if one.type is InputType.LIST}
    branches = [
        str(one)
        for table in found
        for value in [table.get("branches", [])]
        for one in (value if isinstance(value, list) else [value])
    ]
    releases = [table for table in found if str(table.get("releases")).lower() == "true"]
    twice = len(set(branches)) < len(branches) or len(releases) > 1
    return any(lists & set(table) for table in found) or twice


@given(DOCUMENTS)
@example(ROOT)
@example({**ROOT, "defaults": {"keep": 3, "cleanup": True, "min-age": 0}})
def test_what_the_schema_takes_the_parser_takes(document: dict[str, Any]) -> None:
    text = as_yaml(document)
    if schema_takes(text) and not beyond_a_schema(document):
        read_configuration(text.encode(), "spark-deploy.yml")


@given(DOCUMENTS)
@example(ROOT)
def test_what_the_parser_takes_the_schema_takes(document: dict[str, Any]) -> None:
    text = as_yaml(document)
    if parser_takes(text):
        VALIDATOR.validate(yaml.load(text, Loader=Yaml12))


ONE_KEY = st.tuples(st.sampled_from([*FILE_INPUTS, "branches", "releases"]), VALUES)


@given(ONE_KEY)
def test_of_one_value_schema_and_parser_say_the_same(entry: tuple[str, object]) -> None:
    document = {"version": 1, "environments": {"prod": dict([entry])}}
    text = as_yaml(document)
    if not beyond_a_schema(document):
        assert schema_takes(text) == parser_takes(text), text
