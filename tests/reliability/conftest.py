"""What tests of reliability share: the counts that they have told."""

from __future__ import annotations

import gc

import pytest

from tests.reliability.counts import Tell, teller


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Have a count told at the end."""
    return teller(request.node)


def pytest_collection_finish() -> None:
    """What was imported stays: no collection need look at it again, and there are thousands of runs."""
    gc.collect()
    gc.freeze()
