"""spark-deploy: ships a Spark library and moves the jobs that use it."""

__version__ = "0.1.0"
