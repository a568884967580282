"""References: every form of every place, none silently missed (facts A1, A2, A5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from deployer.jobs.mentions import file_names_in
from deployer.jobs.paths import file_name
from deployer.jobs.places import Keyed
from deployer.jobs.references import EDITABLE, Reference, Site, references, replace_spans
from deployer.jobs.spans import Span, SpanKind
from deployer.library.names import parse_file_name
from tests.job_settings import (
    NAME,
    ROOT,
    Settings,
    any_settings,
    job_settings,
    job_with,
    job_with_lines,
    job_with_parameters,
    stored,
    stored_settings,
    wheel,
)

X = f"{ROOT}/{wheel('1.2.0')}"


def only(settings_: Settings) -> Reference:
    (found,) = references(settings_)
    return found


def told(one: Reference) -> tuple[str | None, str | None]:
    """Name and version as `status` would tell them; the version may be what can't be ordered."""
    if one.coordinate is not None:
        return one.coordinate.name, str(one.coordinate.version) if one.coordinate.version else None
    first = one.parsed.candidates[0] if one.parsed and one.parsed.candidates else None
    if first is None:
        return None, None
    return first.name, str(first.version) if first.version else None


# One line for each form of a library that jobs of public repositories hold.
INTERNAL = "/Workspace/Users/a@b.c/.bundle/etl/dev/artifacts/.internal"
STAMP = "0.0.1+1750000000000000000"
SNAPSHOT = "/Workspace/Users/11111111-2222/.snapshots/3f78/artifacts/.internal"
MANGLED = "dbfs:/FileStore/jars/0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9-driver_8_0_23-2b027.jar"
WHEEL_FORMS = [
    (f"{INTERNAL}/my_etl-0.9.0-py3-none-any.whl", "my-etl", "0.9.0"),
    (f"{INTERNAL}/my_etl-{STAMP}-py3-none-any.whl", "my-etl", STAMP),
    (f"{SNAPSHOT}/fixed-0.0.1-py3-none-any.whl", "fixed", "0.0.1"),
    ("/Workspace/Shared/PythonWheels/core/core-0.1.0-py3-none-any.whl", "core", "0.1.0"),
    ("/Volumes/main/libs/etl-0.3.6-cp311-cp311-manylinux_2_17_x86_64.whl", "etl", "0.3.6"),
    ("dbfs:/FileStore/pipelines/RAW_Bronze-1.0-py3-none-any.whl", "raw-bronze", "1.0"),
    ("dbfs:/mnt/libs/tracker-0.0.1.dev0-py2-none-any.whl", "tracker", "0.0.1.dev0"),
    ("/dbfs/FileStore/dist/helper-0.0.1-py3-none-any.whl", "helper", "0.0.1"),
    ("s3://bucket/artifacts/Direct-0.0.0-py3-none-any.whl", "direct", "0.0.0"),
    ("/Workspace/dist/deep_lib-0.1.0-202501020304-py3-none-any.whl", "deep-lib", "0.1.0"),
    ("/Workspace/packages/inner-package-0.1.1-py3-none-any.whl", "inner-package", "0.1.1"),
    ("file:///Volumes/main/my%5Flib-1.0.0%2Bb-py3-none-any.whl", "my-lib", "1.0.0+b"),
]  # fmt: skip
JAR_FORMS = [
    ("dbfs:/lib/etl-0.1.jar", "etl", "0.1"),
    ("dbfs:/target/demo-app-0.0.1-jar-with-dependencies.jar", "demo-app", "0.0.1"),
    ("/Volumes/main/jars/spark_join_2.12-2.1.0.jar", "spark-join-2-12", "2.1.0"),
    ("dbfs:/target/scala-2.12/some-assembly-0.1.0-SNAPSHOT.jar", "some-assembly", "0.1.0.dev0"),
]
VAGUE_FORMS = [
    ("whl", "/Workspace/libs/plain.whl", "plain", "no-version"),
    ("whl", "inner-package.whl", "inner-package", "no-version"),
    ("whl", "s3://BUCKET/CUSTOM.WHL", "custom", "no-version"),
    ("whl", "cowsay", None, "not a path of a library file"),
    ("whl", "dbfs:/mnt/libs/all.wheelhouse.zip", None, "not a path of a library file"),
    ("whl", "s3://b/wrapper-company_1.5.1-py3-none-any.whl", "wrapper", "invalid-version"),
    ("whl", "dbfs:/etl-localdev-py2.py3-none-any.whl", "etl", "invalid-version"),
    ("whl", "dist/*.whl", None, "wildcard"),
    ("whl", "../dist/cow-6.1-*.whl", "cow", "wildcard"),
    ("whl", "${var.my_wheel}", None, "not a path of a library file"),
    ("whl", "/a/etl-{{job.parameters.version}}-py3-none-any.whl", "etl", "placeholder"),
    ("egg", "dbfs:/eggs/etl-VERSION-py3.5.egg", "etl", "placeholder"),
    ("jar", "dbfs:/FileStore/pipeline/.jar", None, "empty-name"),
    ("jar", "dbfs://aa/bb/cc.jar", "cc", "no-version"),
    ("jar", "abfss://c@account.dfs.example/dir/default_artifact.jar", "default-artifact", "no-version"),
    ("jar", "s3://b/tags/v1.0.4/streaming.jar", "streaming", "no-version"),
    ("jar", MANGLED, "driver", "mangled"),
]  # fmt: skip
LINE_FORMS = [
    ("cowsay", "cowsay", None, "no-version"),
    ("psycopg[binary]", "psycopg", None, "no-version"),
    ("my-library==6.1", "my-library", "6.1", None),
    ("glow.py==1.2.1", "glow-py", "1.2.1", None),
    ("lib[extra]==0.16.0 ; python_version > '3'", "lib", "0.16.0", None),
    ("torch>=2.0", "torch", None, "range"),
    ("soup[a, b] ~= 4.12.3", "soup", None, "range"),
    ("numpy==1.22.*", "numpy", None, "wildcard"),
    ("git+https://g.example/team/cli", None, None, "url"),
    ("git+https://g.example/team/cli@v1#egg=my_cli", "my-cli", None, "url"),
    ("pkg @ git+ssh://git@g.example/o/r@v1.1", "pkg", None, "url"),
    ("requests[security] @ https://g.example/main.zip", "requests", None, "url"),
    ("https://files.example/etl-1.0-py3-none-any.whl", "etl", "1.0", None),
    ("etl @ https://files.example/etl-1.0-py3-none-any.whl#sha256=00", "etl", "1.0", None),
    ("-r /Workspace/r.txt", None, None, "its content is not read"),
    ('-r "/Workspace/my files/r.txt"', None, None, "its content is not read"),
    ("--requirement /Volumes/a/lock.txt", None, None, "its content is not read"),
    ("--index-url https://i.example/simple", None, None, "an option of pip"),
    ("--find-links=/Workspace/Users/test", None, None, "an option of pip"),
    ("-e /Workspace/project", None, None, "an option of pip"),
    ("${var.my_wheel}", None, None, "placeholder"),
    ("/Workspace/project", None, None, "not a library file"),
    ("{not a requirement", None, None, "not-a-requirement"),
]


