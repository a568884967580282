"""The scripts that run inside a task's environment, run as the executor runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import entry_point_launcher
from sandbox.notebook_launcher import Widgets
from tests.wheels import make_wheel, write_wheel

MODULE = """\
import sys

def main():
    print("main", sys.argv[1:])

def other():
    print("other", sys.argv[1:])

not_callable = 1
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A wheel on the path: imports and metadata work from the archive itself."""
    made = make_wheel(
        "my-lib",
        "1.0.0",
        files={"my_lib/__init__.py": MODULE},
        entry_points={
            "inner": {"run": "my_lib:main"},
            "console_scripts": {"run": "my_lib:other", "main": "my_lib:main"},
        },
    )
    return write_wheel(tmp_path, made)


def launch(library: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", entry_point_launcher.__file__, *arguments],
        check=False,
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONPATH": str(library)},
    )


@pytest.mark.parametrize(
    ("package", "entry_point", "called"),
    [
        ("my-lib", "main", "main"),
        ("my_lib", "main", "main"),
        ("my-lib", "run", "other"),  # console scripts come before other groups
        ("my-lib", "other", "other"),  # not in the metadata: the package's own function
    ],
)
def test_the_metadata_decides_and_the_package_itself_helps_out(
    library: Path, package: str, entry_point: str, called: str
) -> None:
    ran = launch(library, package, entry_point, "a", "b c")
    assert ran.stdout == f"{called} ['a', 'b c']\n"
    assert ran.returncode == 0


@pytest.mark.parametrize(
    ("package", "entry_point", "message"),
    [
        ("absent", "main", "Python wheel with name absent could not be found"),
        ("my-lib", "absent", "no entry point and no function named absent"),
        ("my-lib", "not_callable", "no entry point and no function named not_callable"),
    ],
)
def test_an_entry_point_that_is_not_there_fails_with_its_name(
    library: Path, package: str, entry_point: str, message: str
) -> None:
    ran = launch(library, package, entry_point)
    assert ran.returncode == 1
    assert message in ran.stderr


def test_our_own_modules_do_not_hide_those_of_the_library(library: Path) -> None:
    beside = Path(entry_point_launcher.__file__).parent
    ours = {file.stem for file in beside.glob("*.py")}
    assert "errors" in ours  # a common name, which a library may have too
    code = "import sys; sys.exit('errors' in sys.modules or any('sandbox' in p for p in sys.path))"
    made = make_wheel("probe", "1", files={"probe/__init__.py": f"def main():\n    {code}\n"})
    ran = launch(write_wheel(library.parent, made), "probe", "main")
    assert ran.returncode == 0, ran.stderr


def test_a_widget_has_its_parameter_else_its_declared_default() -> None:
    widgets = Widgets({"given": "1"})
    widgets.text("given", "default")
    widgets.dropdown("declared", "a", ["a", "b"])
    assert (widgets.get("given"), widgets.get("declared")) == ("1", "a")
    with pytest.raises(KeyError, match="No input widget named absent"):
        widgets.get("absent")
