"""One reader for each kind of library file, chosen by the extension."""

from __future__ import annotations

import pytest

from deployer.library.model import Kind
from tests.jars import make_egg, make_jar
from tests.unit.library.reading import Made, read, the_problem_of
from tests.wheels import make_wheel


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (make_wheel("etl", "1.0"), Kind.WHEEL),
        (make_jar("etl", "1.0"), Kind.JAR),
        (make_egg("etl", "1.0"), Kind.EGG),
    ],
)
def test_the_extension_chooses_the_reader(made: Made, kind: Kind) -> None:
    library = read(made)
    assert (library.kind, library.name, str(library.version)) == (kind, "etl", "1.0")


def test_the_bytes_of_another_kind_are_refused() -> None:
    _, wheel = make_wheel("etl", "1.0")
    assert "has no PKG-INFO" in the_problem_of(("etl-1.0-py3.8.egg", wheel))


@pytest.mark.parametrize("file_name", ["etl-1.0.zip", "etl-1.0.tar.gz", "whl", ""])
def test_what_is_no_library_file_is_refused(file_name: str) -> None:
    found = the_problem_of((file_name, make_wheel("etl", "1.0")[1]))
    assert "is no wheel, jar or egg" in found
