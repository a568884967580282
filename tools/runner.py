"""Plays the GitHub Actions runner for one step: folders, environment, inputs, path translation.

A port of the meaning of the runner's `ContainerActionHandler`, `ContainerInfo` and `Handler` (facts,
"Contract facts" 6 to 10), for tests and for `make image`. It starts nothing: it says with which
environment, working directory and mounts the runner would start a step. Must not import the product,
whose mistakes it would hide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
_EXPRESSION = re.compile(r"\$\{\{\s*([a-z_.-]+)\s*\}\}")
# Where the runner mounts what: the last mapping that it adds is the first that it tries.
_MOUNTS = ("workspace", "file_commands", "workflow", "home", "runner_temp")
COMMAND_FILES = ("output", "step_summary", "state", "env", "path")


@dataclass(frozen=True)
class Machine:
    """A runner's machine, with the folders of one job below `work`.

    `inside` is where a container sees them: `/github` in a real one. Where nothing is mounted, in tests,
    it is another folder with the same layout, and `host` names are only names.
    """

    inside: Path
    work: Path = Path("/home/runner/work")
    repository: str = "acme/retail-metrics"
    proxy: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> dict[str, Path]:
        """The job's folders as the machine names them, by the name of their mount."""
        name = self.repository.rpartition("/")[2]
        temp = self.work / "_temp"
        return {
            "workspace": self.work / name / name,
            "file_commands": temp / "_runner_file_commands",
            "workflow": temp / "_github_workflow",
            "home": temp / "_github_home",
            "runner_temp": temp,
        }

    def make(self, *, on_host: bool = False) -> None:
        """Make the folders, the event and empty command files: as `inside` has them, or really."""
        files = self.host if on_host else {name: self.inside / name for name in _MOUNTS}
        for folder in files.values():
            folder.mkdir(parents=True, exist_ok=True)
        (files["workflow"] / "event.json").write_text("{}", encoding="utf-8")
        for name in COMMAND_FILES:
            (files["file_commands"] / name).write_bytes(b"")

    def to_container(self, value: str) -> str:
        """What a container gets for `value`: a path, or a text that begins with one, is translated."""
        for name in _MOUNTS:
            host = str(self.host[name])
            if value == host or value.startswith(f"{host}/"):
                return str(self.inside / name) + value[len(host) :]
        return value

    def from_host(self, path: str) -> Path:
        """The file that a later step on the machine finds at `path`, for tests without mounts."""
        return Path(self.to_container(path))

    def expand(self, text: str, more: Mapping[str, str] | None = None) -> str:
        """`text` with its expressions replaced; KeyError for one that the port does not know."""
        known = {
            "runner.temp": str(self.host["runner_temp"]),
            "github.workspace": str(self.host["workspace"]),
            "github.token": "",  # nobody is there whom a test could ask
            **(more or {}),
        }
        return _EXPRESSION.sub(lambda found: known[found[1]], text)

    def inputs(self, action: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
        """All inputs of `action`: the given ones, unknown ones too, and the defaults of the others."""
        defaults = {
            name: self.expand(str(one.get("default", ""))) for name, one in action["inputs"].items()
        }
        return {**defaults, **given}

    def container_environment(
        self, given: Mapping[str, str], environ: Mapping[str, str]
    ) -> dict[str, str]:
        """The environment of the container of this action, with these inputs and this step `env`."""
        action = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
        inputs = {
            f"INPUT_{name.replace(' ', '_').upper()}": text
            for name, text in self.inputs(action, given).items()
        }
        before = {**self._proxies(), **self.environ, **environ, **inputs}
        before |= {**dict(self.variables()), "HOME": str(self.host["home"])}
        return {name: self.to_container(value) for name, value in before.items()}

    def variables(self) -> Iterator[tuple[str, str]]:
        """The runner's own variables, as a step on the machine gets them."""
        host = self.host
        yield from {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION": "__self",
            "GITHUB_ACTOR": "octocat",
            "GITHUB_API_URL": "https://api.github.com",
            "GITHUB_EVENT_NAME": "workflow_dispatch",
            "GITHUB_EVENT_PATH": str(host["workflow"] / "event.json"),
            "GITHUB_JOB": "deploy",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_REPOSITORY": self.repository,
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": "7",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": "0" * 40,
            "GITHUB_WORKSPACE": str(host["workspace"]),
            "RUNNER_ARCH": "X64",
            "RUNNER_ENVIRONMENT": "github-hosted",
            "RUNNER_NAME": "runner",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(host["runner_temp"]),
            "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache",
            "RUNNER_WORKSPACE": str(host["workspace"].parent),
        }.items()
        for name in COMMAND_FILES:
            yield f"GITHUB_{name.upper()}", str(host["file_commands"] / name)

    def mounts(self) -> Iterator[tuple[Path, str]]:
        """What the runner mounts: (folder of the machine, folder in the container)."""
        for name in reversed(_MOUNTS):
            yield self.host[name], f"/github/{name}"

    def _proxies(self) -> dict[str, str]:
        if not self.proxy:
            return {}
        names = ("HTTP_PROXY", "HTTPS_PROXY")
        found = {**dict.fromkeys(names, self.proxy), "NO_PROXY": "localhost"}
        return found | {name.lower(): value for name, value in found.items()}
