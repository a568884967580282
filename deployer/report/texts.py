"""Every text of a report, changed in one place, so that no renderer can forget one.

Owns the walk through the report. Words of closed lists stay: nobody else writes them, and renderers
look things up by them. Must not know what a text is changed to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from deployer.report.model import Report

CLOSED = frozenset({"reason", "standing", "where", "kind", "outcome"})
"""Fields whose words come from closed lists."""


def with_texts(report: Report, change: Callable[[str], str]) -> Report:
    """`report` with `change` made to every text in it that others may have written."""
    changed = _changed(report, change)
    assert isinstance(changed, Report)  # noqa: S101 - a dataclass stays what it is
    return changed


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_changed(one, change) for one in value)
    if isinstance(value, Mapping):
        return {change(key): one for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        names = [one.name for one in fields(value) if one.name not in CLOSED]
        return replace(value, **{name: _changed(getattr(value, name), change) for name in names})
    return value
