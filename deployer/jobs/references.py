"""References: every string of a job's settings that names a library, and how it would be moved.

Owns the walk over the places of facts A1 and the reading of each string found there. A reference
is only found and described here; whether it moves is the plan's decision. Must not know versions'
policies, roots or owners.

Nothing is silently missed: the structured places are read by their grammars, and whatever library
file any other part of any string mentions is a reference in free text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from deployer.jobs import spans
from deployer.jobs.paths import canonical, file_name, is_unresolved, respelled
from deployer.jobs.places import Place, Step, elements, strings
from deployer.jobs.spans import Span, SpanKind
from deployer.library.coordinates import Coordinate, parse_maven, parse_requirement
from deployer.library.model import Kind
from deployer.library.names import NameProblem, ParsedName, parse_file_name


class Site(StrEnum):
    """Where in the settings a reference stands, as far as it matters to what may be done with it."""

    TASK_LIBRARY = "task library"
    JOB_LIBRARY = "job-level library"
    ENVIRONMENT = "environment dependency"
    PY_FILES = "--py-files"
    JARS = "--jars"
    SUBMIT_APPLICATION = "spark-submit application"
    SUBMIT_PARAMETER = "spark-submit parameter"
    JAVA_DEPENDENCY = "java dependency"
    JAR_URI = "jar_uri"
    PYPI = "pypi library"
    MAVEN = "maven library"
    CRAN = "cran library"
    REQUIREMENTS = "requirements file"
    BASE_ENVIRONMENT = "base environment"
    TEXT = "free text"


_PYTHON = frozenset({Kind.WHEEL, Kind.EGG})
_JAVA = frozenset({Kind.JAR})
EDITABLE: Mapping[Site, frozenset[Kind]] = {
    Site.TASK_LIBRARY: _PYTHON | _JAVA,
    Site.ENVIRONMENT: _PYTHON,
    Site.PY_FILES: _PYTHON,
    Site.JARS: _JAVA,
    Site.SUBMIT_APPLICATION: _JAVA,
    Site.JAVA_DEPENDENCY: _JAVA,
    Site.JAR_URI: _JAVA,
}
"""The sites whose references may be changed, and the kinds of library that make sense there."""

# What spark-submit's options take; of other options the files are only reported.
_SUBMIT_SITES = {
    "--py-files": Site.PY_FILES,
    "--jars": Site.JARS,
    "": Site.SUBMIT_APPLICATION,
}

_UNREAD = "its content is not read"
# The jobs of a workspace name the same few files over and over.
_parsed = lru_cache(maxsize=4096)(parse_file_name)


@dataclass(frozen=True)
class Reference:
    """One mention of a library in one string of one job.

    `text` is the complete string at `place`; `span` the characters of it that name the library.
    `parsed` is what the file name says, for files; `coordinate` what a package index would be asked.
    `why` says why there is no certain name or version.
    """

    site: Site
    place: Place
    text: str
    span: Span
    parsed: ParsedName | None = None
    coordinate: Coordinate | None = None
    why: str | None = None

    @property
    def spelled(self) -> str:
        """The path, line or coordinate as it stands."""
        return self.span.of(self.text)

    @property
    def path(self) -> str | None:
        """The canonical path of a file reference; None for others and where it can't be known."""
        return canonical(self.spelled) if self.span.kind is SpanKind.FILE else None

    @property
    def unresolved(self) -> bool:
        """Whether a variable stands in the path, which only the run resolves."""
        return is_unresolved(self.spelled)

    def names(self, library: str) -> bool:
        """Whether any reading of this reference is `library` (normalised name)."""
        if self.coordinate is not None:
            return self.coordinate.name == library
        return self.parsed is not None and any(c.name == library for c in self.parsed.candidates)

    def retargeted(self, root: str, name: str) -> str | None:
        """The characters that replace the span, so that it names the file `name` in `root`; or None."""
        return respelled(self.spelled, root, name)


