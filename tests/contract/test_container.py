"""The container's door, started as the runner starts a container action (facts 6 to 11, 15 to 21)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.container_door import REPOSITORY, Door, a_door, command
from tests.contract.runner_files import SUMMARY_LIMIT
from tests.pipeline.stage import path
from tools.runner import Machine

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away and mount")
SOMEBODY = 12_345  # a user of no machine
COMMANDS = {
    "group",
    "endgroup",
    "debug",
    "notice",
    "warning",
    "error",
}  # what a step of ours may say
# A backend without dependencies, which takes its version from git and litters the checkout.
BACKEND = """
import base64, hashlib, pathlib, subprocess, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    print("::add-mask::production", flush=True)
    print("::set-output name=outcome::pwned", flush=True)
    pathlib.Path("litter").mkdir(exist_ok=True)
    pathlib.Path("litter/made-by-the-build").write_text("x")
    version = subprocess.check_output(["git", "describe", "--tags"], text=True).strip()
    name = f"retail_metrics-{version}-py3-none-any.whl"
    info = f"retail_metrics-{version}.dist-info"
    files = {
        "retail_metrics/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: retail-metrics\\nVersion: {version}\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\\n"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["build_backend"]
[project]
name = "retail-metrics"
dynamic = ["version"]
"""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with a_door(tmp_path) as one:
        yield one


@pytest.fixture
def ready(door: Door) -> Door:
    """Two jobs on 1.4.0, and 1.5.0 to deploy."""
    door.stage.publish("1.3.0", "1.4.0")
    door.stage.job(path("1.4.0"), name="näm → 日本")
    door.stage.job(path("1.4.0"), name="plain")
    door.stage.build("1.5.0")
    return door


def git(folder: Path, *arguments: str) -> None:
    identity = [
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.com",
        "-c",
        "init.defaultBranch=main",
    ]
    subprocess.run(
        ["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True
    )


@pytest.fixture
def project(door: Door) -> Path:
    """A project in the workspace whose version is its git tag."""
    folder = door.machine.inside / "workspace"
    (folder / "build_backend").mkdir()
    (folder / "build_backend" / "backend.py").write_text(BACKEND, encoding="utf-8")
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    git(folder, "tag", "1.5.0")
    return folder


def first(code: str, *arguments: object) -> list[str]:
    """What does `code` and then becomes the step; a shell would drop variables with hyphens."""
    script = f"import os, subprocess, sys\n{code}\nos.execvp(argv[0], argv)"
    count = len(arguments)
    head = f"given, argv = sys.argv[1:{count + 1}], sys.argv[{count + 1}:]\n"
    script = script.replace("\n", f"\n{head}", 1)
    return [sys.executable, "-c", script, *map(str, arguments)]


def mounting(code: str, folder: Path) -> list[str]:
    """As `first`, in a mount namespace of its own; skips where nobody may mount."""
    wrap = ["unshare", "--mount", *first(code, folder)]
    if subprocess.run([*wrap, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount")
    return wrap


def given_to(uid: int, folder: Path) -> None:
    for one in (folder, *folder.rglob("*")):
        os.chown(one, uid, uid, follow_symlinks=False)


# ── Paths in outputs are for later steps ─────────────────────────────────────────────────────────


def test_outputs_name_files_as_the_machine_does(ready: Door) -> None:
    done = ready.step(mode="plan")
    assert done.code == 0, done.stderr + done.stdout
    host = ready.machine.host
    assert done.outputs["report-path"] == f"{host['runner_temp']}/spark-deploy/report.json"
    assert done.outputs["wheel-path"].startswith(f"{host['workspace']}/dist/retail_metrics-1.5.0")
    assert ready.machine.from_host(done.outputs["wheel-path"]).is_file()
    assert done.document["library"]["file"] == done.outputs["wheel-path"]
    assert done.outputs["report-path"] in done.summary
    assert str(ready.machine.inside) not in "".join([done.summary, *done.outputs.values()])


def test_a_later_container_action_gets_the_file_from_the_same_output(ready: Door) -> None:
    """Its input is an environment variable, and the runner translates those (facts 8)."""
    report = ready.step(mode="plan").outputs["report-path"]
    assert Path(ready.machine.to_container(report)).is_file()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("out/deep/report.json", "{workspace}/out/deep/report.json"),
        ("{workspace}/report.json", "{workspace}/report.json"),
        ("{runner_temp}/mine.json", "{runner_temp}/mine.json"),
    ],
)
def test_a_report_path_of_the_machine_is_where_the_report_lies(
    ready: Door, given: str, expected: str
) -> None:
    names = {name: str(folder) for name, folder in ready.machine.host.items()}
    done = ready.step(mode="plan", report_path=given.format(**names))
    assert done.outputs["report-path"] == expected.format(**names)
    assert done.document["outcome"] == "succeeded"


def test_where_the_machine_is_not_told_outputs_name_what_the_container_sees(ready: Door) -> None:
    done = ready.step(mode="plan", host_paths="temp=relative:nonsense:workspace=")
    assert Path(done.outputs["report-path"]).is_file()
    assert Path(done.outputs["wheel-path"]).is_file()


def test_the_port_translates_what_the_runner_translates() -> None:
    machine = Machine(Path("/github"))
    temp, workspace = machine.host["runner_temp"], machine.host["workspace"]
    assert machine.to_container(str(workspace)) == "/github/workspace"
    assert machine.to_container(f"{workspace}/a b") == "/github/workspace/a b"
    assert machine.to_container(f"{workspace}-other") == f"{workspace}-other"
    assert machine.to_container(f"{temp}/_github_home/x") == "/github/home/x"
    assert machine.to_container(f"{temp}/x") == "/github/runner_temp/x"
    assert machine.to_container(f"temp={temp}") == f"temp={temp}"


# ── Another user's folders ───────────────────────────────────────────────────────────────────────


@AS_ROOT
def test_a_build_may_ask_git_in_a_checkout_of_another_user(door: Door, project: Path) -> None:
    given_to(SOMEBODY, door.machine.inside)
    refused = subprocess.run(
        ["git", "-C", str(project), "describe", "--tags"],
        env={"PATH": os.environ["PATH"], "HOME": str(door.machine.inside / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "dubious ownership" in refused.stderr, "the test must be about something"
    done = door.step(mode="plan", wheel="-", checks="false")
    assert done.code == 0, done.stdout + done.stderr
    assert done.outputs["version"] == "1.5.0"
    assert not list(door.machine.inside.rglob(".gitconfig"))
    assert "pwned" not in done.outputs["outcome"]


@AS_ROOT
def test_what_a_run_leaves_belongs_to_the_owner_of_the_folder(door: Door, project: Path) -> None:
    given_to(SOMEBODY, door.machine.inside)
    done = door.step(mode="plan", wheel="-", checks="false", report_path="out/deep/report.json")
    assert done.code == 0, done.stdout + done.stderr
    assert (project / "litter" / "made-by-the-build").is_file()
    assert (project / "out" / "deep" / "report.json").is_file()
    built = door.machine.from_host(done.outputs["wheel-path"])
    assert built.is_relative_to(door.machine.inside / "runner_temp")
    owners = {one: one.lstat().st_uid for one in door.machine.inside.rglob("*")}
    assert {one for one, uid in owners.items() if uid != SOMEBODY} == set()


def test_orders_that_a_build_prints_are_not_obeyed(door: Door, project: Path) -> None:
    done = door.step(mode="plan", wheel="-", checks="false")
    assert done.code == 0, done.stdout + done.stderr
    assert {one.name for one in done.runner.commands} <= COMMANDS | {"stop-commands"}
    assert "::set-output name=outcome::pwned" in done.runner.lines
    assert done.runner.stop_token is None


def test_a_report_path_that_leads_out_of_the_workspace_is_not_followed(ready: Door) -> None:
    outside = ready.machine.inside / "elsewhere"
    outside.mkdir()
    (ready.machine.inside / "workspace" / "link").symlink_to(outside)
    done = ready.step(mode="plan", report_path="link/report.json")
    assert list(outside.iterdir()) == []
    assert done.outputs["report-path"].endswith("/_temp/spark-deploy/report.json")
    assert done.document["outcome"] == "succeeded"
    assert any("leads out of the workspace" in line for line in done.runner.lines)


# ── Reporting never changes the outcome ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"GITHUB_OUTPUT": "-", "GITHUB_STEP_SUMMARY": "-"}, id="no files"),
        pytest.param(
            {"GITHUB_OUTPUT": "/nowhere/output", "GITHUB_STEP_SUMMARY": "/nowhere/summary"},
            id="files that are not there",
        ),
        pytest.param(
            {"GITHUB_OUTPUT": "/dev/full", "GITHUB_STEP_SUMMARY": "/dev/full"}, id="a full disk"
        ),
        pytest.param({"RUNNER_TEMP": "/proc/nowhere"}, id="no temporary folder"),
        pytest.param({"RUNNER_TEMP": "-"}, id="no word of a temporary folder"),
        pytest.param({"HOME": "-"}, id="no HOME"),
        pytest.param({"HOME": "/proc/nowhere"}, id="a HOME that is not there"),
        pytest.param({"LANG": "C", "LC_ALL": "C"}, id="LANG=C"),
        pytest.param({"LC_ALL": "en_US.ISO-8859-1", "PYTHONIOENCODING": "ascii"}, id="narrow"),
        pytest.param({"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"}, id="-E"),
    ],
)
def test_whatever_is_missing_for_the_report_the_deployment_goes_on(
    ready: Door, environ: dict[str, str]
) -> None:
    done = ready.step(mode="deploy", environ=environ)
    assert done.code == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert ready.stage.stored() == {"1.4.0", "1.5.0"}
    assert {one.name for one in done.runner.commands} <= COMMANDS
    assert any("日本" in line for line in done.runner.lines), "the runner reads UTF-8"


@pytest.mark.parametrize("where", ["/dev/full", "a pipe that nobody reads", "closed", "no stdin"])
def test_a_log_that_takes_nothing_changes_no_outcome(ready: Door, where: str) -> None:
    if where == "/dev/full":
        with Path(where).open("wb") as full:
            done = ready.step(mode="deploy", stdout=full)
    elif where == "closed":
        done = ready.step(mode="deploy", wrap=first("os.close(1); os.close(2)"))
    elif where == "no stdin":
        done = ready.step(mode="deploy", wrap=first("os.close(0)"))
    else:
        reader, writer = os.pipe()
        os.close(reader)
        done = ready.step(mode="deploy", stdout=writer)
        os.close(writer)
    assert done.code == 0
    assert done.outputs["outcome"] == "succeeded"
    assert done.document["outcome"] == "succeeded"
    assert ready.stage.stored() == {"1.4.0", "1.5.0"}


def test_what_a_full_log_still_holds_at_the_end_changes_no_exit_code(ready: Door) -> None:
    buffered = [one for one in command() if one != "-u"]
    with Path("/dev/full").open("wb") as full:
        assert ready.step(mode="plan", stdout=full, start=buffered).code == 0


def test_the_log_is_what_the_runner_reads_under_a_locale_that_has_no_such_letters(
    ready: Door,
) -> None:
    python, *rest = command()
    narrow = [python, "-X", "utf8=0", *rest]
    done = ready.step(mode="deploy", start=narrow, environ={"LC_ALL": "C"})
    assert done.code == 0
    assert any("日本" in line for line in done.runner.lines)


@AS_ROOT
def test_a_workspace_that_is_read_only_is_enough(ready: Door) -> None:
    folder = ready.machine.inside / "workspace"
    mounted = mounting(
        "subprocess.check_call(['mount', '--bind', given[0], given[0]])\n"
        "subprocess.check_call(['mount', '-o', 'remount,bind,ro', given[0]])\n"
        "os.chdir(given[0])",
        folder,
    )
    done = ready.step(mode="deploy", wrap=mounted, report_path="out/report.json")
    assert done.code == 0, done.stdout + done.stderr
    assert done.outputs["report-path"].endswith("/_temp/spark-deploy/report.json")
    assert any("Read-only" in line for line in done.runner.lines)
    assert ready.stage.stored() == {"1.4.0", "1.5.0"}


@AS_ROOT
def test_a_full_temporary_folder_costs_the_report_and_nothing_else(ready: Door) -> None:
    folder = ready.machine.inside / "runner_temp"
    mounted = mounting(
        "subprocess.check_call(['mount', '-t', 'tmpfs', '-o', 'size=4k', 'none', given[0]])\n"
        "open(given[0] + '/fills-it', 'wb').write(bytes(4096))",
        folder,
    )
    done = ready.step(mode="deploy", wrap=mounted)
    assert done.code == 0, done.stdout + done.stderr
    assert done.outputs["report-path"] == ""
    assert done.outputs["outcome"] == "succeeded"
    assert any("No space left" in line for line in done.runner.lines)


# ── The runner's limits ──────────────────────────────────────────────────────────────────────────


def test_a_large_report_keeps_to_the_limits_of_the_runner(door: Door) -> None:
    door.stage.publish("1.3.0", "1.4.0")
    for number in range(3_000):
        door.stage.job(path("2.0.0" if number % 2 else "1.4.0"), name=f"job {number} " + "x" * 300)
    door.stage.build("1.5.0")
    done = door.step(mode="plan")
    assert done.code == 0, done.stderr
    assert len(done.summary.encode()) <= SUMMARY_LIMIT
    assert sum(len(value) * 2 for value in done.outputs.values()) <= 1_000_000
    assert len(done.document["plan"]["changes"]) == 1_502
    levels = Counter(one.name for one in done.runner.commands)
    assert all(levels[name] <= 10 for name in ("error", "warning", "notice"))
    assert all(len(one.data) <= 4_096 for one in done.runner.commands)


# ── Exit codes and standard output ───────────────────────────────────────────────────────────────


def test_exit_code_0_is_done_and_nothing_to_do(ready: Door) -> None:
    assert [ready.step(mode="deploy").code, ready.step(mode="deploy").code] == [0, 0]
    assert ready.step(mode="deploy").outputs["outcome"] == "nothing-to-do"


def test_exit_code_1_is_a_failure(ready: Door) -> None:
    done = ready.step(mode="deploy", environ={"DATABRICKS_TOKEN": "wrong"})
    assert (done.code, done.outputs["outcome"]) == (1, "failed")
    assert done.outputs["failure-reason"] == "authentication-failed"


def test_exit_code_2_is_an_invalid_input(ready: Door) -> None:
    done = ready.step(mode="destroy")
    assert (done.code, done.outputs["failure-reason"]) == (2, "invalid-input")


def test_exit_code_3_is_a_refusal(ready: Door) -> None:
    done = ready.step(mode="deploy", expected_plan_digest="0" * 64)
    assert (done.code, done.outputs["outcome"]) == (3, "refused")


def test_exit_code_70_is_our_bug_and_still_a_whole_report(ready: Door) -> None:
    broken = (
        "import runpy, deployer.planning; deployer.planning.make_plan = None;"
        f"runpy.run_path({str(REPOSITORY / 'entrypoint.py')!r}, run_name='__main__')"
    )
    done = ready.step(
        mode="deploy", start=[sys.executable, "-c", broken], environ={"PYTHONPATH": str(REPOSITORY)}
    )
    assert (done.code, done.outputs["failure-reason"]) == (70, "internal")
    assert done.document["failure"]["title"] == "spark-deploy has a bug: TypeError."
    assert "Traceback" not in "\n".join(done.runner.lines)


def test_a_deployment_gives_the_runner_no_order_but_ours(ready: Door) -> None:
    done = ready.step(mode="deploy", log_level="debug")
    assert {one.name for one in done.runner.commands} <= COMMANDS
    assert "\x1b" not in done.stdout, "no terminal, no colours"
    assert done.stderr == ""


def test_a_proxy_in_both_spellings_is_not_asked_for_this_machine(tmp_path: Path) -> None:
    with a_door(tmp_path, {"proxy": "http://127.0.0.1:9"}) as door:
        environment = door.environment({"mode": "plan"})
        assert {"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"} <= set(environment)
        door.stage.build("1.5.0")
        done = door.step(mode="plan")
        assert done.code == 0, done.stdout


def test_the_step_gets_every_input_as_the_runner_spells_it(ready: Door) -> None:
    environment = ready.environment({"mode": "plan"})
    assert environment["INPUT_EXPECTED-PLAN-DIGEST"] == ""
    assert environment["INPUT_HOST-PATHS"].startswith("temp=/home/runner/work/_temp:")
    assert environment["HOME"] == str(ready.machine.inside / "home")
    assert not re.search(r"\$\{\{", "".join(environment.values()))


def test_the_image_starts_python_without_the_environments_word() -> None:
    assert {"-E", "-s"} <= set(command())
