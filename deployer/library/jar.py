"""A jar's bytes as a `Library`: which artifact and version it is, and which classes it holds.

Owns the agreement of file name and content. Jobs name a jar by its file name, so the file name has
to state the version; Maven's pom.properties and the manifest must not say otherwise (facts A7). All
that is wrong with a file is told at once. Given bytes; must not load anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from packaging.utils import canonicalize_name
from packaging.version import Version

from deployer.library.archive import LIMITS, Limits
from deployer.library.manifest import parse_manifest, parse_properties
from deployer.library.model import Kind, Library
from deployer.library.names import NameCandidate, ParsedName, split_scala
from deployer.library.reading import FileReading
from deployer.library.versions import parse_jar_version

_MANIFEST = "META-INF/MANIFEST.MF"
_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_JAVA_VERSION = re.compile(r"META-INF/versions/\d+/")  # of classes that only newer JVMs load
_PASTABLE = re.compile(r"[\w.+-]+")  # what may be told as a file name
_CLASS = ".class"
_NUMBERS = 3  # of a Bundle-Version; the qualifier behind them may be a time


def read_jar(file_name: str, stream: BinaryIO, *, limits: Limits = LIMITS) -> Library:
    """Read and verify the jar in `stream`, a seekable binary stream.

    Every member must be readable. Two members of one name are no fault: fat jars have them, and a
    JVM unpacks nothing.

    Raises:
        DeployError: INVALID_LIBRARY, with one problem for each thing that is wrong.
    """
    return _JarReading(Kind.JAR, file_name, stream, limits).library()


@dataclass(frozen=True)
class _Stated:
    """What one metadata file says the jar is; texts may be empty, and about another artifact."""

    source: str
    artifact: str
    version: Version | None  # None when there is none that can be ordered
    version_text: str
    binding: bool = True  # whether another version is a contradiction

    def is_of(self, reading: NameCandidate) -> bool:
        """Whether it names the artifact of `reading`; either may leave the Scala suffix out."""
        artifact, scala = split_scala(self.artifact)
        same = canonicalize_name(artifact) == canonicalize_name(reading.raw_name)
        return same and (not scala or not reading.scala or scala == reading.scala)

    def entitles(self, reading: NameCandidate) -> bool:
        """As `is_of`, for titles: there may be none, and part of a name is enough.

        sbt's title of my-lib-assembly-1.0.jar is my-lib; others have the group in front. Prose, and
        the name of something else, say nothing: modules and shaded dependencies are titled so.
        """
        one = canonicalize_name(split_scala(self.artifact)[0])
        other = canonicalize_name(reading.raw_name)
        longer, shorter = (one, other) if len(one) > len(other) else (other, one)
        part = f"{longer}-".startswith(f"{shorter}-") or f"-{longer}".endswith(f"-{shorter}")
        return part or not self.artifact

    def has_version_of(self, reading: NameCandidate) -> bool:
        """Whether the versions are the same; one of them may leave out build metadata."""
        if self.version is None or reading.version is None:
            return False
        one, other = self.version, reading.version
        if not (one.local and other.local):
            one, other = Version(one.public), Version(other.public)
        return one == other


class _JarReading(FileReading):
    """One jar being read."""

    def library(self) -> Library:
        parsed, why = self.named()
        self.open()
        attributes = self._manifest()
        poms, titles = tuple(self._poms()), tuple(_titles(attributes))
        reading = None
        if parsed is None:
            self._add_misnamed(why, (*poms, *titles))
        else:
            reading = self._identified(parsed, poms, titles)
        self.add_faults(self.archive.damaged())
        if self.faulty or parsed is None or reading is None or reading.version is None:
            raise self.error()
        scala = {split_scala(one.artifact)[1] for one in poms if one.is_of(reading)}
        identity = parsed.distribution(reading)
        return Library(
            kind=Kind.JAR,
            name=identity.name,
            display_name=_spelled(reading),
            version=reading.version,
            file_name=self.file_name,
            sha256=self.sha256,
            size=self.size,
            classifier=identity.classifier,
            scala=reading.scala or max(scala, default=""),
            main_class=attributes.get("main-class", ""),
            classes=frozenset(_classes(self.archive.files)),
        )

    def _manifest(self) -> dict[str, str]:
        """The attributes of the manifest; {} when there is none, for a jar needs none."""
        paths = [path for path in self.archive.files if path.upper() == _MANIFEST]
        content = self.optional(paths[0]) if paths else None
        return parse_manifest(content) if content else {}

    def _poms(self) -> Iterator[_Stated]:
        """What each pom.properties says; a fat jar has those of its dependencies as well."""
        for path in sorted(filter(_POM.fullmatch, self.archive.files)):
            entries = parse_properties(self.read(path) or b"")
            artifact, text = entries.get("artifactId", ""), entries.get("version", "")
            if artifact:
                yield _Stated("pom.properties", artifact, parse_jar_version(text), text)

    def _identified(
        self, parsed: ParsedName, poms: Sequence[_Stated], titles: Sequence[_Stated]
    ) -> NameCandidate | None:
        """The reading of the file name that the content confirms; None, with a problem, if none."""
        found = _evidence(parsed.readings, poms, titles)
        if isinstance(found, _Stated):
            self._add_contradiction(found, parsed)
            return None
        if found is None and parsed.certain is None:
            self._add_ambiguous(parsed)
        return found or parsed.certain

    def _add_contradiction(self, stated: _Stated, parsed: ParsedName) -> None:
        first = parsed.readings[0]
        said = " ".join(filter(None, (stated.artifact, stated.version_text)))
        self.add(
            f"is {said!r} by its {stated.source}, but the file name says "
            f"{_spelled(first)} {first.raw_version}",
            detail="Jobs name a jar by its file name, so the two have to agree.",
            remedy="Upload the file under the name that the build gave it. If that is its name, have "
            "the build write its own Implementation-Title and Implementation-Version into the manifest.",
        )

    def _add_ambiguous(self, parsed: ParsedName) -> None:
        readings = " or ".join(f"{each.name} {each.version}" for each in parsed.readings)
        self.add(
            "has a file name that can be read in several ways, and the content does not say which",
            detail=f"It may be {readings}.",
            remedy="Have the build write Implementation-Title and Implementation-Version into the "
            "manifest, or choose an artifact name without numbers between its dashes.",
        )

    def _add_misnamed(self, why: str, stated: Iterable[_Stated]) -> None:
        known = (
            f"{one.artifact}-{one.version_text}" for one in stated if one.artifact and one.version
        )
        name = next(filter(_PASTABLE.fullmatch, known), "my-lib_2.13-1.2.0")
        self.add(
            "has a file name that is no released jar's",
            detail=f"{why} Jobs name a jar by its file name, so the version has to stand there.",
            remedy=f"A jar is called ARTIFACT-VERSION.jar: give the file a name such as {name}.jar, in "
            "the build or by a step that copies it.",
        )


def _evidence(
    readings: Sequence[NameCandidate], poms: Sequence[_Stated], titles: Sequence[_Stated]
) -> NameCandidate | _Stated | None:
    """The reading that the content confirms, or what contradicts all of them; None for neither.

    pom.properties of this artifact count most, then the manifest.
    """
    ours = [pom for pom in poms if any(map(pom.is_of, readings))]
    for pom in ours:
        for reading in readings:
            if pom.is_of(reading) and pom.version == reading.version:
                return reading
    contradictory = [pom for pom in ours if pom.version is not None]
    for title in () if contradictory else titles:
        for reading in readings:
            if title.has_version_of(reading):
                return reading
        if title.version and title.binding and any(map(title.entitles, readings)):
            contradictory.append(title)
    if not ours and len(poms) == 1:  # of several, which a fat jar has, none may be its own
        contradictory.append(poms[0])
    return contradictory[0] if contradictory else None


def _spelled(reading: NameCandidate) -> str:
    """The artifact as the file name has it."""
    return "_".join(filter(None, (reading.raw_name, reading.scala)))


def _titles(attributes: dict[str, str]) -> Iterator[_Stated]:
    """What the manifest says the jar is, by Java's attributes and by OSGi's."""
    text = attributes.get("implementation-version", "")
    title = attributes.get("implementation-title", "")
    yield _Stated("manifest", title, parse_jar_version(text), text)
    text = attributes.get("bundle-version", "")
    # OSGi takes three numbers and has a time or a -SNAPSHOT behind them: equal they confirm, and
    # unequal they prove nothing (derby-10.16.1.1.jar is 10.16.1000001 there).
    numbers = parse_jar_version(".".join(text.split(".")[:_NUMBERS]))
    yield _Stated("manifest", "", numbers, text, binding=False)


def _classes(paths: Iterable[str]) -> Iterator[str]:
    """The dotted names of the classes among these members."""
    for path in paths:
        if path.endswith(_CLASS):
            yield _JAVA_VERSION.sub("", path, count=1).removesuffix(_CLASS).replace("/", ".")
