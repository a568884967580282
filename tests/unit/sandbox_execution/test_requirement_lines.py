"""How a job's libraries and dependency lines become what an installer reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.requirement_lines import (
    InstallationError,
    Requirements,
    Step,
    of_dependencies,
    of_libraries,
    workspace_path,
)

WHEEL = "/Workspace/Shared/libs/my_lib-1.0.0-py3-none-any.whl"


def fetch(path: str) -> Path:
    """A store that has every file, at a local path that shows what was asked for."""
    return Path("/local", path.lstrip("/"))


def lines_of(*dependencies: str) -> tuple[str, ...]:
    steps = of_dependencies(dependencies, fetch).steps
    return steps[0].lines if steps else ()


class Texts:
    """A store of text files below a folder of the test."""

    def __init__(self, folder: Path, texts: Mapping[str, str]) -> None:
        self.folder = folder
        self.texts = texts

    def fetch(self, path: str) -> Path:
        if path not in self.texts:
            raise InstallationError(f"no {path}")
        local = self.folder / path.lstrip("/")
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_text(self.texts[path], encoding="utf-8")
        return local


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("/Workspace/a.whl", "/Workspace/a.whl"),
        ("/Shared/a.whl", "/Shared/a.whl"),
        ("/Users/me@example.com/a.whl", "/Users/me@example.com/a.whl"),
        ("/Volumes/c/s/v/a.whl", "/Volumes/c/s/v/a.whl"),
        ("dbfs:/Volumes/c/s/v/a.whl", "/Volumes/c/s/v/a.whl"),
        ("dbfs:/FileStore/a.whl", "dbfs:/FileStore/a.whl"),
        ("file:/Workspace/a.whl", "/Workspace/a.whl"),
        ("file:///Volumes/c/s/v/a.whl", "/Volumes/c/s/v/a.whl"),
        ("file:///etc/passwd", "file:///etc/passwd"),
    ],
)
def test_only_volume_and_file_schemes_are_taken_off_a_path(reference: str, path: str) -> None:
    assert workspace_path(reference) == path


@pytest.mark.parametrize("scheme", ["s3", "s3a", "abfss", "wasbs", "gs", "S3"])
def test_object_storage_can_not_be_reached(scheme: str) -> None:
    with pytest.raises(InstallationError, match="object storage can't be reached"):
        workspace_path(f"{scheme}://bucket/a.whl")
    with pytest.raises(InstallationError, match="object storage can't be reached"):
        lines_of(f"{scheme}://bucket/a.whl")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (WHEEL, f"file:///local{WHEEL}"),
        (f"'{WHEEL}'", f"file:///local{WHEEL}"),
        (f'"{WHEEL}"', f"file:///local{WHEEL}"),
        (f"  {WHEEL}  # the library", f"file:///local{WHEEL}"),
        (f"{WHEEL}[train,test]", f"file:///local{WHEEL}[train,test]"),
        (f"{WHEEL} ; python_version > '3'", f"file:///local{WHEEL} ; python_version > '3'"),
        (f"{WHEEL}[train];extra=='x'", f"file:///local{WHEEL}[train] ;extra=='x'"),
        (f"my-lib[train] @ {WHEEL}", f"my-lib[train] @ file:///local{WHEEL}"),
        (f"my-lib @ file://{WHEEL}", f"my-lib @ file:///local{WHEEL}"),
        ("/Volumes/c/s/v/a b-1.0+5-py3-none-any.whl", None),
        ("dbfs:/Volumes/c/s/v/a-1.0.tar.gz", "file:///local/Volumes/c/s/v/a-1.0.tar.gz"),
    ],
)
def test_a_path_in_a_line_becomes_a_local_file_and_the_rest_stays(
    line: str, expected: str | None
) -> None:
    expected = expected or "file:///local/Volumes/c/s/v/a%20b-1.0%2B5-py3-none-any.whl"
    assert lines_of(line) == (expected,)


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        "databricks-labs-dqx[datacontract]==0.16.0",
        "beautifulsoup4[security, tests] ~= 4.12.3",
        "zope.interface==5.0; python_version < '4'",
        "requests[security] @ https://github.com/psf/requests/archive/refs/heads/main.zip",
        "git+https://github.com/databricks/databricks-cli",
        "--index-url https://index.example/simple",
        "-i http://myindexurl.com",
        "--require-hashes",
        "--find-links=https://example.com/wheels",
    ],
)
def test_a_line_without_a_workspace_path_stays_as_it_is(line: str) -> None:
    assert lines_of(line) == (line,)


@given(st.text(alphabet="abz019._-", min_size=1).filter(lambda name: name[0] not in "._-"))
def test_any_bare_name_stays_as_it_is(name: str) -> None:
    assert lines_of(name) == (name,)


def test_comments_and_blank_lines_ask_for_nothing() -> None:
    assert of_dependencies(["", "  ", "# only a comment"], fetch) == Requirements()


def test_a_line_that_goes_on_after_a_backslash_is_one_line() -> None:
    assert lines_of("numpy \\\n>=1,\\\n<3") == ("numpy >=1,<3",)


def test_a_line_break_in_one_dependency_can_not_smuggle_in_a_local_file() -> None:
    with pytest.raises(InstallationError):
        lines_of("numpy\n-e /etc")


@pytest.mark.parametrize(
    "line", ["-e /Workspace/Users/me/project", "--find-links=/Workspace/Users/me", "/Workspace/x"]
)
def test_a_folder_of_the_workspace_is_not_played(line: str) -> None:
    with pytest.raises(InstallationError, match="not played"):
        lines_of(line)


@pytest.mark.parametrize(
    "spelling",
    [
        "-r /Workspace/p/requirements.txt",
        "-r/Workspace/p/requirements.txt",
        '-r "/Workspace/p/requirements.txt"',
        "-r '/Workspace/p/requirements.txt'",
        "--requirement /Workspace/p/requirements.txt",
        "--requirement=/Workspace/p/requirements.txt",
    ],
)
def test_an_included_file_is_read_with_its_own_includes_and_paths(
    spelling: str, tmp_path: Path
) -> None:
    texts = {
        "/Workspace/p/requirements.txt": f"\ufeffnumpy\n-r more/extra.txt\n{WHEEL}[train] # ours\n",
        "/Workspace/p/more/extra.txt": "pandas==2.0 \\\n  ; python_version > '3'\n",
        WHEEL: "bytes",
    }
    store = Texts(tmp_path, texts)
    wheel = (tmp_path / WHEEL.lstrip("/")).as_uri()
    assert of_dependencies([spelling], store.fetch).steps == (
        Step(("numpy", "pandas==2.0   ; python_version > '3'", f"{wheel}[train]")),
    )


def test_a_constraints_file_limits_and_installs_nothing(tmp_path: Path) -> None:
    store = Texts(tmp_path, {"/Workspace/c.txt": "numpy<3\n"})
    assert of_dependencies(["numpy", "-c /Workspace/c.txt"], store.fetch).steps == (
        Step(("numpy",), ("numpy<3",)),
    )


def test_a_file_that_includes_itself_is_refused(tmp_path: Path) -> None:
    store = Texts(tmp_path, {"/Workspace/a.txt": "-r b.txt", "/Workspace/b.txt": "-r a.txt"})
    with pytest.raises(InstallationError, match="includes itself"):
        of_dependencies(["-r /Workspace/a.txt"], store.fetch)


def test_the_libraries_of_a_task_are_installed_one_after_the_other() -> None:
    libraries: list[Mapping[str, object]] = [
        {"whl": "dbfs:/Volumes/c/s/v/a-1.0-py3-none-any.whl"},
        {"pypi": {"package": "simplejson==3.18.0"}},
        {"pypi": {"package": "inner", "repo": "https://index.example/simple"}},
    ]
    assert of_libraries(libraries, fetch).steps == (
        Step(("file:///local/Volumes/c/s/v/a-1.0-py3-none-any.whl",)),
        Step(("simplejson==3.18.0",)),
        Step(("--index-url https://index.example/simple", "inner")),
    )


def test_a_library_that_is_listed_twice_is_installed_once() -> None:
    assert len(of_libraries([{"whl": WHEEL}, {"whl": WHEEL}], fetch).steps) == 1


def test_jars_go_to_the_class_path_and_are_not_installed() -> None:
    found = of_libraries([{"jar": "/Volumes/c/s/v/a.jar"}], fetch)
    assert found == Requirements((), (Path("/local/Volumes/c/s/v/a.jar"),))


def test_a_requirements_library_installs_what_its_file_lists(tmp_path: Path) -> None:
    store = Texts(tmp_path, {"/Workspace/r.txt": "numpy\npandas\n"})
    found = of_libraries([{"requirements": "/Workspace/r.txt"}], store.fetch)
    assert found.steps == (Step(("numpy", "pandas")),)


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ({"egg": "dbfs:/FileStore/a.egg"}, "is an egg"),
        ({"maven": {"coordinates": "g:a:1"}}, "maven is not played"),
        ({"cran": {"package": "x"}}, "cran is not played"),
        ({"requirements": "dbfs:/FileStore/r.txt"}, "must lie in"),
        ({"whl": "s3://bucket/a.whl"}, "object storage"),
        ({"new_kind": 1}, "new_kind is not played"),
        ({}, "empty library"),
    ],
)
def test_a_library_that_can_not_be_installed_says_why(
    library: Mapping[str, object], message: str
) -> None:
    with pytest.raises(InstallationError, match=message):
        of_libraries([library], fetch)
