"""Runs inside a task's own environment: calls one entry point of an installed distribution.

Started as `python -P entry_point_launcher.py PACKAGE ENTRY_POINT [ARGUMENT …]`.
Must import nothing but the standard library: the project is not installed there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any


def find_entry_point(package: str, entry_point: str) -> Callable[[], Any]:
    """The function that a python_wheel_task names.

    An entry point of the metadata comes first, console scripts before other groups; without one
    it is `package.entry_point` itself (SDK docstring of PythonWheelTask.entry_point).

    Raises:
        LookupError: neither exists.
    """
    try:
        declared = list(metadata.distribution(package).entry_points)
    except metadata.PackageNotFoundError:
        declared = []
    named = [entry for entry in declared if entry.name == entry_point]
    named.sort(key=lambda entry: entry.group != "console_scripts")
    if named:
        return _callable(named[0].load(), package, entry_point)
    module = package.replace("-", "_")
    try:
        imported = import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module:
            raise
        raise LookupError(f"Python wheel with name {package} could not be found.") from missing
    return _callable(getattr(imported, entry_point, None), package, entry_point)


def _callable(found: object, package: str, entry_point: str) -> Callable[[], Any]:
    if callable(found):
        return found
    raise LookupError(f"{package} has no entry point and no function named {entry_point}.")


def main() -> None:
    """Call the entry point with its arguments in `sys.argv[1:]`, as the real runner does."""
    _, package, entry_point, *arguments = sys.argv
    function = find_entry_point(package, entry_point)
    sys.argv = [entry_point, *arguments]
    function()


if __name__ == "__main__":
    main()
