"""The transforms. None of them reads, writes or starts anything."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def deduplicate_latest(rows: DataFrame, keys: Sequence[str], order_by: str) -> DataFrame:
    """Of all rows with the same `keys`, keep the one whose `order_by` is greatest."""
    newest_first = Window.partitionBy(*keys).orderBy(F.col(order_by).desc())
    numbered = rows.withColumn("_position", F.row_number().over(newest_first))
    return numbered.where("_position = 1").drop("_position")


def convert_currency(orders: DataFrame, rates: DataFrame, target: str) -> DataFrame:
    """Give every order's `amount` in the currency `target`.

    `rates` has the columns `currency` and `rate`: how much of `target` one unit is worth.
    An order in a currency without a rate gets no amount, so that the gap is seen.
    """
    joined = orders.join(rates, on="currency", how="left")
    rate = F.when(F.col("currency") == target, F.lit(1.0)).otherwise(F.col("rate"))
    converted = joined.withColumn("amount", F.round(F.col("amount") * rate, 2))
    return converted.withColumn("currency", F.lit(target)).drop("rate")


def daily_revenue(orders: DataFrame) -> DataFrame:
    """Count orders and sum up their amounts, per `order_date`."""
    return (
        orders.groupBy("order_date")
        .agg(F.count("*").alias("orders"), F.round(F.sum("amount"), 2).alias("revenue"))
        .orderBy("order_date")
    )


def top_products(orders: DataFrame, count: int = 1) -> DataFrame:
    """List the `count` products with the greatest revenue of each `order_date`."""
    revenue = orders.groupBy("order_date", "product").agg(
        F.round(F.sum("amount"), 2).alias("revenue")
    )
    best_first = Window.partitionBy("order_date").orderBy(F.desc("revenue"), "product")
    ranked = revenue.withColumn("rank", F.row_number().over(best_first))
    return ranked.where(F.col("rank") <= count).orderBy("order_date", "rank")
