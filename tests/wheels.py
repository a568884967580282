"""Writes small wheels in memory: valid ones, and ones that are wrong in one chosen way.

Owns the bytes of test wheels; the same arguments give the same bytes on every machine and in
every run. Must not import anything of the product: it would hide the product's mistakes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
EntryPoints = Mapping[str, Mapping[str, str]]
Member = tuple[str | zipfile.ZipInfo, bytes]


def make_wheel(
    name: str,
    version: str,
    *,
    files: Mapping[str, str | bytes] | None = None,
    entry_points: EntryPoints | None = None,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    tag: str = "py3-none-any",
    build: str = "",
    file_name: str | None = None,
    dist_info: str | None = None,
    metadata: str | bytes | None = None,
    wheel_metadata: str | bytes | None = None,
    record: str | bytes | None = None,
    unrecorded: Iterable[Member] = (),
) -> tuple[str, bytes]:
    """A wheel as (file name, bytes). Without the last six arguments it is valid.

    Args:
        name: Distribution name, as METADATA spells it.
        version: Version, as METADATA spells it.
        files: Path in the wheel to content; without it one module that knows its version.
        entry_points: Group to name to value, e.g. `{"console_scripts": {"run": "pkg:main"}}`.
        requires: `Requires-Dist` values.
        requires_python: `Requires-Python` value.
        tag: Compressed tag set of the file name, expanded in WHEEL.
        build: Build tag; starts with a digit.
        file_name: File name instead of the one that PEP 427 gives.
        dist_info: Name of the `.dist-info` folder instead of the right one.
        metadata: Content of METADATA instead of the right one.
        wheel_metadata: Content of WHEEL instead of the right one.
        record: Content of RECORD instead of the right one.
        unrecorded: Members appended as they are (`ZipInfo` or name, content), not in RECORD.
    """
    module = name.replace("-", "_").replace(".", "_").lower()
    escaped = name.replace("-", "_")
    if files is None:
        files = {f"{module}/__init__.py": f'__version__ = "{version}"\n'}
    info = f"{escaped}-{version}.dist-info" if dist_info is None else dist_info
    if metadata is None:
        metadata = metadata_text(name, version, requires=requires, requires_python=requires_python)
    if wheel_metadata is None:
        wheel_metadata = wheel_text(tag, build=build)
    members: list[tuple[str, bytes]] = [(path, _bytes(data)) for path, data in files.items()]
    members += [(f"{info}/METADATA", _bytes(metadata)), (f"{info}/WHEEL", _bytes(wheel_metadata))]
    if entry_points:
        members.append((f"{info}/entry_points.txt", _bytes(entry_points_text(entry_points))))
    if record is None:
        record = record_text(members, f"{info}/RECORD")
    everything: list[Member] = [*members, (f"{info}/RECORD", _bytes(record)), *unrecorded]
    parts = [escaped, version, *([build] if build else []), tag]
    return file_name or f"{'-'.join(parts)}.whl", zip_bytes(everything)


def write_wheel(folder: Path, made: tuple[str, bytes]) -> Path:
    """Write the wheel that `make_wheel` returned into `folder`; the path of the file."""
    file_name, content = made
    path = folder / file_name
    path.write_bytes(content)
    return path


def metadata_text(
    name: str, version: str, *, requires: Sequence[str] = (), requires_python: str | None = None
) -> str:
    """METADATA of core metadata version 2.1."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {line}" for line in requires]
    return "\n".join(lines) + "\n"


def wheel_text(tag: str = "py3-none-any", *, build: str = "", version: str = "1.0") -> str:
    """WHEEL, with the compressed tag set written out as one `Tag` line for each."""
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    lines = [f"Wheel-Version: {version}", "Generator: tests", "Root-Is-Purelib: true"]
    lines += [f"Tag: {py}-{abi}-{plat}" for py in pythons for abi in abis for plat in platforms]
    if build:
        lines.append(f"Build: {build}")
    return "\n".join(lines) + "\n"


def record_text(members: Iterable[tuple[str, bytes]], record_path: str) -> str:
    """RECORD that lists `members` with hash and size, and itself without."""
    lines = [f"{path},{record_hash(data)},{len(data)}" for path, data in members]
    return "\n".join([*lines, f"{record_path},,"]) + "\n"


def record_hash(data: bytes, algorithm: str = "sha256") -> str:
    """The hash of `data` as RECORD spells it: URL-safe base64 without padding."""
    digest = hashlib.new(algorithm, data).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def zip_bytes(members: Iterable[Member], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of `members` with fixed times and modes, in the given order; names may repeat."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        warnings.filterwarnings("ignore", "Duplicate name", UserWarning)
        for name, data in members:
            info = name if isinstance(name, zipfile.ZipInfo) else _member(name, compression)
            archive.writestr(info, data)
    return buffer.getvalue()


def _member(name: str, compression: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = compression
    info.external_attr = 0o100644 << 16
    info.create_system = 3  # the same bytes on every operating system
    return info


def entry_points_text(entry_points: EntryPoints) -> str:
    """entry_points.txt of a wheel or an egg."""
    blocks = []
    for group, entries in entry_points.items():
        lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
