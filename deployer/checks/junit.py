"""Reads the JUnit XML that pytest wrote: counts, durations, and what failed where.

The file comes from code that is not trusted: it is parsed as a stream of bounded size, and any
document type, hence any entity, is refused. Must not run anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from deployer.checks.foreign import UnwantedFile, read_foreign
from deployer.report.model import Finding

LARGEST_REPORT = 50_000_000  # bytes
_MOST_PROBLEMS = 500
_LONGEST_MESSAGE = 1_000  # characters
_LONGEST_TRACE = 100_000  # characters; the end of a trace names the place that failed
_PLACE = re.compile(r"^(?P<path>[^\s:][^:\n]*\.py):(?P<line>\d+):", re.MULTILINE)


class InvalidReport(Exception):
    """The file is no report that we want to read; the message says why."""


@dataclass(frozen=True)
class TimedTest:
    """One test and how long it took."""

    __test__ = False  # pytest, this is no test class

    name: str
    seconds: float


@dataclass(frozen=True)
class Results:
    """What pytest reported. `errors` are tests whose set-up, clean-up or collection failed."""

    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    problems: tuple[Finding, ...] = ()
    slowest: TimedTest | None = None

    @property
    def passed(self) -> int:
        """How many tests passed."""
        return self.tests - self.failures - self.errors - self.skipped


def read_results(report: Path, project: Path, *, owner: int | None = None) -> Results:
    """The results in `report`, a file of `owner` if given, with paths relative to `project`.

    Raises:
        InvalidReport: it is missing or no file to read, not well-formed, or declares a document type.
    """
    try:
        content = read_foreign(report, LARGEST_REPORT, owner=owner)
    except UnwantedFile as error:
        raise InvalidReport(f"The test report is not read: {error}.") from error
    except OSError as error:
        raise InvalidReport("pytest wrote no test report.") from error
    reading = _Reading(project)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    try:
        parser.Parse(content, True)  # noqa: FBT003 - pyexpat takes no keywords
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InvalidReport(f"The test report is not well-formed: {error}.") from error
    return reading.results()


def _refuse(*_: object) -> None:
    raise InvalidReport("The test report declares a document type, which pytest never does.")


@dataclass
class _Reading:
    """The state while the elements go by."""

    project: Path
    count: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("testcase", "failure", "error", "skipped"), 0)
    )
    problems: list[Finding] = field(default_factory=list)
    slowest: TimedTest | None = None
    case: dict[str, str] = field(default_factory=dict)
    problem: tuple[str, str] | None = None  # the element's name, and its message
    trace: str = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name in self.count:
            self.count[name] += 1
        if name == "testcase":
            self.case = attributes
            self._time(attributes.get("time", ""))
        elif name in ("failure", "error"):
            self.problem = name, attributes.get("message", "")
            self.trace = ""

    def text(self, data: str) -> None:
        if self.problem:
            self.trace = (self.trace + data)[-_LONGEST_TRACE:]

    def end(self, name: str) -> None:
        if self.problem and name == self.problem[0]:
            if len(self.problems) < _MOST_PROBLEMS:
                self.problems.append(self._finding(*self.problem))
            self.problem = None

    def results(self) -> Results:
        return Results(
            self.count["testcase"],
            self.count["failure"],
            self.count["error"],
            self.count["skipped"],
            tuple(self.problems),
            self.slowest,
        )

    def _time(self, text: str) -> None:
        try:
            seconds = float(text)
        except ValueError:
            return
        if self.slowest is None or seconds > self.slowest.seconds:
            self.slowest = TimedTest(self._name(), seconds)

    def _name(self) -> str:
        parts = (self.case.get("classname", ""), self.case.get("name", ""))
        return "::".join(part for part in parts if part)

    def _finding(self, kind: str, message: str) -> Finding:
        path, line = self._place()
        said = message
        if message == "collection failure":
            # The message says no more than that; the exception stands at the end of the trace.
            said = _last_exception_line(self.trace) or message
        told = f"{self._name()}: {said}" if said else self._name()
        return Finding(told[:_LONGEST_MESSAGE], path, line, code=kind)

    def _place(self) -> tuple[str, int | None]:
        """Where it failed: the last line of the trace in the test's file, else in the project."""
        file = self.case.get("file", "")
        seen = [(found["path"], int(found["line"])) for found in _PLACE.finditer(self.trace)]
        ours = [(path, line) for path, line in seen if self._is_ours(path)]
        in_test = [(path, line) for path, line in ours if path == file]
        if in_test or ours:
            return (in_test or ours)[-1]
        start = self.case.get("line", "")  # of the test function, counted from 0
        return file, int(start) + 1 if start.isdecimal() else None

    def _is_ours(self, path: str) -> bool:
        if Path(path).is_absolute() or ".." in path:
            return False
        try:
            return (self.project / path).is_file()
        except OSError:  # a name that is too long for one
            return False


def _last_exception_line(trace: str) -> str:
    lines = [line[1:].strip() for line in trace.splitlines() if line.startswith("E ")]
    return lines[-1] if lines else ""
