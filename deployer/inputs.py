"""Inputs as the runner hands them to a container action.

Owns the spelling of the INPUT_ variables (facts, "Contract facts" 7): the name in upper case, blanks
as underscores, hyphens as they are. Must not parse values.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.contract import INPUTS
from deployer.settings import unknown_inputs

PREFIX = "INPUT_"


def from_runner(environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Input texts by name, and a warning for each input that this version does not know."""
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX)
    }
    known = {one.name for one in INPUTS}
    texts = {name: value for name, value in given.items() if name in known}
    return texts, unknown_inputs(sorted(set(given) - known))
