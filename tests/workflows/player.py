"""Plays a workflow file for one event: its jobs in their order, their conditions, matrices and outputs.

    forge = Forge(folder, github, workspace, project)
    played = forge.play("pr-plan.yml", event="pull_request", payload=payload)
    assert played.jobs["plan"].result == "success"

Each job gets a machine of its own, a token with exactly the job's `permissions`, the `vars` and `secrets` of
its environment, and with `id-token: write` a way to ask for ID tokens. Must not know recipes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.server import Sandbox
from tests.github import GitHub
from tests.workflows.expressions import evaluate, fill, truth
from tests.workflows.steps import Artifacts, Job, StepResult
from tools.runner import Machine

RECIPES = Path(__file__).resolve().parents[2] / "examples" / "workflows"


@dataclass(frozen=True)
class JobResult:
    """How a job ended: `success`, `failure` or `skipped`; of a matrix the worst."""

    result: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[StepResult, ...] = ()
    url: str = ""

    def step(self, name: str) -> StepResult:
        """The step with this id, or else of this action; KeyError if there is none."""
        for one in self.steps:
            if one.name == name:
                return one
        raise KeyError(name)


@dataclass(frozen=True)
class Played:
    """One run of a workflow."""

    run_id: str
    jobs: Mapping[str, JobResult]
    artifacts: Artifacts

    @property
    def ok(self) -> bool:
        """Whether no job failed."""
        return all(one.result != "failure" for one in self.jobs.values())


@dataclass
class Forge:
    """A repository on an emulated GitHub, its project, and an embedded workspace.

    `variables` and `secrets` belong to all environments, `of_environment` to one more closely.
    """

    folder: Path
    github: GitHub
    workspace: Sandbox
    project: Path
    repository: str = "acme/retail-metrics"
    variables: Mapping[str, str] = field(default_factory=dict)
    of_environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    workspaces: Mapping[str, Sandbox] = field(
        default_factory=dict
    )  # of environments, if not the one
    runs: dict[str, Artifacts] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)  # of jobs, by name

    def play(
        self,
        recipe: str | Path,
        *,
        event: str,
        payload: Mapping[str, Any],
        ref: str = "refs/heads/main",
        sha: str = "0" * 40,
        inputs: Mapping[str, Any] | None = None,
        fork: bool = False,
        before: Mapping[str, Callable[[], object]] | None = None,
    ) -> Played:
        """Play the workflow for an event; from a fork no job gets secrets or a right to write.

        `before` has what happens before a job begins, such as while reviewers read.
        """
        workflow = yaml.safe_load((RECIPES / recipe).read_text(encoding="utf-8"))
        number = str(len(self.runs) + 101)
        told, hooks = inputs or {}, before or {}
        run = _Run(self, workflow, number, event, payload, ref, sha, told, fork, hooks)
        self.runs[run.run_id] = run.artifacts
        return run.played()


@dataclass
class _Run:
    forge: Forge
    workflow: Mapping[str, Any]
    run_id: str
    event: str
    payload: Mapping[str, Any]
    ref: str
    sha: str
    inputs: Mapping[str, Any]
    fork: bool
    before: Mapping[str, Callable[[], object]]
    artifacts: Artifacts = field(default_factory=dict)
    done: dict[str, JobResult] = field(default_factory=dict)

    def played(self) -> Played:
        for name in self._order():
            self.before.get(name, lambda: None)()
            self.done[name] = self._job(name, self.workflow["jobs"][name])
        return Played(self.run_id, self.done, self.artifacts)

    def _order(self) -> Iterator[str]:
        waiting = dict(self.workflow["jobs"])
        given: set[str] = set()
        while waiting:
            ready = [name for name, job in waiting.items() if set(_needs(job)) <= given]
            assert ready, f"jobs wait for each other: {sorted(waiting)}"
            for name in ready:
                del waiting[name]
                given.add(name)
                yield name

    def _job(self, name: str, job: Mapping[str, Any]) -> JobResult:
        needs = {one: self.done[one] for one in _needs(job)}
        results = {one.result for one in needs.values()}
        checks = _checks(ok=results <= {"success"}, failed="failure" in results)
        context = self._context(needs)
        if not _may(job.get("if"), checks, context):
            return JobResult("skipped")
        if "uses" in job:  # somebody else's workflow
            return JobResult("success")
        legs = [self._leg(name, job, {**context, "matrix": one}) for one in _matrix(job)]
        result = "failure" if any(one.result == "failure" for one in legs) else "success"
        steps = tuple(step for one in legs for step in one.steps)
        return JobResult(result, legs[-1].outputs, steps, legs[-1].url)

    def _leg(self, name: str, job: Mapping[str, Any], context: Mapping[str, Any]) -> JobResult:
        environment = _environment(job, context)
        token = self._token(name, job)
        variables = {**self.forge.variables, **self.forge.of_environment.get(environment, {})}
        context = {
            **context,
            "vars": variables,
            "secrets": {} if self.fork else {**self.forge.secrets, "GITHUB_TOKEN": token},
            "github": {**context["github"], "token": token},
        }
        played = self._played_on(name, job, environment, token)
        steps: dict[str, Any] = {}
        results: list[StepResult] = []
        ok = True
        for number, step in enumerate(job["steps"]):
            state = _checks(ok=ok)
            here = {**context, "steps": steps}
            if not _may(step.get("if"), state, here):
                continue
            result = played.step(
                str(step.get("id") or step.get("name") or step.get("uses", f"step {number}")),
                step.get("uses", ""),
                _filled(step.get("with"), here),
                fill(step.get("run", ""), here),
                _filled({**(job.get("env") or {}), **(step.get("env") or {})}, here),
            )
            results.append(result)
            outcome = "success" if result.ok else "failure"
            if "id" in step:
                steps[step["id"]] = {"outputs": dict(result.outputs), "outcome": outcome}
            ok = ok and (result.ok or bool(step.get("continue-on-error")))
        here = {**context, "steps": steps}
        url = job.get("environment", {})
        told = fill(str(url.get("url", "")), here) if isinstance(url, Mapping) else ""
        outputs = _filled(job.get("outputs"), here)
        return JobResult("success" if ok else "failure", outputs, tuple(results), told)

    def _played_on(self, name: str, job: Mapping[str, Any], environment: str, token: str) -> Job:
        forge = self.forge
        number = next(_NUMBERS)
        machine = Machine(
            forge.folder / f"{self.run_id}-{name}-{number}", repository=forge.repository
        )
        machine.make()
        (machine.inside / "workflow" / "event.json").write_text(json.dumps(self.payload), "utf-8")
        environ = {
            **forge.github.environ,
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_REF": self.ref,
            "GITHUB_REF_NAME": self.ref.rpartition("/")[2],
            "GITHUB_REF_TYPE": "tag" if self.ref.startswith("refs/tags/") else "branch",
            "GITHUB_SHA": self.sha,
            "GITHUB_RUN_ID": self.run_id,
            "GITHUB_JOB": name,
            "GITHUB_REPOSITORY": forge.repository,
        }
        if self.event.startswith("pull_request"):
            pull = self.payload["pull_request"]
            environ |= {
                "GITHUB_BASE_REF": pull["base"]["ref"],
                "GITHUB_HEAD_REF": pull["head"]["ref"],
            }
        if self._permissions(job).get("id-token") == "write" and not self.fork:
            known = {"repository": forge.repository, "ref": self.ref, "event": self.event}
            trusted = forge.workspaces.get(environment, forge.workspace)
            environ |= trusted.github_job(**known, environment=environment)
        forge.tokens[name] = token
        return Job(machine, environ, forge.project, self.artifacts, forge.runs, token)

    def _permissions(self, job: Mapping[str, Any]) -> Mapping[str, str]:
        given = job.get("permissions", self.workflow.get("permissions", {}))
        return given if isinstance(given, Mapping) else {}

    def _token(self, name: str, job: Mapping[str, Any]) -> str:
        given = {key: level for key, level in self._permissions(job).items() if key != "id-token"}
        if self.fork:
            given = dict.fromkeys(given, "read")
        return self.forge.github.token(permissions=given)

    def _context(self, needs: Mapping[str, JobResult]) -> Mapping[str, Any]:
        return {
            "github": {
                "event": self.payload,
                "event_name": self.event,
                "ref": self.ref,
                "ref_name": self.ref.rpartition("/")[2],
                "sha": self.sha,
                "repository": self.forge.repository,
                "server_url": self.forge.github.url,
                "run_id": self.run_id,
                "actor": "octocat",
            },
            "inputs": self.inputs,
            "needs": {
                name: {"outputs": dict(one.outputs), "result": one.result}
                for name, one in needs.items()
            },
            "runner": {"temp": "/home/runner/work/_temp", "os": "Linux"},
            "vars": self.forge.variables,
        }


_NUMBERS = itertools.count()


def _checks(*, ok: bool, failed: bool | None = None) -> Mapping[str, Callable[[], bool]]:
    """The status functions of conditions."""
    return {
        "success": lambda: ok,
        "failure": lambda: not ok if failed is None else failed,
        "always": lambda: True,
        "cancelled": lambda: False,
    }


def _needs(job: Mapping[str, Any]) -> list[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else list(needs)


def _matrix(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    axes = job.get("strategy", {}).get("matrix", {})
    names = [name for name in axes if name not in {"include", "exclude"}]
    crossed = [
        dict(zip(names, one, strict=True)) for one in itertools.product(*(axes[n] for n in names))
    ]
    return [*(crossed if names else []), *axes.get("include", [])] or [{}]


def _environment(job: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    given = job.get("environment", "")
    return fill(str(given["name"] if isinstance(given, Mapping) else given), context)


def _filled(texts: Mapping[str, Any] | None, context: Mapping[str, Any]) -> dict[str, str]:
    shown = {True: "true", False: "false"}
    return {
        name: fill(shown.get(value, "") if isinstance(value, bool) else str(value), context)
        for name, value in (texts or {}).items()
    }


def _may(condition: Any, checks: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Whether a condition holds; one without a status function also needs success."""
    text = str(condition if condition is not None else "success()")
    text = text.strip().removeprefix("${{").removesuffix("}}")
    asks = any(f"{name}(" in text for name in checks)
    return (asks or checks["success"]()) and truth(evaluate(text, context, checks))
