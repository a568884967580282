"""What a library file states about itself beyond name and version: licence, requirements, Maven's group.

Owns reading METADATA, PKG-INFO and pom.properties once more, for the bill of materials. The file was read and
verified before; what can't be read here is left out, since nothing depends on it. Pure: the stream is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from packaging.metadata import RawMetadata, parse_email

from deployer.library.archive import Archive, UnsoundArchiveError
from deployer.library.manifest import parse_manifest, parse_properties
from deployer.library.model import Kind, Library

_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_CLASSIFIER = "License :: "


@dataclass(frozen=True)
class Statement:
    """As the file says it. `version` is the file's own spelling, `licence` an SPDX expression or a name."""

    version: str = ""
    licence: str = ""
    group: str = ""  # of a jar: Maven's groupId
    requires: tuple[str, ...] = ()


def statement_of(library: Library, stream: BinaryIO) -> Statement:
    """What the file of `library` in `stream`, a seekable binary stream, states."""
    stream.seek(0)
    try:
        archive = Archive(stream, library.size)
        return (
            _of_jar(archive, library) if library.kind is Kind.JAR else _of_python(archive, library)
        )
    except UnsoundArchiveError:
        return Statement(requires=library.requires)


def _of_python(archive: Archive, library: Library) -> Statement:
    path = next(filter(_METADATA.fullmatch, archive.files), "EGG-INFO/PKG-INFO")
    if path not in archive.files:
        return Statement(requires=library.requires)
    raw, _ = parse_email(archive.read(path))
    requires = library.requires or tuple(raw.get("requires_dist", ()))
    return Statement(version=raw.get("version", ""), licence=_licence(raw), requires=requires)


def _licence(raw: RawMetadata) -> str:
    """The expression of PEP 639; else the classifiers; else the first line of the old free text."""
    if expression := raw.get("license_expression"):
        return expression
    names = [
        one.rpartition(" :: ")[2]
        for one in raw.get("classifiers", [])
        if one.startswith(_CLASSIFIER) and one != "License :: OSI Approved"
    ]
    return " or ".join(names) or next(iter(raw.get("license", "").strip().splitlines()), "")


def _of_jar(archive: Archive, library: Library) -> Statement:
    """The pom.properties of this very artifact: a fat jar has those of others as well."""
    licence = ""
    if "META-INF/MANIFEST.MF" in archive.files:
        attributes = parse_manifest(archive.read("META-INF/MANIFEST.MF"))
        licence = attributes.get("bundle-license", "")
    for path in sorted(filter(_POM.fullmatch, archive.files)):
        entries = parse_properties(archive.read(path))
        if entries.get("artifactId") == library.display_name:
            return Statement(
                version=entries.get("version", ""),
                licence=licence,
                group=entries.get("groupId", ""),
            )
    return Statement(licence=licence)
