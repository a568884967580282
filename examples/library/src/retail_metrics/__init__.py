"""Metrics of an online shop, as functions from DataFrame to DataFrame."""

from retail_metrics.transforms import (
    convert_currency,
    daily_revenue,
    deduplicate_latest,
    top_products,
)

__all__ = ["convert_currency", "daily_revenue", "deduplicate_latest", "top_products"]
