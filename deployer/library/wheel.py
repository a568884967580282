"""A wheel's bytes as a `Library`: everything is taken from the content, nothing on trust.

Owns the reading and the validation of a wheel (PEP 427 and 376, core metadata). All that is wrong
with a file is told at once. Given bytes; must not open paths, unpack, import or run anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.parser import BytesHeaderParser
from typing import BinaryIO

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import InvalidTag, Tag, parse_tag
from packaging.utils import (
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import Version

from deployer.library.archive import LIMITS, Limits, shown
from deployer.library.model import Kind, Library
from deployer.library.names import NameProblem, parse_file_name
from deployer.library.reading import FileReading
from deployer.library.record import parse_record, verify_record
from deployer.library.versions import parse_version

_INFO = ".dist-info"
_CODE = (".py", ".so", ".pyd")
# The file name becomes the end of a path in the workspace, so nothing but letters, digits and a few marks.
_UNSAFE = {
    NameProblem.INVALID_NAME,
    NameProblem.PLACEHOLDER,
    NameProblem.WILDCARD,
    NameProblem.MANGLED,
    NameProblem.EMPTY_NAME,
}
_TAG_LIMIT = 1000  # tags of one compressed set; real ones have a handful
_NAMING = (
    "A wheel is called NAME-VERSION-PYTHON-ABI-PLATFORM.whl, such as "
    "my_lib-1.2.0-py3-none-any.whl. Build the wheel again from its source, and upload that file "
    "unchanged."
)


def read_wheel(file_name: str, stream: BinaryIO, *, limits: Limits = LIMITS) -> Library:
    """Read and verify the wheel in `stream`, a seekable binary stream.

    Every file is hashed and compared with RECORD; file name, METADATA and WHEEL must agree.

    Raises:
        DeployError: INVALID_LIBRARY, with one problem for each thing that is wrong.
    """
    return _WheelReading(Kind.WHEEL, file_name, stream, limits).library()


class _WheelReading(FileReading):
    """One wheel being read."""

    def library(self) -> Library:
        named = self._named()
        self.open()
        self.add_faults(self.archive.clashes())
        info = self._dist_info()
        raw, name, version = self._metadata(info)
        requires = self._requirements(raw)
        requires_python = self.requires_python(raw.get("requires_python"))
        if named and name is not None and version is not None:
            self._compare_names(named, name, version, info)
        tags = named[2] if named else frozenset()
        self._check_wheel_file(info, tags)
        entry_points = self.entry_points(f"{info}/entry_points.txt")
        self._check_record(info)
        if self.faulty or name is None or version is None:
            raise self.error()
        return Library(
            kind=Kind.WHEEL,
            name=name,
            display_name=raw["name"],
            version=version,
            file_name=self.file_name,
            sha256=self.sha256,
            size=self.size,
            tags=tags,
            requires_python=requires_python,
            requires=requires,
            entry_points=entry_points,
            top_level=top_level(self.archive.files),
        )

    def _named(self) -> tuple[NormalizedName, Version, frozenset[Tag]] | None:
        """Name, version and tags that the file name states."""
        parsed = parse_file_name(self.file_name)
        problem = "" if parsed else "It does not end in .whl."
        if parsed and parsed.problem in _UNSAFE:
            problem = "It has characters that no library name has."
        try:
            name, version, _, tags = parse_wheel_filename(self.file_name)
        except ValueError as error:
            problem = problem or str(error)
        if problem:
            self.add("has a file name that is no wheel's", detail=problem, remedy=_NAMING)
            return None
        return name, version, tags

    def _dist_info(self) -> str:
        """The name of the one `.dist-info` folder at the top."""
        tops = {path.partition("/")[0] for path in self.archive.files if "/" in path}
        found = sorted(top for top in tops if top.endswith(_INFO))
        if len(found) != 1:
            what = "holds several .dist-info folders" if found else "has no .dist-info folder"
            self.add(f"{what}, so it does not say what it is", detail=shown(found))
            raise self.error()
        return found[0]

    def _metadata(self, info: str) -> tuple[RawMetadata, NormalizedName | None, Version | None]:
        content = self.read(f"{info}/METADATA")
        if content is None:
            return {}, None, None
        raw, _ = parse_email(content)
        return raw, *self.identity("METADATA", raw.get("name", ""), raw.get("version", ""))

    def _requirements(self, raw: RawMetadata) -> tuple[str, ...]:
        """Requires-Dist; pip refuses a wheel where a line can't be read."""
        requires = tuple(raw.get("requires_dist", []))
        if self.has_too_many("requirements", len(requires)):
            return ()
        for line in requires:
            try:
                Requirement(line)
            except (InvalidRequirement, ValueError, RecursionError) as error:
                self.add(f"requires {line!r}, which is no requirement", detail=str(error))
        return requires

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
                self.add(
                    f"is {name} {version} by its METADATA, but {source} says "
                    f"{other_name} {other_version}",
                    detail="The content decides which library this is; pip refuses a mismatch.",
                )

    def _check_wheel_file(self, info: str, tags: frozenset[Tag]) -> None:
        content = self.read(f"{info}/WHEEL")
        if content is None:
            return
        message = BytesHeaderParser().parsebytes(content)
        wheel_version = str(message.get("Wheel-Version", ""))
        if not wheel_version.startswith("1."):
            self.add(f"has Wheel-Version {wheel_version!r} in WHEEL; installers know 1.x")
        lines = [str(line) for line in message.get_all("Tag", [])]
        if self.has_too_many("tags in WHEEL", len(lines)):
            return
        try:
            stated = frozenset(tag for line in lines for tag in parse_tag(line, limit=_TAG_LIMIT))
        except (InvalidTag, ValueError) as error:
            self.add("has a tag in WHEEL that is none", detail=str(error))
            return
        # Some builders write no Tag at all, and every installer goes by the file name.
        if stated and tags and stated != tags:
            self.add(
                "has other tags in WHEEL than in its file name",
                detail=f"Only in one of them: {shown(sorted(map(str, stated ^ tags)))}.",
            )

    def _check_record(self, info: str) -> None:
        path = f"{info}/RECORD"
        content = self.read(path, is_list=True)
        if content is None:
            return
        try:
            rows = parse_record(content.decode())
        except ValueError as error:
            self.add("has a RECORD that can't be read", detail=str(error))
            return
        self.add_faults(verify_record(self.archive, path, rows))


def top_level(paths: Iterable[str]) -> tuple[str, ...]:
    """The packages and modules that a wheel or egg with these members makes importable, sorted.

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
