"""Reads what a project says about itself: its tools, and what its tests need.

Owns the choice of linter, formatter and test dependencies, and its documented order. Reads files
only; must not run the project's code: a `setup.py` is parsed, never executed.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from deployer.checks.foreign import UnwantedFile, read_foreign, read_inside
from deployer.errors import FailureReason, fail

_INI_FILES = ("setup.cfg", "tox.ini", ".flake8", "pytest.ini", ".pytest.ini")
_TEST_NAMES = ("test", "tests", "testing")
_TEST_FILES = ("requirements-test.txt", "requirements-tests.txt", "test-requirements.txt")
_DEV_FILES = ("requirements-dev.txt", "requirements_dev.txt", "dev-requirements.txt")
_IMPORTS_PYSPARK = re.compile(rb"^[ \t]*(?:from|import)[ \t]+pyspark\b", re.MULTILINE)
_NOT_SOURCES = {"build", "dist", "node_modules", "venv", "env", "__pycache__"}
_MOST_FILES = 5_000
_DEEPEST = 100  # folders
_LARGEST_FILE = 2_000_000  # bytes

Wanted = Callable[[str], bool]
"""Whether a normalised distribution name is looked for."""


@dataclass(frozen=True)
class Needs:
    """What to install beside the project for its tests; `source` names where it stands."""

    source: str = ""
    group: str = ""
    extra: str = ""
    file: str = ""


@dataclass(frozen=True)
class Project:
    """A folder with a Python project, its configuration read once."""

    path: Path  # absolute
    repository: Path | None  # the top of the git checkout that it lies in
    pyproject: Mapping[str, object]
    ini: Mapping[str, configparser.ConfigParser]  # by file name
    owner: int | None = None  # who alone owns its files, where that is known

    def configures(self, tool: str) -> bool:
        """Whether `pyproject.toml` has a table for `tool`."""
        return tool in _table(self.pyproject, "tool")

    def has_section(self, file: str, section: str) -> bool:
        """Whether an ini file of the project has a section."""
        return file in self.ini and self.ini[file].has_section(section)

    @property
    def configures_ruff(self) -> bool:
        """Whether the project has settings for ruff."""
        return self.configures("ruff") or self._any_file("ruff.toml", ".ruff.toml")

    @property
    def configures_flake8(self) -> bool:
        """Whether the project has settings for flake8."""
        files = ("setup.cfg", "tox.ini", ".flake8")
        return any(self.has_section(file, "flake8") for file in files)

    @property
    def configures_pytest(self) -> bool:
        """Whether the project has settings for pytest."""
        return (
            self.configures("pytest")
            or self._any_file("pytest.ini", ".pytest.ini")
            or self.has_section("setup.cfg", "tool:pytest")
            or self.has_section("tox.ini", "pytest")
        )

    @property
    def requires_python(self) -> str:
        """The version specifier that the project states, or an empty string."""
        stated = _table(self.pyproject, "project").get("requires-python", "")
        if not stated and self.has_section("setup.cfg", "options"):
            stated = self.ini["setup.cfg"]["options"].get("python_requires", "")
        return stated if isinstance(stated, str) else ""

    @property
    def groups(self) -> Mapping[str, object]:
        """The dependency groups (PEP 735)."""
        return _table(self.pyproject, "dependency-groups")

    @property
    def extras(self) -> Mapping[str, tuple[str, ...]]:
        """The extras, from pyproject.toml, setup.cfg or the text of setup.py."""
        found = {
            name: tuple(line for line in lines if isinstance(line, str))
            for name, lines in _table(
                _table(self.pyproject, "project"), "optional-dependencies"
            ).items()
            if isinstance(lines, list)
        }
        section = "options.extras_require"
        if not found and self.has_section("setup.cfg", section):
            found = {
                name: tuple(text.replace(";\n", "\n").splitlines())
                for name, text in self.ini["setup.cfg"].items(section)
            }
        if found:
            return found
        try:
            return _extras_of_setup_py(self._read("setup.py"))
        except OSError:
            return {}

    def needs_of_tests(self) -> Needs:
        """The first of these that the project has; names made for tests go before `dev`.

        1. dependency group, then extra, called `test`, `tests` or `testing`
        2. requirements-test.txt, requirements-tests.txt, test-requirements.txt
        3. dependency group, then extra, called `dev`
        4. requirements-dev.txt, requirements_dev.txt, dev-requirements.txt, requirements.txt
        """
        named = ((_TEST_NAMES, _TEST_FILES), (("dev",), (*_DEV_FILES, "requirements.txt")))
        for names, files in named:
            for name in names:
                if name in self.groups:
                    return Needs(f"dependency group {name}", group=name)
            for name in names:
                if name in self.extras:
                    return Needs(f"extra {name}", extra=name)
            for file in files:
                if self._any_file(file):
                    return Needs(file, file=file)
        return Needs()

    def requirement(self, name: str) -> Requirement | None:
        """The first requirement on distribution `name` in groups, extras and requirements files."""
        return next(self.requirements(lambda found: found == canonicalize_name(name)), None)

    def requirements(self, wanted: Wanted) -> Iterator[Requirement]:
        """All requirements whose normalised name is `wanted`, in groups, extras and files."""
        for line in self._requirement_lines():
            with suppress(InvalidRequirement, RecursionError):  # of markers nested without end
                requirement = Requirement(line)
                if wanted(canonicalize_name(requirement.name)):
                    yield requirement

    def has_tests(self) -> bool:
        """Whether there is anything that pytest could collect."""
        if self.configures_pytest:
            return True
        return any(
            path.name.startswith("test_") or path.stem.endswith("_test") or path.name == "tests.py"
            for path in self.sources()
        )

    def imports_pyspark(self) -> bool:
        """Whether a Python file of the project imports PySpark."""
        for path in self.sources():
            with suppress(OSError):
                content = read_foreign(path, _LARGEST_FILE, owner=self.owner)
                if _IMPORTS_PYSPARK.search(content):
                    return True
        return False

    def sources(self) -> Iterator[Path]:
        """The Python files of the project, at most `_MOST_FILES`; links are not followed."""
        count = 0
        for here, folders, files in os.walk(self.path):
            folder = Path(here)
            deep = len(folder.parts) - len(self.path.parts) >= _DEEPEST
            folders[:] = sorted(
                name
                for name in folders
                if not deep
                and not name.startswith(".")
                and name not in _NOT_SOURCES
                and not (folder / name / "pyvenv.cfg").exists()
            )
            for name in sorted(files):
                if name.endswith(".py"):
                    yield folder / name
                    count += 1
                    if count == _MOST_FILES:
                        return

    def _requirement_lines(self) -> Iterator[str]:
        for lines in self.groups.values():
            if isinstance(lines, list):
                yield from (line for line in lines if isinstance(line, str))
        for extra in self.extras.values():
            yield from extra
        for name in (*_TEST_FILES, *_DEV_FILES, "requirements.txt"):
            with suppress(OSError, UnicodeDecodeError):
                text = self._read(name).decode("utf-8")
                yield from (line.split(" #", 1)[0].strip() for line in text.splitlines())

    def _read(self, name: str) -> bytes:
        """The content of a file of the project. Raises OSError."""
        return _read(self.path, self.repository, name, self.owner)

    def _any_file(self, *names: str) -> bool:
        return any((self.path / name).is_file() for name in names)


def open_project(path: Path, *, owner: int | None = None) -> Project:
    """The project in the folder `path`, of whose files only those of `owner` are read, if given.

    Raises:
        DeployError: `PROJECT_INVALID` when there is no such folder, it holds no `pyproject.toml`
            and no `setup.py`, or one of its configuration files can't be read.
    """
    path = path.resolve()
    shown = path.name or str(path)
    if not path.is_dir():
        raise fail(
            FailureReason.PROJECT_INVALID,
            f"The project folder {shown} does not exist.",
            detail=f"Looked for {path}.",
            remedy="Set `project` to the folder with your pyproject.toml, and check the code out "
            "before this step (`uses: actions/checkout@…`).",
        )
    if not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise fail(
            FailureReason.PROJECT_INVALID,
            f"The folder {shown} is no Python project: it has no pyproject.toml and no setup.py.",
            detail=f"It holds: {', '.join(_some_names(path)) or 'nothing'}.",
            remedy="Set `project` to the folder with your pyproject.toml, or give a built library "
            "with `wheel`.",
        )
    folders = (path, *path.parents)
    repository = next((folder for folder in folders if (folder / ".git").exists()), None)
    read = partial(_read, path, repository, owner=owner)
    try:
        return Project(path, repository, _read_toml(read), _read_ini(path, read), owner)
    except (ValueError, configparser.Error, OSError, RecursionError) as error:
        raise fail(
            FailureReason.PROJECT_INVALID,
            f"The configuration of the project {shown} can't be read.",
            detail=str(error),
            remedy="Correct the file that is named above.",
        ) from error


def _read(project: Path, repository: Path | None, name: str, owner: int | None) -> bytes:
    """The content of a file; a link may lead to others of the same checkout. Raises OSError."""
    try:
        return read_inside(project / name, repository or project, _LARGEST_FILE, owner=owner)
    except UnwantedFile as error:
        raise UnwantedFile(f"{name} is not read: {error}.") from error


def _read_toml(read: Callable[[str], bytes]) -> Mapping[str, object]:
    name = "pyproject.toml"
    try:
        return tomllib.loads(read(name).decode("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _read_ini(path: Path, read: Callable[[str], bytes]) -> Mapping[str, configparser.ConfigParser]:
    found = {}
    for name in _INI_FILES:
        if (path / name).is_file():
            # Repeated keys and `%` are common in these files, and the tools take them.
            parser = configparser.ConfigParser(interpolation=None, strict=False)
            parser.read_string(read(name).decode("utf-8"), source=name)
            found[name] = parser
    return found


def _table(holder: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = holder.get(name, {})
    return found if isinstance(found, dict) else {}


def _extras_of_setup_py(source: bytes) -> Mapping[str, tuple[str, ...]]:
    """The literal `extras_require` of a `setup.py`; what is computed there is not seen."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.keyword) or node.arg != "extras_require":
            continue
        try:
            extras = ast.literal_eval(node.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(extras, dict):
            return {
                str(name): tuple(str(line) for line in lines)
                for name, lines in extras.items()
                if isinstance(lines, list | tuple)
            }
    return {}


def _some_names(path: Path) -> list[str]:
    names = sorted(each.name for each in path.iterdir())
    return names if len(names) <= 10 else [*names[:10], "…"]  # noqa: PLR2004
