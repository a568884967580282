"""Windows of one file: together they are the file, and threads don't mix them up."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.deployment.ports import Refused
from deployer.platforms.databricks.multipart import PART_SIZES, part_size
from deployer.platforms.databricks.parts import Source, Stopped, Window


def read_all(window: Window, step: int) -> bytes:
    found = b""
    while piece := window.read(step):
        found += piece
    return found


@given(st.binary(max_size=300), st.integers(0, 5), st.integers(1, 70), st.integers(1, 50))
def test_the_windows_of_a_file_are_the_file(
    content: bytes, before: int, length: int, step: int
) -> None:
    stream = io.BytesIO(b"x" * before + content)
    stream.seek(before)
    source = Source(stream, len(content))
    starts = range(0, len(content), length)
    windows = [Window(source, at, min(length, len(content) - at)) for at in starts]
    assert b"".join(read_all(each, step) for each in windows) == content
    for each in windows:
        each.seek(0)
    backwards = [read_all(each, step) for each in reversed(windows)]
    assert b"".join(reversed(backwards)) == content


@given(st.binary(min_size=1, max_size=50), st.data())
def test_a_window_is_a_file_of_its_own(content: bytes, data: st.DataObject) -> None:
    window = Window(Source(io.BytesIO(b"ab" + content + b"yz"), len(content) + 4), 2, len(content))
    alone = io.BytesIO(content)
    assert window.len == len(content)
    for _ in range(8):
        if data.draw(st.booleans()):
            size = data.draw(st.integers(-1, 60))
            assert window.read(size) == alone.read(size)
        else:
            offset = data.draw(st.integers(0, len(content)))
            assert window.seek(offset) == alone.seek(offset)
        assert window.tell() == alone.tell()
    assert window.seek(0, 2) == len(content)


class Slow(io.BytesIO):
    """Content on which another thread gets its turn between going somewhere and reading there."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        there = super().seek(offset, whence)
        sleep(0.001)
        return there


def test_threads_read_their_own_windows() -> None:
    length = 300_000
    content = b"".join(bytes([number]) * length for number in range(8))
    source = Source(Slow(content), len(content))
    windows = [Window(source, number * length, length) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: read_all(each, 1000), windows))
    assert found == [bytes([number]) * length for number in range(8)]


def test_a_read_never_takes_much_into_memory() -> None:
    source = Source(io.BytesIO(bytes(10_000_000)), 10_000_000)
    assert 0 < len(Window(source, 0, 10_000_000).read()) <= 100_000


def test_a_file_that_became_shorter_is_said_so() -> None:
    with pytest.raises(Refused, match="shorter"):
        read_all(Window(Source(io.BytesIO(b"abc"), 5), 0, 5), 2)


def test_a_disk_that_fails_is_not_taken_for_a_connection_that_broke() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(Refused, match="Input/output error"):
        Window(Source(Broken(b"abc"), 3), 0, 3).read()


def test_nothing_is_read_after_a_stop() -> None:
    source = Source(io.BytesIO(b"abc"), 3)
    source.stop()
    with pytest.raises(Stopped):
        Window(source, 0, 3).read()


@given(st.integers(50 * 1024**2, 400 * 1024**3))
def test_a_file_has_at_most_a_hundred_parts_of_sizes_that_all_storages_take(size: int) -> None:
    each = part_size(size)
    assert each in PART_SIZES
    assert size <= each * 100
    smaller = [one for one in PART_SIZES if one < each]
    assert not smaller or size > smaller[-1] * 100
