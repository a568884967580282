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
from sandbox.runtimes import Runtime

NEWEST = Runtime()
WHEEL = "/Workspace/Shared/libs/my_lib-1.0.0-py3-none-any.whl"


def fetch(path: str) -> Path:
    """A store that has every file, at a local path that shows what was asked for."""
    return Path("/local", path.lstrip("/"))


def fetch_nothing(path: str) -> Path:
    raise AssertionError(f"{path} was read")


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
        ("/dbfs/FileStore/a.whl", "dbfs:/FileStore/a.whl"),
        ("file:/dbfs/FileStore/a.whl", "dbfs:/FileStore/a.whl"),
        ("/dbfs/Volumes/c/s/v/a.whl", "/Volumes/c/s/v/a.whl"),
        ("/dbfsx/a.whl", "/dbfsx/a.whl"),
        ("file:/Workspace/a.whl", "/Workspace/a.whl"),
        ("file:///Volumes/c/s/v/a.whl", "/Volumes/c/s/v/a.whl"),
        ("file:///etc/passwd", "file:///etc/passwd"),
    ],
)
def test_volumes_files_and_dbfs_have_one_spelling_and_other_paths_stay(
    reference: str, path: str
) -> None:
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
    assert of_libraries(libraries, fetch, NEWEST).steps == (
        Step(("file:///local/Volumes/c/s/v/a-1.0-py3-none-any.whl",)),
        Step(("simplejson==3.18.0",)),
        Step(("--index-url https://index.example/simple", "inner")),
    )


def test_a_library_that_is_listed_twice_is_installed_once() -> None:
    assert len(of_libraries([{"whl": WHEEL}, {"whl": WHEEL}], fetch, NEWEST).steps) == 1


def test_jars_go_to_the_class_path_and_are_not_installed() -> None:
    found = of_libraries([{"jar": "/Volumes/c/s/v/a.jar"}], fetch, NEWEST)
    assert found == Requirements((), (Path("/local/Volumes/c/s/v/a.jar"),))


def test_a_requirements_library_installs_what_its_file_lists(tmp_path: Path) -> None:
    store = Texts(tmp_path, {"/Workspace/r.txt": "numpy\npandas\n"})
    found = of_libraries([{"requirements": "/Workspace/r.txt"}], store.fetch, NEWEST)
    assert found.steps == (Step(("numpy", "pandas")),)


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ({"egg": "dbfs:/FileStore/a.egg"}, "eggs are not supported on the newest runtime"),
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
        of_libraries([library], fetch, NEWEST)


@pytest.mark.parametrize("key", ["13.3.x-scala2.12", "7.3.x-cpu-ml-scala2.12"])
def test_an_egg_goes_to_the_path_of_a_runtime_that_takes_eggs(key: str) -> None:
    found = of_libraries([{"egg": "/Volumes/c/s/v/a-1.0-py3.10.egg"}], fetch, Runtime(key))
    assert found == Requirements(eggs=(Path("/local/Volumes/c/s/v/a-1.0-py3.10.egg"),))


@pytest.mark.parametrize("key", ["14.0.x-scala2.12", "15.4.x-photon-scala2.12", "custom:x", ""])
def test_an_egg_is_refused_before_it_is_read_by_all_other_runtimes(key: str) -> None:
    with pytest.raises(InstallationError, match=r"a\.egg : eggs are not supported"):
        of_libraries([{"egg": "/missing/a.egg"}], fetch_nothing, Runtime(key))


@pytest.mark.parametrize(
    "line",
    [
        "/Volumes/c/s/v/a.egg",
        "my-lib @ /Volumes/c/s/v/a.egg",
        "/Volumes/c/s/v/a.egg ; x",
        "./a.EGG",
    ],
)
def test_a_serverless_environment_takes_no_egg(line: str) -> None:
    with pytest.raises(InstallationError, match="eggs are not supported on serverless compute"):
        lines_of(line)


@pytest.mark.parametrize("path", ["dbfs:/libs/{}", "/dbfs/libs/{}", "file:/dbfs/libs/{}"])
@pytest.mark.parametrize(("kind", "name"), [("whl", "a-1-py3-none-any.whl"), ("jar", "a.jar")])
def test_a_library_in_dbfs_is_for_runtimes_before_15_1(path: str, kind: str, name: str) -> None:
    library = {kind: path.format(name)}
    assert of_libraries([library], fetch, Runtime("15.0.x-scala2.12")) != Requirements()
    for key in ("15.1.x-scala2.12", "16.4.x-scala2.13", ""):
        with pytest.raises(InstallationError, match="DBFS library installations are not supported"):
            of_libraries([library], fetch_nothing, Runtime(key))


def test_an_egg_in_dbfs_is_for_runtimes_before_14_0() -> None:
    found = of_libraries([{"egg": "dbfs:/libs/a.egg"}], fetch, Runtime("13.3.x-scala2.12"))
    assert found.eggs == (Path("/local/dbfs:/libs/a.egg"),)


def test_a_serverless_environment_takes_nothing_from_dbfs() -> None:
    with pytest.raises(InstallationError, match="not supported on serverless compute"):
        lines_of("dbfs:/libs/a-1.0-py3-none-any.whl")
    with pytest.raises(InstallationError, match="not supported on serverless compute"):
        of_dependencies([], fetch, java_dependencies=["dbfs:/libs/a.jar"])


def test_java_dependencies_of_a_serverless_environment_go_to_the_class_path_once() -> None:
    jar = "/Volumes/c/s/v/a.jar"
    found = of_dependencies(["numpy"], fetch, java_dependencies=[jar, f"dbfs:{jar}"])
    assert found == Requirements((Step(("numpy",)),), (Path("/local", jar.lstrip("/")),))
