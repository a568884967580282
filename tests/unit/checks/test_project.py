from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.checks.lint import Choice, choose
from deployer.checks.project import Needs, open_project
from deployer.errors import DeployError, FailureReason


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_a_folder_that_does_not_exist_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"The project folder libary does not exist") as caught:
        open_project(tmp_path / "libary")
    assert caught.value.reason is FailureReason.PROJECT_INVALID
    assert str(tmp_path / "libary") in caught.value.problem.detail


def test_a_folder_without_a_project_is_told_with_what_it_holds(tmp_path: Path) -> None:
    write(tmp_path, {"README.md": "", "src/x.py": ""})
    with pytest.raises(DeployError, match=r"no pyproject\.toml and no setup\.py") as caught:
        open_project(tmp_path)
    assert caught.value.problem.detail == "It holds: README.md, src."


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": "[project\nname = 1"},
        {"pyproject.toml": "", "setup.cfg": "no section"},
    ],
)
def test_a_configuration_that_cannot_be_read_is_told_with_its_file(
    files: dict[str, str], tmp_path: Path
) -> None:
    write(tmp_path, files)
    with pytest.raises(DeployError, match="can't be read") as caught:
        open_project(tmp_path)
    assert list(files)[-1] in caught.value.problem.detail


def test_a_pyproject_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(DeployError, match="can't be read"):
        open_project(tmp_path)


@pytest.mark.parametrize(
    ("files", "choice"),
    [
        ({}, Choice("ruff check", "ruff format")),
        ({"ruff.toml": ""}, Choice("ruff check", "ruff format")),
        ({"pyproject.toml": "[tool.black]"}, Choice("ruff check", "black")),
        ({".flake8": "[flake8]"}, Choice("flake8", "")),
        ({"setup.cfg": "[flake8]\nmax-line-length = 99"}, Choice("flake8", "")),
        ({"tox.ini": "[flake8]"}, Choice("flake8", "")),
        ({"tox.ini": "[tox]"}, Choice("ruff check", "ruff format")),
        ({"pyproject.toml": "[tool.black]", ".flake8": "[flake8]"}, Choice("flake8", "black")),
        (
            {"pyproject.toml": "[tool.ruff]", ".flake8": "[flake8]"},
            Choice("ruff check", "ruff format"),
        ),
    ],
)
def test_the_linters_are_those_that_the_project_configures(
    files: dict[str, str], choice: Choice, tmp_path: Path
) -> None:
    write(tmp_path, {"pyproject.toml": "", **files})
    assert choose(open_project(tmp_path)) == choice


GROUPS = '[dependency-groups]\ntest = ["a"]\ndev = ["b"]\n'
EXTRAS = '[project.optional-dependencies]\ntesting = ["a"]\ndev = ["b"]\n'


@pytest.mark.parametrize(
    ("files", "needs"),
    [
        ({}, Needs()),
        ({"pyproject.toml": GROUPS + EXTRAS}, Needs("dependency group test", group="test")),
        (
            {"pyproject.toml": '[dependency-groups]\ndev = ["b"]\n' + EXTRAS},
            Needs("extra testing", extra="testing"),
        ),
        (
            {
                "pyproject.toml": '[dependency-groups]\ndev = ["b"]',
                "requirements-test.txt": "a",
            },
            Needs("requirements-test.txt", file="requirements-test.txt"),
        ),
        (
            {"pyproject.toml": '[dependency-groups]\ndev = ["b"]', "requirements-dev.txt": ""},
            Needs("dependency group dev", group="dev"),
        ),
        ({"requirements-dev.txt": ""}, Needs("requirements-dev.txt", file="requirements-dev.txt")),
        ({"requirements.txt": ""}, Needs("requirements.txt", file="requirements.txt")),
        (
            {"setup.cfg": "[options.extras_require]\ntest = pytest; python_version > '3'\n"},
            Needs("extra test", extra="test"),
        ),
        (
            {"setup.py": "from setuptools import setup\nsetup(extras_require={'dev': ['a']})"},
            Needs("extra dev", extra="dev"),
        ),
        ({"setup.py": "setup(extras_require=read('x'))"}, Needs()),
        ({"setup.py": "this is not Python"}, Needs()),
    ],
)
def test_the_first_source_of_test_dependencies_counts(
    files: dict[str, str], needs: Needs, tmp_path: Path
) -> None:
    write(tmp_path, {"pyproject.toml": "", **files})
    assert open_project(tmp_path).needs_of_tests() == needs


def test_a_setup_py_is_read_and_never_run(tmp_path: Path) -> None:
    write(tmp_path, {"setup.py": "raise SystemExit('ran')\nsetup(extras_require={'test': []})"})
    assert open_project(tmp_path).needs_of_tests() == Needs("extra test", extra="test")


