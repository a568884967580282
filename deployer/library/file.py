"""One library file of any kind: the reader is chosen by the extension.

Owns that choice and nothing else.
"""

from __future__ import annotations

from typing import BinaryIO, Protocol

from deployer.errors import FailureReason, fail
from deployer.library.archive import LIMITS, Limits, shown
from deployer.library.egg import read_egg
from deployer.library.jar import read_jar
from deployer.library.model import Kind, Library
from deployer.library.names import parse_file_name
from deployer.library.wheel import read_wheel


class _Reader(Protocol):
    def __call__(self, file_name: str, stream: BinaryIO, *, limits: Limits) -> Library: ...


_READERS: dict[Kind, _Reader] = {Kind.WHEEL: read_wheel, Kind.JAR: read_jar, Kind.EGG: read_egg}


def read_library(file_name: str, stream: BinaryIO, *, limits: Limits = LIMITS) -> Library:
    """Read and verify the wheel, jar or egg in `stream`, a seekable binary stream.

    Raises:
        DeployError: INVALID_LIBRARY, with one problem for each thing that is wrong.
    """
    parsed = parse_file_name(file_name)
    if parsed is None:
        raise fail(
            FailureReason.INVALID_LIBRARY,
            f"{shown([file_name])} is no wheel, jar or egg.",
            detail="Its name ends in none of .whl, .jar and .egg.",
            remedy="Let `wheel` name the file that the build makes, such as `dist/*.whl`.",
        )
    return _READERS[parsed.kind](file_name, stream, limits=limits)
