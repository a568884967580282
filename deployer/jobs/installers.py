"""Text files that install what they name: requirements files, base environments, init scripts.

Owns finding them in any document of the API (facts A1 row 4, A1 row 7, A1 row 9, A1 row 13). Their
content is somebody else's to edit; who removes files has to read it. Must not open anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.jobs import spans
from deployer.jobs.paths import canonical
from deployer.jobs.spans import SpanKind

READABLE = ("/Workspace/", "/Volumes/")


def installers_in(document: object) -> frozenset[str]:
    """Canonical paths of such files in the workspace or in volumes, named anywhere in `document`.

    Files in object storage are left out: a Databricks credential can't read them.
    """
    paths = (canonical(one) for one in _named(document))
    return frozenset(path for path in paths if path is not None and path.startswith(READABLE))


def _named(document: object) -> Iterator[str]:
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            for key in ("requirements", "base_environment", "destination"):
                value = node.get(key)
                if isinstance(value, str):
                    yield value
            lines = node.get("dependencies")
            yield from _requirements_files(lines if isinstance(lines, list) else [])


def _requirements_files(lines: list[object]) -> Iterator[str]:
    for line in lines:
        span = spans.dependency_line(line) if isinstance(line, str) else None
        if isinstance(line, str) and span and span.kind is SpanKind.REQUIREMENTS_FILE:
            yield span.of(line)
