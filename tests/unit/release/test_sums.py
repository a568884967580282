"""SHA256SUMS is what `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.release.sums import LIMIT, NAME, sum_of, written

ONE, TWO = "a" * 64, "b" * 64
DIGESTS = st.binary(max_size=9).map(lambda data: hashlib.sha256(data).hexdigest())
FILE_NAMES = st.text("abcXYZ019._-+! ", min_size=1, max_size=30)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_checks_the_files_with_it(tmp_path: Path) -> None:
    files = {"b-1.0.whl": b"two", "a 1.0.whl": b"one"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    (tmp_path / NAME).write_bytes(written(sums))
    check = ["sha256sum", "--check", "--strict", NAME]
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0
    (tmp_path / "b-1.0.whl").write_bytes(b"other")
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode != 0


@given(st.dictionaries(FILE_NAMES, DIGESTS, max_size=5))
def test_every_sum_is_read_back(sums: dict[str, str]) -> None:
    content = written(sums)
    assert {name: sum_of(content, name) for name in sums} == sums
    assert content == written(dict(reversed(sums.items())))


@pytest.mark.parametrize("name", ["", "a\nb", "a\rb", "a\\b", "a\0b"])
def test_a_name_that_would_be_read_otherwise_is_not_written(name: str) -> None:
    with pytest.raises(ValueError, match="can't stand"):
        written({name: ONE})


@pytest.mark.parametrize("digest", ["", "a" * 63, "A" * 64, f"{'a' * 64}\n"])
def test_what_is_no_hash_is_not_written(digest: str) -> None:
    with pytest.raises(ValueError, match="can't stand"):
        written({"a": digest})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        f"{ONE}  other.whl\n".encode(),
        f"{ONE}  a.whl\n{TWO}  a.whl\n".encode(),  # which one?
        f"{ONE[1:]}  a.whl\n".encode(),
        f"{ONE} a.whl\n".encode(),
        b"\xff\xfe\0" * 50,
        b"\n" * LIMIT + f"{ONE}  a.whl\n".encode(),
    ],
)
def test_where_nothing_certain_is_said_there_is_no_sum(content: bytes) -> None:
    assert sum_of(content, "a.whl") is None


def test_the_binary_mark_and_upper_case_are_read() -> None:
    assert sum_of(f"{ONE.upper()} *a.whl\r\n".encode(), "a.whl") == ONE


@given(st.binary(max_size=300), st.text(max_size=5))
def test_any_bytes_can_be_read(content: bytes, name: str) -> None:
    sum_of(content, name)