def replace_spans(text: str, replacements: Iterable[tuple[Span, str]]) -> str:
    """`text` with each span replaced; spans must not overlap. Nothing else of it changes."""
    for span, new in sorted(replacements, key=lambda pair: pair[0].start, reverse=True):
        text = text[: span.start] + new + text[span.end :]
    return text


def references(settings: Mapping[str, object]) -> tuple[Reference, ...]:
    """Every reference in `settings`: the structured places first, then mentions in any other text."""
    structured = (
        *_of_tasks(settings),
        *_of_environments(settings),
        *_of_libraries(settings, (), Site.JOB_LIBRARY),
    )
    return (*structured, *_of_free_text(settings, structured))


# ── Tasks ────────────────────────────────────────────────────────────────────────────────────────


def _of_tasks(settings: Mapping[str, object]) -> Iterator[Reference]:
    for step, outer in elements(settings, "tasks"):
        task: object = outer
        at: tuple[Step, ...] = ("tasks", step)
        while isinstance(task, dict):
            yield from _of_libraries(task, at, Site.TASK_LIBRARY)
            yield from _of_submit(task, at)
            yield from _of_jar(task, at)
            loop = task.get("for_each_task")
            task = loop.get("task") if isinstance(loop, dict) else None
            at = (*at, "for_each_task", "task")


def _of_libraries(
    container: Mapping[str, object], at: tuple[Step, ...], site: Site
) -> Iterator[Reference]:
    for step, library in elements(container, "libraries"):
        if isinstance(library, dict):
            for kind, value in library.items():
                yield from _of_library(site, kind, value, (*at, "libraries", step, kind))


def _of_library(site: Site, kind: str, value: object, at: tuple[Step, ...]) -> Iterator[Reference]:
    match kind, value:
        case (("whl" | "jar" | "egg"), str()):
            yield _of_file(site, value, at, spans.library_value(value))
        case "requirements", str():
            yield _whole(Site.REQUIREMENTS, value, at, why=_UNREAD)
        case (("pypi" | "cran"), {"package": str() as package}):
            index = Site.PYPI if kind == "pypi" else Site.CRAN
            yield _whole(index, package, (*at, "package"), _requirement(package))
        case "maven", {"coordinates": str() as coordinates}:
            found = parse_maven(coordinates)
            yield _whole(Site.MAVEN, coordinates, (*at, "coordinates"), found)


def _of_submit(task: Mapping[str, object], at: tuple[Step, ...]) -> Iterator[Reference]:
    submit = task.get("spark_submit_task")
    parameters = submit.get("parameters") if isinstance(submit, dict) else None
    if not isinstance(parameters, list):
        return
    for found in spans.submit_files(parameters):
        site = _SUBMIT_SITES.get(found.option, Site.SUBMIT_PARAMETER)
        place = (*at, "spark_submit_task", "parameters", found.parameter)
        yield _of_file(site, parameters[found.parameter], place, found.span)


def _of_jar(task: Mapping[str, object], at: tuple[Step, ...]) -> Iterator[Reference]:
    match task.get("spark_jar_task"):
        case {"jar_uri": str() as uri}:
            place = (*at, "spark_jar_task", "jar_uri")
            yield _of_file(Site.JAR_URI, uri, place, spans.library_value(uri))


# ── Environments ─────────────────────────────────────────────────────────────────────────────────


def _of_environments(settings: Mapping[str, object]) -> Iterator[Reference]:
    for step, environment in elements(settings, "environments"):
        spec = environment.get("spec") if isinstance(environment, dict) else None
        if not isinstance(spec, dict):
            continue
        at: tuple[Step, ...] = ("environments", step, "spec")
        for index, line in elements(spec, "dependencies"):
            if isinstance(line, str):
                yield from _of_dependency(line, (*at, "dependencies", index))
        for index, value in elements(spec, "java_dependencies"):
            if isinstance(value, str):
                place = (*at, "java_dependencies", index)
                yield _of_file(Site.JAVA_DEPENDENCY, value, place, spans.library_value(value))
        base = spec.get("base_environment")
        if isinstance(base, str):
            yield _whole(Site.BASE_ENVIRONMENT, base, (*at, "base_environment"), why=_UNREAD)


