"""Wheels, jars and eggs that were made to hurt: each is read or refused with a reason, in bounded memory."""

from __future__ import annotations

import re
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deployer.errors import DeployError
from deployer.library.archive import Limits
from deployer.library.model import Library
from tests.jars import make_egg, make_jar
from tests.unit.library.reading import Made, library_or_problem, problems_of, read
from tests.wheels import Member, make_wheel, metadata_text, record_hash, zip_bytes

MIB = 1 << 20
SAFE = re.compile(r"[A-Za-z0-9._+!-]+")
hostile = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
Make = Callable[[list[Member]], Made]
MAKERS: dict[str, Make] = {
    "wheel": lambda members: make_wheel("my-lib", "1.0", unrecorded=members),
    "jar": lambda members: make_jar("my-lib", "1.0", members=members),
    "egg": lambda members: make_egg("my-lib", "1.0", members=members),
}
EACH = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)

names = st.one_of(
    st.sampled_from(
        [
            "../x.py", "/etc/passwd", "C:\\x", "a/../../x", "a\\..\\x", "a//b", "./a", ".", "..", "",
            "a\0b", "a\nb", "\u202egnp.py", "my_lib/__init__.py", "MY_LIB/__init__.py",
            "my_lib/__init__.py/x", "my_lib-1.0.dist-info/", "my_lib-1.0.dist-info/METADATA",
            "my_lib-1.0.dist-info/RECORD", "other-2.0.dist-info/METADATA", "META-INF/MANIFEST.MF",
            "meta-inf/manifest.mf", "META-INF/maven/g/a/pom.properties", "EGG-INFO/PKG-INFO",
            "EGG-INFO/entry_points.txt", "my_lib-1.0.data/purelib/x.py", "x" * 60_000,
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)  # fmt: skip
contents = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"Name: other\nVersion: 2.0\n", b"artifactId=other\nversion=2.0\n", b"\0" * 100_000]
    ),
)
kinds = st.sampled_from(
    [0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, 0xF000]
)


@st.composite
def members(draw: st.DrawFn) -> Member:
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = draw(names)
    info.external_attr = (draw(kinds) | draw(st.integers(0, 0o7777))) << 16
    info.compress_type = draw(
        st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    )
    info.extra = draw(
        st.sampled_from([b"", b"\x01\x00\x08\x00" + b"\xff" * 8, b"up\x05\x00\x01\0\0\0\0"])
    )
    info.comment = draw(st.binary(max_size=5))
    return info, draw(contents)


@EACH
@settings(hostile, max_examples=60)
@given(added=st.lists(members(), max_size=4))
def test_any_members_give_the_same_library_or_a_problem(make: Make, added: list[Member]) -> None:
    library = library_or_problem(make(added))
    assert library is None or (library.name, str(library.version)) == ("my-lib", "1.0")


CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
# Where a header says what: (offset, format) in the central directory, and in front of the member.
FIELDS = {
    "flags": [(CENTRAL, 8, "<H"), (LOCAL, 6, "<H")],
    "method": [(CENTRAL, 10, "<H"), (LOCAL, 8, "<H")],
    "checksum": [(CENTRAL, 16, "<I")],
    "compressed": [(CENTRAL, 20, "<I"), (LOCAL, 18, "<I")],
    "size": [(CENTRAL, 24, "<I"), (LOCAL, 22, "<I")],
    "length of the name": [(CENTRAL, 28, "<H"), (LOCAL, 26, "<H")],
    "offset": [(CENTRAL, 42, "<I")],
}
values = st.sampled_from([0, 1, 7, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]) | st.integers(
    0, 2**32 - 1
)
LIES = st.lists(
    st.tuples(st.sampled_from(sorted(FIELDS)), st.integers(0, 5), values), min_size=1, max_size=3
)


