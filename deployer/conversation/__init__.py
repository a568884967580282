"""The comment on a pull request: which one, what becomes of it, and what is told when it can't be written."""
