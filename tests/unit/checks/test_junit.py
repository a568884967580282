from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.checks import junit
from deployer.checks.junit import InvalidReport, read_results
from deployer.report.model import Finding

CASE = (
    '<testcase classname="tests.test_a" name="test_x" file="tests/test_a.py" line="4" time="0.5">'
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").touch()
    (tmp_path / "src.py").touch()
    return tmp_path


def read(project: Path, inside: str) -> junit.Results:
    report = project / "junit.xml"
    report.write_text(f"<testsuites><testsuite>{inside}</testsuite></testsuites>", encoding="utf-8")
    return read_results(report, project)


def failed(trace: str, message: str = "assert 1 == 2", kind: str = "failure") -> str:
    return f"{CASE}<{kind} message={quoteattr(message)}>{trace}</{kind}></testcase>"


def test_results_are_counted(project: Path) -> None:
    results = read(
        project,
        f"{CASE}</testcase>{failed('')}{failed('', kind='error')}{CASE}<skipped/></testcase>",
    )
    assert (results.tests, results.passed) == (4, 1)
    assert (results.failures, results.errors, results.skipped) == (1, 1, 1)


def test_the_slowest_test_is_known(project: Path) -> None:
    slow = '<testcase classname="tests.test_a" name="test_slow" time="9.25"/>'
    results = read(project, f"{CASE}</testcase>{slow}{CASE}</testcase>")
    assert results.slowest == junit.TimedTest("tests.test_a::test_slow", 9.25)


def test_the_place_is_the_line_that_failed_in_the_test(project: Path) -> None:
    trace = "> helper()\n\ntests/test_a.py:7: \n\nsrc.py:3: AssertionError"
    (finding,) = read(project, failed(trace)).problems
    assert finding == Finding(
        "tests.test_a::test_x: assert 1 == 2", "tests/test_a.py", 7, code="failure"
    )


def test_a_failure_outside_of_the_test_file_is_placed_in_the_project(project: Path) -> None:
    trace = "src.py:3: in fixture\n/usr/lib/python3/site.py:9: KeyError"
    (finding,) = read(project, failed(trace, kind="error")).problems
    assert (finding.path, finding.line) == ("src.py", 3)


def test_without_a_trace_the_place_is_the_start_of_the_test(project: Path) -> None:
    (finding,) = read(project, failed("[XPASS(strict)]")).problems
    assert (finding.path, finding.line) == ("tests/test_a.py", 5)


def test_a_trace_can_not_point_out_of_the_project(project: Path) -> None:
    (finding,) = read(project, failed("../../etc/evil.py:1: x\n/etc/evil.py:1: x")).problems
    assert (finding.path, finding.line) == ("tests/test_a.py", 5)


def test_a_file_that_can_not_be_imported_is_told_with_its_exception(project: Path) -> None:
    trace = "tests/test_a.py:1: in &lt;module&gt;\nE   ModuleNotFoundError: No module named 'x'"
    (finding,) = read(project, failed(trace, "collection failure", "error")).problems
    assert "No module named 'x'" in finding.message
    assert (finding.path, finding.line) == ("tests/test_a.py", 1)


def test_a_report_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidReport, match="no test report"):
        read_results(tmp_path / "junit.xml", tmp_path)


def test_entities_are_refused(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><testsuites>&c;</testsuites>'
    )
    with pytest.raises(InvalidReport, match="document type"):
        read_results(report, tmp_path)


def test_a_huge_report_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "LARGEST_REPORT", 10)
    report = tmp_path / "junit.xml"
    report.write_text("<testsuites/>")
    with pytest.raises(InvalidReport, match="too large"):
        read_results(report, tmp_path)


def test_a_link_in_place_of_the_report_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").symlink_to("/proc/self/environ")
    with pytest.raises(InvalidReport, match="it is a link"):
        read_results(tmp_path / "junit.xml", tmp_path)


def test_a_place_with_a_name_that_no_file_can_have_is_none_of_ours(project: Path) -> None:
    (finding,) = read(project, failed(f"{'x' * 5_000}.py:1: AssertionError")).problems
    assert (finding.path, finding.line) == ("tests/test_a.py", 5)


@pytest.mark.parametrize(
    "text", ["", "<testsuites>", "no XML", "<a/><b/>", '<?xml version="1.0" encoding="x"?><a/>']
)
def test_what_is_not_well_formed_is_told(text: str, tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(text)
    with pytest.raises(InvalidReport, match="not well-formed"):
        read_results(report, tmp_path)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, after: bytes
) -> None:
    folder = tmp_path_factory.mktemp("report")
    report = folder / "junit.xml"
    case = b'<testcase name="x" line="-" time="soon"><failure message="m">t</failure></testcase>'
    report.write_bytes(before + case + after)
    try:
        results = read_results(report, folder)
    except InvalidReport:
        return
    assert results.failures >= 1
