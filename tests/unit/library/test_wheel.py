"""A wheel is read from its content, and everything that is wrong with it is told at once."""

import hashlib
import io
import stat
import zipfile
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.version import Version

from deployer.errors import DeployError, FailureReason
from deployer.library.archive import CHUNK, Limits
from deployer.library.model import EntryPoint, Kind, Library
from deployer.library.wheel import read_wheel
from tests.unit.library.reading import problems_of, read, the_problem_of
from tests.wheels import EPOCH, make_wheel, metadata_text, record_hash, wheel_text, zip_bytes

SCRIPTS = {"console_scripts": {"run": "my_lib:main"}}


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def test_a_wheel_is_what_its_content_says() -> None:
    made = make_wheel(
        "My.Lib",
        "1.2.0rc1",
        files={
            "my_lib/__init__.py": "",
            "my_lib/data/x.csv": "1",
            "helper.py": "",
            "fast.cpython-311-x86_64-linux-gnu.so": b"\0",
            "docs/readme.txt": "",
            "My.Lib-1.2.0rc1.data/purelib/extra/__init__.py": "",
            "My.Lib-1.2.0rc1.data/scripts/run.py": "",
        },
        entry_points={"console_scripts": {"Run": "my_lib:main"}, "group.x": {"a.b": "m:f [extra]"}},
        requires=["chispa>=0.9", "pyyaml; python_version < '4'"],
        requires_python=">=3.11",
        tag="py2.py3-none-any",
    )
    assert read(made) == Library(
        kind=Kind.WHEEL,
        name="my-lib",  # type: ignore[arg-type]
        display_name="My.Lib",
        version=Version("1.2.0rc1"),
        file_name="My.Lib-1.2.0rc1-py2.py3-none-any.whl",
        sha256=hashlib.sha256(made[1]).hexdigest(),
        size=len(made[1]),
        tags=frozenset({Tag("py2", "none", "any"), Tag("py3", "none", "any")}),
        requires_python=SpecifierSet(">=3.11"),
        requires=("chispa>=0.9", "pyyaml; python_version < '4'"),
        entry_points=(
            EntryPoint("console_scripts", "Run", "my_lib:main"),
            EntryPoint("group.x", "a.b", "m:f [extra]"),
        ),
        top_level=("extra", "fast", "helper", "my_lib"),
    )


def test_a_wheel_without_extras_of_any_kind_is_read() -> None:
    library = read(make_wheel("my-lib", "1.0+loc.1", build="7", files={}))
    assert (library.requires_python, library.requires, library.entry_points) == (None, (), ())
    assert library.version == Version("1.0+loc.1")


def test_files_larger_than_one_chunk_are_hashed_whole() -> None:
    big = bytes(CHUNK + 1)
    assert read(make_wheel("my-lib", "1.0", files={"my_lib/big.bin": big})).size < CHUNK
    record = f"my_lib/big.bin,{record_hash(big[:-1])},{len(big)}\n"
    made = make_wheel("my-lib", "1.0", files={"my_lib/big.bin": big}, record=record)
    assert any("not what RECORD says. 'my_lib/big.bin'" in p for p in problems_of(made))


def test_folders_need_no_line_in_record() -> None:
    folder = special("my_lib/", stat.S_IFDIR | 0o755)
    assert read(make_wheel("my-lib", "1.0", unrecorded=[(folder, b"")])).name == "my-lib"


def test_signatures_and_stronger_hashes_are_accepted() -> None:
    members = [
        ("my_lib.py", b"x = 1\n"),
        ("my_lib-1.0.dist-info/METADATA", metadata_text("my_lib", "1.0").encode()),
        ("my_lib-1.0.dist-info/WHEEL", wheel_text().encode()),
    ]
    record = "".join(
        f"{path},{record_hash(data, 'sha512')},{len(data)}\n" for path, data in members
    )
    signed = [
        *members,
        ("my_lib-1.0.dist-info/RECORD", record.encode()),
        ("my_lib-1.0.dist-info/RECORD.jws", b"{}"),
    ]
    assert read(("my_lib-1.0-py3-none-any.whl", zip_bytes(signed))).name == "my-lib"