@pytest.mark.parametrize(("path", "name", "version"), WHEEL_FORMS)
def test_every_form_of_a_wheel_path_gives_its_name_and_version(
    path: str, name: str, version: str
) -> None:
    for one, site in (
        (only(job_with(path)), Site.TASK_LIBRARY),
        (only(job_with_lines(path)), Site.ENVIRONMENT),
        (only(job_with_lines(f"{path}[train]")), Site.ENVIRONMENT),
        (only(job_with_parameters("--py-files", path)), Site.PY_FILES),
    ):
        assert (one.site, told(one), one.why) == (site, (name, version), None)
        assert one.spelled == path


@pytest.mark.parametrize(("path", "name", "version"), JAR_FORMS)
def test_every_form_of_a_jar_path_gives_its_name_and_version(
    path: str, name: str, version: str
) -> None:
    spec = {"java_dependencies": [path]}
    for one, site in (
        (only(job_with({"jar": path})), Site.TASK_LIBRARY),
        (only(job_with_parameters("--jars", path)), Site.JARS),
        (only(job_with_parameters("--files", path)), Site.SUBMIT_PARAMETER),
        (only(job_with_parameters(path)), Site.SUBMIT_APPLICATION),
        (only({"environments": [{"spec": spec}]}), Site.JAVA_DEPENDENCY),
        (only({"tasks": [{"spark_jar_task": {"jar_uri": path}}]}), Site.JAR_URI),
    ):
        assert (one.site, told(one), one.why) == (site, (name, version), None)


