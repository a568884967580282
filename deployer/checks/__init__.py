"""Lints, tests and builds the user's project in subprocesses; `steps.run_checks` is the way in.

The project's code is not trusted: it runs with a scrubbed environment, a time limit and bounded
output, and it never runs inside this process.
"""
