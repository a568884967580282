package com.example.retail

import org.apache.spark.sql.SparkSession

/** The main class of a JAR task: prints the library's version, and revenue for each product. */
object Report {

  private val lines = Seq(
    OrderLine("cup", 3, 8.0),
    OrderLine("tea", 10, 3.5),
    OrderLine("cup", 0, 8.0)
  )

  def main(arguments: Array[String]): Unit = {
    println(s"retail-metrics-scala ${BuildInfo.version}")
    val spark = SparkSession.builder().getOrCreate()
    import spark.implicits._
    val orders = lines.toDS()
    Metrics.revenue(orders).orderBy("product").collect().foreach(row => println(s"revenue ${row.mkString(" ")}"))
    Metrics.topProducts(orders, 1).collect().foreach(row => println(s"top ${row.mkString(" ")}"))
    if (arguments.nonEmpty) println(arguments.mkString("arguments ", " ", ""))
  }
}
