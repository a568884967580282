"""Sightings: what texts, clusters, policies and pipelines name, and how they are described."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from packaging.version import Version

from deployer.jobs.leads import Lead, LeadKind
from deployer.jobs.places import JsonObject
from deployer.jobs.sightings import Sighting, Where, in_document, in_text
from deployer.library.model import Kind
from tests.job_settings import ROOT, any_settings, wheel

FILE = f"{ROOT}/{wheel('1.2.0')}"
JAR = f"{ROOT}/sales-metrics-1.2.0.jar"


def sighted(kind: str, **document: Any) -> list[tuple[Where, str, str]]:
    """Where, spot and value of what a document names, each of which is version 1.2.0."""
    found = in_document(kind, "id", "name", document)
    assert {one.version for one in found} <= {Version("1.2.0")}
    return [(one.where, one.spot, one.value) for one in found]


def test_a_cluster_names_libraries_and_settings() -> None:
    statuses = [
        {"library": {"whl": FILE}, "status": "INSTALLED"},
        {"library": {"pypi": {"package": "sales-metrics==1.2.0"}}},
        {"library": {"maven": {"coordinates": "a:sales-metrics:1.2.0"}}},
        {"library": {"requirements": "/Workspace/r.txt"}},
        {"library": "nonsense"},
        7,
    ]
    found = sighted("cluster", library_statuses=statuses, spark_conf={"spark.jars": f"a,{JAR}"})
    at = "/library_statuses/{}/library/{}"
    assert found == [
        (Where.CLUSTER_LIBRARY, at.format(0, "whl"), FILE),
        (Where.CLUSTER_LIBRARY, at.format(1, "pypi/package"), "sales-metrics==1.2.0"),
        (Where.CLUSTER_LIBRARY, at.format(2, "maven/coordinates"), "a:sales-metrics:1.2.0"),
        (Where.CLUSTER_SETTING, "/spark_conf/spark.jars", f"a,{JAR}"),
    ]


def test_a_sighting_on_a_cluster_has_the_entry_as_the_api_gave_it() -> None:
    entry: JsonObject = {"whl": FILE, "new field": 1}
    document: JsonObject = {"library_statuses": [{"library": entry}]}
    (one,) = in_document("cluster", "0101-a", "analytics", document)
    assert one.entry == entry
    assert one.holder == Lead(LeadKind.CLUSTER, "0101-a")
    assert one.label == "cluster 0101-a (analytics)"


@pytest.mark.parametrize("source", ["JOB", "PIPELINE"])
def test_nothing_is_told_of_a_cluster_that_the_service_made(source: str) -> None:
    libraries = [{"library": {"whl": FILE}}]
    assert sighted("cluster", library_statuses=libraries, cluster_source=source) == []
    assert len(sighted("cluster", library_statuses=libraries, cluster_source="UI")) == 1


def test_nothing_is_told_of_runs() -> None:
    assert sighted("run", tasks=[{"libraries": [{"whl": FILE}]}]) == []


def test_a_policy_names_libraries_and_rules() -> None:
    rules = {
        "spark_conf.spark.jars": {"type": "fixed", "value": JAR},
        "spark_env_vars.X": {"type": "allowlist", "values": ["no", FILE]},
    }
    found = sighted("policy", libraries=[{"whl": FILE}], definition=json.dumps(rules))
    assert found == [
        (Where.POLICY_LIBRARY, "/libraries/0/whl", FILE),
        (Where.POLICY_DEFINITION, "/definition/spark_conf.spark.jars/value", JAR),
        (Where.POLICY_DEFINITION, "/definition/spark_env_vars.X/values/1", FILE),
    ]


def test_a_definition_that_is_no_json_is_read_as_text() -> None:
    ((where, _, value),) = sighted("policy", definition=f"{{ {FILE}")
    assert (where, value) == (Where.POLICY_DEFINITION, f"{{ {FILE}")


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_pipeline_names_dependencies_libraries_and_settings(wrapped: bool) -> None:
    spec = {
        "environment": {"dependencies": ["numpy==1.2.0", FILE]},
        "libraries": [{"jar": JAR}, {"notebook": {"path": "/x"}}],
        "clusters": [{"spark_conf": {"x": JAR}}],
    }
    found = sighted("pipeline", **({"spec": spec} if wrapped else spec))
    at = "/spec" if wrapped else ""
    assert found == [
        (Where.PIPELINE_DEPENDENCY, f"{at}/environment/dependencies/0", "numpy==1.2.0"),
        (Where.PIPELINE_DEPENDENCY, f"{at}/environment/dependencies/1", FILE),
        (Where.PIPELINE_LIBRARY, f"{at}/libraries/0/jar", JAR),
        (Where.PIPELINE_SETTING, f"{at}/clusters/0/spark_conf/x", JAR),
    ]


TEXTS = [
    (LeadKind.REQUIREMENTS, Where.REQUIREMENTS_FILE, f"a\n{FILE}\n"),
    (LeadKind.BASE_ENVIRONMENT, Where.BASE_ENVIRONMENT, f"dependencies:\n  - {FILE}\n"),
    (LeadKind.INIT_SCRIPT, Where.INIT_SCRIPT, f"#\n  pip install {FILE}\n"),
    (LeadKind.NOTEBOOK, Where.NOTEBOOK, f"#\n# MAGIC %pip install {FILE}\n"),
]


@pytest.mark.parametrize(("kind", "where", "text"), TEXTS)
def test_a_text_is_sighted_with_its_line(kind: LeadKind, where: Where, text: str) -> None:
    (one,) = (one for one in in_text(Lead(kind, "/Workspace/x"), text) if one.is_file)
    assert (one.where, one.spot, one.label) == (where, "line 2", "/Workspace/x")
    assert FILE in one.value
    assert one.value in text
    assert one.version == Version("1.2.0")


def test_a_line_that_names_a_file_twice_is_told_once() -> None:
    (one,) = in_text(Lead(LeadKind.INIT_SCRIPT, "/x"), f"pip install {FILE} || pip install {FILE}")
    assert one.reference.spelled == FILE


def of_cluster(library: JsonObject) -> Sighting:
    (one,) = in_document("cluster", "c", "", {"library_statuses": [{"library": library}]})
    return one


@pytest.mark.parametrize(
    ("library", "kinds"),
    [
        ({"whl": FILE}, {Kind.WHEEL}),
        ({"jar": JAR}, {Kind.JAR}),
        ({"egg": f"{ROOT}/sales_metrics-1.2.0-py3.11.egg"}, {Kind.EGG}),
        ({"pypi": {"package": "Sales_Metrics"}}, {Kind.WHEEL, Kind.EGG}),
        ({"maven": {"coordinates": "a:sales-metrics:1.2.0"}}, {Kind.JAR}),
        ({"cran": {"package": "sales-metrics"}}, set()),
        ({"whl": f"{ROOT}/{wheel('1.2.0', 'other')}"}, set()),
    ],
)
def test_a_sighting_is_of_a_name_and_of_kinds(library: JsonObject, kinds: set[Kind]) -> None:
    one = of_cluster(library)
    assert {kind for kind in Kind if one.names("sales-metrics", kind)} == kinds
    assert not any(one.names("metrics", kind) for kind in Kind)


@pytest.mark.parametrize(
    "library", [{"whl": f"{ROOT}/sales_metrics.whl"}, {"pypi": {"package": "sales-metrics>=1"}}]
)
def test_what_is_not_certain_has_no_version(library: JsonObject) -> None:
    assert of_cluster(library).version is None


@given(any_settings)
def test_any_document_can_be_read(document: dict[str, Any]) -> None:
    for kind in ("cluster", "policy", "pipeline", "run"):
        for one in in_document(kind, "id", "", {"spec": document, **document}):
            assert one.reference.spelled in one.value
            assert one.label == f"{kind} id"