def lying(content: bytes, lies: list[tuple[str, int, int]]) -> bytes:
    """The archive with other words in the headers of some members."""
    changed = bytearray(content)
    for field, index, value in lies:
        for mark, offset, form in FIELDS[field]:
            starts = [one.start() for one in re.finditer(re.escape(mark), content)]
            at = starts[index % len(starts)] + offset
            struct.pack_into(form, changed, at, value & (0xFFFF if form == "<H" else 0xFFFFFFFF))
    return bytes(changed)


@EACH
@settings(hostile, max_examples=60)
@given(lies=LIES)
@example(lies=[("size", 0, 0xFFFFFFFF)])
@example(lies=[("compressed", 1, 0), ("size", 1, 0x7FFFFFFF)])
def test_headers_that_lie_give_the_same_library_or_a_problem(
    make: Make, lies: list[tuple[str, int, int]]
) -> None:
    file_name, content = make([])
    library = library_or_problem((file_name, lying(content, lies)))
    assert library is None or (library.name, str(library.version)) == ("my-lib", "1.0")


@EACH
@given(end=st.integers(0, 3_000), start=st.integers(0, 200))
def test_a_piece_of_an_archive_is_a_problem(make: Make, end: int, start: int) -> None:
    file_name, content = make([])
    piece = content[start : max(start, len(content) - 1 - end)]
    assert library_or_problem((file_name, piece)) is None


rows = st.lists(
    st.one_of(
        st.sampled_from(
            [f"my_lib/__init__.py,{record_hash(b'x')},1", "my_lib/__init__.py,md5=x,1", "a,b", '"a,b',
             "my_lib/__init__.py,,", "../x.py,sha256=x,1", "a,sha256=x,1\na,sha256=y,1",
             "my_lib-1.0.dist-info/RECORD,,"]
        ),
        st.text(max_size=20),
    ),
    max_size=5,
)  # fmt: skip


@given(rows=rows)
def test_a_record_that_lies_is_a_problem(rows: list[str]) -> None:
    made = make_wheel("my-lib", "1.0", record="\n".join(rows).encode("utf-8", "replace"))
    assert library_or_problem(made) is None


# --- memory and time


def peak_mib(made: Made) -> float:
    """The most memory that reading takes, in MiB, and whatever comes of it."""
    tracemalloc.start()
    try:
        library_or_problem(made)
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


def bomb(name: str, size: int) -> Member:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info, bytes(size)


@EACH
@pytest.mark.parametrize(
    "name",
    [
        "x.py",
        "my_lib-1.0.dist-info/entry_points.txt",
        "META-INF/MANIFEST.MF",
        "EGG-INFO/entry_points.txt",
    ],
)
def test_a_bomb_is_refused_in_bounded_memory(make: Make, name: str) -> None:
    made = make([bomb(name, 65 * MIB)])
    assert len(made[1]) < MIB
    assert peak_mib(made) < 40
    assert library_or_problem(made) is None


BASE = "Metadata-Version: 2.1\nName: my-lib\nVersion: 1.0\n"
SPRAWLING = {
    "requirements": {"metadata": BASE + "Requires-Dist: ???\n" * 100_000},
    "one requirement": {"metadata": BASE + "Requires-Dist: " + "(" * MIB + "\n"},
    "a nested marker": {"metadata": f"{BASE}Requires-Dist: a; {'(' * 50_000}\n"},
    "one header": {"metadata": BASE + "Summary: " + "x" * 3 * MIB + "\n"},
    "a large METADATA": {"metadata": BASE + "\n" + "x" * 5 * MIB},
    "tags": {"wheel_metadata": "Wheel-Version: 1.0\n" + "Tag: py3-none-any\n" * 100_000},
    "a long tag": {
        "wheel_metadata": "Wheel-Version: 1.0\nTag: " + "py3." * 100_000 + "x-none-any\n"
    },
    "a version": {"metadata": metadata_text("my-lib", "1." * 100_000)},
    "a name": {"metadata": metadata_text("x" * MIB, "1.0")},
    "Requires-Python": {"metadata": BASE + "Requires-Python: " + "x" * MIB + "\n"},
    "rows": {"record": "a,sha256=x,1\n" * 100_000},
    "entry points": {"files": {"my_lib-1.0.dist-info/entry_points.txt": "x\n" * 100_000}},
}