# Bytes that are no wheel at all


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"just text", "is no complete zip archive"),
        (make_wheel("my-lib", "1.0")[1][:-30], "is no complete zip archive"),
        (make_wheel("my-lib", "1.0")[1][:200], "is no complete zip archive"),
        (zip_bytes([]), "has no .dist-info folder"),
        (zip_bytes([("my_lib.py", b"")]), "has no .dist-info folder"),
    ],
)
def test_what_is_no_wheel_is_refused(content: bytes, problem: str) -> None:
    assert problem in the_problem_of(("my_lib-1.0-py3-none-any.whl", content))


def test_several_dist_info_folders_are_refused_and_named() -> None:
    made = make_wheel("my-lib", "1.0", unrecorded=[("other-2.0.dist-info/METADATA", b"")])
    found = the_problem_of(made)
    assert "several .dist-info folders" in found
    assert "'my_lib-1.0.dist-info', 'other-2.0.dist-info'" in found


# Members that no honest wheel holds


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        ("/etc/passwd", "outside the folder"),
        ("C:/windows/x.py", "outside the folder"),
        ("../evil.py", "outside the folder"),
        ("my_lib/../../evil.py", "outside the folder"),
        ("../evil/", "outside the folder"),
        ("my_lib\\evil.py", "backslashes, control characters or empty parts"),
        ("my_lib/a\x1b[31m.py", "backslashes, control characters or empty parts"),
        ("my_lib//a.py", "backslashes, control characters or empty parts"),
        ("my_lib/./a.py", "backslashes, control characters or empty parts"),
        ("my_lib/__init__.py", "several members of one name"),
        ("my_lib/__init__.py/x.py", "a file and a folder at once"),
        (special("my_lib/link.py", stat.S_IFLNK | 0o777), "symbolic links"),
        (special("my_lib/pipe", stat.S_IFIFO | 0o644), "symbolic links or other special files"),
    ],
)
def test_a_dangerous_member_is_refused(member: str | zipfile.ZipInfo, problem: str) -> None:
    made = make_wheel("my-lib", "1.0", unrecorded=[(member, b"x")])
    found = problems_of(made)
    assert any(problem in p for p in found)
    assert not any("\x1b" in p for p in found)


def test_a_name_behind_a_nul_is_not_hidden() -> None:
    file_name, content = make_wheel("my-lib", "1.0", unrecorded=[("my_lib/aXevil.py", b"x")])
    hidden = content.replace(b"aXevil.py", b"a\0evil.py")
    found = problems_of((file_name, hidden))
    assert any("control characters" in p and "a\\x00evil.py" in p for p in found)


def test_a_member_without_a_name_is_refused() -> None:
    file_name, content = make_wheel("my-lib", "1.0", unrecorded=[("\u2400", b"x")])
    found = problems_of((file_name, content.replace("\u2400".encode(), b"\0\0\0")))
    assert any("control characters or empty parts" in p for p in found)


def test_an_encrypted_member_is_refused() -> None:
    file_name, content = make_wheel("my-lib", "1.0")
    encrypted = bytearray(content)
    encrypted[6] |= 1  # flags of the first local header
    encrypted[content.index(b"PK\x01\x02") + 8] |= 1  # and of its entry in the directory
    found = problems_of((file_name, bytes(encrypted)))
    assert any("holds encrypted members. 'my_lib/__init__.py'" in p for p in found)


def test_other_compressions_are_refused() -> None:
    member = special("my_lib/a.py", stat.S_IFREG | 0o644)
    member.compress_type = zipfile.ZIP_LZMA
    found = problems_of(make_wheel("my-lib", "1.0", unrecorded=[(member, b"x")]))
    assert any("another way than deflate. 'my_lib/a.py'" in p for p in found)


def test_data_in_front_of_the_archive_is_refused() -> None:
    file_name, content = make_wheel("my-lib", "1.0")
    assert "other data in front" in the_problem_of((file_name, b"#!/bin/sh\n" + content))


