package com.example.retail

import org.apache.spark.sql.functions.{col, desc, sum}
import org.apache.spark.sql.{DataFrame, Dataset}

/** One line of an order. */
final case class OrderLine(product: String, quantity: Int, unitPrice: Double)

/** What the shop earned. */
object Metrics {

  /** Revenue per product; lines without a quantity do not count. */
  def revenue(lines: Dataset[OrderLine]): DataFrame =
    lines
      .filter(_.quantity > 0)
      .groupBy("product")
      .agg(sum(col("quantity") * col("unitPrice")).as("revenue"))

  /** The products that earned most, the best first. */
  def topProducts(lines: Dataset[OrderLine], count: Int): DataFrame =
    revenue(lines).orderBy(desc("revenue"), col("product")).limit(count)
}
