"""The policy: may this version replace that one?

Owns the order of versions as it matters to a move (design.md, rules 1 and 6). Pure; knows versions,
not jobs. There is never a downgrade, whatever the policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from deployer.library.versions import is_final, major_line, parse_version, same_minor_line
from deployer.plan.model import Reason


class Rule(StrEnum):
    """Which older versions move; the input `policy`."""

    SAME_MAJOR = "same-major"
    SAME_MINOR = "same-minor"
    ANY = "any"
    EXACT = "exact"


@dataclass(frozen=True)
class Policy:
    """What the environment allows. `versions` are those that `exact` names."""

    rule: Rule = Rule.SAME_MAJOR
    versions: frozenset[Version] = frozenset()
    allow_prereleases: bool = False
    move_owned: bool = False


def objection(old: Version, new: Version, policy: Policy) -> Reason | None:
    """Why `new` must not replace `old`; None when it may."""
    if old == new:
        return Reason.ALREADY_CURRENT
    selected = _not_selected(old, new, policy)
    if selected is not None:
        return selected
    if old > new:
        return Reason.NEWER
    if is_final(old) and not is_final(new) and not policy.allow_prereleases:
        return Reason.PRERELEASE
    return None


def pin_allows(pin: str, new: Version) -> bool:
    """Whether a job pinned to `pin` may move to `new`.

    A pin is a version or the start of one: `1.4` allows 1.4.7, `1` allows 1.9.0. Anything else, such
    as `true`, allows nothing: the owner wants the job left alone.
    """
    text = pin.strip().removeprefix("v")
    version = parse_version(text)
    if version is None:
        return False
    if text.replace(".", "").isdigit():
        return SpecifierSet(f"=={text}.*").contains(new, prereleases=True)
    return version == new


def _not_selected(old: Version, new: Version, policy: Policy) -> Reason | None:
    match policy.rule:
        case Rule.ANY:
            return None
        case Rule.EXACT:
            return None if old in policy.versions else Reason.NOT_SELECTED
        case Rule.SAME_MAJOR | Rule.SAME_MINOR:
            if major_line(old) != major_line(new):
                return Reason.ANOTHER_MAJOR
            if policy.rule is Rule.SAME_MINOR and not same_minor_line(old, new):
                return Reason.ANOTHER_MINOR
            return None