# Archives that are too large


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    made = make_wheel("my-lib", "1.0", files={"my_lib/zeros": bytes(1_000_000)})
    small = Limits(ratio=10, ratio_from=1000)
    assert "is a zip bomb" in the_problem_of(made, limits=small)
    assert read(made, limits=Limits(ratio=10)).name == "my-lib"


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(members=3), "holds 4 members; at most 3"),
        (Limits(uncompressed=100), "bytes; at most 100 are allowed"),
        (Limits(directory=50), "its directory is larger than 50 bytes"),
        (Limits(metadata=20), "metadata has at most 20"),
    ],
)
def test_every_limit_holds(limits: Limits, problem: str) -> None:
    assert any(problem in p for p in problems_of(make_wheel("my-lib", "1.0"), limits=limits))


def test_a_member_that_understates_its_size_gives_no_more_than_it_declares() -> None:
    file_name, content = make_wheel("my-lib", "1.0", files={"zeros": bytes(50_000)})
    lying = content.replace((50_000).to_bytes(4, "little"), (5).to_bytes(4, "little"))
    assert lying != content
    assert any("damaged" in p and "'zeros'" in p for p in problems_of((file_name, lying)))


# Names, versions and metadata that disagree or are missing


@pytest.mark.parametrize(
    "file_name",
    [
        "my-package.whl",
        "my_lib-1.0-py3-none-any.WHL",
        "internal-package-1.0-py3-none-any.whl",
        "my_lib-1.0-py3-none-any (1).whl",
        "my_lib-1.0-py3-none-any\n.whl",
        "my_lib-" + "9" * 5000 + "-py3-none-any.whl",
    ],
)
def test_a_file_name_that_is_no_wheels_is_refused(file_name: str) -> None:
    found = the_problem_of(make_wheel("my-lib", "1.0", file_name=file_name))
    assert "has a file name that is no wheel's" in found
    assert "\n" not in found


def test_the_reader_of_wheels_takes_no_other_ending() -> None:
    name, content = make_wheel("my-lib", "1.0", file_name="my_lib-1.0.zip")
    with pytest.raises(DeployError, match="has a file name that is no wheel's"):
        read_wheel(name, io.BytesIO(content))


@pytest.mark.parametrize("file_name", ["other-1.0-py3-none-any.whl", "my_lib-1.1-py3-none-any.whl"])
def test_a_file_name_that_disagrees_with_metadata_is_refused(file_name: str) -> None:
    found = the_problem_of(make_wheel("my-lib", "1.0", file_name=file_name))
    assert "is my-lib 1.0 by its METADATA, but the file name says" in found


def test_a_file_name_that_spells_the_same_name_and_version_differently_is_fine() -> None:
    assert read(make_wheel("my-lib", "1.0", file_name="My.Lib-1.0.0-py3-none-any.whl")).size


def test_a_dist_info_folder_that_disagrees_with_metadata_is_refused() -> None:
    made = make_wheel("my-lib", "1.0", dist_info="my_lib-2.0.dist-info")
    assert "the folder 'my_lib-2.0.dist-info' says my-lib 2.0" in the_problem_of(made)


def test_tags_that_disagree_with_the_file_name_are_refused() -> None:
    made = make_wheel("my-lib", "1.0", wheel_metadata=wheel_text("cp311-cp311-linux_x86_64"))
    found = the_problem_of(made)
    assert "other tags in WHEEL" in found
    assert "'cp311-cp311-linux_x86_64', 'py3-none-any'" in found


