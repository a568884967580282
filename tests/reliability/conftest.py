"""What tests of reliability share: the counts that they have told."""

from __future__ import annotations

import pytest

from tests.reliability.counts import Tell, teller


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Have a count told at the end."""
    return teller(request.node)
