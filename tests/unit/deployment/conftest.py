"""A journal in memory."""

from __future__ import annotations

import pytest

from deployer.deployment.journal import Journal
from tests.unit.deployment.journals import ROOT, Watched, in_memory


@pytest.fixture
def records() -> Watched:
    return in_memory()


@pytest.fixture
def journal(records: Watched) -> Journal:
    return Journal(records, ROOT)
