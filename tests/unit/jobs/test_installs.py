"""What texts have installed, line by line, and which files they include."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.jobs.installs import included_by, named_in
from deployer.jobs.leads import Lead, LeadKind

FILE = "/Volumes/main/libs/released/sales_metrics-1.2.0-py3-none-any.whl"
HERE = "/Workspace/Shared/here/file"


def told(kind: LeadKind, text: str) -> list[tuple[int, str]]:
    """Number of the line, and the characters that name the library `sales-metrics` there."""
    return [
        (line.number, one.spelled)
        for line, one in named_in(kind, text)
        if one.names("sales-metrics")
    ]


def test_a_requirements_file_names_files_names_and_urls() -> None:
    text = (
        "# sales-metrics==0.1\n"
        "--index-url https://example.com\n"
        "sales-metrics[train]==1.1 ; python_version > '3'\n"
        f"{FILE}  # not {FILE.replace('1.2.0', '0.9.0')}\n"
        "\n"
        "Sales_Metrics \\\n"
        "    >=1.0 \\\n"
        "    --hash=sha256:aa\n"
        f"sales-metrics @ file://{FILE}\n"
        "numpy==1.26.4\n"
    )
    found = told(LeadKind.REQUIREMENTS, text)
    assert [number for number, _ in found] == [3, 4, 6, 9]
    assert [spelled for _, spelled in found][1] == FILE
    assert found[3][1] == f"file://{FILE}"


def test_a_continued_line_gives_its_exact_version() -> None:
    ((_, one),) = named_in(LeadKind.REQUIREMENTS, "sales-metrics==1.2.0 \\\n  --hash=sha256:aa\n")
    assert one.coordinate is not None
    assert str(one.coordinate.version) == "1.2.0"


@pytest.mark.parametrize(
    "item",
    ["- sales-metrics==1.2.0", "  - 'sales-metrics==1.2.0'", '-   "sales-metrics==1.2.0"  '],
)
def test_an_environment_file_names_libraries_in_its_list(item: str) -> None:
    text = f"environment_version: '4'\ndependencies:\n{item}\n"
    assert told(LeadKind.BASE_ENVIRONMENT, text) == [(3, "sales-metrics==1.2.0")]


@pytest.mark.parametrize(
    "text",
    [
        'dependencies: [other, "sales-metrics==1.2.0"]\n',
        "{dependencies: ['sales-metrics==1.2.0']}\n",
        "dependencies: # comment\n  - sales-metrics==1.2.0 # the newest\n",
        "dependencies:\n  - &it sales-metrics==1.2.0\nmore: [*it, *it]\n",
        "dependencies:\n  - sales-metrics==1.2.0\n\t- broken: [\n",
    ],
)
def test_an_environment_file_is_read_as_yaml_and_line_by_line_where_it_is_none(text: str) -> None:
    assert [spelled for _, spelled in told(LeadKind.BASE_ENVIRONMENT, text)] == [
        "sales-metrics==1.2.0"
    ]


def test_a_list_in_brackets_includes_files_too() -> None:
    text = 'dependencies: ["-r /Workspace/Shared/more.txt"]\n'
    assert included(LeadKind.BASE_ENVIRONMENT, text) == {"/Workspace/Shared/more.txt"}


COMMANDS = [
    f"# MAGIC %pip install {FILE}",
    f"%pip install --no-deps '{FILE}'",
    f"!pip install {FILE}",
    f"# MAGIC !pip3 install -U {FILE}",
    f"-- MAGIC %pip install {FILE}",
    f"// MAGIC %pip install {FILE}",
    f"/databricks/python/bin/pip install {FILE} && echo done",
    f"python -m pip install {FILE}",
    f"uv pip install {FILE}",
    f'subprocess.run(["pip", "install", "{FILE}"])',
    f'sc.addPyFile("{FILE}")',
    f'dbutils.library.install("{FILE}")',
    f"cp {FILE} /databricks/jars/",
    f"sales-metrics @ {FILE}",
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", [LeadKind.NOTEBOOK, LeadKind.INIT_SCRIPT])
def test_a_script_names_a_file(kind: LeadKind, command: str) -> None:
    assert told(kind, f"#!/bin/sh\n\n{command}\n") == [(3, FILE)]


@pytest.mark.parametrize(
    ("command", "spelled"),
    [
        ("%pip install sales-metrics", "sales-metrics"),
        ("# MAGIC %pip install sales-metrics==1.2.0 numpy", "sales-metrics==1.2.0"),
        ("# MAGIC %pip install numpy sales_metrics[train]==1.2.0", "sales_metrics[train]==1.2.0"),
        ("%pip install 'sales-metrics>=1.0,<2'", "sales-metrics>=1.0,<2"),
        ('run(["-m", "pip", "install", "sales-metrics==1.2.0"])', "sales-metrics==1.2.0"),
        ('run(["pip","install","a","sales-metrics[x]==1.2.0"])', "sales-metrics[x]==1.2.0"),
        ('dbutils.library.installPyPI("sales-metrics")', "sales-metrics"),
        (
            'dbutils.library.installPyPI("sales-metrics", version="1.2.0", repo="r")',
            "sales-metrics==1.2.0",
        ),
        ("dbutils.library.installPyPI('sales-metrics', '1.2.0')", "sales-metrics==1.2.0"),
    ],
)
def test_a_script_names_a_library_of_an_index(command: str, spelled: str) -> None:
    assert told(LeadKind.NOTEBOOK, command) == [(1, spelled)]


@pytest.mark.parametrize(
    "line",
    [
        "import sales_metrics",
        "# %pip install sales-metrics==1.2.0",
        f"# {FILE}",
        f"-- {FILE}",
        "pip install numpy && echo sales-metrics==1.2.0",
        "pip uninstall -y sales-metrics",
        "pip install --sales-metrics",
        "# MAGIC %md sales-metrics==1.2.0",
        "# MAGIC # pip install sales-metrics",
    ],
)
def test_what_installs_nothing_names_nothing(line: str) -> None:
    assert told(LeadKind.NOTEBOOK, f"{line}\n") == []


def test_a_command_goes_on_in_the_next_line() -> None:
    text = f"# MAGIC %pip install \\\n# MAGIC   numpy \\\n# MAGIC   {FILE}\nx = 1\n"
    assert told(LeadKind.NOTEBOOK, text) == [(1, FILE)]
    assert told(LeadKind.INIT_SCRIPT, f"pip install \\\n  {FILE} \\") == [(1, FILE)]


ENVIRONMENT = f"""# Databricks notebook source
# /// script
# [tool.databricks.environment]
# environment_version = "5"
# dependencies = [
#   "sales-metrics==1.2.0",
#   '{FILE}',
#   "-r more.txt",
# ]
# name = "sales-metrics==0"
# ///
text = "sales-metrics==9"
"""


def test_the_environment_of_a_notebook_names_its_dependencies() -> None:
    assert told(LeadKind.NOTEBOOK, ENVIRONMENT) == [(6, "sales-metrics==1.2.0"), (7, FILE)]
    on_one_line = '# /// script\n# dependencies = ["a", "sales-metrics==1.2.0"]\n# ///\n'
    assert told(LeadKind.NOTEBOOK, on_one_line) == [(2, "sales-metrics==1.2.0")]
    assert told(LeadKind.INIT_SCRIPT, on_one_line) == []


def included(kind: LeadKind, text: str) -> set[str]:
    leads = included_by(Lead(kind, HERE), text)
    assert {lead.kind for lead in leads} <= {LeadKind.REQUIREMENTS}
    return {lead.target for lead in leads}


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("-r more.txt", "/Workspace/Shared/here/more.txt"),
        ("-rmore.txt", "/Workspace/Shared/here/more.txt"),
        ("--requirement=../more.txt", "/Workspace/Shared/more.txt"),
        ("-c './a b.txt'", "/Workspace/Shared/here/a b.txt"),
        ('--constraint "/Shared/c.txt"', "/Workspace/Shared/c.txt"),
        ("-r /Volumes/a/b/c/r.txt  # ours", "/Volumes/a/b/c/r.txt"),
    ],
)
def test_includes_start_at_the_file_that_names_them(line: str, path: str) -> None:
    assert included(LeadKind.REQUIREMENTS, f"numpy\n{line}\n") == {path}
    assert included(LeadKind.BASE_ENVIRONMENT, f"dependencies:\n  - {line}\n") == {path}
    assert included(LeadKind.NOTEBOOK, f"# MAGIC %pip install {line}\n") == {path}


@pytest.mark.parametrize(
    "line",
    [
        "# -r more.txt",
        "numpy  # -r more.txt",
        "-r s3://a/more.txt",
        "-r ${HOME}/more.txt",
        "--rx y",
    ],
)
def test_what_can_not_be_followed_is_not_included(line: str) -> None:
    assert included(LeadKind.REQUIREMENTS, line) == set()


def test_only_what_pip_is_told_is_included_by_a_script() -> None:
    text = "rm -r data.txt\npip install -r /Workspace/r.txt\npip install -r relative.txt\n"
    assert included(LeadKind.INIT_SCRIPT, text) == {"/Workspace/r.txt"}
    assert included(LeadKind.NOTEBOOK, ENVIRONMENT) == {"/Workspace/Shared/here/more.txt"}


PIECES = st.lists(
    st.sampled_from([*COMMANDS, ENVIRONMENT, "-r a.txt", "\\", "# /// script", "'", '"', "[", "\r"])
    | st.text(max_size=20),
    max_size=8,
).map("\n".join)


@given(PIECES, st.sampled_from([kind for kind in LeadKind if kind.value != "cluster"]))
def test_any_text_can_be_read(text: str, kind: LeadKind) -> None:
    lines = len(text.splitlines())
    for line, one in named_in(kind, text):
        assert 1 <= line.number <= lines
        assert one.spelled
    for lead in included_by(Lead(kind, HERE), text):
        assert ".." not in lead.target
