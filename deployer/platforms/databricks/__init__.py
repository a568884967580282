"""The Databricks adapter: the only folder that imports the SDK."""
