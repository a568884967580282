"""What any document mentions; removal trusts it, so it must not miss anything."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.jobs.mentions import file_names_in, searches_folder
from tests.job_settings import ROOT, any_settings, versions, wheel

X = "my_lib-1.2.0+abc.7-py3-none-any.whl"


@pytest.mark.parametrize(
    "text",
    [
        X,
        f"/Volumes/a/{X}",
        f"file:///Volumes/a/{X.replace('+', '%2B')}",
        f"dbfs:/a/{X}[extra] ; marker",
        f"/a/first.jar:/a/{X}",
        f"a.whl,{X},b.whl",
        f"k={X}",
        f"pip install {X}.",
        f"#!/bin/sh\npip install /Volumes/a/{X}\n",
        f"{{{{job.parameters.root}}}}/{X}",
        f"{{{{job.parameters.root}}}}{X}",
        f"name:{X}",
        json.dumps({"script": f"pip install\n{X}\n", "path": f"/a/{X}"}),
        json.dumps(json.dumps([f"pip install\n{X}"])),
        f"https://host/{X}?token=1",
        f"C:\\libs\\{X}",
        f"`{X}`",
        f"({X})",
    ],
)
def test_a_file_name_is_found_in_any_text_around_it(text: str) -> None:
    assert X in file_names_in({"anything": [text]})


def test_keys_count_too() -> None:
    assert file_names_in({f"/a/{X}": 1}) == {X}


@pytest.mark.parametrize("document", [{}, [], "", None, 1, {"a": ["x.whl.bak", ".whl", "x.txt"]}])
def test_what_mentions_no_library_file_gives_nothing(document: Any) -> None:
    assert file_names_in(document) == frozenset()


@settings(deadline=None)
@given(any_settings, versions.map(wheel), st.sampled_from([str, quote, json.dumps]))
def test_a_file_name_is_found_wherever_it_stands(
    around: dict[str, Any], name: str, spelled: Any
) -> None:
    for document in (
        {**around, "x": spelled(f"/Volumes/a/{name}")},
        {**around, spelled(f"/Volumes/a/{name}"): [around]},
        [around, {"y": [{"z": f"before {spelled('/a/' + name)} after"}]}],
    ):
        assert name in file_names_in(document)


@pytest.mark.parametrize(
    "text",
    [
        ROOT,
        f"{ROOT}/",
        f"--find-links {ROOT}",
        f"--find-links={ROOT}",
        f'-f "{ROOT}"',
        f"dbfs:{ROOT}",
        f"/dbfs{ROOT}",
        f"file://{ROOT.replace('main', 'm%61in')}",
        "//Volumes//main/./libs///released//",
        f"{ROOT}/sales_metrics-1.*.whl",
        f"{ROOT}/*",
        f"{ROOT}/**/*.jar",
        f"{ROOT}/2024",
        f"{ROOT}/libs-1.0",
        f"{ROOT}/2024/*.whl",
        f"{ROOT}/{{{{job.parameters.file}}}}",
        f"{ROOT}/sales_metrics-${{var.version}}-py3-none-any.whl",
        "/Volumes/main/libs/*",
        "/Volumes/main/*/released/*.whl",
        "dbfs:/Volumes/**",
        f"PYTHONPATH=/a:{ROOT}",
        f"it lies in {ROOT}.",
    ],
)
def test_a_search_of_the_root_is_seen(text: str) -> None:
    assert searches_folder({"x": [text]}, ROOT)
    assert searches_folder({text: 1}, ROOT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{ROOT}/sales_metrics-1.2.0-py3-none-any.whl",
        f"{ROOT}/sales_metrics-1.2.0-py3-none-any.whl[train]",
        f"{ROOT}/a.jar:{ROOT}/b.jar",
        f"see {ROOT}/a.jar.",
        f"file://{ROOT}/x.whl#sha256=00",
        f"{ROOT}/init.sh",
        f"{ROOT}-old",
        f"{ROOT}2/",
        f"{ROOT}.bak/x",
        "/Volumes/main/libs",
        "/Volumes/main/libs/",
        "/Volumes/main/libs/*.csv",
        "/Volumes/other/*",
        "/Workspace/*",
        ".*",
        "a/*b",
        "*",
        "s3://bucket/released/*",
    ],
)
def test_a_file_in_the_root_or_another_folder_is_no_search(text: str) -> None:
    assert not searches_folder({"x": [text]}, ROOT)


def test_a_workspace_root_is_found_without_its_prefix() -> None:
    root = "/Workspace/Shared/my libs"
    assert searches_folder({"x": '--find-links "/Shared/my libs"'}, root)
    assert searches_folder({"x": "--find-links file:///Workspace/Shared/my%20libs"}, root)
    assert searches_folder({"x": "/Shared/*"}, root)
    assert not searches_folder({"x": "/Shared/my libs/x.whl"}, root)


def test_without_a_root_nothing_searches_it() -> None:
    assert not searches_folder({"x": ["", "/", "*", ROOT]}, "")


@settings(deadline=None)
@given(any_settings)
def test_any_document_can_be_read(document: dict[str, Any]) -> None:
    file_names_in(document)
    searches_folder(document, ROOT)


def test_a_document_nested_deeper_than_any_stack_is_read() -> None:
    deep: Any = [X, ROOT]
    for _ in range(5_000):
        deep = [{"deeper": deep}]
    assert file_names_in(deep) == {X}
    assert searches_folder(deep, ROOT)