def test_a_compressed_tag_set_in_wheel_is_the_same_as_its_tags() -> None:
    text = wheel_text().replace("Tag: py3-none-any", "Tag: py2.py3-none-any")
    assert (
        len(read(make_wheel("my-lib", "1.0", tag="py2.py3-none-any", wheel_metadata=text)).tags)
        == 2
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"metadata": "Metadata-Version: 2.1\nVersion: 1.0\n"}, "no valid name in METADATA"),
        ({"metadata": metadata_text("-x-", "1.0")}, "no valid name in METADATA. It says '-x-'"),
        ({"metadata": "Name: my-lib\n"}, "no version of PEP 440 in METADATA. It says ''"),
        ({"metadata": metadata_text("my-lib", "localdev")}, "It says 'localdev'"),
        ({"metadata": "Name: my-lib\nName: other\nVersion: 1.0\n"}, "no valid name"),
        ({"metadata": b"\xff\xfe"}, "no valid name"),
        ({"requires": ["not a requirement"]}, "requires 'not a requirement'"),
        ({"requires_python": "three"}, "has Requires-Python 'three'"),
        ({"wheel_metadata": wheel_text(version="2.0")}, "has Wheel-Version '2.0'"),
        ({"wheel_metadata": ""}, "has Wheel-Version ''"),
        (
            {"wheel_metadata": wheel_text().replace("py3-none-any", "py3")},
            "tag in WHEEL that is none",
        ),
        ({"record": "my_lib.py,sha256=x\n"}, "RECORD that can't be read"),
        ({"record": "a,,\na,sha256=x,1\n"}, "lists 'a' twice, and differently"),
        ({"record": b"\xff"}, "RECORD that can't be read"),
    ],
)
def test_metadata_that_is_missing_or_wrong_is_refused(
    options: dict[str, Any], problem: str
) -> None:
    found = problems_of(make_wheel("my-lib", "1.0", **options))
    assert any(problem in p for p in found), found


@pytest.mark.parametrize("text", ["run = my_lib:main\n", "[console_scripts]\nrun\n", b"\xff"])
def test_entry_points_that_follow_no_format_are_refused(text: str | bytes) -> None:
    path = "my_lib-1.0.dist-info/entry_points.txt"
    made = make_wheel("my-lib", "1.0", files={"my_lib.py": "", path: text})
    assert "entry_points.txt that can't be read" in the_problem_of(made)


@pytest.mark.parametrize("missing", ["METADATA", "WHEEL", "RECORD"])
def test_a_missing_metadata_file_is_named(missing: str) -> None:
    file_name, content = make_wheel("my-lib", "1.0")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(n, archive.read(n)) for n in archive.namelist() if not n.endswith(missing)]
    found = problems_of((file_name, zip_bytes(members)))
    assert any(f"has no {missing}" in p for p in found)


# RECORD


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("", "does not list. 'my_lib.py'"),
        ("my_lib.py,,\n", "missing or weaker than SHA-256. 'my_lib.py'"),
        (
            f"my_lib.py,{record_hash(b'x', 'md5')},1\n",
            "missing or weaker than SHA-256. 'my_lib.py'",
        ),
        (f"my_lib.py,{record_hash(b'y')},1\n", "not what RECORD says. 'my_lib.py'"),
        (f"my_lib.py,{record_hash(b'x')},2\n", "not what RECORD says. 'my_lib.py'"),
        (f"my_lib.py,{record_hash(b'x')},1\ngone.py,sha256=a,1\n", "RECORD lists. 'gone.py'"),
    ],
)
def test_every_file_must_be_in_record_and_be_what_it_says(row: str, problem: str) -> None:
    info = "my_lib-1.0.dist-info"
    texts = {f"{info}/METADATA": metadata_text("my-lib", "1.0"), f"{info}/WHEEL": wheel_text()}
    rows = [f"{path},{record_hash(t.encode())},{len(t)}\n" for path, t in texts.items()]
    record = "".join([row, *rows, f"{info}/RECORD,,\n"])
    made = make_wheel("my-lib", "1.0", files={"my_lib.py": b"x"}, record=record)
    assert problem in the_problem_of(made)


def test_a_damaged_member_is_named() -> None:
    file_name, content = make_wheel("my-lib", "1.0", files={"my_lib.py": bytes(range(256))})
    start = content.index(b"my_lib.py") + len("my_lib.py")
    damaged = content[: start + 20] + b"\xff\xff\xff" + content[start + 23 :]
    assert "damaged and can't be read. 'my_lib.py'" in the_problem_of((file_name, damaged))


def test_a_long_list_of_offenders_is_cut() -> None:
    unrecorded = [(f"my_lib/x{i}.py", b"") for i in range(30)]
    found = the_problem_of(make_wheel("my-lib", "1.0", unrecorded=unrecorded))
    assert "and 20 more" in found
    assert found.count("my_lib/x") == 10


