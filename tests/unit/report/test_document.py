"""`report.json` keeps the promise of its published schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from deployer.contract import Mode
from deployer.deployment.clusters import Became
from deployer.errors import FailureReason
from deployer.jobs.sightings import Where
from deployer.plan.model import Reason
from deployer.report.document import to_document, to_json
from deployer.report.model import SCHEMA_VERSION, CheckStatus, Decision, Outcome, Report
from tests.unit.report import reports

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "docs" / "report.schema.json").read_text(encoding="utf-8")
)
STORIES = (
    reports.plan_of_three(),
    reports.deploy_with_everything(),
    reports.failed_with_two_problems(),
    reports.deploy_with_hostile_names(),
    reports.status_of_a_workspace(),
    reports.plan_with_places_elsewhere(),
    reports.deploy_of_clusters(),
)
validator = Draft202012Validator(SCHEMA)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@given(reports.reports)
def test_every_report_is_valid_against_the_schema(report: Report) -> None:
    validator.validate(to_document(report))


@pytest.mark.parametrize("report", STORIES, ids=lambda report: report.mode.value)
def test_the_written_text_reads_back_as_the_document(report: Report) -> None:
    written = to_json(report)
    validator.validate(json.loads(written))
    assert json.loads(written) == to_document(report)


@given(reports.reports)
def test_the_written_text_is_utf_8_whatever_the_names_hold(report: Report) -> None:
    written = to_json(report).encode()
    assert json.loads(written) == to_document(report)


def test_text_in_any_language_stays_readable() -> None:
    report = Report(Mode.PLAN, "Produktion München 東京", Outcome.SUCCEEDED)
    assert "Produktion München 東京" in to_json(report)


def test_names_stand_verbatim() -> None:
    document = to_document(reports.deploy_with_hostile_names())
    assert tuple(document["warnings"]) == reports.HOSTILE  # type: ignore[arg-type]


def test_there_is_one_rewire_per_job_with_one_entry_per_place() -> None:
    plan: Any = to_document(reports.plan_of_three())["plan"]
    rewires = [change for change in plan["changes"] if change["kind"] == "rewire"]
    assert [(one["job_id"], len(one["references"])) for one in rewires] == [
        (11, 1),
        (12, 1),
        (13, 2),
    ]
    assert plan["counts"] == {
        "uploads": 1,
        "rewires": 3,
        "references": 4,
        "removals": 1,
        "untouched": 1,
        "jobs_seen": 40,
    }


def test_what_a_run_did_not_reach_is_null_or_empty() -> None:
    document = to_document(Report(Mode.CHECK, "", Outcome.CANCELLED))
    unreached = ("failure", "identity", "library", "plan", "deployment")
    assert [document[name] for name in unreached] == [None] * 5
    assert [document[name] for name in ("checks", "versions", "inventory", "warnings")] == [[]] * 4


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        (SCHEMA["$defs"]["untouched_reason"]["enum"], Reason),
        (SCHEMA["$defs"]["failure_reason"]["enum"], FailureReason),
        (SCHEMA["$defs"]["stored_version"]["properties"]["decision"]["enum"], Decision),
        (SCHEMA["$defs"]["check"]["properties"]["status"]["enum"], CheckStatus),
        (SCHEMA["$defs"]["elsewhere"]["properties"]["where"]["enum"], Where),
        (SCHEMA["$defs"]["cluster_outcome"]["properties"]["outcome"]["enum"], Became),
        (SCHEMA["properties"]["mode"]["enum"], Mode),
        (SCHEMA["properties"]["outcome"]["enum"], Outcome),
    ],
    ids=("untouched", "failure", "decision", "check", "where", "cluster", "mode", "outcome"),
)
def test_the_closed_lists_of_the_schema_are_those_of_the_code(
    listed: list[str], known: type[Reason]
) -> None:
    assert listed == [one.value for one in known]


def test_the_schema_is_for_this_version_of_the_document() -> None:
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_the_schema_explains_every_key_and_knows_no_other() -> None:
    found = list(objects(SCHEMA))
    assert len(found) > 15
    for one in found:
        assert one["additionalProperties"] is False
        for name, meaning in one["properties"].items():
            assert {"description", "$ref", "const"} & set(meaning), name


def test_an_unknown_key_is_not_valid() -> None:
    document = to_document(reports.plan_of_three())
    assert not validator.is_valid(document | {"surprise": 1})
    assert not validator.is_valid(document | {"outcome": "fine"})
