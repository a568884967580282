"""The example library and its jobs: real sources, honest releases, and a README that is true."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from deployer.checks.steps import Checked, run_checks
from deployer.checks.toolbox import Toolbox
from deployer.jobs.inventory import Job, read_job
from deployer.library.wheel import read_wheel
from deployer.plan.planner import Order, make_plan
from deployer.report.model import CheckStatus

EXAMPLES = Path(__file__).parents[2] / "examples"
BUILD = runpy.run_path(str(EXAMPLES / "build_releases.py"))
RELEASES = ("1.4.0", "1.4.1", "1.5.0", "2.0.0")
ROOT = "/Volumes/main/libraries/released"

write_source = cast("Callable[[str, Path], Path]", BUILD["write_source"])
apply = cast("Callable[..., None]", BUILD["apply"])


@pytest.mark.network
def test_all_releases_are_built_from_source_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    written = []
    for folder in ("one", "two"):
        argv: list[str | Path] = [sys.executable, EXAMPLES / "build_releases.py", tmp_path / folder]
        done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
        paths = [Path(line) for line in done.stdout.splitlines()]
        assert [path.name.split("-")[1] for path in paths] == list(RELEASES)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    for path in paths:
        with path.open("rb") as stream:
            library = read_wheel(path.name, stream)
        assert (library.name, str(library.version)) == ("retail-metrics", path.name.split("-")[1])
        assert [line for line in library.requires if "extra" not in line] == []


@pytest.mark.parametrize("version", RELEASES)
def test_the_sources_of_a_release_are_linted_as_those_of_the_library(
    version: str, tmp_path: Path
) -> None:
    source = write_source(version, tmp_path / "source")
    assert f'version = "{version}"' in (source / "pyproject.toml").read_text()
    ruff = Toolbox.installed(os.environ, tmp_path).ruff
    for command in (["check"], ["format", "--check"]):
        subprocess.run([ruff, *command, "--no-cache", source], check=True)


def test_a_diff_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    source = write_source("1.5.0", tmp_path / "source")
    patch = (EXAMPLES / "releases" / "1.4.1.patch").read_text()
    with pytest.raises(ValueError, match=r"does not fit CHANGELOG\.md"):
        apply(patch, source)


@dataclass(frozen=True)
class LibraryRun:
    """The checks over the library; their test environment has PySpark, pytest and Java."""

    checked: Checked
    scratch: Path
    java_home: Path

    def test_transforms(self, source: Path) -> str:
        """Run the tests of transforms over the sources of a release; what pytest printed."""
        python = self.scratch / "work" / "tests" / "bin" / "python"
        done = subprocess.run(
            [python, "-m", "pytest", "-q", "--tb=line", "tests/test_transforms.py"],
            cwd=source,
            env={
                "HOME": str(self.scratch / "home"),
                "JAVA_HOME": str(self.java_home),
                "PATH": f"{self.java_home}/bin:{os.environ['PATH']}",
                "PYTHONPATH": str(source / "src"),  # goes before the installed release
                "SPARK_CONF_DIR": str(self.scratch / "spark"),
                "SPARK_LOCAL_IP": "127.0.0.1",
            },
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout


@pytest.fixture(scope="module")
def library_run(tmp_path_factory: pytest.TempPathFactory) -> LibraryRun:
    """One run for all tests of this module, because PySpark takes long to install."""
    folder = tmp_path_factory.mktemp("library")
    environ = dict(os.environ)
    tools = Toolbox.installed(environ, folder / "cache")
    checked = run_checks(
        EXAMPLES / "library",
        tools=tools,
        environ=environ,
        scratch=folder / "scratch",
        timeout_s=900,
        on_line=print,
        on_check=lambda check: None,
    )
    return LibraryRun(checked, folder / "scratch", tools.java().path)


@pytest.mark.spark
@pytest.mark.network
def test_the_example_library_passes_the_checks_on_local_spark(library_run: LibraryRun) -> None:
    checked = library_run.checked
    assert [each.status for each in checked.checks] == [CheckStatus.PASSED] * 4
    assert checked.wheel is not None
    assert checked.wheel.name == "retail_metrics-1.5.0-py3-none-any.whl"


@pytest.mark.spark
@pytest.mark.network
def test_the_patch_release_fixes_what_its_test_shows(
    library_run: LibraryRun, tmp_path: Path
) -> None:
    broken = write_source("1.4.0", tmp_path / "broken")
    fixed = write_source("1.4.1", tmp_path / "fixed")
    shutil.copytree(fixed / "tests", broken / "tests", dirs_exist_ok=True)

    told = library_run.test_transforms(broken)

    assert "test_an_order_in_the_target_currency_stays" in told
    assert "1 failed, 3 passed" in told


@pytest.mark.spark
@pytest.mark.network
def test_the_major_release_breaks_code_for_the_one_before(
    library_run: LibraryRun, tmp_path: Path
) -> None:
    new = write_source("2.0.0", tmp_path / "new")
    old = write_source("1.5.0", tmp_path / "old")
    shutil.copytree(old / "tests", new / "tests", dirs_exist_ok=True)
    caller = new / "tests" / "test_transforms.py"
    caller.write_text(caller.read_text().replace('"revision")', 'order_by="revision")'))

    told = library_run.test_transforms(new)

    assert "unexpected keyword argument 'order_by'" in told
    assert "2 failed, 3 passed" in told


def example_jobs() -> list[Job]:
    documents = [
        json.loads(path.read_text()) for path in sorted((EXAMPLES / "jobs").glob("*.json"))
    ]
    return [read_job(each["job_id"], each["settings"]) for each in documents]


def promised() -> dict[int, str]:
    """What the README's table says about each job, in one word or a reason."""
    rows = re.findall(
        r"^\| (\d{3}) \[.*\| (?P<what>.*?) \|$", (EXAMPLES / "README.md").read_text(), re.M
    )
    return {int(job): re.sub(r"^stays: `(.*)`$", r"\1", what).split(",")[0] for job, what in rows}


@pytest.mark.network
def test_the_readme_says_what_a_plan_does_with_each_job(tmp_path: Path) -> None:
    wheel = cast("Callable[[str, Path], Path]", BUILD["build"])("1.5.0", tmp_path)
    with wheel.open("rb") as stream:
        library = read_wheel(wheel.name, stream)
    jobs = example_jobs()

    plan = make_plan(Order(library, ROOT), jobs)

    outcome = {job.job_id: "not mentioned" for job in jobs}
    outcome |= {each.job_id: each.reason.value for each in plan.untouched}
    outcome |= {each.job_id: "moves" for each in plan.rewires}
    assert outcome == promised()


def test_the_readme_links_to_each_job_and_release() -> None:
    text = (EXAMPLES / "README.md").read_text()
    linked = {one for one in re.findall(r"\]\((.*?)\)", text) if not one.startswith("../")}
    files = {*EXAMPLES.glob("jobs/*.json"), *EXAMPLES.glob("**/releases/*.patch")}
    assert linked == {path.relative_to(EXAMPLES).as_posix() for path in files}
