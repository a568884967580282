"""Which version a Git tag names, and whether that is the library's.

Owns the forms of tags: `v1.4.0` and `1.4.0`, and for repositories with several libraries the library's name
in front of it: `retail-metrics-v1.4.0`, `retail_metrics/1.4.0`, `retail-metrics@1.4.0`. How versions are
spelled is the business of `library.versions`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name
from packaging.version import Version

from deployer.errors import FailureReason, Problem
from deployer.library.model import Library
from deployer.library.versions import parse_tag

_LONGEST = 250  # characters; Git's own limit for one part of a ref's name is 255
_SEPARATORS = re.compile(r"[-_/@]")
_NUMBER = re.compile(r"[vV]?[0-9]+\.")


def version_of_tag(tag: str, names: frozenset[str] = frozenset()) -> Version | None:
    """The version that `tag` names; None when it names none.

    A name in front of the version must be one of `names`, however it is spelled: `retail-metrics-v1.4.0`
    is no tag of a library that is called otherwise.
    """
    tag = tag.removeprefix("refs/tags/")
    if len(tag) > _LONGEST:
        return None
    try:
        return parse_tag(tag)
    except ValueError:
        pass
    wanted = {canonicalize_name(name) for name in names}
    for name, rest in _splits(tag):
        if canonicalize_name(name) in wanted:
            try:
                return parse_tag(rest)
            except ValueError:
                continue
    return None


def named_version(tag: str) -> Version | None:
    """The version that `tag` names for some library, whatever its name: for a search by version."""
    found = version_of_tag(tag)
    if found is not None:
        return found
    for name, rest in _splits(tag.removeprefix("refs/tags/")[:_LONGEST]):
        # A date is no name and a version: `2024-01-15` is not version 15 of something.
        if not name[0].isalpha() or not _NUMBER.match(rest):
            continue
        if found := version_of_tag(tag, frozenset({name})):
            return found
    return None


def disagreement(tag: str, library: Library) -> Problem | None:
    """What is wrong with a release of `library` under `tag`; None when both say the same version."""
    found = version_of_tag(tag, names_of(library))
    if found == library.version:
        return None
    shown = tag.removeprefix("refs/tags/")[:_LONGEST]
    says = f"means version {found}" if found is not None else "names no version of it"
    return Problem(
        FailureReason.TAG_MISMATCH,
        f"The tag {shown} {says}, and the library is {library.display_name} {library.version}.",
        "A release whose file says another version than its tag can't be found again by its version.",
        f"Set the version in the project to what the tag says, or tag this commit v{library.version}. "
        f"Where a repository has several libraries, {library.name}-v{library.version} is right, too.",
    )


def names_of(library: Library) -> frozenset[str]:
    """The names that may stand in front of the version: of a jar also without its Scala suffix."""
    names = {str(library.name), library.display_name}
    if library.scala:
        names |= {name.removesuffix(f"_{library.scala}") for name in names}
        names |= {name.removesuffix(f"-{library.scala.replace('.', '-')}") for name in names}
    return frozenset(name for name in names if name)


def is_prerelease(version: Version) -> bool:
    """Whether a release of `version` is marked as a pre-release."""
    return version.is_prerelease


def _splits(tag: str) -> Iterator[tuple[str, str]]:
    """Every way to cut `tag` into a name and a rest; the longest name last."""
    for found in _SEPARATORS.finditer(tag):
        name, rest = tag[: found.start()], tag[found.end() :]
        if name and rest:
            yield name, rest
