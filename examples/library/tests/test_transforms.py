from datetime import date

from pyspark.sql import SparkSession

from retail_metrics import (
    convert_currency,
    daily_revenue,
    deduplicate_latest,
    top_products,
)

DAY = date(2026, 3, 1)


def test_the_newest_row_of_each_key_stays(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [(1, 1, "draft"), (1, 2, "paid"), (2, 1, "draft")], "id int, revision int, state string"
    )

    latest = deduplicate_latest(rows, ["id"], "revision")

    assert sorted((row.id, row.state) for row in latest.collect()) == [(1, "paid"), (2, "draft")]


def test_amounts_are_converted_into_one_currency(spark: SparkSession) -> None:
    orders = spark.createDataFrame([(1, "USD", 10.0)], "id int, currency string, amount double")
    rates = spark.createDataFrame([("USD", 0.9)], "currency string, rate double")

    (row,) = convert_currency(orders, rates, "EUR").collect()

    assert (row.currency, row.amount) == ("EUR", 9.0)


def test_an_order_in_the_target_currency_stays(spark: SparkSession) -> None:
    orders = spark.createDataFrame([(1, "EUR", 10.0)], "id int, currency string, amount double")
    rates = spark.createDataFrame([("USD", 0.9)], "currency string, rate double")

    (row,) = convert_currency(orders, rates, "EUR").collect()

    assert (row.currency, row.amount) == ("EUR", 10.0)


def test_revenue_is_summed_up_per_day(spark: SparkSession) -> None:
    orders = spark.createDataFrame([(DAY, 1.5), (DAY, 2.5)], "order_date date, amount double")

    (row,) = daily_revenue(orders).collect()

    assert (row.orders, row.revenue) == (2, 4.0)


def test_the_product_with_the_greatest_revenue_is_first(spark: SparkSession) -> None:
    orders = spark.createDataFrame(
        [(DAY, "tea", 3.0), (DAY, "coffee", 2.0), (DAY, "coffee", 2.0)],
        "order_date date, product string, amount double",
    )

    (best,) = top_products(orders, 1).collect()

    assert (best["product"], best.revenue, best["rank"]) == ("coffee", 4.0, 1)
