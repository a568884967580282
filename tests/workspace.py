"""An embedded workspace for tests: in this process, on a free port, gone with the test.

Use ``running_workspace`` where a test needs options, or the fixture ``workspace`` where the defaults do:

    from tests.workspace import workspace

    def test_something(workspace: Sandbox) -> None:
        job_id = workspace.add_job({"tasks": [...]})
        workspace.put_file("/Workspace/Shared/libs/x-1.0.0-py3-none-any.whl", b"...")
        ...
        assert workspace.job(job_id)["tasks"][0]["libraries"] == [...]
        assert [call.status for call in workspace.calls("POST", "/jobs/update")] == [200]

A ``conftest.py`` may import the fixture once for its whole folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

from sandbox.options import Options
from sandbox.runner import Executes
from sandbox.server import Sandbox


@contextmanager
def running_workspace(executor: Executes | None = None, **options: Any) -> Iterator[Sandbox]:
    """A sandbox with these ``Options``, served while the block runs.

    Args:
        executor: what executes tasks; None takes the real executor of the sandbox.
        options: fields of ``sandbox.options.Options``.
    """
    with Sandbox(Options(**{"environ": dict(os.environ), **options}), executor) as sandbox:
        yield sandbox


@pytest.fixture
def workspace() -> Iterator[Sandbox]:
    """A sandbox with the faithful defaults, in memory and empty."""
    with running_workspace() as sandbox:
        yield sandbox


@contextmanager
def sdk_client(
    sandbox: Sandbox, token: str | None = None, **config: Any
) -> Iterator[WorkspaceClient]:
    """The official client on a sandbox; its connections are closed with the block.

    Args:
        sandbox: the workspace.
        token: whose token; None is the admin's.
        config: further fields of the SDK's ``Config``, such as ``retry_timeout_seconds``.
    """
    # An explicit auth_type keeps variables of the machine that runs the tests out of it.
    settings = {"host": sandbox.url, "token": token or sandbox.token, "auth_type": "pat", **config}
    client = WorkspaceClient(config=Config(**settings))
    try:
        yield client
    finally:
        client.api_client._api_client._session.close()


def call(
    sandbox: Sandbox, method: str, path: str, *, token: str | None = None, **arguments: Any
) -> requests.Response:
    """One raw request with a token, on a connection of its own; see ``requests.request``."""
    headers = {"Authorization": f"Bearer {token or sandbox.token}", **arguments.pop("headers", {})}
    with requests.Session() as session:
        # No proxy and no .netrc of this machine may come in between.
        session.trust_env = False
        return session.request(method, sandbox.url + path, headers=headers, timeout=30, **arguments)


def connections(session: requests.Session, sandbox: Sandbox) -> int:
    """How many connections to a sandbox a session has opened so far."""
    pools = session.get_adapter(sandbox.url).poolmanager.pools._container  # type: ignore[attr-defined] # urllib3 has no public count
    (pool,) = pools.values()
    return int(pool.num_connections)
