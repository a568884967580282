"""Looks at the built wheel for what hurts later, on a cluster.

Owns two rules; the content itself is read by `deployer.library.wheel`. Must not change the wheel.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from deployer.checks.session import Verdict, failed
from deployer.errors import DeployError
from deployer.library.model import Library
from deployer.library.wheel import read_wheel
from deployer.report.model import Check, CheckStatus, Finding

NAME = "wheel"
_BELONGS_TO_RUNTIME = {"pyspark", "delta-spark", "databricks-connect"}
_NOT_FOR_ALL = {"tests", "test"}


def inspect(wheel: Path) -> Verdict:
    """Warn of what the wheel should not hold or ask for; a wheel that can't be read fails."""
    start = time.monotonic()
    try:
        with wheel.open("rb") as stream:
            library = read_wheel(wheel.name, stream)
    except DeployError as invalid:
        return failed(NAME, time.monotonic() - start, invalid.problem.title, invalid.problem)
    findings = tuple(findings_of(library))
    status = CheckStatus.WARNED if findings else CheckStatus.PASSED
    summary = f"{library.display_name} {library.version}"
    if findings:
        summary += f": {len(findings)} warning{'s' if len(findings) > 1 else ''}"
    return Verdict(Check(NAME, status, time.monotonic() - start, summary, findings))


def findings_of(library: Library) -> Iterator[Finding]:
    """What is wrong with a library, one finding for each."""
    for package in sorted(_NOT_FOR_ALL.intersection(library.top_level)):
        yield Finding(
            f"The wheel installs a package named `{package}` for everyone; leave the tests out of "
            "it.",
            code="top-level-tests",
        )
    for line in library.requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        optional = requirement.marker and "extra" in str(requirement.marker)
        if canonicalize_name(requirement.name) in _BELONGS_TO_RUNTIME and not optional:
            yield Finding(
                f"The wheel requires `{line}`: installing it would put another "
                f"{requirement.name} over the one of the Databricks runtime. Move it to a "
                "dependency group or an extra.",
                code="runtime-dependency",
            )
