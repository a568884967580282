"""References: every string of a job's settings that names a library, and how it would be moved.

Owns the walk over the places of facts A1 and the reading of each string found there. A reference
is only found and described here; whether it moves is the plan's decision. Must not know versions'
policies, roots or owners.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployer.jobs import spans
from deployer.jobs.paths import canonical, is_unresolved, respelled
from deployer.jobs.places import Place, Step, elements, strings
from deployer.jobs.spans import Span, SpanKind
from deployer.library.coordinates import Coordinate, parse_maven, parse_requirement
from deployer.library.names import NameCandidate, ParsedName, parse_file_name


class Site(StrEnum):
    """Where in the settings a reference stands, as far as it matters to what may be done with it."""

    TASK_LIBRARY = "task library"
    ENVIRONMENT = "environment dependency"
    PY_FILES = "--py-files"
    JAVA_DEPENDENCY = "java dependency"
    SUBMIT_PARAMETER = "spark-submit parameter"
    JAR_URI = "jar_uri"
    PYPI = "pypi library"
    MAVEN = "maven library"
    CRAN = "cran library"
    REQUIREMENTS = "requirements file"
    BASE_ENVIRONMENT = "base environment"
    TEXT = "free text"


EDITABLE = frozenset({Site.TASK_LIBRARY, Site.ENVIRONMENT, Site.PY_FILES})


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

    def retargeted(self, root: str, file_name: str) -> str | None:
        """The characters that replace the span, so that it names `file_name` in `root`; or None."""
        return respelled(self.spelled, root, file_name)


def replace_spans(text: str, replacements: Iterable[tuple[Span, str]]) -> str:
    """`text` with each span replaced; spans must not overlap. Nothing else of it changes."""
    for span, new in sorted(replacements, key=lambda pair: pair[0].start, reverse=True):
        text = text[: span.start] + new + text[span.end :]
    return text


def references(settings: Mapping[str, object]) -> tuple[Reference, ...]:
    """Every reference in `settings`: the structured places first, then mentions in any other text."""
    structured = (*_of_tasks(settings, ()), *_of_environments(settings))
    # A spark-submit parameter that holds no file list is still swept for mentions.
    covered = {one.place for one in structured}
    return (*structured, *_of_free_text(settings, covered))


def _of_tasks(container: Mapping[str, object], above: tuple[Step, ...]) -> Iterator[Reference]:
    for step, task in elements(container, "tasks"):
        if isinstance(task, dict):
            yield from _of_task(task, (*above, "tasks", step))


def _of_task(task: Mapping[str, object], at: tuple[Step, ...]) -> Iterator[Reference]:
    for step, library in elements(task, "libraries"):
        if isinstance(library, dict):
            yield from _of_library(library, (*at, "libraries", step))
    submit = task.get("spark_submit_task")
    if isinstance(submit, dict) and isinstance(submit.get("parameters"), list):
        yield from _of_submit(submit["parameters"], (*at, "spark_submit_task", "parameters"))
    jar = task.get("spark_jar_task")
    if isinstance(jar, dict) and isinstance(jar.get("jar_uri"), str):
        yield _of_file_value(Site.JAR_URI, jar["jar_uri"], (*at, "spark_jar_task", "jar_uri"))
    loop = task.get("for_each_task")
    if isinstance(loop, dict) and isinstance(loop.get("task"), dict):
        yield from _of_task(loop["task"], (*at, "for_each_task", "task"))


def _of_library(library: Mapping[str, object], at: tuple[Step, ...]) -> Iterator[Reference]:
    for kind, value in library.items():
        if kind in {"whl", "jar", "egg"} and isinstance(value, str):
            yield _of_file_value(Site.TASK_LIBRARY, value, (*at, kind))
        elif kind == "requirements" and isinstance(value, str):
            yield _whole(Site.REQUIREMENTS, value, (*at, kind), "its content is not read")
        elif kind in {"pypi", "cran"} and isinstance(value, dict):
            package = value.get("package")
            if isinstance(package, str):
                site = Site.PYPI if kind == "pypi" else Site.CRAN
                yield _of_requirement(site, package, (*at, kind, "package"), _all_of(package))
        elif kind == "maven" and isinstance(value, dict):
            coordinates = value.get("coordinates")
            if isinstance(coordinates, str):
                yield _of_maven(coordinates, (*at, kind, "coordinates"))


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
                yield _of_file_value(Site.JAVA_DEPENDENCY, value, (*at, "java_dependencies", index))
        base = spec.get("base_environment")
        if isinstance(base, str):
            why = "its content is not read"
            yield _whole(Site.BASE_ENVIRONMENT, base, (*at, "base_environment"), why)


def _of_dependency(line: str, steps: tuple[Step, ...]) -> Iterator[Reference]:
    span = spans.dependency_line(line)
    if span is None:
        return
    match span.kind:
        case SpanKind.FILE:
            yield _of_file(Site.ENVIRONMENT, line, steps, span)
        case SpanKind.REQUIREMENT:
            yield _of_requirement(Site.PYPI, line, steps, span)
        case SpanKind.REQUIREMENTS_FILE:
            yield Reference(
                Site.REQUIREMENTS, Place(steps), line, span, why="its content is not read"
            )
        case SpanKind.OPTION:
            yield Reference(Site.ENVIRONMENT, Place(steps), line, span, why="an option of pip")
        case SpanKind.URL | SpanKind.OTHER:
            why = (
                "a URL, not a file of the workspace" if span.kind is SpanKind.URL else "not a file"
            )
            yield Reference(Site.ENVIRONMENT, Place(steps), line, span, why=why)


def _of_submit(parameters: Sequence[object], at: tuple[Step, ...]) -> Iterator[Reference]:
    for found in spans.submit_files(parameters):
        text = parameters[found.parameter]
        assert isinstance(text, str)  # noqa: S101 - submit_files yields only string parameters
        site = Site.PY_FILES if found.option == "--py-files" else Site.SUBMIT_PARAMETER
        yield _of_file(site, text, (*at, found.parameter), found.span)


def _of_free_text(settings: Mapping[str, object], covered: set[Place]) -> Iterator[Reference]:
    for place, text in strings(settings):
        if place not in covered:
            for span in spans.mentions(text):
                yield _of_file(Site.TEXT, text, place.steps, span)


def _of_file_value(site: Site, text: str, steps: tuple[Step, ...]) -> Reference:
    return _of_file(site, text, steps, spans.library_value(text))


def _of_file(site: Site, text: str, steps: tuple[Step, ...], span: Span) -> Reference:
    parsed = parse_file_name(span.of(text).rsplit("/", 1)[-1])
    why = None
    if parsed is None:
        why = "not a path of a library file"
    elif parsed.problem is not None:
        why = parsed.problem.value
    return Reference(site, Place(steps), text, span, parsed=parsed, why=why)


def _of_requirement(site: Site, text: str, steps: tuple[Step, ...], span: Span) -> Reference:
    return _of_coordinate(site, text, steps, span, parse_requirement(span.of(text)))


def _of_maven(text: str, steps: tuple[Step, ...]) -> Reference:
    return _of_coordinate(Site.MAVEN, text, steps, _all_of(text), parse_maven(text))


def _of_coordinate(
    site: Site, text: str, steps: tuple[Step, ...], span: Span, coordinate: Coordinate
) -> Reference:
    why = coordinate.problem.value if coordinate.problem else None
    return Reference(site, Place(steps), text, span, coordinate=coordinate, why=why)


def _whole(site: Site, text: str, steps: tuple[Step, ...], why: str) -> Reference:
    return Reference(site, Place(steps), text, _all_of(text), why=why)


def _all_of(text: str) -> Span:
    return Span(0, len(text), SpanKind.REQUIREMENT)
