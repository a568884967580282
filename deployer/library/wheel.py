"""A wheel's bytes as a `Library`: everything is taken from the content, nothing on trust.

Owns the reading and the validation of a wheel (PEP 427 and 376, core metadata). All that is wrong
with a file is told at once. Given bytes; must not open paths, unpack, import or run anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from email.parser import BytesHeaderParser
from typing import BinaryIO

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import InvalidTag, Tag, parse_tag
from packaging.utils import (
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import Version

from deployer.errors import DeployError, FailureReason, Problem
from deployer.library.archive import (
    CHUNK,
    LIMITS,
    Archive,
    Fault,
    Limits,
    UnsoundArchiveError,
    shown,
)
from deployer.library.entry_points import parse_entry_points
from deployer.library.model import EntryPoint, Kind, Library
from deployer.library.names import NameProblem, normalized, parse_file_name
from deployer.library.record import parse_record, verify_record
from deployer.library.versions import parse_version

_BUILD_AGAIN = "Build the wheel again from its source, and upload that file unchanged."
_SET_VERSION = "Set a version such as 1.2.0 or 1.2.0rc1 (PEP 440) in the project and build again."
_INFO = ".dist-info"
_CODE = (".py", ".so", ".pyd")
_TAG_LIMIT = 1000  # tags of one compressed set; real ones have a handful


def read_wheel(file_name: str, stream: BinaryIO, *, limits: Limits = LIMITS) -> Library:
    """Read and verify the wheel in `stream`, a seekable binary stream.

    Every file is hashed and compared with RECORD; file name, METADATA and WHEEL must agree.

    Raises:
        DeployError: INVALID_LIBRARY, with one problem for each thing that is wrong.
    """
    return _WheelReading(file_name, limits).library(stream)


class _WheelReading:
    """One file being read: collects problems, so that all are told at once."""

    def __init__(self, file_name: str, limits: Limits) -> None:
        self._file_name = file_name
        self._limits = limits
        self._problems: list[Problem] = []

    def library(self, stream: BinaryIO) -> Library:
        sha256, size = _hash(stream)
        named = self._named()
        archive = self._archive(stream, size)
        info = self._dist_info(archive)
        raw, name, version = self._metadata(archive, info)
        requires_python, requires = self._requirements(raw)
        if named and name is not None and version is not None:
            self._compare_names(named, name, version, info)
        tags = named[2] if named else frozenset()
        self._check_wheel_file(archive, info, tags)
        entry_points = self._entry_points(archive, info)
        self._check_record(archive, info)
        if self._problems or name is None or version is None:
            raise self._error()
        return Library(
            kind=Kind.WHEEL,
            name=name,
            display_name=raw["name"],
            version=version,
            file_name=self._file_name,
            sha256=sha256,
            size=size,
            tags=tags,
            requires_python=requires_python,
            requires=requires,
            entry_points=entry_points,
            top_level=top_level(archive.files),
        )

    def _add(self, what: str, *, detail: str = "", remedy: str = _BUILD_AGAIN) -> None:
        title = f"{shown([self._file_name])} {what}."
        self._problems.append(Problem(FailureReason.INVALID_LIBRARY, title, detail, remedy))

    def _add_faults(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self._add(fault.what, detail=shown(fault.members))

    def _error(self) -> DeployError:
        """The error with all that was found so far."""
        return DeployError(self._problems[0], *self._problems[1:])

    def _named(self) -> tuple[NormalizedName, Version, frozenset[Tag]] | None:
        """Name, version and tags that the file name states."""
        parsed = parse_file_name(self._file_name)
        problem = "" if parsed else "It does not end in .whl."
        if parsed and parsed.problem is NameProblem.INVALID_NAME:
            problem = "It has characters that no library name has."
        try:
            name, version, _, tags = parse_wheel_filename(self._file_name)
        except ValueError as error:
            problem = problem or str(error)
        if problem:
            self._add(
                "has a file name that is no wheel's",
                detail=problem,
                remedy="A wheel is called NAME-VERSION-PYTHON-ABI-PLATFORM.whl, such as "
                "my_lib-1.2.0-py3-none-any.whl. " + _BUILD_AGAIN,
            )
            return None
        return name, version, tags

    def _archive(self, stream: BinaryIO, size: int) -> Archive:
        if not size:
            self._add("is empty")
            raise self._error()
        try:
            archive = Archive(stream, size, self._limits)
        except UnsoundArchiveError as error:
            self._add(str(error))
            raise self._error() from None
        self._add_faults(archive.faults())
        return archive

    def _dist_info(self, archive: Archive) -> str:
        """The name of the one `.dist-info` folder at the top."""
        tops = {path.partition("/")[0] for path in archive.files if "/" in path}
        found = sorted(top for top in tops if top.endswith(_INFO))
        if len(found) != 1:
            what = "holds several .dist-info folders" if found else "has no .dist-info folder"
            self._add(f"{what}, so it does not say what it is", detail=shown(found))
            raise self._error()
        return found[0]

    def _read(self, archive: Archive, path: str) -> bytes | None:
        """A metadata file; None, with a problem, when it is missing or unreadable."""
        if path not in archive.files:
            self._add(f"has no {path.rpartition('/')[2]}", detail=f"Expected {shown([path])}.")
            return None
        try:
            return archive.read(path)
        except UnsoundArchiveError as error:
            self._add(str(error))
            return None

    def _metadata(
        self, archive: Archive, info: str
    ) -> tuple[RawMetadata, NormalizedName | None, Version | None]:
        content = self._read(archive, f"{info}/METADATA")
        if content is None:
            return {}, None, None
        raw, _ = parse_email(content)
        stated, version_text = raw.get("name", ""), raw.get("version", "")
        name, version = normalized(stated), parse_version(version_text)
        if name is None:
            self._add("has no valid name in METADATA", detail=f"It says {stated!r}.")
        if version is None:
            self._add(
                "has no version of PEP 440 in METADATA",
                detail=f"It says {version_text!r}.",
                remedy=_SET_VERSION,
            )
        return raw, name, version

    def _requirements(self, raw: RawMetadata) -> tuple[SpecifierSet | None, tuple[str, ...]]:
        """Requires-Python and Requires-Dist; pip refuses a wheel where one can't be read."""
        requires = tuple(raw.get("requires_dist", []))
        for line in requires:
            try:
                Requirement(line)
            except (InvalidRequirement, ValueError) as error:
                self._add(f"requires {line!r}, which is no requirement", detail=str(error))
        stated = raw.get("requires_python")
        try:
            return (SpecifierSet(stated) if stated is not None else None), requires
        except (InvalidSpecifier, ValueError):
            self._add(f"has Requires-Python {stated!r}, which is no range of versions")
            return None, requires

    def _compare_names(
        self,
        named: tuple[NormalizedName, Version, frozenset[Tag]],
        name: NormalizedName,
        version: Version,
        info: str,
    ) -> None:
        folder, _, folder_version = info.removesuffix(_INFO).rpartition("-")
        for source, other_name, other_version in (
            ("the file name", named[0], named[1]),
            (
                f"the folder {shown([info])}",
                canonicalize_name(folder),
                parse_version(folder_version),
            ),
        ):
            if (other_name, other_version) != (name, version):
                self._add(
                    f"is {name} {version} by its METADATA, but {source} says "
                    f"{other_name} {other_version}",
                    detail="The content decides which library this is; pip refuses a mismatch.",
                )

    def _check_wheel_file(self, archive: Archive, info: str, tags: frozenset[Tag]) -> None:
        content = self._read(archive, f"{info}/WHEEL")
        if content is None:
            return
        message = BytesHeaderParser().parsebytes(content)
        wheel_version = str(message.get("Wheel-Version", ""))
        if not wheel_version.startswith("1."):
            self._add(f"has Wheel-Version {wheel_version!r} in WHEEL; installers know 1.x")
        lines = [str(line) for line in message.get_all("Tag", [])]
        try:
            stated = frozenset(tag for line in lines for tag in parse_tag(line, limit=_TAG_LIMIT))
        except (InvalidTag, ValueError) as error:
            self._add("has a tag in WHEEL that is none", detail=str(error))
            return
        # Some builders write no Tag at all, and every installer goes by the file name.
        if stated and tags and stated != tags:
            self._add(
                "has other tags in WHEEL than in its file name",
                detail=f"Only in one of them: {shown(sorted(map(str, stated ^ tags)))}.",
            )

    def _entry_points(self, archive: Archive, info: str) -> tuple[EntryPoint, ...]:
        path = f"{info}/entry_points.txt"
        content = self._read(archive, path) if path in archive.files else None
        try:
            return parse_entry_points(content.decode()) if content else ()
        except ValueError as error:
            self._add("has an entry_points.txt that can't be read", detail=str(error))
            return ()

    def _check_record(self, archive: Archive, info: str) -> None:
        path = f"{info}/RECORD"
        content = self._read(archive, path)
        if content is None:
            return
        try:
            rows = parse_record(content.decode())
        except ValueError as error:
            self._add("has a RECORD that can't be read", detail=str(error))
            return
        self._add_faults(verify_record(archive, path, rows))


def top_level(paths: Iterable[str]) -> tuple[str, ...]:
    """The packages and modules that a wheel with these members makes importable, sorted.

    A folder counts when there is code somewhere below it; so a namespace package does.
    """
    found = set()
    for path in paths:
        parts = path.split("/")
        if parts[0].endswith(".data"):  # NAME-VERSION.data/purelib/… goes to the same place
            parts = parts[2:] if parts[1:2] in (["purelib"], ["platlib"]) else []
        if not parts or parts[0].endswith(_INFO) or not parts[-1].endswith(_CODE):
            continue
        top = parts[0] if len(parts) > 1 else parts[0].partition(".")[0]
        if top.isidentifier():
            found.add(top)
    return tuple(sorted(found))


def _hash(stream: BinaryIO) -> tuple[str, int]:
    """SHA-256 and size in bytes of the whole stream, read in chunks."""
    stream.seek(0)
    hasher, size = hashlib.sha256(), 0
    while chunk := stream.read(CHUNK):
        hasher.update(chunk)
        size += len(chunk)
    return hasher.hexdigest(), size
