"""Releases on GitHub: what is attached to them, and in which order, without any knowledge of GitHub's API."""