@pytest.mark.parametrize(("kind", "path", "name", "why"), VAGUE_FORMS)
def test_what_gives_no_certain_version_says_why(
    kind: str, path: str, name: str | None, why: str
) -> None:
    one = only(job_with({kind: path}))
    assert (told(one), one.why) == ((name, None), why)


@pytest.mark.parametrize(("line", "name", "version", "why"), LINE_FORMS)
def test_every_form_of_a_dependency_line_is_read(
    line: str, name: str | None, version: str | None, why: str | None
) -> None:
    one = only(job_with_lines(line))
    assert (told(one), one.why) == ((name, version), why)


@pytest.mark.parametrize(
    ("library", "site", "name", "version", "why"),
    [
        ({"pypi": {"package": "a==1.0", "repo": "https://i"}}, Site.PYPI, "a", "1.0", None),
        ({"pypi": {"package": "a>=1,<2"}}, Site.PYPI, "a", None, "range"),
        ({"maven": {"coordinates": "g.h:a_2.12:1.0"}}, Site.MAVEN, "a-2-12", "1.0", None),
        ({"maven": {"coordinates": "g:a:3.3.0-7.0.1"}}, Site.MAVEN, "a", None, "invalid-version"),
        ({"cran": {"package": "ada"}}, Site.CRAN, "ada", None, "no-version"),
        ({"requirements": "/a/r.txt"}, Site.REQUIREMENTS, None, None, "its content is not read"),
    ],
)
def test_libraries_of_an_index_are_read_too(
    library: dict[str, Any], site: Site, name: str | None, version: str | None, why: str | None
) -> None:
    one = only(job_with(library))
    assert (one.site, told(one), one.why) == (site, (name, version), why)


def test_outer_and_nested_tasks_of_a_loop_are_both_read() -> None:
    inner, outer = sorted(references(stored("for-each")), key=lambda one: len(one.place.steps))[
        ::-1
    ]
    at = ("tasks", Keyed("task_key", "regions"))
    assert outer.place.steps == (*at, "libraries", 0, "whl")
    assert inner.place.steps == (*at, "for_each_task", "task", "libraries", 0, "whl")
    assert inner.site is outer.site is Site.TASK_LIBRARY


def test_libraries_of_the_whole_job_are_found_and_not_edited() -> None:
    sites = [(one.site, one.spelled) for one in references(stored("legacy-job-level"))]
    assert sites == [(Site.JOB_LIBRARY, X), (Site.PYPI, "sales-metrics==1.2.0")]
    assert Site.JOB_LIBRARY not in EDITABLE


def test_a_base_environment_is_a_file_that_nobody_reads() -> None:
    one = only({"environments": [{"spec": {"base_environment": "/Workspace/env.yaml"}}]})
    assert (one.site, one.why) == (Site.BASE_ENVIRONMENT, "its content is not read")