def _of_dependency(line: str, steps: tuple[Step, ...]) -> Iterator[Reference]:
    span = spans.dependency_line(line)
    if span is None:
        return
    match span.kind:
        case SpanKind.FILE:
            yield _of_file(Site.ENVIRONMENT, line, steps, span)
        case SpanKind.REQUIREMENT | SpanKind.URL:
            yield _of_requirement(line, steps, span)
        case SpanKind.REQUIREMENTS_FILE:
            yield Reference(Site.REQUIREMENTS, Place(steps), line, span, why=_UNREAD)
        case SpanKind.OPTION:
            yield Reference(Site.ENVIRONMENT, Place(steps), line, span, why="an option of pip")
        case SpanKind.OTHER:
            yield Reference(Site.ENVIRONMENT, Place(steps), line, span, why="not a library file")


def _of_requirement(line: str, steps: tuple[Step, ...], span: Span) -> Reference:
    """A requirement or URL; a URL of a library file is a file, which lies outside any root."""
    file = next(spans.mentions(span.of(line)), None) if span.kind is SpanKind.URL else None
    if file is not None:
        start, end = span.start + file.start, span.start + file.end
        return _of_file(Site.ENVIRONMENT, line, steps, Span(start, end, SpanKind.FILE))
    named = line if span.kind is SpanKind.URL else span.of(line)  # `name @ https://…`, too
    return _of_coordinate(Site.PYPI, line, steps, span, _requirement(named))


def _requirement(text: str) -> Coordinate:
    """The coordinate of a requirement; a marker that nests too deep for its parser makes it none."""
    try:
        return parse_requirement(text)
    except RecursionError:
        return Coordinate(None, raw_version=text, problem=NameProblem.NOT_A_REQUIREMENT)


# ── Free text, and what all have in common ───────────────────────────────────────────────────────


def _of_free_text(
    settings: Mapping[str, object], structured: Iterable[Reference]
) -> Iterator[Reference]:
    read: defaultdict[Place, list[Span]] = defaultdict(list)
    for one in structured:
        if one.parsed is not None:
            read[one.place].append(one.span)
    for place, text in strings(settings):
        for span in spans.mentions(text):
            if not _covered(span, read.get(place, [])):
                yield _of_file(Site.TEXT, text, place.steps, span)


def _covered(span: Span, read: list[Span]) -> bool:
    """Whether `span` shares a character with one of `read`, which are in order and apart."""
    before = bisect_left(read, span.end, key=lambda one: one.start)
    return before > 0 and read[before - 1].end > span.start


def _of_file(site: Site, text: str, steps: tuple[Step, ...], span: Span) -> Reference:
    parsed = _parsed(file_name(span.of(text)))
    why = None
    if parsed is None:
        why = "not a path of a library file"
    elif parsed.problem is not None:
        why = parsed.problem.value
    return Reference(site, Place(steps), text, span, parsed=parsed, why=why)


def _whole(
    site: Site,
    text: str,
    steps: tuple[Step, ...],
    coordinate: Coordinate | None = None,
    why: str | None = None,
) -> Reference:
    span = Span(0, len(text), SpanKind.REQUIREMENT)
    if coordinate is None:
        return Reference(site, Place(steps), text, span, why=why)
    return _of_coordinate(site, text, steps, span, coordinate)


def _of_coordinate(
    site: Site, text: str, steps: tuple[Step, ...], span: Span, coordinate: Coordinate
) -> Reference:
    why = coordinate.problem.value if coordinate.problem else None
    return Reference(site, Place(steps), text, span, coordinate=coordinate, why=why)
