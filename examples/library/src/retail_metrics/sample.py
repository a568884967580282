"""Generated orders: the same for every run, and big enough to see something."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession

FIRST_DAY = date(2026, 3, 1)
PRODUCTS = ("coffee", "tea", "cocoa")
CURRENCIES = ("EUR", "USD", "GBP")


def orders(spark: SparkSession, days: int) -> DataFrame:
    """Nine orders for each day; each was changed once, so that every second row is outdated."""
    rows = [
        (
            day * 100 + number,
            FIRST_DAY + timedelta(days=day),
            PRODUCTS[number % 3],
            CURRENCIES[(number // 3) % 3],
            float(10 + number + day + revision),
            revision,
        )
        for day in range(days)
        for number in range(9)
        for revision in (0, 1)
    ]
    return spark.createDataFrame(
        rows,
        "order_id long, order_date date, product string, currency string, amount double, "
        "revision int",
    )


def rates(spark: SparkSession) -> DataFrame:
    """What one unit of each foreign currency is worth in EUR."""
    return spark.createDataFrame([("USD", 0.9), ("GBP", 1.2)], "currency string, rate double")
