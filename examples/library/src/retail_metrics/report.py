"""The entry point: runs the transforms on generated orders and prints what came out."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from pyspark.sql import DataFrame, SparkSession

from retail_metrics import sample
from retail_metrics.transforms import (
    convert_currency,
    daily_revenue,
    deduplicate_latest,
    top_products,
)


def main() -> None:
    """Print the library's version and the report."""
    parser = argparse.ArgumentParser(prog="retail-metrics-report", description=__doc__)
    parser.add_argument("--days", type=int, default=3, help="how many days of orders to generate")
    parser.add_argument("--currency", default="EUR", help="the currency of the report")
    options = parser.parse_args()

    print(f"retail-metrics {version('retail-metrics')}")
    # Never stopped here: on a cluster the session belongs to everyone who runs there.
    spark = SparkSession.builder.appName("retail-metrics-report").getOrCreate()
    orders = deduplicate_latest(sample.orders(spark, options.days), ["order_id"], "revision")
    converted = convert_currency(orders, sample.rates(spark), options.currency)
    print(f"Revenue per day in {options.currency}:")
    print(as_text(daily_revenue(converted)))
    print("Best-selling product of each day:")
    print(as_text(top_products(converted)))


def as_text(table: DataFrame) -> str:
    """The table as Markdown when the extra `markdown` is installed, else in plain columns."""
    rows = [[str(value) for value in row] for row in table.collect()]
    try:
        from tabulate import tabulate
    except ImportError:
        lines = [table.columns, *rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )
    return str(tabulate(rows, table.columns, tablefmt="github"))


if __name__ == "__main__":
    main()
