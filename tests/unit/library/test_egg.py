"""An egg is read from its content, and everything that is wrong with it is told at once."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from deployer.library.archive import Limits
from deployer.library.model import EntryPoint, Kind, Library
from tests.jars import make_egg
from tests.unit.library.reading import (
    Made,
    library_or_problem,
    mutations_of,
    problems_of,
    read,
    the_problem_of,
)
from tests.wheels import metadata_text, zip_bytes

SCRIPTS = {"console_scripts": {"run": "my_lib:main"}}


def test_an_egg_is_what_its_content_says() -> None:
    made = make_egg(
        "My-Lib",
        "1.2.0rc1",
        files={"my_lib/__init__.py": "", "helper.py": "", "docs/readme.txt": ""},
        entry_points=SCRIPTS,
        requires_python=">=3.7",
    )
    assert read(made) == Library(
        kind=Kind.EGG,
        name="my-lib",  # type: ignore[arg-type]
        display_name="My-Lib",
        version=Version("1.2.0rc1"),
        file_name="My_Lib-1.2.0rc1-py3.8.egg",
        sha256=hashlib.sha256(made[1]).hexdigest(),
        size=len(made[1]),
        requires_python=SpecifierSet(">=3.7"),
        entry_points=(EntryPoint("console_scripts", "run", "my_lib:main"),),
        top_level=("helper", "my_lib"),
    )


@pytest.mark.parametrize(
    "file_name", ["my_lib-1.0.egg", "my-lib-1.0.0-py3.10-linux-x86_64.egg", "MY.LIB-1-py3.8.EGG"]
)
def test_a_file_name_that_spells_the_same_differently_is_fine(file_name: str) -> None:
    assert read(make_egg("my-lib", "1.0", file_name=file_name)).name == "my-lib"


@pytest.mark.parametrize("file_name", ["other-1.0-py3.8.egg", "my_lib-1.1-py3.8.egg"])
def test_a_file_name_that_disagrees_with_the_content_is_refused(file_name: str) -> None:
    found = the_problem_of(make_egg("my-lib", "1.0", file_name=file_name))
    assert "is my-lib 1.0 by its PKG-INFO, but the file name says" in found


@pytest.mark.parametrize(
    ("file_name", "why"),
    [("my_lib.egg", "It has no version."), ("my_lib-VERSION-py3.8.egg", "placeholder")],
)
def test_a_file_name_without_a_version_is_refused(file_name: str, why: str) -> None:
    found = the_problem_of(make_egg("my-lib", "1.0", file_name=file_name))
    assert why in found
    assert "NAME-VERSION-PYTHON.egg" in found
    assert "Better build a wheel" in found


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"pkg_info": "Version: 1.0\n"}, "no valid name in PKG-INFO"),
        ({"pkg_info": metadata_text("my-lib", "localdev")}, "no version of PEP 440 in PKG-INFO"),
        ({"pkg_info": b"\xff\xfe"}, "no valid name"),
        ({"requires_python": "three"}, "has Requires-Python 'three'"),
        ({"files": {"EGG-INFO/entry_points.txt": "x = 1\n"}}, "entry_points.txt that can't"),
        ({"members": [("../x.py", b"")]}, "outside the folder"),
        ({"members": [("my_lib/__init__.py", b"")]}, "several members of one name"),
        ({"members": [("my_lib/__init__.py/x.py", b"")]}, "a file and a folder at once"),
    ],
)
def test_what_is_wrong_inside_is_told(options: dict[str, Any], problem: str) -> None:
    found = problems_of(make_egg("my-lib", "1.0", **options))
    assert any(problem in each for each in found), found


def test_an_egg_without_its_metadata_is_refused() -> None:
    found = the_problem_of(("my_lib-1.0-py3.8.egg", zip_bytes([("my_lib.py", b"")])))
    assert "has no PKG-INFO" in found
    assert "Build the egg again" in found


def test_a_damaged_member_is_named() -> None:
    content = "".join(map(chr, range(32, 127)))
    file_name, data = make_egg("my-lib", "1.0", files={"my_lib.py": content})
    start = data.index(b"my_lib.py") + len("my_lib.py")
    damaged = data[: start + 20] + b"\xff\xff\xff" + data[start + 23 :]
    assert "damaged and can't be read. 'my_lib.py'" in the_problem_of((file_name, damaged))


def test_the_limits_of_archives_hold() -> None:
    found = the_problem_of(make_egg("my-lib", "1.0"), limits=Limits(members=1))
    assert "holds 2 members; at most 1" in found


SOUND = make_egg("my-lib", "1.0", entry_points=SCRIPTS, requires_python=">=3")


@given(mutations_of(SOUND))
def test_mutated_bytes_give_the_same_library_or_a_problem(made: Made) -> None:
    library = library_or_problem(made)
    assert library is None or (library.name, str(library.version)) == ("my-lib", "1.0")


@given(info=st.one_of(st.binary(max_size=80), st.text(max_size=60).map(str.encode)))
@example(b"Name: my-lib\nVersion: " + b"9" * 5000)
@example(b"Name: my-lib\nVersion: 1.0\nRequires-Python: >=" + b"9" * 5000)
def test_any_text_in_the_metadata_gives_a_library_or_a_problem(info: bytes) -> None:
    library_or_problem(make_egg("my-lib", "1.0", pkg_info=info))


@given(st.binary(max_size=300))
def test_random_bytes_are_a_problem(content: bytes) -> None:
    assert library_or_problem(("my_lib-1.0-py3.8.egg", content)) is None
