"""The grammars of the strings that name libraries (facts A1, A4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.jobs import spans
from deployer.jobs.spans import Span, SpanKind
from tests.job_settings import lines, parameters, paths

X = "/Volumes/a/x-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    "value",
    [
        X,
        f"  {X} ",
        f'"{X}"',
        f"'{X}'",
        f"{X}[plots]",
        f"{X} [plots, excel]",
    ],
)
def test_a_library_value_is_a_path_without_blanks_quotes_and_extras(value: str) -> None:
    found = spans.library_value(value)
    assert (found.of(value), found.kind) == (X, SpanKind.FILE)


@pytest.mark.parametrize("value", ["cowsay", "/Volumes/a", "x.whl.bak", "", " ", '"', "x.whl["])
def test_another_library_value_is_reported_as_it_stands(value: str) -> None:
    found = spans.library_value(value)
    assert (found.of(value), found.kind) == (value.strip(), SpanKind.OTHER)


FILE_LINES = [
    (X, X),
    (f"\t{X}  ", X),
    (f"'{X}'", X),
    (f'"{X}"', X),
    (f'  "{X}[plots]"  ', X),
    (f"{X}[plots]", X),
    (f"{X}[ plots , excel ]", X),
    (f"{X} [plots]", X),
    (f"{X} ; python_version < '3.12'", X),
    (f"{X};python_version<'3.12'", X),
    (f"{X}[plots] ; extra == 'a' # why.whl", X),
    (f"{X} # was /Volumes/a/x-0.9-py3-none-any.whl", X),
    (f"{X}\t#comment", X),
    (f"{X}#egg=x", X),
    (f"{X} --no-deps", X),
    (f"x @ file://{X}", f"file://{X}"),
    (f"x[a, b]@file://{X}", f"file://{X}"),
    (f"x @ {X}", X),
    ("x.y_z-1 @ s3://b/x.whl", "s3://b/x.whl"),
    ("/Volumes/a b/x.whl", "/Volumes/a b/x.whl"),
    ("/Volumes/c#/x.whl", "/Volumes/c#/x.whl"),
    ("/Volumes/a.py/x.whl", "/Volumes/a.py/x.whl"),
    ("/Volumes/a;b/x.whl", "/Volumes/a;b/x.whl"),
    ("./dist/*.whl", "./dist/*.whl"),
    ("../dist/x.whl", "../dist/x.whl"),
    ("x.whl", "x.whl"),
    ("${var.dir}/x.whl", "${var.dir}/x.whl"),
    ("{{job.parameters.dir}}/x.WHL", "{{job.parameters.dir}}/x.WHL"),
    ("/Volumes/a/x.jar", "/Volumes/a/x.jar"),
    ("/Volumes/a/x.tar.gz", "/Volumes/a/x.tar.gz"),
]


@pytest.mark.parametrize(("line", "path"), FILE_LINES)
def test_a_dependency_line_names_exactly_its_path(line: str, path: str) -> None:
    found = spans.dependency_line(line)
    assert found is not None
    assert (found.of(line), found.kind, found.hashed) == (path, SpanKind.FILE, False)


@pytest.mark.parametrize(
    "line",
    [
        f"{X} --hash=sha256:00",
        f"{X} --hash sha256:00",
        f'"{X}" --hash=sha256:00',
        f"x @ file://{X}#sha256=00",
        f"x @ file://{X}#egg=x&sha256=00",
        f"{X}#md5=00",
        f"{X}[plots] ; extra == 'a' --hash=sha256:00",
    ],
)
def test_a_hash_beside_the_path_is_seen(line: str) -> None:
    found = spans.dependency_line(line)
    assert found is not None
    assert found.of(line).endswith(X)
    assert found.hashed


OTHER_LINES = [
    ("sales-metrics==1.2.0", SpanKind.REQUIREMENT, "sales-metrics==1.2.0"),
    (" psycopg[binary] ", SpanKind.REQUIREMENT, "psycopg[binary]"),
    ("pandas>=2,<3 # see x.whl", SpanKind.REQUIREMENT, "pandas>=2,<3"),
    ("'pandas'", SpanKind.REQUIREMENT, "pandas"),
    ("module.py", SpanKind.REQUIREMENT, "module.py"),
    ("-r /a/r.txt", SpanKind.REQUIREMENTS_FILE, "/a/r.txt"),
    ("-r/a/r.txt", SpanKind.REQUIREMENTS_FILE, "/a/r.txt"),
    ('-r "/a b/r.txt"', SpanKind.REQUIREMENTS_FILE, "/a b/r.txt"),
    ("-r '/a b/r.txt' # both", SpanKind.REQUIREMENTS_FILE, "/a b/r.txt"),
    ("--requirement /a/r.txt", SpanKind.REQUIREMENTS_FILE, "/a/r.txt"),
    ("--requirement=/a/r.txt", SpanKind.REQUIREMENTS_FILE, "/a/r.txt"),
    ("--index-url https://i/simple", SpanKind.OPTION, "--index-url https://i/simple"),
    ("-i https://i/simple", SpanKind.OPTION, "-i https://i/simple"),
    ("--find-links=/a", SpanKind.OPTION, "--find-links=/a"),
    ("-e /a/project", SpanKind.OPTION, "-e /a/project"),
    ("--no-index", SpanKind.OPTION, "--no-index"),
    ("--require-hashes", SpanKind.OPTION, "--require-hashes"),
    ("git+https://g/x@v1", SpanKind.URL, "git+https://g/x@v1"),
    ("x @ git+ssh://g/x@v1", SpanKind.URL, "git+ssh://g/x@v1"),
    ("https://h/x.whl", SpanKind.URL, "https://h/x.whl"),
    ("x[a] @ https://h/x.zip", SpanKind.URL, "https://h/x.zip"),
    ("/Volumes/a/folder", SpanKind.OTHER, "/Volumes/a/folder"),
    ("./project[extra]", SpanKind.OTHER, "./project[extra]"),
]


@pytest.mark.parametrize(("line", "kind", "text"), OTHER_LINES)
def test_other_dependency_lines_are_told_apart(line: str, kind: SpanKind, text: str) -> None:
    found = spans.dependency_line(line)
    assert found is not None
    assert (found.kind, found.of(line)) == (kind, text)


@pytest.mark.parametrize("line", ["", "   ", "# x.whl", "  # x.whl", "\n"])
def test_blank_lines_and_comments_name_nothing(line: str) -> None:
    assert spans.dependency_line(line) is None


def files(*parameters: object) -> list[tuple[int, str, str]]:
    found = []
    for each in spans.submit_files(parameters):
        text = parameters[each.parameter]
        assert isinstance(text, str)
        found.append((each.parameter, each.option, each.span.of(text)))
    return found


def test_the_value_of_py_files_is_separate_or_glued_by_a_blank_or_an_equals_sign() -> None:
    assert files("--py-files", "a.whl,b.egg", "m.py") == [
        (1, "--py-files", "a.whl"),
        (1, "--py-files", "b.egg"),
        (2, "", "m.py"),
    ]
    assert files("--py-files a.whl", "m.py") == [(0, "--py-files", "a.whl"), (1, "", "m.py")]
    assert files("--py-files=a.whl", "m.py") == [(0, "--py-files", "a.whl"), (1, "", "m.py")]
    assert files("--py-files = a.whl") == [(0, "--py-files", "a.whl")]
    assert files("--py-files ", "a.whl") == [(1, "--py-files", "a.whl")]


def test_blanks_quotes_and_empty_items_of_a_comma_list_belong_to_no_file() -> None:
    listed = files("--py-files", " a.whl , 'b.whl',, \"c d.whl\" ,")
    assert [text for _, _, text in listed] == ["a.whl", "b.whl", "c d.whl"]
    assert [text for *_, text in files("--py-files='a.whl,b.whl'")] == ["a.whl", "b.whl"]
    assert [text for *_, text in files("--py-files", '"a.whl, b.whl"')] == ["a.whl", "b.whl"]


def test_the_same_file_twice_in_one_list_is_found_twice() -> None:
    assert len(files("--py-files", "a.whl,a.whl,a.whl")) == 3


def test_options_that_take_no_files_take_their_value_with_them() -> None:
    assert files("--conf", "a.whl", "--class", "b.jar", "--jars=c.jar", "d.jar", "e.jar") == [
        (4, "--jars", "c.jar"),
        (5, "", "d.jar"),
    ]
    assert files("--verbose", "--supervise", "m.py") == [(2, "", "m.py")]
    assert files("--conf=spark.jars=a.jar", "m.py") == [(1, "", "m.py")]


def test_what_follows_the_application_is_its_own() -> None:
    assert files("m.py", "--py-files", "a.whl") == [(0, "", "m.py")]


def test_a_string_with_several_options_yields_nothing() -> None:
    assert files("--py-files a.whl --jars b.jar") == []


def test_parameters_that_are_no_strings_are_passed_over() -> None:
    assert files(1, None, "--py-files", {}, "a.whl") == [(4, "--py-files", "a.whl")]
    assert files("--py-files") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"spark.jars={X}", [X]),
        ('{"whl": "a/x.whl", "jar": "y.jar"}', ["a/x.whl", "y.jar"]),
        ("[a.whl,b.egg;c.jar]", ["a.whl", "b.egg", "c.jar"]),
        ("/a/x.jar:/b/y.jar", ["/a/x.jar", "/b/y.jar"]),
        ("jar:file:/a/x.jar!/BOOT-INF/y.jar", ["jar:file:/a/x.jar", "/BOOT-INF/y.jar"]),
        ("pip install x.whl.", ["x.whl"]),
        ("see x.whl, y.whl!", ["x.whl", "y.whl"]),
        ("{{root}}/x.whl ${v}/y.whl", ["{{root}}/x.whl", "${v}/y.whl"]),
        ("{{root/x.whl", ["root/x.whl"]),
        ("https://h/x.whl?token=1#sha256=2", ["https://h/x.whl"]),
        ("x.whl.bak x.whl-old x.whla .whl /a/.jar", []),
        ("", []),
    ],
)
def test_free_text_mentions_library_files(text: str, found: list[str]) -> None:
    assert [each.of(text) for each in spans.mentions(text)] == found


def check_spans(found: list[Span], text: str) -> None:
    """Spans stand in the text, in order and apart, and hold no blank at their ends."""
    ends = [0]
    for each in found:
        assert ends[-1] <= each.start <= each.end <= len(text)
        assert each.of(text) == each.of(text).strip()
        ends.append(each.end)


@given(st.one_of(st.text(), lines, paths))
def test_spans_stand_in_their_text(text: str) -> None:
    line = spans.dependency_line(text)
    check_spans([line] if line else [], text)
    check_spans([spans.library_value(text)], text)
    check_spans(list(spans.mentions(text)), text)


@given(st.one_of(parameters, st.lists(st.text(), max_size=4)))
def test_files_of_parameters_stand_in_their_parameter(given_: list[str]) -> None:
    found = list(spans.submit_files(given_))
    for index, text in enumerate(given_):
        check_spans([each.span for each in found if each.parameter == index], text)


@given(paths, st.sampled_from(["", " ", "[a]", " ; extra == 'a'", "  # x"]))
def test_what_stands_around_a_path_is_no_part_of_it(path: str, tail: str) -> None:
    if path.startswith((".", "{", "$")):
        return  # relative: only a library file makes it a path
    for line in (f"{path}{tail}", f"  '{path}'{tail}", f"name @ {path}{tail}"):
        found = spans.dependency_line(line)
        assert found is not None
        assert found.of(line) == path
