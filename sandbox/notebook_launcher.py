"""Runs inside a task's own environment: executes a notebook that is Python source.

Started as `python -P notebook_launcher.py FILE PARAMETERS`, the latter a JSON object.
Must import nothing but the standard library and PySpark: the project is not installed there.
Plays the globals `spark` and `dbutils.widgets`; magics are comments in the source and do nothing.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Mapping
from importlib import import_module
from types import SimpleNamespace


class Widgets:
    """`dbutils.widgets`: the notebook's parameters, each with the default that it declared."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters
        self._defaults: dict[str, str] = {}

    def text(self, name: str, defaultValue: str, *_: object) -> None:  # noqa: N803 (Databricks' name)
        """Declare a parameter."""
        self._defaults[name] = defaultValue

    dropdown = combobox = multiselect = text

    def get(self, name: str) -> str:
        """The value of a parameter; an error for one that nobody gave and nobody declared."""
        values = {**self._defaults, **self._parameters}
        if name not in values:
            raise KeyError(f"No input widget named {name} is defined")
        return values[name]


def main() -> None:
    """Execute the notebook with the globals that every notebook has."""
    spark_sql = import_module("pyspark.sql")  # only the task's environment has it
    _, file, parameters = sys.argv
    sys.argv = [file]
    runpy.run_path(
        file,
        init_globals={
            "dbutils": SimpleNamespace(widgets=Widgets(json.loads(parameters))),
            "spark": spark_sql.SparkSession.builder.getOrCreate(),
        },
        run_name="__main__",
    )


if __name__ == "__main__":
    main()
