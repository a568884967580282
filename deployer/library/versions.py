"""How versions are read, ordered and mapped between PEP 440 and SemVer.

Owns every comparison of versions (design.md, rule 1). The order is that of PEP 440, as
`packaging.version.Version` implements it, for jars and tags too: 1.2.10 is newer than 1.2.9, a
final is newer than its pre-releases. Which version may replace which is a policy and lies in the
planner. Must not know files or jobs.

The two schemes meet as this table says; it is the test of this module.

| PEP 440       | SemVer           | why |
|---------------|------------------|-----|
| 1.2.3         | 1.2.3            | the same |
| 1.2           | 1.2.0            | PEP 440 pads with zeros as well: 1.2 equals 1.2.0 |
| 2024.03.1     | 2024.3.1         | neither scheme keeps leading zeros |
| 1.2.0a1       | 1.2.0-alpha.1    | the dot makes SemVer compare numbers: alpha.9 < alpha.10 |
| 1.2.0b2       | 1.2.0-beta.2     | |
| 1.2.0rc1      | 1.2.0-rc.1       | |
| 1.2.0.dev3    | 1.2.0-dev.3      | PEP 440 puts it first, SemVer by the alphabet |
| 1.2.0rc1.dev2 | 1.2.0-rc.1.dev.2 | PEP 440 puts it before rc1, SemVer behind |
| 1.2.0.post1   | 1.2.0+post.1     | SemVer has nothing behind a final; it orders no metadata |
| 1.2.0+abc.7   | 1.2.0+abc.7      | a local version is what SemVer calls build metadata |
| 1!1.2.0       | error            | SemVer has no epoch |
| 1.2.3.4       | error            | SemVer has three numbers |
| 1.2.0+post.1  | error            | it would come back as a post-release |

Each line but the errors reads the same backwards. From SemVer only:

| SemVer         | PEP 440    | why |
|----------------|------------|-----|
| 1.2.0-rc1      | 1.2.0rc1   | the usual spelling without a dot |
| 1.2.0-RC.1     | 1.2.0rc1   | PEP 440 knows no case |
| 1.2.0-beta     | 1.2.0b0    | no number is number 0 |
| 1.2.0-SNAPSHOT | 1.2.0.dev0 | Maven's name for what is not released yet |
| 3.1.0-M3       | 3.1.0b3    | a milestone; Maven sorts it between beta and rc |
| 1.2.0-1        | error      | a post-release to PEP 440, a pre-release to SemVer |
| 1.2.0-jre      | error      | PEP 440 has no place for it |
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import semver
from packaging.version import InvalidVersion, Version

_LONGEST = 200  # characters; a version that people write is far below, and int() stays quick

_SEMVER_NUMBERS = 3
_SEMVER_PRE = {"a": "alpha", "b": "beta", "rc": "rc"}
_PEP440_PRE = {
    "a": "a", "alpha": "a", "b": "b", "beta": "b", "m": "b", "milestone": "b",
    "rc": "rc", "cr": "rc", "c": "rc", "pre": "rc", "preview": "rc",
    "dev": "dev", "snapshot": "dev",
}  # fmt: skip
_PRE_PART = re.compile(r"([a-z]+)[.-]?(\d*)", re.I)
_PRE_RELEASE = re.compile(r"(?P<first>[a-z]+[.-]?\d*)(?:\.(?P<dev>dev\.?\d*))?", re.I)
_POST = re.compile(r"post\.?(\d+)(?:\.(.+))?", re.I)
_LOOSE = re.compile(r"v?(?P<release>\d+(?:\.\d+)*)-(?P<pre>[^+]+)(?:\+(?P<build>.+))?", re.I)
_JAR_FINAL = re.compile(r"[.-](?:final|ga|release)", re.I)


def parse_version(text: str) -> Version | None:
    """`text` as a PEP 440 version; None when it is none."""
    if len(text) > _LONGEST:
        return None
    try:
        return Version(text)
    except InvalidVersion:
        return None


def to_semver(version: Version) -> semver.Version:
    """The SemVer spelling of `version`, after the table above.

    Raises:
        ValueError: SemVer can't express it: an epoch, a fourth number, a local `post`.
    """
    if version.epoch:
        raise ValueError(f"{version} has an epoch, which SemVer does not know")
    if len(version.release) > _SEMVER_NUMBERS:
        raise ValueError(f"{version} has more than the three numbers of SemVer")
    if version.local and _POST.fullmatch(version.local):
        raise ValueError(f"the local part of {version} would be read back as a post-release")
    pre: list[str] = []
    if version.pre is not None:
        pre += [_SEMVER_PRE[version.pre[0]], str(version.pre[1])]
    if version.dev is not None:
        pre += ["dev", str(version.dev)]
    build: list[str] = []
    if version.post is not None:
        build += ["post", str(version.post)]
    if version.local is not None:
        build.append(version.local)
    return semver.Version(
        version.major, version.minor, version.micro, ".".join(pre) or None, ".".join(build) or None
    )


def from_semver(version: semver.Version) -> Version:
    """The PEP 440 spelling of `version`, after the table above.

    Raises:
        ValueError: PEP 440 has no place for the pre-release or the build metadata.
    """
    release = f"{version.major}.{version.minor}.{version.patch}"
    return _compose(release, version.prerelease or "", version.build or "")


def parse_tag(tag: str) -> Version:
    """The version that a Git tag names: `v1.4.2`, `1.4.2`, `v1.4.2-rc.1`, `v1.4.2rc1`.

    With a dash it is read as SemVer (design.md, rule 1), else as PEP 440. A leading
    `refs/tags/` is dropped, since that is what the event of a run carries.

    Raises:
        ValueError: The tag is no version.
    """
    version = _parse_loose(tag.removeprefix("refs/tags/"))
    if version is None:
        raise ValueError(f"the tag {tag!r} is no version: neither SemVer nor PEP 440")
    return version


def parse_jar_version(text: str) -> Version | None:
    """A jar's or a Maven coordinate's version in PEP 440's order; None when it has no place there.

    `1.0.Final`, `-GA` and `-RELEASE` are the final; see the table for the others.
    """
    final = _JAR_FINAL.search(text)
    return _parse_loose(text[: final.start()] if final and final.end() == len(text) else text)


def spelled_for_jars(version: Version) -> str:
    """`version` as builds of jars write it: in SemVer, where that can express it.

    >>> spelled_for_jars(Version("1.2.0.dev1"))
    '1.2.0-dev.1'
    """
    try:
        return str(to_semver(version))
    except ValueError:
        return str(version)


def major_line(version: Version, *, zero_minor_is_major: bool = True) -> tuple[int, ...]:
    """What all versions of one MAJOR have in common: epoch and major.

    For 0.y it is (epoch, 0, y), since anything may change before 1.0.0 (SemVer, item 4);
    `zero_minor_is_major=False` takes all of 0 as one line.
    """
    if version.major == 0 and zero_minor_is_major:
        return (version.epoch, 0, version.minor)
    return (version.epoch, version.major)


def same_minor_line(one: Version, other: Version) -> bool:
    """Whether the two differ in no more than the patch and what is behind it."""
    return (one.epoch, one.major, one.minor) == (other.epoch, other.major, other.minor)


def is_final(version: Version) -> bool:
    """Whether `version` is a release: no pre-release, no dev, no local part. A post-release is."""
    return not version.is_prerelease and version.local is None


def next_free(version: Version, taken: Iterable[Version]) -> Version:
    """The next version of the same sort that is not in `taken`, to be told when `version` is.

    A final and a local version go to the next patch, a pre-release to its next number
    (1.2.0rc1 to 1.2.0rc2), a dev release to its next number.
    """
    occupied = {*taken, version}
    candidate = version
    while candidate in occupied:
        candidate = _bumped(candidate)
    return candidate


def _bumped(version: Version) -> Version:
    epoch = f"{version.epoch}!" if version.epoch else ""
    release = ".".join(map(str, version.release))
    pre = f"{version.pre[0]}{version.pre[1]}" if version.pre is not None else ""
    post = f".post{version.post}" if version.post is not None else ""
    if version.dev is not None:
        return Version(f"{epoch}{release}{pre}{post}.dev{version.dev + 1}")
    if version.pre is not None:
        return Version(f"{epoch}{release}{version.pre[0]}{version.pre[1] + 1}")
    return Version(f"{epoch}{version.major}.{version.minor}.{version.micro + 1}")


def _parse_loose(text: str) -> Version | None:
    """SemVer with any number of numbers where there is a dash, else PEP 440."""
    if "-" not in text.partition("+")[0]:
        return parse_version(text)
    found = _LOOSE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    try:
        return _compose(found["release"], found["pre"], found["build"] or "")
    except ValueError:
        return None


def _compose(release: str, pre: str, build: str) -> Version:
    """The version from SemVer's three parts.

    Raises:
        ValueError: PEP 440 has no place for one of them.
    """
    parts = _PRE_RELEASE.fullmatch(pre)
    if pre and parts is None:
        raise ValueError(f"PEP 440 has no pre-release {pre!r}")
    marks = [_pre_release(part) for part in parts.groups() if part] if parts else []
    post = _POST.fullmatch(build)
    if post:
        marks.append(f".post{post[1]}")
    marks.sort(key=lambda mark: mark.startswith(".dev"))  # PEP 440 writes dev last
    local = post[2] if post else build
    version = parse_version(release + "".join(marks) + (f"+{local}" if local else ""))
    if version is None:
        raise ValueError(f"PEP 440 has no place for {release}-{pre}+{build}")
    return version


def _pre_release(part: str) -> str:
    """One SemVer identifier and its number, `rc.1`, as PEP 440 spells it, `rc1`."""
    found = _PRE_PART.fullmatch(part)
    name = _PEP440_PRE.get(found[1].lower()) if found else None
    if found is None or name is None:
        raise ValueError(f"PEP 440 has no pre-release {part!r}")
    return f"{'.' if name == 'dev' else ''}{name}{found[2] or '0'}"
