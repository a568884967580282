"""The JSON Schema of spark-deploy.yml, for editors, made from the contract.

Owns its layout. It says as much of `deployer.config.environments` as a schema can; that every version is one,
that no value is a secret and that no branch stands twice, only the program knows. Draft 7: what the YAML
language server, and so most editors, understand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from deployer.config.environments import (
    BOOLEAN_FORM,
    BRANCH_FORM,
    BRANCHES,
    FILE_INPUTS,
    NAME_FORM,
    RELEASES,
    TEXT_FORM,
    VERSION,
)
from deployer.contract import Input, InputType

Schema = dict[str, object]

_MOST = 999_999_999
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": _MOST}
# A number of up to nine digits, which may begin with zeros (`settings` knows the bounds).
_TO_3600 = "(?:[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600) *s"
_TO_60 = "(?:[1-9]|[1-5][0-9]|60) *m"
_A_SECOND_TO_AN_HOUR = f"(?![0-9]{{10}})0*(?:{_TO_3600}|{_TO_60}|1 *h)"


def config_schema() -> str:
    """The schema as indented JSON, with a final newline."""
    properties = {key: _property(one) for key, one in FILE_INPUTS.items()}
    schema: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "spark-deploy.yml",
        "description": "The environments of a repository; see docs/configuration.md. No secrets.",
        **_object(("version", "environments")),
        "properties": {
            "version": {"const": int(VERSION), "description": "The form of this file."},
            "defaults": {
                "description": "What holds for every environment that says nothing else.",
                **_object(),
                "properties": properties,
            },
            "environments": {
                "description": "The targets by name.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": _whole(NAME_FORM)},
                "additionalProperties": {
                    "description": "One target.",
                    **_object(),
                    "properties": {BRANCHES: _branches(), RELEASES: _releases(), **properties},
                },
            },
        },
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def described(one: Input) -> str:
    """What an input means, with its default where it has one."""
    return f"{one.meaning} Default: `{one.default}`." if one.default else one.meaning


def _property(one: Input) -> Schema:
    return {"description": described(one), **_form(one)}


def _form(one: Input) -> Schema:
    if one.type is InputType.CHOICE:
        return {"enum": list(one.choices)}
    if one.type is InputType.BOOLEAN:
        return _any({"type": "boolean"}, _text(BOOLEAN_FORM))
    if one.type is InputType.INTEGER:
        return _any(_NUMBER, _text("[0-9]{1,9}"))
    if one.type is InputType.DURATION:
        if one.name == "lock-expiry":
            return _text(_A_SECOND_TO_AN_HOUR)
        return _any(_text("(?:[0-9]{1,9} *[smhd]|0)"), {"const": 0})
    if one.type is InputType.LIST:
        return _one_or_several(_plain())
    return _plain()


def _branches() -> Schema:
    return {
        "description": "The branches that mean this environment, such as `main` or `release/*`: `*` is any "
        "text without `/`, `**` any text, `?` one character. A pull request means that of its base branch.",
        **_one_or_several(_any(_text(f"(?={TEXT_FORM}$){BRANCH_FORM}"), {"type": "number"})),
    }


def _releases() -> Schema:
    return {
        "description": "Whether versions that are tagged or released go here, with `mode: auto`. Default: "
        "the environment called `production`, or the only one.",
        **_any({"type": "boolean"}, _text(BOOLEAN_FORM)),
    }


def _plain() -> Schema:
    return _any(_text(TEXT_FORM), {"type": "number"})


def _one_or_several(item: Schema) -> Schema:
    return _any(item, {"type": "array", "minItems": 1, "items": item})


def _any(*forms: Schema) -> Schema:
    return {"anyOf": list(forms)}


def _object(required: Iterable[str] = ()) -> Schema:
    needed: Schema = {"required": list(required)} if required else {}
    return {"type": "object", "additionalProperties": False, **needed}


def _text(form: str) -> Schema:
    return {"type": "string", "pattern": _whole(form)}


def _whole(form: str) -> str:
    """`form` for a whole text. A `$` alone would let a line break follow, in Python's reading of it."""
    return f"^(?:{form})(?!\\n)$"
