"""What a document points to: files that can be read, notebooks, clusters, policies, pipelines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from deployer.jobs.leads import Lead, LeadKind, leads_in, policy_rules
from tests.job_settings import any_settings, stored_settings

FILE = "/Workspace/Shared/a/file"
REQUIREMENTS = {Lead(LeadKind.REQUIREMENTS, FILE)}
BASE = {Lead(LeadKind.BASE_ENVIRONMENT, FILE)}
SCRIPT = {Lead(LeadKind.INIT_SCRIPT, FILE)}
NOTEBOOK = {Lead(LeadKind.NOTEBOOK, FILE)}


def task(**fields: Any) -> dict[str, Any]:
    return {"tasks": [{"task_key": "a", **fields}]}


def environment(**spec: Any) -> dict[str, Any]:
    return {"environments": [{"environment_key": "e", "spec": spec}]}


def notebook(**fields: Any) -> dict[str, Any]:
    return task(notebook_task={"notebook_path": FILE, **fields})


@pytest.mark.parametrize(
    ("document", "leads"),
    [
        (task(libraries=[{"requirements": FILE}]), REQUIREMENTS),
        (task(libraries=[{"requirements": "/Shared/a/file"}]), REQUIREMENTS),
        (task(libraries=[{"requirements": "/Shared//a/./file"}]), REQUIREMENTS),
        (environment(dependencies=[f"-r {FILE}", "numpy", 7]), REQUIREMENTS),
        (environment(dependencies=[f"--requirement='{FILE}'"]), REQUIREMENTS),
        (environment(base_environment=FILE), BASE),
        (task(gen_ai_compute_task={"requirements_yaml_path": FILE}), BASE),
        (task(new_cluster={"init_scripts": [{"workspace": {"destination": FILE}}]}), SCRIPT),
        (
            task(for_each_task={"task": {"notebook_task": {"notebook_path": "/Shared/a/file"}}}),
            NOTEBOOK,
        ),
        (notebook(), NOTEBOOK),
        (notebook(source="WORKSPACE"), NOTEBOOK),
        ({**notebook(source="WORKSPACE"), "git_source": {"git_url": "x"}}, NOTEBOOK),
        (notebook(source="GIT"), set()),
        ({**notebook(), "git_source": {"git_url": "x"}}, set()),
        ({**notebook(), "git_source": None}, NOTEBOOK),
        (
            {"spec": {"libraries": [{"notebook": {"path": FILE}}, {"file": {"path": FILE}}]}},
            NOTEBOOK,
        ),
        (task(existing_cluster_id="c"), {Lead(LeadKind.CLUSTER, "c")}),
        (task(new_cluster={"policy_id": "p"}), {Lead(LeadKind.POLICY, "p")}),
        (task(pipeline_task={"pipeline_id": "p"}), {Lead(LeadKind.PIPELINE, "p")}),
        (task(existing_cluster_id=""), set()),
    ],
)
def test_a_document_points_to(document: dict[str, Any], leads: set[Lead]) -> None:
    assert leads_in(document) == leads
    assert leads_in([{"deep": document}]) == leads or "git_source" in document


@pytest.mark.parametrize(
    "path",
    [
        "s3://bucket/file",
        "abfss://a@b/file",
        "dbfs:/file",
        "relative/file",
        "/Workspace/../etc/file",
        "/Workspace/{{job.parameters.x}}/file",
        "workspace-base-environments/dbe_1",
        "",
    ],
)
def test_what_can_not_be_read_is_no_lead(path: str) -> None:
    for document in (
        task(libraries=[{"requirements": path}]),
        environment(base_environment=path),
        task(new_cluster={"init_scripts": [{"s3": {"destination": path}}]}),
        task(notebook_task={"notebook_path": path}),
    ):
        assert leads_in(document) == set()


def test_a_destination_that_is_no_script_is_no_lead() -> None:
    logs = {"cluster_log_conf": {"volumes": {"destination": "/Volumes/a/b/c/logs"}}}
    assert leads_in(task(new_cluster=logs)) == set()
    assert leads_in(task(notebook_task={"base_parameters": {"destination": FILE}})) == set()


def test_a_policy_leads_to_the_scripts_of_its_definition() -> None:
    rules = {
        "init_scripts.0.workspace.destination": {"type": "fixed", "value": FILE},
        "init_scripts.1.volumes.destination": {"type": "allowlist", "values": ["/Volumes/a/b/c/d"]},
        "spark_conf.x": {"type": "fixed", "value": "/Workspace/Shared/other"},
        "init_scripts.2.s3.region": "eu",
    }
    for field in ("definition", "policy_family_definition_overrides"):
        found = leads_in({"policy_id": "p", field: json.dumps(rules)})
        assert found == SCRIPT | {
            Lead(LeadKind.INIT_SCRIPT, "/Volumes/a/b/c/d"),
            Lead(LeadKind.POLICY, "p"),
        }


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"x"', "[" * 100_000, "\ud800"])
def test_a_definition_that_is_none_has_no_rules(text: str) -> None:
    assert policy_rules(text) == {}
    assert leads_in({"definition": text}) == set()


@given(any_settings)
def test_any_json_leads_somewhere_or_nowhere(document: dict[str, Any]) -> None:
    for lead in leads_in(document):
        assert lead.target


@pytest.mark.parametrize("trait", stored_settings())
def test_leads_of_stored_jobs_stand_in_them(trait: str) -> None:
    settings = stored_settings()[trait]
    for lead in leads_in(settings):
        assert lead.target.rsplit("/", 1)[-1] in json.dumps(settings)
