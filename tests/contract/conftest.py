"""Fixtures of the contract tests."""

from tests.workspace import workspace

__all__ = ["workspace"]
