"""Adapters of the platforms that run jobs."""