@pytest.mark.parametrize(
    "settings_",
    [
        {"parameters": [{"name": "x", "default": X}]},
        {"description": f"uses {X}."},
        {"job_clusters": [{"new_cluster": {"spark_conf": {"spark.submit.pyFiles": f"a.py,{X}"}}}]},
        {"tasks": [{"notebook_task": {"base_parameters": {"whl": X}}}]},
        {"tasks": [{"spark_python_task": {"python_file": X}}]},
        {"tasks": [{"spark_python_task": {"parameters": ["--whl", X]}}]},
        {"tasks": [{"new_cluster": {"spark_env_vars": {"PYTHONPATH": f"/a:{X}"}}}]},
        {"tasks": [{"for_each_task": {"inputs": f'["{X}"]', "task": {}}}]},
        {"libraries": X},
        {"tasks": X},
        {"tasks": [{"libraries": {"whl": X}}]},
        {"environments": [{"spec": {"dependencies": X}}]},
        job_with_parameters("--conf", f"spark.submit.pyFiles={X}", "/main.py"),
        job_with_parameters(f"--conf=spark.submit.pyFiles={X}"),
        job_with_parameters("/main.py", "--py-files", X),
        job_with_parameters(f"--py-files {X} --jars b.zip"),
        job_with_lines(f"--find-links {X}"),
        job_with_lines(f"-r {X}"),
        job_with_lines(f"pandas # {X}"),
        job_with_lines(f"# {X}"),
        job_with_lines(f"/Volumes/a/b {X} c"),
        job_with({"requirements": X}),
        job_with({"whl": {"path": X}}),
    ],
)
def test_a_mention_anywhere_else_is_found_and_not_edited(settings_: Settings) -> None:
    found = [one for one in references(settings_) if one.names(NAME)]
    assert [one.spelled for one in found] == [X]
    assert found[0].site not in EDITABLE


def test_a_structured_reference_is_not_told_twice() -> None:
    lines = references(job_with_lines(f"'{X}[a]' ; extra == 'a'", f"x @ file://{X}"))
    assert len(lines) == 2
    listed = references(job_with_parameters("--py-files", f" '{X}', {X},b.zip", X))
    assert [one.site for one in listed] == [Site.PY_FILES] * 3 + [Site.SUBMIT_APPLICATION]


def test_a_mention_beside_a_structured_reference_is_told_as_well() -> None:
    line, comment = references(job_with_lines(f"{X}  # was {wheel('1.1.0')}"))
    assert (line.site, line.spelled) == (Site.ENVIRONMENT, X)
    assert (comment.site, comment.spelled) == (Site.TEXT, wheel("1.1.0"))


def test_replacing_spans_touches_only_their_characters() -> None:
    spans = [Span(0, 1, SpanKind.FILE), Span(3, 4, SpanKind.FILE)]
    assert replace_spans("a, b", zip(spans, ["longer", ""], strict=True)) == "longer, "
    assert replace_spans("a", []) == "a"


def every_mention(settings_: Settings) -> set[str]:
    return {name for name in file_names_in(list(all_values(settings_))) if parse_file_name(name)}


def all_values(node: Any) -> list[Any]:
    """The document without its keys, which are no references."""
    if isinstance(node, dict):
        return [all_values(each) for each in node.values()]
    return [all_values(each) for each in node] if isinstance(node, list) else node


@settings(deadline=None)
@given(job_settings)
def test_no_mention_of_a_library_file_is_missed(made: Settings) -> None:
    check_nothing_is_missed(made)


@settings(deadline=None)
@given(any_settings)
def test_no_mention_is_missed_in_settings_that_no_api_would_return(made: Settings) -> None:
    check_nothing_is_missed(made)


@pytest.mark.parametrize("trait", stored_settings())
def test_no_mention_in_the_stored_settings_is_missed(trait: str) -> None:
    check_nothing_is_missed(stored(trait))


def check_nothing_is_missed(made: Settings) -> None:
    found = references(made)
    for one in found:
        assert one.place.read(made) == one.text
        assert told(one)[0] or one.why
    texts = {one.text for one in found}
    for name in every_mention(made):
        assert any(name in text or name in file_name(text) for text in texts), name
