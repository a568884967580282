"""The embedded workspace: a real HTTP server that plays a Databricks workspace."""
