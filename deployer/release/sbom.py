"""The bill of materials of a library: CycloneDX 1.6 as JSON.

Owns that document: the library with its hash, and the requirements that it declares. It states what the file
itself says and looks nothing up, so the same file gives the same bytes: no time, no version of this program,
a serial number made from the file's hash. Pure.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from deployer.library.model import Kind, Library
from deployer.release.statement import Statement

SUFFIX = ".cdx.json"
_LONGEST = 1_000  # characters of any text that the file states
_EXACT = re.compile(r"={2,3}")
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")

Json = dict[str, object]


def bill_of_materials(library: Library, statement: Statement) -> bytes:
    """The document, in UTF-8, the same bytes for the same file."""
    ref = purl(library, statement)
    parts = _parts(statement.requires)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{_uuid(library.sha256)}",
        "version": 1,
        "metadata": {"component": _library(library, statement, ref)},
        "components": parts,
        "dependencies": [
            {"ref": ref, "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"], "dependsOn": []} for part in parts),
        ],
    }
    return (json.dumps(document, ensure_ascii=True, indent=2, allow_nan=False) + "\n").encode()


def purl(library: Library, statement: Statement) -> str:
    """The package URL: of type pypi for wheels and eggs, maven for jars that state their group."""
    version = quote(statement.version or str(library.version), safe="")
    if library.kind is not Kind.JAR:
        return f"pkg:pypi/{library.name}@{version}"
    artifact = quote(library.display_name, safe="")
    more = f"?classifier={quote(library.classifier, safe='')}" if library.classifier else ""
    if statement.group:
        return f"pkg:maven/{quote(statement.group, safe='')}/{artifact}@{version}{more}"
    return f"pkg:generic/{artifact}@{version}{more}"


def _library(library: Library, statement: Statement, ref: str) -> Json:
    component: Json = {
        "type": "library",
        "bom-ref": ref,
        "name": library.display_name,
        "version": statement.version or str(library.version),
        "hashes": [{"alg": "SHA-256", "content": library.sha256}],
        "purl": ref,
        "properties": [
            {"name": "spark-deploy:file", "value": library.file_name},
            {"name": "spark-deploy:size", "value": str(library.size)},
        ],
    }
    if library.kind is Kind.JAR and statement.group:
        component["group"] = _shown(statement.group)
    licences = _licences(statement.licence)
    return component | ({"licenses": licences} if licences else {})


def _licences(text: str) -> list[Json]:
    """What the file says of its licence: an SPDX expression, or a name as it stands."""
    said = _shown(text)
    if not said:
        return []
    try:
        return [{"expression": str(canonicalize_license_expression(said))}]
    except InvalidLicenseExpression:
        return [{"license": {"name": said}}]


def _parts(requires: tuple[str, ...]) -> list[Json]:
    """One component for each required package, with every line that names it; sorted by name."""
    lines: dict[str, list[Requirement]] = {}
    for text in requires:
        try:
            one = Requirement(text)
        except InvalidRequirement:
            continue  # the reader of the file refuses such lines; nothing is invented here
        lines.setdefault(canonicalize_name(one.name), []).append(one)
    return [_part(name, ones) for name, ones in sorted(lines.items())]


def _part(name: str, ones: list[Requirement]) -> Json:
    version = _pinned(ones)
    ref = f"pkg:pypi/{name}" + (f"@{quote(version, safe='')}" if version else "")
    part: Json = {"type": "library", "bom-ref": ref, "name": name}
    if version:
        part["version"] = version
    extra = all("extra" in str(one.marker or "") for one in ones)
    part |= {"scope": "optional" if extra else "required", "purl": ref}
    part["properties"] = [
        {"name": "spark-deploy:requirement", "value": _shown(text)}
        for text in sorted({str(one) for one in ones})
    ]
    return part


def _pinned(ones: list[Requirement]) -> str:
    """The version where every line asks for the same single one; else ""."""
    versions = set()
    for one in ones:
        specifiers = list(one.specifier)
        exact = len(specifiers) == 1 and _EXACT.fullmatch(specifiers[0].operator)
        versions.add(specifiers[0].version if exact else "*")
    version = versions.pop() if len(versions) == 1 else "*"
    return "" if version.endswith("*") else version


def _shown(text: str) -> str:
    """`text` on one line, without characters that hide or turn what stands beside them."""
    clean = " ".join(_HIDDEN.sub(" ", text).split()).encode("utf-8", "replace").decode()
    return clean if len(clean) <= _LONGEST else clean[: _LONGEST - 1] + "…"


def _uuid(sha256: str) -> str:
    """A UUID of version 8 (RFC 9562, 5.8) out of the first 122 bits of the hash."""
    variant = "89ab"[int(sha256[16], 16) % 4]
    return f"{sha256[:8]}-{sha256[8:12]}-8{sha256[13:16]}-{variant}{sha256[17:20]}-{sha256[20:32]}"
