"""Finding the one library file of a version among the releases, and taking only what was published.

Owns the choice and the verification. A file of a release is data from outside: its size is bounded, it is
hashed while it comes, and nothing runs it. Has no I/O but the port's and the stream that is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from packaging.utils import canonicalize_name
from packaging.version import Version

from deployer.errors import DeployError, FailureReason, fail
from deployer.library.names import parse_file_name
from deployer.release import sums
from deployer.release.agreement import named_version
from deployer.release.ports import LARGEST, Asset, Release, Releases
from deployer.release.publishing import read_whole

_SHOWN = 10  # names in a message
_NO_CODE = frozenset({"sources", "javadoc", "tests"})  # classifiers of what builds of jars add


@dataclass(frozen=True)
class Found:
    """The file of a release, before it was looked into."""

    release: Release
    asset: Asset


def find(releases: Releases, version: Version, name: str = "") -> Found:
    """The library file of `version`; `name` says which library where several have that version.

    Raises:
        DeployError: RELEASE_UNAVAILABLE for none, SEVERAL_LIBRARY_FILES.
    """
    named = [one for one in releases.published() if named_version(one.tag) == version]
    whole = [releases.read(one.id) for one in named]
    found = [
        Found(release, asset)
        for release in whole
        for asset in release.assets
        if asset.whole and _is_library(asset.name, version, name)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise _several(version, found)
    raise _none(releases, version, name, whole)


def take(releases: Releases, found: Found, into: BinaryIO) -> str:
    """Write the file's bytes to `into`; their SHA-256. What is written counts only if this returns.

    Raises:
        DeployError: RELEASE_UNVERIFIED.
    """
    release, asset = found.release, found.asset
    stated = _stated(releases, release, asset.name)
    if not 0 < asset.size <= LARGEST:
        raise _unverified(found, f"It would have {asset.size:,} bytes; {LARGEST:,} are the most.")
    hasher, size = hashlib.sha256(), 0
    for chunk in releases.download(asset):
        size += len(chunk)
        if size > asset.size:
            break
        hasher.update(chunk)
        into.write(chunk)
    if size != asset.size:
        more = "more" if size > asset.size else f"{size:,}"
        raise _unverified(found, f"GitHub says {asset.size:,} bytes, and there were {more}.")
    digest = hasher.hexdigest()
    for whose, said in ((sums.NAME, stated), ("GitHub", asset.sha256)):
        if said and said != digest:
            raise _unverified(found, f"{whose} says SHA-256 {said}, and its bytes have {digest}.")
    if not stated:
        raise _unverified(found, f"No {sums.NAME} of the release names it.")
    return digest


def _stated(releases: Releases, release: Release, name: str) -> str:
    """What the release's own SHA256SUMS say of the file; "" for nothing, or for two things."""
    said = {
        found
        for one in release.assets
        if one.whole and one.name in {sums.NAME, f"{sums.NAME}.{name}"}
        if (found := sums.sum_of(read_whole(releases, one, sums.LIMIT), name)) is not None
    }
    return said.pop() if len(said) == 1 else ""


def _is_library(file_name: str, version: Version, name: str) -> bool:
    """Whether a file name is that of the version; what is in the file is read later."""
    parsed = parse_file_name(file_name)
    if parsed is None or "/" in file_name or "\\" in file_name:
        return False
    wanted = canonicalize_name(name)
    return any(
        one.version == version
        and wanted in {"", one.name, canonicalize_name(one.raw_name)}
        and parsed.distribution(one).classifier not in _NO_CODE
        for one in parsed.readings
    )


def _names(found: Iterable[str]) -> str:
    names = sorted(found)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _several(version: Version, found: list[Found]) -> DeployError:
    return fail(
        FailureReason.SEVERAL_LIBRARY_FILES,
        f"{len(found)} library files of version {version} were published.",
        detail=f"They are {_names(f'{one.asset.name} ({one.release.tag})' for one in found)}.",
        remedy="Say by the input `library` which library is meant.",
    )


def _none(releases: Releases, version: Version, name: str, whole: list[Release]) -> DeployError:
    what = f"{name} {version}" if name else f"version {version}"
    if whole:
        detail = "".join(
            f"{one.tag} has {_names(asset.name for asset in one.assets) or 'no files'}. "
            for one in whole[:_SHOWN]
        )
        title = f"No published release of {releases.repository} has a library file of {what}."
    else:
        detail = f"No tag of a published release names that version, as v{version} would. Drafts don't count."
        title = f"There is no published release of {what} in {releases.repository}."
    return fail(
        FailureReason.RELEASE_UNAVAILABLE,
        title,
        detail=detail.strip(),
        remedy="Correct `version`, or publish it first: push its tag, with `mode: publish`.",
    )


def _unverified(found: Found, detail: str) -> DeployError:
    return fail(
        FailureReason.RELEASE_UNVERIFIED,
        f"{found.asset.name} of the release {found.release.tag} is not surely what was published.",
        detail=detail,
        remedy="Publish a new version, or give the file itself by `wheel`.",
    )
