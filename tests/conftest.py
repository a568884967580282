"""What all tests share: Hypothesis without deadlines, and one cache of run environments."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.reliability.counts import tell_counts

# CI machines are shared and noisy: no test asserts a time.
settings.register_profile("spark-deploy", deadline=None)
settings.load_profile("spark-deploy")


@pytest.fixture(scope="session")
def run_cache(request: pytest.FixtureRequest) -> Path:
    """Where the embedded workspace keeps the environments of runs: one for all tests and workers."""
    assert request.config.cache is not None
    return request.config.cache.mkdir("run-environments")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what the fault matrix and the model counted; this file is read by the main process, too."""
    tell_counts(terminalreporter)
