"""Names that are not files: PyPI requirements and Maven coordinates as jobs state them.

Owns which library such a string names and whether it names one exact version. Pure and total.
Must not change strings: these references are reported, never rewired (design.md, rule 3 keeps the
bytes of whatever stands around a reference).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from deployer.library.names import NameProblem, normalized, split_scala
from deployer.library.versions import parse_jar_version, parse_version


@dataclass(frozen=True)
class Coordinate:
    """What a requirement or a Maven coordinate names; `problem` says why it is not one version."""

    name: NormalizedName | None
    version: Version | None = None
    raw_version: str = ""  # the version, range or URL, as the string spells it
    problem: NameProblem | None = None
    extras: tuple[str, ...] = ()
    group: str = ""  # of a Maven coordinate
    scala: str = ""  # "2.12" of glow-spark3_2.12


_COMMENT = re.compile(r"(?:^|\s)#.*")
_PIP_OPTION = re.compile(r"\s--[a-z].*")  # `name==1.0 --hash=sha256:…`
_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*:|git@)", re.I)
_EGG_FRAGMENT = re.compile(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)")
_PLACEHOLDER = re.compile(r"\$\{|\{\{|%[A-Za-z_]\w*%")
_MAVEN = re.compile(r"([\w.-]+):([\w.-]+)(?::(?:[\w.-]+:){0,2}([^:\s]+))?")
_MAVEN_MOVING = {"LATEST", "RELEASE"}


def parse_requirement(text: str) -> Coordinate:
    """Read one requirement: what `pypi.package` or a line of `environments` dependencies holds.

    Exact is `==` or `===` with a whole version, whatever markers and extras stand around it.

    >>> parse_requirement("Databricks_SDK[notebook]==0.50.0").name
    'databricks-sdk'
    >>> parse_requirement("numpy==1.22.*").problem
    <NameProblem.WILDCARD: 'wildcard'>
    """
    line = _PIP_OPTION.sub("", _COMMENT.sub("", text)).strip()
    if _PLACEHOLDER.search(line):
        return Coordinate(None, raw_version=line, problem=NameProblem.PLACEHOLDER)
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return _not_a_requirement(line)
    name = canonicalize_name(requirement.name)
    extras = tuple(sorted(requirement.extras))
    if requirement.url:
        return Coordinate(name, None, requirement.url, NameProblem.URL, extras)
    version, problem = _exact(list(requirement.specifier))
    raw = str(requirement.specifier).removeprefix("==" if version else "")
    return Coordinate(name, version, raw, problem, extras)


def parse_maven(text: str) -> Coordinate:
    """Read `group:artifact:version`, perhaps with packaging and classifier before the version.

    The name is the PEP 503 form of the artifact with its Scala suffix, as `names` has it.

    >>> parse_maven("io.projectglow:glow-spark3_2.12:1.2.1").scala
    '2.12'
    """
    line = text.strip()
    if _PLACEHOLDER.search(line):
        return Coordinate(None, raw_version=line, problem=NameProblem.PLACEHOLDER)
    found = _MAVEN.fullmatch(line)
    name = normalized(found[2]) if found else None
    if found is None or name is None:
        return Coordinate(None, raw_version=line, problem=NameProblem.NOT_A_REQUIREMENT)
    group, artifact, raw = found[1], found[2], found[3] or ""
    version = parse_jar_version(raw) if raw else None
    return Coordinate(
        name,
        version,
        raw,
        _maven_problem(raw) if version is None else None,
        group=group,
        scala=split_scala(artifact)[1],
    )


def _exact(specifiers: list[Specifier]) -> tuple[Version | None, NameProblem | None]:
    """The one version that all `specifiers` allow, or why there is none to name."""
    if not specifiers:
        return None, NameProblem.NO_VERSION
    if any(s.version.endswith(".*") and s.operator == "==" for s in specifiers):
        return None, NameProblem.WILDCARD
    pins = [s for s in specifiers if s.operator in {"==", "==="}]
    if not pins:
        return None, NameProblem.RANGE
    version = parse_version(pins[0].version)
    if version is None:  # `===` takes any string
        return None, NameProblem.INVALID_VERSION
    if all(s.contains(version, prereleases=True) for s in specifiers):
        return version, None
    return None, NameProblem.RANGE


def _not_a_requirement(line: str) -> Coordinate:
    if not line.startswith("-") and _URL.match(line):
        egg = _EGG_FRAGMENT.search(line)
        return Coordinate(normalized(egg[1]) if egg else None, None, line, NameProblem.URL)
    return Coordinate(None, raw_version=line, problem=NameProblem.NOT_A_REQUIREMENT)


def _maven_problem(raw: str) -> NameProblem:
    if not raw:
        return NameProblem.NO_VERSION
    if raw[0] in "[(" or raw in _MAVEN_MOVING:
        return NameProblem.RANGE
    return NameProblem.WILDCARD if raw.endswith("+") else NameProblem.INVALID_VERSION
