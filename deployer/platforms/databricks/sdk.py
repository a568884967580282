"""The one place that imports the SDK.

Owns importing it without the typed services. `databricks.sdk` imports every service of the platform
when it is imported, which takes more than a second; what we need of it, configuration and
credentials, takes a tenth of that.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from databricks.sdk.config import Config
    from databricks.sdk.credentials_provider import CredentialsStrategy

_PACKAGE = "databricks.sdk"


@dataclass(frozen=True)
class Login:
    """One way to authenticate: its name in the SDK's list, and what makes the headers of a call."""

    auth_type: str
    headers: Callable[[], dict[str, str]]


@contextmanager
def _without_services() -> Iterator[None]:
    """Let an empty package stand in for `databricks.sdk` while its modules are imported.

    It is taken away again: who imports the SDK later gets all of it, with these same modules.
    """
    if _PACKAGE in sys.modules:
        yield
        return
    # find_spec imports the parent namespace only, and finds the folder without running it.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {_PACKAGE!r}", name=_PACKAGE)
    stand_in = types.ModuleType(_PACKAGE)
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules[_PACKAGE] = stand_in
    try:
        yield
    finally:
        del sys.modules[_PACKAGE]


def config_class() -> type[Config]:
    """The SDK's `Config`, which knows all ways to authenticate."""
    with _without_services():
        found: type[Config] = importlib.import_module(f"{_PACKAGE}.config").Config
    return found


def strategy(choose: Callable[[Config], Login | None]) -> CredentialsStrategy:
    """A credentials strategy of ours, before those of the SDK.

    Args:
        choose: gets the resolved configuration; None leaves the choice to the SDK.
    """
    with _without_services():
        module = importlib.import_module(f"{_PACKAGE}.credentials_provider")
    base: type[CredentialsStrategy] = module.CredentialsStrategy
    theirs: CredentialsStrategy = module.DefaultCredentials()
    chosen: list[str] = []

    def call(_: object, config: Config) -> Callable[[], dict[str, str]]:
        ours = choose(config)
        if ours is None:
            return theirs(config)
        chosen.append(ours.auth_type)
        return ours.headers

    def auth_type(_: object) -> str:
        return chosen[-1] if chosen else theirs.auth_type()

    made: CredentialsStrategy = type("Ours", (base,), {"auth_type": auth_type, "__call__": call})()
    return made