def test_all_problems_of_a_file_are_listed_at_once() -> None:
    made = make_wheel(
        "my-lib",
        "localdev",
        file_name="my-lib.whl",
        requires=["???"],
        requires_python="x",
        wheel_metadata="",
        entry_points={"console_scripts": {"run": "x"}},
        unrecorded=[("../x.py", b"")],
    )
    expected = [
        "file name that is no wheel's",
        "outside the folder",
        "no version of PEP 440",
        "requires '???'",
        "Requires-Python 'x'",
        "Wheel-Version ''",
        "RECORD does not list",
    ]
    found = problems_of(made)
    assert len(found) == len(expected)
    assert all(part in problem for part, problem in zip(expected, found, strict=True))


# Whatever the bytes are, the result is the library or a problem

SOUND = make_wheel("my-lib", "1.0", entry_points=SCRIPTS, requires=["a"], requires_python=">=3")


def library_or_problem(made: tuple[str, bytes]) -> Library | None:
    try:
        return read(made)
    except DeployError as error:
        if {problem.reason for problem in error.problems} != {FailureReason.INVALID_LIBRARY}:
            raise
        return None


@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(SOUND[1]) - 1), st.integers(0, 255)), min_size=1, max_size=8
    ),
    cut=st.integers(0, 40),
    extra=st.binary(max_size=40),
)
def test_mutated_bytes_give_the_same_library_or_a_problem(
    edits: list[tuple[int, int]], cut: int, extra: bytes
) -> None:
    mutated = bytearray(SOUND[1])
    for offset, value in edits:
        mutated[offset] = value
    library = library_or_problem((SOUND[0], bytes(mutated[: len(mutated) - cut]) + extra))
    assert library is None or (library.name, library.version) == ("my-lib", Version("1.0"))


DIRECTORY = SOUND[1].index(b"PK\x01\x02")


@given(
    st.lists(st.tuples(st.integers(DIRECTORY, len(SOUND[1]) - 1), st.integers(0, 255)), max_size=4)
)
def test_a_mutated_directory_gives_the_same_library_or_a_problem(
    edits: list[tuple[int, int]],
) -> None:
    mutated = bytearray(SOUND[1])
    for offset, value in edits:
        mutated[offset] = value
    library = library_or_problem((SOUND[0], bytes(mutated)))
    assert library is None or (library.name, library.version) == ("my-lib", Version("1.0"))


@given(st.binary(max_size=300))
def test_random_bytes_are_a_problem(content: bytes) -> None:
    assert library_or_problem((SOUND[0], content)) is None


texts = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(
                ["Name: my-lib", "Version: 1.0", "Tag: py3-none-any", "Wheel-Version: 1.0", "[a]",
                 "b = c", "Requires-Dist: a", "Requires-Python: >=3", "x,sha256=a,1", '"', "\0"]
            ),
        )
    ).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")),
)  # fmt: skip


@given(metadata=texts, wheel=texts, entry_points=texts, file_name=st.text(max_size=20))
@example(
    b"Name: my-lib\nVersion: " + b"9" * 5000, b"Tag: =?utf-8?q?x?=", b"[DEFAULT]\na=b", "x.whl"
)
@example(b"Requires-Python: >=" + b"9" * 5000, b"\xff: \xff", b"[\0]\na=b", "a-1-a.b.c-a.b.c-a.whl")
@example(b"Requires-Dist: a>=" + b"9" * 5000, b"Tag: " + b"a." * 3000 + b"-b-c", b"[a]\nb=", ".whl")
def test_any_text_in_the_metadata_gives_a_library_or_a_problem(
    metadata: bytes, wheel: bytes, entry_points: bytes, file_name: str
) -> None:
    path = "my_lib-1.0.dist-info/entry_points.txt"
    made = make_wheel(
        "my-lib", "1.0", metadata=metadata, wheel_metadata=wheel, files={path: entry_points}
    )
    library_or_problem(made)
    library_or_problem((file_name, made[1]))


@given(record=texts)
def test_any_text_in_record_is_a_problem(record: bytes) -> None:
    assert library_or_problem(make_wheel("my-lib", "1.0", record=record)) is None