@pytest.mark.parametrize(
    ("file", "has_tests"),
    [
        ("tests/test_a.py", True),
        ("src/pkg/a_test.py", True),
        ("pytest.ini", True),
        ("src/pkg/a.py", False),
        (".venv/lib/test_a.py", False),
        ("build/lib/test_a.py", False),
    ],
)
def test_tests_are_found_where_pytest_looks(file: str, tmp_path: Path, *, has_tests: bool) -> None:
    write(tmp_path, {"pyproject.toml": "", file: ""})
    assert open_project(tmp_path).has_tests() is has_tests


def test_a_virtual_environment_of_any_name_is_no_source(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "", "py311/pyvenv.cfg": "", "py311/lib/test_a.py": ""})
    assert not open_project(tmp_path).has_tests()


@pytest.mark.parametrize(
    ("text", "imports"),
    [
        ("from pyspark.sql import SparkSession", True),
        ("def f():\n    import pyspark", True),
        ("import pyspark_helpers", False),
        ("# import pyspark", False),
        ("text = 'we import pyspark'", False),
    ],
)
def test_an_import_of_pyspark_is_seen(text: str, tmp_path: Path, *, imports: bool) -> None:
    write(tmp_path, {"pyproject.toml": "", "src/x.py": text})
    assert open_project(tmp_path).imports_pyspark() is imports


def test_the_pin_of_a_tool_is_found_wherever_it_stands(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pyproject.toml": '[dependency-groups]\nlint = [{include-group = "dev"}, "Black==24.1.0"]',
            "requirements-dev.txt": "-r other.txt\nflake8_bugbear>=1  # plugin\nflake8~=7.0\n",
        },
    )
    found = open_project(tmp_path)
    assert str(found.requirement("black")) == "Black==24.1.0"
    assert str(found.requirement("flake8")) == "flake8~=7.0"
    assert found.requirement("ruff") is None


def test_the_repository_is_the_folder_above_that_has_git(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path / "libs" / "a", {"pyproject.toml": ""})
    assert open_project(tmp_path / "libs" / "a").repository == tmp_path.resolve()


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": '[project]\nrequires-python = ">=3.12"'},
        {"setup.cfg": "[options]\npython_requires = >=3.12", "setup.py": ""},
    ],
)
def test_the_python_that_a_project_needs_is_known(files: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, files)
    assert open_project(tmp_path).requires_python == ">=3.12"


@pytest.mark.parametrize("name", ["pyproject.toml", "setup.cfg", "tox.ini"])
def test_a_configuration_that_leads_out_of_the_project_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The message about a broken file has a line of it, so a link would show any file."""
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-secret")
    secret = tmp_path / "secret"
    secret.write_text("dapi-secret\n")
    project = tmp_path / "project"
    write(project, {"setup.py": ""})
    for leads_to in (secret, Path("/proc/self/environ")):
        (project / name).unlink(missing_ok=True)
        (project / name).symlink_to(leads_to)
        with pytest.raises(DeployError, match="leads out of the project") as caught:
            open_project(project)
        assert "secret" not in str(caught.value)


def test_a_link_to_another_folder_of_the_checkout_is_followed(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path, {"shared.toml": '[project]\nrequires-python = ">=3.12"', "a/setup.py": ""})
    (tmp_path / "a" / "pyproject.toml").symlink_to("../shared.toml")
    assert open_project(tmp_path / "a").requires_python == ">=3.12"


def test_requirements_that_lead_out_of_the_project_name_nothing(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.txt").write_text("black==24.1.0")
    write(tmp_path / "project", {"pyproject.toml": "", "requirements.txt": ""})
    (tmp_path / "project" / "requirements.txt").unlink()
    (tmp_path / "project" / "requirements.txt").symlink_to("../elsewhere.txt")
    assert open_project(tmp_path / "project").requirement("black") is None


def test_pipes_and_endless_files_among_the_sources_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "", "src/z.py": "import pyspark"})
    os.mkfifo(tmp_path / "src" / "pipe.py")
    (tmp_path / "src" / "endless.py").symlink_to("/dev/zero")
    assert open_project(tmp_path).imports_pyspark()


@pytest.fixture
def bottomless(tmp_path: Path) -> Iterator[Path]:
    """A project with folders deeper than a path can say, and than Python may call."""
    write(tmp_path, {"pyproject.toml": ""})
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    yield tmp_path
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # pytest can't


def test_folders_without_a_bottom_are_looked_into_a_little(bottomless: Path) -> None:
    assert not open_project(bottomless).has_tests()