@pytest.mark.parametrize("parts", SPRAWLING.values(), ids=SPRAWLING)
def test_metadata_that_sprawls_is_read_or_refused_in_few_words(
    parts: dict[str, str | bytes],
) -> None:
    made = make_wheel("my-lib", "1.0", **parts)  # type: ignore[arg-type] # each is a text by its name
    assert len(made[1]) < MIB
    try:
        read(made)
    except DeployError as error:
        said = [f"{one.title}{one.detail}{one.remedy}" for one in error.problems]
        assert len(said) <= 30
        assert max(map(len, said)) < 4_000


def test_of_many_problems_the_first_are_told_and_the_others_counted() -> None:
    metadata = BASE + "".join(f"Requires-Dist: ?{number}\n" for number in range(100))
    found = problems_of(make_wheel("my-lib", "1.0", metadata=metadata))
    assert len(found) == 26
    assert "has 75 more problems" in found[-1]
    assert "requires '?0'" in found[0]


def test_more_requirements_than_any_library_has_are_not_read() -> None:
    metadata = BASE + "Requires-Dist: a\n" * 11
    with pytest.raises(DeployError, match="has 11 requirements; at most 10 are read"):
        read(make_wheel("my-lib", "1.0", metadata=metadata), limits=Limits(lines=10))
    read(make_wheel("my-lib", "1.0", metadata=metadata), limits=Limits(lines=11))


# --- names


pieces = st.lists(
    st.one_of(
        st.sampled_from(
            ["my_lib", "my-lib", "-1.0", "-py3-none-any", "/", "\\", "..", "%2F", "%2e", "\0", "\n", " ", "*",
             "{x}", "${x}", "<x>", "'", "`", "\u202e", "é", "#", "?", "&", ":", "-1.0-py3.8", ".whl", ".jar",
             ".egg", "VERSION"]
        ),
        st.text(max_size=3),
    ),
    max_size=8,
).map("".join)  # fmt: skip
extensions = st.sampled_from([".whl", ".jar", ".egg", ".WHL", ".whl.jar", ""])
WHEEL = make_wheel("my-lib", "1.0", wheel_metadata="Wheel-Version: 1.0\n")[1]
JAR, EGG = make_jar("my-lib", "1.0")[1], make_egg("my-lib", "1.0")[1]


@settings(hostile, max_examples=300)
@given(name=pieces, extension=extensions)
@example(name="my_lib-1.0-py3-none-{x}", extension=".whl")
@example(name="my_lib-1.0-py3-none-%2e%2e%2fany", extension=".whl")
@example(name="my_lib-1.0-py3-none-<any>", extension=".whl")
@example(name="my_lib-1.0-py3-none-*", extension=".whl")
@example(name="my_lib-1.0-" + "a." * 200 + "b-none-any", extension=".whl")
@example(name="../my_lib-1.0-py3-none-any", extension=".whl")
def test_what_is_accepted_has_a_name_that_is_one_harmless_part_of_a_path(
    name: str, extension: str
) -> None:
    for content in (WHEEL, JAR, EGG):
        library = library_or_problem((name + extension, content))
        if library is not None:
            assert SAFE.fullmatch(library.file_name)
            assert library.file_name.strip(".")
            assert len(library.file_name) <= 255
            assert "\n" not in library.display_name


def test_the_generated_bytes_are_sound_as_they_are() -> None:
    for made in (make([]) for make in MAKERS.values()):
        assert isinstance(library_or_problem(made), Library)
    assert library_or_problem(("my_lib-1.0-py3-none-any.whl", WHEEL)) is not None
    assert zip_bytes([("a", b"")]).startswith(LOCAL)
    assert lying(JAR, [("size", 0, 7)]) != JAR
