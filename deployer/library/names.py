"""From a file name to an identity: which library, which version, and whether that is certain.

Owns the reading of wheel, jar and egg file names, those too that follow no specification, since
a reference in a job is moved where it is certain and reported where it is not (design.md, rules 1
and 7). Pure and total: a file name never raises. Must not know paths, jobs or requirement lines:
`coordinates` reads names that are not files, `file` reads the content of a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from packaging.tags import InvalidTag, parse_tag
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import Version

from deployer.library.model import Distribution, Kind
from deployer.library.versions import parse_jar_version, parse_version


class NameProblem(StrEnum):
    """Why a name gives no certain library and version; a closed list."""

    NO_VERSION = "no-version"  # my-package.whl, or a bare requirement
    INVALID_VERSION = "invalid-version"  # a version that can't be ordered
    AMBIGUOUS = "ambiguous"  # several readings; all are candidates, best first
    MANGLED = "mangled"  # the upload dialog put a UUID before and a hash behind the name
    PLACEHOLDER = "placeholder"  # ${…}, {{…}}, %X%, <x> or the literal VERSION
    WILDCARD = "wildcard"  # dist/*.whl, numpy==1.22.*
    EMPTY_NAME = "empty-name"  # .jar
    INVALID_NAME = "invalid-name"  # characters that no library name has
    RANGE = "range"  # >=1.0,<2, [1.0,2.0), LATEST
    URL = "url"  # git+https://…, name @ https://…
    NOT_A_REQUIREMENT = "not-a-requirement"  # a pip option, or no requirement at all


@dataclass(frozen=True)
class NameCandidate:
    """One reading of a name.

    `name` is the identity: PEP 503 form of the distribution, and of a jar's artifact with its
    Scala suffix, because builds for two Scala versions never replace each other.
    """

    name: NormalizedName
    version: Version | None  # None: there is none, or it can't be ordered
    raw_version: str  # as the name spells it; for people, and where `version` is None
    build: str = ""  # build tag of a wheel, classifier of a jar
    scala: str = ""  # "2.12" of glow-spark3_2.12
    raw_name: str = ""  # as the file name spells it, without the Scala suffix


@dataclass(frozen=True)
class ParsedName:
    """All readings of one file name, best first; `problem` is None exactly when one is certain."""

    kind: Kind
    candidates: tuple[NameCandidate, ...]
    problem: NameProblem | None

    @property
    def certain(self) -> NameCandidate | None:
        """The only reading, when its name and version are certain."""
        return self.candidates[0] if self.problem is None else None

    @property
    def readings(self) -> tuple[NameCandidate, ...]:
        """Those that give name and version, one of which the content of the file may confirm."""
        if self.problem not in {None, NameProblem.AMBIGUOUS}:
            return ()
        return tuple(one for one in self.candidates if one.version is not None)

    def distribution(self, reading: NameCandidate) -> Distribution:
        """Whose version the file is by `reading`, one of `candidates`."""
        classifier = reading.build.lower() if self.kind is Kind.JAR else ""
        return Distribution(reading.name, self.kind, classifier)


_EXTENSIONS = {".whl": Kind.WHEEL, ".jar": Kind.JAR, ".egg": Kind.EGG}
_MANGLED = re.compile(r"[0-9a-f]{8}(?:[_-][0-9a-f]{4}){3}[_-][0-9a-f]{12}-(.+)-[0-9a-f]{5}", re.I)
_MANGLED_VERSION = re.compile(r"_(?=\d)")
# What a template, a shell or a person was to replace; `%2B` of a URL is not one of these.
_PLACEHOLDER = re.compile(
    r"\$?\{\{?[^{}]*\}?\}|\$\([^)]*\)|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|<[^<>]*>|__[A-Z][A-Z0-9_]*__"
)
_LONGEST = 255  # characters; no file system that jobs read from allows a longer file name
_MARK = "\0"  # stands for one placeholder while the name is split at dashes
_TAG_FIELDS = 3  # python, ABI, platform
_SAFE = re.compile(r"[A-Za-z0-9._+!-]+")
_INTERPRETERS = re.compile(r"[a-z]+\d+(?:_\d+)*(?:\.[a-z]+\d+(?:_\d+)*)*", re.I)
_EGG_PYTHON = re.compile(r"py\d+(?:\.\d+)?", re.I)
_PRE_RELEASE = re.compile(r"(?:a|b|c|rc|alpha|beta|pre|preview|dev|post|rev|r)[._]?\d*", re.I)
_MOVING = re.compile(
    r"latest|current|stable|nightly|snapshot|release|dev|develop|main|master|head", re.I
)
_SCALA = re.compile(r"(.*)_(2\.\d+|3)")
_TIMESTAMP = re.compile(r"\d{8}\.\d{6}")  # 1.0-20240101.120000-3: a deployed Maven snapshot
_JAR_QUALIFIER = re.compile(
    r"(?:snapshot|m|milestone|rc|cr|a|b|alpha|beta|dev|pre|preview|final|ga|release)[.\d]*", re.I
)
_CLASSIFIER = re.compile(
    r"(?:jar-with-dependencies|with-dependencies|assembly|all|uber|fat|shaded|bundle|sources"
    r"|javadoc|tests?|test-sources|dist|standalone|core|shaded-[a-z]\w*|(?:linux|osx|windows)-\w+)",
    re.I,
)


def parse_file_name(file_name: str) -> ParsedName | None:
    """Read a file name without its folder; None when it names no wheel, jar or egg.

    The extension is compared without regard to case. Extras (`x.whl[train]`), quotes, markers and
    URL escapes belong to the reference, not to the file name, and must be gone already.

    >>> parse_file_name("my_lib-1.2.0-py3-none-any.whl").certain.version
    <Version('1.2.0')>
    >>> parse_file_name("my-package.whl").problem
    <NameProblem.NO_VERSION: 'no-version'>
    """
    stem, kind = file_name[:-4], _EXTENSIONS.get(file_name[-4:].lower())
    if kind is None:
        return None
    if not stem.strip():
        return ParsedName(kind, (), NameProblem.EMPTY_NAME)
    if len(file_name) > _LONGEST:
        return ParsedName(kind, (), NameProblem.INVALID_NAME)
    mangled = _MANGLED.fullmatch(stem)
    if mangled:
        return ParsedName(kind, _unmangle(mangled[1]), NameProblem.MANGLED)
    marked = _PLACEHOLDER.sub(_MARK, stem)
    if _MARK in marked or "VERSION" in marked.split("-"):
        return ParsedName(kind, _before(marked, (_MARK, "VERSION")), NameProblem.PLACEHOLDER)
    if "*" in stem:
        return ParsedName(kind, _before(stem, ("*",)), NameProblem.WILDCARD)
    return _checked(_READERS[kind](stem), stem)


def normalized(name: str) -> NormalizedName | None:
    """`name` in PEP 503 form; None when it is no valid name of a distribution."""
    try:
        return canonicalize_name(name, validate=True)
    except InvalidName:
        return None


def split_scala(artifact: str) -> tuple[str, str]:
    """The artifact without its Scala suffix, and the Scala version that it states, or "".

    >>> split_scala("glow-spark3_2.12")
    ('glow-spark3', '2.12')
    """
    found = _SCALA.fullmatch(artifact)
    return (found[1], found[2]) if found else (artifact, "")


def _checked(parsed: ParsedName, stem: str) -> ParsedName:
    """`parsed`, with the problem that no reader looks for: a name that nothing can have."""
    named = tuple(c for c in parsed.candidates if c.raw_name.strip("-_."))
    if not named:
        return ParsedName(parsed.kind, (), NameProblem.EMPTY_NAME)
    if not _SAFE.fullmatch(stem) or any(normalized(c.raw_name) is None for c in named):
        return ParsedName(parsed.kind, named, NameProblem.INVALID_NAME)
    return replace(parsed, candidates=named)


def _candidate(name: Sequence[str], raw_version: str, **more: str) -> NameCandidate:
    """A reading whose version is read as PEP 440."""
    raw = "-".join(name)
    version = parse_version(raw_version)
    return NameCandidate(canonicalize_name(raw), version, raw_version, raw_name=raw, **more)


def _unmangle(inner: str) -> tuple[NameCandidate, ...]:
    """Hints only: the dialog wrote `_` for every dot and dash, so no version is certain.

    `lib_2_12_1_0` is lib 2.12.1.0 or lib_2.12 1.0: each number may be the start of the version.
    """
    starts = [found.start() for found in _MANGLED_VERSION.finditer(inner)] or [len(inner)]
    readings = (
        NameCandidate(canonicalize_name(inner[:cut]), None, inner[cut + 1 :], raw_name=inner[:cut])
        for cut in starts
    )
    return tuple(one for one in readings if one.raw_name)


def _before(stem: str, marks: tuple[str, ...]) -> tuple[NameCandidate, ...]:
    """The fields before the first that holds a mark, as a name; none when a mark comes first."""
    fields = stem.split("-")
    index = next(i for i, field in enumerate(fields) if any(mark in field for mark in marks))
    versions = [i for i in range(1, index) if parse_version(fields[i])]
    name = "-".join(fields[: versions[0] if versions else index])
    if not name.strip("-_."):
        return ()
    raw = "-".join(fields[versions[0] : index]) if versions else ""
    return (NameCandidate(canonicalize_name(name), None, raw, raw_name=name),)


# Wheels and eggs


def _read_wheel_name(stem: str) -> ParsedName:
    fields = stem.split("-")
    tagged = len(fields) > _TAG_FIELDS and _is_tag(fields[-_TAG_FIELDS:])
    body = fields[:-_TAG_FIELDS] if tagged else fields
    strict = _strict_wheel(body) if tagged else None
    loose = _python_readings(body, builds=True)
    if strict is None:
        return _decide(Kind.WHEEL, loose, body, tagged=tagged)
    # `data-2-1.0.0-py3-none-any.whl` is data 2 with build 1.0.0 by PEP 427, and data-2 1.0.0 in
    # the hands of whoever writes dashes into names: a dotted build behind a bare number.
    others = [c for c in loose if c != strict and "." in strict.build and "." not in body[1]]
    problem = NameProblem.AMBIGUOUS if others else None
    return ParsedName(Kind.WHEEL, (strict, *others), problem)


def _is_tag(fields: Sequence[str]) -> bool:
    """Whether three fields are python, ABI and platform, as PEP 425 writes them."""
    try:
        parse_tag("-".join(fields))
    except InvalidTag:
        return False
    return _INTERPRETERS.fullmatch(fields[0]) is not None


def _strict_wheel(body: Sequence[str]) -> NameCandidate | None:
    """The reading of PEP 427: name, version, and perhaps a build tag that starts with a digit."""
    match body:
        case [name, version]:
            candidate = _candidate([name], version)
        case [name, version, build] if build[:1].isdigit():
            candidate = _candidate([name], version, build=build)
        case _:
            return None
    return candidate if candidate.version else None


def _read_egg_name(stem: str) -> ParsedName:
    fields = stem.split("-")
    python = next((i for i, f in enumerate(fields) if i and _EGG_PYTHON.fullmatch(f)), None)
    body = fields[:python]
    return _decide(Kind.EGG, _python_readings(body, builds=False), body, tagged=python is not None)


def _python_readings(body: Sequence[str], *, builds: bool) -> list[NameCandidate]:
    """Every way to cut `body` into name, PEP 440 version and perhaps a build tag.

    Readings without a build come first: a dash in a name is common, a build tag is rare.
    """
    plain, built = [], []
    for index in range(1, len(body)):
        last = index + 1
        if last < len(body) and _PRE_RELEASE.fullmatch(body[last]):
            last += 1  # 1.0.0-rc1, which PEP 440 reads as 1.0.0rc1
        rest = body[last:]
        candidate = _candidate(body[:index], "-".join(body[index:last]))
        if candidate.version is None:
            continue
        if not rest:
            plain.append(candidate)
        elif builds and len(rest) == 1 and rest[0][:1].isdigit():
            built.append(replace(candidate, build=rest[0]))
    return plain + built


def _decide(
    kind: Kind, readings: Sequence[NameCandidate], body: Sequence[str], *, tagged: bool
) -> ParsedName:
    """What the readings of a name that follows no specification amount to."""
    # deus-lib-0.1.0-20240722: a name that holds a dotted version is no name; see PEP 427 above.
    likely = [c for c in readings if not _ends_in_dotted_version(c.raw_name)] or list(readings)
    if len(likely) == 1:
        return ParsedName(kind, (likely[0],), None)
    start = next((i for i in range(1, len(body)) if body[i][:1].isdigit()), None)
    if start is None and len(body) > 1 and (tagged or _MOVING.fullmatch(body[-1])):
        start = len(body) - 1
    if start is None:
        return ParsedName(kind, (_candidate(body, ""),), NameProblem.NO_VERSION)
    unread = replace(_candidate(body[:start], ""), raw_version="-".join(body[start:]))
    if not likely:
        return ParsedName(kind, (unread,), NameProblem.INVALID_VERSION)
    if unread.name not in {c.name for c in likely}:  # lib-2024-01-15: perhaps a date of lib
        likely.append(unread)
    return ParsedName(kind, tuple(likely), NameProblem.AMBIGUOUS)


def _ends_in_dotted_version(name: str) -> bool:
    last = name.rsplit("-", 1)[-1]
    return "-" in name and "." in last and parse_version(last) is not None


# Jars


def _read_jar_name(stem: str) -> ParsedName:
    fields = stem.split("-")
    starts = _jar_version_starts(fields)
    if not starts:
        return ParsedName(Kind.JAR, (_jar_candidate(fields, []),), NameProblem.NO_VERSION)
    found = tuple(_jar_candidate(fields[:start], fields[start:]) for start in starts)
    if len(found) > 1:
        return ParsedName(Kind.JAR, found, NameProblem.AMBIGUOUS)
    return ParsedName(Kind.JAR, found, None if found[0].version else NameProblem.INVALID_VERSION)


def _jar_version_starts(fields: Sequence[str]) -> list[int]:
    """The fields where the version may start, best first.

    Behind a Scala suffix it is certain. Elsewhere each number may be the start, but for one that
    goes on a version (rc-1, the time of a deployed snapshot). The last number behind a word is
    the best (log4j-1.2-api-2.17.1), one behind a number the worst (3.3.0-9.2.0).
    """
    numbers = [i for i in range(1, len(fields)) if fields[i][:1].isdigit()]
    behind_scala = [i for i in numbers if _SCALA.fullmatch(fields[i - 1])]
    if behind_scala:
        return behind_scala[-1:]
    starts = [i for i in numbers if i == numbers[0] or not _goes_on(fields, i)]
    return sorted(starts, key=lambda i: (i - 1 in numbers, -i))


def _goes_on(fields: Sequence[str], index: int) -> bool:
    around = fields[index - 1 : index + 1]
    return _JAR_QUALIFIER.fullmatch(around[0]) is not None or any(map(_TIMESTAMP.fullmatch, around))


def _jar_candidate(name: Sequence[str], rest: Sequence[str]) -> NameCandidate:
    """A reading of `<artifact>[_<scala>]-<version>[-<classifier>]`.

    What is no known classifier counts as version: Maven writes 31.1-jre, too, and a version that
    can't be ordered is reported, while a wrong one would move a job.
    """
    raw = "-".join(name)
    artifact, scala = split_scala(raw)
    version, classifier = "-".join(rest), ""
    for cut in range(1, len(rest)):
        if _CLASSIFIER.fullmatch("-".join(rest[cut:])):
            version, classifier = "-".join(rest[:cut]), "-".join(rest[cut:])
            break
    return NameCandidate(
        canonicalize_name(raw),
        parse_jar_version(version),
        version,
        build=classifier,
        scala=scala,
        raw_name=artifact,
    )


_READERS: dict[Kind, Callable[[str], ParsedName]] = {
    Kind.WHEEL: _read_wheel_name,
    Kind.JAR: _read_jar_name,
    Kind.EGG: _read_egg_name,
}
