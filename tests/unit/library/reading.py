"""What the tests of the readers of jars and eggs share: reading, problems, and mutated bytes."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import strategies as st

from deployer.errors import DeployError, FailureReason
from deployer.library.file import read_library
from deployer.library.model import Library

Made = tuple[str, bytes]


def read(made: Made, **options: Any) -> Library:
    """The library that these bytes are."""
    file_name, content = made
    return read_library(file_name, io.BytesIO(content), **options)


def problems_of(made: Made, **options: Any) -> list[str]:
    """Titles, details and remedies of all problems; each has the right reason."""
    with pytest.raises(DeployError) as caught:
        read(made, **options)
    for problem in caught.value.problems:
        assert problem.reason is FailureReason.INVALID_LIBRARY
        assert problem.remedy
        assert problem.title.endswith(".")
    return [f"{p.title} {p.detail} {p.remedy}" for p in caught.value.problems]


def the_problem_of(made: Made, **options: Any) -> str:
    """As `problems_of`, where there is one."""
    (only,) = problems_of(made, **options)
    return only


def library_or_problem(made: Made) -> Library | None:
    """The library, or None for a file that is refused as it should be."""
    try:
        return read(made)
    except DeployError as error:
        if {problem.reason for problem in error.problems} != {FailureReason.INVALID_LIBRARY}:
            raise
        return None


def mutations_of(made: Made) -> st.SearchStrategy[Made]:
    """The same file with other bytes here and there, in its directory most of all."""
    content = made[1]
    directory = content.index(b"PK\x01\x02")
    offsets = st.one_of(st.integers(0, len(content) - 1), st.integers(directory, len(content) - 1))
    edits = st.lists(st.tuples(offsets, st.integers(0, 255)), max_size=8)

    def mutated(edits: list[tuple[int, int]], cut: int, extra: bytes) -> Made:
        changed = bytearray(content)
        for offset, value in edits:
            changed[offset] = value
        return made[0], bytes(changed[: len(changed) - cut]) + extra

    return st.builds(mutated, edits, st.sampled_from([0, 0, 0, 1, 22, 40]), st.binary(max_size=20))
