"""The checks over real projects: real linters, real pytest, real builds."""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployer.checks.java import JavaHome
from deployer.checks.steps import Checked, failure, run_checks
from deployer.checks.toolbox import Toolbox
from deployer.errors import FailureReason
from deployer.report.model import Check, CheckStatus

pytestmark = pytest.mark.network

PYPROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "retail"
version = "1.2.3"
"""
SOURCE = '"""Retail."""\n\n\ndef double(x: int) -> int:\n    return 2 * x\n'
TEST = "from retail import double\n\n\ndef test_double() -> None:\n    assert double(2) == 4\n"
PROJECT = {
    "pyproject.toml": PYPROJECT,
    "src/retail/__init__.py": SOURCE,
    "tests/test_retail.py": TEST,
}
OLDEST = (1980, 1, 1, 0, 0, 0)


@dataclass
class Run:
    """One run of the checks, with everything that it said."""

    folder: Path
    lines: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __call__(
        self,
        files: dict[str, str],
        *,
        environ: dict[str, str] | None = None,
        timeout_s: float = 300,
        only_build: bool = False,
        scratch: str = "scratch",
        java: Callable[[], JavaHome] | None = None,
    ) -> Checked:
        project = self.folder / "project"
        for name, text in files.items():
            path = project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        caller = {**os.environ, **(environ or {})}
        found = Toolbox.installed(caller, self.folder / "cache")
        return run_checks(
            project,
            tools=Toolbox(found.uv, found.ruff, java or found.java),
            environ=caller,
            scratch=self.folder / scratch,
            timeout_s=timeout_s,
            on_line=self.lines.append,
            on_start=lambda name: self.told.append(f"start {name}"),
            on_check=lambda check: self.told.append(f"{check.name} {check.status}"),
            only_build=only_build,
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def check(checked: Checked, name: str) -> Check:
    (found,) = (each for each in checked.checks if each.name == name)
    return found


def reasons(checked: Checked) -> list[FailureReason]:
    error = failure(checked)
    return [problem.reason for problem in error.problems] if error else []


def test_a_good_project_becomes_a_wheel(run: Run) -> None:
    checked = run(PROJECT)

    assert checked.wheel is not None
    assert checked.wheel.name == "retail-1.2.3-py3-none-any.whl"
    assert check(checked, "test").summary == "1 passed"
    assert failure(checked) is None
    assert run.told == [
        *("start lint", "lint passed", "start test", "test passed"),
        *("start build", "build passed", "start wheel", "wheel passed"),
    ]


def test_the_checks_leave_no_caches_in_the_project(run: Run) -> None:
    run(PROJECT)
    left = {path.name for path in (run.folder / "project").rglob("*")}
    assert not left & {".pytest_cache", ".ruff_cache", "__pycache__", "build", "dist"}


def test_two_builds_have_the_same_bytes(run: Run) -> None:
    first = run(PROJECT, only_build=True, scratch="one").wheel
    (run.folder / "project/src/retail/__init__.py").touch()
    second = run({}, only_build=True, scratch="two").wheel
    assert first is not None
    assert second is not None
    assert first.read_bytes() == second.read_bytes()


def test_without_checks_the_project_is_only_built(run: Run) -> None:
    checked = run({**PROJECT, "tests/test_retail.py": "assert False"}, only_build=True)
    assert checked.wheel is not None
    assert run.told[:2] == ["lint skipped", "test skipped"]


def test_a_setup_py_is_enough_and_old_builds_stay_out(run: Run) -> None:
    setup = "from setuptools import setup\n\nsetup(name='retail', version='1.2.3', packages=['retail'])\n"
    files = {
        "setup.py": setup.replace("'", '"'),
        "retail/__init__.py": SOURCE,
        "build/lib/retail/removed.py": "",
        "tests/test_retail.py": TEST,
    }
    checked = run(files)
    assert checked.wheel is not None
    with zipfile.ZipFile(checked.wheel) as wheel:
        assert "retail/removed.py" not in wheel.namelist()
        assert {entry.date_time for entry in wheel.infolist()} == {OLDEST}
    again = run({}, scratch="again").wheel
    assert again is not None
    assert again.read_bytes() == checked.wheel.read_bytes()


def test_a_commit_that_changes_nothing_in_the_library_gives_the_same_bytes(run: Run) -> None:
    project = run.folder / "project"
    project.mkdir()
    (project / "README.md").touch()
    wheels = []
    for day in (1, 2):
        _commit(project, run.folder, datetime(2026, 3, day, tzinfo=UTC))
        wheel = run(PROJECT, only_build=True).wheel
        assert wheel is not None
        wheels.append(wheel.read_bytes())
    assert wheels[0] == wheels[1]


def _commit(project: Path, home: Path, committed: datetime) -> None:
    """Commit everything; the checkout belongs to another user, as in a container action."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GIT_COMMITTER_DATE": committed.isoformat(),
        **{
            f"GIT_{who}_{what}": "a@b.c"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    if os.getuid() == 0 and (project / ".git").exists():
        os.chown(project / ".git", 0, 0)
        os.chown(project, 0, 0)
    for argv in (
        ["init", "--quiet"],
        ["add", "."],
        ["commit", "--quiet", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", *argv], cwd=project, env=env, check=True)
    if os.getuid() == 0:
        for path in (project, project / ".git"):
            os.chown(path, 12345, 12345)


def test_a_time_that_the_caller_sets_counts(run: Run) -> None:
    wheel = run(PROJECT, only_build=True, environ={"SOURCE_DATE_EPOCH": "1000000000"}).wheel
    assert wheel is not None
    with zipfile.ZipFile(wheel) as archive:
        assert {entry.date_time[:3] for entry in archive.infolist()} == {(2001, 9, 9)}


def test_all_problems_are_listed_at_once_and_nothing_is_built(run: Run) -> None:
    test = (
        "import os\n\nimport pytest\n\n\n"
        "def test_sum() -> None:\n    total = 1 + 1\n    assert total == 3\n\n\n"
        "@pytest.mark.xfail(strict=True)\ndef test_passes() -> None:\n    pass\n"
    )
    config = PYPROJECT + "[tool.ruff]\nfix = true\n"
    checked = run({**PROJECT, "pyproject.toml": config, "tests/test_retail.py": test})

    assert reasons(checked) == [FailureReason.LINT_FAILED, FailureReason.TESTS_FAILED]
    assert (run.folder / "project/tests/test_retail.py").read_text() == test
    assert checked.wheel is None
    assert check(checked, "build").status is CheckStatus.SKIPPED
    (lint,) = check(checked, "lint").findings
    assert (lint.path, lint.line, lint.column, lint.code) == ("tests/test_retail.py", 1, 8, "F401")
    summed, passes = check(checked, "test").findings
    assert (summed.path, summed.line) == ("tests/test_retail.py", 8)
    assert summed.message == "tests.test_retail::test_sum: assert 2 == 3"
    assert (passes.path, passes.line) == ("tests/test_retail.py", 11)  # no trace: where it starts
    assert "tests/test_retail.py:8" in str(failure(checked))


def test_a_file_that_is_not_formatted_is_found(run: Run) -> None:
    checked = run({**PROJECT, "src/retail/__init__.py": SOURCE.replace("2 * x", "2*x")})
    (finding,) = check(checked, "lint").findings
    assert (finding.path, finding.line, finding.code) == ("src/retail/__init__.py", 5, "format")


def test_a_broken_configuration_of_the_linter_fails_with_its_words(run: Run) -> None:
    checked = run({**PROJECT, "ruff.toml": "line-length = 'wide'\n"})
    assert FailureReason.LINT_FAILED in reasons(checked)
    assert "line-length" in str(failure(checked))


def test_the_linters_that_a_project_configures_are_used(run: Run) -> None:
    files = {
        "pyproject.toml": PYPROJECT + "[tool.black]\nline-length = 60\n",
        ".flake8": "[flake8]\nmax-line-length = 60\n",
        "src/retail/__init__.py": "import os\nx = {  'a':1 }\n",
    }
    checked = run(files)
    found = [(each.path, each.line, each.code) for each in check(checked, "lint").findings]
    assert ("src/retail/__init__.py", 1, "F401") in found
    assert ("src/retail/__init__.py", None, "format") in found


def test_hanging_tests_are_stopped_and_their_last_output_is_shown(run: Run) -> None:
    test = (
        "import time\n\n\ndef test_waits() -> None:\n"
        '    print("asking the database", flush=True)\n    time.sleep(900)\n'
    )
    config = PYPROJECT + '[tool.pytest.ini_options]\naddopts = "-s"\n'
    # Warm the package cache first, so that the short limit hits the tests.
    files = {**PROJECT, "pyproject.toml": config}
    assert run(files).wheel is not None
    checked = run({"tests/test_retail.py": test}, timeout_s=20)
    assert reasons(checked) == [FailureReason.TIMEOUT]
    assert "asking the database" in check(checked, "test").output_tail
    assert "asking the database" in str(failure(checked))


def test_a_project_without_tests_is_built_with_a_warning(run: Run) -> None:
    files = {name: text for name, text in PROJECT.items() if not name.startswith("tests")}
    checked = run(files)
    assert checked.wheel is not None
    assert check(checked, "test").status is CheckStatus.WARNED
    assert "no tests" in check(checked, "test").summary


def test_a_test_file_without_tests_is_no_tests(run: Run) -> None:
    checked = run({**PROJECT, "tests/test_retail.py": "X = 1\n"})
    assert checked.wheel is not None
    assert check(checked, "test").status is CheckStatus.WARNED


def test_tests_that_cannot_be_imported_are_told_with_their_line(run: Run) -> None:
    checked = run({**PROJECT, "tests/test_retail.py": "import missing_module  # noqa: F401\n"})
    (finding,) = check(checked, "test").findings
    assert (finding.path, finding.line) == ("tests/test_retail.py", 1)
    assert "No module named 'missing_module'" in finding.message


def test_a_pytest_that_fails_by_itself_is_told_with_its_last_output(run: Run) -> None:
    config = PYPROJECT + '[tool.pytest.ini_options]\naddopts = "--no-such-option"\n'
    checked = run({**PROJECT, "pyproject.toml": config})
    assert reasons(checked) == [FailureReason.TESTS_FAILED]
    assert "--no-such-option" in str(failure(checked))


def test_a_dependency_that_does_not_exist_is_told(run: Run) -> None:
    config = PYPROJECT + '[dependency-groups]\ntest = ["packaging==0.0.0.1"]\n'
    checked = run({**PROJECT, "pyproject.toml": config})
    assert reasons(checked) == [FailureReason.TESTS_FAILED]
    assert "packaging" in str(failure(checked))


def test_a_project_that_does_not_build_is_told_with_the_last_output(run: Run) -> None:
    broken = PYPROJECT.replace("setuptools.build_meta", "setuptools.backends.legacy:build")
    files = {"pyproject.toml": broken, "src/retail/__init__.py": SOURCE}
    checked = run(files)
    assert reasons(checked) == [FailureReason.BUILD_FAILED]
    assert "setuptools.backends" in str(failure(checked))


def test_a_wheel_that_would_hurt_on_a_cluster_gets_warnings(run: Run) -> None:
    config = (
        PYPROJECT + 'dependencies = ["pyspark==3.5.0"]\n[tool.setuptools]\npackages = ["tests"]\n'
    )
    files = {"pyproject.toml": config, "tests/__init__.py": "", "setup.cfg": "[metadata]\n"}
    checked = run(files, only_build=True)
    assert checked.wheel is not None
    assert [each.code for each in check(checked, "wheel").findings] == [
        "top-level-tests",
        "runtime-dependency",
    ]


def test_a_folder_that_is_no_project_is_told(run: Run) -> None:
    checked = run({"README.md": ""})
    assert reasons(checked) == [FailureReason.PROJECT_INVALID]
    assert [each.name for each in checked.checks] == ["project"]


HOSTILE = """\
import os
from pathlib import Path


def test_nothing_of_the_run_is_here(capfd) -> None:
    forbidden = ("ACTIONS_", "ARM_", "AWS_", "DATABRICKS_", "GITHUB_", "INPUT_", "UV_")
    assert [name for name in os.environ if name.startswith(forbidden)] == []
    assert not (Path.home() / ".databrickscfg").exists()
    with capfd.disabled():
        print("\\n::error::from a test\\n::set-output name=version::9.9.9\\n::add-mask::a")
"""


def test_the_projects_code_sees_no_credential_and_its_output_comes_through_raw(run: Run) -> None:
    home = run.folder / "home"
    home.mkdir()
    (home / ".databrickscfg").write_text("[DEFAULT]\ntoken = dapi-secret\n")
    secrets = {
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s",
        "ARM_CLIENT_SECRET": "s",
        "AWS_SECRET_ACCESS_KEY": "s",
        "DATABRICKS_TOKEN": "s",
        "GITHUB_TOKEN": "s",
        "INPUT_DATABRICKS-TOKEN": "s",
        "HOME": str(home),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
    }
    checked = run({**PROJECT, "tests/test_retail.py": HOSTILE}, environ=secrets)

    assert reasons(checked) == []
    for line in ("::error::from a test", "::set-output name=version::9.9.9", "::add-mask::a"):
        assert line in run.lines


def test_java_is_asked_only_for_projects_with_spark(run: Run) -> None:
    def refuse() -> JavaHome:
        raise AssertionError("nobody needs Java here")

    assert run(PROJECT, java=refuse).wheel is not None


LEFT = {
    "a link to our environment": "os.symlink('/proc/self/environ', path)",
    "a link to a process": "os.symlink(f'/proc/{os.getppid()}/environ', path)",
    "a link to a folder": "os.symlink('/', path)",
    "a pipe": "os.mkfifo(path)",
    "a folder": "os.makedirs(os.path.join(path, 'deep'))",
    "a file with a hole": "os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 40)",
}


@pytest.mark.parametrize("what", LEFT)
def test_what_tests_leave_in_place_of_their_report_is_not_read(run: Run, what: str) -> None:
    """The report is complete when Python ends, and the project's code still has a word."""
    conftest = (
        "import atexit\nimport os\nimport sys\n\n"
        "path = next(one for one in sys.argv if 'junitxml' in one).split('=')[1]\n\n\n"
        "@atexit.register\ndef leave() -> None:\n"
        f"    os.remove(path)\n    {LEFT[what]}\n"
    )
    files = {**PROJECT, "tests/conftest.py": conftest.replace("'", '"')}
    checked = run(files, environ={"MARKED": "marked-secret"})
    assert reasons(checked) == [FailureReason.TESTS_FAILED]
    assert "The test report is not read" in str(failure(checked))
    assert "marked-secret" not in "".join([str(checked), *run.lines])
    assert checked.wheel is None


BACKEND = """
import os

def build_wheel(folder, config_settings=None, metadata_directory=None):
    path = os.path.join(folder, "retail-1.2.3-py3-none-any.whl")
    {left}
    return os.path.basename(path)
"""


@pytest.mark.parametrize("what", [*LEFT, "two names", "nothing"])
def test_what_a_build_leaves_in_place_of_its_wheel_is_no_wheel(run: Run, what: str) -> None:
    more = {"two names": "open(path, 'w'); os.link(path, path + '2.whl')", "nothing": "pass"}
    backend = BACKEND.format(left={**LEFT, **more}[what])
    table = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['back']\n"
    files = {"pyproject.toml": table, "back/backend.py": backend}
    checked = run(files, environ={"MARKED": "marked-secret"}, only_build=True)
    assert reasons(checked) == [FailureReason.BUILD_FAILED]
    assert "marked-secret" not in "".join([str(checked), *run.lines])
    assert checked.wheel is None


def test_what_tests_leave_in_the_folder_of_the_build_is_gone_when_it_is_built(run: Run) -> None:
    conftest = (
        "import pathlib\nimport sys\n\n"
        'report = next(one for one in sys.argv if "junitxml" in one).split("=")[1]\n'
        'dist = pathlib.Path(report).parents[1] / "dist"\n'
        '(dist / "other-1.0-py3-none-any.whl").mkdir()\n'
        '(dist / "link.whl").symlink_to("/")\n'
    )
    checked = run({**PROJECT, "tests/conftest.py": conftest})
    assert checked.wheel is not None
    assert checked.wheel.name == "retail-1.2.3-py3-none-any.whl"
