"""The mode `configure`: two first files, from what the folder shows, and nothing else."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from deployer import configure
from deployer.config.file import read_configuration
from deployer.context import RunContext
from deployer.delivery import Streams
from deployer.errors import DeployError
from deployer.main import perform
from tests.contract.runner_files import read_summary

CONFIGURATION = "spark-deploy.yml"
WORKFLOW = ".github/workflows/spark-deploy.yml"
HOST = "https://adb-1.2.azuredatabricks.net"


class Folder:
    """A repository, and the mode run in it with no network at all."""

    def __init__(self, path: Path, temp: Path) -> None:
        self.path, self._temp = path, temp
        self.code = 0
        self.summary = ""

    def configure(self, environ: dict[str, str] | None = None, **inputs: str) -> dict[str, Any]:
        summary = self._temp / "summary"
        summary.write_text("")
        files = {"GITHUB_STEP_SUMMARY": str(summary)}
        context = RunContext.from_environ(files, cwd=self.path, temp=self._temp)
        texts = {"mode": "configure", **{k.replace("_", "-"): v for k, v in inputs.items()}}
        stdout = io.StringIO()
        streams = Streams(stdout, io.StringIO(), json_output=True)
        self.code = perform(texts, environ=environ or {}, context=context, streams=streams)
        self.summary = read_summary(summary)
        document: dict[str, Any] = json.loads(stdout.getvalue())
        return document

    def text(self, name: str = CONFIGURATION) -> str:
        return (self.path / name).read_text(encoding="utf-8")

    def files(self) -> set[str]:
        found = (one for one in self.path.rglob("*") if one.is_file())
        return {one.relative_to(self.path).as_posix() for one in found}

    def put(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "repository").mkdir()
    (tmp_path / "temp").mkdir()
    return Folder(tmp_path / "repository", tmp_path / "temp")


def entries(folder: Folder) -> dict[str, str]:
    (found,) = read_configuration(folder.text().encode(), CONFIGURATION).environments
    return {"name": found.name, "branch": found.branches[0]} | {
        name: one.text for name, one in found.entries.items()
    }


def test_an_empty_folder_gets_both_files_and_three_steps(folder: Folder) -> None:
    document = folder.configure()
    assert (folder.code, document["outcome"]) == (0, "succeeded")
    assert folder.files() == {CONFIGURATION, WORKFLOW}
    assert len(document["next_steps"]) == 3
    assert "your own `host` and `root`" in document["next_steps"][0]
    assert "OWNER and COMMIT" in folder.summary
    assert entries(folder)["name"] == "production"
    assert entries(folder)["branch"] == "main"


def test_what_the_folder_the_inputs_and_the_variables_say_is_written(folder: Folder) -> None:
    folder.put("pyproject.toml", '[project]\nname = "retail-metrics"\n')
    folder.put(".git/HEAD", "ref: refs/heads/feature/x\n")
    folder.put(".git/refs/remotes/origin/HEAD", "ref: refs/remotes/origin/trunk\n")
    environ = {"DATABRICKS_HOST": f"{HOST}/?o=7", "DATABRICKS_CLIENT_ID": "1111-2222"}
    folder.configure(environ, root="/Volumes/main/x/y", environment="live")
    assert entries(folder) == {
        "name": "live",
        "branch": "trunk",
        "databricks-host": HOST,
        "databricks-client-id": "1111-2222",
        "root": "/Volumes/main/x/y",
    }
    assert "retail-metrics" in folder.text()
    assert "environment: live" in folder.text(WORKFLOW)


def test_the_branch_that_is_checked_out_stands_in_for_the_default_one(folder: Folder) -> None:
    folder.put(".git/HEAD", "ref: refs/heads/master\n")
    folder.configure()
    assert entries(folder)["branch"] == "master"


@pytest.mark.parametrize("head", ["0" * 40, "ref: refs/heads/a b", "ref: refs/heads/[x]\n", "\0"])
def test_a_head_that_names_no_branch_leaves_main(folder: Folder, head: str) -> None:
    folder.put(".git/HEAD", head)
    folder.configure()
    assert entries(folder)["branch"] == "main"


@pytest.mark.parametrize(
    "pyproject", ["[project]\n", "[project]\nname = 1\n", "project = []\n", "{", "\ufffe"]
)
def test_a_project_without_a_name_is_fine(folder: Folder, pyproject: str) -> None:
    folder.put("pyproject.toml", pyproject)
    folder.configure()
    assert folder.code == 0


def test_no_credential_is_written_wherever_it_comes_from(folder: Folder) -> None:
    token = "dapi" + "0123456789abcdef" * 2
    folder.configure(
        {"DATABRICKS_TOKEN": token, "DATABRICKS_HOST": f"https://me:{token}@adb-1.example.com"},
        databricks_token=token,
    )
    written = "".join(folder.text(name) for name in folder.files())
    assert token not in written
    assert "https://adb-1.example.com" in written


def test_an_address_that_is_none_leaves_the_example(folder: Folder) -> None:
    document = folder.configure(databricks_host="not an address")
    assert "your own `host`" in document["next_steps"][0]
    assert "not an address" not in folder.text()


def test_nothing_is_overwritten_and_what_would_differ_is_said(folder: Folder) -> None:
    folder.put(CONFIGURATION, "version: 1 # mine\n")
    document = folder.configure()
    assert folder.text() == "version: 1 # mine\n"
    assert folder.files() == {CONFIGURATION, WORKFLOW}
    first, second = document["checks"]
    assert (first["name"], first["status"]) == (CONFIGURATION, "warned")
    assert "-version: 1 # mine" in first["output_tail"]
    assert (second["name"], second["status"]) == (WORKFLOW, "passed")
    assert "-version: 1 # mine" in folder.summary


def test_a_second_time_there_is_nothing_to_do(folder: Folder) -> None:
    folder.configure()
    document = folder.configure()
    assert document["outcome"] == "nothing-to-do"
    assert {one["status"] for one in document["checks"]} == {"skipped"}


@pytest.mark.parametrize("name", [".github", ".github/workflows", WORKFLOW, CONFIGURATION])
def test_nothing_is_written_through_a_link(folder: Folder, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = folder.path / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere if not name.endswith(".yml") else elsewhere / "new.yml")
    document = folder.configure()
    assert folder.code == 2
    assert name in document["failure"]["title"]
    assert not list(elsewhere.iterdir())
    assert folder.files() == set()


def test_what_appears_just_before_it_is_written_stays_as_it_is(tmp_path: Path) -> None:
    there, link = tmp_path / "there.yml", tmp_path / "link.yml"
    there.write_text("mine")
    link.symlink_to(tmp_path / "elsewhere.yml")
    for path in (there, link):
        with pytest.raises(DeployError, match="can't be written"):
            configure._write(configure._File(path.name, path, "text", None))
    assert there.read_text() == "mine"
    assert not (tmp_path / "elsewhere.yml").exists()


def test_a_file_where_a_folder_belongs_is_told(folder: Folder) -> None:
    folder.put(".github", "a file")
    folder.configure()
    assert folder.code == 2
    assert folder.files() == {".github"}


def test_a_name_that_no_environment_can_have_is_told_and_nothing_written(folder: Folder) -> None:
    document = folder.configure(environment="a b")
    assert "can't be the name of an environment" in document["failure"]["title"]
    assert folder.files() == set()


@pytest.mark.parametrize("project", ["..", "/etc", "lib; rm -rf x", "${{ x }}", "a/../../b"])
def test_a_project_folder_that_no_workflow_can_name_is_refused(
    folder: Folder, project: str
) -> None:
    document = folder.configure(project=project)
    assert "can't name the project" in document["failure"]["title"]
    assert folder.files() == set()


def test_a_project_in_a_folder_is_built_there(folder: Folder) -> None:
    folder.put("python/pyproject.toml", '[project]\nname = "x"\n')
    folder.configure(project="python/")
    assert "pipx run build --wheel --outdir dist python\n" in folder.text(WORKFLOW)
    assert "          project: python\n" in folder.text(WORKFLOW)
