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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from databricks.sdk.config import Config
    from databricks.sdk.credentials_provider import CredentialsStrategy

_PACKAGE = "databricks.sdk"


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


def strategy(
    name: str, headers: Callable[[Config], Callable[[], dict[str, str]]]
) -> CredentialsStrategy:
    """A credentials strategy called `name`; `headers` gets the resolved configuration."""
    with _without_services():
        module = importlib.import_module(f"{_PACKAGE}.credentials_provider")
    base: type[CredentialsStrategy] = module.CredentialsStrategy
    members = {"auth_type": lambda _: name, "__call__": lambda _, config: headers(config)}
    made: CredentialsStrategy = type("Strategy", (base,), members)()
    return made


def exchanged_token(
    config: Config, token_endpoint: str, id_token: Callable[[], str]
) -> Callable[[], str]:
    """What gives a Databricks access token for an ID token, cached until it gets old (RFC 8693)."""
    with _without_services():
        module = importlib.import_module(f"{_PACKAGE}.oidc")

    def fetch(_: object) -> object:
        return module.IdToken(jwt=id_token())

    source = module.DatabricksOidcTokenSource(
        host=config.host,
        token_endpoint=token_endpoint,
        id_token_source=type("Source", (module.IdTokenSource,), {"id_token": fetch})(),
        client_id=config.client_id,
        account_id=config.account_id,
        disable_async=True,
        scopes=config.get_scopes_as_string(),
    )
    return lambda: str(source.token().access_token)
