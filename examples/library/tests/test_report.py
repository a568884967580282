import sys
from importlib.metadata import version

import pytest
from pyspark.sql import SparkSession

from retail_metrics import report


def test_the_report_names_the_installed_version(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["retail-metrics-report", "--days", "2"])

    report.main()

    first_line, *table = capsys.readouterr().out.splitlines()
    assert first_line == f"retail-metrics {version('retail-metrics')}"
    assert any(line.startswith("2026-03-02") for line in table)
