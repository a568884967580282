"""`composite/action.yml`: the same contract without Docker, run by a small interpreter of its steps."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ruff import find_ruff_bin  # type: ignore[import-untyped]  # it ships no types

from deployer.contract import INPUTS, OUTPUTS
from tests.contract.container_door import REPOSITORY, Door, Step, a_door
from tests.pipeline.stage import ROOT, path

ACTION: dict[str, Any] = yaml.safe_load(
    (REPOSITORY / "composite" / "action.yml").read_text(encoding="utf-8")
)
EXPRESSION = re.compile(r"\$\{\{\s*(\w+)\.([\w.-]+)\s*\}\}")
# A composite action has no post step: its last step gives back locks that the first one had to leave.
[STEP, LAST] = ACTION["runs"]["steps"]


def outputs_of(action: Mapping[str, Any], steps: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The outputs of a composite action, from those of its steps."""
    found = {}
    for name, one in action["outputs"].items():
        matched = EXPRESSION.fullmatch(one["value"])
        assert matched is not None
        step, _, output = matched[2].partition(".outputs.")
        assert matched[1] == "steps"
        found[name] = steps[step].get(output, "")
    return found


class Composite:
    """Runs the action's steps on a machine, as the runner does."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def start(self, **inputs: str) -> subprocess.Popen[bytes]:
        machine = self.door.machine
        named = {name.replace("_", "-"): value for name, value in inputs.items()}
        given = machine.inputs(ACTION, {"wheel": "dist/*.whl", "root": ROOT, **named})
        assert set(given) <= set(ACTION["inputs"])
        variables = {
            name: EXPRESSION.sub(lambda found: given[found[2]], str(value))
            for name, value in STEP["env"].items()
        }
        script = machine.inside / "runner_temp" / "step.sh"
        script.write_text(STEP["run"], encoding="utf-8")
        assert STEP["shell"] == "bash"
        return subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            env={
                "PATH": os.environ["PATH"],
                "HOME": os.environ.get("HOME", "/root"),
                # Nothing is mounted here: the machine's folders are those that are there.
                **{name: machine.to_container(value) for name, value in machine.variables()},
                "GITHUB_ACTION_PATH": str(REPOSITORY / "composite"),
                "DATABRICKS_HOST": self.door.stage.workspace.url,
                "DATABRICKS_TOKEN": self.door.stage.workspace.token,
                **{name: os.environ[name] for name in FROM_THIS_MACHINE if name in os.environ},
                **variables,
            },
            cwd=machine.inside / "workspace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def step(self, **inputs: str) -> Step:
        output = self.door.machine.inside / "file_commands" / "output"
        output.write_bytes(b"")
        process = self.start(**inputs)
        out, err = process.communicate(timeout=600)
        return Step(process.returncode, out.decode(), err.decode(), self.door.machine)


# What an installation of packages needs on the machine that runs these tests.
FROM_THIS_MACHINE = (
    "PIP_CERT",
    "SSL_CERT_FILE",
    "PIP_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "HTTPS_PROXY",
)


# ── The contract ─────────────────────────────────────────────────────────────────────────────────


def test_it_has_the_inputs_and_outputs_of_the_container() -> None:
    container = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
    # Where paths are those of the machine, nobody has to be told where they lie.
    container["inputs"].pop("host-paths")
    assert ACTION["inputs"] == container["inputs"]
    said = {name: one["description"] for name, one in ACTION["outputs"].items()}
    assert said == {name: one["description"] for name, one in container["outputs"].items()}


def test_every_input_reaches_the_program_and_every_output_comes_back() -> None:
    module = importlib.util.spec_from_file_location("start", REPOSITORY / "composite/start.py")
    assert module is not None
    assert module.loader is not None
    start = importlib.util.module_from_spec(module)
    module.loader.exec_module(start)
    values = {
        name: EXPRESSION.sub(lambda found: found[2], text) for name, text in STEP["env"].items()
    }
    spelled = start.as_for_a_container({**values, "GITHUB_REF_NAME": "a_b"})
    names = [one.name for one in INPUTS if one.name != "host-paths"]
    assert spelled == {f"INPUT_{name.upper()}": name for name in names} | {"GITHUB_REF_NAME": "a_b"}
    given = {one.name: f"value of {one.name}" for one in OUTPUTS}
    assert outputs_of(ACTION, {"run": given}) == given


def test_the_last_step_runs_whatever_became_of_the_first_and_with_the_same_inputs() -> None:
    assert LAST["if"] == "always()"
    assert LAST["env"] == STEP["env"]
    assert LAST["run"] == STEP["run"].replace("entrypoint.py", "post.py")


@pytest.mark.parametrize("step", [STEP, LAST])
def test_no_input_is_ever_part_of_a_script(step: dict[str, Any]) -> None:
    assert "${{" not in step["run"]
    assert set(step) - {"id", "if"} == {"shell", "env", "run"}


@pytest.mark.parametrize("step", [STEP, LAST])
def test_the_script_is_good_shell(step: dict[str, Any]) -> None:
    done = subprocess.run(
        ["bash", "-n"], input=step["run"], text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# ── The action, really ───────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def composite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composite]:
    """One machine for all: as in one job, packages are installed once."""
    with a_door(tmp_path_factory.mktemp("composite")) as door:
        door.stage.publish("1.4.0")
        door.stage.job(path("1.4.0"), name="a job")
        door.stage.build("1.5.0")
        yield Composite(door)


@pytest.mark.network
def test_it_does_what_the_container_does(composite: Composite) -> None:
    done = composite.step(mode="plan")
    assert done.code == 0, done.stdout + done.stderr
    mine, outputs = done.document, done.outputs
    assert Path(outputs["report-path"]).is_file()
    assert Path(outputs["wheel-path"]).is_file()
    assert "1 job" in done.summary
    twin = composite.door.step(mode="plan")
    for part in ("plan", "versions", "identity", "outcome", "mode"):
        assert mine[part] == twin.document[part], part
    assert outputs["plan-digest"] == twin.outputs["plan-digest"]


@pytest.mark.network
def test_a_second_step_of_the_job_installs_nothing(composite: Composite) -> None:
    composite.step(mode="plan")
    again = composite.step(mode="plan")
    assert again.code == 0
    assert not [one for one in again.runner.named("group") if "Install" in one.data]


@pytest.mark.network
def test_text_in_inputs_stays_text(composite: Composite, tmp_path: Path) -> None:
    hostile = f"$(touch {tmp_path}/pwned)`touch {tmp_path}/pwned`\"; touch {tmp_path}/pwned #'"
    done = composite.step(mode="plan", environment=hostile, wheel="$(echo x)")
    assert done.code == 2
    assert done.outputs["failure-reason"] in {"no-library-file", "invalid-input"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.network
def test_a_cancellation_reaches_the_program(composite: Composite) -> None:
    """The runner signals the step's first process alone, so it has to be the program itself."""
    composite.step(mode="plan")
    composite.door.stage.workspace.set_latency(300)
    try:
        process = composite.start(mode="deploy")
        assert process.stdout is not None
        for line in iter(process.stdout.readline, b""):
            if b"Connect to the workspace" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        composite.door.stage.workspace.set_latency(0)
    assert process.returncode == 1, out + err
    done = Step(process.returncode, out.decode(), err.decode(), composite.door.machine)
    assert done.outputs["outcome"] == "cancelled"


def test_without_a_python_it_says_what_to_add(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "-e", "-c", STEP["run"]],
        env={"PATH": str(tmp_path), "pythonLocation": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "actions/setup-python" in done.stdout


def test_packages_that_can_not_be_fetched_are_an_annotation(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-e", "-c", STEP["run"]],
        env={
            "PATH": f"{Path(find_ruff_bin()).parent}:/usr/bin:/bin",
            "GITHUB_ACTION_PATH": str(REPOSITORY / "composite"),
            "RUNNER_TEMP": str(tmp_path),
            "HOME": str(tmp_path),
            "UV_OFFLINE": "1",
            "UV_CACHE_DIR": str(tmp_path / "empty"),
            "pythonLocation": "/nowhere",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "::error title=spark-deploy can't be installed::" in done.stdout
    assert not list(tmp_path.rglob("complete"))
