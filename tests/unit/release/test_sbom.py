"""The bill of materials says what the file says, as CycloneDX 1.6, in the same bytes each time."""

from __future__ import annotations

import json
import uuid
from io import BytesIO
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.library.file import read_library
from deployer.release.sbom import bill_of_materials
from deployer.release.statement import Statement, statement_of
from tests.jars import make_egg, make_jar, pom
from tests.unit.release.cyclonedx_subset import SCHEMA
from tests.wheels import make_wheel

REQUIRES = (
    "pyspark>=3.5",
    "PyYAML==6.0.2",
    "black==24.1.0; extra == 'dev'",
    "requests>=2; python_version < '3.12'",
    "requests>=2.32; python_version >= '3.12'",
    "numpy==2.*",
)


def document(made: tuple[str, bytes]) -> Any:
    written = bytes_of(made)
    found = json.loads(written)
    jsonschema.validate(found, SCHEMA, cls=jsonschema.Draft7Validator)
    return found


def bytes_of(made: tuple[str, bytes]) -> bytes:
    file_name, content = made
    library = read_library(file_name, BytesIO(content))
    return bill_of_materials(library, statement_of(library, BytesIO(content)))


def metadata(*lines: str, requires: tuple[str, ...] = ()) -> str:
    said = [f"Requires-Dist: {line}" for line in requires]
    head = ["Metadata-Version: 2.4", "Name: Retail.Metrics", "Version: 1.4.0"]
    return "\n".join([*head, *lines, *said, ""])


def wheel(*lines: str, requires: tuple[str, ...] = ()) -> tuple[str, bytes]:
    return make_wheel(
        "Retail.Metrics",
        "1.4.0",
        metadata=metadata(*lines, requires=requires),
        file_name="retail_metrics-1.4.0-py3-none-any.whl",
        dist_info="retail_metrics-1.4.0.dist-info",
    )


def test_a_wheel_is_named_with_its_hash_its_licence_and_its_requirements() -> None:
    made = wheel("License-Expression: apache-2.0 OR MIT", requires=REQUIRES)
    bom = document(made)
    component = bom["metadata"]["component"]
    assert component["name"] == "Retail.Metrics"
    assert component["version"] == "1.4.0"
    assert component["purl"] == "pkg:pypi/retail-metrics@1.4.0"
    library = read_library(made[0], BytesIO(made[1]))
    assert component["hashes"] == [{"alg": "SHA-256", "content": library.sha256}]
    assert component["licenses"] == [{"expression": "Apache-2.0 OR MIT"}]
    parts = {part["name"]: part for part in bom["components"]}
    assert list(parts) == ["black", "numpy", "pyspark", "pyyaml", "requests"]
    assert parts["pyyaml"]["purl"] == "pkg:pypi/pyyaml@6.0.2"
    assert parts["black"]["scope"] == "optional"
    assert parts["pyspark"]["scope"] == "required"
    assert "version" not in parts["pyspark"]
    assert "version" not in parts["numpy"]
    assert [one["value"] for one in parts["requests"]["properties"]] == [
        'requests>=2.32; python_version >= "3.12"',
        'requests>=2; python_version < "3.12"',
    ]


def test_every_reference_of_the_document_leads_to_a_component_of_it() -> None:
    bom = document(wheel(requires=REQUIRES))
    refs = [bom["metadata"]["component"]["bom-ref"], *(one["bom-ref"] for one in bom["components"])]
    assert len(set(refs)) == len(refs)
    assert [one["ref"] for one in bom["dependencies"]] == refs
    assert bom["dependencies"][0]["dependsOn"] == refs[1:]


def test_the_same_file_gives_the_same_bytes_and_another_file_another_number() -> None:
    one, other = wheel(requires=REQUIRES), wheel("License: MIT", requires=REQUIRES)
    assert bytes_of(one) == bytes_of(one)
    numbers = {document(made)["serialNumber"].removeprefix("urn:uuid:") for made in (one, other)}
    assert len(numbers) == 2
    assert {(uuid.UUID(text).version, uuid.UUID(text).variant) for text in numbers} == {
        (8, uuid.RFC_4122)
    }


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License: MIT"], {"expression": "MIT"}),
        (["License: The Company Licence"], {"license": {"name": "The Company Licence"}}),
        (
            ["Classifier: License :: OSI Approved :: Apache Software License"],
            {"license": {"name": "Apache Software License"}},
        ),
        (["License: \x1b[31mred\u202e"], {"license": {"name": "[31mred"}}),
    ],
)
def test_the_older_ways_to_state_a_licence_are_read(
    lines: list[str], licence: dict[str, Any]
) -> None:
    assert document(wheel(*lines))["metadata"]["component"]["licenses"] == [licence]


def test_a_file_that_states_no_licence_is_given_none() -> None:
    assert "licenses" not in document(wheel())["metadata"]["component"]


def test_a_jar_is_named_by_its_own_pom_and_not_by_those_of_its_dependencies() -> None:
    made = make_jar(
        "etl_2.12",
        "1.4.0-SNAPSHOT",
        classifier="assembly",
        poms=[("aaa", "9.9.9"), ("etl_2.12", "1.4.0-SNAPSHOT")],
        manifest={"Implementation-Title": "etl", "Bundle-License": "Apache-2.0"},
    )
    component = document(made)["metadata"]["component"]
    assert component["group"] == "com.acme"
    assert component["version"] == "1.4.0-SNAPSHOT"
    assert component["purl"] == "pkg:maven/com.acme/etl_2.12@1.4.0-SNAPSHOT?classifier=assembly"
    assert component["licenses"] == [{"expression": "Apache-2.0"}]


def test_a_jar_without_a_group_and_an_egg_are_named_as_far_as_they_say() -> None:
    jar = document(make_jar("etl", "1.4.0"))["metadata"]["component"]
    assert jar["purl"] == "pkg:generic/etl@1.4.0"
    info = metadata(requires=("pyspark>=3.5",)).replace("Retail.Metrics", "retail-metrics")
    egg = document(make_egg("retail-metrics", "1.4.0", pkg_info=info))
    assert egg["metadata"]["component"]["purl"] == "pkg:pypi/retail-metrics@1.4.0"
    assert [part["name"] for part in egg["components"]] == ["pyspark"]


def test_the_group_of_a_pom_can_not_break_out_of_the_package_url() -> None:
    name, text = pom("etl", "1.4.0")
    hostile = text.replace(b"com.acme", b"../a b?x#y\xff")
    component = document(make_jar("etl", "1.4.0", members=[(name, hostile)]))["metadata"][
        "component"
    ]
    assert component["purl"] == "pkg:maven/..%2Fa%20b%3Fx%23y%C3%BF/etl@1.4.0"


TEXTS = st.text(max_size=60)


@given(TEXTS, TEXTS, TEXTS, st.lists(st.sampled_from(REQUIRES) | TEXTS, max_size=6).map(tuple))
def test_whatever_a_file_states_the_document_is_valid(
    version: str, licence: str, group: str, requires: tuple[str, ...]
) -> None:
    statement = Statement(version, licence, group, requires)
    for file_name, content in (wheel(), make_jar("etl", "1.4.0")):
        written = bill_of_materials(read_library(file_name, BytesIO(content)), statement)
        assert written.isascii()
        jsonschema.validate(json.loads(written), SCHEMA, cls=jsonschema.Draft7Validator)
